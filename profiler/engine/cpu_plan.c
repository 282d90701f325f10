/* Planning on the CPU: a kernel per node, activations in one arena by lifetime, constants packed
 * once, scratch for each thread. */
#include <stdio.h>
#include <stdlib.h>

#include "profiler/base/alloc.h"
#include "profiler/engine/cpu_plan.h"
#include "variants/passes.h"

/* A layer that takes less is not worth waking a second thread (1 to 2 us). What it takes is
 * estimated at half of what one core of Zen 3 does: 25 multiply-adds, and 20 bytes from L2 or L3,
 * in a ns. The bytes count because a squeeze-excite gate of few operations streams its weights (960
 * -> 240: 44 us on one thread, 26 on two) and a scale finds half of its input in the other core. */
enum { MIN_PARALLEL_NS = 8000, MACS_PER_NS = 25, BYTES_PER_NS = 20 };

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
                                      .tuned = mop_tune_kernel,
                                      .ctx = &plan->device->tune,
                                      .no_winograd = desc->no_winograd};
    const mop_graph *g = plan->graph;
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        const mop_op_inst *inst = &g->nodes[i].inst;
        mop_cpu_step *s = &plan->steps[i];
        s->packed_offset = SIZE_MAX;
        s->kernel = mop_cpu_kernel_choose(inst, &policy);
        if (s->kernel == NULL)
            return mop_fail(err, MOP_EUNSUPPORTED, "cpu: no kernel for node %u, %s '%s'", i,
                            mop_op_get(inst->op)->name, g->nodes[i].name);
        if (s->kernel->packed_bytes != NULL &&
            !reserve(&plan->weight_bytes, s->kernel->packed_bytes(inst), &s->packed_offset))
            return mop_fail(err, MOP_ENOMEM, "out of memory: the constants of %u nodes",
                            g->n_nodes);
        s->units = s->kernel->units(inst);
    }
    return MOP_OK;
}

/* How often each node is read; free() it, NULL if out of memory. */
static uint32_t *count_readers(const mop_graph *g, mop_err *err)
{
    uint32_t *readers = mop_calloc(g->n_nodes, sizeof *readers, err);
    for (uint32_t i = 0; i < g->n_nodes && readers != NULL; i++)
        for (uint32_t k = 0; k < g->nodes[i].inst.n_in; k++)
            readers[g->nodes[i].in[k]]++;
    return readers;
}

static mop_status form_groups(mop_plan *plan, unsigned fuse, mop_err *err)
{
    const mop_graph *g = plan->graph;
    uint32_t *readers = count_readers(g, err);
    mop_status status = MOP_OK;
    plan->groups = mop_calloc(g->n_nodes, sizeof *plan->groups, err);
    if (plan->groups == NULL || readers == NULL)
        status = MOP_ENOMEM;
    for (uint32_t i = 1; i < g->n_nodes && status == MOP_OK; i++) {
        const uint32_t nodes[2] = {mop_cpu_group_producer(g, i, readers, fuse), i};
        mop_cpu_group *group = &plan->groups[plan->n_groups];
        mop_cpu_step *s = &plan->steps[i], *p;
        bool formed = false;
        if (nodes[0] == MOP_NODE_NONE)
            continue;
        p = &plan->steps[nodes[0]];
        status = mop_cpu_group_init(group, g, nodes,
                                    (const mop_cpu_kernel *const[2]){p->kernel, s->kernel},
                                    plan->device->info.threads, &formed, err);
        if (!formed)
            continue;
        plan->n_groups++;
        s->group = p->group = group;
        s->units = (int64_t)group->n_pieces;
    }
    free(readers);
    return status;
}

/* Lets the producers of means that can do so gather them. */
static void gather_means(mop_plan *plan, unsigned fuse)
{
    const mop_graph *g = plan->graph;
    for (uint32_t i = 1; i < g->n_nodes && (fuse & MOP_FUSE_SE) != 0; i++) {
        mop_cpu_step *s = &plan->steps[i], *p = &plan->steps[g->nodes[i].in[0]];
        if (s->kernel->finish == NULL || p->kernel == NULL || !p->kernel->gathers ||
            p->group != NULL)
            continue;
        p->gathers = s->finishes = true;
    }
}

