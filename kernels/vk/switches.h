/* What is switched off or forced on a Vulkan device: the words of --vulkan. */
#ifndef KERNELS_VK_SWITCHES_H
#define KERNELS_VK_SWITCHES_H

#include "kernels/vk/features.h"

/* What --vulkan says. Zero: the device is used as it is. */
typedef struct mop_vk_switches {
    uint32_t killed; /* MOP_VK_CAN_*: not to be used */
    bool staging;    /* copies through staging buffers even where memory is shared */
    bool flush;      /* mapped memory is flushed and invalidated even if it is coherent */
    uint32_t lanes;  /* subgroup size to force; 0: the device's own */
} mop_vk_switches;

#define MOP_VK_SWITCHES_TEXT 256

/* "no-fp16,staging,flush,subgroup=16" in any order; NULL or "" is none. MOP_EINVAL for an unknown
 * word, with the nearest one. */
mop_status mop_vk_switches_parse(const char *text, mop_vk_switches *out, mop_err *err);

/* The one spelling of s, words separated by `between` (at most 2 characters); "" for none. */
const char *mop_vk_switches_name(const mop_vk_switches *s, const char *between,
                                 char out[MOP_VK_SWITCHES_TEXT]);

#endif
