/* Percentiles of latency that say how sure they are, and one published benchmark's own estimator.
 */
#ifndef PROFILER_BASE_STATS_TAIL_H
#define PROFILER_BASE_STATS_TAIL_H

#include <stddef.h>

/* The upper estimate of a percentile that MLPerf LoadGen reports when it stops early
 * (mlcommons/inference, loadgen/results.cc and early_stopping.cc, SingleStream; confidence 0.99 and
 * tolerance 0 are fixed there). Of n samples, t is the largest number such that t or fewer samples
 * beyond the true percentile would be seen with a probability under 0.01, that is P(Binomial(n, 1 -
 * percentile) <= t) < 0.01; the estimate is the t-th largest sample. The true percentile lies under
 * it with at least 99 % confidence if samples are independent.
 *
 * mop_tail_rank returns t; 0 where n is too small: under 64 for percentile 0.9, under 662 for 0.99,
 * and for a percentile outside (0, 1). O(t). */
size_t mop_tail_rank(size_t n, double percentile);

/* The estimate from ascending samples; NAN where mop_tail_rank is 0 or sorted holds a NaN. */
double mop_tail_estimate(const double *sorted, size_t n, double percentile);

enum {
    MOP_MODELBENCH_ROUNDS = 20,
    MOP_MODELBENCH_ROUND = 50,
    MOP_MODELBENCH_TRIM = 10,
    MOP_MODELBENCH_SAMPLES = MOP_MODELBENCH_ROUNDS * MOP_MODELBENCH_ROUND
};

/* The average that ModelBench, the app published with MobileOne (apple/ml-mobileone), would show of
 * the samples x[0..n) in the order they were taken, disturbed ones included, for the app knows no
 * flags: the first 1000 are 20 rounds of 50; the first of each round is dropped, and of the 49 left
 * the 10 lowest and the 10 highest; what stays, 580 samples, is averaged. NAN under 1000 samples
 * and for a NaN among the first 1000. The app runs a round without a pause; samples of passes have
 * other networks between them, so this is the app's estimator on moprof's schedule. */
double mop_modelbench(const double *x, size_t n);

#endif
