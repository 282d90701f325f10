/* Costs against counts made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels/op.h"

/* want holds params, buffers, macs, elementwise, activations, bytes_read, bytes_written. */
static void expect_cost(mop_op_inst inst, const int64_t want[7])
{
    mop_err err = {0};
    mop_cost c;
    assert_int_equal(mop_op_infer(&inst, &err), MOP_OK);
    mop_op_cost(&inst, &c);
    const int64_t got[7] = {c.params,      c.buffers,    c.macs,         c.elementwise,
                            c.activations, c.bytes_read, c.bytes_written};
    for (int i = 0; i < 7; i++)
        if (got[i] != want[i])
            fail_msg("%s: count %d is %lld, by hand %lld", mop_op_get(inst.op)->name, i,
                     (long long)got[i], (long long)want[i]);
}

/* The stem of MobileOne-S0: 3x3 stride 2 on 224x224x3 to 112x112x48, bias, ReLU. */
static void a_convolution_counts_macs_bias_and_epilogue_apart(void **state)
{
    mop_op_inst inst = {.op = MOP_OP_CONV2D, .n_in = 1, .in = {{1, 224, 224, 3}}};
    const int64_t out = 112 * 112 * 48, in = 224 * 224 * 3;
    const int64_t plain[7] = {1344, 0, out * 27, 2 * out, out, 4 * (in + 1344), 4 * out};
    const int64_t residual[7] = {1344, 0, out * 27, 3 * out, out, 4 * (in + 1344 + out), 4 * out};
    (void)state;
    inst.params.u.conv = (mop_conv_params){.cout = 48,
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
    inst.params.act = MOP_ACT_RELU;
    expect_cost(inst, plain);
    inst.params.has_residual = true;
    inst.n_in = 2;
    inst.in[1] = (mop_shape){1, 112, 112, 48};
    expect_cost(inst, residual);
}

static void groups_divide_the_macs_and_the_weights(void **state)
{
    mop_op_inst inst = {.op = MOP_OP_CONV2D, .n_in = 1, .in = {{2, 14, 14, 512}}};
    const int64_t x = 2 * 14 * 14 * 512;
    const int64_t depthwise[7] = {512 * 9, 0, x * 9, 0, x, 4 * (x + 512 * 9), 4 * x};
    (void)state;
    inst.params.u.conv = (mop_conv_params){.cout = 512,
                                           .kh = 3,
                                           .kw = 3,
                                           .stride = 1,
                                           .dilation = 1,
                                           .groups = 512,
                                           .pad_top = 1,
                                           .pad_left = 1,
                                           .pad_bottom = 1,
                                           .pad_right = 1};
    expect_cost(inst, depthwise);
}

static void batchnorm_statistics_are_buffers_not_params(void **state)
{
    mop_op_inst inst = {.op = MOP_OP_BATCHNORM, .n_in = 1, .in = {{1, 2, 3, 4}}};
    const int64_t want[7] = {8, 8, 0, 48 + 24 * 5, 24, 4 * (24 + 16), 96};
    (void)state;
    inst.params.u.bn.eps = 1e-5f;
    inst.params.act = MOP_ACT_GELU;
    expect_cost(inst, want);
}

static void elementwise_operators_count_one_each(void **state)
{
    const int64_t act[7] = {0, 0, 0, 24 * 4, 24, 96, 96};
    const int64_t add[7] = {0, 0, 0, 24, 24, 192, 96};
    const int64_t scale[7] = {0, 0, 0, 24, 24, 96 + 16, 96};
    mop_op_inst inst = {.op = MOP_OP_ADD, .n_in = 2, .in = {{1, 2, 3, 4}, {1, 2, 3, 4}}};
    (void)state;
    expect_cost(inst, add);
    inst.op = MOP_OP_MUL;
    inst.in[1] = (mop_shape){1, 1, 1, 4};
    expect_cost(inst, scale);
    inst.op = MOP_OP_ACT;
    inst.n_in = 1;
    inst.params.act = MOP_ACT_SILU;
    expect_cost(inst, act);
}

static void pooling_counts_every_value_of_a_window(void **state)
{
    const int64_t gap[7] = {0, 0, 0, 2 * 49 * 10, 20, 4 * 980, 80};
    const int64_t pool[7] = {0, 0, 0, 2 * 16 * 10 * 9, 320, 4 * 980, 4 * 320};
    mop_op_inst inst = {.op = MOP_OP_GAP, .n_in = 1, .in = {{2, 7, 7, 10}}};
    (void)state;
    expect_cost(inst, gap);
    inst.op = MOP_OP_POOL;
    inst.params.u.pool = (mop_pool_params){MOP_POOL_MAX, .k = 3, .stride = 2, .pad = 1};
    expect_cost(inst, pool);
}

static void fc_counts_its_matrix(void **state)
{
    const int64_t want[7] = {1025000, 0, 2 * 1024000, 2000, 2000, 4 * (2048 + 1025000), 8000};
    mop_op_inst inst = {.op = MOP_OP_FC, .n_in = 1, .in = {{2, 1, 1, 1024}}};
    (void)state;
    inst.params.u.fc = (mop_fc_params){.cout = 1000, .has_bias = true};
    expect_cost(inst, want);
}

/* Two pieces: 2 products, 2 sums, 1 maximum per value, 3 per coefficient. Shift-max with J = 2:
 * 4 products, 2 sums, 1 maximum. */
static void dynamic_activations_count_values_and_coefficients(void **state)
{
    const int64_t relu_a[7] = {0, 0, 0, 24 * 5 + 4 * 3, 24, 4 * 28, 96};
    const int64_t relu_b[7] = {0, 0, 0, 24 * 5 + 16 * 3, 24, 4 * 40, 96};
    const int64_t shift_max[7] = {0, 0, 0, 24 * 7 + 16 * 3, 24, 4 * 40, 96};
    mop_op_inst inst = {.op = MOP_OP_DYRELU, .n_in = 2, .in = {{1, 2, 3, 4}, {1, 1, 1, 4}}};
    (void)state;
    inst.params.u.dy = (mop_dy_params){.pieces = 2, .shifts = 1, .groups = 1};
    expect_cost(inst, relu_a);
    inst.in[1].c = 16;
    inst.params.u.dy.per_channel = true;
    expect_cost(inst, relu_b);
    inst.op = MOP_OP_DYSHIFTMAX;
    inst.params.u.dy = (mop_dy_params){.pieces = 2, .shifts = 2, .groups = 2};
    expect_cost(inst, shift_max);
}

static void constants_are_described_in_their_order(void **state)
{
    mop_op_inst conv = {.op = MOP_OP_CONV2D, .n_in = 1, .in = {{1, 8, 8, 6}}};
    mop_op_inst bn = {.op = MOP_OP_BATCHNORM, .n_in = 1, .in = {{1, 8, 8, 6}}};
    static const char *const roles[4] = {"gamma", "beta", "mean", "var"};
    mop_weight_desc d[MOP_MAX_WEIGHTS];
    (void)state;
    conv.params.u.conv = (mop_conv_params){
        .cout = 4, .kh = 3, .kw = 2, .stride = 1, .dilation = 1, .groups = 2, .has_bias = true};
    assert_int_equal(mop_op_weights(&conv, d), 2);
    assert_string_equal(d[0].role, "w");
    assert_int_equal(d[0].elems, 4 * 3 * 2 * 3);
    assert_int_equal(d[0].fan_in, 3 * 2 * 3);
    assert_int_equal(d[0].init, MOP_INIT_KERNEL);
    assert_string_equal(d[1].role, "bias");
    assert_int_equal(d[1].elems, 4);
    conv.params.u.conv.has_bias = false;
    assert_int_equal(mop_op_weights(&conv, d), 1);
    assert_int_equal(mop_op_weights(&bn, d), 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(d[i].role, roles[i]);
        assert_int_equal(d[i].elems, 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_convolution_counts_macs_bias_and_epilogue_apart),
        cmocka_unit_test(groups_divide_the_macs_and_the_weights),
        cmocka_unit_test(batchnorm_statistics_are_buffers_not_params),
        cmocka_unit_test(elementwise_operators_count_one_each),
        cmocka_unit_test(pooling_counts_every_value_of_a_window),
        cmocka_unit_test(fc_counts_its_matrix),
        cmocka_unit_test(dynamic_activations_count_values_and_coefficients),
        cmocka_unit_test(constants_are_described_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
