/* Every switch of --vulkan on the device of this machine: what is switched off is not enabled when
 * the device is made, and networks are as right as ever, with validation silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/vk/instance.h"
#include "tests/support/onebyone.h"
#include "tests/support/vulkan.h"

enum { SEED = 20251122 };

/* What feature structures have to do with features, said independently of features.def. */
static const struct {
    VkStructureType structure;
    uint32_t can;
    const char *extension;
} known[] = {
    {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES, MOP_VK_CAN_FP16,
     "VK_KHR_shader_float16_int8"},
    {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES, MOP_VK_CAN_DOT,
     "VK_KHR_shader_integer_dot_product"},
    {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES, MOP_VK_CAN_SUBGROUP_SIZE,
     "VK_EXT_subgroup_size_control"},
    {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_HOST_QUERY_RESET_FEATURES, MOP_VK_CAN_HOST_RESET,
     "VK_EXT_host_query_reset"},
    {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_NV, MOP_VK_CAN_COOPMAT_NV,
     "VK_NV_cooperative_matrix"},
    {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, MOP_VK_CAN_INT64, NULL},
    {(VkStructureType)1000506000, MOP_VK_CAN_COOPMAT, "VK_KHR_cooperative_matrix"},
    {VK_STRUCTURE_TYPE_MAX_ENUM, MOP_VK_CAN_CALIBRATED, "VK_EXT_calibrated_timestamps"},
};
enum { KNOWN = sizeof known / sizeof known[0] };
/* Nothing has to be enabled for these. */
static const uint32_t silent = MOP_VK_CAN_SHUFFLE | MOP_VK_CAN_TEXEL | MOP_VK_CAN_TIMESTAMPS;

/* What vkCreateDevice was given, and the version that the device pretends to be. */
static struct {
    PFN_vkCreateDevice create;
    PFN_vkGetPhysicalDeviceProperties properties;
    PFN_vkFlushMappedMemoryRanges flush;
    PFN_vkInvalidateMappedMemoryRanges invalidate;
    PFN_vkCreateBufferView view;
    PFN_vkCmdCopyBuffer copy;
    uint32_t by_structure, by_extension, version;
    unsigned flushes, invalidates, views, copies;
} seen;

static VKAPI_ATTR VkResult VKAPI_CALL see_CreateDevice(VkPhysicalDevice d,
                                                       const VkDeviceCreateInfo *info,
                                                       const VkAllocationCallbacks *a, VkDevice *o)
{
    for (const VkBaseInStructure *s = info->pNext; s != NULL; s = s->pNext) {
        size_t i = 0;
        while (i < KNOWN && known[i].structure != s->sType)
            i++;
        assert_true(i < KNOWN);
        assert_int_equal(
            s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2
                ? ((const VkPhysicalDeviceFeatures2 *)(const void *)s)->features.shaderInt64
                : ((const mop_vk_feature_block *)(const void *)s)->bit[0],
            VK_TRUE);
        seen.by_structure |= known[i].can;
    }
    for (uint32_t k = 0; k < info->enabledExtensionCount; k++)
        for (size_t i = 0; i < KNOWN; i++)
            if (known[i].extension != NULL &&
                strcmp(info->ppEnabledExtensionNames[k], known[i].extension) == 0)
                seen.by_extension |= known[i].can;
    return seen.create(d, info, a, o);
}

static VKAPI_ATTR void VKAPI_CALL see_Properties(VkPhysicalDevice d, VkPhysicalDeviceProperties *p)
{
    seen.properties(d, p);
    if (seen.version != 0)
        p->apiVersion = seen.version;
}

static VKAPI_ATTR VkResult VKAPI_CALL see_Flush(VkDevice d, uint32_t n,
                                                const VkMappedMemoryRange *r)
{
    seen.flushes++;
    return seen.flush(d, n, r);
}

static VKAPI_ATTR VkResult VKAPI_CALL see_Invalidate(VkDevice d, uint32_t n,
                                                     const VkMappedMemoryRange *r)
{
    seen.invalidates++;
    return seen.invalidate(d, n, r);
}

static VKAPI_ATTR VkResult VKAPI_CALL see_View(VkDevice d, const VkBufferViewCreateInfo *i,
                                               const VkAllocationCallbacks *a, VkBufferView *o)
{
    seen.views++;
    return seen.view(d, i, a, o);
}

static VKAPI_ATTR void VKAPI_CALL see_Copy(VkCommandBuffer c, VkBuffer from, VkBuffer to,
                                           uint32_t n, const VkBufferCopy *r)
{
    seen.copies++;
    seen.copy(c, from, to, n, r);
}

