/* The ratio of two things that were timed side by side, with its interval. */
#ifndef PROFILER_BASE_STATS_RATIO_H
#define PROFILER_BASE_STATS_RATIO_H

#include "profiler/base/stats.h"

/* How much longer a takes than b, from n pairs of positive values of one kind, such as the medians
 * of both in the same pass: exp of the median of log(a[i] / b[i]) with the interval of
 * mop_median_interval() on that scale, so that the interval of b over a is the reciprocal. What
 * disturbs both sides of a pair alike cancels; pairs must be independent of each other, which
 * passes are nearly and the samples of one visit are not (docs/measuring.md). lo and hi are NAN
 * where n is too small for the level (n < 6 at 0.95); all three are NAN for n == 0 and where a
 * value is not positive and finite. work has n entries. O(n log n). */
mop_interval mop_ratio_interval(const double *a, const double *b, size_t n, double level,
                                double *work);

#endif
