/* Buffers with their own memory, mapped or reached by copies. */
#ifndef KERNELS_VK_MEMORY_H
#define KERNELS_VK_MEMORY_H

#include "kernels/vk/context.h"

typedef enum mop_vk_where {
    MOP_VK_DEVICE, /* fastest for shaders; mapped only where vk->is_shared */
    MOP_VK_HOST    /* always mapped: the other end of a copy */
} mop_vk_where;

typedef struct mop_vk_buffer {
    VkBuffer handle;
    VkDeviceMemory memory;
    void *mapped; /* NULL unless the host can reach it */
    size_t bytes;
    bool is_coherent; /* and need not be treated as if it were not */
} mop_vk_buffer;

/* Starts from {0}; on failure *b is {0} again. bytes > 0. */
mop_status mop_vk_buffer_init(mop_vk *vk, mop_vk_buffer *b, size_t bytes, mop_vk_where where,
                              mop_err *err);
void mop_vk_buffer_release(mop_vk *vk, mop_vk_buffer *b); /* {0} is fine */

/* Makes host writes visible to the device, or device writes to the host, for a mapped buffer. */
mop_status mop_vk_buffer_flush(mop_vk *vk, const mop_vk_buffer *b, mop_err *err);
mop_status mop_vk_buffer_invalidate(mop_vk *vk, const mop_vk_buffer *b, mop_err *err);

#endif
