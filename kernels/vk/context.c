#include "kernels/vk/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/vk/instance.h"
#include "kernels/vk/pipeline.h"
#include "profiler/base/alloc.h"

static mop_status find_queue(mop_vk *vk, mop_err *err)
{
    VkQueueFamilyProperties p[16];
    uint32_t n = 16;
    vk->fn.GetPhysicalDeviceQueueFamilyProperties(vk->physical, &n, p);
    for (uint32_t i = 0; i < n; i++) {
        if ((p[i].queueFlags & VK_QUEUE_COMPUTE_BIT) == 0)
            continue;
        vk->family = i;
        vk->timestamp_bits =
            (vk->caps.features & MOP_VK_CAN_TIMESTAMPS) != 0 ? p[i].timestampValidBits : 0;
        return MOP_OK;
    }
    return mop_fail(err, MOP_ENODEV, "Vulkan device \"%s\" has no compute queue", vk->info.name);
}

static mop_status create_device(mop_vk *vk, mop_err *err)
{
    mop_vk_enabled enabled;
    mop_status s = mop_vk_enable(&vk->fn, vk->physical, &vk->caps, &enabled, err);
    if (s != MOP_OK)
        return s;
    const float priority = 1;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = vk->family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = enabled.chain,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = enabled.n_extensions,
        .ppEnabledExtensionNames = enabled.extensions,
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

static void name_switches(mop_vk *vk, bool could_share)
{
    mop_vk_switches s = vk->switches;
    s.killed &= vk->caps.has;
    s.staging = s.staging && could_share;
    (void)mop_vk_switches_name(&s, ", ", vk->switched);
}

mop_status mop_vk_find(mop_vk *vk, const mop_vk_options *options, mop_err *err)
{
    VkPhysicalDeviceProperties properties;
    mop_status s = mop_vk_select(vk, options->selector, err);
    if (s == MOP_OK)
        s = mop_vk_probe(&vk->fn, vk->physical, &vk->switches, &vk->caps, err);
    if (s != MOP_OK)
        return s;
    vk->fn.GetPhysicalDeviceProperties(vk->physical, &properties);
    vk->fn.GetPhysicalDeviceMemoryProperties(vk->physical, &vk->memory);
    vk->limits = properties.limits;
    const bool could_share = vk->info.type == VK_PHYSICAL_DEVICE_TYPE_CPU ||
                             vk->info.type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    vk->is_shared = could_share && !vk->switches.staging;
    vk->macs_per_submit = MOP_VK_MACS_PER_SUBMIT;
    vk->spins = vk->info.type != VK_PHYSICAL_DEVICE_TYPE_CPU;
    vk->threads = options->threads;
    name_switches(vk, could_share);
    return find_queue(vk, err);
}

mop_status mop_vk_connect(mop_vk *vk, const mop_vk_options *options, mop_err *err)
{
    mop_status s = mop_vk_find(vk, options, err);
    if (s == MOP_OK)
        s = create_device(vk, err);
    return s == MOP_OK ? mop_vk_pipelines_init(vk, options->pipeline_cache, err) : s;
}

mop_status mop_vk_open(const mop_vk_options *options, mop_vk **out, mop_err *err)
{
    mop_vk *vk = mop_calloc(1, sizeof *vk, err);
    if (vk == NULL)
        return MOP_ENOMEM;
    mop_status s = mop_vk_instance_open(vk, options, err);
    if (s == MOP_OK)
        s = mop_vk_connect(vk, options, err);
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
