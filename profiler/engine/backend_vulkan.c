/* The Vulkan back end: one recorded command buffer per plan, one submit and one fence per run. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/vk/cache.h"
#include "kernels/vk/timer.h"
#include "profiler/base/alloc.h"
#include "profiler/base/clock.h"
#include "profiler/base/hash.h"
#include "profiler/engine/backend_vulkan.h"
#include "profiler/engine/vulkan_facts.h"
#include "profiler/engine/vulkan_tune.h"

mop_status mop_vulkan_open(const mop_vk_options *options, mop_device **out, mop_err *err)
{
    mop_device *device = mop_calloc(1, sizeof *device, err);
    if (device == NULL)
        return MOP_ENOMEM;
    mop_status s = mop_vk_open(options, &device->vk, err);
    if (s != MOP_OK) {
        free(device);
        return s;
    }
    *out = device;
    return MOP_OK;
}

static mop_status vulkan_open(const mop_device_choice *choice, mop_device **out, mop_err *err)
{
    const mop_vk_options options = {
        .selector = choice->selector,
        .threads = choice->threads,
        .validate = choice->validate,
        .switches = choice->vulkan,
        .pipeline_cache = choice->pipeline_cache,
    };
    const mop_status s = mop_vulkan_open(&options, out, err);
    if (s == MOP_OK)
        mop_vulkan_tune_take(*out, choice->tuning);
    return s;
}

static void vulkan_close(mop_device *device)
{
    if (device == NULL)
        return;
    mop_vk_close(device->vk);
    for (int i = 0; i < MOP_DTYPE_COUNT; i++)
        mop_tune_release(&device->tune[i]);
    free(device);
}

static const char *type_name(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        return "discrete";
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return "integrated";
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        return "virtual";
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return "software";
    default:
        return "other";
    }
}

static void describe(const mop_vk_device_info *from, int threads, mop_device_info *info)
{
    *info = (mop_device_info){
        .is_software = from->type == VK_PHYSICAL_DEVICE_TYPE_CPU,
    };
    info->threads = info->is_software ? threads : 0;
    (void)snprintf(info->name, sizeof info->name, "%s", from->name);
    (void)snprintf(info->driver, sizeof info->driver, "%s", from->driver);
    (void)snprintf(info->uuid, sizeof info->uuid, "%s", from->uuid);
    (void)snprintf(info->type, sizeof info->type, "%s", type_name(from->type));
}

static void vulkan_info(const mop_device *device, mop_device_info *info)
{
    const mop_vk *vk = device->vk;
    const size_t size = sizeof info->name, tail = sizeof "...12345678";
    describe(&vk->info, vk->threads, info);
    if (*vk->switched != '\0' &&
        snprintf(info->name, size, "%s, %s", vk->info.name, vk->switched) >= (int)size)
        (void)snprintf(info->name + size - tail, tail,
                       "...%08" PRIx32, /* of any length, one name */
                       (uint32_t)mop_hash(MOP_HASH_INIT, vk->switched, strlen(vk->switched)));
    mop_tune_name(device->tune, MOP_DTYPE_COUNT, info->driver, sizeof info->driver);
}

static mop_status vulkan_list(mop_device_info *info, size_t cap, size_t *n, mop_err *err)
{
    mop_vk_device_info *found = mop_calloc(cap > 0 ? cap : 1, sizeof *found, err);
    if (found == NULL)
        return MOP_ENOMEM;
    mop_status s = mop_vk_list(found, cap, n, err);
    for (size_t i = 0; s == MOP_OK && i < *n && i < cap; i++)
        describe(&found[i], 0, &info[i]);
    free(found);
    return s;
}

static bool vulkan_supports(const mop_device *device, const mop_op_inst *inst)
{
    mop_vk_task task;
    return inst->op == MOP_OP_INPUT ||
           mop_vk_kernel_choose(&device->vk->caps, inst, MOP_DTYPE_FP32, &task) != NULL;
}

static mop_status vulkan_runs(const mop_device *device, mop_dtype dtype, mop_err *err)
{
    return mop_vk_runs(&device->vk->caps, dtype, err);
}

