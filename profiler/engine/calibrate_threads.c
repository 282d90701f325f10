/* Figures of several threads: what it costs to wake them, and what they reach together. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/cpu/peak.h"
#include "kernels/cpu/stream.h"
#include "profiler/base/alloc.h"
#include "profiler/engine/calibrate_internal.h"
#include "profiler/engine/cpu_pool.h"

enum { EACH_UP_TO = 16 };

/* The pool of the CPU back end, and work for it. */
typedef struct team {
    mop_cpu_pool pool;
    int threads;
    bool is_pinned;
    cpu_set_t before; /* the caller's own processors, given back at the end */
    const mop_peak_kernel *peak;
    const mop_stream_kernel *loop;
    float *block; /* [threads * n] */
    size_t n;
    size_t step, at; /* each thread reads steps of its own part, as one thread alone does */
    int64_t rounds;
} team;

static void team_end(team *t)
{
    if (t->is_pinned)
        mop_cpu_pool_leave(&t->before);
    mop_cpu_pool_close(&t->pool);
    free(t->block);
}

static mop_status team_begin(team *t, const mop_calibration *c, int threads, mop_err *err)
{
    const uint64_t each = mop_calibrate_dram_bytes(c) / (uint64_t)threads / sizeof(float);
    *t = (team){.threads = threads,
                .peak = mop_cpu_peak(mop_isa_best(c->isa_mask)),
                .loop = mop_cpu_stream(mop_isa_best(c->isa_mask)),
                .n = (size_t)(each - each % MOP_STREAM_STEP)};
    if (t->n == 0)
        t->n = MOP_STREAM_STEP;
    t->step = t->n < MOP_CALIBRATE_STEP ? t->n : MOP_CALIBRATE_STEP;
    t->block = mop_alloc_aligned((size_t)threads * t->n * sizeof *t->block, err);
    if (t->block == NULL)
        return MOP_ENOMEM;
    for (size_t i = 0; i < (size_t)threads * t->n; i++)
        t->block[i] = 1.0f;
    mop_status status = mop_cpu_pool_open(&t->pool, threads, err);
    t->is_pinned = status == MOP_OK && mop_cpu_pool_enter(&t->pool, &t->before);
    return status;
}

static void nothing(void *ctx, size_t item)
{
    (void)ctx;
    (void)item;
}

static void run_fork_join(void *ctx, int64_t rounds)
{
    team *t = ctx;
    for (int64_t i = 0; i < rounds; i++)
        pthreadpool_parallelize_1d(t->pool.pool, nothing, t, (size_t)t->threads,
                                   PTHREADPOOL_FLAG_DISABLE_DENORMALS);
}

static void peak_item(void *ctx, size_t item)
{
    const team *t = ctx;
    volatile float sink = t->peak->run(t->rounds); /* the sum is used */
    (void)sink;
    (void)item;
}

static void read_item(void *ctx, size_t item)
{
    const team *t = ctx;
    const size_t steps = t->n / t->step;
    volatile uint32_t sink = 0; /* likewise */
    for (int64_t r = 0; r < t->rounds; r++) {
        const size_t step = (t->at + (size_t)r) % steps;
        sink = sink ^ t->loop->read(t->block + item * t->n + step * t->step, t->step, 1);
    }
}

static void run_peak(void *ctx, int64_t rounds)
{
    team *t = ctx;
    t->rounds = rounds;
    pthreadpool_parallelize_1d(t->pool.pool, peak_item, t, (size_t)t->threads, 0);
}

static void run_read(void *ctx, int64_t rounds)
{
    team *t = ctx;
    t->rounds = rounds;
    pthreadpool_parallelize_1d(t->pool.pool, read_item, t, (size_t)t->threads, 0);
    t->at = (t->at + (size_t)rounds) % (t->n / t->step);
}

static mop_status figures_of(const mop_calibration *c, team *t, mop_figures *out, mop_err *err)
{
    const mop_burst fork_join = {run_fork_join, t, 0};
    const mop_burst peak = {run_peak, t, (double)t->threads * t->peak->flops_per_round};
    const mop_burst read = {run_read, t, (double)t->threads * (double)t->step * sizeof(float)};
    char name[32];
    mop_status status;
    (void)snprintf(name, sizeof name, "fork_join_x%d", t->threads); /* all three fit */
    status = mop_calibrate_figure(c, name, "s", &fork_join, out, err);
    if (t->threads == 1 || status != MOP_OK)
        return status;
    (void)snprintf(name, sizeof name, "peak_flops_%s_fp32_x%d", mop_isa_name(t->peak->isa),
                   t->threads);
    status = mop_calibrate_figure(c, name, "FLOP/s", &peak, out, err);
    (void)snprintf(name, sizeof name, "read_bandwidth_dram_x%d", t->threads);
    if (status == MOP_OK)
        status = mop_calibrate_figure(c, name, "B/s", &read, out, err);
    return status;
}

mop_status mop_calibrate_threads(const mop_calibration *c, mop_figures *out, mop_err *err)
{
    mop_status status = MOP_OK;
    for (int n = 1; n <= c->threads && status == MOP_OK;) {
        team t;
        status = team_begin(&t, c, n, err);
        if (status == MOP_OK)
            status = figures_of(c, &t, out, err);
        team_end(&t);
        if (n == c->threads)
            break;
        n = n < EACH_UP_TO ? n + 1 : 2 * n;
        if (n > c->threads)
            n = c->threads;
    }
    return status;
}
