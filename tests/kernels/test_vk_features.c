/* What is found on a Vulkan device, what of it is enabled and how, and which device is chosen, on
 * devices that are made up: a function table needs no driver. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "kernels/vk/instance.h"
#include "kernels/vk/switches.h"

enum { MOST = 4 };

/* A made-up device; the tests set what they are about. */
typedef struct fake {
    const char *name;
    VkPhysicalDeviceType type;
    uint32_t version;
    const char *extensions[8];
    bool has_bits; /* every feature bit it is asked for */
    uint32_t own, least, most;
    bool can_shuffle, has_texel, has_domains;
    bool has_no_clock; /* its compute queue, not the one before it */
} fake;

static fake fakes[MOST];
static uint32_t n_fakes;

static const fake *at(VkPhysicalDevice device)
{
    return (const fake *)(const void *)device;
}

static VkPhysicalDevice handle(fake *f)
{
    return (VkPhysicalDevice)(void *)f;
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_devices(VkInstance instance, uint32_t *n,
                                                   VkPhysicalDevice *out)
{
    (void)instance;
    *n = n_fakes;
    for (uint32_t i = 0; out != NULL && i < n_fakes; i++)
        out[i] = handle(&fakes[i]);
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL fake_properties(VkPhysicalDevice d, VkPhysicalDeviceProperties *p)
{
    *p = (VkPhysicalDeviceProperties){.apiVersion = at(d)->version, .deviceType = at(d)->type};
    p->limits.maxTexelBufferElements = 65536;
    (void)snprintf(p->deviceName, sizeof p->deviceName, "%s", at(d)->name);
}

static VKAPI_ATTR void VKAPI_CALL fake_properties2(VkPhysicalDevice d,
                                                   VkPhysicalDeviceProperties2 *p)
{
    for (VkBaseOutStructure *s = p->pNext; s != NULL; s = s->pNext) {
        if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES) {
            VkPhysicalDeviceSubgroupProperties *sub = (void *)s;
            sub->subgroupSize = at(d)->own;
            sub->supportedStages = VK_SHADER_STAGE_COMPUTE_BIT;
            sub->supportedOperations = at(d)->can_shuffle ? VK_SUBGROUP_FEATURE_SHUFFLE_BIT : 0;
        } else if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES) {
            VkPhysicalDeviceSubgroupSizeControlProperties *range = (void *)s;
            range->minSubgroupSize = at(d)->least;
            range->maxSubgroupSize = at(d)->most;
            range->requiredSubgroupSizeStages = VK_SHADER_STAGE_COMPUTE_BIT;
        } else if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES) {
            VkPhysicalDeviceIDProperties *id = (void *)s;
            memset(id->deviceUUID, (int)(at(d) - fakes) + 0xa0, sizeof id->deviceUUID);
        }
    }
}

static VKAPI_ATTR void VKAPI_CALL fake_features2(VkPhysicalDevice d, VkPhysicalDeviceFeatures2 *f)
{
    f->features = (VkPhysicalDeviceFeatures){.shaderInt64 = at(d)->has_bits};
    for (VkBaseOutStructure *s = f->pNext; s != NULL; s = s->pNext)
        ((mop_vk_feature_block *)(void *)s)->bit[0] = at(d)->has_bits;
}

static VKAPI_ATTR void VKAPI_CALL fake_format(VkPhysicalDevice d, VkFormat format,
                                              VkFormatProperties *p)
{
    assert_int_equal(format, VK_FORMAT_R32G32B32A32_SFLOAT);
    *p = (VkFormatProperties){
        .bufferFeatures = at(d)->has_texel ? VK_FORMAT_FEATURE_UNIFORM_TEXEL_BUFFER_BIT : 0};
}

