/* Spearman's rho with its BCa interval and permutation p-value, and Holm's correction.
 *
 * A resample of rows keeps the order of the values, so its ranks follow from how often each value
 * was drawn: ranks are counted, not sorted, and one resample costs O(n). Permutations move y's
 * ranks only; means and variances stay, so comparing rho is comparing the sum of rank products.
 * Doubled ranks are integers, hence the comparison is exact. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/rng.h"
#include "profiler/base/stats.h"

#define EXACT_MAX   9       /* 9! = 362880 permutations */
#define PAIRS_MAX   1000000 /* four n^3 stays inside int64 */
#define REDRAWS_MAX 1000    /* for a resample without variance; n >= 4 needs one redraw in 64 */

/* One column for counting ranks: the level of each row and, per resample, the rank of each level.
 */
struct column {
    size_t *level; /* [n] position among the distinct values */
    size_t *count; /* [n] draws of each level */
    double *rank;  /* [n] average rank of each level in the resample */
    size_t n_levels;
};

struct spearman_work {
    double *block;  /* every double array below lies in here */
    size_t *counts; /* every size_t array */
    struct column x, y;
    double *rx, *ry, *theta;
    size_t *rows, *index;
};

static void work_release(struct spearman_work *w)
{
    free(w->block);
    free(w->counts);
}

static mop_status work_init(struct spearman_work *w, size_t n, size_t resamples, mop_err *err)
{
    size_t doubles;
    *w = (struct spearman_work){0};
    if (n > PAIRS_MAX || __builtin_add_overflow(4 * n, resamples, &doubles))
        return mop_fail(err, MOP_EINVAL, "Spearman's rho takes at most %d pairs, not %zu.",
                        PAIRS_MAX, n);
    w->block = mop_calloc(doubles, sizeof *w->block, err);
    w->counts = w->block ? mop_calloc(6 * n, sizeof *w->counts, err) : NULL;
    if (w->counts == NULL) {
        work_release(w);
        return MOP_ENOMEM;
    }
    w->rx = w->block;
    w->ry = w->rx + n;
    w->x.rank = w->ry + n;
    w->y.rank = w->x.rank + n;
    w->theta = w->y.rank + n;
    w->x.level = w->counts;
    w->x.count = w->x.level + n;
    w->y.level = w->x.count + n;
    w->y.count = w->y.level + n;
    w->rows = w->y.count + n;
    w->index = w->rows + n;
    return MOP_OK;
}

/* Levels from average ranks. The average rank of ties, rounded down, is a position of that tie and
 * of no other value, so it names the value. */
static void set_levels(struct column *c, const double *rank, size_t n, size_t *index)
{
    memset(c->count, 0, n * sizeof *c->count);
    for (size_t i = 0; i < n; i++)
        c->count[(size_t)rank[i] - 1]++;
    c->n_levels = 0;
    for (size_t i = 0; i < n; i++)
        index[i] = c->count[i] ? c->n_levels++ : 0;
    for (size_t i = 0; i < n; i++)
        c->level[i] = index[(size_t)rank[i] - 1];
}

static void count_ranks(struct column *c, const size_t *rows, size_t n)
{
    memset(c->count, 0, c->n_levels * sizeof *c->count);
    for (size_t i = 0; i < n; i++)
        c->count[c->level[rows[i]]]++;
    double before = 0;
    for (size_t k = 0; k < c->n_levels; k++) {
        c->rank[k] = before + 0.5 * ((double)c->count[k] + 1);
        before += (double)c->count[k];
    }
}

/* rho of the rows drawn; NAN where a column of them is constant. */
static double rho_of_rows(struct spearman_work *w, const size_t *rows, size_t n)
{
    count_ranks(&w->x, rows, n);
    count_ranks(&w->y, rows, n);
    double mean = 0.5 * ((double)n + 1), sxx = 0, syy = 0, sxy = 0;
    for (size_t i = 0; i < n; i++) {
        double dx = w->x.rank[w->x.level[rows[i]]] - mean;
        double dy = w->y.rank[w->y.level[rows[i]]] - mean;
        sxx += dx * dx;
        syy += dy * dy;
        sxy += dx * dy;
    }
    if (sxx == 0 || syy == 0)
        return NAN;
    return fmax(-1.0, fmin(1.0, sxy / sqrt(sxx * syy)));
}

