#include "kernels/vk/features.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/vk/switches.h"
#include "profiler/base/alloc.h"

#define NONE            VK_STRUCTURE_TYPE_MAX_ENUM
#define NEVER           UINT32_MAX
#define AT_SHADER_INT64 (offsetof(VkPhysicalDeviceFeatures, shaderInt64) / sizeof(VkBool32))
/* In headers from 1.3.255 on. */
#define STRUCTURE_COOPERATIVE_MATRIX_KHR ((VkStructureType)1000506000)

static const struct feature {
    const char *word, *extension, *what;
    uint32_t version;
    VkStructureType structure;
    uint32_t bit;
} features[] = {
#define MOP_VK_FEATURE_ROW(ID, word, version, extension, structure, bit, what)                     \
    {word, extension, what, version, structure, bit},
#include "kernels/vk/features.def"
#undef MOP_VK_FEATURE_ROW
};

/* A physical device while it is looked at. */
struct sight {
    const mop_vk_fn *fn;
    VkPhysicalDevice physical;
    VkPhysicalDeviceProperties base;
    VkPhysicalDeviceSubgroupProperties subgroup;
    VkPhysicalDeviceSubgroupSizeControlProperties range; /* sizes 0 where unknown */
    VkPhysicalDeviceDriverProperties driver;             /* driverID 0 where unknown */
    VkExtensionProperties *extensions;
    uint32_t n_extensions;
};

const char *mop_vk_feature_word(size_t index)
{
    return features[index].word;
}

const char *mop_vk_feature_what(size_t index)
{
    return features[index].what;
}

static mop_status list_extensions(struct sight *s, mop_err *err)
{
    uint32_t n = 0;
    VkResult r = s->fn->EnumerateDeviceExtensionProperties(s->physical, NULL, &n, NULL);
    s->extensions = mop_calloc(n > 0 ? n : 1, sizeof *s->extensions, err);
    if (s->extensions == NULL)
        return MOP_ENOMEM;
    if (r == VK_SUCCESS)
        r = s->fn->EnumerateDeviceExtensionProperties(s->physical, NULL, &n, s->extensions);
    if (r < 0)
        return mop_fail(err, r == VK_ERROR_OUT_OF_HOST_MEMORY ? MOP_ENOMEM : MOP_ENODEV,
                        "Vulkan device \"%s\" does not list its extensions (%d)",
                        s->base.deviceName, (int)r);
    s->n_extensions = n;
    return MOP_OK;
}

static bool has_extension(const struct sight *s, const char *name)
{
    for (uint32_t i = 0; name != NULL && i < s->n_extensions; i++)
        if (strcmp(s->extensions[i].extensionName, name) == 0)
            return true;
    return false;
}

static bool is_core(const struct sight *s, size_t i)
{
    return s->base.apiVersion >= features[i].version;
}

static bool is_known(const struct sight *s, size_t i)
{
    return is_core(s, i) || has_extension(s, features[i].extension);
}

/* Properties and extensions; s is to be released also on failure. */
static mop_status look(struct sight *s, mop_err *err)
{
    s->fn->GetPhysicalDeviceProperties(s->physical, &s->base);
    if (s->base.apiVersion < VK_API_VERSION_1_1)
        return mop_fail(err, MOP_ENODEV, "Vulkan device \"%s\" is version 1.0; 1.1 is needed",
                        s->base.deviceName);
    mop_status status = list_extensions(s, err);
    if (status != MOP_OK)
        return status;
    VkPhysicalDeviceProperties2 p = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                     .pNext = &s->subgroup};
    s->subgroup.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES;
    s->range.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES;
    if (is_known(s, MOP_VK_AT_SUBGROUP_SIZE))
        s->subgroup.pNext = &s->range;
    s->driver.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES;
    s->driver.pNext = p.pNext;
    if (s->base.apiVersion >= VK_API_VERSION_1_2 || has_extension(s, "VK_KHR_driver_properties"))
        p.pNext = &s->driver;
    s->fn->GetPhysicalDeviceProperties2(s->physical, &p);
    return MOP_OK;
}

/* The device's clock can be read together with the one that the program uses. */
static bool has_domains(const struct sight *s)
{
    VkTimeDomainEXT domains[16];
    uint32_t n = 16;
    bool device = false, host = false;
    if (s->fn->GetPhysicalDeviceCalibrateableTimeDomainsEXT == NULL ||
        s->fn->GetPhysicalDeviceCalibrateableTimeDomainsEXT(s->physical, &n, domains) < 0)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        device = device || domains[i] == VK_TIME_DOMAIN_DEVICE_EXT;
        host = host || domains[i] == VK_TIME_DOMAIN_CLOCK_MONOTONIC_EXT;
    }
    return device && host;
}

/* The queue that compute work goes to, the first that takes any, counts time. */
static bool has_timestamps(const struct sight *s)
{
    VkQueueFamilyProperties p[16];
    uint32_t n = 16;
    s->fn->GetPhysicalDeviceQueueFamilyProperties(s->physical, &n, p);
    for (uint32_t i = 0; i < n; i++)
        if ((p[i].queueFlags & VK_QUEUE_COMPUTE_BIT) != 0)
            return p[i].timestampValidBits > 0;
    return false;
}

