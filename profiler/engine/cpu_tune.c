/* The CPU back end's tuner: each kernel on its own weights, of which there are copies enough that
 * they come from memory as in a network. */
#include <inttypes.h>
#include <pthreadpool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu/kernel.h"
#include "profiler/base/alloc.h"
#include "profiler/base/clock.h"
#include "profiler/base/hash.h"
#include "profiler/base/rng.h"
#include "profiler/engine/cpu_info.h"
#include "profiler/engine/cpu_memory.h"
#include "profiler/engine/cpu_plan.h"
#include "profiler/engine/cpu_tune.h"

/* COPIES: of one kernel's weights, at most. */
enum { CANDIDATES = 8, COPIES = 24 };

/* A kernel with all it needs to run. */
typedef struct candidate {
    const mop_cpu_kernel *kernel;
    mop_block packed, scratch; /* packed: copies x stride */
    size_t stride, copies, scratch_stride;
} candidate;

struct mop_tune_trial {
    const mop_op_inst *inst;
    const mop_device *device;
    candidate list[CANDIDATES];
    mop_block in[MOP_MAX_IN], w[MOP_MAX_WEIGHTS], out;
};

void mop_cpu_tune_key(const mop_device *device, mop_dtype dtype, char out[MOP_TUNE_KEY])
{
    const mop_device_info *info = &device->info;
    uint64_t hash = MOP_HASH_INIT;
    size_t n;
    const mop_cpu_kernel *const *k = mop_cpu_kernels(&n);
    (void)dtype; /* there is one */
    for (size_t i = 0; i < n; i++)
        hash = mop_hash(hash, k[i]->name, strlen(k[i]->name) + 1);
    (void)snprintf(out, MOP_TUNE_KEY, "%s, %s, %d threads, kernels %08" PRIx32, info->name,
                   info->isa, info->threads, (uint32_t)hash);
}

/* The kernels of the level that is chosen from. */
static size_t cpu_entrants(const mop_device *device, const mop_op_inst *inst, mop_dtype dtype,
                           char (*names)[MOP_TUNE_KERNEL])
{
    const mop_kernel_policy policy = {.isa_mask = device->isa_mask};
    const mop_cpu_kernel *shipped = mop_cpu_kernel_choose(inst, &policy);
    size_t n_all, n = 0;
    const mop_cpu_kernel *const *all = mop_cpu_kernels(&n_all);
    (void)dtype;
    if (shipped != NULL)
        (void)snprintf(names[n++], MOP_TUNE_KERNEL, "%s", shipped->name);
    for (size_t i = 0; shipped != NULL && i < n_all && n < CANDIDATES; i++)
        if (all[i] != shipped && all[i]->isa == shipped->isa &&
            mop_cpu_kernel_allowed(all[i], inst, &policy))
            (void)snprintf(names[n++], MOP_TUNE_KERNEL, "%s", all[i]->name);
    return n;
}

static mop_status make_values(mop_block *b, int64_t n, mop_rng *rng, mop_err *err)
{
    const mop_status status = mop_block_init(b, (size_t)n * sizeof(float), 0, err);
    float *x = (float *)(void *)b->at;
    for (int64_t i = 0; status == MOP_OK && i < n; i++)
        x[i] = (float)(0.1 + 0.8 * mop_rng_uniform(rng));
    return status;
}

static mop_status make_tensors(mop_tune_trial *c, mop_err *err)
{
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    const uint32_t n_w = mop_op_weights(c->inst, desc);
    mop_rng rng;
    mop_status status = MOP_OK;
    mop_rng_init(&rng, 1, 0);
    for (uint32_t i = 0; i < c->inst->n_in && status == MOP_OK; i++)
        status = make_values(&c->in[i], mop_shape_elems(c->inst->in[i]), &rng, err);
    for (uint32_t i = 0; i < n_w && status == MOP_OK; i++)
        status = make_values(&c->w[i], desc[i].elems, &rng, err);
    return status == MOP_OK ? make_values(&c->out, mop_shape_elems(c->inst->out), &rng, err)
                            : status;
}

static void cpu_leave(mop_tune_trial *trial, size_t i)
{
    mop_block_release(&trial->list[i].packed);
    mop_block_release(&trial->list[i].scratch);
    trial->list[i] = (candidate){0};
}

static void cpu_end(mop_tune_trial *trial)
{
    if (trial == NULL)
        return;
    for (size_t i = 0; i < CANDIDATES; i++)
        cpu_leave(trial, i);
    for (int i = 0; i < MOP_MAX_IN; i++)
        mop_block_release(&trial->in[i]);
    for (int i = 0; i < MOP_MAX_WEIGHTS; i++)
        mop_block_release(&trial->w[i]);
    mop_block_release(&trial->out);
    free(trial);
}

