/* Standing of the subjects (see the header and protocol.h for the rule).
 *
 * The interval is that of order statistics over pass medians (Conover 1999, sec. 3.2): samples of
 * one pass share its disturbances, passes do not, so the pass is the unit that repeats. A ratio is
 * taken inside each pass, where a drift of the machine is the same for both, and only then
 * summarised. */
#include "profiler/measure/standing.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/stats_ratio.h"

mop_status mop_standing_init(mop_standing *s, const mop_protocol_input *input, uint32_t columns,
                             mop_subject_result *results, mop_err *err)
{
    uint32_t n = input->n_subjects;
    size_t cells;
    *s = (mop_standing){.protocol = input->protocol,
                        .subjects = input->subjects,
                        .results = results,
                        .n = n,
                        .columns = columns};
    if (!mop_mul_size(n, columns, &cells))
        return mop_fail(err, MOP_EINVAL, "%" PRIu32 " subjects x %" PRIu32 " passes is too many", n,
                        columns);
    s->work_size = columns;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t runs = mop_subject_runs(input->protocol, &input->subjects[i]);
        if (runs > s->work_size)
            s->work_size = runs;
    }
    s->values = mop_calloc(cells, sizeof *s->values, err);
    s->half_width = mop_calloc(n, sizeof *s->half_width, err);
    s->is_referred = mop_calloc(n, sizeof *s->is_referred, err);
    s->a = mop_calloc(columns, sizeof *s->a, err);
    s->b = mop_calloc(columns, sizeof *s->b, err);
    s->work = mop_calloc(s->work_size, sizeof *s->work, err);
    if (!s->values || !s->half_width || !s->is_referred || !s->a || !s->b || !s->work)
        return MOP_ENOMEM;
    for (size_t i = 0; i < cells; i++)
        s->values[i] = NAN;
    memset(results, 0, n * sizeof *results);
    return MOP_OK;
}

void mop_standing_release(mop_standing *s)
{
    free(s->values);
    free(s->half_width);
    free(s->is_referred);
    free(s->a);
    free(s->b);
    free(s->work);
}

/* The samples of one visit. */
static void count_visit(mop_standing *s, uint32_t i, const mop_sample_record *x, size_t n)
{
    mop_subject_result *r = &s->results[i];
    size_t clean = 0;
    for (size_t j = 0; j < n && clean < s->work_size; j++) {
        if (x[j].flags == 0)
            s->work[clean++] = (double)x[j].wall_ns / x[j].batched;
    }
    r->passes++;
    r->n += (uint32_t)n;
    r->n_clean += (uint32_t)clean;
    r->batched = x[0].batched;
    uint32_t runs = mop_subject_runs(s->protocol, &s->subjects[i]);
    r->runs = (uint32_t)n < runs ? (uint32_t)n : runs;
    if (clean > 0 && x[0].pass < s->columns) {
        mop_sort_f64(s->work, clean);
        s->values[(size_t)i * s->columns + x[0].pass] = mop_quantile(s->work, clean, 0.5);
    }
}

void mop_standing_count(mop_standing *s, const mop_sample_record *x, size_t n)
{
    for (size_t a = 0, b; a < n; a = b) {
        uint32_t i = 0;
        for (b = a + 1;
             b < n && x[b].measurement_id == x[a].measurement_id && x[b].pass == x[a].pass;)
            b++;
        while (i < s->n && s->subjects[i].measurement_id != x[a].measurement_id)
            i++;
        if (i < s->n)
            count_visit(s, i, x + a, b - a);
    }
}

bool mop_standing_is_alive(const mop_standing *s, uint32_t i)
{
    return s->results[i].failure.code == MOP_OK;
}

static bool is_judged(const mop_standing *s, uint32_t i)
{
    return mop_standing_is_alive(s, i) && !s->subjects[i].is_control;
}

static bool has_baseline(const mop_standing *s, uint32_t i)
{
    return s->subjects[i].baseline < s->n && s->subjects[i].baseline != i;
}

/* (high - low) / 2 / centre; where there is no interval yet, the same of the range of x. */
static double half_width_of(mop_interval v, const double *x, const double *y, size_t n)
{
    double low = INFINITY, high = 0;
    if (!isnan(v.lo) || n < 2)
        return (v.hi - v.lo) / 2 / v.est;
    for (size_t i = 0; i < n; i++) {
        low = fmin(low, y != NULL ? x[i] / y[i] : x[i]);
        high = fmax(high, y != NULL ? x[i] / y[i] : x[i]);
    }
    return (high - low) / 2 / v.est;
}

