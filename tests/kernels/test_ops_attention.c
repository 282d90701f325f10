/* The operators of vision transformers by cases small enough to compute by hand: values, counts and
 * refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "kernels/op.h"

static void expect_values(mop_op_inst inst, const double *a, const double *b, const float *w0,
                          const float *w1, const double *want)
{
    mop_err err = {0};
    double out[64], bound[64];
    mop_ref_args args = {.inst = &inst, .in = {a, b}, .w = {w0, w1}, .out = out, .bound = bound};
    assert_int_equal(mop_op_infer(&inst, &err), MOP_OK);
    assert_in_range(mop_shape_elems(inst.out), 1, 64);
    mop_op_reference(&args);
    for (int64_t i = 0; i < mop_shape_elems(inst.out); i++) {
        if (!(fabs(out[i] - want[i]) <= 1e-12))
            fail_msg("output %d is %.17g, expected %.17g", (int)i, out[i], want[i]);
        assert_true(bound[i] >= 0 && bound[i] < 1e-4 * (fabs(want[i]) + 1));
    }
}

/* want holds params, macs, elementwise, activations. */
static void expect_cost(mop_op_inst inst, const int64_t want[4])
{
    mop_cost c;
    assert_int_equal(mop_op_infer(&inst, NULL), MOP_OK);
    mop_op_cost(&inst, &c);
    assert_int_equal(c.params, want[0]);
    assert_int_equal(c.macs, want[1]);
    assert_int_equal(c.elementwise, want[2]);
    assert_int_equal(c.activations, want[3]);
    assert_int_equal(c.buffers, 0);
}

static void expect_error(mop_op_inst inst, const char *sentence)
{
    mop_err err = {0};
    assert_int_equal(mop_op_infer(&inst, &err), MOP_EINVAL);
    assert_string_equal(err.msg, sentence);
}

/* Two images of one row of two positions. */
static void embed_puts_the_class_token_in_front_and_adds_positions(void **state)
{
    const double x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const float token[2] = {10, 20}, positions[6] = {.5f, .25f, 1, 2, 3, 4};
    const double want[12] = {10.5, 20.25, 2, 4, 6, 8, 10.5, 20.25, 6, 8, 10, 12};
    const mop_op_inst inst = {.op = MOP_OP_EMBED, .n_in = 1, .in = {{2, 1, 2, 2}}};
    (void)state;
    expect_values(inst, x, NULL, token, positions, want);
    expect_cost(inst, (const int64_t[4]){2 + 6, 0, 12, 12});
}

static void class_token_is_the_first_position_of_each_image(void **state)
{
    const double x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, want[4] = {1, 2, 7, 8};
    const mop_op_inst inst = {.op = MOP_OP_CLASS_TOKEN, .n_in = 1, .in = {{2, 3, 1, 2}}};
    (void)state;
    expect_values(inst, x, NULL, NULL, NULL, want);
    expect_cost(inst, (const int64_t[4]){0, 0, 0, 4});
}

/* 1, 3, 5, 7: mean 4, variance 5; with eps = 1/4 the deviation is sqrt(5.25). The second position
 * is constant: nothing but beta comes out. */
static void layernorm_normalises_each_position(void **state)
{
    const double x[8] = {1, 3, 5, 7, 2, 2, 2, 2}, s = sqrt(5.25);
    const float gamma[4] = {1, 1, 2, 1}, beta[4] = {0, .5f, 0, -1};
    const double want[8] = {-3 / s, -1 / s + .5, 2 / s, 3 / s - 1, 0, .5, 0, -1};
    mop_op_inst inst = {.op = MOP_OP_LAYERNORM, .n_in = 1, .in = {{1, 1, 2, 4}}};
    (void)state;
    inst.params.u.bn.eps = 0.25f;
    expect_values(inst, x, NULL, gamma, beta, want);
    expect_cost(inst, (const int64_t[4]){8, 0, 8 * 7 + 2 * 5, 8});
    inst.params.u.bn.eps = 0;
    expect_error(inst, "layernorm: eps 0, must be above 0 and below 1");
}

