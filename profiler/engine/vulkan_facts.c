#include "profiler/engine/vulkan_facts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernels/vk/instance.h"
#include "kernels/vk/kernel.h"
#include "profiler/engine/backend_vulkan.h"

/* Where the facts go; the first failure stays. */
struct teller {
    mop_fact_fn *tell;
    void *ctx;
    mop_err *err;
    mop_status status;
};

__attribute__((format(printf, 4, 5))) static void say(struct teller *t, const char *item,
                                                      const char *about, const char *fmt, ...)
{
    char value[384];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(value, sizeof value, fmt, ap); /* what is longer is cut */
    va_end(ap);
    if (t->status == MOP_OK)
        t->status = t->tell(t->ctx, item, value, about, t->err);
}

static void say_identity(struct teller *t, const mop_vk *vk)
{
    VkPhysicalDeviceProperties p;
    vk->fn.GetPhysicalDeviceProperties(vk->physical, &p);
    say(t, "switches", "without effect here are not named", "%s",
        *vk->switched != '\0' ? vk->switched : "none");
    say(t, "Vulkan version", "", "%u.%u.%u", VK_API_VERSION_MAJOR(p.apiVersion),
        VK_API_VERSION_MINOR(p.apiVersion), VK_API_VERSION_PATCH(p.apiVersion));
    say(t, "vendor", "PCI number, or one of Khronos from 0x10000 on", "0x%04" PRIx32, p.vendorID);
    say(t, "model", "the vendor's number", "0x%04" PRIx32, p.deviceID);
}

static void say_memory(struct teller *t, const mop_vk *vk)
{
    VkPhysicalDeviceMaintenance3Properties most = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES};
    VkPhysicalDeviceProperties2 p = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                     .pNext = &most};
    const VkPhysicalDeviceMemoryProperties *m = &vk->memory;
    for (uint32_t i = 0; i < m->memoryHeapCount; i++) {
        VkMemoryPropertyFlags of = 0;
        char item[32];
        for (uint32_t k = 0; k < m->memoryTypeCount; k++)
            if (m->memoryTypes[k].heapIndex == i)
                of |= m->memoryTypes[k].propertyFlags;
        (void)snprintf(item, sizeof item, "memory heap %u", i);
        say(t, item,
            (of & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) == 0 ? "MiB; the host cannot map it"
            : (m->memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) == 0
                ? "MiB; the host's"
                : "MiB; the device's, and the host can map it",
            "%" PRIu64, m->memoryHeaps[i].size >> 20);
    }
    vk->fn.GetPhysicalDeviceProperties2(vk->physical, &p);
    say(t, "largest allocation", "bytes; a network's arena or constants are one", "%" PRIu64,
        most.maxMemoryAllocationSize);
}

static void say_limits(struct teller *t, const mop_vk *vk)
{
    const VkPhysicalDeviceLimits *l = &vk->limits;
    const uint32_t *size = l->maxComputeWorkGroupSize, *count = l->maxComputeWorkGroupCount;
    say(t, "largest storage buffer", "bytes of one tensor", "%" PRIu32, l->maxStorageBufferRange);
    say(t, "largest texel buffer", "elements of 4 channels of one tensor", "%" PRIu32,
        l->maxTexelBufferElements);
    say(t, "storage buffers", "that one shader can bind", "%" PRIu32,
        l->maxPerStageDescriptorStorageBuffers);
    say(t, "workgroup", "invocations at most, in all and in x, y, z",
        "%" PRIu32 " (%" PRIu32 ", %" PRIu32 ", %" PRIu32 ")", l->maxComputeWorkGroupInvocations,
        size[0], size[1], size[2]);
    say(t, "workgroups", "of one dispatch, in x, y, z", "%" PRIu32 ", %" PRIu32 ", %" PRIu32,
        count[0], count[1], count[2]);
    say(t, "shared memory", "bytes of a workgroup", "%" PRIu32, l->maxComputeSharedMemorySize);
    say(t, "push constants", "bytes", "%" PRIu32, l->maxPushConstantsSize);
    say(t, "buffer alignment", "bytes: storage buffers, texel buffers, flushed ranges",
        "%" PRIu64 ", %" PRIu64 ", %" PRIu64, l->minStorageBufferOffsetAlignment,
        l->minTexelBufferOffsetAlignment, l->nonCoherentAtomSize);
    if (vk->caps.most_lanes != 0)
        say(t, "subgroup", "lanes: its own size, and the range",
            "%" PRIu32 " (%" PRIu32 " to %" PRIu32 ")", vk->caps.own_lanes, vk->caps.least_lanes,
            vk->caps.most_lanes);
    else
        say(t, "subgroup", "lanes; how the size varies is not told", "%" PRIu32,
            vk->caps.own_lanes);
    if (vk->timestamp_bits != 0)
        say(t, "timestamps", "bits, and ns of a tick", "%" PRIu32 ", %g", vk->timestamp_bits,
            (double)l->timestampPeriod);
    else
        say(t, "timestamps", "profiles by device time are refused", "none");
}

