/* The judgement of a comparison without a database: exact truth table, coverage, error rates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "profiler/base/rng.h"
#include "profiler/base/stats_ratio.h"
#include "reports/compare.h"

#define SEED 20260131
enum { MAX_PASSES = 40, RUNS = 3 };
#ifdef __SANITIZE_ADDRESS__
enum { TRIALS = 500 };
#else
enum { TRIALS = 4000 };
#endif

#define NONE ((double)NAN)

static int print_seed(void **state)
{
    (void)state;
    printf("seed %d\n", SEED);
    return 0;
}

static void the_truth_table_holds_to_the_last_digit(void **state)
{
    (void)state;
    static const struct {
        double lo, hi, aa, drift, misread, margin;
        bool is_x, is_unread;
        mop_verdict verdict;
    } cases[] = {
        /* the floor decides, from both sides */
        {1.031, 1.050, 0.03, NONE, 0, 0.01, false, false, MOP_VERDICT_SLOWER},
        {1.030, 1.050, 0.03, NONE, 0, 0.01, false, false, MOP_VERDICT_UNCLEAR},
        {0.950, 0.969, 0.03, NONE, 0, 0.01, false, false, MOP_VERDICT_FASTER},
        {0.950, 0.970, 0.03, NONE, 0, 0.01, false, false, MOP_VERDICT_UNCLEAR},
        /* the largest of the floors counts */
        {1.031, 1.050, 0.01, 0.04, 0, 0.01, false, false, MOP_VERDICT_UNCLEAR},
        {1.041, 1.050, 0.01, 0.04, 0, 0.01, false, false, MOP_VERDICT_SLOWER},
        {1.031, 1.050, NONE, 0.02, 0, 0.01, false, false, MOP_VERDICT_SLOWER},
        /* sameness: within the floor or the margin, whichever is wider, ends included */
        {0.990, 1.010, 0.003, NONE, 0, 0.01, false, false, MOP_VERDICT_SAME},
        {0.990, 1.011, 0.003, NONE, 0, 0.01, false, false, MOP_VERDICT_UNCLEAR},
        {0.970, 1.030, 0.03, NONE, 0, 0.01, false, false, MOP_VERDICT_SAME},
        {1.004, 1.009, 0.003, NONE, 0, 0.01, false, false, MOP_VERDICT_SAME},
        {1.004, 1.009, 0.003, NONE, 0, 0.005, false, false, MOP_VERDICT_SLOWER},
        {1.020, 1.040, 0.003, NONE, 0, 0.05, false, false, MOP_VERDICT_SAME},
        /* one side of the interval beyond, the other not */
        {0.980, 1.050, 0.003, NONE, 0, 0.01, false, false, MOP_VERDICT_UNCLEAR},
        /* a control that failed raises the floor, and then nothing is SAME */
        {0.999, 1.001, 0.003, NONE, 0.035, 0.01, false, false, MOP_VERDICT_UNCLEAR},
        {1.030, 1.034, 0.003, NONE, 0.035, 0.01, false, false, MOP_VERDICT_UNCLEAR},
        {1.036, 1.050, 0.003, NONE, 0.035, 0.01, false, false, MOP_VERDICT_SLOWER},
        /* a control that could not be read shows no sameness, and hides no difference */
        {0.999, 1.001, 0.003, NONE, 0, 0.01, false, true, MOP_VERDICT_UNCLEAR},
        {1.020, 1.040, 0.003, NONE, 0, 0.01, false, true, MOP_VERDICT_SLOWER},
        /* nothing to go by */
        {2.000, 2.100, NONE, NONE, 0, 0.01, false, false, MOP_VERDICT_UNCLEAR},
        {2.000, 2.100, NONE, NONE, 0.035, 0.01, false, false, MOP_VERDICT_UNCLEAR},
        {2.000, 2.100, 0.003, NONE, 0, 0.01, true, false, MOP_VERDICT_UNCLEAR},
        {NONE, NONE, 0.003, NONE, 0, 0.01, false, false, MOP_VERDICT_UNCLEAR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const mop_interval r = {sqrt(cases[i].lo * cases[i].hi), cases[i].lo, cases[i].hi};
        const mop_compare_limits limits = {cases[i].aa, NONE, cases[i].drift, cases[i].misread,
                                           cases[i].is_unread};
        const char *why = NULL;
        mop_verdict v = mop_compare_verdict(&r, &limits, cases[i].margin, cases[i].is_x, &why);
        if (v != cases[i].verdict)
            fail_msg("case %zu: %s, expected %s", i, mop_verdict_name(v),
                     mop_verdict_name(cases[i].verdict));
        assert_int_equal(*why != '\0', v == MOP_VERDICT_UNCLEAR); /* a reason, and only then */
    }
}

