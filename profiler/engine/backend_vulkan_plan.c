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
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        const mop_op_inst *inst = &g->nodes[i].inst;
        mop_vulkan_node *node = &plan->nodes[i];
        node->kernel = mop_vk_kernel_choose(&plan->vk->caps, inst, plan->dtype, &node->task);
        if (node->kernel == NULL)
            return mop_fail(err, MOP_EUNSUPPORTED,
                            "Vulkan device \"%.60s\" cannot do node %u \"%s\" (%s)",
                            plan->vk->info.name, i, g->nodes[i].name, mop_op_get(inst->op)->name);
        (void)mop_vk_variant_name(node->kernel, &node->task.variant, node->name);
        plan->info.n_dispatches++;
    }
    return MOP_OK;
}

static mop_status place_outputs(mop_plan *plan, mop_err *err)
{
    const mop_graph *g = plan->graph;
    const size_t a = alignment(plan->vk);
    mop_memspan *spans = mop_calloc(g->n_nodes, sizeof *spans, err);
    if (spans == NULL)
        return MOP_ENOMEM;
    mop_memplan_lifetimes(g, plan->keep_all, spans);
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        plan->nodes[i].bytes = round_up(mop_vk_vec4s(g->nodes[i].inst.out) * 16, a);
        spans[i].bytes = plan->nodes[i].bytes;
    }
    mop_status s = mop_memplan_init(&plan->memory, spans, g->n_nodes, err);
    free(spans);
    if (s != MOP_OK)
        return s;
    for (uint32_t i = 0; i < g->n_nodes; i++)
        if (plan->memory.offset[i] % a != 0)
            return mop_fail(err, MOP_EFAIL, "node %u was placed at %zu, not a multiple of %zu", i,
                            plan->memory.offset[i], a);
    plan->info.arena_bytes = plan->memory.bytes;
    plan->info.live_bytes = plan->memory.live_bytes;
    return mop_vk_buffer_init(plan->vk, &plan->arena, plan->memory.bytes, MOP_VK_DEVICE, err);
}

/* Packs all constants to `dst`, which mirrors the weights buffer, and frees them if they are the
 * plan's to take. */
static void pack_weights(const mop_plan *plan, const mop_model *model, char *dst)
{
    memset(dst, 0, plan->info.weight_bytes);
    for (uint32_t i = 1; i < plan->graph->n_nodes; i++) {
        const mop_vulkan_node *node = &plan->nodes[i];
        const float *w[MOP_MAX_WEIGHTS];
        for (uint32_t k = 0; k < MOP_MAX_WEIGHTS; k++)
            w[k] = mop_model_w(model, i, k);
        if (node->weights_bytes > 0)
            node->kernel->pack(&node->task, w, (float *)(void *)(dst + node->weights_offset));
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
    if (!vk->is_lost) /* it may be at work still; its pool goes with the plan */
        vk->fn.FreeCommandBuffers(vk->device, plan->commands, 1, &c);
    return s;
}

static mop_status upload_weights(mop_plan *plan, const mop_model *model, mop_err *err)
{
    mop_vk *vk = plan->vk;
    const size_t a = alignment(vk);
    size_t bytes = 0;
    for (uint32_t i = 1; i < plan->graph->n_nodes; i++) {
        mop_vulkan_node *node = &plan->nodes[i];
        if (node->kernel->packed_vec4s == NULL)
            continue;
        node->weights_bytes = 16 * node->kernel->packed_vec4s(&node->task);
        node->weights_offset = bytes;
        bytes += round_up(node->weights_bytes, a);
    }
    plan->info.weight_bytes = bytes;
    if (bytes == 0)
        return MOP_OK;
    mop_status s = mop_vk_buffer_init(vk, &plan->weights, bytes, MOP_VK_DEVICE, err);
    if (s != MOP_OK)
        return s;
    if (plan->weights.mapped != NULL) {
        pack_weights(plan, model, plan->weights.mapped);
        return mop_vk_buffer_flush(vk, &plan->weights, err);
    }
    s = mop_vk_buffer_init(vk, &plan->packed, bytes, MOP_VK_HOST, err);
    if (s != MOP_OK)
        return s;
    pack_weights(plan, model, plan->packed.mapped);
    s = copy_once(plan, &plan->packed, &plan->weights, err);
    if (s == MOP_OK)
        mop_vk_buffer_release(vk, &plan->packed);
    return s;
}

static mop_status create_view(mop_vk *vk, VkBuffer buffer, size_t offset, size_t bytes,
                              VkBufferView *out, mop_err *err)
{
    const VkBufferViewCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
        .buffer = buffer,
        .format = VK_FORMAT_R32G32B32A32_SFLOAT,
        .offset = offset,
        .range = bytes,
    };
    VkResult r = vk->fn.CreateBufferView(vk->device, &info, NULL, out);
    return r == VK_SUCCESS ? MOP_OK : mop_vk_fail(vk, r, "vkCreateBufferView", err);
}

