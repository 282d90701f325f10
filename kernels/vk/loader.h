/* The Vulkan loader, opened at run time: a machine without Vulkan runs everything else. */
#ifndef KERNELS_VK_LOADER_H
#define KERNELS_VK_LOADER_H

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include "profiler/base/status.h"

/* Every entry point the program calls. The table belongs to one context and may be patched by a
 * test to inject failures. */
typedef struct mop_vk_fn {
    PFN_vkGetInstanceProcAddr GetInstanceProcAddr;
#define MOP_VK_GLOBAL(name)       PFN_vk##name name;
#define MOP_VK_INSTANCE(name)     PFN_vk##name name;
#define MOP_VK_INSTANCE_OPT(name) PFN_vk##name name;
#define MOP_VK_DEVICE(name)       PFN_vk##name name;
#define MOP_VK_DEVICE_OPT(name)   PFN_vk##name name;
#include "kernels/vk/functions.def"
#undef MOP_VK_GLOBAL
#undef MOP_VK_INSTANCE
#undef MOP_VK_INSTANCE_OPT
#undef MOP_VK_DEVICE
#undef MOP_VK_DEVICE_OPT
    PFN_vkEnumerateInstanceVersion EnumerateInstanceVersion; /* NULL on a Vulkan 1.0 loader */
} mop_vk_fn;

/* Opens the first of libvulkan.so.1, libvulkan.so, libvulkan.dylib, libMoltenVK.dylib and fills the
 * global entry points, by `entry` if that is not NULL. MOP_ENODEV if none can be opened. *lib goes
 * to mop_vk_loader_close(). */
mop_status mop_vk_loader_open(PFN_vkGetInstanceProcAddr entry, void **lib, mop_vk_fn *fn,
                              mop_err *err);
void mop_vk_loader_close(void *lib); /* NULL is fine */

/* In builds with AddressSanitizer: keeps every library loaded so far until the process ends, for
 * the leak check. Otherwise does nothing. */
void mop_vk_loader_keep(void);

/* Fill the entry points of an instance and of a device. MOP_ENODEV names the missing one. */
mop_status mop_vk_load_instance(mop_vk_fn *fn, VkInstance instance, mop_err *err);
mop_status mop_vk_load_device(mop_vk_fn *fn, VkDevice device, mop_err *err);

#endif
