/* Every operator by a case small enough to compute by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "kernels/op.h"

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
        assert_true(bound[i] >= 0 && bound[i] < 1e-3);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_a_name_a_shape_rule_and_a_reference),
        cmocka_unit_test(conv2d_sums_the_window_and_sees_zeros_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