static void the_floor_is_the_largest_limit_that_is_known(void **state)
{
    (void)state;
    assert_true(mop_compare_floor(&(mop_compare_limits){0.01, 0.02, 0.005, 0, false}) == 0.02);
    assert_true(mop_compare_floor(&(mop_compare_limits){0.01, NONE, 0.03, 0, false}) == 0.03);
    assert_true(mop_compare_floor(&(mop_compare_limits){NONE, 0.01, NONE, 0.05, false}) == 0.05);
    assert_true(isnan(mop_compare_floor(&(mop_compare_limits){NONE, NONE, NONE, 0.05, false})));
}

static void the_unpaired_interval_is_made_of_both_sides_order_statistics(void **state)
{
    (void)state;
    /* n = 12 at 97.5 %: P(Binomial(12, 1/2) <= 1) = 13/4096, and <= 2 would be 79/4096 > 1.25 %,
     * so ranks 2 and 11 */
    double a[12], b[12], work[12];
    for (int i = 0; i < 12; i++) {
        a[i] = 100 + (i * 5) % 12; /* 100 .. 111, shuffled */
        b[i] = 210 - 2 * ((i * 7) % 12);
    }
    mop_interval r = mop_compare_unpaired(a, 12, b, 12, 0.95, work);
    assert_true(r.est == 199 / 105.5);
    assert_true(r.lo == 190.0 / 110.0);
    assert_true(r.hi == 208.0 / 101.0);
    r = mop_compare_unpaired(a, 7, b, 12, 0.95, work);
    assert_true(isfinite(r.lo) && isfinite(r.hi));
    r = mop_compare_unpaired(a, 6, b, 12, 0.95, work);
    assert_true(isfinite(r.est) && isnan(r.lo) && isnan(r.hi));
    r = mop_compare_unpaired(a, 0, b, 12, 0.95, work);
    assert_true(isnan(r.est) && isnan(r.lo) && isnan(r.hi));
}

/* Passes whose logarithms follow an AR(1) process with standard deviation sd, and now and then a
 * spike that only slows down. */
static void draw(mop_rng *rng, double *x, size_t n, double phi, double sd, double level)
{
    double at = mop_rng_normal(rng);
    for (size_t i = 0; i < n; i++) {
        double spike = mop_rng_below(rng, 20) == 0 ? 10 * sd * mop_rng_uniform(rng) : 0;
        x[i] = level * exp(sd * at + spike);
        at = phi * at + sqrt(1 - phi * phi) * mop_rng_normal(rng);
    }
}

static double coverage(size_t n, double phi, bool is_naive)
{
    double a[MAX_PASSES * RUNS], b[MAX_PASSES * RUNS], work[MAX_PASSES * RUNS];
    size_t covered = 0;
    mop_rng rng;
    mop_rng_init(&rng, SEED, n);
    for (int t = 0; t < TRIALS; t++) {
        draw(&rng, a, n, phi, 0.01, 1e6);
        draw(&rng, b, n, phi, 0.01, 1.07e6);
        size_t m = n;
        for (size_t i = n; is_naive && i-- > 0;) /* as if each sample of a visit were news */
            for (size_t r = 0; r < RUNS; r++) {
                a[i * RUNS + r] = a[i] * (1 + 1e-7 * (double)r);
                b[i * RUNS + r] = b[i] * (1 + 1e-7 * (double)r);
                m = n * RUNS;
            }
        mop_interval r = mop_compare_unpaired(a, m, b, m, 0.95, work);
        covered += r.lo <= 1.07 && 1.07 <= r.hi;
    }
    return (double)covered / TRIALS;
}

