/* Recording and submitting. A node's dispatch is preceded by a barrier only where it reads or
 * writes memory that a dispatch since the last barrier has written, or writes memory that one has
 * read; the profiled command buffer has a barrier before and timestamps round every node instead,
 * so that times do not overlap. */
#include "kernels/vk/timer.h"
#include "profiler/base/alloc.h"
#include "profiler/base/clock.h"
#include "profiler/engine/backend_vulkan.h"

/* Nodes recorded since the last barrier. */
struct window {
    uint32_t first, end;
};

/* Spans of the memory plan: outputs of nodes, then scratch memory. */
static bool overlap(const mop_plan *plan, uint32_t a, uint32_t b)
{
    const uint32_t n = plan->graph->n_nodes;
    const size_t x = plan->memory.offset[a], y = plan->memory.offset[b];
    const size_t m = a < n ? plan->nodes[a].bytes : mop_vulkan_scratch_bytes(plan, a - n);
    const size_t k = b < n ? plan->nodes[b].bytes : mop_vulkan_scratch_bytes(plan, b - n);
    return m > 0 && k > 0 && x < y + k && y < x + m;
}

/* What node i writes meets what `node` writes or reads. */
static bool meets(const mop_plan *plan, uint32_t i, uint32_t node)
{
    const uint32_t n = plan->graph->n_nodes, written[] = {i, n + i};
    const mop_node *self = &plan->graph->nodes[node];
    for (size_t k = 0; k < 2; k++) {
        if (overlap(plan, written[k], node) || overlap(plan, written[k], n + node))
            return true;
        for (uint32_t j = 0; j < self->inst.n_in; j++)
            if (overlap(plan, written[k], self->in[j]))
                return true;
    }
    return false;
}

static bool needs_barrier(const mop_plan *plan, struct window w, uint32_t node)
{
    for (uint32_t i = w.first; i < w.end; i++)
        if (meets(plan, i, node) || meets(plan, node, i))
            return true;
    return false;
}

static void barrier(const mop_vk *vk, VkCommandBuffer c, VkPipelineStageFlags from,
                    VkAccessFlags written, VkPipelineStageFlags to, VkAccessFlags read)
{
    const VkMemoryBarrier b = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = written, .dstAccessMask = read};
    vk->fn.CmdPipelineBarrier(c, from, to, 0, 1, &b, 0, NULL, 0, NULL);
}

static void stamp(const mop_plan *plan, VkCommandBuffer c, VkQueryPool pool, uint32_t query)
{
    plan->vk->fn.CmdWriteTimestamp(c, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, pool, query);
}

static void dispatch_barrier(const mop_plan *plan, VkCommandBuffer c)
{
    barrier(plan->vk, c, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_WRITE_BIT,
            VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
            VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
}

/* node's steps, each after the one before has finished. */
static void dispatch(const mop_plan *plan, VkCommandBuffer c, const mop_vulkan_node *node)
{
    const mop_vk_fn *fn = &plan->vk->fn;
    const VkPipelineLayout layout = plan->vk->layout[node->task.variant.source];
    for (uint32_t k = 0; k < node->n_steps; k++) {
        const mop_vulkan_step *s = &node->steps[k];
        if (k > 0)
            dispatch_barrier(plan, c);
        fn->CmdBindPipeline(c, VK_PIPELINE_BIND_POINT_COMPUTE, s->pipeline);
        fn->CmdBindDescriptorSets(c, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0, 1, &s->set, 0,
                                  NULL);
        fn->CmdDispatch(c, s->groups[0], s->groups[1], s->groups[2]);
    }
}

static mop_status begin(mop_plan *plan, VkCommandBuffer *out, mop_err *err)
{
    mop_vk *vk = plan->vk;
    const VkCommandBufferAllocateInfo alloc = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = plan->commands,
        .commandBufferCount = 1,
    };
    const VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    VkCommandBuffer c = VK_NULL_HANDLE;
    VkResult r = vk->fn.AllocateCommandBuffers(vk->device, &alloc, &c);
    if (r != VK_SUCCESS)
        return mop_vk_fail(vk, r, "vkAllocateCommandBuffers", err);
    r = vk->fn.BeginCommandBuffer(c, &info);
    if (r != VK_SUCCESS) {
        vk->fn.FreeCommandBuffers(vk->device, plan->commands, 1, &c);
        return mop_vk_fail(vk, r, "vkBeginCommandBuffer", err);
    }
    *out = c;
    return MOP_OK;
}

static mop_status end(mop_plan *plan, VkCommandBuffer c, VkCommandBuffer *out, mop_err *err)
{
    VkResult r = plan->vk->fn.EndCommandBuffer(c);
    if (r != VK_SUCCESS) {
        plan->vk->fn.FreeCommandBuffers(plan->vk->device, plan->commands, 1, &c);
        return mop_vk_fail(plan->vk, r, "vkEndCommandBuffer", err);
    }
    *out = c;
    return MOP_OK;
}

