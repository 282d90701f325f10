/* Ratios of paired values on the log scale. */
#include "profiler/base/stats_ratio.h"

#include <math.h>

mop_interval mop_ratio_interval(const double *a, const double *b, size_t n, double level,
                                double *work)
{
    for (size_t i = 0; i < n; i++) {
        double ratio = a[i] > 0 && b[i] > 0 && isfinite(a[i]) && isfinite(b[i]) ? a[i] / b[i] : NAN;
        work[i] = log(ratio);
    }
    mop_sort_f64(work, n);
    mop_interval m = mop_median_interval(work, n, level);
    return (mop_interval){exp(m.est), exp(m.lo), exp(m.hi)};
}
