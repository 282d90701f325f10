/* The CPU back end as the rest of the program sees it: the device, and what can be asked of a plan
 * (cpu_plan.c) before and after it runs (cpu_run.c). */
#include <pthreadpool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/text.h"
#include "profiler/engine/cpu_info.h"
#include "profiler/engine/cpu_plan.h"
#include "profiler/engine/cpu_tune.h"
#include "variants/passes.h"

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
    mop_tune_release(&device->tune);
    free(device);
}

static mop_status cpu_open(const mop_device_choice *choice, mop_device **out, mop_err *err)
{
    const int most = mop_cpu_processors();
    char key[MOP_TUNE_KEY];
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
    mop_cpu_tune_key(device, MOP_DTYPE_FP32, key);
    mop_tune_take(&device->tune, choice->tuning, key);
    mop_tune_name(&device->tune, 1, device->info.driver, sizeof device->info.driver);
    status = choice->selector == NULL ||
                     mop_selects(choice->selector, 0, 1, device->info.name, device->info.uuid)
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

static void cpu_plan_info(const mop_plan *plan, mop_plan_info *info)
{
    *info = plan->info;
}

static const char *cpu_kernel_name(const mop_plan *plan, uint32_t node)
{
    return plan->steps[node].name;
}

static mop_bound_fn *cpu_bound(const mop_plan *plan, uint32_t node)
{
    const mop_cpu_kernel *kernel = plan->steps[node].kernel;
    return kernel != NULL ? kernel->bound : NULL;
}

static double cpu_error_growth(const mop_plan *plan, uint32_t node)
{
    const mop_cpu_kernel *kernel = plan->steps[node].kernel;
    return kernel != NULL && kernel->bound != NULL ? kernel->error_growth : 1;
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
    memcpy(dst, mop_cpu_output(plan, node), mop_cpu_output_bytes(plan, node));
    return MOP_OK;
}
const mop_backend mop_backend_cpu = {
    .id = "cpu",
    .what = "this machine's processor",
    .fuses = MOP_FUSE_SE | MOP_FUSE_DWPW,
    .has_winograd = true,
    .open = cpu_open,
    .close = cpu_close,
    .info = cpu_info,
    .list = cpu_list,
    .facts = mop_cpu_facts,
    .supports = cpu_supports,
    .plan = mop_cpu_plan_create,
    .plan_free = mop_cpu_plan_free,
    .plan_info = cpu_plan_info,
    .kernel_name = cpu_kernel_name,
    .bound = cpu_bound,
    .error_growth = cpu_error_growth,
    .run = mop_cpu_run,
    .read = cpu_read,
    .rest = cpu_rest,
    .tuner = &mop_cpu_tuner,
};