/* What runs together is named together. Names of kernels are short. */
static void name_steps(mop_plan *plan)
{
    for (uint32_t i = 1; i < plan->graph->n_nodes; i++) {
        mop_cpu_step *s = &plan->steps[i];
        const mop_cpu_kernel *first = NULL, *then = s->kernel;
        if (s->group != NULL) {
            first = plan->steps[s->group->producer].kernel;
            then = plan->steps[s->group->consumer].kernel;
        } else if (s->finishes) {
            first = plan->steps[plan->graph->nodes[i].in[0]].kernel;
        }
        (void)snprintf(s->name, sizeof s->name, "%s%s%s", first != NULL ? first->name : "",
                       first != NULL ? "+" : "", then->name);
    }
}

static int64_t estimated_ns(const mop_op_inst *inst)
{
    mop_cost cost;
    mop_op_cost(inst, &cost);
    return cost.macs / MACS_PER_NS + (cost.bytes_read + cost.bytes_written) / BYTES_PER_NS;
}

/* How many ranges each step's units are cut into. */
static void cut_steps(mop_plan *plan)
{
    for (uint32_t i = 1; i < plan->graph->n_nodes; i++) {
        mop_cpu_step *s = &plan->steps[i];
        int64_t ns = estimated_ns(&plan->graph->nodes[i].inst);
        if (s->group != NULL)
            ns += estimated_ns(&plan->graph->nodes[s->group->producer].inst);
        s->ranges = ns >= MIN_PARALLEL_NS ? (size_t)plan->device->info.threads : 1;
        if ((int64_t)s->ranges > s->units)
            s->ranges = (size_t)s->units;
    }
}

/* Lays out what each thread needs of its own; false if that overflows. */
static bool lay_out_scratch(mop_plan *plan)
{
    size_t kernel = 0, between = 0, at;
    for (uint32_t i = 1; i < plan->graph->n_nodes; i++) {
        const mop_cpu_step *s = &plan->steps[i];
        size_t bytes = s->group != NULL ? s->group->scratch_bytes : 0;
        if (s->group == NULL && s->kernel->scratch_bytes != NULL)
            bytes = s->kernel->scratch_bytes(&plan->graph->nodes[i].inst);
        kernel = bytes > kernel ? bytes : kernel;
        if (s->group != NULL && s->group->between_bytes > between)
            between = s->group->between_bytes;
    }
    return reserve(&plan->own.stride, kernel, &at) &&
           reserve(&plan->own.stride, between, &plan->own.between) &&
           reserve(&plan->own.stride, 2 * sizeof(uint64_t), &plan->own.spent);
}

/* What is inside a group has no memory of its own; what its producer reads lives until the group
 * runs. */
static void shorten_groups(const mop_plan *plan, mop_memspan *spans)
{
    for (size_t i = 0; i < plan->n_groups; i++) {
        const mop_cpu_group *group = &plan->groups[i];
        const mop_node *p = &plan->graph->nodes[group->producer];
        spans[group->producer].bytes = 0;
        for (uint32_t k = 0; k < p->inst.n_in; k++)
            if (spans[p->in[k]].last < group->consumer)
                spans[p->in[k]].last = group->consumer;
    }
}

/* Outputs and gathered sums by lifetime. */
static mop_status place_nodes(mop_plan *plan, mop_err *err)
{
    const mop_graph *g = plan->graph;
    const size_t n = g->n_nodes;
    mop_memspan *spans = mop_calloc(2 * n, sizeof *spans, err);
    mop_status status = MOP_ENOMEM;
    if (spans == NULL)
        return MOP_ENOMEM;
    mop_memplan_lifetimes(g, plan->keep_all, spans);
    for (uint32_t i = 0; i < n; i++) {
        const mop_cpu_step *s = &plan->steps[i];
        if (i > 0 || plan->keep_all || n == 1) /* else the input is read where it is */
            spans[i].bytes = mop_cpu_output_bytes(plan, i);
        spans[n + i] = spans[i];
        spans[n + i].bytes =
            s->gathers ? (size_t)s->units * (size_t)g->nodes[i].inst.out.c * sizeof(float) : 0;
    }
    if (!plan->keep_all)
        shorten_groups(plan, spans);
    status = mop_memplan_init(&plan->memory, spans, 2 * n, err);
    free(spans);
    return status;
}