/* Opens the default device through a table that is watched, as mop_vk_open does. */
static bool open_watched(vulkan_fixture *f, const char *switches, uint32_t version)
{
    mop_err err = {0};
    memset(&seen, 0, sizeof seen);
    seen.version = version;
    for (int validate = 1; validate >= 0; validate--) {
        const mop_vk_options o = {.threads = 1, .validate = validate, .switches = switches};
        mop_vk *vk = calloc(1, sizeof *vk);
        assert_non_null(vk);
        err = (mop_err){0};
        if (mop_vk_instance_open(vk, &o, &err) == MOP_OK) {
            seen.create = vk->fn.CreateDevice;
            seen.properties = vk->fn.GetPhysicalDeviceProperties;
            vk->fn.CreateDevice = see_CreateDevice;
            vk->fn.GetPhysicalDeviceProperties = see_Properties;
            if (mop_vk_connect(vk, &o, &err) != MOP_OK)
                fail_msg("%s: %s", switches != NULL ? switches : "", err.msg);
            seen.flush = vk->fn.FlushMappedMemoryRanges;
            seen.invalidate = vk->fn.InvalidateMappedMemoryRanges;
            seen.view = vk->fn.CreateBufferView;
            seen.copy = vk->fn.CmdCopyBuffer;
            vk->fn.FlushMappedMemoryRanges = see_Flush;
            vk->fn.InvalidateMappedMemoryRanges = see_Invalidate;
            vk->fn.CreateBufferView = see_View;
            vk->fn.CmdCopyBuffer = see_Copy;
            *f = (vulkan_fixture){.device = calloc(1, sizeof *f->device), .validates = validate};
            assert_non_null(f->device);
            f->device->vk = vk;
            return true;
        }
        mop_vk_close(vk);
    }
    printf("skip: %s\n", err.msg);
    return false;
}

static void small_net(obo_net *net)
{
    const mop_params none = {0}, fc = {.u.fc = {.cout = 5, .has_bias = true}};
    const mop_params stem = {.act = MOP_ACT_RELU,
                             .u.conv = {.cout = 12,
                                        .kh = 3,
                                        .kw = 3,
                                        .stride = 2,
                                        .dilation = 1,
                                        .groups = 1,
                                        .pad_top = 1,
                                        .pad_left = 1,
                                        .pad_bottom = 1,
                                        .pad_right = 1,
                                        .has_bias = true}};
    mop_params dw = stem, pw = stem;
    dw.u.conv.stride = 1;
    dw.u.conv.groups = 12;
    pw.u.conv =
        (mop_conv_params){.cout = 20, .kh = 1, .kw = 1, .stride = 1, .dilation = 1, .groups = 1};
    obo_init(net, (mop_shape){1, 13, 11, 3}, SEED);
    uint32_t x = obo_add(net, MOP_OP_CONV2D, &stem, (uint32_t[]){0}, 1);
    x = obo_add(net, MOP_OP_CONV2D, &dw, &x, 1);
    x = obo_add(net, MOP_OP_CONV2D, &pw, &x, 1);
    x = obo_add(net, MOP_OP_GAP, &none, &x, 1);
    (void)obo_add(net, MOP_OP_FC, &fc, &x, 1);
}

/* Every node of the small network is right on f, and validation has nothing to say. */
static void expect_right(vulkan_fixture *f)
{
    obo_net net;
    small_net(&net);
    float *x = obo_input(&net);
    const double worst = obo_worst(&mop_backend_vulkan, f->device, &net.model, x);
    if (!(worst <= 1))
        fail_msg("worst error is %g of its bound", worst);
    vulkan_expect_silence(f);
    free(x);
    obo_free(&net);
}

static void everything_offered_is_enabled(void **state)
{
    (void)state;
    vulkan_fixture f;
    if (!open_watched(&f, NULL, 0))
        skip();
    const mop_vk_caps *caps = &f.device->vk->caps;
    assert_int_equal(caps->features, caps->has);
    assert_int_equal(caps->has & ~silent, seen.by_structure | seen.by_extension);
    printf("offered: 0x%x, by structure 0x%x, by extension 0x%x\n", caps->has, seen.by_structure,
           seen.by_extension);
    expect_right(&f);
    vulkan_fixture_close(&f);
}

static void a_feature_switched_off_is_not_enabled_and_not_missed(void **state)
{
    (void)state;
    for (size_t i = 0; i < MOP_VK_N_FEATURES; i++) {
        const uint32_t can = 1u << i;
        char word[64];
        vulkan_fixture f;
        mop_device_info info;
        (void)snprintf(word, sizeof word, "no-%s", mop_vk_feature_word(i));
        if (!open_watched(&f, word, 0))
            skip();
        const mop_vk_caps *caps = &f.device->vk->caps;
        assert_int_equal(caps->features, caps->has & ~can);
        assert_int_equal((seen.by_structure | seen.by_extension) & can, 0);
        mop_backend_vulkan.info(f.device, &info);
        assert_int_equal(strstr(info.name, word) != NULL, (caps->has & can) != 0);
        assert_false(can == MOP_VK_CAN_SHUFFLE && caps->shuffle);
        expect_right(&f);
        assert_int_equal(seen.views == 0, can == MOP_VK_CAN_TEXEL);
        vulkan_fixture_close(&f);
    }
}

