/* Every operator by a case small enough to compute by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "kernels/op.h"

static const mop_conv_params plain = {
    .cout = 1, .kh = 1, .kw = 1, .stride = 1, .dilation = 1, .groups = 1};

/* Infers, runs the reference and compares with the expected values, which must be met to 1e-12. */
static void expect_values(mop_op_inst inst, const double *a, const double *b, const float *const *w,
                          const double *want)
{
    mop_err err = {0};
    double out[64], bound[64];
    mop_ref_args args = {.inst = &inst, .in = {a, b}, .out = out, .bound = bound};
    int64_t n;
    assert_int_equal(mop_op_infer(&inst, &err), MOP_OK);
    n = mop_shape_elems(inst.out);
    assert_in_range(n, 1, 64);
    for (int i = 0; w != NULL && i < MOP_MAX_WEIGHTS; i++)
        args.w[i] = w[i];
    mop_op_reference(&args);
    for (int64_t i = 0; i < n; i++) {
        if (!(fabs(out[i] - want[i]) <= 1e-12))
            fail_msg("output %d is %.17g, expected %.17g", (int)i, out[i], want[i]);
        assert_true(bound[i] >= 0 && bound[i] < 1e-5 * (fabs(want[i]) + 100));
    }
}

static void every_row_has_a_name_a_shape_rule_and_a_reference(void **state)
{
    (void)state;
    for (int op = 0; op < MOP_OP_COUNT; op++) {
        const mop_op_spec *spec = mop_op_get((mop_op)op);
        assert_non_null(spec);
        assert_non_null(spec->name);
        assert_non_null(spec->infer);
        assert_non_null(spec->reference);
        assert_true(spec->n_in + (spec->takes_residual ? 1 : 0) <= MOP_MAX_IN);
        for (int other = 0; other < op; other++)
            assert_string_not_equal(spec->name, mop_op_get((mop_op)other)->name);
    }
}

