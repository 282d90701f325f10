/* The CPU back end: a kernel per node, chosen at plan time; constants packed once, activations in
 * one arena, scratch for each thread; a run only calls kernels. Layers with enough work are cut
 * into one range of units per thread, the others stay on the calling thread, where their inputs
 * are. */
#include "profiler/engine/backend.h"

#include <pthread.h>
#include <pthreadpool.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "kernels/cpu/kernel.h"
#include "profiler/base/alloc.h"
#include "profiler/base/clock.h"
#include "profiler/engine/cpu_info.h"
#include "profiler/engine/cpu_memory.h"
#include "profiler/engine/cpu_pool.h"
#include "profiler/engine/memplan.h"

/* Below this many operations a layer takes a few microseconds, and waking a second thread (1 to 2
 * us) is not worth it. */
enum { MIN_PARALLEL_OPS = 400000 };

struct mop_device {
    mop_device_info info;
    unsigned isa_mask;
    mop_cpu_pool pool; /* zeroed with one thread */
};

/* What one node does. */
typedef struct step {
    const mop_cpu_kernel *kernel; /* NULL: the input */
    size_t packed_offset;         /* in weights; SIZE_MAX: nothing packed */
    int64_t units;
    size_t ranges; /* that the units are cut into: 1 or the number of threads */
} step;

struct mop_plan {
    mop_device *device;
    const mop_graph *graph;
    bool keep_all;
    step *steps; /* [n_nodes] */
    mop_memplan memory;
    mop_block arena, weights, scratch; /* scratch: threads x scratch_stride */
    size_t weight_bytes, scratch_stride;
    mop_plan_info info;
    mop_clock clock;
};

/* --- device -------------------------------------------------------------------------------- */

static bool selects(const char *selector, const mop_device_info *info)
{
    return selector == NULL || strcmp(selector, "0") == 0 || strcmp(selector, info->uuid) == 0 ||
           (selector[0] != '\0' && strstr(info->name, selector) != NULL);
}

static void do_nothing(void *context, size_t item)
{
    (void)context;
    (void)item;
}

static void cpu_rest(mop_device *device)
{
    if (device->pool.pool != NULL)
        pthreadpool_parallelize_1d(device->pool.pool, do_nothing, NULL,
                                   (size_t)device->info.threads, PTHREADPOOL_FLAG_YIELD_WORKERS);
}

static void cpu_close(mop_device *device)
{
    if (device == NULL)
        return;
    mop_cpu_pool_close(&device->pool);
    free(device);
}

static mop_status cpu_open(const mop_device_choice *choice, mop_device **out, mop_err *err)
{
    const int most = mop_cpu_processors();
    mop_device *device;
    mop_status status;
    if (choice->threads < 1 || choice->threads > most)
        return mop_fail(err, MOP_EINVAL, "cpu: %d threads asked for, this machine offers 1 to %d",
                        choice->threads, most);
    device = mop_calloc(1, sizeof *device, err);
    if (device == NULL)
        return MOP_ENOMEM;
    device->isa_mask = choice->isa_mask;
    mop_cpu_describe(&device->info, choice->isa_mask, choice->threads);
    status = selects(choice->selector, &device->info)
                 ? MOP_OK
                 : mop_fail(err, MOP_ENODEV, "cpu: no device '%s', there is only 0, '%s'",
                            choice->selector, device->info.name);
    if (status == MOP_OK && choice->threads > 1)
        status = mop_cpu_pool_open(&device->pool, choice->threads, err);
    if (status != MOP_OK) {
        cpu_close(device);
        return status;
    }
    *out = device;
    return MOP_OK;
}

static void cpu_info(const mop_device *device, mop_device_info *info)
{
    *info = device->info;
}

static mop_status cpu_list(mop_device_info *info, size_t cap, size_t *n, mop_err *err)
{
    (void)err; /* there always is a processor */
    if (cap > 0)
        mop_cpu_describe(&info[0], MOP_ISA_ALL, mop_cpu_processors());
    *n = 1;
    return MOP_OK;
}

static bool cpu_supports(const mop_device *device, const mop_op_inst *inst)
{
    const mop_kernel_policy policy = {.isa_mask = device->isa_mask};
    return inst->op == MOP_OP_INPUT || mop_cpu_kernel_choose(inst, &policy) != NULL;
}

/* --- plan ---------------------------------------------------------------------------------- */