static void all_features_can_be_off_at_once(void **state)
{
    (void)state;
    char all[MOP_VK_SWITCHES_TEXT];
    const mop_vk_switches off = {.killed = MOP_VK_CAN_ALL};
    vulkan_fixture f;
    if (!open_watched(&f, mop_vk_switches_name(&off, ",", all), 0))
        skip();
    mop_device_info info, less;
    assert_int_equal(f.device->vk->caps.features, 0);
    mop_backend_vulkan.info(f.device, &info);
    printf("%s\n", info.name); /* however many there are, it is a name of its own */
    assert_int_equal(seen.by_structure | seen.by_extension, 0);
    expect_right(&f);
    vulkan_fixture_close(&f);
    const mop_vk_switches all_but_one = {.killed =
                                             MOP_VK_CAN_ALL & ~(uint32_t)MOP_VK_CAN_HOST_RESET};
    assert_true(open_watched(&f, mop_vk_switches_name(&all_but_one, ",", all), 0));
    mop_backend_vulkan.info(f.device, &less);
    assert_true((f.device->vk->caps.has & MOP_VK_CAN_HOST_RESET) == 0 ||
                strcmp(info.name, less.name) != 0);
    vulkan_fixture_close(&f);
}

/* The same device as one of Vulkan 1.1: by extensions what it has by its version. */
static void an_older_device_enables_by_extension(void **state)
{
    (void)state;
    vulkan_fixture f;
    if (!open_watched(&f, NULL, VK_API_VERSION_1_1))
        skip();
    const mop_vk_caps *caps = &f.device->vk->caps;
    const uint32_t later = caps->has & ~silent & ~(uint32_t)MOP_VK_CAN_INT64; /* of version 1.0 */
    printf("by extension 0x%x\n", seen.by_extension);
    assert_int_equal(caps->features, caps->has);
    assert_int_equal(seen.by_extension, later);
    expect_right(&f);
    vulkan_fixture_close(&f);
}

static void staging_and_flushes_are_forced(void **state)
{
    (void)state;
    vulkan_fixture f;
    mop_device_info info;
    if (!open_watched(&f, NULL, 0))
        skip();
    const bool shares = f.device->vk->is_shared;
    expect_right(&f);
    if (shares)
        assert_int_equal(seen.copies, 0);
    vulkan_fixture_close(&f);
    assert_true(open_watched(&f, "staging", 0));
    mop_backend_vulkan.info(f.device, &info);
    assert_int_equal(strstr(info.name, ", staging") != NULL, shares);
    expect_right(&f);
    assert_true(seen.copies > 0);
    vulkan_fixture_close(&f);
    for (int staged = 0; staged < 2; staged++) {
        assert_true(open_watched(&f, staged ? "staging,flush" : "flush", 0));
        expect_right(&f);
        assert_true(seen.flushes > 0 && seen.invalidates > 0);
        vulkan_fixture_close(&f);
    }
}

/* On lavapipe within this process; elsewhere what the device's range allows. */
static void subgroups_are_of_the_size_that_is_forced(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {4, 16, 8, 32};
    const char *before = getenv("LP_NATIVE_VECTOR_WIDTH");
    unsigned n = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char word[32];
        vulkan_fixture f;
        mop_err err = {0};
        mop_device_info info;
        (void)snprintf(word, sizeof word, "subgroup=%u", sizes[i]);
        const mop_device_choice choice = {.threads = 1, .vulkan = word};
        mop_device *device = NULL;
        mop_status s = mop_backend_vulkan.open(&choice, &device, &err);
        assert_true(getenv("LP_NATIVE_VECTOR_WIDTH") == before); /* given back */
        if (s == MOP_ENODEV) {
            printf("skip: %s\n", err.msg);
            skip();
        }
        if (s != MOP_OK) {
            printf("%s\n", err.msg);
            assert_int_equal(s, MOP_EUNSUPPORTED);
            assert_non_null(strstr(err.msg, "lanes"));
            continue;
        }
        n++;
        mop_backend_vulkan.info(device, &info);
        assert_non_null(strstr(info.name, word));
        mop_backend_vulkan.close(device);
        assert_true(open_watched(&f, word, 0));
        assert_int_equal(f.device->vk->caps.lanes, sizes[i]);
        expect_right(&f);
        vulkan_fixture_close(&f);
    }
    assert_true(n > 0);
}

static void unknown_switches_open_nothing(void **state)
{
    (void)state;
    const mop_device_choice choice = {.threads = 1, .vulkan = "no-shufle"};
    mop_device *device = NULL;
    mop_err err = {0};
    const mop_status s = mop_backend_vulkan.open(&choice, &device, &err);
    if (s == MOP_ENODEV) {
        printf("skip: %s\n", err.msg);
        skip();
    }
    assert_int_equal(s, MOP_EINVAL);
    assert_null(device);
    assert_non_null(strstr(err.msg, "did you mean 'no-shuffle'?"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_offered_is_enabled),
        cmocka_unit_test(a_feature_switched_off_is_not_enabled_and_not_missed),
        cmocka_unit_test(all_features_can_be_off_at_once),
        cmocka_unit_test(an_older_device_enables_by_extension),
        cmocka_unit_test(staging_and_flushes_are_forced),
        cmocka_unit_test(subgroups_are_of_the_size_that_is_forced),
        cmocka_unit_test(unknown_switches_open_nothing),
    };
    printf("seed %d\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