/* Only differences count, so a large value must not overflow. */
static void softmax_sums_to_one_at_each_position(void **state)
{
    const double x[4] = {0, log(3.0), 5000 + log(4.0), 5000}, want[4] = {.25, .75, .8, .2};
    const mop_op_inst inst = {.op = MOP_OP_SOFTMAX, .n_in = 1, .in = {{1, 2, 1, 2}}};
    (void)state;
    expect_values(inst, x, NULL, NULL, NULL, want);
    expect_cost(inst, (const int64_t[4]){0, 0, 4 * 5 + 2, 4});
}

/* Two positions, two heads of one channel: q = (1, 2), (3, 4), k = (5, 6), (7, 8). */
static void attention_scores_keep_heads_apart(void **state)
{
    const double x[12] = {1, 2, 5, 6, 0, 0, 3, 4, 7, 8, 0, 0};
    const double want[8] = {5, 7, 15, 21, 12, 16, 24, 32};
    mop_op_inst inst = {.op = MOP_OP_ATTN_QK, .n_in = 1, .in = {{1, 2, 1, 6}}};
    (void)state;
    inst.params.u.attn.heads = 2;
    expect_values(inst, x, NULL, NULL, NULL, want);
    expect_cost(inst, (const int64_t[4]){0, 8, 8, 8});
    inst.params.u.attn.heads = 3;
    expect_error(inst, "attn_qk: 6 channels are not queries, keys and values of 3 heads");
    inst.in[0] = (mop_shape){1, 200, 200, 9};
    expect_error(inst, "attn_qk: 40000 positions, must be at most 32767");
}

/* One head of four channels: products are halved, 1 / sqrt(4). */
static void attention_scores_are_scaled_by_the_width_of_a_head(void **state)
{
    const double x[12] = {1, 1, 1, 1, 2, 3, 4, 5, 0, 0, 0, 0}, want[1] = {7};
    mop_op_inst inst = {.op = MOP_OP_ATTN_QK, .n_in = 1, .in = {{1, 1, 1, 12}}};
    (void)state;
    inst.params.u.attn.heads = 1;
    expect_values(inst, x, NULL, NULL, NULL, want);
}

/* v = (1, 10), (2, 20); head 0 takes a quarter and three quarters, head 1 the second alone. */
static void attention_values_are_weighted_by_head(void **state)
{
    const double a[8] = {.25, .75, 1, 0, 0, 1, .5, .5};
    const double x[12] = {0, 0, 0, 0, 1, 10, 0, 0, 0, 0, 2, 20}, want[4] = {1.75, 20, 1, 15};
    mop_op_inst inst = {.op = MOP_OP_ATTN_AV, .n_in = 2, .in = {{1, 2, 2, 2}, {1, 1, 2, 6}}};
    (void)state;
    inst.params.u.attn.heads = 2;
    expect_values(inst, a, x, NULL, NULL, want);
    expect_cost(inst, (const int64_t[4]){0, 8, 0, 4});
    inst.in[0].w = 3;
    expect_error(inst, "attn_av: weights 1x2x3x2 are not those of 2 heads over 2 positions");
    inst.in[1].c = 7;
    expect_error(inst, "attn_av: 7 channels are not queries, keys and values of 2 heads");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embed_puts_the_class_token_in_front_and_adds_positions),
        cmocka_unit_test(class_token_is_the_first_position_of_each_image),
        cmocka_unit_test(layernorm_normalises_each_position),
        cmocka_unit_test(softmax_sums_to_one_at_each_position),
        cmocka_unit_test(attention_scores_keep_heads_apart),
        cmocka_unit_test(attention_scores_are_scaled_by_the_width_of_a_head),
        cmocka_unit_test(attention_values_are_weighted_by_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
