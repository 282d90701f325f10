/* Planning for Vulkan: choose a shader for each node, place outputs in one arena and constants in
 * one buffer, pack the constants, make pipelines, views and descriptor sets. Nothing of this
 * happens again in a run. */
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/engine/backend_vulkan.h"

/* What every offset into a buffer must be a multiple of; all are powers of two. */
static size_t alignment(const mop_vk *vk)
{
    size_t a = MOP_ALIGN;
    const VkDeviceSize wanted[] = {vk->limits.minStorageBufferOffsetAlignment,
                                   vk->limits.minTexelBufferOffsetAlignment,
                                   vk->limits.nonCoherentAtomSize};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        a = wanted[i] > a ? (size_t)wanted[i] : a;
    return a;
}

static size_t round_up(size_t bytes, size_t a)
{
    return (bytes + a - 1) / a * a;
}

static mop_status choose_kernels(mop_plan *plan, mop_err *err)
{
    const mop_graph *g = plan->graph;
    plan->nodes[0].task =
        (mop_vk_task){.caps = &plan->vk->caps, .inst = &g->nodes[0].inst, .dtype = plan->dtype};
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        const mop_op_inst *inst = &g->nodes[i].inst;
        mop_vulkan_node *node = &plan->nodes[i];
        node->kernel = mop_vk_kernel_choose(&plan->vk->caps, inst, plan->dtype, &node->task);
        if (node->kernel == NULL)
            return mop_fail(err, MOP_EUNSUPPORTED,
                            "Vulkan device \"%.60s\" cannot do node %u \"%s\" (%s)",
                            plan->vk->info.name, i, g->nodes[i].name, mop_op_get(inst->op)->name);
        (void)mop_vk_variant_name(node->kernel, &node->task.variant, node->name);
        node->n_steps = node->kernel->n_steps > 0 ? node->kernel->n_steps : 1;
        if (node->kernel->scratch != NULL)
            node->kernel->scratch(&node->task, node->scratch_bytes);
        plan->info.n_dispatches += node->n_steps;
    }
    return MOP_OK;
}

size_t mop_vulkan_output_bytes(const mop_plan *plan, uint32_t node)
{
    return mop_vk_vec4s(plan->graph->nodes[node].inst.out) * mop_vk_vec4_bytes(plan->dtype);
}

/* Where each kind of scratch memory begins in a node's; i = MOP_VK_SCRATCH: where all of it ends.
 */
static size_t scratch_offset(const mop_plan *plan, uint32_t node, size_t i)
{
    const size_t a = alignment(plan->vk);
    size_t at = 0;
    for (size_t k = 0; k < i; k++)
        at += round_up(plan->nodes[node].scratch_bytes[k], a);
    return at;
}

size_t mop_vulkan_scratch_bytes(const mop_plan *plan, uint32_t node)
{
    return scratch_offset(plan, node, MOP_VK_SCRATCH);
}

static mop_status place_outputs(mop_plan *plan, mop_err *err)
{
    const mop_graph *g = plan->graph;
    const size_t a = alignment(plan->vk);
    const uint32_t n = g->n_nodes;
    mop_memspan *spans = mop_calloc(2 * (size_t)n, sizeof *spans, err);
    if (spans == NULL)
        return MOP_ENOMEM;
    mop_memplan_lifetimes(g, plan->keep_all, spans);
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        plan->nodes[i].bytes = round_up(mop_vulkan_output_bytes(plan, i), a);
        spans[i].bytes = plan->nodes[i].bytes;
        spans[n + i] = (mop_memspan){i, i, mop_vulkan_scratch_bytes(plan, i)};
    }
    mop_status s = mop_memplan_init(&plan->memory, spans, 2 * (size_t)n, err);
    free(spans);
    if (s != MOP_OK)
        return s;
    for (uint32_t i = 0; i < 2 * n; i++)
        if (plan->memory.offset[i] % a != 0 && plan->memory.offset[i] != SIZE_MAX)
            return mop_fail(err, MOP_EFAIL, "node %u was placed at %zu, not a multiple of %zu",
                            i % n, plan->memory.offset[i], a);
    plan->info.arena_bytes = plan->memory.bytes;
    plan->info.live_bytes = plan->memory.live_bytes;
    return mop_vk_buffer_init(plan->vk, &plan->arena, plan->memory.bytes, MOP_VK_DEVICE, err);
}

/* Packs all constants to `dst`, which mirrors the weights buffer, by way of `wide`, room for those
 * of one node in float32, and frees them if they are the plan's to take. */