static mop_status create_views(mop_plan *plan, mop_err *err)
{
    mop_status s = MOP_OK;
    for (uint32_t i = 0; i < plan->graph->n_nodes && s == MOP_OK; i++) {
        mop_vulkan_node *node = &plan->nodes[i];
        const size_t texels = mop_vk_vec4s(plan->graph->nodes[i].inst.out);
        if (texels <= plan->vk->caps.max_texels)
            s = create_view(plan->vk, plan->arena.handle, plan->memory.offset[i], texels * 16,
                            &node->view, err);
        if (s == MOP_OK && node->weights_bytes > 0 &&
            node->weights_bytes <= plan->vk->caps.max_texels * (size_t)16)
            s = create_view(plan->vk, plan->weights.handle, node->weights_offset,
                            node->weights_bytes, &node->weights_view, err);
    }
    return s;
}

static mop_status create_pipelines(mop_plan *plan, mop_err *err)
{
    mop_status s = MOP_OK;
    for (uint32_t i = 1; i < plan->graph->n_nodes && s == MOP_OK; i++) {
        mop_vulkan_node *node = &plan->nodes[i];
        mop_vk_dispatch d = {0};
        mop_vk_kernel_dispatch(node->kernel, &node->task, &d);
        memcpy(node->groups, d.groups, sizeof node->groups);
        s = mop_vk_pipeline_get(plan->vk, &d, &node->pipeline, err);
    }
    return s;
}

/* node's output as a shader binds it. */
static VkDescriptorBufferInfo range_of(const mop_plan *plan, uint32_t node)
{
    return (VkDescriptorBufferInfo){
        .buffer = plan->arena.handle,
        .offset = plan->memory.offset[node],
        .range = mop_vk_vec4s(plan->graph->nodes[node].inst.out) * 16,
    };
}

/* Every binding as a storage buffer and as a texel buffer; which of them counts is the layout's. A
 * binding that the shader's constants switch off still has to hold something valid. */
static void write_descriptors(const mop_plan *plan, uint32_t index)
{
    const mop_node *gn = &plan->graph->nodes[index];
    const mop_vulkan_node *node = &plan->nodes[index];
    const bool is_texel = node->task.variant.source == MOP_VK_TEXEL;
    VkDescriptorBufferInfo range[MOP_VK_BINDINGS];
    const VkBufferView *view[MOP_VK_BINDINGS] = {NULL};
    VkWriteDescriptorSet w[MOP_VK_BINDINGS];
    range[MOP_VK_BIND_OUT] = range_of(plan, index);
    for (uint32_t k = 0; k < MOP_VK_MAX_IN; k++) {
        const uint32_t from = gn->in[k < gn->inst.n_in ? k : 0];
        range[MOP_VK_BIND_IN + k] = range_of(plan, from);
        view[MOP_VK_BIND_IN + k] = &plan->nodes[from].view;
    }
    range[MOP_VK_BIND_WEIGHTS] = range[MOP_VK_BIND_IN];
    view[MOP_VK_BIND_WEIGHTS] = view[MOP_VK_BIND_IN];
    if (node->weights_bytes > 0) {
        range[MOP_VK_BIND_WEIGHTS] = (VkDescriptorBufferInfo){
            plan->weights.handle, node->weights_offset, node->weights_bytes};
        view[MOP_VK_BIND_WEIGHTS] = &node->weights_view;
    }
    for (uint32_t k = 0; k < MOP_VK_BINDINGS; k++)
        w[k] = (VkWriteDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = node->set,
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
    const uint32_t n = plan->graph->n_nodes;
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
    for (uint32_t i = 1; i < n; i++) {
        const VkDescriptorSetAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
            .descriptorPool = plan->descriptors,
            .descriptorSetCount = 1,
            .pSetLayouts = &vk->set_layout[plan->nodes[i].task.variant.source],
        };
        r = vk->fn.AllocateDescriptorSets(vk->device, &info, &plan->nodes[i].set);
        if (r != VK_SUCCESS)
            return mop_vk_fail(vk, r, "vkAllocateDescriptorSets", err);
        write_descriptors(plan, i);
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
 * second more for each shader, which some drivers compile at its first dispatch. */
static void set_timeout(mop_plan *plan)
{
    const uint64_t second = UINT64_C(1000000000);
    plan->timeout_ns = 10 * second;
    plan->compile_ns = plan->graph->n_nodes * second;
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
    free(plan->ticks);
    free(plan->repeats); /* their command buffers went with the pool */
    free(plan->nodes);
}