static VKAPI_ATTR void VKAPI_CALL fake_queues(VkPhysicalDevice d, uint32_t *n,
                                              VkQueueFamilyProperties *p)
{
    *n = 2;
    p[0] = (VkQueueFamilyProperties){.queueFlags = VK_QUEUE_TRANSFER_BIT, .timestampValidBits = 64};
    p[1] = (VkQueueFamilyProperties){.queueFlags = VK_QUEUE_COMPUTE_BIT,
                                     .timestampValidBits = at(d)->has_no_clock ? 0 : 36};
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_extensions(VkPhysicalDevice d, const char *layer,
                                                      uint32_t *n, VkExtensionProperties *out)
{
    (void)layer;
    for (*n = 0; *n < 8 && at(d)->extensions[*n] != NULL; ++*n)
        if (out != NULL)
            (void)snprintf(out[*n].extensionName, sizeof out[*n].extensionName, "%s",
                           at(d)->extensions[*n]);
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_domains(VkPhysicalDevice d, uint32_t *n,
                                                   VkTimeDomainEXT *out)
{
    *n = at(d)->has_domains ? 2 : 1;
    out[0] = VK_TIME_DOMAIN_DEVICE_EXT;
    if (at(d)->has_domains)
        out[1] = VK_TIME_DOMAIN_CLOCK_MONOTONIC_EXT;
    return VK_SUCCESS;
}

static const mop_vk_fn table = {
    .EnumeratePhysicalDevices = fake_devices,
    .GetPhysicalDeviceProperties = fake_properties,
    .GetPhysicalDeviceProperties2 = fake_properties2,
    .GetPhysicalDeviceFeatures2 = fake_features2,
    .GetPhysicalDeviceFormatProperties = fake_format,
    .GetPhysicalDeviceQueueFamilyProperties = fake_queues,
    .EnumerateDeviceExtensionProperties = fake_extensions,
    .GetPhysicalDeviceCalibrateableTimeDomainsEXT = fake_domains,
};

/* Everything that a device of this version has without extensions. */
static fake *start(uint32_t version)
{
    memset(fakes, 0, sizeof fakes);
    n_fakes = 1;
    fakes[0] = (fake){.name = "made up",
                      .type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU,
                      .version = version,
                      .has_bits = true,
                      .own = 32,
                      .least = 32,
                      .most = 32,
                      .can_shuffle = true,
                      .has_texel = true};
    return &fakes[0];
}

static mop_status probe(fake *f, const char *switches, mop_vk_caps *caps, mop_err *err)
{
    mop_vk_switches s;
    *err = (mop_err){0};
    assert_int_equal(mop_vk_switches_parse(switches, &s, err), MOP_OK);
    return mop_vk_probe(&table, handle(f), &s, caps, err);
}

static mop_vk_caps caps_of(fake *f, const char *switches)
{
    mop_vk_caps caps = {0};
    mop_err err;
    if (probe(f, switches, &caps, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    return caps;
}

/* What vkCreateDevice gets: structures with their first bit set, but for the one of version 1.0,
 * and extensions. */
static void expect_enabled(fake *f, const char *switches, size_t n_structures, size_t n_extensions)
{
    const mop_vk_caps caps = caps_of(f, switches);
    mop_vk_enabled e;
    mop_err err = {0};
    size_t n = 0;
    assert_int_equal(mop_vk_enable(&table, handle(f), &caps, &e, &err), MOP_OK);
    for (VkBaseOutStructure *s = e.chain; s != NULL; s = s->pNext, n++)
        assert_int_equal(s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2
                             ? ((VkPhysicalDeviceFeatures2 *)(void *)s)->features.shaderInt64
                             : ((mop_vk_feature_block *)(void *)s)->bit[0],
                         VK_TRUE);
    assert_int_equal(n, n_structures);
    assert_int_equal(e.n_extensions, n_extensions);
}

static const uint32_t in_1_1 =
    MOP_VK_CAN_INT64 | MOP_VK_CAN_SHUFFLE | MOP_VK_CAN_TEXEL | MOP_VK_CAN_TIMESTAMPS;
static const uint32_t in_1_2 = MOP_VK_CAN_FP16 | MOP_VK_CAN_HOST_RESET; /* and what 1.1 has */
static const uint32_t in_1_3 = MOP_VK_CAN_DOT | MOP_VK_CAN_SUBGROUP_SIZE;

static void a_version_brings_its_features_without_extensions(void **state)
{
    (void)state;
    assert_int_equal(caps_of(start(VK_API_VERSION_1_1), NULL).has, in_1_1);
    expect_enabled(start(VK_API_VERSION_1_1), NULL, 1, 0);
    assert_int_equal(caps_of(start(VK_API_VERSION_1_2), NULL).has, in_1_1 | in_1_2);
    expect_enabled(start(VK_API_VERSION_1_2), NULL, 3, 0);
    assert_int_equal(caps_of(start(VK_API_VERSION_1_3), NULL).has, in_1_1 | in_1_2 | in_1_3);
    expect_enabled(start(VK_API_VERSION_1_3), NULL, 5, 0);
    fake *bare = start(VK_API_VERSION_1_3);
    bare->has_bits = bare->can_shuffle = bare->has_texel = false;
    bare->has_no_clock = true;
    assert_int_equal(caps_of(bare, NULL).has, 0);
    expect_enabled(bare, NULL, 0, 0);
    fake *old = start(VK_API_VERSION_1_0);
    mop_vk_caps caps;
    mop_err err;
    assert_int_equal(probe(old, NULL, &caps, &err), MOP_ENODEV);
    assert_non_null(strstr(err.msg, "\"made up\" is version 1.0; 1.1 is needed"));
}

static void an_extension_brings_its_feature_to_an_older_version(void **state)
{
    (void)state;
    fake *f = start(VK_API_VERSION_1_1);
    f->extensions[0] = "VK_KHR_shader_integer_dot_product";
    f->extensions[1] = "VK_NV_cooperative_matrix";
    f->extensions[2] = "VK_EXT_calibrated_timestamps";
    f->extensions[3] = "VK_KHR_portability_subset"; /* has to be enabled where it is */
    f->extensions[4] = "VK_KHR_something_else";
    const uint32_t has = in_1_1 | MOP_VK_CAN_DOT | MOP_VK_CAN_COOPMAT_NV;
    assert_int_equal(caps_of(f, NULL).has, has); /* no time domain of the host: not calibrated */
    expect_enabled(f, NULL, 3, 3);
    f->has_domains = true;
    assert_int_equal(caps_of(f, NULL).has, has | MOP_VK_CAN_CALIBRATED);
    expect_enabled(f, NULL, 3, 4);
    expect_enabled(f, "no-dot", 2, 3);
    expect_enabled(f, "no-calibrated,no-coopmat-nv", 2, 2);
    f->has_bits = false; /* an extension without its feature is none */
    assert_int_equal(caps_of(f, NULL).has, MOP_VK_CAN_SHUFFLE | MOP_VK_CAN_TEXEL |
                                               MOP_VK_CAN_CALIBRATED | MOP_VK_CAN_TIMESTAMPS);
}

static void what_is_switched_off_is_offered_and_not_enabled(void **state)
{
    (void)state;
    for (size_t i = 0; i < MOP_VK_N_FEATURES; i++) {
        fake *f = start(VK_API_VERSION_1_3);
        char word[64];
        f->extensions[0] = "VK_KHR_cooperative_matrix";
        f->extensions[1] = "VK_NV_cooperative_matrix";
        f->extensions[2] = "VK_EXT_calibrated_timestamps";
        f->has_domains = true;
        (void)snprintf(word, sizeof word, "no-%s", mop_vk_feature_word(i));
        const mop_vk_caps caps = caps_of(f, word);
        assert_int_equal(caps.has, MOP_VK_CAN_ALL);
        assert_int_equal(caps.features, MOP_VK_CAN_ALL & ~(1u << i));
        assert_int_equal(caps.max_texels, i == MOP_VK_AT_TEXEL ? 0 : 65536);
        assert_int_equal(caps.shuffle, i != MOP_VK_AT_SHUFFLE);
    }
}

/* Lanes, what is asked of pipelines, and whether a workgroup is one subgroup. */
static void expect_lanes(fake *f, const char *switches, uint32_t lanes, uint32_t required,
                         bool shuffle)
{
    const mop_vk_caps caps = caps_of(f, switches);
    assert_int_equal(caps.lanes, lanes);
    assert_int_equal(caps.required_lanes, required);
    assert_int_equal(caps.shuffle, shuffle);
}

static void expect_no_lanes(fake *f, const char *switches, const char *says)
{
    mop_vk_caps caps = {.lanes = 7};
    mop_err err;
    assert_int_equal(probe(f, switches, &caps, &err), MOP_EUNSUPPORTED);
    assert_int_equal(caps.lanes, 7);
    if (strstr(err.msg, says) == NULL)
        fail_msg("'%s' lacks '%s'", err.msg, says);
}

static void a_subgroup_is_used_where_its_size_is_sure(void **state)
{
    (void)state;
    fake *f = start(VK_API_VERSION_1_3);
    expect_lanes(f, NULL, 32, 0, true); /* always 32 */
    expect_lanes(f, "no-subgroup-size", 32, 0, true);
    expect_lanes(f, "subgroup=32", 32, 0, true);
    expect_no_lanes(f, "subgroup=16",
                    "subgroup=16 cannot be forced on Vulkan device \"made up\": "
                    "its subgroups have 32 to 32 lanes");
    f->least = 8; /* 8 to 32: has to be asked for */
    expect_lanes(f, NULL, 32, 32, true);
    expect_lanes(f, "subgroup=16", 16, 16, true);
    expect_lanes(f, "subgroup=16,no-shuffle", 16, 16, false);
    expect_lanes(f, "no-subgroup-size", 32, 0, false);
    expect_no_lanes(f, "subgroup=64", "have 8 to 32 lanes");
    expect_no_lanes(f, "subgroup=16,no-subgroup-size",
                    "8 to 32 lanes, and their size cannot be asked for");
    f = start(VK_API_VERSION_1_1); /* cannot say how they vary */
    f->own = 16;
    expect_lanes(f, NULL, 32, 0, false);
    expect_no_lanes(f, "subgroup=16", "have 16 to 16 lanes, and their size cannot be asked for");
    f->type = VK_PHYSICAL_DEVICE_TYPE_CPU;
    expect_lanes(f, NULL, 16, 0, false);
}

static void add(const char *name, VkPhysicalDeviceType type)
{
    fakes[n_fakes++] = (fake){.name = name, .type = type, .version = VK_API_VERSION_1_1};
}

static void expect_choice(const char *selector, int wanted)
{
    mop_vk vk = {.fn = table};
    mop_err err = {0};
    mop_status s = mop_vk_select(&vk, selector, &err);
    if (wanted < 0) {
        assert_int_equal(s, MOP_ENODEV);
        assert_non_null(strstr(err.msg, selector));
        assert_non_null(strstr(err.msg, "there is 0 \""));
        return;
    }
    assert_int_equal(s, MOP_OK);
    assert_ptr_equal(vk.physical, handle(&fakes[wanted]));
    assert_string_equal(vk.info.name, fakes[wanted].name);
}

static void the_default_is_the_most_capable_kind_and_never_a_cpu_if_there_is_another(void **state)
{
    (void)state;
    n_fakes = 0;
    add("llvmpipe", VK_PHYSICAL_DEVICE_TYPE_CPU);
    expect_choice(NULL, 0);
    add("Something", VK_PHYSICAL_DEVICE_TYPE_OTHER);
    expect_choice(NULL, 1);
    add("Virtio", VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU);
    expect_choice(NULL, 2);
    add("Iris", VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU);
    expect_choice(NULL, 3);
    fakes[1].type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    expect_choice(NULL, 1);
    fakes[3].type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU; /* of equals the first */
    expect_choice(NULL, 1);
}

static void a_device_is_named_by_index_part_of_its_name_or_uuid(void **state)
{
    (void)state;
    n_fakes = 0;
    add("llvmpipe (LLVM 15)", VK_PHYSICAL_DEVICE_TYPE_CPU);
    add("Radeon 780M", VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU);
    add("Radeon 7600", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU);
    expect_choice("0", 0);
    expect_choice("2", 2);
    expect_choice("LLVMPIPE", 0);
    expect_choice("radeon", 1); /* the first that fits */
    expect_choice("7600", 2);   /* no index, there are not that many: part of a name */
    expect_choice("a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1", 1);
    expect_choice("3", -1);
    expect_choice("GeForce", -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_brings_its_features_without_extensions),
        cmocka_unit_test(an_extension_brings_its_feature_to_an_older_version),
        cmocka_unit_test(what_is_switched_off_is_offered_and_not_enabled),
        cmocka_unit_test(a_subgroup_is_used_where_its_size_is_sure),
        cmocka_unit_test(the_default_is_the_most_capable_kind_and_never_a_cpu_if_there_is_another),
        cmocka_unit_test(a_device_is_named_by_index_part_of_its_name_or_uuid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