static void pack_weights(const mop_plan *plan, const mop_model *model, char *dst, float *wide)
{
    memset(dst, 0, plan->info.weight_bytes);
    for (uint32_t i = 1; i < plan->graph->n_nodes; i++) {
        const mop_vulkan_node *node = &plan->nodes[i];
        const float *w[MOP_MAX_WEIGHTS];
        const bool is_half = mop_vk_is_half(node->task.dtype);
        float *packed = is_half ? wide : (float *)(void *)(dst + node->weights_offset);
        for (uint32_t k = 0; k < MOP_MAX_WEIGHTS; k++)
            w[k] = mop_model_w(model, i, k);
        if (node->weights_bytes > 0 && is_half)
            memset(wide, 0, 2 * node->weights_bytes);
        if (node->weights_bytes > 0)
            node->kernel->pack(&node->task, w, packed);
        if (node->weights_bytes > 0 && is_half)
            mop_vk_encode(node->task.dtype, wide, dst + node->weights_offset,
                          node->weights_bytes / 2);
        if (plan->takes_constants)
            mop_model_drop(model, i);
    }
}

/* Copies a staging buffer to the device's own memory once. */
static mop_status copy_once(mop_plan *plan, const mop_vk_buffer *src, const mop_vk_buffer *dst,
                            mop_err *err)
{
    mop_vk *vk = plan->vk;
    const VkCommandBufferAllocateInfo alloc = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = plan->commands,
        .commandBufferCount = 1,
    };
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    const VkBufferCopy region = {.size = src->bytes};
    VkCommandBuffer c = VK_NULL_HANDLE;
    mop_status s = mop_vk_buffer_flush(vk, src, err);
    if (s != MOP_OK)
        return s;
    VkResult r = vk->fn.AllocateCommandBuffers(vk->device, &alloc, &c);
    if (r != VK_SUCCESS)
        return mop_vk_fail(vk, r, "vkAllocateCommandBuffers", err);
    r = vk->fn.BeginCommandBuffer(c, &begin);
    if (r == VK_SUCCESS) {
        vk->fn.CmdCopyBuffer(c, src->handle, dst->handle, 1, &region);
        r = vk->fn.EndCommandBuffer(c);
    }
    s = r == VK_SUCCESS ? mop_vulkan_submit(plan, c, err)
                        : mop_vk_fail(vk, r, "recording a copy", err);
    mop_vulkan_drop(plan, c);
    return s;
}

/* Room in one buffer for every node's constants; *most is what the largest take. */
static size_t place_weights(mop_plan *plan, size_t *most)
{
    const size_t a = alignment(plan->vk);
    size_t bytes = 0;
    for (uint32_t i = 1; i < plan->graph->n_nodes; i++) {
        mop_vulkan_node *node = &plan->nodes[i];
        if (node->kernel->packed_vec4s == NULL)
            continue;
        node->weights_bytes =
            mop_vk_vec4_bytes(node->task.dtype) * node->kernel->packed_vec4s(&node->task);
        node->weights_offset = bytes;
        bytes += round_up(node->weights_bytes, a);
        *most = node->weights_bytes > *most ? node->weights_bytes : *most;
    }
    return bytes;
}

static mop_status upload_weights(mop_plan *plan, const mop_model *model, mop_err *err)
{
    mop_vk *vk = plan->vk;
    size_t most = 0;
    const size_t bytes = plan->info.weight_bytes = place_weights(plan, &most);
    if (bytes == 0)
        return MOP_OK;
    float *wide = mop_vk_is_half(plan->dtype) ? mop_calloc(most, 2, err) : NULL;
    mop_status s = wide == NULL && mop_vk_is_half(plan->dtype)
                       ? MOP_ENOMEM
                       : mop_vk_buffer_init(vk, &plan->weights, bytes, MOP_VK_DEVICE, err);
    if (s == MOP_OK && plan->weights.mapped != NULL) {
        pack_weights(plan, model, plan->weights.mapped, wide);
        s = mop_vk_buffer_flush(vk, &plan->weights, err);
    } else if (s == MOP_OK) {
        s = mop_vk_buffer_init(vk, &plan->packed, bytes, MOP_VK_HOST, err);
        if (s == MOP_OK) {
            pack_weights(plan, model, plan->packed.mapped, wide);
            s = copy_once(plan, &plan->packed, &plan->weights, err);
        }
        if (s == MOP_OK)
            mop_vk_buffer_release(vk, &plan->packed);
    }
    free(wide);
    return s;
}

