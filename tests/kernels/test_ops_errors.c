/* Every bad parameter gives its sentence and leaves the instance alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include <string.h>

#include "kernels/op.h"

static const mop_shape sentinel = {-7, -7, -7, -7};

static void expect_error(mop_op_inst inst, const char *sentence)
{
    mop_err err = {0};
    mop_op_inst before;
    if (inst.op != MOP_OP_INPUT)
        inst.out = sentinel;
    memcpy(&before, &inst, sizeof inst);
    assert_int_equal(mop_op_infer(&inst, &err), MOP_EINVAL);
    assert_int_equal(err.code, MOP_EINVAL);
    assert_string_equal(err.msg, sentence);
    assert_memory_equal(&before, &inst, sizeof inst);
}

/* A valid 3x3 convolution of 8x8x64 to 32 channels, to be spoilt. */
static mop_op_inst conv(void)
{
    mop_op_inst inst = {.op = MOP_OP_CONV2D, .n_in = 1, .in = {{1, 8, 8, 64}}};
    inst.params.u.conv =
        (mop_conv_params){.cout = 32, .kh = 3, .kw = 3, .stride = 1, .dilation = 1, .groups = 1};
    return inst;
}

/* Spoils one field of conv() and expects the sentence. */
#define CONV_ERROR(field, value, sentence)                                                         \
    do {                                                                                           \
        mop_op_inst spoilt = conv();                                                               \
        spoilt.params.u.conv.field = value;                                                        \
        expect_error(spoilt, sentence);                                                            \
    } while (0)

static void conv2d_names_what_is_wrong(void **state)
{
    mop_op_inst inst = conv();
    (void)state;
    CONV_ERROR(groups, 3, "conv2d: groups 3 does not divide 64 input channels");
    CONV_ERROR(groups, 64, "conv2d: groups 64 does not divide 32 output channels");
    CONV_ERROR(groups, 0, "conv2d: groups 0, must be at least 1");
    CONV_ERROR(cout, 0, "conv2d: 0 output channels, must be at least 1");
    CONV_ERROR(kh, 0, "conv2d: kernel 0x3, both sides must be at least 1");
    CONV_ERROR(kw, -1, "conv2d: kernel 3x-1, both sides must be at least 1");
    CONV_ERROR(stride, 0, "conv2d: stride 0, must be at least 1");
    CONV_ERROR(dilation, 0, "conv2d: dilation 0, must be at least 1");
    CONV_ERROR(pad_left, -1,
               "conv2d: padding 0,-1,0,0 (top, left, bottom, right) must not be negative");
    CONV_ERROR(kw, 9, "conv2d: kernel 3x9 at dilation 1 does not fit the padded input 8x8");
    CONV_ERROR(dilation, 4, "conv2d: kernel 3x3 at dilation 4 does not fit the padded input 8x8");
    CONV_ERROR(cout, INT32_MAX, "conv2d: 2147483647 x 3 x 3 x 64 weights are 2^31 values or more");
    inst.params.u.conv.kh = inst.params.u.conv.kw = inst.params.u.conv.cout = INT32_MAX;
    expect_error(inst, "conv2d: 2147483647 x 2147483647 x 2147483647 x 64 weights are 2^31 values "
                       "or more");
    inst = conv();
    inst.params.u.conv.pad_top = inst.params.u.conv.pad_bottom = INT32_MAX;
    expect_error(inst, "conv2d: output 4294967300x6 is too large");
    inst = conv();
    inst.params.u.conv.pad_top = inst.params.u.conv.pad_left = 100000;
    expect_error(inst, "conv2d: output: shape 1x100006x100006x32 has 2^31 elements or more");
}