static mop_status cpu_begin(mop_device *device, const mop_op_inst *inst, mop_dtype dtype,
                            mop_tune_trial **out, mop_err *err)
{
    mop_tune_trial *trial = mop_calloc(1, sizeof *trial, err);
    (void)dtype;
    if (trial == NULL)
        return MOP_ENOMEM;
    trial->inst = inst;
    trial->device = device;
    const mop_status status = make_tensors(trial, err);
    if (status != MOP_OK) {
        cpu_end(trial);
        return status;
    }
    *out = trial;
    return MOP_OK;
}

static const mop_cpu_kernel *find_kernel(const mop_tune_trial *trial, const char *name)
{
    const mop_kernel_policy policy = {.isa_mask = trial->device->isa_mask};
    const mop_cpu_kernel *shipped = mop_cpu_kernel_choose(trial->inst, &policy);
    size_t n;
    const mop_cpu_kernel *const *all = mop_cpu_kernels(&n);
    for (size_t i = 0; i < n; i++)
        if (all[i]->isa == shipped->isa && strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

/* Twice the last cache's worth of copies, so that a copy has left it when its turn comes. */
static mop_status cpu_enter(mop_tune_trial *trial, size_t i, const char *name, mop_err *err)
{
    candidate *k = &trial->list[i];
    const mop_cpu_kernel *f = k->kernel = find_kernel(trial, name);
    const float *w[MOP_MAX_WEIGHTS];
    const size_t packed = f->packed_bytes != NULL ? f->packed_bytes(trial->inst) : 0;
    const size_t scratch = f->scratch_bytes != NULL ? f->scratch_bytes(trial->inst) : 0;
    mop_status status;
    k->stride = (packed + MOP_ALIGN - 1) / MOP_ALIGN * MOP_ALIGN;
    k->scratch_stride = (scratch + MOP_ALIGN - 1) / MOP_ALIGN * MOP_ALIGN;
    k->copies = k->stride > 0 ? 2 * mop_cpu_last_cache() / k->stride + 1 : 1;
    k->copies = k->copies < COPIES ? k->copies : COPIES;
    status = mop_block_init(&k->packed, k->copies * k->stride, 0, err);
    if (status == MOP_OK)
        status = mop_block_init(&k->scratch,
                                (size_t)trial->device->info.threads * k->scratch_stride, 0, err);
    if (status != MOP_OK) {
        cpu_leave(trial, i);
        return status;
    }
    if (f->pack == NULL)
        return MOP_OK;
    for (int j = 0; j < MOP_MAX_WEIGHTS; j++)
        w[j] = (const float *)(const void *)trial->w[j].at;
    f->pack(trial->inst, w, k->packed.at);
    for (size_t j = 1; j < k->copies; j++)
        memcpy(k->packed.at + j * k->stride, k->packed.at, packed);
    return MOP_OK;
}

/* One run on all threads. */
typedef struct turn {
    const candidate *k;
    mop_args args;
    int64_t units;
    size_t ranges;
} turn;

static void run_range(void *context, size_t i)
{
    const turn *t = context;
    mop_args args = t->args;
    args.begin = t->units * (int64_t)i / (int64_t)t->ranges;
    args.end = t->units * (int64_t)(i + 1) / (int64_t)t->ranges;
    args.scratch = t->k->scratch.at + i * t->k->scratch_stride;
    t->k->kernel->run(&args);
}

static mop_status cpu_time(mop_tune_trial *trial, size_t i, size_t round, double *ns, mop_err *err)
{
    const mop_clock clock = mop_clock_real();
    const candidate *k = &trial->list[i];
    const int threads = trial->device->info.threads;
    turn t = {.k = k, .args = {.inst = trial->inst}, .units = k->kernel->units(trial->inst)};
    const uint64_t start = mop_now_ns(&clock);
    (void)err; /* a kernel never fails */
    t.ranges = t.units < threads ? (size_t)t.units : (size_t)threads;
    for (int j = 0; j < MOP_MAX_IN; j++)
        t.args.in[j] = (const float *)(const void *)trial->in[j].at;
    t.args.out = (float *)(void *)trial->out.at;
    t.args.packed = k->stride > 0 ? k->packed.at + round % k->copies * k->stride : NULL;
    if (t.ranges == 1)
        run_range(&t, 0);
    else
        pthreadpool_parallelize_1d(trial->device->pool.pool, run_range, &t, t.ranges,
                                   PTHREADPOOL_FLAG_DISABLE_DENORMALS);
    *ns = (double)(mop_now_ns(&clock) - start);
    return MOP_OK;
}

const mop_tuner mop_cpu_tuner = {
    .usual_budget_ns = UINT64_C(60000000000),
    .key = mop_cpu_tune_key,
    .entrants = cpu_entrants,
    .begin = cpu_begin,
    .end = cpu_end,
    .enter = cpu_enter,
    .leave = cpu_leave,
    .time = cpu_time,
};