/* *total += bytes rounded up to MOP_ALIGN, *offset = what it was; false on overflow. */
static bool reserve(size_t *total, size_t bytes, size_t *offset)
{
    size_t padded;
    if (__builtin_add_overflow(bytes, (size_t)MOP_ALIGN - 1, &padded))
        return false;
    padded = padded / MOP_ALIGN * MOP_ALIGN;
    *offset = *total;
    return !__builtin_add_overflow(*total, padded, total);
}

static mop_status choose_kernels(mop_plan *plan, const mop_plan_desc *desc, mop_err *err)
{
    const mop_kernel_policy policy = {.isa_mask = plan->device->isa_mask,
                                      .no_winograd = desc->no_winograd};
    const mop_graph *g = plan->graph;
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        const mop_op_inst *inst = &g->nodes[i].inst;
        step *s = &plan->steps[i];
        size_t scratch = 0, ignored;
        mop_cost cost;
        s->packed_offset = SIZE_MAX;
        s->kernel = mop_cpu_kernel_choose(inst, &policy);
        if (s->kernel == NULL)
            return mop_fail(err, MOP_EUNSUPPORTED, "cpu: no kernel for node %u, %s '%s'", i,
                            mop_op_get(inst->op)->name, g->nodes[i].name);
        if (s->kernel->packed_bytes != NULL &&
            !reserve(&plan->weight_bytes, s->kernel->packed_bytes(inst), &s->packed_offset))
            return mop_fail(err, MOP_ENOMEM, "out of memory: the constants of %u nodes",
                            g->n_nodes);
        if (s->kernel->scratch_bytes != NULL &&
            !reserve(&scratch, s->kernel->scratch_bytes(inst), &ignored))
            return mop_fail(err, MOP_ENOMEM, "out of memory: the scratch of node '%s'",
                            g->nodes[i].name);
        plan->scratch_stride = scratch > plan->scratch_stride ? scratch : plan->scratch_stride;
        s->units = s->kernel->units(inst);
        mop_op_cost(inst, &cost);
        s->ranges = cost.macs + cost.elementwise >= MIN_PARALLEL_OPS
                        ? (size_t)plan->device->info.threads
                        : 1;
        if ((int64_t)s->ranges > s->units)
            s->ranges = (size_t)s->units;
    }
    return MOP_OK;
}

static mop_status place_nodes(mop_plan *plan, mop_err *err)
{
    const mop_graph *g = plan->graph;
    size_t *size = mop_calloc(g->n_nodes, sizeof *size, err);
    mop_status status = MOP_ENOMEM;
    if (size == NULL)
        return MOP_ENOMEM;
    for (uint32_t i = plan->keep_all ? 0 : 1; i < g->n_nodes; i++)
        size[i] = (size_t)mop_shape_elems(g->nodes[i].inst.out) * sizeof(float);
    if (g->n_nodes == 1) /* the input is the output, which can be read */
        size[0] = (size_t)mop_shape_elems(g->nodes[0].inst.out) * sizeof(float);
    status = mop_memplan_init(&plan->memory, g, size, plan->keep_all, err);
    free(size);
    return status;
}

static mop_status allocate(mop_plan *plan, size_t offset, mop_err *err)
{
    size_t scratch;
    if (!mop_mul_size(plan->scratch_stride, (size_t)plan->device->info.threads, &scratch))
        return mop_fail(err, MOP_ENOMEM, "out of memory: scratch of %d threads",
                        plan->device->info.threads);
    if (mop_block_init(&plan->arena, plan->memory.bytes, offset, err) != MOP_OK ||
        mop_block_init(&plan->weights, plan->weight_bytes, offset, err) != MOP_OK ||
        mop_block_init(&plan->scratch, scratch, 0, err) != MOP_OK)
        return MOP_ENOMEM;
    return MOP_OK;
}

/* A plan that keeps everything is checked, never timed, and must not use up what may be locked. */
static void lock_memory(mop_plan *plan)
{
    plan->info.is_locked = !plan->keep_all && mop_block_lock(&plan->arena) &&
                           mop_block_lock(&plan->weights) && mop_block_lock(&plan->scratch);
    plan->info.is_lock_refused = !plan->keep_all && !plan->info.is_locked;
}