static void the_common_part_names_what_is_wrong(void **state)
{
    mop_op_inst inst = conv();
    char sentence[64];
    (void)state;
    inst.n_in = 2;
    expect_error(inst, "conv2d: needs 1 inputs, got 2");
    inst.params.has_residual = true;
    inst.in[1] = (mop_shape){1, 6, 6, 64};
    expect_error(inst, "conv2d: residual 1x6x6x64 does not match the output 1x6x6x32");
    inst.n_in = 1;
    expect_error(inst, "conv2d: needs 2 inputs with its residual, got 1");
    inst = conv();
    inst.in[0].h = 0;
    expect_error(inst, "conv2d: input 0: axis h of shape 1x0x8x64 is below 1");
    inst.in[0] = (mop_shape){INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX};
    expect_error(inst, "conv2d: input 0: shape 2147483647x2147483647x2147483647x2147483647 has "
                       "2^31 elements or more");
    inst = conv();
    inst.params.act = (mop_act)MOP_ACT_COUNT;
    expect_error(inst, "conv2d: there is no activation number 9");
    inst = (mop_op_inst){.op = MOP_OP_GAP, .n_in = 1, .in = {{1, 8, 8, 64}}};
    inst.params.act = MOP_ACT_RELU;
    expect_error(inst, "gap: takes no activation, but relu was asked for");
    inst.params.act = MOP_ACT_NONE;
    inst.params.has_residual = true;
    expect_error(inst, "gap: takes no residual");
    inst = (mop_op_inst){.op = (mop_op)MOP_OP_COUNT};
    snprintf(sentence, sizeof sentence, "there is no operator number %d", MOP_OP_COUNT);
    expect_error(inst, sentence);
    inst = (mop_op_inst){.op = MOP_OP_INPUT, .out = {1, 2, 3, 0}};
    expect_error(inst, "input: output: axis c of shape 1x2x3x0 is below 1");
}

static void small_operators_name_what_is_wrong(void **state)
{
    mop_op_inst inst = {.op = MOP_OP_BATCHNORM, .n_in = 1, .in = {{1, 8, 8, 64}}};
    (void)state;
    expect_error(inst, "batchnorm: eps 0, must be above 0 and below 1");
    inst = (mop_op_inst){.op = MOP_OP_ACT, .n_in = 1, .in = {{1, 8, 8, 64}}};
    expect_error(inst, "act: the function is none, which computes nothing");
    inst = (mop_op_inst){.op = MOP_OP_ADD, .n_in = 2, .in = {{2, 8, 8, 64}, {1, 1, 1, 64}}};
    expect_error(inst, "add: 1x1x1x64 is neither 2x8x8x64 nor its vector 2x1x1x64");
    inst.op = MOP_OP_MUL;
    inst.in[1] = (mop_shape){2, 1, 8, 64};
    expect_error(inst, "mul: 2x1x8x64 is neither 2x8x8x64 nor its vector 2x1x1x64");
    inst = (mop_op_inst){.op = MOP_OP_FC, .n_in = 1, .in = {{1, 7, 1, 64}}};
    expect_error(inst, "fc: 0 output channels, must be at least 1");
    inst.params.u.fc.cout = 10;
    expect_error(inst, "fc: input 1x7x1x64 is not a vector, pool it first");
    inst.in[0] = (mop_shape){1, 1, 1, 1 << 20};
    inst.params.u.fc.cout = 1 << 20;
    expect_error(inst, "fc: 1048576 x 1048576 x 1 x 1 weights are 2^31 values or more");
}

static void pool_names_what_is_wrong(void **state)
{
    const mop_op_inst good = {.op = MOP_OP_POOL,
                              .n_in = 1,
                              .in = {{1, 8, 8, 64}},
                              .params.u.pool = {MOP_POOL_MAX, .k = 3, .stride = 2, .pad = 1}};
    mop_op_inst inst = good;
    (void)state;
    inst.params.u.pool.kind = (mop_pool_kind)2;
    expect_error(inst, "pool: there is no kind number 2");
    inst = good;
    inst.params.u.pool.k = 0;
    expect_error(inst, "pool: window 0, must be 1 to 32767");
    inst.params.u.pool.k = 40000;
    expect_error(inst, "pool: window 40000, must be 1 to 32767");
    inst.params.u.pool.k = 11;
    expect_error(inst, "pool: window 11 does not fit the input 8x8 padded by 1");
    inst = good;
    inst.params.u.pool.stride = 0;
    expect_error(inst, "pool: stride 0, must be at least 1");
    inst = good;
    inst.params.u.pool.pad = 3;
    expect_error(inst, "pool: padding 3, must be at least 0 and below the window 3");
    inst.params.u.pool.pad = -1;
    expect_error(inst, "pool: padding -1, must be at least 0 and below the window 3");
}

