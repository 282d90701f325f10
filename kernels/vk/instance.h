/* Opening a context in its parts: loader, instance, validation; choice of the physical device;
 * device. */
#ifndef KERNELS_VK_INSTANCE_H
#define KERNELS_VK_INSTANCE_H

#include "kernels/vk/context.h"

/* Takes the switches, opens the loader and creates the instance (with validation if asked), whose
 * devices are as options and switches want them. On failure vk holds what
 * mop_vk_instance_close() has to undo. */
mop_status mop_vk_instance_open(mop_vk *vk, const mop_vk_options *options, mop_err *err);
void mop_vk_instance_close(mop_vk *vk);

/* Chooses the physical device of an open instance and sets all of vk that can be known before a
 * device is made: info, capabilities, limits, memory, queue family. */
mop_status mop_vk_find(mop_vk *vk, const mop_vk_options *options, mop_err *err);

/* The rest of opening: mop_vk_find, device, queue, memory and pipelines of an open instance, into
 * vk, which is left for mop_vk_close() also on failure. */
mop_status mop_vk_connect(mop_vk *vk, const mop_vk_options *options, mop_err *err);

/* Allocates and fills *list with the *n physical devices; free() it. MOP_ENODEV if there is none.
 */
mop_status mop_vk_enumerate(mop_vk *vk, VkPhysicalDevice **list, uint32_t *n, mop_err *err);

void mop_vk_describe(const mop_vk *vk, VkPhysicalDevice device, mop_vk_device_info *info);

/* Sets vk->physical and vk->info by selector (see mop_vk_options). */
mop_status mop_vk_select(mop_vk *vk, const char *selector, mop_err *err);

#endif