static mop_status allocate(mop_plan *plan, size_t offset, mop_err *err)
{
    size_t scratch;
    if (!lay_out_scratch(plan) ||
        !mop_mul_size(plan->own.stride, (size_t)plan->device->info.threads, &scratch))
        return mop_fail(err, MOP_ENOMEM, "out of memory: scratch of %d threads",
                        plan->device->info.threads);
    if (mop_block_reserve(&plan->arena, plan->memory.bytes, offset, err) != MOP_OK ||
        mop_block_reserve(&plan->weights, plan->weight_bytes, offset, err) != MOP_OK ||
        mop_block_reserve(&plan->scratch, scratch, 0, err) != MOP_OK)
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

/* Arena and scratch are touched when all constants are packed, so that the room of a constant that
 * is there twice, as the model's and packed, does not come on top of theirs. */
static void fill(mop_plan *plan, const mop_model *model, bool takes_constants)
{
    for (uint32_t i = 1; i < plan->graph->n_nodes; i++) {
        const mop_cpu_step *s = &plan->steps[i];
        const float *w[MOP_MAX_WEIGHTS];
        for (uint32_t slot = 0; slot < MOP_MAX_WEIGHTS; slot++)
            w[slot] = mop_model_w(model, i, slot);
        if (s->kernel->pack != NULL)
            s->kernel->pack(&plan->graph->nodes[i].inst, w, plan->weights.at + s->packed_offset);
        if (takes_constants)
            mop_model_drop(model, i);
    }
    mop_block_touch(&plan->arena);
    mop_block_touch(&plan->scratch);
}

void mop_cpu_plan_free(mop_plan *plan)
{
    if (plan == NULL)
        return;
    mop_memplan_release(&plan->memory);
    for (size_t i = 0; i < plan->n_groups; i++)
        mop_cpu_group_release(&plan->groups[i]);
    free(plan->groups);
    free(plan->steps);
    mop_block_release(&plan->arena);
    mop_block_release(&plan->weights);
    mop_block_release(&plan->scratch);
    free(plan);
}

mop_status mop_cpu_plan_create(mop_device *device, const mop_model *model,
                               const mop_plan_desc *desc, mop_plan **out, mop_err *err)
{
    const mop_clock clock = mop_clock_real();
    const uint64_t start = mop_now_ns(&clock);
    mop_status status = mop_backend_runs(&mop_backend_cpu, device, desc->dtype, err);
    mop_plan *plan = NULL;
    if (status != MOP_OK)
        return status;
    status = MOP_ENOMEM;
    if (desc->offset >= MOP_PLAN_OFFSETS || desc->offset % MOP_ALIGN != 0)
        return mop_fail(err, MOP_EINVAL, "cpu: a plan cannot start at offset %zu", desc->offset);
    plan = mop_calloc(1, sizeof *plan, err);
    if (plan == NULL)
        return MOP_ENOMEM;
    plan->device = device;
    plan->graph = model->graph;
    plan->keep_all = desc->keep_all;
    plan->clock = clock;
    plan->steps = mop_calloc(model->graph->n_nodes, sizeof(mop_cpu_step), err);
    if (plan->steps != NULL)
        status = choose_kernels(plan, desc, err);
    if (status == MOP_OK)
        status = form_groups(plan, desc->fuse, err);
    if (status == MOP_OK) {
        gather_means(plan, desc->fuse);
        name_steps(plan);
        cut_steps(plan);
        status = place_nodes(plan, err);
    }
    if (status == MOP_OK)
        status = allocate(plan, desc->offset, err);
    if (status != MOP_OK) {
        mop_cpu_plan_free(plan);
        return status;
    }
    fill(plan, model, desc->takes_constants);
    plan->info = (mop_plan_info){.arena_bytes = plan->memory.bytes,
                                 .live_bytes = plan->memory.live_bytes,
                                 .weight_bytes = plan->weight_bytes,
                                 .n_dispatches = model->graph->n_nodes - 1};
    lock_memory(plan);
    plan->info.setup_ns = mop_now_ns(&clock) - start;
    *out = plan;
    return MOP_OK;
}
