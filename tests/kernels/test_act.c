/* The activation table: spellings, values, Lipschitz constants, float32 allowance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "kernels/op.h"

enum { STEPS = 400000 };

static double grid(int i)
{
    return -20 + 40.0 * i / STEPS;
}

static void spellings_are_found_and_unique(void **state)
{
    (void)state;
    for (int i = 0; i < MOP_ACT_COUNT; i++) {
        mop_act found = MOP_ACT_COUNT;
        assert_true(mop_act_find(mop_act_name((mop_act)i), &found));
        assert_int_equal(found, i);
    }
}

static void an_unknown_spelling_leaves_the_result_alone(void **state)
{
    mop_act act = MOP_ACT_SILU;
    (void)state;
    assert_false(mop_act_find("swish7", &act));
    assert_false(mop_act_find("", &act));
    assert_int_equal(act, MOP_ACT_SILU);
}

/* Values of the closed forms at 1 and -1, computed with 30 digits. */
static void values_are_those_of_the_closed_forms(void **state)
{
    static const struct {
        mop_act act;
        double at_one, at_minus_one;
    } known[] = {
        {MOP_ACT_NONE, 1, -1},
        {MOP_ACT_RELU, 1, 0},
        {MOP_ACT_RELU6, 1, 0},
        {MOP_ACT_GELU, 0.841344746068542948585, -0.158655253931457051415},
        {MOP_ACT_GELU_TANH, 0.841191990608276704781, -0.158808009391723295218},
        {MOP_ACT_SILU, 0.731058578630004879251, -0.268941421369995120749},
        {MOP_ACT_HARDSWISH, 2.0 / 3, -1.0 / 3},
        {MOP_ACT_SIGMOID, 0.731058578630004879251, 0.268941421369995120749},
        {MOP_ACT_HARDSIGMOID, 2.0 / 3, 1.0 / 3},
    };
    (void)state;
    assert_int_equal(sizeof known / sizeof known[0], MOP_ACT_COUNT);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_int_equal(known[i].act, i);
        assert_true(fabs(mop_act_eval(known[i].act, 1) - known[i].at_one) < 1e-15);
        assert_true(fabs(mop_act_eval(known[i].act, -1) - known[i].at_minus_one) < 1e-15);
    }
}

static void values_saturate_where_they_should(void **state)
{
    (void)state;
    assert_true(mop_act_eval(MOP_ACT_RELU6, 7) == 6);
    assert_true(mop_act_eval(MOP_ACT_HARDSWISH, 10) == 10);
    assert_true(mop_act_eval(MOP_ACT_HARDSWISH, -10) == 0);
    assert_true(mop_act_eval(MOP_ACT_HARDSIGMOID, 3.5) == 1);
    assert_true(mop_act_eval(MOP_ACT_HARDSIGMOID, -3.5) == 0);
    assert_true(mop_act_eval(MOP_ACT_SIGMOID, -1000) == 0);
    assert_true(mop_act_eval(MOP_ACT_SIGMOID, 1000) == 1);
    assert_true(fabs(mop_act_eval(MOP_ACT_SILU, -1000)) == 0);
    assert_true(fabs(mop_act_eval(MOP_ACT_GELU, -50)) < 1e-300);
    assert_true(mop_act_eval(MOP_ACT_GELU_TANH, 50) == 50);
}

static void nan_stays_nan(void **state)
{
    (void)state;
    for (int i = 0; i < MOP_ACT_COUNT; i++)
        assert_true(isnan(mop_act_eval((mop_act)i, NAN)));
}

/* Slopes over a grid of 1e-4: never above the constant, and close to it somewhere. The slack of
 * 1e-9 is the rounding of a difference of values up to 20 divided by 1e-4. */
static void lipschitz_constants_are_upper_bounds_and_tight(void **state)
{
    (void)state;
    for (int a = 0; a < MOP_ACT_COUNT; a++) {
        double lip = mop_act_lipschitz((mop_act)a), steepest = 0;
        for (int i = 0; i < STEPS; i++) {
            double x = grid(i), y = grid(i + 1);
            double d = mop_act_eval((mop_act)a, y) - mop_act_eval((mop_act)a, x);
            steepest = fmax(steepest, fabs(d / (y - x)));
        }
        if (steepest > lip + 1e-9 || steepest < 0.99 * lip)
            fail_msg("%s: steepest slope %.9g, constant %g", mop_act_name((mop_act)a), steepest,
                     lip);
    }
}

static float with_libm32(mop_act act, float x)
{
    switch (act) {
    case MOP_ACT_GELU:
        return 0.5f * x * (1 + erff(x * 0.70710678f));
    case MOP_ACT_GELU_TANH:
        return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    case MOP_ACT_SILU:
        return x / (1 + expf(-x));
    case MOP_ACT_SIGMOID:
        return 1 / (1 + expf(-x));
    case MOP_ACT_HARDSWISH:
        return x * fminf(fmaxf(x + 3, 0), 6) * (1.0f / 6);
    case MOP_ACT_HARDSIGMOID:
        return fminf(fmaxf(x + 3, 0), 6) * (1.0f / 6);
    default:
        return (float)mop_act_eval(act, (double)x);
    }
}

static void float32_formulas_stay_within_half_the_allowance(void **state)
{
    (void)state;
    for (int a = 0; a < MOP_ACT_COUNT; a++) {
        for (int i = 0; i <= STEPS; i += 10) {
            float x = (float)grid(i);
            double err =
                fabs((double)with_libm32((mop_act)a, x) - mop_act_eval((mop_act)a, (double)x));
            if (!(err <= mop_act_allowance((mop_act)a, (double)x) / 2))
                fail_msg("%s(%g): off by %g, allowance %g", mop_act_name((mop_act)a), (double)x,
                         err, mop_act_allowance((mop_act)a, (double)x));
        }
    }
}

static void operations_are_counted_as_the_table_says(void **state)
{
    static const int ops[MOP_ACT_COUNT] = {0, 1, 2, 5, 9, 4, 5, 3, 4};
    (void)state;
    for (int a = 0; a < MOP_ACT_COUNT; a++)
        assert_int_equal(mop_act_ops((mop_act)a), ops[a]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spellings_are_found_and_unique),
        cmocka_unit_test(an_unknown_spelling_leaves_the_result_alone),
        cmocka_unit_test(values_are_those_of_the_closed_forms),
        cmocka_unit_test(values_saturate_where_they_should),
        cmocka_unit_test(nan_stays_nan),
        cmocka_unit_test(lipschitz_constants_are_upper_bounds_and_tight),
        cmocka_unit_test(float32_formulas_stay_within_half_the_allowance),
        cmocka_unit_test(operations_are_counted_as_the_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
