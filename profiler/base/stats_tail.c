/* Upper estimates of percentiles from the exact binomial distribution. */
#include "profiler/base/stats_tail.h"

#include <math.h>
#include <string.h>

#include "profiler/base/stats.h"

#define DOUBT 0.01 /* 1 - confidence */

size_t mop_tail_rank(size_t n, double percentile)
{
    if (!(percentile > 0 && percentile < 1))
        return 0;
    /* Terms as logarithms, for percentile^n underflows. */
    double beyond = 1 - percentile, log_odds = log(beyond / percentile);
    double log_term = (double)n * log(percentile), at_most = 0;
    for (size_t k = 0; k <= n; k++) {
        at_most += exp(log_term);
        if (!(at_most < DOUBT))
            return k > 0 ? k - 1 : 0;
        log_term += log((double)(n - k) / (double)(k + 1)) + log_odds;
    }
    return n; /* not reached: the whole distribution sums to 1 */
}

double mop_tail_estimate(const double *sorted, size_t n, double percentile)
{
    size_t rank = mop_tail_rank(n, percentile);
    if (rank == 0 || isnan(sorted[n - 1]))
        return NAN;
    return sorted[n - rank];
}

double mop_modelbench(const double *x, size_t n)
{
    enum { KEPT = MOP_MODELBENCH_ROUND - 1 - 2 * MOP_MODELBENCH_TRIM };
    double kept[MOP_MODELBENCH_ROUNDS * KEPT];
    if (n < MOP_MODELBENCH_SAMPLES)
        return NAN;
    for (size_t r = 0; r < MOP_MODELBENCH_ROUNDS; r++) {
        double round[MOP_MODELBENCH_ROUND - 1];
        const double *first = x + r * MOP_MODELBENCH_ROUND;
        memcpy(round, first + 1, sizeof round);
        mop_sort_f64(round, MOP_MODELBENCH_ROUND - 1);
        if (isnan(first[0]) || isnan(round[MOP_MODELBENCH_ROUND - 2]))
            return NAN;
        memcpy(kept + r * KEPT, round + MOP_MODELBENCH_TRIM, KEPT * sizeof *kept);
    }
    return mop_mean(kept, MOP_MODELBENCH_ROUNDS * KEPT);
}