static mop_bound_fn *vulkan_bound(const mop_plan *plan, uint32_t node)
{
    return mop_vk_bound(&plan->nodes[node].task);
}

static void vulkan_precision(const mop_plan *plan, uint32_t node, mop_precision *out)
{
    mop_vk_precision(&plan->nodes[node].task, out);
}

static void vulkan_hold(const mop_plan *plan, uint32_t node, uint32_t j, float *w, size_t n)
{
    mop_vk_hold(&plan->nodes[node].task, j, w, n);
}

static void vulkan_plan_free(mop_plan *plan)
{
    if (plan == NULL)
        return;
    mop_vulkan_plan_release(plan);
    free(plan);
}

static mop_status vulkan_plan(mop_device *device, const mop_model *model, const mop_plan_desc *desc,
                              mop_plan **out, mop_err *err)
{
    const mop_clock clock = mop_clock_real();
    const uint64_t begin = mop_now_ns(&clock);
    mop_status s = mop_backend_runs(&mop_backend_vulkan, device, desc->dtype, err);
    if (s != MOP_OK)
        return s;
    mop_plan *plan = mop_calloc(1, sizeof *plan, err);
    if (plan == NULL)
        return MOP_ENOMEM;
    plan->vk = device->vk;
    plan->graph = model->graph;
    plan->dtype = desc->dtype;
    plan->keep_all = desc->keep_all;
    plan->takes_constants = desc->takes_constants;
    const uint64_t made_ns = plan->vk->pipelines_ns;
    const uint32_t made = plan->vk->pipelines_made;
    s = mop_vulkan_plan_init(plan, model, err);
    plan->info.pipeline_ns = plan->vk->pipelines_ns - made_ns;
    plan->info.n_pipelines = plan->vk->pipelines_made - made;
    plan->info.pipeline_cache = mop_vk_cache_state_name(plan->vk->cache_state);
    if (s == MOP_OK)
        s = mop_vulkan_record(plan, false, err);
    if (s != MOP_OK) {
        vulkan_plan_free(plan);
        return s;
    }
    plan->info.setup_ns = mop_now_ns(&clock) - begin;
    mop_vk_cache_save(device->vk);
    *out = plan;
    return MOP_OK;
}

static void vulkan_plan_info(const mop_plan *plan, mop_plan_info *info)
{
    *info = plan->info;
}

static const char *vulkan_kernel_name(const mop_plan *plan, uint32_t node)
{
    return plan->nodes[node].name;
}

/* node's output after a run, as float32. */
static const float *output_of(const mop_plan *plan, uint32_t node)
{
    const char *base = plan->arena.mapped;
    size_t offset = plan->memory.offset[node];
    if (base == NULL) {
        base = plan->readback.mapped;
        offset = mop_vulkan_readback_offset(plan, node);
    }
    if (plan->wide == NULL)
        return (const float *)(const void *)(base + offset);
    mop_vk_decode(plan->dtype, base + offset, plan->wide,
                  4 * mop_vk_vec4s(plan->graph->nodes[node].inst.out));
    return plan->wide;
}

static void write_input(const mop_plan *plan, const float *in, char *to)
{
    const mop_shape s = plan->graph->nodes[0].inst.out;
    mop_vk_from_nhwc(s, in, plan->wide != NULL ? plan->wide : (float *)(void *)to);
    if (plan->wide != NULL)
        mop_vk_encode(plan->dtype, plan->wide, to, 4 * mop_vk_vec4s(s));
}