/* What is too large for a view gets none: no kernel was chosen that needs it. */
static mop_status create_view(mop_vk *vk, const VkDescriptorBufferInfo *range, VkFormat format,
                              size_t texel, VkBufferView *out, mop_err *err)
{
    const VkBufferViewCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
        .buffer = range->buffer,
        .format = format,
        .offset = range->offset,
        .range = range->range,
    };
    if (range->range == 0 || range->range / texel > vk->caps.max_texels)
        return MOP_OK;
    VkResult r = vk->fn.CreateBufferView(vk->device, &info, NULL, out);
    return r == VK_SUCCESS ? MOP_OK : mop_vk_fail(vk, r, "vkCreateBufferView", err);
}

/* node's output as a shader binds it. */
static VkDescriptorBufferInfo range_of(const mop_plan *plan, uint32_t node)
{
    return (VkDescriptorBufferInfo){
        .buffer = plan->arena.handle,
        .offset = plan->memory.offset[node],
        .range = mop_vulkan_output_bytes(plan, node),
    };
}

static VkDescriptorBufferInfo scratch_range(const mop_plan *plan, uint32_t node, size_t i)
{
    return (VkDescriptorBufferInfo){
        .buffer = plan->arena.handle,
        .offset = plan->memory.offset[plan->graph->n_nodes + node] + scratch_offset(plan, node, i),
        .range = plan->nodes[node].scratch_bytes[i],
    };
}

static VkDescriptorBufferInfo weights_range(const mop_plan *plan, uint32_t node)
{
    return (VkDescriptorBufferInfo){plan->weights.handle, plan->nodes[node].weights_offset,
                                    plan->nodes[node].weights_bytes};
}

static mop_status create_views(mop_plan *plan, mop_err *err)
{
    static const VkFormat scratch_format[] = {VK_FORMAT_R32_UINT, VK_FORMAT_R32G32B32A32_SFLOAT};
    static const size_t scratch_texel[] = {4, 16};
    const VkFormat format =
        mop_vk_is_half(plan->dtype) ? VK_FORMAT_R16G16B16A16_SFLOAT : VK_FORMAT_R32G32B32A32_SFLOAT;
    const size_t texel = mop_vk_vec4_bytes(plan->dtype);
    mop_status s = MOP_OK;
    for (uint32_t i = 0; i < plan->graph->n_nodes && s == MOP_OK; i++) {
        mop_vulkan_node *node = &plan->nodes[i];
        const bool is_int = node->task.dtype == MOP_DTYPE_INT8;
        VkDescriptorBufferInfo range = range_of(plan, i);
        s = create_view(plan->vk, &range, format, texel, &node->view, err);
        range = weights_range(plan, i);
        if (s == MOP_OK)
            s = create_view(plan->vk, &range, is_int ? VK_FORMAT_R32G32B32A32_UINT : format, texel,
                            &node->weights_view, err);
        for (size_t k = 0; k < MOP_VK_SCRATCH && s == MOP_OK; k++) {
            range = scratch_range(plan, i, k);
            s = create_view(plan->vk, &range, scratch_format[k], scratch_texel[k],
                            &node->scratch_view[k], err);
        }
    }
    return s;
}

static mop_status create_pipelines(mop_plan *plan, mop_err *err)
{
    mop_status s = MOP_OK;
    for (uint32_t i = 1; i < plan->graph->n_nodes; i++) {
        mop_vulkan_node *node = &plan->nodes[i];
        mop_vk_dispatch d[MOP_VK_STEPS];
        const uint32_t n = mop_vk_kernel_dispatch(node->kernel, &node->task, d);
        for (uint32_t k = 0; k < n && s == MOP_OK; k++) {
            memcpy(node->steps[k].groups, d[k].groups, sizeof d[k].groups);
            memcpy(node->steps[k].operand, d[k].operand, sizeof d[k].operand);
            s = mop_vk_pipeline_get(plan->vk, &d[k], &node->steps[k].pipeline, err);
        }
    }
    return s;
}

/* What a step binds: range and view of each binding. One that the shader's constants switch off
 * still has to hold something valid. */
