#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "profiler/base/rng.h"
#include "profiler/base/stats_ratio.h"

#define SEED   20260131
#define LEVEL  0.95
#define PASSES 12
#define RUNS   3
#define TRUTH  1.02

#ifdef __SANITIZE_ADDRESS__
#define ROUNDS 500
#else
#define ROUNDS 2000
#endif

static void too_few_pairs_have_an_estimate_but_no_interval(void **state)
{
    (void)state;
    const double a[] = {2, 4, 6, 8, 10, 12}, b[] = {1, 2, 3, 4, 5, 6};
    double work[6];
    mop_interval none = mop_ratio_interval(a, b, 0, LEVEL, work);
    assert_true(isnan(none.est) && isnan(none.lo) && isnan(none.hi));
    for (size_t n = 1; n <= 5; n++) {
        mop_interval r = mop_ratio_interval(a, b, n, LEVEL, work);
        assert_true(fabs(r.est - 2) < 4e-15); /* log and exp: some ulp each */
        assert_true(isnan(r.lo) && isnan(r.hi));
    }
    mop_interval six = mop_ratio_interval(a, b, 6, LEVEL, work);
    assert_true(six.lo == six.est && six.hi == six.est);
}

static void interval_ends_are_the_ranks_of_the_median_interval(void **state)
{
    (void)state;
    /* ratios 1.00, 1.01 .. 1.11 in another order; 12 values give the ranks 3 and 10 */
    double a[12], b[12], work[12];
    for (size_t i = 0; i < 12; i++) {
        b[i] = 100 + 7 * (double)i;
        a[i] = b[i] * (1 + 0.01 * (double)(i * 5 % 12));
    }
    mop_interval r = mop_ratio_interval(a, b, 12, LEVEL, work);
    assert_true(fabs(r.lo - 1.02) < 1e-14 && fabs(r.hi - 1.09) < 1e-14);
    assert_true(fabs(r.est - sqrt(1.05 * 1.06)) < 1e-14); /* even n: geometric mean of the middle */
}

static void the_inverse_ratio_has_the_reciprocal_interval(void **state)
{
    (void)state;
    mop_rng rng;
    mop_rng_init(&rng, SEED, 1);
    double a[40], b[40], work[40];
    for (size_t i = 0; i < 40; i++) {
        a[i] = 1e6 * exp(mop_rng_normal(&rng));
        b[i] = 3e6 * exp(mop_rng_normal(&rng));
    }
    mop_interval r = mop_ratio_interval(a, b, 40, LEVEL, work);
    mop_interval inverse = mop_ratio_interval(b, a, 40, LEVEL, work);
    assert_true(fabs(r.est * inverse.est - 1) < 1e-14);
    assert_true(fabs(r.lo * inverse.hi - 1) < 1e-14);
    assert_true(fabs(r.hi * inverse.lo - 1) < 1e-14);
}

static void equal_times_are_a_ratio_of_exactly_one(void **state)
{
    (void)state;
    double a[12], work[12];
    for (size_t i = 0; i < 12; i++)
        a[i] = 0.1 * (double)(i + 1);
    mop_interval r = mop_ratio_interval(a, a, 12, LEVEL, work);
    assert_true(r.est == 1 && r.lo == 1 && r.hi == 1);
}

static void a_value_that_is_no_time_makes_no_number(void **state)
{
    (void)state;
    const double bad[] = {0, -1, NAN, INFINITY, -INFINITY};
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++)
        for (int side = 0; side < 2; side++) {
            double x[2][8], work[8];
            for (size_t i = 0; i < 8; i++)
                x[0][i] = x[1][i] = (double)(i + 1);
            x[side][3] = bad[k];
            mop_interval r = mop_ratio_interval(x[0], x[1], 8, LEVEL, work);
            assert_true(isnan(r.est) && isnan(r.lo) && isnan(r.hi));
        }
}

/* A machine whose speed drifts, AR(1) with 3 % from pass to pass, with a disturbance of 0.5 % that
 * the runs of a visit share, 0.1 % of each run's own, and every tenth run late by up to 30 %. */
typedef struct machine {
    mop_rng rng;
    double drift;
} machine;

