/* Statistics that both the measuring loop (when to stop) and the reports (what to say) need. Every
 * function says what it returns for n = 0, 1, 2, constant columns and NaN: a defined result, or
 * NAN. */
#ifndef PROFILER_BASE_STATS_H
#define PROFILER_BASE_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "profiler/base/status.h"

/* An estimate with its interval; lo and hi are NAN where n is too small for the level asked for. */
typedef struct mop_interval {
    double est, lo, hi;
} mop_interval;

void mop_sort_f64(double *x, size_t n); /* ascending; NaN last */

/* Quantile q in [0, 1] of ascending x by linear interpolation (Hyndman, Fan 1996, type 7; R's
 * default). NAN for n == 0, for q outside, and where x holds a NaN. */
double mop_quantile(const double *sorted, size_t n, double q);

/* Median with the distribution-free interval of order statistics whose coverage is at least level
 * (Conover 1999, sec. 3.2; exact binomial). lo, hi NAN where even the extremes do not cover (n < 6
 * at 0.95); all three NAN for n == 0 and where sorted holds a NaN. */
mop_interval mop_median_interval(const double *sorted, size_t n, double level);

/* A NaN in x makes each of the three NAN; a constant x has deviation 0. */
double mop_mean(const double *x, size_t n);              /* NAN for n == 0 */
double mop_sd(const double *x, size_t n);                /* n - 1; NAN for n < 2 */
double mop_mad(const double *x, size_t n, double *work); /* unscaled; work has n entries;
                                                            NAN for n == 0 */

/* Average ranks 1..n with ties shared. work has n entries. A NaN has rank NAN and the numbers are
 * ranked without it. O(n log n). */
void mop_ranks(const double *x, size_t n, double *rank, size_t *work);

double mop_pearson(const double *x, const double *y, size_t n); /* NAN: n < 2, NaN, constant */

/* Spearman's rho as Pearson's r of average ranks, with a BCa bootstrap interval over rows (Efron
 * 1987; `resamples` draws from seed). est is NAN for n < 2, a constant column or a NaN. lo, hi are
 * NAN for n < 4 and where every resample gives the same rho (a perfect order: the data cannot say
 * how far it may be off). A resample in which a column is constant has no rho and is drawn again.
 * O(resamples * n). MOP_ENOMEM; MOP_EINVAL above 1000000 pairs. */
mop_status mop_spearman(const double *x, const double *y, size_t n, double level,
                        uint32_t resamples, uint64_t seed, mop_interval *out, mop_err *err);

/* Two-sided permutation p-value of Spearman's rho: exact for n <= 9, else `draws` random
 * permutations from seed with the + 1 correction (Phipson, Smyth 2010). NAN in *p for n < 3, a
 * constant column or a NaN. Fails as mop_spearman(). */
mop_status mop_spearman_p(const double *x, const double *y, size_t n, uint32_t draws, uint64_t seed,
                          double *p, mop_err *err);

/* Holm's correction (1979) of n p-values shown together: adjusted[i] is the smallest level at which
 * test i is still rejected. NaN stays NaN and is not counted. O(n^3). */
void mop_holm(const double *p, size_t n, double *adjusted);

/* Kendall's tau-b; NAN for n < 2, a constant column or a NaN. O(n^2). */
double mop_kendall_tau_b(const double *x, const double *y, size_t n);

/* Standard normal distribution function and its inverse (Wichura 1988, AS 241): -inf at 0, inf at
 * 1, NAN outside. */
double mop_normal_cdf(double z);
double mop_normal_quantile(double p);

#endif