static void dynamic_activations_name_what_is_wrong(void **state)
{
    mop_op_inst inst = {.op = MOP_OP_DYRELU, .n_in = 2, .in = {{1, 8, 8, 64}, {1, 1, 1, 5}}};
    (void)state;
    expect_error(inst, "dyrelu: 0 pieces, must be 1 to 16");
    inst.params.u.dy = (mop_dy_params){.pieces = 2, .shifts = 2, .groups = 1};
    expect_error(inst, "dyrelu: mixes no channels, but shifts is 2 and groups 1");
    inst.params.u.dy.shifts = 1;
    expect_error(inst, "dyrelu: coefficients 1x1x1x5, 2 pieces over 64 channels (A) need 1x1x1x4");
    inst.params.u.dy.per_channel = true;
    expect_error(inst,
                 "dyrelu: coefficients 1x1x1x5, 2 pieces over 64 channels (B) need 1x1x1x256");
    inst.op = MOP_OP_DYSHIFTMAX;
    inst.params.u.dy = (mop_dy_params){.pieces = 17};
    expect_error(inst, "dyshiftmax: 17 pieces, must be 1 to 16");
    inst.params.u.dy.pieces = 2;
    expect_error(inst, "dyshiftmax: 0 shifts, must be 1 to 16");
    inst.params.u.dy.shifts = 2;
    inst.params.u.dy.groups = 3;
    expect_error(inst, "dyshiftmax: groups 3 does not divide 64 channels");
    inst.params.u.dy.groups = 4;
    expect_error(inst, "dyshiftmax: coefficients 1x1x1x5, 2 pieces of 2 shifts over 64 channels "
                       "need 1x1x1x256");
}

/* The rule of the shape: floor((h + pads - span) / stride) + 1. */
static void the_window_rule_gives_the_known_sizes(void **state)
{
    static const struct {
        int32_t in, k, stride, dilation, before, after, out;
    } rows[] = {
        {224, 3, 2, 1, 1, 1, 112}, {224, 3, 2, 1, 0, 1, 112}, {225, 3, 2, 1, 1, 1, 113},
        {224, 7, 2, 1, 3, 3, 112}, {7, 3, 1, 2, 2, 2, 7},     {1, 1, 1, 1, 0, 0, 1},
        {3, 3, 5, 1, 0, 0, 1},     {224, 4, 4, 1, 0, 0, 56},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mop_op_inst inst = conv();
        mop_conv_params *p = &inst.params.u.conv;
        mop_err err = {0};
        inst.in[0] = (mop_shape){1, rows[i].in, rows[i].in, 64};
        p->kh = p->kw = rows[i].k;
        p->stride = rows[i].stride;
        p->dilation = rows[i].dilation;
        p->pad_top = p->pad_left = rows[i].before;
        p->pad_bottom = p->pad_right = rows[i].after;
        assert_int_equal(mop_op_infer(&inst, &err), MOP_OK);
        assert_true(mop_shape_equal(inst.out, (mop_shape){1, rows[i].out, rows[i].out, 32}));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv2d_names_what_is_wrong),
        cmocka_unit_test(the_common_part_names_what_is_wrong),
        cmocka_unit_test(small_operators_name_what_is_wrong),
        cmocka_unit_test(pool_names_what_is_wrong),
        cmocka_unit_test(dynamic_activations_name_what_is_wrong),
        cmocka_unit_test(the_window_rule_gives_the_known_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
