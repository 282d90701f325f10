/* Which kernel and variant a device takes unasked (defaults.def). */
#ifndef KERNELS_VK_DEFAULTS_H
#define KERNELS_VK_DEFAULTS_H

#include "kernels/vk/kernel.h"

/* Operators that want the same treatment. */
typedef enum mop_vk_class {
    MOP_VK_DENSE,     /* convolution of one group over more than one pixel */
    MOP_VK_DEPTHWISE, /* a group for each channel */
    MOP_VK_OTHER,
    MOP_VK_CLASSES
} mop_vk_class;

enum { MOP_VK_ANY = -1 };

typedef struct mop_vk_default {
    int64_t driver, vendor, type; /* as Vulkan numbers them */
    mop_vk_class class;
    const char *kernel;
    int source, stores, x, y, t;
} mop_vk_default;

/* Row i of defaults.def, or NULL past the end. */
const mop_vk_default *mop_vk_default_at(size_t i);

mop_vk_class mop_vk_class_of(const mop_op_inst *inst);

/* Whether row speaks of inst on a device with these caps. */
bool mop_vk_default_is_for(const mop_vk_default *row, const mop_vk_caps *caps,
                           const mop_op_inst *inst);

/* Whether row would take this variant of kernel. */
bool mop_vk_default_takes(const mop_vk_default *row, const mop_vk_kernel *kernel,
                          const mop_vk_variant *variant);

#endif