static void find_operands(const mop_plan *plan, uint32_t index, const mop_vulkan_step *step,
                          VkDescriptorBufferInfo range[MOP_VK_BINDINGS],
                          const VkBufferView *view[MOP_VK_BINDINGS])
{
    const mop_node *gn = &plan->graph->nodes[index];
    const mop_vulkan_node *node = &plan->nodes[index];
    range[MOP_VK_BIND_OUT] = range_of(plan, index);
    view[MOP_VK_BIND_OUT] = NULL;
    for (uint32_t k = 0; k < MOP_VK_MAX_IN; k++) {
        const uint32_t from = gn->in[k < gn->inst.n_in ? k : 0];
        range[MOP_VK_BIND_IN + k] = range_of(plan, from);
        view[MOP_VK_BIND_IN + k] = &plan->nodes[from].view;
    }
    range[MOP_VK_BIND_WEIGHTS] = range[MOP_VK_BIND_IN];
    view[MOP_VK_BIND_WEIGHTS] = view[MOP_VK_BIND_IN];
    if (node->weights_bytes > 0) {
        range[MOP_VK_BIND_WEIGHTS] = weights_range(plan, index);
        view[MOP_VK_BIND_WEIGHTS] = &node->weights_view;
    }
    for (uint32_t k = 0; k < MOP_VK_BINDINGS; k++) {
        if (step->operand[k] == MOP_VK_USUAL)
            continue;
        range[k] = scratch_range(plan, index, step->operand[k] - MOP_VK_WORDS);
        view[k] = &node->scratch_view[step->operand[k] - MOP_VK_WORDS];
    }
}

/* Every binding as a storage buffer and as a texel buffer; which of them counts is the layout's. */
static void write_descriptors(const mop_plan *plan, uint32_t index, const mop_vulkan_step *step)
{
    const bool is_texel = plan->nodes[index].task.variant.source == MOP_VK_TEXEL;
    VkDescriptorBufferInfo range[MOP_VK_BINDINGS];
    const VkBufferView *view[MOP_VK_BINDINGS];
    VkWriteDescriptorSet w[MOP_VK_BINDINGS];
    find_operands(plan, index, step, range, view);
    for (uint32_t k = 0; k < MOP_VK_BINDINGS; k++)
        w[k] = (VkWriteDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = step->set,
            .dstBinding = k,
            .descriptorCount = 1,
            .descriptorType = k != MOP_VK_BIND_OUT && is_texel
                                  ? VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER
                                  : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .pBufferInfo = &range[k],
            .pTexelBufferView = view[k],
        };
    plan->vk->fn.UpdateDescriptorSets(plan->vk->device, MOP_VK_BINDINGS, w, 0, NULL);
}

static mop_status create_descriptors(mop_plan *plan, mop_err *err)
{
    mop_vk *vk = plan->vk;
    const uint32_t n = plan->info.n_dispatches;
    const VkDescriptorPoolSize sizes[] = {
        {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, n * MOP_VK_BINDINGS},
        {VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, n * (MOP_VK_BINDINGS - 1)},
    };
    const VkDescriptorPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = n,
        .poolSizeCount = 2,
        .pPoolSizes = sizes,
    };
    VkResult r = vk->fn.CreateDescriptorPool(vk->device, &pool, NULL, &plan->descriptors);
    if (r != VK_SUCCESS)
        return mop_vk_fail(vk, r, "vkCreateDescriptorPool", err);
    for (uint32_t i = 1; i < plan->graph->n_nodes; i++) {
        const VkDescriptorSetAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
            .descriptorPool = plan->descriptors,
            .descriptorSetCount = 1,
            .pSetLayouts = &vk->set_layout[plan->nodes[i].task.variant.source],
        };
        for (uint32_t k = 0; k < plan->nodes[i].n_steps; k++) {
            mop_vulkan_step *step = &plan->nodes[i].steps[k];
            r = vk->fn.AllocateDescriptorSets(vk->device, &info, &step->set);
            if (r != VK_SUCCESS)
                return mop_vk_fail(vk, r, "vkAllocateDescriptorSets", err);
            write_descriptors(plan, i, step);
        }
    }
    return MOP_OK;
}

static mop_status create_commands(mop_plan *plan, mop_err *err)
{
    mop_vk *vk = plan->vk;
    const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .queueFamilyIndex = vk->family};
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkResult r = vk->fn.CreateCommandPool(vk->device, &pool, NULL, &plan->commands);
    if (r != VK_SUCCESS)
        return mop_vk_fail(vk, r, "vkCreateCommandPool", err);
    r = vk->fn.CreateFence(vk->device, &fence, NULL, &plan->fence);
    return r == VK_SUCCESS ? MOP_OK : mop_vk_fail(vk, r, "vkCreateFence", err);
}

/* Where the host's float32 and the device's type differ: room for the input, and for any output
 * that may be read. */
