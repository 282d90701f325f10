#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/rng.h"
#include "profiler/base/stats.h"

#define REFERENCE "tests/base/data/stats_reference.json"
#define MAX_N     64

#ifdef __SANITIZE_ADDRESS__
#define SCALE 4
#else
#define SCALE 1
#endif

static const char *const sets[] = {"d8", "d12ties", "d9neg", "net24"};
#define N_SETS (sizeof sets / sizeof sets[0])

static json_t *reference;

static int load(void **state)
{
    (void)state;
    json_error_t e;
    reference = json_load_file(REFERENCE, 0, &e);
    if (reference == NULL)
        fprintf(stderr, "%s: %s\n", REFERENCE, e.text);
    return reference == NULL;
}

static int unload(void **state)
{
    (void)state;
    json_decref(reference);
    return 0;
}

static size_t column(const char *set, const char *name, double out[MAX_N])
{
    json_t *a = json_object_get(json_object_get(json_object_get(reference, "inputs"), set), name);
    size_t n = json_array_size(a);
    assert_in_range(n, 1, MAX_N);
    for (size_t i = 0; i < n; i++)
        out[i] = json_number_value(json_array_get(a, i));
    return n;
}

static const json_t *answer(const char *program, const char *set, const char *name)
{
    const json_t *v =
        json_object_get(json_object_get(json_object_get(reference, program), set), name);
    if (v == NULL)
        fail_msg("no %s.%s.%s in %s", program, set, name, REFERENCE);
    return v;
}

static double r_answer(const char *set, const char *name)
{
    return json_number_value(answer("R", set, name));
}

static void assert_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("got %.17g, want %.17g within %g", got, want, tolerance);
}

static void assert_nan(double got)
{
    if (!isnan(got))
        fail_msg("got %.17g, want NaN", got);
}

/* R's answers come from double arithmetic too: 1e-12 relative is some thousand roundings. */
static void moments_quantiles_and_mad_agree_with_r(void **state)
{
    (void)state;
    static const double qs[] = {0.05, 0.25, 0.5, 0.9, 0.99};
    for (size_t s = 0; s < N_SETS; s++) {
        double y[MAX_N], work[MAX_N];
        size_t n = column(sets[s], "y", y);
        assert_near(mop_mean(y, n), r_answer(sets[s], "y_mean"), 1e-11);
        assert_near(mop_sd(y, n), r_answer(sets[s], "y_sd"), 1e-11);
        assert_near(mop_mad(y, n, work), r_answer(sets[s], "y_mad_unscaled"), 1e-11);
        mop_sort_f64(y, n);
        for (size_t q = 0; q < sizeof qs / sizeof qs[0]; q++) {
            char name[32];
            snprintf(name, sizeof name, "y_quantile7_%g", qs[q]);
            assert_near(mop_quantile(y, n, qs[q]), r_answer(sets[s], name), 1e-11);
        }
    }
}

static void correlations_agree_with_r(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_SETS; s++) {
        double x[MAX_N], y[MAX_N];
        size_t n = column(sets[s], "x", x);
        assert_int_equal(column(sets[s], "y", y), n);
        mop_interval rho;
        assert_int_equal(mop_spearman(x, y, n, 0.95, 0, 1, &rho, NULL), MOP_OK);
        assert_near(rho.est, r_answer(sets[s], "spearman"), 1e-13);
        assert_nan(rho.lo);
        assert_near(mop_pearson(x, y, n), r_answer(sets[s], "pearson"), 1e-13);
        assert_near(mop_kendall_tau_b(x, y, n), r_answer(sets[s], "tau_b"), 1e-13);
    }
}

