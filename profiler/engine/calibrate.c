#include "profiler/engine/calibrate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu/peak.h"
#include "kernels/cpu/stream.h"
#include "profiler/base/alloc.h"
#include "profiler/base/rng.h"
#include "profiler/base/stats_ratio.h"
#include "profiler/engine/calibrate_internal.h"
#include "profiler/engine/cpu_info.h"

enum { BURST_NS = 2000000, BURSTS = 30, MIN_PASSES = 12, VISIT_BURSTS = 3 };
#define MOST_ROUNDS (INT64_C(1) << 40)

/* --- figures ------------------------------------------------------------------------------- */

void mop_figures_release(mop_figures *f)
{
    free(f->items);
    *f = (mop_figures){0};
}

const mop_figure *mop_figures_find(const mop_figures *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->items[i].name, name) == 0)
            return &f->items[i];
    return NULL;
}

static mop_status append(mop_figures *f, const mop_figure *figure, mop_err *err)
{
    if (f->n == f->cap) {
        const size_t cap = f->cap > 0 ? 2 * f->cap : 32;
        mop_figure *items = mop_realloc(f->items, cap, sizeof *items, err);
        if (items == NULL)
            return MOP_ENOMEM;
        f->items = items;
        f->cap = cap;
    }
    f->items[f->n++] = *figure;
    return MOP_OK;
}

static uint64_t time_of(const mop_clock *clock, const mop_burst *burst, int64_t rounds)
{
    const uint64_t start = mop_now_ns(clock);
    burst->run(burst->ctx, rounds);
    return mop_now_ns(clock) - start;
}

mop_status mop_calibrate_rounds(const mop_calibration *c, const mop_burst *burst, uint64_t burst_ns,
                                int64_t *rounds, mop_err *err)
{
    int64_t n = 1;
    while (time_of(&c->clock, burst, n) < burst_ns) {
        if (n > MOST_ROUNDS)
            return mop_fail(err, MOP_EFAIL,
                            "the clock stands still: %" PRId64 " rounds took less than %" PRIu64
                            " ns",
                            n, burst_ns);
        n *= 2;
    }
    *rounds = n;
    return MOP_OK;
}

mop_status mop_calibrate_figure(const mop_calibration *c, const char *name, const char *unit,
                                const mop_burst *burst, mop_figures *out, mop_err *err)
{
    const int bursts = c->bursts > 0 ? c->bursts : BURSTS;
    mop_figure figure = {.unit = unit, .bursts = bursts};
    int64_t rounds = 0;
    double *value = mop_calloc((size_t)bursts, sizeof *value, err);
    mop_status status = MOP_ENOMEM;
    if (value != NULL)
        status =
            mop_calibrate_rounds(c, burst, c->burst_ns > 0 ? c->burst_ns : BURST_NS, &rounds, err);
    for (int i = 0; i < bursts && status == MOP_OK; i++) {
        const uint64_t ns = time_of(&c->clock, burst, rounds);
        const double round_s = (double)(ns > 0 ? ns : 1) / 1e9 / (double)rounds;
        value[i] = burst->amount > 0 ? burst->amount / round_s : round_s;
    }
    if (status == MOP_OK) {
        const size_t n = (size_t)bursts;
        mop_sort_f64(value, n);
        figure.best = burst->amount > 0 ? value[n - 1] : value[0];
        figure.median = mop_quantile(value, n, 0.5);
        figure.spread =
            (mop_quantile(value, n, 0.75) - mop_quantile(value, n, 0.25)) / figure.median;
        (void)snprintf(figure.name, sizeof figure.name, "%s", name); /* names are ours and fit */
        status = append(out, &figure, err);
    }
    free(value);
    return status;
}

/* --- arithmetic ---------------------------------------------------------------------------- */

static void run_peak(void *ctx, int64_t rounds)
{
    volatile float sink = ((const mop_peak_kernel *)ctx)->run(rounds); /* the sum is used */
    (void)sink;
}

static void run_peak_f64(void *ctx, int64_t rounds)
{
    volatile double sink = ((const mop_peak_kernel *)ctx)->run_f64(rounds); /* likewise */
    (void)sink;
}

mop_status mop_calibrate_peaks(const mop_calibration *c, mop_figures *out, mop_err *err)
{
    const unsigned usable = mop_isa_detect() & c->isa_mask;
    mop_status status = MOP_OK;
    for (int level = 0; level < MOP_ISA_COUNT && status == MOP_OK; level++) {
        mop_peak_kernel loop = *mop_cpu_peak((mop_isa)level);
        const mop_burst f32 = {run_peak, &loop, loop.flops_per_round};
        const mop_burst f64 = {run_peak_f64, &loop, loop.flops_per_round_f64};
        const char *isa = mop_isa_name((mop_isa)level);
        char name[32];
        if (level != MOP_ISA_SCALAR && (usable & 1u << level) == 0)
            continue;
        (void)snprintf(name, sizeof name, "peak_flops_%s_fp32", isa); /* the longest fits */
        status = mop_calibrate_figure(c, name, "FLOP/s", &f32, out, err);
        (void)snprintf(name, sizeof name, "peak_flops_%s_fp64", isa);
        if (status == MOP_OK)
            status = mop_calibrate_figure(c, name, "FLOP/s", &f64, out, err);
    }
    return status;
}