static void pack_constants(mop_plan *plan, const mop_model *model)
{
    for (uint32_t i = 1; i < plan->graph->n_nodes; i++) {
        const step *s = &plan->steps[i];
        const float *w[MOP_MAX_WEIGHTS];
        for (uint32_t slot = 0; slot < MOP_MAX_WEIGHTS; slot++)
            w[slot] = mop_model_w(model, i, slot);
        if (s->kernel->pack != NULL)
            s->kernel->pack(&plan->graph->nodes[i].inst, w, plan->weights.at + s->packed_offset);
    }
}

static void cpu_plan_free(mop_plan *plan)
{
    if (plan == NULL)
        return;
    mop_memplan_release(&plan->memory);
    free(plan->steps);
    mop_block_release(&plan->arena);
    mop_block_release(&plan->weights);
    mop_block_release(&plan->scratch);
    free(plan);
}

static mop_status cpu_plan(mop_device *device, const mop_model *model, const mop_plan_desc *desc,
                           mop_plan **out, mop_err *err)
{
    const mop_clock clock = mop_clock_real();
    const uint64_t start = mop_now_ns(&clock);
    mop_status status = MOP_ENOMEM;
    mop_plan *plan = NULL;
    if (desc->offset >= MOP_PLAN_OFFSETS || desc->offset % MOP_ALIGN != 0)
        return mop_fail(err, MOP_EINVAL, "cpu: a plan cannot start at offset %zu", desc->offset);
    plan = mop_calloc(1, sizeof *plan, err);
    if (plan == NULL)
        return MOP_ENOMEM;
    plan->device = device;
    plan->graph = model->graph;
    plan->keep_all = desc->keep_all;
    plan->clock = clock;
    plan->steps = mop_calloc(model->graph->n_nodes, sizeof(step), err);
    if (plan->steps != NULL)
        status = choose_kernels(plan, desc, err);
    if (status == MOP_OK)
        status = place_nodes(plan, err);
    if (status == MOP_OK)
        status = allocate(plan, desc->offset, err);
    if (status != MOP_OK) {
        cpu_plan_free(plan);
        return status;
    }
    pack_constants(plan, model);
    plan->info = (mop_plan_info){.arena_bytes = plan->memory.bytes,
                                 .weight_bytes = plan->weight_bytes,
                                 .n_dispatches = model->graph->n_nodes - 1};
    lock_memory(plan);
    plan->info.setup_ns = mop_now_ns(&clock) - start;
    *out = plan;
    return MOP_OK;
}

static void cpu_plan_info(const mop_plan *plan, mop_plan_info *info)
{
    *info = plan->info;
}

static const char *cpu_kernel_name(const mop_plan *plan, uint32_t node)
{
    const mop_cpu_kernel *kernel = plan->steps[node].kernel;
    return kernel != NULL ? kernel->name : "";
}

static mop_bound_fn *cpu_bound(const mop_plan *plan, uint32_t node)
{
    const mop_cpu_kernel *kernel = plan->steps[node].kernel;
    return kernel != NULL ? kernel->bound : NULL;
}

/* --- run ----------------------------------------------------------------------------------- */

#if defined(__x86_64__)
/* Denormals as zero, in and out: a layer whose activations fade must not slow down a hundredfold.
 */
static unsigned flush_denormals(void)
{
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040u); /* FTZ, DAZ */
    return before;
}

static void restore_denormals(unsigned before)
{
    _mm_setcsr((before & 0x8040u) | (_mm_getcsr() & ~0x8040u));
}
#else
static unsigned flush_denormals(void)
{
    return 0;
}

static void restore_denormals(unsigned before)
{
    (void)before;
}
#endif

/* What a run changes about the calling thread, to be undone. */
typedef struct caller_state {
    unsigned denormals;
    bool is_pinned;
    cpu_set_t cpus;
} caller_state;

static caller_state enter(const mop_device *device)
{
    caller_state s = {.denormals = flush_denormals()};
    s.is_pinned = mop_cpu_pool_enter(&device->pool, &s.cpus);
    return s;
}

static void leave(const caller_state *s)
{
    if (s->is_pinned)
        mop_cpu_pool_leave(&s->cpus);
    restore_denormals(s->denormals);
}

typedef struct layer_job {
    const mop_plan *plan;
    const step *step;
    mop_args args;
} layer_job;