/* Efron's acceleration from the jackknife; NAN where leaving one row out leaves no variance. */
static double acceleration(struct spearman_work *w, size_t n)
{
    double *jack = w->rx; /* the ranks are no longer needed once levels are set */
    for (size_t out = 0; out < n; out++) {
        size_t m = 0;
        for (size_t i = 0; i < n; i++)
            if (i != out)
                w->rows[m++] = i;
        jack[out] = rho_of_rows(w, w->rows, m);
    }
    double mean = mop_mean(jack, n), cubes = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        double d = mean - jack[i];
        squares += d * d;
        cubes += d * d * d;
    }
    return squares > 0 ? cubes / (6 * squares * sqrt(squares)) : squares * 0;
}

/* Draws the bootstrap distribution into w->theta, ascending. False where no resample had variance.
 */
static bool draw_resamples(struct spearman_work *w, size_t n, uint32_t resamples, uint64_t seed)
{
    mop_rng rng;
    mop_rng_init(&rng, seed, 0);
    for (uint32_t b = 0; b < resamples; b++) {
        double rho = NAN;
        for (int tries = 0; isnan(rho) && tries < REDRAWS_MAX; tries++) {
            for (size_t i = 0; i < n; i++)
                w->rows[i] = (size_t)mop_rng_below(&rng, n);
            rho = rho_of_rows(w, w->rows, n);
        }
        if (isnan(rho))
            return false;
        w->theta[b] = rho;
    }
    mop_sort_f64(w->theta, resamples);
    return true;
}

static void bca(const struct spearman_work *w, size_t resamples, double accel, double level,
                mop_interval *out)
{
    const double *theta = w->theta;
    if (isnan(accel) || theta[0] == theta[resamples - 1])
        return; /* every resample agrees: the data cannot say how far rho may be off */
    size_t below = 0;
    while (below < resamples && theta[below] < out->est - 1e-12)
        below++;
    double bias = mop_normal_quantile((double)below / (double)resamples);
    double z = mop_normal_quantile(0.5 * (1 + level));
    double low = 0, high = 1;
    if (isfinite(bias)) {
        low = mop_normal_cdf(bias + (bias - z) / (1 - accel * (bias - z)));
        high = mop_normal_cdf(bias + (bias + z) / (1 - accel * (bias + z)));
    }
    out->lo = mop_quantile(theta, resamples, low);
    out->hi = mop_quantile(theta, resamples, high);
}

mop_status mop_spearman(const double *x, const double *y, size_t n, double level,
                        uint32_t resamples, uint64_t seed, mop_interval *out, mop_err *err)
{
    mop_interval result = {NAN, NAN, NAN};
    struct spearman_work w;
    mop_status status = work_init(&w, n, resamples, err);
    if (status != MOP_OK)
        return status;
    mop_ranks(x, n, w.rx, w.index);
    mop_ranks(y, n, w.ry, w.index);
    result.est = mop_pearson(w.rx, w.ry, n);
    if (n >= 4 && resamples > 0 && !isnan(result.est) && level > 0 && level < 1) {
        set_levels(&w.x, w.rx, n, w.index);
        set_levels(&w.y, w.ry, n, w.index);
        if (draw_resamples(&w, n, resamples, seed))
            bca(&w, resamples, acceleration(&w, n), level, &result);
    }
    *out = result;
    work_release(&w);
    return MOP_OK;
}

/* Doubled ranks of n pairs, and their sum of products as seen and in the middle of all orders. */
struct pairs {
    const int64_t *x;
    int64_t *y; /* permuted in place */
    size_t n;
    int64_t seen, middle;
};

