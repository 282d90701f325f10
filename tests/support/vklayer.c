#include "tests/support/vklayer.h"

#include <stdint.h>
#include <string.h>

#include "tests/support/vulkan.h"

vklayer vklayer_now;

/* What the loader has. */
static struct {
    PFN_vkGetDeviceProcAddr GetDeviceProcAddr;
#define VKLAYER_CALL(name, params, args)         PFN_vk##name name;
#define VKLAYER_MAKE(name, params, args, n)      PFN_vk##name name;
#define VKLAYER_VOID(name, params, args)         PFN_vk##name name;
#define VKLAYER_FREE(name, handle, params, args) PFN_vk##name name;
#define VKLAYER_OWN(name, params, args)          PFN_vk##name name;
#define VKLAYER_OWNVOID(name, params, args)      PFN_vk##name name;
#include "tests/support/vklayer.def"
} real;

static bool fails(int call, const char *name)
{
    vklayer *l = &vklayer_now;
    l->seen[call]++;
    if (l->fails_only != 0 && l->fails_only != call)
        return false;
    if (++l->can_fail != l->fail_at)
        return false;
    l->failed = name;
    return true;
}

#define VKLAYER_CALL(name, params, args)                                                           \
    static VkResult VKAPI_PTR layer_##name params                                                  \
    {                                                                                              \
        return fails(VKLAYER_##name, #name) ? vklayer_now.with : real.name args;                   \
    }
#define VKLAYER_MAKE(name, params, args, n_made)                                                   \
    static VkResult VKAPI_PTR layer_##name params                                                  \
    {                                                                                              \
        VkResult r = fails(VKLAYER_##name, #name) ? vklayer_now.with : real.name args;             \
        vklayer_now.live += r == VK_SUCCESS ? (n_made) : 0;                                        \
        return r;                                                                                  \
    }
#define VKLAYER_VOID(name, params, args)                                                           \
    static void VKAPI_PTR layer_##name params                                                      \
    {                                                                                              \
        vklayer_now.seen[VKLAYER_##name]++;                                                        \
        real.name args;                                                                            \
    }
#define VKLAYER_FREE(name, handle, params, args)                                                   \
    static void VKAPI_PTR layer_##name params                                                      \
    {                                                                                              \
        vklayer_now.seen[VKLAYER_##name]++;                                                        \
        vklayer_now.live -= handle != VK_NULL_HANDLE;                                              \
        real.name args;                                                                            \
    }
#define VKLAYER_OWN(name, params, args)     static VkResult VKAPI_PTR layer_##name params;
#define VKLAYER_OWNVOID(name, params, args) static void VKAPI_PTR layer_##name params;
#include "tests/support/vklayer.def"

static VkResult VKAPI_PTR layer_QueueSubmit(VkQueue q, uint32_t n, const VkSubmitInfo *info,
                                            VkFence fence)
{
    vklayer_now.with_fence += fence != VK_NULL_HANDLE;
    return fails(VKLAYER_QueueSubmit, "QueueSubmit") ? vklayer_now.with
                                                     : real.QueueSubmit(q, n, info, fence);
}

static VkResult VKAPI_PTR layer_GetFenceStatus(VkDevice d, VkFence fence)
{
    if (fails(VKLAYER_GetFenceStatus, "GetFenceStatus"))
        return vklayer_now.with;
    if (vklayer_now.not_ready == 0)
        return real.GetFenceStatus(d, fence);
    vklayer_now.not_ready -= vklayer_now.not_ready > 0;
    return VK_NOT_READY;
}

static VkResult VKAPI_PTR layer_WaitForFences(VkDevice d, uint32_t n, const VkFence *fences,
                                              VkBool32 all, uint64_t timeout)
{
    if (vklayer_now.seen[VKLAYER_WaitForFences] == 0)
        vklayer_now.first_wait_ns = timeout;
    return fails(VKLAYER_WaitForFences, "WaitForFences")
               ? vklayer_now.with
               : real.WaitForFences(d, n, fences, all, timeout);
}

static void VKAPI_PTR layer_CmdPipelineBarrier(VkCommandBuffer c, VkPipelineStageFlags from,
                                               VkPipelineStageFlags to, VkDependencyFlags f,
                                               uint32_t n, const VkMemoryBarrier *m, uint32_t nb,
                                               const VkBufferMemoryBarrier *b, uint32_t ni,
                                               const VkImageMemoryBarrier *i)
{
    vklayer_now.seen[VKLAYER_CmdPipelineBarrier]++;
    if (++vklayer_now.barriers == vklayer_now.drop_at) {
        vklayer_now.dropped_from = from;
        vklayer_now.dropped_to = to;
        return;
    }
    real.CmdPipelineBarrier(c, from, to, f, n, m, nb, b, ni, i);
}

/* Keeps what the loader has for a name and gives the layer's own; NULL where the layer has none. */
static PFN_vkVoidFunction own(const char *name, PFN_vkVoidFunction of_loader)
{
#define VKLAYER_ROW(id)                                                                            \
    if (strcmp(name, "vk" #id) == 0) {                                                             \
        real.id = (PFN_vk##id)of_loader;                                                           \
        return (PFN_vkVoidFunction)layer_##id;                                                     \
    }
#define VKLAYER_CALL(id, params, args)         VKLAYER_ROW(id)
#define VKLAYER_MAKE(id, params, args, n)      VKLAYER_ROW(id)
#define VKLAYER_VOID(id, params, args)         VKLAYER_ROW(id)
#define VKLAYER_FREE(id, handle, params, args) VKLAYER_ROW(id)
#define VKLAYER_OWN(id, params, args)          VKLAYER_ROW(id)
#define VKLAYER_OWNVOID(id, params, args)      VKLAYER_ROW(id)
#include "tests/support/vklayer.def"
    return NULL;
}

static PFN_vkVoidFunction look_up(const char *name, PFN_vkVoidFunction of_loader)
{
    if (of_loader == NULL)
        return NULL;
    if (++vklayer_now.looked_up == vklayer_now.hide_at) {
        vklayer_now.failed = name;
        return NULL;
    }
    PFN_vkVoidFunction f = own(name, of_loader);
    return f != NULL ? f : of_loader;
}

static PFN_vkVoidFunction VKAPI_PTR device_entry(VkDevice device, const char *name)
{
    return look_up(name, real.GetDeviceProcAddr(device, name));
}

PFN_vkVoidFunction VKAPI_PTR vklayer_entry(VkInstance instance, const char *name)
{
    PFN_vkVoidFunction f = vulkan_lookup(instance, name);
    if (strcmp(name, "vkGetDeviceProcAddr") != 0)
        return look_up(name, f);
    real.GetDeviceProcAddr = (PFN_vkGetDeviceProcAddr)f;
    return (PFN_vkVoidFunction)device_entry;
}

void vklayer_reset(void)
{
    const int live = vklayer_now.live;
    vklayer_now = (vklayer){.live = live};
}

int vklayer_total(void)
{
    int n = 0;
    for (int i = 0; i < VKLAYER_CALLS; i++)
        n += vklayer_now.seen[i];
    return n;
}

const char *vklayer_name(int call)
{
    static const char *const names[] = {
#define VKLAYER_CALL(name, params, args)         #name,
#define VKLAYER_MAKE(name, params, args, n)      #name,
#define VKLAYER_VOID(name, params, args)         #name,
#define VKLAYER_FREE(name, handle, params, args) #name,
#define VKLAYER_OWN(name, params, args)          #name,
#define VKLAYER_OWNVOID(name, params, args)      #name,
#include "tests/support/vklayer.def"
    };
    return call >= 0 && call < VKLAYER_CALLS ? names[call] : NULL;
}