/* Range i of a layer; each range has its own scratch. */
static void run_range(void *context, size_t i)
{
    const layer_job *job = context;
    const int64_t units = job->step->units, n = (int64_t)job->step->ranges;
    mop_args args = job->args;
    args.begin = units * (int64_t)i / n;
    args.end = units * (int64_t)(i + 1) / n;
    args.scratch = job->plan->scratch.at + i * job->plan->scratch_stride;
    job->step->kernel->run(&args);
}

static float *output_of(const mop_plan *plan, uint32_t node)
{
    return (float *)(void *)(plan->arena.at + plan->memory.offset[node]);
}

static void run_node(const mop_plan *plan, uint32_t node, const float *in)
{
    const mop_node *n = &plan->graph->nodes[node];
    const step *s = &plan->steps[node];
    layer_job job = {.plan = plan, .step = s, .args = {.inst = &n->inst}};
    for (uint32_t i = 0; i < n->inst.n_in; i++)
        job.args.in[i] = n->in[i] == 0 ? in : output_of(plan, n->in[i]);
    job.args.out = output_of(plan, node);
    if (s->packed_offset != SIZE_MAX)
        job.args.packed = plan->weights.at + s->packed_offset;
    if (s->ranges == 1)
        run_range(&job, 0);
    else
        pthreadpool_parallelize_1d(plan->device->pool.pool, run_range, &job, s->ranges,
                                   PTHREADPOOL_FLAG_DISABLE_DENORMALS);
}

static size_t bytes_of(const mop_plan *plan, uint32_t node)
{
    return (size_t)mop_shape_elems(plan->graph->nodes[node].inst.out) * sizeof(float);
}

static mop_status cpu_run(mop_plan *plan, const float *in, float *out, mop_profile *profile,
                          mop_err *err)
{
    const uint32_t n = plan->graph->n_nodes;
    const bool is_first = plan->info.first_run_ns == 0;
    uint64_t start = 0, last = 0;
    caller_state caller;
    if (profile != NULL && profile->n_layers < n)
        return mop_fail(err, MOP_EINVAL, "cpu: a profile of %u layers for a plan of %u nodes",
                        profile->n_layers, n);
    caller = enter(plan->device);
    if (is_first || profile != NULL)
        start = last = mop_now_ns(&plan->clock);
    if (plan->memory.offset[0] != SIZE_MAX)
        memcpy(output_of(plan, 0), in, bytes_of(plan, 0));
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0)
            run_node(plan, i, in);
        if (i == n - 1)
            memcpy(out, output_of(plan, i), bytes_of(plan, i));
        if (profile != NULL) {
            const uint64_t now = mop_now_ns(&plan->clock);
            profile->layer_ns[i] = now - last;
            last = now;
        }
    }
    if (is_first)
        plan->info.first_run_ns = mop_now_ns(&plan->clock) - start;
    if (profile != NULL) {
        profile->n_layers = n;
        profile->total_ns = last - start;
        profile->clock_name = "host";
    }
    leave(&caller);
    return MOP_OK;
}

static mop_status cpu_read(mop_plan *plan, uint32_t node, float *dst, size_t n, mop_err *err)
{
    size_t elems;
    if (node >= plan->graph->n_nodes)
        return mop_fail(err, MOP_EINVAL, "cpu: there is no node %u in a plan of %u", node,
                        plan->graph->n_nodes);
    if (!plan->keep_all && node != plan->graph->n_nodes - 1)
        return mop_fail(err, MOP_EINVAL, "cpu: node %u was not kept, plan with keep_all to read it",
                        node);
    elems = (size_t)mop_shape_elems(plan->graph->nodes[node].inst.out);
    if (n != elems)
        return mop_fail(err, MOP_EINVAL, "cpu: node %u has %zu values, %zu asked for", node, elems,
                        n);
    memcpy(dst, output_of(plan, node), bytes_of(plan, node));
    return MOP_OK;
}

const mop_backend mop_backend_cpu = {
    .id = "cpu",
    .what = "this machine's processor",
    .open = cpu_open,
    .close = cpu_close,
    .info = cpu_info,
    .list = cpu_list,
    .supports = cpu_supports,
    .plan = cpu_plan,
    .plan_free = cpu_plan_free,
    .plan_info = cpu_plan_info,
    .kernel_name = cpu_kernel_name,
    .bound = cpu_bound,
    .run = cpu_run,
    .read = cpu_read,
    .rest = cpu_rest,
};