static void permutation_p_is_exact_to_nine_pairs(void **state)
{
    (void)state;
    static const char *const exact[] = {"d8", "d9neg"};
    double x[MAX_N], y[MAX_N], p;
    for (size_t s = 0; s < 2; s++) {
        size_t n = column(exact[s], "x", x);
        column(exact[s], "y", y);
        assert_int_equal(mop_spearman_p(x, y, n, 0, 0, &p, NULL), MOP_OK);
        assert_near(p, r_answer(exact[s], "spearman_p_R_default"), 1e-15);
    }
    size_t n = column("d8", "x", x);
    column("d8", "y", y);
    assert_int_equal(mop_spearman_p(x, y, n, 0, 0, &p, NULL), MOP_OK);
    assert_near(p, json_number_value(answer("scipy", "d8", "perm_exact_spearman")), 1e-15);
    /* by hand: of the 24 orders of 4 only the straight and the reversed are as far out */
    assert_int_equal(mop_spearman_p(x, x, 4, 0, 0, &p, NULL), MOP_OK);
    assert_near(p, 2.0 / 24, 1e-15);
    /* by hand, tied: y = 1 1 2 against x = 1 2 3 puts the 2 last in 1/3 of orders, first in 1/3 */
    const double x3[] = {1, 2, 3}, y3[] = {1, 1, 2};
    assert_int_equal(mop_spearman_p(x3, y3, 3, 0, 0, &p, NULL), MOP_OK);
    assert_near(p, 2.0 / 3, 1e-15);
}

