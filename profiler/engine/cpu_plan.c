/* Planning on the CPU: a kernel per node, activations in one arena by lifetime, constants packed
 * once, scratch for each thread. */
#include <stdlib.h>

#include "profiler/base/alloc.h"
#include "profiler/engine/cpu_plan.h"

/* Below this many operations a layer takes a few microseconds, and waking a second thread (1 to 2
 * us) is not worth it. */
enum { MIN_PARALLEL_OPS = 400000 };

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
        mop_cpu_step *s = &plan->steps[i];
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
        const mop_cpu_step *s = &plan->steps[i];
        const float *w[MOP_MAX_WEIGHTS];
        for (uint32_t slot = 0; slot < MOP_MAX_WEIGHTS; slot++)
            w[slot] = mop_model_w(model, i, slot);
        if (s->kernel->pack != NULL)
            s->kernel->pack(&plan->graph->nodes[i].inst, w, plan->weights.at + s->packed_offset);
    }
}

void mop_cpu_plan_free(mop_plan *plan)
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

mop_status mop_cpu_plan_create(mop_device *device, const mop_model *model,
                               const mop_plan_desc *desc, mop_plan **out, mop_err *err)
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
    plan->steps = mop_calloc(model->graph->n_nodes, sizeof(mop_cpu_step), err);
    if (plan->steps != NULL)
        status = choose_kernels(plan, desc, err);
    if (status == MOP_OK)
        status = place_nodes(plan, err);
    if (status == MOP_OK)
        status = allocate(plan, desc->offset, err);
    if (status != MOP_OK) {
        mop_cpu_plan_free(plan);
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
