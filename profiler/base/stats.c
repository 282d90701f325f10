/* Descriptive statistics, ranks and the normal distribution. Sums are taken twice: once for a first
 * mean, once for the mean of what is left, so that a large common offset costs no digits (the
 * second pass of Chan, Golub, LeVeque 1983). */
#include "profiler/base/stats.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* NaN sorts behind every number and beside every NaN. */
static int compare_f64(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    bool nx = isnan(x) != 0, ny = isnan(y) != 0;
    if (nx || ny)
        return (int)nx - (int)ny;
    return (x > y) - (x < y);
}

static bool is_constant(const double *x, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (x[i] != x[0])
            return false;
    return true;
}

void mop_sort_f64(double *x, size_t n)
{
    if (n > 1)
        qsort(x, n, sizeof *x, compare_f64);
}

double mop_quantile(const double *sorted, size_t n, double q)
{
    if (n == 0 || isnan(sorted[n - 1]) || !(q >= 0 && q <= 1))
        return NAN;
    double at = q * (double)(n - 1);
    size_t low = (size_t)at;
    if (low + 1 >= n)
        return sorted[n - 1];
    double part = at - (double)low;
    if (part == 0)
        return sorted[low]; /* no 0 * infinity */
    return sorted[low] + part * (sorted[low + 1] - sorted[low]);
}

mop_interval mop_median_interval(const double *sorted, size_t n, double level)
{
    mop_interval out = {mop_quantile(sorted, n, 0.5), NAN, NAN};
    if (isnan(out.est) || !(level > 0 && level < 1))
        return out;
    /* The largest rank l with 1 - 2 P(Binomial(n, 1/2) < l) >= level; terms as logarithms, for
     * 2^-n underflows. The slack takes rounding only: coverages differ by far more. */
    double log_term = -(double)n * log(2.0), below = 0;
    size_t rank = 0;
    for (size_t k = 0; 2 * (k + 1) <= n; k++) {
        below += exp(log_term);
        if (1 - 2 * below < level - 1e-12)
            break;
        rank = k + 1;
        log_term += log((double)(n - k) / (double)(k + 1));
    }
    if (rank > 0) {
        out.lo = sorted[rank - 1];
        out.hi = sorted[n - rank];
    }
    return out;
}

double mop_mean(const double *x, size_t n)
{
    if (n == 0)
        return NAN;
    double sum = 0, rest = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    double mean = sum / (double)n;
    if (!isfinite(mean))
        return mean;
    for (size_t i = 0; i < n; i++)
        rest += x[i] - mean;
    return mean + rest / (double)n;
}

double mop_sd(const double *x, size_t n)
{
    if (n < 2)
        return NAN;
    if (is_constant(x, n))
        return 0;
    double mean = mop_mean(x, n), squares = 0, rest = 0;
    for (size_t i = 0; i < n; i++) {
        double d = x[i] - mean;
        squares += d * d;
        rest += d;
    }
    return sqrt((squares - rest * rest / (double)n) / (double)(n - 1));
}

double mop_mad(const double *x, size_t n, double *work)
{
    if (n == 0)
        return NAN;
    memcpy(work, x, n * sizeof *x);
    mop_sort_f64(work, n);
    double median = mop_quantile(work, n, 0.5);
    if (isnan(median))
        return NAN;
    for (size_t i = 0; i < n; i++)
        work[i] = fabs(x[i] - median);
    mop_sort_f64(work, n);
    return mop_quantile(work, n, 0.5);
}

/* Heap sort of indices by value: no recursion, no memory, no comparison state outside. */
static void sift_down(const double *x, size_t *index, size_t root, size_t n)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= n)
            return;
        if (child + 1 < n && compare_f64(&x[index[child]], &x[index[child + 1]]) < 0)
            child++;
        if (compare_f64(&x[index[root]], &x[index[child]]) >= 0)
            return;
        size_t t = index[root];
        index[root] = index[child];
        index[child] = t;
        root = child;
    }
}

static void sort_indices(const double *x, size_t *index, size_t n)
{
    for (size_t i = 0; i < n; i++)
        index[i] = i;
    for (size_t i = n / 2; i-- > 0;)
        sift_down(x, index, i, n);
    for (size_t end = n; end-- > 1;) {
        size_t t = index[0];
        index[0] = index[end];
        index[end] = t;
        sift_down(x, index, 0, end);
    }
}