static void drawn_permutations_agree_with_the_exact_and_never_give_zero(void **state)
{
    (void)state;
    double x[MAX_N], y[MAX_N], p;
    size_t n = column("net24", "x", x);
    column("net24", "y", y);
    assert_int_equal(mop_spearman_p(x, y, n, 999, 7, &p, NULL), MOP_OK);
    assert_near(p, 1.0 / 1000, 1e-15); /* R: 1.6e-13, below what 999 draws can tell */
    /* two seeds differ by at most 4 standard errors of a difference, 4 sqrt(2 * .25 / 20000) */
    const double a[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, b[] = {5, 1, 8, 2, 9, 3, 10, 4, 7, 6};
    double q;
    assert_int_equal(mop_spearman_p(a, b, 10, 20000, 1, &p, NULL), MOP_OK);
    assert_int_equal(mop_spearman_p(a, b, 10, 20000, 2, &q, NULL), MOP_OK);
    assert_near(p, q, 0.02); /* 4 standard errors of a difference: 4 sqrt(2 * .25 / 20000) */
    assert_int_equal(mop_spearman_p(a, b, 10, 20000, 1, &q, NULL), MOP_OK);
    assert_true(p == q); /* same seed, same bits */
    assert_in_range((int)(1000 * p), 100, 500);
}

static void bca_interval_agrees_with_scipy_to_two_digits(void **state)
{
    (void)state;
    /* rho of few rows takes few values: at 20000 draws seeds differ by one such step, 0.012 for
     * d9neg */
    const uint32_t draws = 200000;
    static const char *const with[] = {"d12ties", "d9neg", "net24"};
    for (size_t s = 0; s < 3; s++) {
        double x[MAX_N], y[MAX_N];
        size_t n = column(with[s], "x", x);
        column(with[s], "y", y);
        mop_interval rho, again;
        assert_int_equal(mop_spearman(x, y, n, 0.95, draws, 1, &rho, NULL), MOP_OK);
        assert_near(rho.lo, json_number_value(answer("scipy", with[s], "bca_spearman_lo")), 0.01);
        assert_near(rho.hi, json_number_value(answer("scipy", with[s], "bca_spearman_hi")), 0.01);
        assert_int_equal(mop_spearman(x, y, n, 0.95, draws, 1, &again, NULL), MOP_OK);
        assert_memory_equal(&rho, &again, sizeof rho);
    }
}

static void median_interval_uses_the_ranks_that_r_names(void **state)
{
    (void)state;
    static const size_t ns[] = {6, 10, 20, 21, 50, 100, 200};
    double x[200];
    for (size_t i = 0; i < 200; i++)
        x[i] = (double)(i + 1); /* the value is the rank */
    for (size_t k = 0; k < sizeof ns / sizeof ns[0]; k++) {
        char lo[32], hi[32];
        snprintf(lo, sizeof lo, "n%zu_lo_rank", ns[k]);
        snprintf(hi, sizeof hi, "n%zu_hi_rank", ns[k]);
        mop_interval m = mop_median_interval(x, ns[k], 0.95);
        assert_true(m.lo == r_answer("median_ci", lo));
        assert_true(m.hi == r_answer("median_ci", hi));
        assert_true(m.est == 0.5 * (double)(ns[k] + 1));
    }
    assert_nan(mop_median_interval(x, 5, 0.95).lo); /* even 1..5 covers only 0.9375 */
    assert_true(mop_median_interval(x, 5, 0.9375).hi == 5);
}

static void median_interval_survives_counts_beyond_the_range_of_two_to_the_n(void **state)
{
    (void)state;
    size_t n = 20000; /* 2^-20000 underflows */
    double *x = malloc(n * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (double)(i + 1);
    mop_interval m = mop_median_interval(x, n, 0.95);
    /* normal approximation: 10000 - 1.95996 * sqrt(20000) / 2 = 9861.4 */
    assert_near(m.lo, 9861.4, 1.5);
    assert_near(m.hi, 20001 - m.lo, 0);
    free(x);
}

static void median_interval_covers_the_median_of_independent_data(void **state)
{
    (void)state;
    const uint64_t seed = 20260131;
    const int rounds = 4000 / SCALE;
    printf("seed %llu\n", (unsigned long long)seed);
    for (size_t n = 7; n <= 40; n += 33) {
        int covered = 0;
        mop_rng rng;
        mop_rng_init(&rng, seed, n);
        for (int r = 0; r < rounds; r++) {
            double x[40];
            for (size_t i = 0; i < n; i++)
                x[i] = exp(mop_rng_normal(&rng)); /* skewed as latencies are; median 1 */
            mop_sort_f64(x, n);
            mop_interval m = mop_median_interval(x, n, 0.95);
            covered += m.lo <= 1 && 1 <= m.hi;
        }
        if (covered < 0.93 * rounds)
            fail_msg("n %zu: covered %d of %d", n, covered, rounds);
    }
}

static void bca_interval_covers_rho_and_the_test_keeps_its_level(void **state)
{
    (void)state;
    const uint64_t seed = 42;
    const int rounds = 800 / SCALE;
    printf("seed %llu\n", (unsigned long long)seed);
    /* population rho of the bivariate normal with r = 0.6: 6/pi asin(r/2) */
    const double r = 0.6, truth = 6 / 3.14159265358979323846 * asin(r / 2);
    int covered = 0, rejected = 0;
    mop_rng rng;
    mop_rng_init(&rng, seed, 0);
    for (int k = 0; k < rounds; k++) {
        double x[30], y[30], z[30], p;
        for (size_t i = 0; i < 30; i++) {
            x[i] = mop_rng_normal(&rng);
            z[i] = mop_rng_normal(&rng);
            y[i] = r * x[i] + sqrt(1 - r * r) * z[i];
        }
        mop_interval rho;
        assert_int_equal(mop_spearman(x, y, 30, 0.95, 400, (uint64_t)k, &rho, NULL), MOP_OK);
        covered += rho.lo <= truth && truth <= rho.hi;
        assert_int_equal(mop_spearman_p(x, z, 30, 199, (uint64_t)k, &p, NULL), MOP_OK);
        rejected += p <= 0.05;
    }
    if (covered < 0.90 * rounds)
        fail_msg("covered %d of %d", covered, rounds);
    /* .05 +- 3.5 sqrt(.05 .95 / rounds) */
    assert_near(rejected, 0.05 * rounds, 3.5 * sqrt(0.05 * 0.95 * rounds));
}

static void ranks_share_ties_and_skip_nan(void **state)
{
    (void)state;
    const double x[] = {3, 1, NAN, 3, -INFINITY, 3, 2};
    const double want[] = {5, 2, NAN, 5, 1, 5, 3};
    double rank[7];
    size_t work[7];
    mop_ranks(x, 7, rank, work);
    for (size_t i = 0; i < 7; i++) {
        if (isnan(want[i]))
            assert_nan(rank[i]);
        else
            assert_true(rank[i] == want[i]);
    }
}

static void large_offsets_cost_no_digits(void **state)
{
    (void)state;
    double x[1001]; /* NIST StRD NumAcc4 */
    x[0] = 10000000.2;
    for (size_t i = 1; i < 1001; i++)
        x[i] = i % 2 ? 10000000.1 : 10000000.3;
    assert_near(mop_mean(x, 1001) / 10000000.2, 1, 1e-15);
    assert_near(mop_sd(x, 1001) / 0.1, 1, 3.2e-8); /* 7.5 digits: the data hold no more */
}

static void normal_quantile_inverts_the_distribution(void **state)
{
    (void)state;
    static const char *const ps[] = {"0.001", "0.025", "0.5", "0.9", "0.999"};
    for (size_t i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%s", ps[i]);
        assert_near(mop_normal_quantile(strtod(ps[i], NULL)), r_answer("qnorm", name), 1e-14);
    }
    for (double p = 1e-300; p < 0.5; p *= 3) /* all three ranges of the algorithm */
        assert_near(mop_normal_cdf(mop_normal_quantile(p)) / p, 1, 1e-12);
    for (double p = 0.5; p < 1; p += 0.001)
        assert_near(mop_normal_cdf(mop_normal_quantile(p)), p, 1e-15);
    assert_true(mop_normal_quantile(0) == -INFINITY);
    assert_true(mop_normal_quantile(1) == INFINITY);
    assert_nan(mop_normal_quantile(-0.1));
    assert_nan(mop_normal_quantile(NAN));
}

static void holm_corrects_step_by_step(void **state)
{
    (void)state;
    /* by hand: .005*5, .01*4, then .03*3 lifts .04*2 to itself, NaN not counted */
    const double p[] = {0.01, 0.04, 0.03, NAN, 0.005, 0.7};
    const double want[] = {0.04, 0.09, 0.09, NAN, 0.025, 0.7};
    double got[6];
    mop_holm(p, 6, got);
    for (size_t i = 0; i < 6; i++) {
        if (isnan(want[i]))
            assert_nan(got[i]);
        else
            assert_near(got[i], want[i], 1e-15);
    }
}

static void spearman_of(const double *x, const double *y, size_t n, mop_interval *rho, double *p)
{
    assert_int_equal(mop_spearman(x, y, n, 0.95, 200, 1, rho, NULL), MOP_OK);
    assert_int_equal(mop_spearman_p(x, y, n, 99, 1, p, NULL), MOP_OK);
}

static void too_few_values_give_nan_not_a_number_by_accident(void **state)
{
    (void)state;
    double x[] = {1, 2, 3}, y[] = {2, 1, 3}, work[3], p;
    mop_interval rho;
    assert_nan(mop_mean(x, 0));
    assert_nan(mop_quantile(x, 0, 0.5));
    assert_nan(mop_quantile(x, 3, 1.5));
    assert_nan(mop_median_interval(x, 0, 0.95).est);
    assert_nan(mop_mad(x, 0, work));
    assert_nan(mop_sd(x, 1));
    assert_nan(mop_pearson(x, y, 1));
    assert_nan(mop_kendall_tau_b(x, y, 1));
    assert_true(mop_quantile(x, 1, 0.3) == 1);
    assert_true(mop_mad(x, 1, work) == 0);
    assert_nan(mop_median_interval(x, 2, 0.95).lo);
    for (size_t n = 0; n < 2; n++) {
        spearman_of(x, y, n, &rho, &p);
        assert_nan(rho.est);
        assert_nan(p);
    }
    spearman_of(x, y, 2, &rho, &p);
    assert_true(rho.est == -1);
    assert_nan(rho.lo);
    assert_nan(p);
    spearman_of(x, y, 3, &rho, &p);
    assert_near(rho.est, 0.5, 1e-15);
    assert_nan(rho.hi);
    assert_near(p, 1, 1e-15);
}

static void constants_nan_and_perfect_orders_have_defined_results(void **state)
{
    (void)state;
    const double c[] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, x[] = {1, 2, 3, 4, 5, 6};
    const double bad[] = {1, 2, NAN, 4, 5, 6};
    double work[6], p;
    mop_interval rho;
    assert_true(mop_sd(c, 6) == 0);
    assert_true(mop_mad(c, 6, work) == 0);
    assert_nan(mop_pearson(c, x, 6));
    assert_nan(mop_kendall_tau_b(x, c, 6));
    spearman_of(x, c, 6, &rho, &p);
    assert_nan(rho.est);
    assert_nan(rho.lo);
    assert_nan(p);
    assert_nan(mop_mean(bad, 6));
    assert_nan(mop_sd(bad, 6));
    assert_nan(mop_mad(bad, 6, work));
    assert_nan(mop_pearson(bad, x, 6));
    assert_nan(mop_kendall_tau_b(bad, x, 6));
    spearman_of(x, bad, 6, &rho, &p);
    assert_nan(rho.est);
    assert_nan(p);
    spearman_of(x, x, 6, &rho, &p);
    assert_true(rho.est == 1);
    assert_nan(rho.lo);
    assert_near(p, 2.0 / 720, 1e-15);
    /* one row apart from five equal ones: leaving it out leaves no variance, so no interval */
    const double lone[] = {1, 1, 1, 1, 1, 2};
    spearman_of(lone, x, 6, &rho, &p);
    assert_true(rho.est > 0);
    assert_nan(rho.lo);
}

static void sorting_puts_nan_last(void **state)
{
    (void)state;
    double x[] = {2, NAN, -INFINITY, 1, NAN, INFINITY};
    mop_sort_f64(x, 6);
    assert_true(x[0] == -INFINITY && x[1] == 1 && x[2] == 2 && x[3] == INFINITY);
    assert_nan(x[4]);
    assert_nan(x[5]);
    assert_nan(mop_quantile(x, 6, 0.1));
    assert_nan(mop_median_interval(x, 6, 0.95).est);
    mop_sort_f64(NULL, 0);
}

static void too_many_pairs_are_refused_with_a_sentence(void **state)
{
    (void)state;
    mop_err err = {0};
    mop_interval rho = {1, 2, 3};
    assert_int_equal(mop_spearman(NULL, NULL, 1000001, 0.95, 1, 1, &rho, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "1000001"));
    assert_true(rho.est == 1 && rho.hi == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_quantiles_and_mad_agree_with_r),
        cmocka_unit_test(correlations_agree_with_r),
        cmocka_unit_test(permutation_p_is_exact_to_nine_pairs),
        cmocka_unit_test(drawn_permutations_agree_with_the_exact_and_never_give_zero),
        cmocka_unit_test(bca_interval_agrees_with_scipy_to_two_digits),
        cmocka_unit_test(median_interval_uses_the_ranks_that_r_names),
        cmocka_unit_test(median_interval_survives_counts_beyond_the_range_of_two_to_the_n),
        cmocka_unit_test(median_interval_covers_the_median_of_independent_data),
        cmocka_unit_test(bca_interval_covers_rho_and_the_test_keeps_its_level),
        cmocka_unit_test(ranks_share_ties_and_skip_nan),
        cmocka_unit_test(large_offsets_cost_no_digits),
        cmocka_unit_test(normal_quantile_inverts_the_distribution),
        cmocka_unit_test(holm_corrects_step_by_step),
        cmocka_unit_test(too_few_values_give_nan_not_a_number_by_accident),
        cmocka_unit_test(constants_nan_and_perfect_orders_have_defined_results),
        cmocka_unit_test(sorting_puts_nan_last),
        cmocka_unit_test(too_many_pairs_are_refused_with_a_sentence),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