/* --- memory -------------------------------------------------------------------------------- */

/* Three parts of one block, for the loops that need several. */
typedef struct stream {
    const mop_stream_kernel *loop;
    float *part[3];
    size_t n; /* floats of a part */
    /* Of main memory a round moves only the next step of it: a burst stays short, and what it moves
     * was put out of the caches by the rest. */
    size_t step, at;
} stream;

static void run_read(void *ctx, int64_t rounds)
{
    const stream *s = ctx;
    volatile uint32_t sink = s->loop->read(s->part[0], s->n, rounds); /* the bits are used */
    (void)sink;
}

/* Where this round begins; the next one begins a step further, or at the start again. */
static size_t take_step(stream *s)
{
    const size_t at = s->at;
    s->at = at + 2 * s->step <= s->n ? at + s->step : 0;
    return at;
}

static void walk_read(void *ctx, int64_t rounds)
{
    stream *s = ctx;
    volatile uint32_t sink = 0; /* the bits are used */
    for (int64_t r = 0; r < rounds; r++)
        sink = sink ^ s->loop->read(s->part[0] + take_step(s), s->step, 1);
}

static void walk_copy(void *ctx, int64_t rounds)
{
    stream *s = ctx;
    for (int64_t r = 0; r < rounds; r++) {
        const size_t at = take_step(s);
        s->loop->copy(s->part[0] + at, s->part[1] + at, s->step, 1);
    }
}

static void walk_triad(void *ctx, int64_t rounds)
{
    stream *s = ctx;
    for (int64_t r = 0; r < rounds; r++) {
        const size_t at = take_step(s);
        s->loop->triad(s->part[0] + at, s->part[1] + at, s->part[2] + at, 0.5f, s->step, 1);
    }
}

uint64_t mop_calibrate_dram_bytes(const mop_calibration *c)
{
    const uint64_t untold = UINT64_C(16) << 20; /* of the last level, where none is told */
    uint64_t caches[MOP_CPU_CACHES], last = 0, bytes;
    mop_cpu_caches(caches);
    for (int i = 0; i < MOP_CPU_CACHES; i++)
        last = caches[i] > last ? caches[i] : last;
    bytes = 4 * (last > 0 ? last : untold);
    return c->memory_bytes > 0 && c->memory_bytes / 4 < bytes ? c->memory_bytes / 4 : bytes;
}

/* The floats of one of `parts` equal parts of a block, whole steps of the loops; at least one. */
static size_t floats_of(uint64_t bytes, size_t parts)
{
    const size_t n = (size_t)(bytes / sizeof(float)) / parts;
    return n < MOP_STREAM_STEP ? MOP_STREAM_STEP : n - n % MOP_STREAM_STEP;
}

static mop_status caches(const mop_calibration *c, stream *s, mop_figures *out, mop_err *err)
{
    static const char *const names[MOP_CPU_CACHES] = {"read_bandwidth_l1", "read_bandwidth_l2",
                                                      "read_bandwidth_l3"};
    uint64_t bytes[MOP_CPU_CACHES];
    const uint64_t most = mop_calibrate_dram_bytes(c);
    mop_status status = MOP_OK;
    mop_cpu_caches(bytes);
    for (int i = 0; i < MOP_CPU_CACHES && status == MOP_OK; i++) {
        const mop_burst read = {run_read, s, 0};
        mop_burst sized = read;
        if (bytes[i] == 0 || bytes[i] / 2 > most)
            continue;
        s->n = floats_of(bytes[i] / 2, 1);
        sized.amount = (double)s->n * sizeof(float);
        status = mop_calibrate_figure(c, names[i], "B/s", &sized, out, err);
    }
    return status;
}

static mop_status dram(const mop_calibration *c, stream *s, float *block, mop_figures *out,
                       mop_err *err)
{
    const uint64_t bytes = mop_calibrate_dram_bytes(c);
    static const struct {
        const char *name;
        void (*run)(void *ctx, int64_t rounds);
        size_t parts;
    } loops[] = {{"read_bandwidth_dram", walk_read, 1},
                 {"copy_bandwidth_dram", walk_copy, 2},
                 {"triad_bandwidth_dram", walk_triad, 3}};
    mop_status status = MOP_OK;
    for (size_t i = 0; i < sizeof loops / sizeof loops[0] && status == MOP_OK; i++) {
        mop_burst burst = {loops[i].run, s, 0};
        s->n = floats_of(bytes, loops[i].parts);
        for (size_t k = 0; k < loops[i].parts; k++)
            s->part[k] = block + k * s->n;
        s->at = 0;
        s->step = s->n < MOP_CALIBRATE_STEP ? s->n : MOP_CALIBRATE_STEP;
        burst.amount = (double)(s->step * loops[i].parts) * sizeof(float);
        status = mop_calibrate_figure(c, loops[i].name, "B/s", &burst, out, err);
    }
    return status;
}

