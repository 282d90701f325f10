/* What runs unasked: the table by driver, vendor and class of operator, and a measured choice
 * before it; both only among what a kernel offers within the device's limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels/vk/defaults.h"

enum { MALI = 0x13b5, ADRENO = 0x5143, NOBODY = 0x1234 };

static mop_op_inst conv(int32_t size, int32_t cin, int32_t cout, int32_t k, int32_t groups)
{
    mop_op_inst inst = {.op = MOP_OP_CONV2D, .n_in = 1, .in = {{1, size, size, cin}}};
    inst.params.u.conv = (mop_conv_params){.cout = cout,
                                           .kh = k,
                                           .kw = k,
                                           .stride = 1,
                                           .dilation = 1,
                                           .groups = groups,
                                           .pad_top = k / 2,
                                           .pad_left = k / 2,
                                           .pad_bottom = k / 2,
                                           .pad_right = k / 2};
    assert_int_equal(mop_op_infer(&inst, NULL), MOP_OK);
    return inst;
}

static mop_op_inst mean(void)
{
    mop_op_inst inst = {.op = MOP_OP_GAP, .n_in = 1, .in = {{1, 64, 64, 64}}};
    assert_int_equal(mop_op_infer(&inst, NULL), MOP_OK);
    return inst;
}

static mop_vk_caps device(uint32_t driver, uint32_t vendor)
{
    return (mop_vk_caps){.driver = driver,
                         .vendor = vendor,
                         .type = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU,
                         .lanes = 16,
                         .shuffle = true,
                         .max_groups = {65535, 65535, 65535},
                         .max_texels = 1u << 27,
                         .max_range = 1u << 27};
}

static const char *choice(const mop_vk_caps *caps, mop_op_inst inst, mop_vk_variant *v)
{
    static char name[MOP_VK_VARIANT_NAME];
    mop_vk_task task;
    const mop_vk_kernel *k = mop_vk_kernel_choose(caps, &inst, MOP_DTYPE_FP32, &task);
    assert_non_null(k);
    *v = task.variant;
    return mop_vk_variant_name(k, &task.variant, name);
}

static bool offers(const mop_vk_default *row, const mop_vk_caps *caps, const mop_op_inst *inst)
{
    const mop_vk_kernel *kernel;
    for (size_t i = 0; (kernel = mop_vk_kernel_at(i)) != NULL; i++) {
        mop_vk_variant list[MOP_VK_VARIANTS];
        const size_t n = mop_vk_kernel_variants(kernel, caps, inst, MOP_DTYPE_FP32, list);
        for (size_t k = 0; k < n; k++)
            if (mop_vk_default_takes(row, kernel, &list[k]))
                return true;
    }
    return false;
}

/* The row that decides. */
static size_t decides(const mop_vk_caps *caps, const mop_op_inst *inst)
{
    const mop_vk_default *row;
    size_t i;
    for (i = 0; (row = mop_vk_default_at(i)) != NULL; i++)
        if (mop_vk_default_is_for(row, caps, inst) && offers(row, caps, inst))
            return i;
    fail_msg("no row decides");
    return i;
}

/* Some device and operator for each, so that none names a kernel, a tile or a vendor in vain. */
static void every_row_picks_a_variant_that_exists(void **state)
{
    const mop_op_inst ops[] = {conv(56, 64, 64, 1, 1), conv(56, 64, 64, 3, 64), mean()};
    const mop_vk_default *row;
    (void)state;
    for (size_t i = 0; (row = mop_vk_default_at(i)) != NULL; i++) {
        mop_vk_caps caps = device(row->driver == MOP_VK_ANY ? 0 : (uint32_t)row->driver,
                                  row->vendor == MOP_VK_ANY ? NOBODY : (uint32_t)row->vendor);
        bool found = false;
        if (row->type != MOP_VK_ANY)
            caps.type = (uint32_t)row->type;
        for (size_t k = 0; k < sizeof ops / sizeof ops[0]; k++) {
            caps.max_range = 1u << 27;
            found = found || decides(&caps, &ops[k]) == i;
            caps.max_range = 64 * 64 * 16; /* an input of 64 channels goes through texels only */
            found = found || (ops[k].op == MOP_OP_GAP && decides(&caps, &ops[k]) == i);
        }
        if (!found)
            fail_msg("row %zu of defaults.def decides nothing", i);
    }
}

static void mali_takes_small_tiles_from_storage_buffers(void **state)
{
    const mop_vk_caps caps = device(VK_DRIVER_ID_ARM_PROPRIETARY, MALI);
    mop_vk_variant v;
    (void)state;
    for (int32_t k = 3; k <= 5; k += 2)
        assert_string_equal(choice(&caps, conv(56, 64, 64, k, 64), &v), "depthwise.buffer 1x1");
    assert_non_null(strstr(choice(&caps, conv(56, 64, 64, 1, 1), &v), "conv_plain.buffer 2x2"));
    assert_string_equal(choice(&caps, mean(), &v), "gap.buffer");
}