static void say_features(struct teller *t, const mop_vk_caps *caps)
{
    for (size_t i = 0; i < MOP_VK_N_FEATURES; i++) {
        char item[64];
        (void)snprintf(item, sizeof item, "feature %s", mop_vk_feature_word(i));
        say(t, item, mop_vk_feature_what(i), "%s",
            (caps->features >> i & 1) != 0 ? "offered"
            : (caps->has >> i & 1) != 0    ? "switched off"
                                           : "not offered");
    }
}

/* Layers as networks have them. */
static const struct layer {
    const char *item;
    mop_op op;
    mop_shape in;
    mop_params params;
} layers[] = {
    {"stem",
     MOP_OP_CONV2D,
     {1, 224, 224, 3},
     {.u.conv = {.cout = 64,
                 .kh = 3,
                 .kw = 3,
                 .stride = 2,
                 .dilation = 1,
                 .groups = 1,
                 .pad_top = 1,
                 .pad_left = 1,
                 .pad_bottom = 1,
                 .pad_right = 1}}},
    {"pointwise",
     MOP_OP_CONV2D,
     {1, 14, 14, 256},
     {.u.conv = {.cout = 256, .kh = 1, .kw = 1, .stride = 1, .dilation = 1, .groups = 1}}},
    {"3 x 3",
     MOP_OP_CONV2D,
     {1, 14, 14, 256},
     {.u.conv = {.cout = 256,
                 .kh = 3,
                 .kw = 3,
                 .stride = 1,
                 .dilation = 1,
                 .groups = 1,
                 .pad_top = 1,
                 .pad_left = 1,
                 .pad_bottom = 1,
                 .pad_right = 1}}},
    {"depthwise",
     MOP_OP_CONV2D,
     {1, 14, 14, 256},
     {.u.conv = {.cout = 256,
                 .kh = 3,
                 .kw = 3,
                 .stride = 1,
                 .dilation = 1,
                 .groups = 256,
                 .pad_top = 1,
                 .pad_left = 1,
                 .pad_bottom = 1,
                 .pad_right = 1}}},
    {"grouped",
     MOP_OP_CONV2D,
     {1, 14, 14, 256},
     {.u.conv = {.cout = 256,
                 .kh = 3,
                 .kw = 3,
                 .stride = 1,
                 .dilation = 1,
                 .groups = 8,
                 .pad_top = 1,
                 .pad_left = 1,
                 .pad_bottom = 1,
                 .pad_right = 1}}},
    {"classifier", MOP_OP_FC, {1, 1, 1, 1024}, {.u.fc = {.cout = 1000, .has_bias = true}}},
};

static void say_layer(struct teller *t, const mop_vk_caps *caps, const struct layer *layer)
{
    mop_op_inst inst = {.op = layer->op, .n_in = 1, .in = {layer->in}, .params = layer->params};
    mop_vk_task task;
    char item[64], name[MOP_VK_VARIANT_NAME];
    (void)snprintf(item, sizeof item, "path of a %s layer", layer->item);
    if (t->status == MOP_OK)
        t->status = mop_op_infer(&inst, t->err);
    if (t->status != MOP_OK)
        return;
    const mop_vk_kernel *k = mop_vk_kernel_choose(caps, &inst, MOP_DTYPE_FP32, &task);
    if (k == NULL)
        say(t, item, "it is beyond the device's limits", "none");
    else
        say(t, item, "kernel, what it reads and its tile, as profiles name it", "%s",
            mop_vk_variant_name(k, &task.variant, name));
}

static void say_paths(struct teller *t, mop_vk *vk)
{
    const mop_device device = {.vk = vk};
    const mop_vk_caps *caps = &vk->caps;
    say(t, "path of memory",
        vk->is_shared ? "mapped and used in place" : "input and output go through staging buffers",
        "%s", vk->is_shared ? "shared" : "staged");
    say(t, "path of lanes",
        caps->shuffle ? "invocations of a workgroup, which is one subgroup and hands values round"
                      : "invocations of a workgroup, each for itself",
        "%" PRIu32, caps->lanes);
    for (int d = 0; d < MOP_DTYPE_COUNT; d++) {
        char item[32];
        mop_err why = {0};
        const mop_status s = mop_backend_runs(&mop_backend_vulkan, &device, (mop_dtype)d, &why);
        (void)snprintf(item, sizeof item, "path of %s", mop_dtype_name((mop_dtype)d));
        say(t, item, s == MOP_OK ? mop_dtype_what((mop_dtype)d) : why.msg, "%s",
            s == MOP_OK ? "yes" : "no");
    }
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++)
        say_layer(t, caps, &layers[i]);
}

mop_status mop_vulkan_facts(const mop_device_choice *choice, mop_fact_fn *tell, void *ctx,
                            mop_err *err)
{
    const mop_vk_options options = {.selector = choice->selector, .switches = choice->vulkan};
    struct teller t = {.tell = tell, .ctx = ctx, .err = err};
    mop_vk vk = {0};
    t.status = mop_vk_instance_open(&vk, &options, err);
    if (t.status == MOP_OK)
        t.status = mop_vk_find(&vk, &options, err);
    if (t.status == MOP_OK) {
        say_identity(&t, &vk);
        say_memory(&t, &vk);
        say_limits(&t, &vk);
        say_features(&t, &vk.caps);
        say_paths(&t, &vk);
    }
    mop_vk_instance_close(&vk);
    return t.status;
}