/* What a device must offer beside the feature bit. */
static bool has_more(const struct sight *s, size_t i)
{
    const VkShaderStageFlags compute = VK_SHADER_STAGE_COMPUTE_BIT;
    const uint32_t size = s->subgroup.subgroupSize;
    VkFormatProperties format;
    switch (i) {
    case MOP_VK_AT_SHUFFLE:
        return (s->subgroup.supportedStages & compute) != 0 && size >= 4 && size <= 64 &&
               (s->subgroup.supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT) != 0;
    case MOP_VK_AT_SUBGROUP_SIZE:
        return (s->range.requiredSubgroupSizeStages & compute) != 0;
    case MOP_VK_AT_TEXEL:
        s->fn->GetPhysicalDeviceFormatProperties(s->physical, VK_FORMAT_R32G32B32A32_SFLOAT,
                                                 &format);
        return (format.bufferFeatures & VK_FORMAT_FEATURE_UNIFORM_TEXEL_BUFFER_BIT) != 0;
    case MOP_VK_AT_CALIBRATED:
        return has_domains(s);
    case MOP_VK_AT_TIMESTAMPS:
        return has_timestamps(s);
    default:
        return true;
    }
}

/* Asks for the bits of all known structures at once. */
static uint32_t find_features(const struct sight *s)
{
    mop_vk_feature_block blocks[MOP_VK_N_FEATURES] = {0};
    VkPhysicalDeviceFeatures2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    uint32_t has = 0;
    for (size_t i = 0; i < MOP_VK_N_FEATURES; i++) {
        if (features[i].structure == NONE || features[i].structure == all.sType || !is_known(s, i))
            continue;
        blocks[i].sType = features[i].structure;
        blocks[i].pNext = all.pNext;
        all.pNext = &blocks[i];
    }
    s->fn->GetPhysicalDeviceFeatures2(s->physical, &all);
    for (size_t i = 0; i < MOP_VK_N_FEATURES; i++) {
        if (features[i].structure == all.sType)
            memcpy(blocks[i].bit, &all.features, sizeof blocks[i].bit);
        bool bit = features[i].structure == NONE || blocks[i].bit[features[i].bit] == VK_TRUE;
        if (is_known(s, i) && bit && has_more(s, i))
            has |= 1u << i;
    }
    return has;
}

/* Workgroup size. Subgroups are usable if they can shuffle and a workgroup can be made exactly one
 * of them: a fixed size, or one that can be asked for. */
static mop_status size_subgroups(const struct sight *s, uint32_t wanted, mop_vk_caps *caps,
                                 mop_err *err)
{
    const uint32_t least = s->range.minSubgroupSize, most = s->range.maxSubgroupSize;
    const uint32_t own = s->subgroup.subgroupSize;
    const bool is_fixed = least != 0 && least == most;
    const bool can_ask = !is_fixed && (caps->features & MOP_VK_CAN_SUBGROUP_SIZE) != 0;
    const uint32_t lanes = wanted != 0 ? wanted : own;
    if (wanted != 0 && !(is_fixed && wanted == own) &&
        !(can_ask && wanted >= least && wanted <= most))
        return mop_fail(err, MOP_EUNSUPPORTED,
                        "subgroup=%u cannot be forced on Vulkan device \"%.80s\": its subgroups "
                        "have %u to %u lanes%s",
                        wanted, s->base.deviceName, least != 0 ? least : own,
                        most != 0 ? most : own,
                        is_fixed || can_ask ? "" : ", and their size cannot be asked for");
    caps->own_lanes = own;
    caps->least_lanes = least;
    caps->most_lanes = most;
    caps->shuffle = (caps->features & MOP_VK_CAN_SHUFFLE) != 0 && (is_fixed || can_ask);
    caps->required_lanes = can_ask && (caps->shuffle || wanted != 0) ? lanes : 0;
    caps->lanes = caps->shuffle || wanted != 0 ? lanes : caps->is_software && own != 0 ? own : 32;
    return MOP_OK;
}

mop_status mop_vk_probe(const mop_vk_fn *fn, VkPhysicalDevice physical,
                        const mop_vk_switches *switches, mop_vk_caps *caps, mop_err *err)
{
    struct sight s = {.fn = fn, .physical = physical};
    const VkPhysicalDeviceLimits *limits = &s.base.limits;
    mop_status status = look(&s, err);
    if (status == MOP_OK) {
        mop_vk_caps found = {
            .has = find_features(&s),
            .is_software = s.base.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU,
            .driver = s.driver.driverID,
            .vendor = s.base.vendorID,
            .type = s.base.deviceType,
            .driver_version = s.base.driverVersion,
            .max_texels = limits->maxTexelBufferElements,
            .max_range = limits->maxStorageBufferRange,
        };
        found.features = found.has & ~switches->killed;
        if ((found.features & MOP_VK_CAN_TEXEL) == 0)
            found.max_texels = 0; /* no tensor fits a view */
        memcpy(found.max_groups, limits->maxComputeWorkGroupCount, sizeof found.max_groups);
        status = size_subgroups(&s, switches->lanes, &found, err);
        if (status == MOP_OK)
            *caps = found;
    }
    free(s.extensions);
    return status;
}

mop_status mop_vk_enable(const mop_vk_fn *fn, VkPhysicalDevice physical, const mop_vk_caps *caps,
                         mop_vk_enabled *out, mop_err *err)
{
    struct sight s = {.fn = fn, .physical = physical};
    mop_status status = look(&s, err);
    *out = (mop_vk_enabled){0};
    for (size_t i = 0; i < MOP_VK_N_FEATURES && status == MOP_OK; i++) {
        mop_vk_feature_block *b = &out->blocks[i];
        if ((caps->features >> i & 1) == 0)
            continue;
        if (!is_core(&s, i))
            out->extensions[out->n_extensions++] = features[i].extension;
        if (features[i].structure == NONE)
            continue;
        b->sType = features[i].structure;
        b->pNext = out->chain;
        b->bit[features[i].bit] = VK_TRUE;
        out->chain = b;
    }
    if (status == MOP_OK && has_extension(&s, "VK_KHR_portability_subset"))
        out->extensions[out->n_extensions++] = "VK_KHR_portability_subset";
    free(s.extensions);
    return status;
}