void mop_ranks(const double *x, size_t n, double *rank, size_t *work)
{
    sort_indices(x, work, n);
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        while (end < n && x[work[end]] == x[work[i]])
            end++;
        double shared = isnan(x[work[i]]) ? NAN : 0.5 * (double)(i + 1 + end);
        for (; i < end; i++)
            rank[work[i]] = shared;
    }
}

double mop_pearson(const double *x, const double *y, size_t n)
{
    if (n < 2 || is_constant(x, n) || is_constant(y, n))
        return NAN;
    double mx = mop_mean(x, n), my = mop_mean(y, n), sxx = 0, syy = 0, sxy = 0;
    for (size_t i = 0; i < n; i++) {
        double dx = x[i] - mx, dy = y[i] - my;
        sxx += dx * dx;
        syy += dy * dy;
        sxy += dx * dy;
    }
    double both = sxx * syy; /* one root of the product makes a perfect order exactly 1 */
    double r = sxy / (isnormal(both) ? sqrt(both) : sqrt(sxx) * sqrt(syy));
    if (!isfinite(r)) /* NaN or infinity in the data, or squares out of range */
        return NAN;
    return fmax(-1.0, fmin(1.0, r));
}

double mop_kendall_tau_b(const double *x, const double *y, size_t n)
{
    double agree = 0, pairs_x = 0, pairs_y = 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(x[i]) || isnan(y[i]))
            return NAN;
        for (size_t j = 0; j < i; j++) {
            int sx = (x[i] > x[j]) - (x[i] < x[j]), sy = (y[i] > y[j]) - (y[i] < y[j]);
            agree += sx * sy;
            pairs_x += sx != 0;
            pairs_y += sy != 0;
        }
    }
    if (pairs_x == 0 || pairs_y == 0)
        return NAN;
    return agree / (sqrt(pairs_x) * sqrt(pairs_y));
}

double mop_normal_cdf(double z)
{
    return 0.5 * erfc(-z * 0.70710678118654752440);
}

/* num(r) / den(r), both of degree 7; den[0] is 1. */
static double rational7(const double num[8], const double den[8], double r)
{
    double a = num[7], b = den[7];
    for (int i = 6; i >= 0; i--) {
        a = a * r + num[i];
        b = b * r + den[i];
    }
    return a / b;
}

/* PPND16 of Wichura 1988, Algorithm AS 241: relative error about 1e-16. */
double mop_normal_quantile(double p)
{
    static const double centre_num[8] = {3.3871328727963666080e0, 1.3314166789178437745e2,
                                         1.9715909503065514427e3, 1.3731693765509461125e4,
                                         4.5921953931549871457e4, 6.7265770927008700853e4,
                                         3.3430575583588128105e4, 2.5090809287301226727e3};
    static const double centre_den[8] = {1.0,
                                         4.2313330701600911252e1,
                                         6.8718700749205790830e2,
                                         5.3941960214247511077e3,
                                         2.1213794301586595867e4,
                                         3.9307895800092710610e4,
                                         2.8729085735721942674e4,
                                         5.2264952788528545610e3};
    static const double near_num[8] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                       5.76949722146069140550e0,  3.64784832476320460504e0,
                                       1.27045825245236838258e0,  2.41780725177450611770e-1,
                                       2.27238449892691845833e-2, 7.74545014278341407640e-4};
    static const double near_den[8] = {1.0,
                                       2.05319162663775882187e0,
                                       1.67638483018380384940e0,
                                       6.89767334985100004550e-1,
                                       1.48103976427480074590e-1,
                                       1.51986665636164571966e-2,
                                       5.47593808499534494600e-4,
                                       1.05075007164441684324e-9};
    static const double far_num[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                      1.78482653991729133580e0,  2.96560571828504891230e-1,
                                      2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                      2.71155556874348757815e-5, 2.01033439929228813265e-7};
    static const double far_den[8] = {1.0,
                                      5.99832206555887937690e-1,
                                      1.36929880922735805310e-1,
                                      1.48753612908506148525e-2,
                                      7.86869131145613259100e-4,
                                      1.84631831751005468180e-5,
                                      1.42151175831644588870e-7,
                                      2.04426310338993978564e-15};
    if (!(p >= 0 && p <= 1))
        return NAN;
    if (p == 0 || p == 1)
        return p == 0 ? -INFINITY : INFINITY;
    double q = p - 0.5;
    if (fabs(q) <= 0.425)
        return q * rational7(centre_num, centre_den, 0.180625 - q * q);
    double r = sqrt(-log(q < 0 ? p : 1 - p));
    double z = r <= 5 ? rational7(near_num, near_den, r - 1.6) : rational7(far_num, far_den, r - 5);
    return q < 0 ? -z : z;
}
