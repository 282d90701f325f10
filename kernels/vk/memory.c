#include "kernels/vk/memory.h"

static bool find_type(const mop_vk *vk, uint32_t allowed, VkMemoryPropertyFlags want,
                      uint32_t *type)
{
    for (uint32_t i = 0; i < vk->memory.memoryTypeCount; i++) {
        if ((allowed >> i & 1) != 0 && (vk->memory.memoryTypes[i].propertyFlags & want) == want) {
            *type = i;
            return true;
        }
    }
    return false;
}

/* The memory type that suits best; some type always fits the last, empty wish. */
static bool choose_type(const mop_vk *vk, uint32_t allowed, bool mapped, uint32_t *type)
{
    const VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    const VkMemoryPropertyFlags host = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
    const VkMemoryPropertyFlags cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    const VkMemoryPropertyFlags coherent = VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    if (mapped)
        return find_type(vk, allowed, host | cached | coherent, type) ||
               find_type(vk, allowed, host | cached, type) || find_type(vk, allowed, host, type);
    return find_type(vk, allowed, local, type) || find_type(vk, allowed, 0, type);
}

mop_status mop_vk_buffer_init(mop_vk *vk, mop_vk_buffer *b, size_t bytes, mop_vk_where where,
                              mop_err *err)
{
    const VkBufferUsageFlags texel =
        (vk->caps.features & MOP_VK_CAN_TEXEL) != 0 ? VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT : 0;
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = bytes,
        .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                 VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | texel,
    };
    mop_vk_buffer t = {.bytes = bytes};
    VkMemoryRequirements need;
    uint32_t type = 0;
    bool mapped = where == MOP_VK_HOST || vk->is_shared;
    VkResult r = vk->fn.CreateBuffer(vk->device, &info, NULL, &t.handle);
    if (r != VK_SUCCESS)
        return mop_vk_fail(vk, r, "vkCreateBuffer", err);
    vk->fn.GetBufferMemoryRequirements(vk->device, t.handle, &need);
    const char *what = "vkAllocateMemory";
    if (!choose_type(vk, need.memoryTypeBits, mapped, &type)) {
        mop_vk_buffer_release(vk, &t);
        return mop_fail(err, MOP_EUNSUPPORTED,
                        "Vulkan device \"%s\" has no memory the host can map", vk->info.name);
    }
    const VkMemoryAllocateInfo alloc = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = need.size,
        .memoryTypeIndex = type,
    };
    t.is_coherent = !vk->switches.flush && (vk->memory.memoryTypes[type].propertyFlags &
                                            VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) != 0;
    r = vk->fn.AllocateMemory(vk->device, &alloc, NULL, &t.memory);
    if (r == VK_SUCCESS) {
        what = "vkBindBufferMemory";
        r = vk->fn.BindBufferMemory(vk->device, t.handle, t.memory, 0);
    }
    if (r == VK_SUCCESS && mapped) {
        what = "vkMapMemory";
        r = vk->fn.MapMemory(vk->device, t.memory, 0, VK_WHOLE_SIZE, 0, &t.mapped);
    }
    if (r != VK_SUCCESS) {
        mop_vk_buffer_release(vk, &t);
        return mop_vk_fail(vk, r, what, err);
    }
    *b = t;
    return MOP_OK;
}

void mop_vk_buffer_release(mop_vk *vk, mop_vk_buffer *b)
{
    vk->fn.DestroyBuffer(vk->device, b->handle, NULL); /* null handles are fine */
    vk->fn.FreeMemory(vk->device, b->memory, NULL);    /* unmaps */
    *b = (mop_vk_buffer){0};
}

static VkMappedMemoryRange whole(const mop_vk_buffer *b)
{
    return (VkMappedMemoryRange){
        .sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, .memory = b->memory, .size = VK_WHOLE_SIZE};
}

mop_status mop_vk_buffer_flush(mop_vk *vk, const mop_vk_buffer *b, mop_err *err)
{
    const VkMappedMemoryRange range = whole(b);
    if (b->is_coherent)
        return MOP_OK;
    VkResult r = vk->fn.FlushMappedMemoryRanges(vk->device, 1, &range);
    return r == VK_SUCCESS ? MOP_OK : mop_vk_fail(vk, r, "vkFlushMappedMemoryRanges", err);
}

mop_status mop_vk_buffer_invalidate(mop_vk *vk, const mop_vk_buffer *b, mop_err *err)
{
    const VkMappedMemoryRange range = whole(b);
    if (b->is_coherent)
        return MOP_OK;
    VkResult r = vk->fn.InvalidateMappedMemoryRanges(vk->device, 1, &range);
    return r == VK_SUCCESS ? MOP_OK : mop_vk_fail(vk, r, "vkInvalidateMappedMemoryRanges", err);
}