static void adreno_reads_through_texel_buffers(void **state)
{
    mop_vk_caps caps = device(VK_DRIVER_ID_MESA_TURNIP, ADRENO);
    mop_vk_variant v;
    (void)state;
    assert_string_equal(choice(&caps, conv(56, 64, 64, 3, 64), &v), "depthwise.texel 4x2");
    (void)choice(&caps, conv(56, 64, 64, 1, 1), &v);
    assert_true(v.source == MOP_VK_TEXEL && v.x == 2);
    assert_string_equal(choice(&caps, mean(), &v), "gap.texel");
    caps.max_texels = 0;
    assert_string_equal(choice(&caps, mean(), &v), "gap.buffer");
}

static void an_unknown_vendor_gets_the_general_rows(void **state)
{
    const mop_vk_caps caps = device(VK_DRIVER_ID_NVIDIA_PROPRIETARY, NOBODY);
    mop_vk_variant v;
    (void)state;
    assert_string_equal(choice(&caps, conv(56, 64, 64, 3, 64), &v), "depthwise.buffer 4x2");
    assert_non_null(strstr(choice(&caps, conv(56, 64, 64, 1, 1), &v), "conv_plain.buffer 4x2"));
    assert_string_equal(choice(&caps, conv(1, 64, 64, 1, 1), &v), "fc.buffer");
    assert_string_equal(choice(&caps, conv(56, 64, 64, 3, 16), &v), "conv_grouped.buffer");
    assert_string_equal(choice(&caps, mean(), &v), "gap.buffer");
}

static void lavapipe_takes_what_kernels_list_first(void **state)
{
    const mop_vk_caps caps = device(VK_DRIVER_ID_MESA_LLVMPIPE, 0x10005);
    const mop_op_inst inst = conv(56, 64, 64, 1, 1);
    const mop_vk_kernel *kernel;
    mop_vk_variant list[MOP_VK_VARIANTS];
    char first[MOP_VK_VARIANT_NAME] = "";
    mop_vk_variant v;
    (void)state;
    for (size_t i = 0; (kernel = mop_vk_kernel_at(i)) != NULL; i++)
        if (mop_vk_kernel_variants(kernel, &caps, &inst, MOP_DTYPE_FP32, list) > 0)
            (void)mop_vk_variant_name(kernel, &list[0], first);
    assert_string_equal(choice(&caps, inst, &v), first);
    assert_int_equal(v.source, MOP_VK_TEXEL);
}

static const char *name_of(const void *ctx, const mop_op_inst *inst, mop_dtype dtype)
{
    (void)dtype;
    return inst->op == MOP_OP_GAP ? ctx : NULL;
}

static void a_measured_choice_goes_first_if_it_is_on_offer(void **state)
{
    mop_vk_caps caps = device(VK_DRIVER_ID_ARM_PROPRIETARY, MALI);
    mop_vk_variant v;
    (void)state;
    caps.tuned = name_of;
    caps.tuned_ctx = "gap.texel";
    assert_string_equal(choice(&caps, mean(), &v), "gap.texel");
    assert_string_equal(choice(&caps, conv(56, 64, 64, 3, 64), &v), "depthwise.buffer 1x1");
    caps.max_texels = 0;
    assert_string_equal(choice(&caps, mean(), &v), "gap.buffer");
    caps.max_texels = 1u << 27;
    caps.tuned_ctx = "gap.texel 4x4"; /* of another build */
    assert_string_equal(choice(&caps, mean(), &v), "gap.buffer");
}

/* A name stands for one variant, or a tuning could not say which. */
static void names_differ(void **state)
{
    const mop_op_inst ops[] = {conv(56, 64, 64, 1, 1), conv(56, 64, 64, 3, 64), mean()};
    const mop_vk_caps caps = device(VK_DRIVER_ID_MESA_LLVMPIPE, 0x10005);
    const mop_vk_kernel *kernel;
    (void)state;
    for (size_t i = 0; (kernel = mop_vk_kernel_at(i)) != NULL; i++) {
        for (size_t k = 0; k < sizeof ops / sizeof ops[0]; k++) {
            mop_vk_variant list[MOP_VK_VARIANTS];
            const size_t n = mop_vk_kernel_variants(kernel, &caps, &ops[k], MOP_DTYPE_FP32, list);
            for (size_t a = 1; a < n; a++) {
                char one[MOP_VK_VARIANT_NAME], other[MOP_VK_VARIANT_NAME];
                for (size_t b = 0; b < a; b++)
                    assert_string_not_equal(mop_vk_variant_name(kernel, &list[a], one),
                                            mop_vk_variant_name(kernel, &list[b], other));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_picks_a_variant_that_exists),
        cmocka_unit_test(mali_takes_small_tiles_from_storage_buffers),
        cmocka_unit_test(adreno_reads_through_texel_buffers),
        cmocka_unit_test(an_unknown_vendor_gets_the_general_rows),
        cmocka_unit_test(lavapipe_takes_what_kernels_list_first),
        cmocka_unit_test(a_measured_choice_goes_first_if_it_is_on_offer),
        cmocka_unit_test(names_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
