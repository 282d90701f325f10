/* Inside of the Vulkan back end, for its own files and its tests. */
#ifndef PROFILER_ENGINE_BACKEND_VULKAN_H
#define PROFILER_ENGINE_BACKEND_VULKAN_H

#include "kernels/vk/kernel.h"
#include "kernels/vk/memory.h"
#include "kernels/vk/types.h"
#include "profiler/engine/backend.h"
#include "profiler/engine/memplan.h"
#include "profiler/engine/tune.h"

struct mop_device {
    mop_vk *vk;
    mop_tune tune[MOP_DTYPE_COUNT]; /* of this device; empty: the shipped choices */
};

/* One dispatch of a node. */
typedef struct mop_vulkan_step {
    VkPipeline pipeline; /* the context's */
    uint32_t groups[3];
    uint8_t operand[MOP_VK_BINDINGS]; /* mop_vk_operand */
    VkDescriptorSet set;
} mop_vulkan_step;

/* What one node owns. */
typedef struct mop_vulkan_node {
    const mop_vk_kernel *kernel;    /* NULL for the input */
    char name[MOP_VK_VARIANT_NAME]; /* of kernel and variant */
    mop_vk_task task;
    uint32_t n_steps;
    mop_vulkan_step steps[MOP_VK_STEPS];
    VkBufferView view;                         /* of its output */
    VkBufferView weights_view;                 /* null without constants */
    VkBufferView scratch_view[MOP_VK_SCRATCH]; /* null without scratch memory */
    size_t weights_offset, weights_bytes;
    size_t scratch_bytes[MOP_VK_SCRATCH];
    size_t bytes; /* of its output, aligned */
} mop_vulkan_node;

/* One node dispatched n times, for repeat(). */
typedef struct mop_vulkan_repeat {
    VkCommandBuffer commands;
    uint32_t n;
} mop_vulkan_repeat;

/* Command buffers that go before another one of a network that is too long for one submit. */
typedef struct mop_vulkan_ahead {
    VkCommandBuffer *items; /* [n_nodes], or NULL */
    uint32_t n;
} mop_vulkan_ahead;

struct mop_plan {
    mop_vk *vk;
    const mop_graph *graph;
    mop_dtype dtype;
    bool keep_all, takes_constants;
    uint64_t timeout_ns; /* of one submit */
    uint64_t compile_ns; /* more of it until a plain run has ended */
    uint64_t usual_ns;   /* from submit to fence of a plain run, learned; 0: none has ended */
    mop_plan_info info;
    mop_memplan memory;     /* outputs of nodes, then their scratch memory */
    mop_vulkan_node *nodes; /* [graph->n_nodes] */
    float *wide;            /* room for one tensor in float32, where memory holds another type */
    mop_vk_buffer arena, weights;
    mop_vk_buffer upload, readback; /* {0} where memory is shared */
    mop_vk_buffer packed;           /* constants on their way to `weights`; {0} afterwards */
    VkDescriptorPool descriptors;
    VkCommandPool commands;
    VkCommandBuffer plain, profiled; /* profiled: null until the first profiled run */
    mop_vulkan_ahead ahead[2];       /* of plain, of profiled */
    VkFence fence;
    VkQueryPool queries;        /* of profiled runs, mop_vulkan_n_stamps() of them */
    VkQueryPool ends;           /* 2, of plain runs; null where the queue has no timestamps */
    uint64_t *ticks;            /* of profiled runs, from the first on */
    mop_run_times times;        /* of the latest run; end is 0 until it has ended */
    bool was_profiled;          /* the latest run */
    mop_vulkan_repeat *repeats; /* [n_nodes], from the first repeat() on */
};

/* The same as the back end's open, with every option of the context. */
mop_status mop_vulkan_open(const mop_vk_options *options, mop_device **out, mop_err *err);

/* Fills plan (zeroed, with vk, graph and what is asked for set): memory, packed constants,
 * pipelines and descriptors. On failure the plan is left for mop_vulkan_plan_release(). */
mop_status mop_vulkan_plan_init(mop_plan *plan, const mop_model *model, mop_err *err);
void mop_vulkan_plan_release(mop_plan *plan);

/* Records the command buffer of one inference, with timestamps if profiled. */
mop_status mop_vulkan_record(mop_plan *plan, bool profiled, mop_err *err);

/* Records n dispatches of `node` with barriers between them; of the input n copies to the device's
 * memory, nothing where memory is shared. */
mop_status mop_vulkan_record_repeat(mop_plan *plan, uint32_t node, uint32_t n, VkCommandBuffer *out,
                                    mop_err *err);

/* Submits, what is ahead of `commands` too, and waits until it has finished or the plan's time is
 * over. Sets submitting, submitted and finished of plan->times. */
mop_status mop_vulkan_submit(mop_plan *plan, VkCommandBuffer commands, mop_err *err);

/* What a profiled run needs, made at the first one. MOP_EUNSUPPORTED with the reason where the
 * device's timestamps are not trusted (kernels/vk/timer.h). */
mop_status mop_vulkan_profile_prepare(mop_plan *plan, const mop_profile *profile, mop_err *err);

/* Turns the timestamps of the profiled run whose host times are in plan->times into layer times,
 * and the device's part of plan->times. MOP_EUNSUPPORTED for stamps that say more than the host
 * saw. */
mop_status mop_vulkan_profile_read(mop_plan *plan, mop_profile *profile, mop_err *err);

/* Stamps of a profiled run: 0 and 1 round the upload, 2 i and 2 i + 1 round node i, the last after
 * the readback. */
static inline uint32_t mop_vulkan_n_stamps(const mop_plan *plan)
{
    return 2 * plan->graph->n_nodes + 1;
}

/* The back end's repeat and times. */
mop_status mop_vulkan_repeat_run(mop_plan *plan, mop_profile *profile, mop_err *err);
bool mop_vulkan_times(mop_plan *plan, mop_run_times *times);

/* The back end's device_time. */
bool mop_vulkan_device_time(mop_plan *plan, uint64_t *ns);

/* Frees a command buffer that is not used any more (null is fine). On a lost device it may still be
 * at work and goes with the plan. */
void mop_vulkan_drop(const mop_plan *plan, VkCommandBuffer commands);

/* Waits for the fence of what was submitted (backend_vulkan_wait.c). MOP_ELOST, and the device is
 * lost, if that fails or the plan's time is over. */
mop_status mop_vulkan_wait(mop_plan *plan, bool is_plain, mop_err *err);

/* Bytes of node's output without what aligns it. */
size_t mop_vulkan_output_bytes(const mop_plan *plan, uint32_t node);

/* Bytes that node's scratch memory, span n_nodes + node of the memory plan, takes. */
size_t mop_vulkan_scratch_bytes(const mop_plan *plan, uint32_t node);

/* Where node's output begins in the readback buffer (staged memory). */
size_t mop_vulkan_readback_offset(const mop_plan *plan, uint32_t node);

#endif