mop_status mop_calibrate_bandwidth(const mop_calibration *c, mop_figures *out, mop_err *err)
{
    const uint64_t bytes = mop_calibrate_dram_bytes(c);
    const size_t n = 3 * floats_of(bytes, 3) > floats_of(bytes, 1) ? 3 * floats_of(bytes, 3)
                                                                   : floats_of(bytes, 1);
    float *block = mop_alloc_aligned(n * sizeof *block, err);
    stream s = {.loop = mop_cpu_stream(mop_isa_best(c->isa_mask))};
    mop_status status;
    if (block == NULL)
        return MOP_ENOMEM;
    for (size_t i = 0; i < n; i++)
        block[i] = 1.0f; /* every page is there, and no value is denormal */
    s.part[0] = block;
    status = caches(c, &s, out, err);
    if (status == MOP_OK)
        status = dram(c, &s, block, out, err);
    free(block);
    return status;
}

/* --- costs --------------------------------------------------------------------------------- */

typedef struct repeated {
    void (*work)(void *ctx);
    void *ctx;
} repeated;

static void run_repeated(void *ctx, int64_t rounds)
{
    const repeated *r = ctx;
    for (int64_t i = 0; i < rounds; i++)
        r->work(r->ctx);
}

mop_status mop_calibrate_cost(const mop_calibration *c, const char *name, void (*work)(void *ctx),
                              void *ctx, mop_figures *out, mop_err *err)
{
    repeated r = {work, ctx};
    const mop_burst burst = {run_repeated, &r, 0};
    return mop_calibrate_figure(c, name, "s", &burst, out, err);
}

/* --- resolution ---------------------------------------------------------------------------- */

static double visit(const mop_calibration *c, const mop_burst *burst, int64_t rounds)
{
    double ns[VISIT_BURSTS];
    for (int i = 0; i < VISIT_BURSTS; i++) {
        const uint64_t t = time_of(&c->clock, burst, rounds);
        ns[i] = (double)(t > 0 ? t : 1);
    }
    mop_sort_f64(ns, VISIT_BURSTS);
    return mop_quantile(ns, VISIT_BURSTS, 0.5);
}

static void judge(const double *a, const double *b, size_t n, double *work, mop_resolution *out)
{
    const mop_interval r = mop_ratio_interval(a, b, n, 0.95, work);
    out->ratio = r;
    out->passes = (uint32_t)n;
    out->half_width = (r.hi - r.lo) / 2 / r.est;
    out->difference = fabs(r.est - 1);
    out->smallest = fmax(fabs(r.hi - 1), fabs(r.lo - 1));
}

mop_status mop_calibrate_resolution(const mop_calibration *c, uint64_t budget_ns, uint64_t seed,
                                    mop_resolution *out, mop_err *err)
{
    const uint64_t burst_ns = c->burst_ns > 0 ? c->burst_ns : BURST_NS;
    const uint64_t pass_ns = 2 * VISIT_BURSTS * burst_ns; /* or up to twice of it */
    const size_t cap = (size_t)(budget_ns / pass_ns);
    const uint64_t start = mop_now_ns(&c->clock);
    mop_peak_kernel loop = *mop_cpu_peak(mop_isa_best(c->isa_mask));
    const mop_burst burst = {run_peak, &loop, 0};
    double *side[2], *values;
    int64_t rounds = 0;
    size_t n = 0;
    mop_rng rng;
    if (cap / 2 < MIN_PASSES)
        return mop_fail(err, MOP_EINVAL, "%.3g s are too short: %d passes take %.3g s",
                        (double)budget_ns / 1e9, MIN_PASSES,
                        2 * MIN_PASSES * (double)pass_ns / 1e9);
    values = mop_calloc(3 * cap, sizeof *values, err);
    if (values == NULL)
        return MOP_ENOMEM;
    side[0] = values;
    side[1] = values + cap;
    mop_rng_init(&rng, seed, 0);
    mop_status status = mop_calibrate_rounds(c, &burst, burst_ns, &rounds, err);
    while (status == MOP_OK && n < cap &&
           (n < MIN_PASSES || mop_now_ns(&c->clock) - start < budget_ns)) {
        const size_t first = (size_t)mop_rng_below(&rng, 2);
        side[first][n] = visit(c, &burst, rounds);
        side[1 - first][n] = visit(c, &burst, rounds);
        n++;
    }
    if (status == MOP_OK)
        judge(side[0], side[1], n, values + 2 * cap, out);
    free(values);
    return status;
}
