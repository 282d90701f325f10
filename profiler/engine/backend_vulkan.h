/* Inside of the Vulkan back end, for its own files and its tests. */
#ifndef PROFILER_ENGINE_BACKEND_VULKAN_H
#define PROFILER_ENGINE_BACKEND_VULKAN_H

#include "kernels/vk/kernel.h"
#include "kernels/vk/memory.h"
#include "profiler/engine/backend.h"
#include "profiler/engine/memplan.h"

struct mop_device {
    mop_vk *vk;
};

/* What one node owns. */
typedef struct mop_vulkan_node {
    const mop_vk_kernel *kernel;    /* NULL for the input */
    char name[MOP_VK_VARIANT_NAME]; /* of kernel and variant */
    mop_vk_task task;
    VkPipeline pipeline; /* the context's */
    uint32_t groups[3];
    VkBufferView view;         /* of its output */
    VkBufferView weights_view; /* null without constants */
    VkDescriptorSet set;
    size_t weights_offset, weights_bytes;
    size_t bytes; /* of its output, aligned */
} mop_vulkan_node;

struct mop_plan {
    mop_vk *vk;
    const mop_graph *graph;
    mop_dtype dtype;
    bool keep_all, takes_constants;
    uint64_t timeout_ns; /* of one submit */
    uint64_t compile_ns; /* more of it until a plain run has ended */
    uint64_t usual_ns;   /* from submit to fence of a plain run, learned; 0: none has ended */
    mop_plan_info info;
    mop_memplan memory;
    mop_vulkan_node *nodes; /* [graph->n_nodes] */
    mop_vk_buffer arena, weights;
    mop_vk_buffer upload, readback; /* {0} where memory is shared */
    mop_vk_buffer packed;           /* constants on their way to `weights`; {0} afterwards */
    VkDescriptorPool descriptors;
    VkCommandPool commands;
    VkCommandBuffer plain, profiled; /* profiled: null until the first profiled run */
    VkFence fence;
    VkQueryPool queries;    /* of profiled runs */
    VkQueryPool ends;       /* 2, of plain runs; null where the queue has no timestamps */
    uint64_t plain_wall_ns; /* host time of the latest plain run; 0: none has ended */
    uint64_t *ticks;        /* [n_nodes + 1], from the first profiled run on */
};

/* The same as the back end's open, with every option of the context. */
mop_status mop_vulkan_open(const mop_vk_options *options, mop_device **out, mop_err *err);

/* Fills plan (zeroed, with vk, graph and what is asked for set): memory, packed constants,
 * pipelines and descriptors. On failure the plan is left for mop_vulkan_plan_release(). */
mop_status mop_vulkan_plan_init(mop_plan *plan, const mop_model *model, mop_err *err);
void mop_vulkan_plan_release(mop_plan *plan);

/* Records the command buffer of one inference, with timestamps if profiled. */
mop_status mop_vulkan_record(mop_plan *plan, bool profiled, mop_err *err);

/* Submits and waits until it has finished or the plan's time is over. */
mop_status mop_vulkan_submit(mop_plan *plan, VkCommandBuffer commands, mop_err *err);

/* What a profiled run needs, made at the first one. MOP_EUNSUPPORTED with the reason where the
 * device's timestamps are not trusted (kernels/vk/timer.h). */
mop_status mop_vulkan_profile_prepare(mop_plan *plan, const mop_profile *profile, mop_err *err);

/* Turns the timestamps of the profiled run that ended last, wall_ns by the host, into contiguous
 * layer times. MOP_EUNSUPPORTED for stamps that say more than the host saw. */
mop_status mop_vulkan_profile_read(const mop_plan *plan, uint64_t wall_ns, mop_profile *profile,
                                   mop_err *err);

/* The back end's device_time. */
bool mop_vulkan_device_time(mop_plan *plan, uint64_t *ns);

/* Waits for the fence of what was submitted (backend_vulkan_wait.c). MOP_ELOST, and the device is
 * lost, if that fails or the plan's time is over. */
mop_status mop_vulkan_wait(mop_plan *plan, bool is_plain, mop_err *err);

/* Where node's output begins in the readback buffer (staged memory). */
size_t mop_vulkan_readback_offset(const mop_plan *plan, uint32_t node);

#endif
