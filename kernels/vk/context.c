#include "kernels/vk/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/vk/instance.h"
#include "kernels/vk/pipeline.h"
#include "profiler/base/alloc.h"

/* LP_NUM_THREADS is how lavapipe takes its number of threads ("0": in the caller's own); it is read
 * while the devices are enumerated. Restored afterwards. */
static mop_status select_with_threads(mop_vk *vk, const mop_vk_options *options, mop_err *err)
{
    char *before = NULL;
    const char *set = getenv("LP_NUM_THREADS");
    if (options->threads < 1)
        return mop_vk_select(vk, options->selector, err);
    if (set != NULL && (before = mop_strdup(set, err)) == NULL)
        return MOP_ENOMEM;
    char text[16];
    (void)snprintf(text, sizeof text, "%d", options->threads == 1 ? 0 : options->threads);
    (void)setenv("LP_NUM_THREADS", text, 1); /* on failure the device keeps its own default */
    mop_status s = mop_vk_select(vk, options->selector, err);
    if (before != NULL)
        (void)setenv("LP_NUM_THREADS", before, 1);
    else
        (void)unsetenv("LP_NUM_THREADS");
    free(before);
    return s;
}

static bool has_device_extension(const mop_vk *vk, const char *name)
{
    uint32_t n = 0;
    if (vk->fn.EnumerateDeviceExtensionProperties(vk->physical, NULL, &n, NULL) != VK_SUCCESS)
        return false;
    VkExtensionProperties *p = calloc(n > 0 ? n : 1, sizeof *p);
    bool found = false;
    if (p != NULL && vk->fn.EnumerateDeviceExtensionProperties(vk->physical, NULL, &n, p) >= 0)
        for (uint32_t i = 0; i < n; i++)
            found = found || strcmp(p[i].extensionName, name) == 0;
    free(p);
    return found;
}

static mop_status find_queue(mop_vk *vk, mop_err *err)
{
    VkQueueFamilyProperties p[16];
    uint32_t n = 16;
    vk->fn.GetPhysicalDeviceQueueFamilyProperties(vk->physical, &n, p);
    for (uint32_t i = 0; i < n; i++) {
        if ((p[i].queueFlags & VK_QUEUE_COMPUTE_BIT) == 0)
            continue;
        vk->family = i;
        vk->timestamp_bits = vk->limits.timestampPeriod > 0 ? p[i].timestampValidBits : 0;
        return MOP_OK;
    }
    return mop_fail(err, MOP_ENODEV, "Vulkan device \"%s\" has no compute queue", vk->info.name);
}

/* Reads limits and decides the workgroup size. Subgroups are usable if they can shuffle and a
 * workgroup can be made exactly one of them: a fixed size, or one that can be asked for. */
static mop_status probe(mop_vk *vk, bool *size_control, mop_err *err)
{
    VkPhysicalDeviceSubgroupSizeControlPropertiesEXT range = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES_EXT};
    VkPhysicalDeviceSubgroupProperties sub = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
    VkPhysicalDeviceProperties2 p = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                     .pNext = &sub};
    VkPhysicalDeviceProperties base;
    vk->fn.GetPhysicalDeviceProperties(vk->physical, &base);
    if (base.apiVersion < VK_API_VERSION_1_1)
        return mop_fail(err, MOP_ENODEV, "Vulkan device \"%s\" is version 1.0; 1.1 is needed",
                        vk->info.name);
    bool control = has_device_extension(vk, "VK_EXT_subgroup_size_control");
    if (control)
        sub.pNext = &range;
    vk->fn.GetPhysicalDeviceProperties2(vk->physical, &p);
    vk->limits = base.limits;
    bool fixed = control && range.minSubgroupSize == range.maxSubgroupSize;
    bool asked =
        control && !fixed && (range.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0;
    bool compute = (sub.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0;
    bool shuffles = (sub.supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT) != 0;
    bool sized = sub.subgroupSize >= 4 && sub.subgroupSize <= 64;
    bool usable = compute && shuffles && sized && (fixed || asked);
    *size_control = usable && asked;
    vk->required_subgroup = *size_control ? sub.subgroupSize : 0;
    vk->caps = (mop_vk_caps){
        .lanes = usable ? sub.subgroupSize : 32,
        .shuffle = usable,
        .is_software = vk->info.type == VK_PHYSICAL_DEVICE_TYPE_CPU,
        .max_texels = base.limits.maxTexelBufferElements,
        .max_range = base.limits.maxStorageBufferRange,
    };
    memcpy(vk->caps.max_groups, base.limits.maxComputeWorkGroupCount, sizeof vk->caps.max_groups);
    return MOP_OK;
}

static mop_status create_device(mop_vk *vk, mop_err *err)
{
    bool size_control = false;
    mop_status s = probe(vk, &size_control, err);
    if (s == MOP_OK)
        s = find_queue(vk, err);
    if (s != MOP_OK)
        return s;
    const char *extensions[2];
    uint32_t n = 0;
    if (size_control)
        extensions[n++] = "VK_EXT_subgroup_size_control";
    if (has_device_extension(vk, "VK_KHR_portability_subset"))
        extensions[n++] = "VK_KHR_portability_subset";
    const float priority = 1;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = vk->family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    VkPhysicalDeviceSubgroupSizeControlFeaturesEXT control = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT,
        .subgroupSizeControl = VK_TRUE,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = size_control ? &control : NULL,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = n,
        .ppEnabledExtensionNames = extensions,
    };
    VkResult r = vk->fn.CreateDevice(vk->physical, &info, NULL, &vk->device);
    if (r != VK_SUCCESS) {
        vk->device = VK_NULL_HANDLE;
        return mop_vk_fail(vk, r, "vkCreateDevice", err);
    }
    s = mop_vk_load_device(&vk->fn, vk->device, err);
    if (s == MOP_OK)
        vk->fn.GetDeviceQueue(vk->device, vk->family, 0, &vk->queue);
    return s;
}

mop_status mop_vk_open(const mop_vk_options *options, mop_vk **out, mop_err *err)
{
    mop_vk *vk = mop_calloc(1, sizeof *vk, err);
    if (vk == NULL)
        return MOP_ENOMEM;
    mop_status s = mop_vk_instance_open(vk, options, err);
    if (s == MOP_OK)
        s = select_with_threads(vk, options, err);
    if (s == MOP_OK)
        s = create_device(vk, err);
    if (s == MOP_OK) {
        vk->fn.GetPhysicalDeviceMemoryProperties(vk->physical, &vk->memory);
        vk->is_shared =
            !options->force_staging && (vk->info.type == VK_PHYSICAL_DEVICE_TYPE_CPU ||
                                        vk->info.type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU);
        vk->threads = options->threads;
        s = mop_vk_pipelines_init(vk, err);
    }
    if (s != MOP_OK) {
        mop_vk_close(vk);
        return s;
    }
    *out = vk;
    return MOP_OK;
}

void mop_vk_close(mop_vk *vk)
{
    if (vk == NULL)
        return;
    mop_vk_pipelines_release(vk);
    if (vk->device != VK_NULL_HANDLE && vk->fn.DestroyDevice != NULL)
        vk->fn.DestroyDevice(vk->device, NULL);
    mop_vk_instance_close(vk);
    free(vk);
}