static void visit(machine *m, double time, double out[RUNS])
{
    double shared = 0.005 * mop_rng_normal(&m->rng);
    for (size_t r = 0; r < RUNS; r++) {
        double own = 0.001 * mop_rng_normal(&m->rng);
        double spike = mop_rng_uniform(&m->rng) < 0.1 ? 0.3 * mop_rng_uniform(&m->rng) : 0;
        out[r] = time * exp(m->drift + shared + own + spike);
    }
}

static void step(machine *m)
{
    m->drift = 0.98 * m->drift + 0.03 * sqrt(1 - 0.98 * 0.98) * mop_rng_normal(&m->rng);
}

/* Both in every pass, in random order. */
static void passes(machine *m, double a[PASSES][RUNS], double b[PASSES][RUNS])
{
    m->drift = 0.03 * mop_rng_normal(&m->rng);
    for (size_t p = 0; p < PASSES; p++) {
        bool a_first = mop_rng_uniform(&m->rng) < 0.5;
        for (int turn = 0; turn < 2; turn++) {
            if ((turn == 0) == a_first)
                visit(m, TRUTH, a[p]);
            else
                visit(m, 1, b[p]);
        }
        step(m);
    }
}

static double median3(const double x[RUNS])
{
    return fmax(fmin(x[0], x[1]), fmin(fmax(x[0], x[1]), x[2]));
}

static double paired_coverage(machine *m)
{
    int covered = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double a[PASSES][RUNS], b[PASSES][RUNS], ma[PASSES], mb[PASSES], work[PASSES];
        passes(m, a, b);
        for (size_t p = 0; p < PASSES; p++) {
            ma[p] = median3(a[p]);
            mb[p] = median3(b[p]);
        }
        mop_interval r = mop_ratio_interval(ma, mb, PASSES, LEVEL, work);
        covered += r.lo <= TRUTH && TRUTH <= r.hi;
    }
    return (double)covered / ROUNDS;
}

/* Each run of a over the run of b beside it, as if all were independent. */
static double single_sample_coverage(machine *m)
{
    int covered = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double a[PASSES][RUNS], b[PASSES][RUNS], work[PASSES * RUNS];
        passes(m, a, b);
        mop_interval r = mop_ratio_interval(a[0], b[0], PASSES * RUNS, LEVEL, work);
        covered += r.lo <= TRUTH && TRUTH <= r.hi;
    }
    return (double)covered / ROUNDS;
}

/* All runs of a, then all of b, each with its own interval: what most benchmarks do. */
static double consecutive_coverage(machine *m)
{
    int covered = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double x[2][PASSES][RUNS];
        mop_interval one[2];
        m->drift = 0.03 * mop_rng_normal(&m->rng);
        for (int side = 0; side < 2; side++) {
            for (size_t p = 0; p < PASSES; p++) {
                visit(m, side == 0 ? TRUTH : 1, x[side][p]);
                step(m);
            }
            mop_sort_f64(x[side][0], PASSES * RUNS);
            one[side] = mop_median_interval(x[side][0], PASSES * RUNS, LEVEL);
        }
        covered += one[0].lo / one[1].hi <= TRUTH && TRUTH <= one[0].hi / one[1].lo;
    }
    return (double)covered / ROUNDS;
}

static void pass_ratios_cover_the_truth_and_the_naive_intervals_do_not(void **state)
{
    (void)state;
    machine m = {.drift = 0};
    mop_rng_init(&m.rng, SEED, 2);
    double paired = paired_coverage(&m), single = single_sample_coverage(&m);
    double consecutive = consecutive_coverage(&m);
    printf("seed %d: coverage of 95 %% intervals: pass ratios %.3f, sample ratios %.3f, "
           "consecutive samples %.3f\n",
           SEED, paired, single, consecutive);
    assert_true(paired >= 0.90);
    assert_true(single < 0.90);
    assert_true(consecutive < 0.90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_few_pairs_have_an_estimate_but_no_interval),
        cmocka_unit_test(interval_ends_are_the_ranks_of_the_median_interval),
        cmocka_unit_test(the_inverse_ratio_has_the_reciprocal_interval),
        cmocka_unit_test(equal_times_are_a_ratio_of_exactly_one),
        cmocka_unit_test(a_value_that_is_no_time_makes_no_number),
        cmocka_unit_test(pass_ratios_cover_the_truth_and_the_naive_intervals_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
