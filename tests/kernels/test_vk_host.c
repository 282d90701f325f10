/* The host's side of shaders, without a device: which of them is taken, how tensors are laid out,
 * what other number types make of values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "kernels/vk/types.h"

static void the_last_fitting_row_wins(void **state)
{
    (void)state;
    const mop_vk_caps caps = {.lanes = 8,
                              .driver = VK_DRIVER_ID_MESA_LLVMPIPE,
                              .shuffle = true,
                              .max_groups = {65535, 65535, 65535},
                              .max_texels = 1u << 27,
                              .max_range = 1u << 27};
    mop_op_inst inst = {
        .op = MOP_OP_CONV2D,
        .n_in = 1,
        .in = {{1, 8, 8, 16}},
        .params.u.conv = {.cout = 16, .kh = 1, .kw = 1, .stride = 1, .dilation = 1, .groups = 1}};
    mop_vk_task task;
    mop_err err = {0};
    assert_int_equal(mop_op_infer(&inst, &err), MOP_OK);
    assert_string_equal(mop_vk_kernel_choose(&caps, &inst, MOP_DTYPE_FP32, &task)->name, "conv");
    inst.params.u.conv.groups = 16;
    assert_string_equal(mop_vk_kernel_choose(&caps, &inst, MOP_DTYPE_FP32, &task)->name,
                        "depthwise");
    inst.params.u.conv.groups = 4;
    assert_string_equal(mop_vk_kernel_choose(&caps, &inst, MOP_DTYPE_FP32, &task)->name,
                        "conv_grouped");
    mop_vk_caps small = caps;
    small.max_texels = 64;
    assert_non_null(mop_vk_kernel_choose(&small, &inst, MOP_DTYPE_FP32, &task));
    assert_int_equal(task.variant.source, MOP_VK_BUFFER);
    small.max_range = 64;
    assert_null(mop_vk_kernel_choose(&small, &inst, MOP_DTYPE_FP32, &task));
}

static void the_layout_round_trips_and_zeroes_the_tail(void **state)
{
    (void)state;
    const mop_shape s = {2, 3, 5, 6};
    float in[180], packed[2 * 2 * 15 * 4], back[180];
    for (int i = 0; i < 180; i++)
        in[i] = (float)(i + 1);
    for (size_t i = 0; i < sizeof packed / sizeof packed[0]; i++)
        packed[i] = -1;
    mop_vk_from_nhwc(s, in, packed);
    mop_vk_to_nhwc(s, packed, back);
    assert_memory_equal(in, back, sizeof in);
    for (int n = 0; n < 2; n++)
        for (int p = 0; p < 15; p++)
            for (int k = 2; k < 4; k++)
                assert_true(packed[((n * 2 + 1) * 15 + p) * 4 + k] == 0);
    assert_true(packed[15 * 4] == 5); /* channel 4 of the first pixel */
}

/* A type that an operator has no shaders for gives way to one that its tensors can lie in. */
static void each_node_gets_the_nearest_type(void **state)
{
    static const struct {
        int32_t groups;
        mop_dtype asked, got;
        const char *kernel;
    } cases[] = {
        {1, MOP_DTYPE_FP16S, MOP_DTYPE_FP16S, "conv"},
        {1, MOP_DTYPE_FP16, MOP_DTYPE_FP16, "conv"},
        {4, MOP_DTYPE_FP16, MOP_DTYPE_FP16S, "conv_grouped"},
        {16, MOP_DTYPE_FP16, MOP_DTYPE_FP16, "depthwise"},
        {1, MOP_DTYPE_INT8, MOP_DTYPE_INT8, "conv_int8"},
        {16, MOP_DTYPE_INT8, MOP_DTYPE_FP32, "depthwise"},
    };
    const mop_vk_caps caps = {.driver = VK_DRIVER_ID_MESA_LLVMPIPE,
                              .lanes = 8,
                              .shuffle = true,
                              .max_groups = {65535, 65535, 65535},
                              .max_texels = 1u << 27,
                              .max_range = 1u << 27};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mop_op_inst inst = {.op = MOP_OP_CONV2D,
                            .n_in = 1,
                            .in = {{1, 8, 8, 16}},
                            .params.u.conv = {.cout = 16,
                                              .kh = 1,
                                              .kw = 1,
                                              .stride = 1,
                                              .dilation = 1,
                                              .groups = cases[i].groups}};
        mop_vk_task task;
        assert_int_equal(mop_op_infer(&inst, NULL), MOP_OK);
        const mop_vk_kernel *k = mop_vk_kernel_choose(&caps, &inst, cases[i].asked, &task);
        assert_non_null(k);
        assert_string_equal(k->name, cases[i].kernel);
        assert_int_equal(task.dtype, cases[i].got);
    }
}

static void float16_has_no_subnormals_and_integers_are_even(void **state)
{
    const float in[] = {1, -65504, 1e6f, 0x1p-14f, 0x1.ffp-15f, 0x1.ffffp-15f, -0x1p-24f, 1.0005f};
    const float want[] = {1, -65504, INFINITY, 0x1p-14f, 0, 0x1p-14f, 0, 1.0009765625f};
    const float w[] = {-127, 63.5f, 64.5f, 12.4f};
    uint16_t half[8];
    float back[8];
    (void)state;
    mop_vk_encode(MOP_DTYPE_FP16, in, half, 8);
    mop_vk_decode(MOP_DTYPE_FP16, half, back, 8);
    for (int i = 0; i < 8; i++)
        assert_true(back[i] == want[i]);
    assert_true(mop_vk_int8_scale(w, 4) == 1);
    assert_int_equal(mop_vk_int8_of(w[0], 1), -127);
    assert_int_equal(mop_vk_int8_of(w[1], 1), 64);
    assert_int_equal(mop_vk_int8_of(w[2], 1), 64);
    assert_int_equal(mop_vk_int8_of(w[3], 1), 12);
    assert_int_equal(mop_vk_int8_of(5, 0), 0); /* of a channel of zeros */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_fitting_row_wins),
        cmocka_unit_test(the_layout_round_trips_and_zeroes_the_tail),
        cmocka_unit_test(each_node_gets_the_nearest_type),
        cmocka_unit_test(float16_has_no_subnormals_and_integers_are_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
