#include "profiler/measure/account.h"

#include <math.h>
#include <stdlib.h>

#include "profiler/base/alloc.h"
#include "profiler/base/stats.h"

static const struct {
    const char *name, *source, *repeated;
} parts[MOP_PARTS] = {
    [MOP_PART_DISPATCHES] = {"dispatches", "device clock, profiled runs", "host clock, repeat-N"},
    [MOP_PART_GAPS] = {"gaps between them", "device clock, profiled runs", "in the line below"},
    [MOP_PART_COPIES] = {"copies", "device clock, profiled runs", "in the line below"},
    [MOP_PART_SUBMIT] = {"submit and wake", "waiting less the device's span, plain runs",
                         "waiting less the dispatches, plain runs"},
    [MOP_PART_INPUT] = {"input to NC4HW4", "host clock, plain runs", "host clock, plain runs"},
    [MOP_PART_OUTPUT] = {"output to NHWC", "host clock, plain runs", "host clock, plain runs"},
    [MOP_PART_HOST] = {"other host work", "host clock, plain runs", "host clock, plain runs"},
};

const char *mop_part_name(mop_part part)
{
    return parts[part].name;
}

const char *mop_part_source(mop_part part, bool by_repetition)
{
    return by_repetition ? parts[part].repeated : parts[part].source;
}

mop_status mop_account_init(mop_account_series *s, size_t cap, bool by_repetition, mop_err *err)
{
    bool is_there = true;
    *s = (mop_account_series){.cap = cap, .by_repetition = by_repetition};
    for (int i = 0; i < MOP_PARTS; i++) {
        s->part[i] = mop_calloc(cap, sizeof *s->part[i], err);
        is_there = is_there && s->part[i] != NULL;
    }
    s->end_to_end = mop_calloc(cap, sizeof *s->end_to_end, err);
    s->outside = mop_calloc(cap, sizeof *s->outside, err);
    return is_there && s->end_to_end != NULL && s->outside != NULL ? MOP_OK : MOP_ENOMEM;
}

void mop_account_release(mop_account_series *s)
{
    for (int i = 0; i < MOP_PARTS; i++)
        free(s->part[i]);
    free(s->end_to_end);
    free(s->outside);
    *s = (mop_account_series){0};
}

static double span(uint64_t from, uint64_t to)
{
    return to >= from ? (double)(to - from) : -(double)(from - to);
}

void mop_account_add(mop_account_series *s, const mop_run_times *plain,
                     const mop_run_times *profiled, uint64_t dispatch_ns)
{
    const size_t r = s->runs++;
    const double waiting = span(plain->submitting, plain->finished);
    const double device =
        profiled != NULL && plain->device_ns > 0 ? (double)plain->device_ns : (double)NAN;
    const double whole = span(plain->begin, plain->readable) + span(plain->unpacking, plain->end);
    s->part[MOP_PART_DISPATCHES][r] =
        profiled != NULL ? (double)profiled->dispatch_ns : (double)dispatch_ns;
    s->part[MOP_PART_GAPS][r] = profiled != NULL ? (double)profiled->gap_ns : (double)NAN;
    s->part[MOP_PART_COPIES][r] = profiled != NULL ? (double)profiled->copy_ns : (double)NAN;
    s->part[MOP_PART_SUBMIT][r] = waiting - (profiled != NULL ? device : (double)dispatch_ns);
    s->part[MOP_PART_INPUT][r] = span(plain->begin, plain->packed);
    s->part[MOP_PART_OUTPUT][r] = span(plain->unpacking, plain->end);
    s->part[MOP_PART_HOST][r] =
        span(plain->packed, plain->submitting) + span(plain->finished, plain->readable);
    s->end_to_end[r] = whole;
    s->outside[r] = whole - device;
}

/* Of the values that are known; sorts those to the front. */
static double median(double *x, size_t n)
{
    size_t known = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(x[i]))
            x[known++] = x[i];
    mop_sort_f64(x, known);
    return known > 0 ? mop_quantile(x, known, 0.5) : (double)NAN;
}

void mop_account_close(mop_account_series *s, mop_account *out)
{
    out->end_to_end = out->residual = median(s->end_to_end, s->runs);
    out->outside = median(s->outside, s->runs);
    out->least_outside = isnan(out->outside) ? out->outside : s->outside[0]; /* sorted now */
    for (int i = 0; i < MOP_PARTS; i++) {
        out->part[i] = median(s->part[i], s->runs);
        out->residual -= isnan(out->part[i]) ? 0 : out->part[i];
    }
}