static void conv2d_sums_the_window_and_sees_zeros_outside(void **state)
{
    const double x[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    const float w[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, bias[1] = {0.5f};
    const float *const constants[4] = {w, bias};
    const double want[4] = {12.5, 16.5, 24.5, 28.5};
    mop_op_inst inst = {.op = MOP_OP_CONV2D, .n_in = 1, .in = {{1, 3, 3, 1}}};
    (void)state;
    inst.params.u.conv = (mop_conv_params){.cout = 1,
                                           .kh = 3,
                                           .kw = 3,
                                           .stride = 2,
                                           .dilation = 1,
                                           .groups = 1,
                                           .pad_top = 1,
                                           .pad_left = 1,
                                           .pad_bottom = 1,
                                           .pad_right = 1,
                                           .has_bias = true};
    expect_values(inst, x, NULL, constants, want);
}

/* Two images, one row of four pixels, taps 2 apart: y[w] = x[w] - x[w + 2]. */
static void conv2d_reaches_over_dilated_taps_of_each_image(void **state)
{
    const double x[8] = {1, 2, 4, 8, 10, 20, 40, 80};
    const float w[2] = {1, -1};
    const float *const constants[4] = {w};
    const double want[4] = {-3, -6, -30, -60};
    mop_op_inst inst = {.op = MOP_OP_CONV2D, .n_in = 1, .in = {{2, 1, 4, 1}}};
    (void)state;
    inst.params.u.conv = plain;
    inst.params.u.conv.kw = 2;
    inst.params.u.conv.dilation = 2;
    expect_values(inst, x, NULL, constants, want);
}

/* Groups {0, 1} and {2, 3}; each has two output channels. */
static void conv2d_keeps_groups_apart(void **state)
{
    const double x[4] = {1, 10, 100, 1000};
    const float w[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const float *const constants[4] = {w};
    const double want[4] = {21, 43, 6500, 8700};
    mop_op_inst inst = {.op = MOP_OP_CONV2D, .n_in = 1, .in = {{1, 1, 1, 4}}};
    (void)state;
    inst.params.u.conv = plain;
    inst.params.u.conv.cout = 4;
    inst.params.u.conv.groups = 2;
    expect_values(inst, x, NULL, constants, want);
}

/* Depthwise over two channels, 2x1 kernel, padding at the bottom only. */
static void conv2d_depthwise_takes_one_filter_per_channel(void **state)
{
    const double x[4] = {1, 2, 3, 4};
    const float w[4] = {1, 10, 2, 20}, bias[2] = {100, 200};
    const float *const constants[4] = {w, bias};
    const double want[4] = {131, 284, 103, 208};
    mop_op_inst inst = {.op = MOP_OP_CONV2D, .n_in = 1, .in = {{1, 2, 1, 2}}};
    (void)state;
    inst.params.u.conv = plain;
    inst.params.u.conv.cout = 2;
    inst.params.u.conv.groups = 2;
    inst.params.u.conv.kh = 2;
    inst.params.u.conv.pad_bottom = 1;
    inst.params.u.conv.has_bias = true;
    expect_values(inst, x, NULL, constants, want);
}

/* relu6(2 x + residual) */
static void the_epilogue_adds_the_residual_before_the_activation(void **state)
{
    const double x[3] = {1, 2, 3}, r[3] = {-5, 1, 1};
    const float w[1] = {2};
    const float *const constants[4] = {w};
    const double want[3] = {0, 5, 6};
    mop_op_inst inst = {.op = MOP_OP_CONV2D, .n_in = 2, .in = {{1, 1, 3, 1}, {1, 1, 3, 1}}};
    (void)state;
    inst.params.u.conv = plain;
    inst.params.act = MOP_ACT_RELU6;
    inst.params.has_residual = true;
    expect_values(inst, x, r, constants, want);
}

/* Variances chosen so that var + eps is 4 and 0.25. */
static void batchnorm_normalises_each_channel(void **state)
{
    const float eps = 0x1p-10f;
    const float gamma[2] = {2, 3}, beta[2] = {10, 20}, mean[2] = {1, -1};
    const float var[2] = {4 - 0x1p-10f, 0.25f - 0x1p-10f};
    const float *const constants[4] = {gamma, beta, mean, var};
    const double x[4] = {1, 1, 3, -2}, want[4] = {10, 32, 12, 14};
    mop_op_inst inst = {.op = MOP_OP_BATCHNORM, .n_in = 1, .in = {{1, 1, 2, 2}}};
    (void)state;
    inst.params.u.bn.eps = eps;
    expect_values(inst, x, NULL, constants, want);
}

static void act_applies_its_function(void **state)
{
    const double x[3] = {-4, 0, 1}, want[3] = {0, 0, 2.0 / 3};
    mop_op_inst inst = {.op = MOP_OP_ACT, .n_in = 1, .in = {{1, 1, 1, 3}}};
    (void)state;
    inst.params.act = MOP_ACT_HARDSWISH;
    expect_values(inst, x, NULL, NULL, want);
}

static void add_and_mul_take_equal_shapes_or_a_vector_per_image(void **state)
{
    const double x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, v[4] = {10, 20, 30, 40};
    const double sum[8] = {11, 22, 13, 24, 35, 46, 37, 48};
    const double product[8] = {10, 40, 30, 80, 150, 240, 210, 320};
    const double twice[8] = {2, 4, 6, 8, 10, 12, 14, 16};
    const double square[8] = {1, 4, 9, 16, 25, 36, 49, 64};
    mop_op_inst inst = {.op = MOP_OP_ADD, .n_in = 2, .in = {{2, 1, 2, 2}, {2, 1, 1, 2}}};
    (void)state;
    expect_values(inst, x, v, NULL, sum);
    inst.op = MOP_OP_MUL;
    expect_values(inst, x, v, NULL, product);
    inst.in[1] = inst.in[0];
    expect_values(inst, x, x, NULL, square);
    inst.op = MOP_OP_ADD;
    expect_values(inst, x, x, NULL, twice);
}

static void gap_averages_each_channel_of_each_image(void **state)
{
    const double x[8] = {1, 10, 3, 30, 5, 50, 8, 80}, want[4] = {2, 20, 6.5, 65};
    const mop_op_inst inst = {.op = MOP_OP_GAP, .n_in = 1, .in = {{2, 2, 1, 2}}};
    (void)state;
    expect_values(inst, x, NULL, NULL, want);
}

static void padding_never_wins_a_maximum(void **state)
{
    const double x[4] = {-1, -2, -3, -4}, want[1] = {-1};
    mop_op_inst inst = {.op = MOP_OP_POOL, .n_in = 1, .in = {{1, 2, 2, 1}}};
    (void)state;
    inst.params.u.pool = (mop_pool_params){MOP_POOL_MAX, .k = 3, .stride = 2, .pad = 1};
    expect_values(inst, x, NULL, NULL, want);
}

/* 3x3 windows at the corners of a padded 3x3 map see 4 values each. */
static void padding_never_counts_in_an_average(void **state)
{
    const double x[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, want[4] = {3, 4, 6, 7};
    mop_op_inst inst = {.op = MOP_OP_POOL, .n_in = 1, .in = {{1, 3, 3, 1}}};
    (void)state;
    inst.params.u.pool = (mop_pool_params){MOP_POOL_AVG, .k = 3, .stride = 2, .pad = 1};
    expect_values(inst, x, NULL, NULL, want);
}

static void fc_multiplies_by_a_matrix(void **state)
{
    const double x[4] = {1, 2, 3, 4};
    const float w[6] = {1, 0, 0, 1, 10, 100}, bias[3] = {0.5f, 0, -1};
    const float *const constants[4] = {w, bias};
    const double want[6] = {1.5, 2, 209, 3.5, 4, 429};
    mop_op_inst inst = {.op = MOP_OP_FC, .n_in = 1, .in = {{2, 1, 1, 2}}};
    (void)state;
    inst.params.u.fc = (mop_fc_params){.cout = 3, .has_bias = true};
    expect_values(inst, x, NULL, constants, want);
}

/* s = 0.5 everywhere is theta = 0: the initial function max(x, 0), which is ReLU. */
static void dynamic_activations_start_as_relu(void **state)
{
    const double x[2] = {-3, 5}, half[8] = {.5, .5, .5, .5, .5, .5, .5, .5}, want[2] = {0, 5};
    mop_op_inst inst = {.op = MOP_OP_DYRELU, .n_in = 2, .in = {{1, 1, 1, 2}, {1, 1, 1, 4}}};
    (void)state;
    inst.params.u.dy = (mop_dy_params){.pieces = 2, .shifts = 1, .groups = 1};
    expect_values(inst, x, half, NULL, want);
    inst.params.u.dy.per_channel = true;
    inst.in[1].c = 8;
    expect_values(inst, x, half, NULL, want);
    inst.op = MOP_OP_DYSHIFTMAX;
    inst.params.u.dy = (mop_dy_params){.pieces = 2, .shifts = 2, .groups = 2};
    expect_values(inst, x, half, NULL, want);
}

/* A: s = (1, 0.75, 0.25, 1): a_0 = 1 + 1, b_0 = 0.25; a_1 = -0.5, b_1 = 0.5. */
static void dyrelu_a_shares_its_pieces_among_channels(void **state)
{
    const double x[4] = {1, -1, 2, -8}, s[4] = {1, 0.75, 0.25, 1};
    const double want[4] = {2.25, 1, 4.25, 4.5};
    mop_op_inst inst = {.op = MOP_OP_DYRELU, .n_in = 2, .in = {{1, 1, 2, 2}, {1, 1, 1, 4}}};
    (void)state;
    inst.params.u.dy = (mop_dy_params){.pieces = 2, .shifts = 1, .groups = 1};
    expect_values(inst, x, s, NULL, want);
}

/* B, one piece, two channels, two images: s = slope c0, slope c1, intercept c0, intercept c1. */
static void dyrelu_b_has_pieces_for_each_channel(void **state)
{
    const double x[4] = {10, 10, 1, 1}, s[8] = {1, 0, 0.5, 1, 0.5, 0.75, 0, 0.5};
    const double want[4] = {20, 0.5, 0.5, 1.5};
    mop_op_inst inst = {.op = MOP_OP_DYRELU, .n_in = 2, .in = {{2, 1, 1, 2}, {2, 1, 1, 4}}};
    (void)state;
    inst.params.u.dy = (mop_dy_params){.pieces = 1, .shifts = 1, .groups = 1, .per_channel = true};
    expect_values(inst, x, s, NULL, want);
}

/* c = 4, two groups: channel i meets i + 2. Piece 0 is x_i + 2 x_(i+2) for channel 0 (s = 0.5, 1),
 * x_i else; piece 1 is -2 x_i for channel 3 (s = 0), 0 else. */
static void dyshiftmax_mixes_channels_of_different_groups(void **state)
{
    const double x[4] = {1, 2, 30, -4};
    const double s[16] = {.5, .5, .5, .5, 1, .5, .5, .5, .5, .5, .5, 0, .5, .5, .5, .5};
    const double want[4] = {61, 2, 30, 8};
    mop_op_inst inst = {.op = MOP_OP_DYSHIFTMAX, .n_in = 2, .in = {{1, 1, 1, 4}, {1, 1, 1, 16}}};
    (void)state;
    inst.params.u.dy = (mop_dy_params){.pieces = 2, .shifts = 2, .groups = 2};
    expect_values(inst, x, s, NULL, want);
}

static void input_keeps_the_shape_and_the_values_it_was_given(void **state)
{
    mop_op_inst inst = {.op = MOP_OP_INPUT, .out = {2, 3, 4, 5}};
    mop_err err = {0};
    double values[120] = {7}, bound[120] = {1};
    const mop_ref_args args = {.inst = &inst, .out = values, .bound = bound};
    (void)state;
    assert_int_equal(mop_op_infer(&inst, &err), MOP_OK);
    assert_true(mop_shape_equal(inst.out, (mop_shape){2, 3, 4, 5}));
    mop_op_reference(&args);
    assert_true(values[0] == 7 && bound[0] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_a_name_a_shape_rule_and_a_reference),
        cmocka_unit_test(conv2d_sums_the_window_and_sees_zeros_outside),
        cmocka_unit_test(conv2d_reaches_over_dilated_taps_of_each_image),
        cmocka_unit_test(conv2d_keeps_groups_apart),
        cmocka_unit_test(conv2d_depthwise_takes_one_filter_per_channel),
        cmocka_unit_test(the_epilogue_adds_the_residual_before_the_activation),
        cmocka_unit_test(batchnorm_normalises_each_channel),
        cmocka_unit_test(act_applies_its_function),
        cmocka_unit_test(add_and_mul_take_equal_shapes_or_a_vector_per_image),
        cmocka_unit_test(gap_averages_each_channel_of_each_image),
        cmocka_unit_test(padding_never_wins_a_maximum),
        cmocka_unit_test(padding_never_counts_in_an_average),
        cmocka_unit_test(fc_multiplies_by_a_matrix),
        cmocka_unit_test(dynamic_activations_start_as_relu),
        cmocka_unit_test(dyrelu_a_shares_its_pieces_among_channels),
        cmocka_unit_test(dyrelu_b_has_pieces_for_each_channel),
        cmocka_unit_test(dyshiftmax_mixes_channels_of_different_groups),
        cmocka_unit_test(input_keeps_the_shape_and_the_values_it_was_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