static mop_status create_wide(mop_plan *plan, mop_err *err)
{
    const mop_graph *g = plan->graph;
    size_t most = 0;
    if (!mop_vk_is_half(plan->dtype))
        return MOP_OK;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const size_t n = mop_vk_vec4s(g->nodes[i].inst.out);
        if ((plan->keep_all || i == 0 || i + 1 == g->n_nodes) && n > most)
            most = n;
    }
    plan->wide = mop_calloc(most, 4 * sizeof *plan->wide, err);
    return plan->wide != NULL ? MOP_OK : MOP_ENOMEM;
}

/* Buffers at the host's end of the copies, where memory is not shared. With keep_all the readback
 * mirrors the arena. */
static mop_status create_staging(mop_plan *plan, mop_err *err)
{
    if (plan->arena.mapped != NULL)
        return MOP_OK;
    const uint32_t last = plan->graph->n_nodes - 1;
    const size_t bytes = plan->keep_all ? plan->memory.bytes : plan->nodes[last].bytes;
    mop_status s =
        mop_vk_buffer_init(plan->vk, &plan->upload, plan->nodes[0].bytes, MOP_VK_HOST, err);
    if (s == MOP_OK)
        s = mop_vk_buffer_init(plan->vk, &plan->readback, bytes, MOP_VK_HOST, err);
    return s;
}

/* A submit may take 10 s, and what a slow device may honestly need at 0.2 GMAC/s; the first one a
 * second more for each node, whose shader some drivers compile at its first dispatch, and 4 s in
 * number types that a software device takes apart to float32. */
static void set_timeout(mop_plan *plan)
{
    const uint64_t second = UINT64_C(1000000000);
    plan->timeout_ns = 10 * second;
    plan->compile_ns = plan->graph->n_nodes * (plan->dtype == MOP_DTYPE_FP32 ? 1 : 4) * second;
    for (uint32_t i = 0; i < plan->graph->n_nodes; i++) {
        mop_cost cost;
        mop_op_cost(&plan->graph->nodes[i].inst, &cost);
        plan->timeout_ns += (uint64_t)cost.macs * 5;
    }
}

mop_status mop_vulkan_plan_init(mop_plan *plan, const mop_model *model, mop_err *err)
{
    set_timeout(plan);
    plan->nodes = mop_calloc(plan->graph->n_nodes, sizeof *plan->nodes, err);
    if (plan->nodes == NULL)
        return MOP_ENOMEM;
    mop_status s = choose_kernels(plan, err);
    if (s == MOP_OK)
        s = create_commands(plan, err);
    if (s == MOP_OK)
        s = place_outputs(plan, err);
    if (s == MOP_OK)
        s = create_staging(plan, err);
    if (s == MOP_OK)
        s = create_wide(plan, err);
    if (s == MOP_OK)
        s = upload_weights(plan, model, err);
    if (s == MOP_OK)
        s = create_views(plan, err);
    if (s == MOP_OK)
        s = create_pipelines(plan, err);
    if (s == MOP_OK)
        s = create_descriptors(plan, err);
    return s;
}

void mop_vulkan_plan_release(mop_plan *plan)
{
    mop_vk *vk = plan->vk;
    if (vk->is_lost)                             /* what was given up may still be at work */
        (void)vk->fn.DeviceWaitIdle(vk->device); /* a lost device has nothing left to report */
    for (uint32_t i = 0; plan->nodes != NULL && i < plan->graph->n_nodes; i++) {
        vk->fn.DestroyBufferView(vk->device, plan->nodes[i].view, NULL);
        vk->fn.DestroyBufferView(vk->device, plan->nodes[i].weights_view, NULL);
        for (size_t k = 0; k < MOP_VK_SCRATCH; k++)
            vk->fn.DestroyBufferView(vk->device, plan->nodes[i].scratch_view[k], NULL);
    }
    /* null handles are fine in every one of these */
    vk->fn.DestroyQueryPool(vk->device, plan->queries, NULL);
    vk->fn.DestroyQueryPool(vk->device, plan->ends, NULL);
    vk->fn.DestroyDescriptorPool(vk->device, plan->descriptors, NULL);
    vk->fn.DestroyFence(vk->device, plan->fence, NULL);
    vk->fn.DestroyCommandPool(vk->device, plan->commands, NULL);
    mop_vk_buffer_release(vk, &plan->packed);
    mop_vk_buffer_release(vk, &plan->readback);
    mop_vk_buffer_release(vk, &plan->upload);
    mop_vk_buffer_release(vk, &plan->weights);
    mop_vk_buffer_release(vk, &plan->arena);
    mop_memplan_release(&plan->memory);
    free(plan->wide);
    free(plan->ticks);
    free(plan->ahead[0].items);
    free(plan->ahead[1].items);
    free(plan->repeats); /* their command buffers went with the pool */
    free(plan->nodes);
}
