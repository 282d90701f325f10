/* Optional features of a Vulkan device (features.def): what it offers, what is switched off, what
 * is enabled; and which path kernels take because of it. */
#ifndef KERNELS_VK_FEATURES_H
#define KERNELS_VK_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/dtype.h"
#include "kernels/vk/loader.h"

enum mop_vk_feature_index {
#define MOP_VK_FEATURE_ROW(ID, word, version, extension, structure, bit, what) MOP_VK_AT_##ID,
#include "kernels/vk/features.def"
#undef MOP_VK_FEATURE_ROW
    MOP_VK_N_FEATURES
};

/* Bits of mop_vk_caps: MOP_VK_CAN_FP16 and so on. */
enum mop_vk_feature {
#define MOP_VK_FEATURE_ROW(ID, word, version, extension, structure, bit, what)                     \
    MOP_VK_CAN_##ID = 1 << MOP_VK_AT_##ID,
#include "kernels/vk/features.def"
#undef MOP_VK_FEATURE_ROW
    MOP_VK_CAN_ALL = (1 << MOP_VK_N_FEATURES) - 1
};

/* Word and purpose of feature `index` < MOP_VK_N_FEATURES. */
const char *mop_vk_feature_word(size_t index);
const char *mop_vk_feature_what(size_t index);

struct mop_op_inst;

/* What decides which shader does a node's work and how it is cut into workgroups. */
typedef struct mop_vk_caps {
    uint32_t has;      /* MOP_VK_CAN_*: what the device offers */
    uint32_t features; /* of those, what is enabled: what kernels may use */
    uint32_t lanes;    /* invocations of a workgroup: the subgroup size where that is usable */
    bool shuffle;      /* MOP_VK_CAN_SHUFFLE, and a workgroup of `lanes` invocations is one whole
                          subgroup: the size is fixed, or can be asked for */
    bool is_software;  /* a CPU pretending to be a GPU */
    uint32_t driver, vendor, type; /* VkDriverId (0: not told), vendorID, VkPhysicalDeviceType */
    uint32_t driver_version;       /* in the driver's own encoding */
    uint32_t required_lanes;       /* to ask for at pipeline creation; 0: not asked */
    uint32_t own_lanes, least_lanes, most_lanes; /* subgroup sizes; the range is 0, 0 if unknown */
    uint32_t max_groups[3];
    uint32_t max_texels; /* elements of one texel buffer view; 0 without MOP_VK_CAN_TEXEL */
    uint32_t max_range;  /* bytes of one storage buffer */
    /* The name of the variant that a measurement found fastest for inst in dtype
     * (mop_vk_variant_name); NULL if there was none. The function may be NULL. */
    const char *(*tuned)(const void *ctx, const struct mop_op_inst *inst, mop_dtype dtype);
    const void *tuned_ctx;
} mop_vk_caps;

struct mop_vk_switches;

/* Fills caps for a physical device under switches; needs no VkDevice. MOP_ENODEV for a device of
 * Vulkan 1.0, MOP_EUNSUPPORTED for a subgroup size that it cannot be made to have. */
mop_status mop_vk_probe(const mop_vk_fn *fn, VkPhysicalDevice physical,
                        const struct mop_vk_switches *switches, mop_vk_caps *caps, mop_err *err);

/* A feature structure as all of them begin. */
typedef struct mop_vk_feature_block {
    VkStructureType sType;
    void *pNext;
    VkBool32 bit[sizeof(VkPhysicalDeviceFeatures) / sizeof(VkBool32)]; /* the largest */
} mop_vk_feature_block;

/* What vkCreateDevice has to be given. Refers to itself: not to be copied. */
typedef struct mop_vk_enabled {
    mop_vk_feature_block blocks[MOP_VK_N_FEATURES];
    void *chain; /* pNext of VkDeviceCreateInfo */
    const char *extensions[MOP_VK_N_FEATURES + 1];
    uint32_t n_extensions;
} mop_vk_enabled;

/* For caps->features of `physical`, and the portability subset, which must be enabled where there
 * is one. */
mop_status mop_vk_enable(const mop_vk_fn *fn, VkPhysicalDevice physical, const mop_vk_caps *caps,
                         mop_vk_enabled *out, mop_err *err);

#endif