static double refresh_own(mop_standing *s, uint32_t i)
{
    mop_subject_result *r = &s->results[i];
    const double *x = s->values + (size_t)i * s->columns;
    size_t n = 0;
    for (uint32_t c = 0; c < s->columns; c++) {
        if (!isnan(x[c]))
            s->a[n++] = x[c];
    }
    mop_sort_f64(s->a, n);
    mop_interval v = mop_median_interval(s->a, n, s->protocol->level);
    r->median_ns = n > 0 ? v.est : NAN;
    r->low_ns = n > 0 ? v.lo : NAN;
    r->high_ns = n > 0 ? v.hi : NAN;
    r->half_width = (r->high_ns - r->low_ns) / 2 / r->median_ns;
    return half_width_of(v, s->a, NULL, n);
}

static double refresh_ratio(mop_standing *s, uint32_t i)
{
    mop_subject_result *r = &s->results[i];
    size_t n = 0;
    r->ratio = r->ratio_low = r->ratio_high = NAN;
    if (!has_baseline(s, i))
        return NAN;
    const double *x = s->values + (size_t)i * s->columns;
    const double *y = s->values + (size_t)s->subjects[i].baseline * s->columns;
    for (uint32_t c = 0; c < s->columns; c++) {
        if (isnan(x[c]) || isnan(y[c]))
            continue;
        s->a[n] = x[c];
        s->b[n++] = y[c];
    }
    r->ratio_passes = (uint32_t)n;
    if (n == 0)
        return NAN;
    mop_interval v = mop_ratio_interval(s->a, s->b, n, s->protocol->level, s->work);
    r->ratio = v.est;
    r->ratio_low = v.lo;
    r->ratio_high = v.hi;
    return half_width_of(v, s->a, s->b, n);
}

/* own and ratio are half-widths or their stand-ins; which of them the rule looks at. */
static double decisive(const mop_standing *s, uint32_t i, double own, double ratio)
{
    if (!has_baseline(s, i))
        return s->is_referred[i] ? 0 : own;
    if (mop_standing_is_alive(s, s->subjects[i].baseline))
        return ratio;
    return fmin(own, ratio); /* of a NAN and a number the number */
}

static void refresh(mop_standing *s, uint32_t i)
{
    const mop_protocol *p = s->protocol;
    mop_subject_result *r = &s->results[i];
    double own = refresh_own(s, i);
    double ratio = refresh_ratio(s, i);
    s->half_width[i] = decisive(s, i, own, ratio);
    double sure = decisive(s, i, r->half_width, (r->ratio_high - r->ratio_low) / 2 / r->ratio);
    r->is_satisfied =
        s->subjects[i].is_control || (r->passes >= p->min_passes && r->n_clean >= p->min_clean &&
                                      r->n_clean > 0 && sure < p->precision);
}

void mop_standing_refresh(mop_standing *s)
{
    memset(s->is_referred, 0, s->n * sizeof *s->is_referred);
    for (uint32_t i = 0; i < s->n; i++) {
        if (is_judged(s, i) && has_baseline(s, i))
            s->is_referred[s->subjects[i].baseline] = true;
    }
    for (uint32_t i = 0; i < s->n; i++)
        refresh(s, i);
}

uint32_t mop_standing_judged(const mop_standing *s, uint32_t *satisfied)
{
    uint32_t judged = 0;
    *satisfied = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        judged += is_judged(s, i);
        *satisfied += is_judged(s, i) && s->results[i].is_satisfied;
    }
    return judged;
}

static double passes_left(const mop_standing *s, uint32_t i)
{
    const mop_protocol *p = s->protocol;
    const mop_subject_result *r = &s->results[i];
    if (!is_judged(s, i) || r->is_satisfied || r->passes >= p->max_passes)
        return 0;
    double over = s->half_width[i] / p->precision;
    double need = fmax(p->min_passes, r->passes * over * over); /* of a NAN the first */
    if (r->n_clean > 0)
        need = fmax(need, (double)r->passes * p->min_clean / r->n_clean);
    else if (r->passes > 0) /* nothing is clean so far: no end can be seen */
        need = p->max_passes;
    return fmax(1, fmin(need, p->max_passes) - r->passes);
}

/* A row that a resumed sweep measures for the first time has all its passes before it. */
double mop_standing_passes_left(const mop_standing *s)
{
    double most = 0;
    for (uint32_t i = 0; i < s->n; i++)
        most = fmax(most, passes_left(s, i));
    return most;
}
