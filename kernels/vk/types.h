/* Number types on Vulkan: what a device runs, how values lie in memory, and how finely a task keeps
 * them. */
#ifndef KERNELS_VK_TYPES_H
#define KERNELS_VK_TYPES_H

#include "kernels/vk/kernel.h"

/* MOP_EUNSUPPORTED with what the device lacks. */
mop_status mop_vk_runs(const mop_vk_caps *caps, mop_dtype dtype, mop_err *err);

/* n values to memory as dtype holds them, and back. float16 gets no subnormals, here as in shaders,
 * because a device may flush them where it reads. */
void mop_vk_encode(mop_dtype dtype, const float *src, void *dst, size_t n);
void mop_vk_decode(mop_dtype dtype, const void *src, float *dst, size_t n);

/* What mop_backend's precision() and hold() say of a task; MOP_OP_INPUT has one too. */
void mop_vk_precision(const mop_vk_task *task, mop_precision *out);
void mop_vk_hold(const mop_vk_task *task, uint32_t j, float *w, size_t n);

/* The scale of n values that share one as 8-bit integers, and a value as such an integer, -127 to
 * 127. */
float mop_vk_int8_scale(const float *w, size_t n);
int mop_vk_int8_of(float w, float scale);

/* The bound of a task that the operator's own under mop_vk_precision() does not cover; else NULL.
 */
mop_bound_fn *mop_vk_bound(const mop_vk_task *task);

#endif