/* Ends *c, to be submitted ahead of what follows, and begins another. On failure *c is gone. */
static mop_status split(mop_plan *plan, VkCommandBuffer *c, mop_vulkan_ahead *ahead, mop_err *err)
{
    VkCommandBuffer ending = *c;
    *c = VK_NULL_HANDLE;
    if (ahead->items == NULL)
        ahead->items = mop_calloc(plan->graph->n_nodes, sizeof(VkCommandBuffer), err);
    if (ahead->items == NULL) {
        mop_vulkan_drop(plan, ending);
        return MOP_ENOMEM;
    }
    mop_status s = end(plan, ending, &ahead->items[ahead->n], err);
    if (s != MOP_OK)
        return s;
    ahead->n++;
    return begin(plan, c, err);
}

static uint64_t macs_of(const mop_plan *plan, uint32_t node)
{
    mop_cost cost;
    mop_op_cost(&plan->graph->nodes[node].inst, &cost);
    return (uint64_t)cost.macs;
}

/* Barriers reach across command buffers of one queue, so where they are split makes no difference
 * to them. */
static mop_status record_nodes(mop_plan *plan, VkCommandBuffer *c, bool profiled, mop_err *err)
{
    struct window w = {.first = 1, .end = 1};
    uint64_t macs = 0;
    for (uint32_t i = 1; i < plan->graph->n_nodes; i++) {
        const uint64_t more = macs_of(plan, i);
        if (macs > 0 && macs + more > plan->vk->macs_per_submit) {
            mop_status s = split(plan, c, &plan->ahead[profiled], err);
            if (s != MOP_OK)
                return s;
            macs = 0;
        }
        macs += more;
        if (i > 1 && (profiled || needs_barrier(plan, w, i))) {
            dispatch_barrier(plan, *c);
            w.first = i;
        }
        w.end = i + 1;
        if (profiled)
            stamp(plan, *c, plan->queries, 2 * i);
        dispatch(plan, *c, &plan->nodes[i]);
        if (plan->nodes[i].n_steps > 1)
            w.first = i; /* the barriers inside are for all */
        if (profiled)
            stamp(plan, *c, plan->queries, 2 * i + 1);
    }
    return MOP_OK;
}

size_t mop_vulkan_readback_offset(const mop_plan *plan, uint32_t node)
{
    return plan->keep_all ? plan->memory.offset[node] : 0;
}

static void record_upload(const mop_plan *plan, VkCommandBuffer c)
{
    const VkBufferCopy region = {.dstOffset = plan->memory.offset[0], .size = plan->nodes[0].bytes};
    if (plan->upload.handle == VK_NULL_HANDLE)
        return;
    plan->vk->fn.CmdCopyBuffer(c, plan->upload.handle, plan->arena.handle, 1, &region);
    barrier(plan->vk, c, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT,
            VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
            VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT);
}