static void the_unpaired_interval_covers_90_percent_of_passes_that_lean_on_each_other(void **state)
{
    (void)state;
    static const size_t sizes[] = {12, 20, 40};
    static const double phis[] = {0, 0.3, 0.5};
    double naive;
    for (size_t s = 0; s < 3; s++)
        for (size_t p = 0; p < 3; p++) {
            double c = coverage(sizes[s], phis[p], false);
            printf("%zu passes, phi %.1f: coverage %.3f\n", sizes[s], phis[p], c);
            assert_true(c >= (phis[p] < 0.4 ? 0.95 : 0.90));
        }
    naive = coverage(20, 0.5, true);
    printf("20 passes of 3 samples, phi 0.5, samples taken for independent: coverage %.3f\n",
           naive);
    assert_true(naive < 0.90);
}

/* One pair of sweeps: what everything drifts by, the control loop too; what one variant drifts by
 * of its own, as another placement in memory does; then the passes. */
struct world {
    double drift_sd, own_sd, noise, truth;
};

static mop_verdict sweep_twice(mop_rng *rng, const struct world *w)
{
    enum { N = 20 };
    double a[N], b[N], fma_a[N], fma_b[N], work[N], alias[N];
    double drift = exp(w->drift_sd * mop_rng_normal(rng));
    const char *why;
    draw(rng, a, N, 0.3, w->noise, 1e6);
    draw(rng, alias, N, 0.3, w->noise, 1e6);
    draw(rng, b, N, 0.3, w->noise, 1e6 * w->truth * drift * exp(w->own_sd * mop_rng_normal(rng)));
    draw(rng, fma_a, N, 0.3, w->noise, 1e6);
    draw(rng, fma_b, N, 0.3, w->noise, 1e6 * drift);
    mop_interval ratio = mop_compare_unpaired(a, N, b, N, 0.95, work);
    double fma = mop_compare_unpaired(fma_a, N, fma_b, N, 0.95, work).est;
    double aa = fabs(mop_ratio_interval(a, alias, N, 0.95, work).est - 1);
    const mop_compare_limits limits = {aa, NONE, fmax(fma, 1 / fma) - 1, 0, false};
    return mop_compare_verdict(&ratio, &limits, MOP_COMPARE_MARGIN, false, &why);
}

static double share(const struct world *w, mop_verdict one, mop_verdict other)
{
    size_t n = 0;
    mop_rng rng;
    mop_rng_init(&rng, SEED, 7);
    for (int t = 0; t < TRIALS; t++) {
        mop_verdict v = sweep_twice(&rng, w);
        n += v == one || v == other;
    }
    return (double)n / TRIALS;
}

static void at_most_5_percent_of_equal_pairs_are_called_faster_or_slower(void **state)
{
    (void)state;
    static const struct world worlds[] = {{0, 0, 0.005, 1},
                                          {0.02, 0, 0.005, 1},
                                          {0.02, 0, 0.03, 1},
                                          {0.05, 0.001, 0.01, 1},
                                          {0.002, 0.001, 0.002, 1}};
    for (size_t i = 0; i < sizeof worlds / sizeof worlds[0]; i++) {
        double wrong = share(&worlds[i], MOP_VERDICT_FASTER, MOP_VERDICT_SLOWER);
        printf("drift %.3f, own %.3f, noise %.3f: %.4f wrong\n", worlds[i].drift_sd,
               worlds[i].own_sd, worlds[i].noise, wrong);
        assert_true(wrong <= 0.05);
    }
}

static void a_real_difference_of_5_percent_is_found_at_low_noise(void **state)
{
    (void)state;
    const struct world slower = {0.005, 0.001, 0.005, 1.05}, faster = {0.005, 0.001, 0.005, 0.95};
    double found = share(&slower, MOP_VERDICT_SLOWER, MOP_VERDICT_SLOWER);
    double found_too = share(&faster, MOP_VERDICT_FASTER, MOP_VERDICT_FASTER);
    printf("1.05 found in %.3f, 0.95 in %.3f of the pairs\n", found, found_too);
    assert_true(found >= 0.90);
    assert_true(found_too >= 0.90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_truth_table_holds_to_the_last_digit),
        cmocka_unit_test(the_floor_is_the_largest_limit_that_is_known),
        cmocka_unit_test(the_unpaired_interval_is_made_of_both_sides_order_statistics),
        cmocka_unit_test(the_unpaired_interval_covers_90_percent_of_passes_that_lean_on_each_other),
        cmocka_unit_test(at_most_5_percent_of_equal_pairs_are_called_faster_or_slower),
        cmocka_unit_test(a_real_difference_of_5_percent_is_found_at_low_noise),
    };
    return cmocka_run_group_tests(tests, print_seed, NULL);
}
