/* The pipeline cache between processes: one file for a device, its driver and these shaders, whose
 * bytes are checked before a driver sees them. A file that is no good counts as none and is
 * replaced. */
#ifndef KERNELS_VK_CACHE_H
#define KERNELS_VK_CACHE_H

#include "kernels/vk/context.h"

/* Bytes before the driver's own: magic, made_by, length and hash of what follows. */
enum { MOP_VK_CACHE_HEAD = 32, MOP_VK_CACHE_DRIVER_HEAD = 32 };

/* Writes the MOP_VK_CACHE_HEAD bytes that go before data[n]. */
void mop_vk_cache_head(const mop_vk_cache_key *key, const void *data, size_t n,
                       unsigned char head[MOP_VK_CACHE_HEAD]);

/* Finds the driver's data in file[bytes]: *data (within file) and *n. MOP_EINVAL with what is wrong
 * ("is cut short") if it is not whole, not the key's, or does not begin as Vulkan 1.0 says a
 * pipeline cache does (VkPipelineCacheHeaderVersionOne). */
mop_status mop_vk_cache_check(const void *file, size_t bytes, const mop_vk_cache_key *key,
                              const void **data, size_t *n, mop_err *err);

/* Makes vk->cache, filled from a file in `folder` (NULL: none is kept). A file that cannot be used
 * is no failure: vk->note tells of it. */
mop_status mop_vk_cache_open(mop_vk *vk, const char *folder, mop_err *err);

/* Writes the file anew if pipelines were made since; failing is only a note. */
void mop_vk_cache_save(mop_vk *vk);
void mop_vk_cache_close(mop_vk *vk);

/* "none", "cold", "bare", "warm", "rejected" */
const char *mop_vk_cache_state_name(mop_vk_cache_state state);

#endif