/* From the input's layout to where the output can be read, with the moments that it passed. */
static mop_status infer(mop_plan *plan, const float *in, const mop_clock *clock, bool profiled,
                        mop_err *err)
{
    mop_vk *vk = plan->vk;
    mop_run_times *t = &plan->times;
    const bool staged = plan->arena.mapped == NULL;
    const mop_vk_buffer *to = staged ? &plan->upload : &plan->arena;
    char *input = (char *)to->mapped + (staged ? 0 : plan->memory.offset[0]);
    const VkQueryPool pool = profiled ? plan->queries : plan->ends;
    *t = (mop_run_times){.begin = mop_now_ns(clock)};
    write_input(plan, in, input);
    t->packed = mop_now_ns(clock);
    if (pool != VK_NULL_HANDLE && !vk->is_lost && mop_vk_timer_resets_on_host(vk))
        vk->fn.ResetQueryPool(vk->device, pool, 0, profiled ? mop_vulkan_n_stamps(plan) : 2);
    mop_status s = mop_vk_buffer_flush(vk, to, err);
    if (s == MOP_OK)
        s = mop_vulkan_submit(plan, profiled ? plan->profiled : plan->plain, err);
    if (s == MOP_OK)
        s = mop_vk_buffer_invalidate(vk, staged ? &plan->readback : &plan->arena, err);
    t->readable = mop_now_ns(clock);
    return s;
}

static mop_status vulkan_run(mop_plan *plan, const float *in, float *out, mop_profile *profile,
                             mop_err *err)
{
    const mop_clock clock = mop_clock_real();
    const uint32_t last = plan->graph->n_nodes - 1;
    mop_run_times *t = &plan->times;
    mop_status s = MOP_OK;
    if (profile != NULL)
        s = mop_vulkan_profile_prepare(plan, profile, err);
    if (s == MOP_OK)
        s = infer(plan, in, &clock, profile != NULL, err);
    if (s == MOP_OK && profile != NULL)
        s = mop_vulkan_profile_read(plan, profile, err);
    if (s != MOP_OK)
        return s;
    t->unpacking = profile != NULL ? mop_now_ns(&clock) : t->readable;
    mop_vk_to_nhwc(plan->graph->nodes[last].inst.out, output_of(plan, last), out);
    t->end = mop_now_ns(&clock);
    plan->was_profiled = profile != NULL;
    if (plan->info.first_run_ns == 0)
        plan->info.first_run_ns = t->end - t->begin;
    return MOP_OK;
}

static mop_status vulkan_read(mop_plan *plan, uint32_t node, float *dst, size_t n, mop_err *err)
{
    const mop_graph *g = plan->graph;
    if (node >= g->n_nodes || (!plan->keep_all && node != g->n_nodes - 1))
        return mop_fail(err, MOP_EINVAL, "node %u of %u was not kept", node, g->n_nodes);
    if ((int64_t)n != mop_shape_elems(g->nodes[node].inst.out))
        return mop_fail(err, MOP_EINVAL, "node %u has %lld elements, not %zu", node,
                        (long long)mop_shape_elems(g->nodes[node].inst.out), n);
    mop_vk_to_nhwc(g->nodes[node].inst.out, output_of(plan, node), dst);
    return MOP_OK;
}

static bool vulkan_remark(mop_device *device, char *out, size_t size)
{
    char *note = device->vk->note;
    const bool is_there = *note != '\0';
    if (is_there)
        (void)snprintf(out, size, "%s", note); /* a remark may be cut */
    *note = '\0';
    return is_there;
}

static uint32_t vulkan_validation_messages(const mop_device *device)
{
    return device->vk->n_messages;
}

const mop_backend mop_backend_vulkan = {
    .id = "vulkan",
    .what = "Vulkan compute: a GPU, or lavapipe where there is none (software, not a GPU)",
    .open = vulkan_open,
    .close = vulkan_close,
    .info = vulkan_info,
    .list = vulkan_list,
    .facts = mop_vulkan_facts,
    .supports = vulkan_supports,
    .runs = vulkan_runs,
    .plan = vulkan_plan,
    .plan_free = vulkan_plan_free,
    .plan_info = vulkan_plan_info,
    .kernel_name = vulkan_kernel_name,
    .bound = vulkan_bound,
    .precision = vulkan_precision,
    .hold = vulkan_hold,
    .run = vulkan_run,
    .repeat = mop_vulkan_repeat_run,
    .times = mop_vulkan_times,
    .read = vulkan_read,
    .device_time = mop_vulkan_device_time,
    .remark = vulkan_remark,
    .validation_messages = vulkan_validation_messages,
    .tuner = &mop_vulkan_tuner,
};