/* Makes the output readable by the host, by way of the readback buffer where memory is staged. */
static void record_readback(const mop_plan *plan, VkCommandBuffer c)
{
    const uint32_t last = plan->graph->n_nodes - 1;
    if (plan->readback.handle == VK_NULL_HANDLE) {
        barrier(plan->vk, c, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_WRITE_BIT,
                VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
        return;
    }
    const VkBufferCopy region = {.srcOffset = plan->keep_all ? 0 : plan->memory.offset[last],
                                 .size = plan->readback.bytes};
    barrier(plan->vk, c, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_WRITE_BIT,
            VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_READ_BIT);
    plan->vk->fn.CmdCopyBuffer(c, plan->arena.handle, plan->readback.handle, 1, &region);
    barrier(plan->vk, c, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT,
            VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
}

static mop_status create_pool(mop_vk *vk, uint32_t n, VkQueryPool *pool, mop_err *err)
{
    const VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = n,
    };
    if (*pool != VK_NULL_HANDLE)
        return MOP_OK;
    VkResult r = vk->fn.CreateQueryPool(vk->device, &info, NULL, pool);
    return r == VK_SUCCESS ? MOP_OK : mop_vk_fail(vk, r, "vkCreateQueryPool", err);
}

/* A profiled run has mop_vulkan_n_stamps(); a plain one, where the queue has timestamps at all, one
 * before and one after its work. */
static mop_status create_queries(mop_plan *plan, bool profiled, mop_err *err)
{
    if (!profiled)
        return plan->vk->timestamp_bits > 0 ? create_pool(plan->vk, 2, &plan->ends, err) : MOP_OK;
    if (plan->ticks == NULL)
        plan->ticks = mop_calloc(mop_vulkan_n_stamps(plan), sizeof *plan->ticks, err);
    return plan->ticks == NULL
               ? MOP_ENOMEM
               : create_pool(plan->vk, mop_vulkan_n_stamps(plan), &plan->queries, err);
}

/* All of a run into *c, which is gone on failure. */
static mop_status record_run(mop_plan *plan, VkCommandBuffer *c, bool profiled, mop_err *err)
{
    const VkQueryPool pool = profiled ? plan->queries : plan->ends;
    const uint32_t n = profiled ? mop_vulkan_n_stamps(plan) : 2;
    if (pool != VK_NULL_HANDLE) {
        if (!mop_vk_timer_resets_on_host(plan->vk))
            plan->vk->fn.CmdResetQueryPool(*c, pool, 0, n);
        stamp(plan, *c, pool, 0);
    }
    record_upload(plan, *c);
    if (profiled)
        stamp(plan, *c, pool, 1);
    mop_status s = record_nodes(plan, c, profiled, err);
    if (s != MOP_OK)
        return s;
    record_readback(plan, *c);
    if (pool != VK_NULL_HANDLE)
        stamp(plan, *c, pool, n - 1);
    return MOP_OK;
}

mop_status mop_vulkan_record(mop_plan *plan, bool profiled, mop_err *err)
{
    mop_vulkan_ahead *ahead = &plan->ahead[profiled];
    VkCommandBuffer c = VK_NULL_HANDLE;
    mop_status s = create_queries(plan, profiled, err);
    while (ahead->n > 0) /* of an earlier try */
        mop_vulkan_drop(plan, ahead->items[--ahead->n]);
    if (s == MOP_OK)
        s = begin(plan, &c, err);
    if (s == MOP_OK)
        s = record_run(plan, &c, profiled, err);
    return s == MOP_OK ? end(plan, c, profiled ? &plan->profiled : &plan->plain, err) : s;
}

mop_status mop_vulkan_record_repeat(mop_plan *plan, uint32_t node, uint32_t n, VkCommandBuffer *out,
                                    mop_err *err)
{
    VkCommandBuffer c = VK_NULL_HANDLE;
    mop_status s = begin(plan, &c, err);
    if (s != MOP_OK)
        return s;
    for (uint32_t i = 0; i < n; i++) {
        if (node == 0) {
            if (i > 0)
                barrier(plan->vk, c, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT,
                        VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT);
            record_upload(plan, c);
            continue;
        }
        if (i > 0)
            dispatch_barrier(plan, c);
        dispatch(plan, c, &plan->nodes[node]);
    }
    return end(plan, c, out, err);
}

void mop_vulkan_drop(const mop_plan *plan, VkCommandBuffer commands)
{
    if (commands != VK_NULL_HANDLE && !plan->vk->is_lost)
        plan->vk->fn.FreeCommandBuffers(plan->vk->device, plan->commands, 1, &commands);
}

/* Nothing is lost if the first submit fails; after another, nobody waits for what is at work. */
static mop_status submit_one(mop_plan *plan, VkCommandBuffer c, bool is_first, bool is_last,
                             mop_err *err)
{
    mop_vk *vk = plan->vk;
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &c};
    VkResult r = vk->fn.QueueSubmit(vk->queue, 1, &info, is_last ? plan->fence : VK_NULL_HANDLE);
    if (r == VK_SUCCESS)
        return MOP_OK;
    if (is_first)
        return mop_vk_fail(vk, r, "vkQueueSubmit", err);
    vk->is_lost = true;
    return mop_fail(err, MOP_ELOST,
                    "a later vkQueueSubmit failed on Vulkan device \"%.80s\": %s (%d)",
                    vk->info.name, mop_vk_result_name(r), (int)r);
}

mop_status mop_vulkan_submit(mop_plan *plan, VkCommandBuffer commands, mop_err *err)
{
    const mop_clock clock = mop_clock_real();
    mop_vk *vk = plan->vk;
    const mop_vulkan_ahead *ahead = commands == plan->plain      ? &plan->ahead[0]
                                    : commands == plan->profiled ? &plan->ahead[1]
                                                                 : &(mop_vulkan_ahead){0};
    if (vk->is_lost)
        return mop_fail(err, MOP_ELOST, "Vulkan device \"%.80s\" was lost before; open it again",
                        vk->info.name);
    VkResult r = vk->fn.ResetFences(vk->device, 1, &plan->fence);
    if (r != VK_SUCCESS)
        return mop_vk_fail(vk, r, "vkResetFences", err);
    plan->times.submitting = mop_now_ns(&clock);
    mop_status s = MOP_OK;
    for (uint32_t k = 0; k < ahead->n && s == MOP_OK; k++)
        s = submit_one(plan, ahead->items[k], k == 0, false, err);
    if (s == MOP_OK)
        s = submit_one(plan, commands, ahead->n == 0, true, err);
    plan->times.submitted = mop_now_ns(&clock);
    if (s != MOP_OK)
        return s;
    s = mop_vulkan_wait(plan, commands == plan->plain, err);
    plan->times.finished = mop_now_ns(&clock);
    return s;
}
