#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "profiler/base/rng.h"
#include "profiler/base/stats.h"
#include "profiler/base/stats_tail.h"

#define SEED 20260131

static void percentiles_begin_at_the_counts_that_mlperf_asks_for(void **state)
{
    (void)state;
    assert_int_equal(mop_tail_rank(63, 0.9), 0);
    assert_int_equal(mop_tail_rank(64, 0.9), 1);
    assert_int_equal(mop_tail_rank(661, 0.99), 0);
    assert_int_equal(mop_tail_rank(662, 0.99), 1);
}

/* "Would discard N highest latency queries" in published LoadGen logs: N is the rank less 1. */
static void ranks_are_those_of_published_loadgen_logs(void **state)
{
    (void)state;
    assert_int_equal(mop_tail_rank(2048, 0.9), 172 + 1);
    assert_int_equal(mop_tail_rank(2116, 0.9), 178 + 1);
    assert_int_equal(mop_tail_rank(2145, 0.9), 181 + 1);
}

static void no_number_comes_of_too_little_or_of_nonsense(void **state)
{
    (void)state;
    double x[64];
    for (size_t i = 0; i < 64; i++)
        x[i] = (double)i;
    assert_true(isnan(mop_tail_estimate(x, 0, 0.9)));
    assert_true(isnan(mop_tail_estimate(x, 63, 0.9)));
    assert_true(mop_tail_estimate(x, 64, 0.9) == 63);
    assert_true(isnan(mop_tail_estimate(x, 64, 0)));
    assert_true(isnan(mop_tail_estimate(x, 64, 1)));
    assert_true(isnan(mop_tail_estimate(x, 64, NAN)));
    x[63] = NAN;
    assert_true(isnan(mop_tail_estimate(x, 64, 0.9)));
}

/* 2^-n and 0.9^n are far below the smallest double for these n. */
static void large_counts_approach_the_percentile_from_above(void **state)
{
    (void)state;
    for (size_t n = 10000; n <= 1000000; n *= 10) {
        double share = (double)mop_tail_rank(n, 0.9) / (double)n;
        double normal = 0.1 - 2.3263 * sqrt(0.09 / (double)n); /* the normal approximation */
        assert_true(share < 0.1);
        assert_true(fabs(share - normal) < 2.0 / (double)n + 1e-5);
    }
}

/* 0.99 is promised; over 4000 rounds the standard error is 0.0016. */
static void the_estimate_lies_above_the_true_percentile_as_often_as_promised(void **state)
{
    (void)state;
    enum { ROUNDS = 4000, N = 100 };
    mop_rng rng;
    int above = 0;
    mop_rng_init(&rng, SEED, 0);
    for (int round = 0; round < ROUNDS; round++) {
        double x[N];
        for (size_t i = 0; i < N; i++)
            x[i] = mop_rng_uniform(&rng);
        mop_sort_f64(x, N);
        above += mop_tail_estimate(x, N, 0.9) >= 0.9;
    }
    printf("seed %d: above the true 90th percentile in %.4f of the rounds\n", SEED,
           above / (double)ROUNDS);
    assert_true(above >= 0.985 * ROUNDS);
}

/* --- ModelBench
 * --------------------------------------------------------------------------------- */

static void modelbench_drops_the_first_of_a_round_and_trims_both_ends(void **state)
{
    (void)state;
    double x[MOP_MODELBENCH_SAMPLES];
    for (size_t i = 0; i < MOP_MODELBENCH_SAMPLES; i++) {
        size_t at = i % 50;
        double round = (double)(i / 50);
        if (at == 0)
            x[i] = 1e9; /* dropped: first */
        else if (at % 5 == 1)
            x[i] = 1e8; /* ten of the 49: trimmed as the highest */
        else if (at % 5 == 2)
            x[i] = 1; /* ten: trimmed as the lowest */
        else
            x[i] = 100 + round; /* 29 */
    }
    assert_true(mop_modelbench(x, MOP_MODELBENCH_SAMPLES) == 109.5);
}

static void modelbench_takes_the_first_thousand_and_no_fewer(void **state)
{
    (void)state;
    double x[MOP_MODELBENCH_SAMPLES + 50];
    for (size_t i = 0; i < MOP_MODELBENCH_SAMPLES + 50; i++)
        x[i] = i < MOP_MODELBENCH_SAMPLES ? 7 : 9;
    assert_true(isnan(mop_modelbench(x, 0)));
    assert_true(isnan(mop_modelbench(x, MOP_MODELBENCH_SAMPLES - 1)));
    assert_true(mop_modelbench(x, MOP_MODELBENCH_SAMPLES + 50) == 7);
    x[50] = NAN;
    assert_true(isnan(mop_modelbench(x, MOP_MODELBENCH_SAMPLES)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_begin_at_the_counts_that_mlperf_asks_for),
        cmocka_unit_test(ranks_are_those_of_published_loadgen_logs),
        cmocka_unit_test(no_number_comes_of_too_little_or_of_nonsense),
        cmocka_unit_test(large_counts_approach_the_percentile_from_above),
        cmocka_unit_test(the_estimate_lies_above_the_true_percentile_as_often_as_promised),
        cmocka_unit_test(modelbench_drops_the_first_of_a_round_and_trims_both_ends),
        cmocka_unit_test(modelbench_takes_the_first_thousand_and_no_fewer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