/* Walks every permutation of y by Heap's method (Heap 1963; one swap each) and counts those at
 * least as far from the middle as the one seen. */
static uint64_t count_exact(const struct pairs *a)
{
    const int64_t *x = a->x;
    int64_t *y = a->y, sum = a->seen, distance = llabs(a->seen - a->middle);
    size_t turn[EXACT_MAX] = {0};
    uint64_t extreme = 1; /* the order seen itself */
    for (size_t i = 1; i < a->n;) {
        if (turn[i] >= i) {
            turn[i++] = 0;
            continue;
        }
        size_t j = i % 2 ? turn[i] : 0;
        sum += (x[i] - x[j]) * (y[j] - y[i]);
        int64_t t = y[i];
        y[i] = y[j];
        y[j] = t;
        extreme += llabs(sum - a->middle) >= distance;
        turn[i]++;
        i = 1;
    }
    return extreme;
}

static uint64_t count_drawn(const struct pairs *a, uint32_t draws, uint64_t seed)
{
    int64_t *y = a->y, distance = llabs(a->seen - a->middle);
    uint64_t extreme = 0;
    mop_rng rng;
    mop_rng_init(&rng, seed, 1);
    for (uint32_t d = 0; d < draws; d++) {
        int64_t sum = 0;
        for (size_t i = a->n; i > 1; i--) {
            size_t j = (size_t)mop_rng_below(&rng, i);
            int64_t t = y[i - 1];
            y[i - 1] = y[j];
            y[j] = t;
            sum += a->x[i - 1] * y[i - 1];
        }
        sum += a->x[0] * y[0];
        extreme += llabs(sum - a->middle) >= distance;
    }
    return extreme;
}

mop_status mop_spearman_p(const double *x, const double *y, size_t n, uint32_t draws, uint64_t seed,
                          double *p, mop_err *err)
{
    struct spearman_work w;
    mop_status status = work_init(&w, n, 0, err);
    if (status != MOP_OK)
        return status;
    int64_t *ranks = mop_calloc(2 * n, sizeof *ranks, err);
    if (ranks == NULL) {
        work_release(&w);
        return MOP_ENOMEM;
    }
    mop_ranks(x, n, w.rx, w.index);
    mop_ranks(y, n, w.ry, w.index);
    double value = NAN;
    if (n >= 3 && !isnan(mop_pearson(w.rx, w.ry, n))) {
        int64_t *x2 = ranks, *y2 = ranks + n, whole = (int64_t)n;
        struct pairs a = {x2, y2, n, 0, whole * (whole + 1) * (whole + 1)};
        for (size_t i = 0; i < n; i++) {
            x2[i] = (int64_t)(2 * w.rx[i]);
            y2[i] = (int64_t)(2 * w.ry[i]);
            a.seen += x2[i] * y2[i];
        }
        if (n <= EXACT_MAX)
            value = (double)count_exact(&a) / round(tgamma((double)n + 1));
        else
            value = ((double)count_drawn(&a, draws, seed) + 1) / ((double)draws + 1);
    }
    *p = value;
    free(ranks);
    work_release(&w);
    return MOP_OK;
}

/* The k-th smallest p is found by looking for the smallest not yet taken: n is the size of a table
 * that people read. */
void mop_holm(const double *p, size_t n, double *adjusted)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        m += isnan(p[i]) ? 0 : 1;
    for (size_t i = 0; i < n; i++) {
        adjusted[i] = isnan(p[i]) ? NAN : 0;
        for (size_t j = 0; j < n && !isnan(p[i]); j++) {
            if (isnan(p[j]) || p[j] > p[i])
                continue;
            size_t smaller = 0;
            for (size_t k = 0; k < n; k++)
                smaller += p[k] < p[j];
            adjusted[i] = fmax(adjusted[i], fmin(1.0, (double)(m - smaller) * p[j]));
        }
    }
}
