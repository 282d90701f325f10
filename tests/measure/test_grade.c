/* Grades at and beside each of their bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "profiler/measure/grade.h"

static const mop_grade_facts best = {.n = 120,
                                     .n_clean = 96,
                                     .passes = 40,
                                     .half_width = 0.0099,
                                     .aa_floor = 0.0099,
                                     .are_controls_ok = true};
static const mop_grade_facts second = {.n = 120,
                                       .n_clean = 60,
                                       .passes = 20,
                                       .half_width = 0.0199,
                                       .aa_floor = 0.0199,
                                       .are_controls_ok = true};

static void each_condition_of_a_is_needed_and_leaves_b(void **state)
{
    mop_grade_facts f[4] = {best, best, best, best};
    (void)state;
    assert_string_equal(mop_grade(&best), "A");
    f[0].n_clean = 95;
    f[1].passes = 39;
    f[2].half_width = 0.01;
    f[3].aa_floor = 0.01;
    for (int i = 0; i < 4; i++)
        assert_string_equal(mop_grade(&f[i]), "B");
}

static void each_condition_of_b_is_needed_and_leaves_c(void **state)
{
    mop_grade_facts f[4] = {second, second, second, second};
    (void)state;
    assert_string_equal(mop_grade(&second), "B");
    f[0].n_clean = 59;
    f[1].passes = 19;
    f[2].half_width = 0.02;
    f[3].aa_floor = 0.02;
    for (int i = 0; i < 4; i++)
        assert_string_equal(mop_grade(&f[i]), "C");
}

static void fewer_than_ten_clean_samples_are_x_whatever_else(void **state)
{
    mop_grade_facts f = best;
    (void)state;
    f.n = f.n_clean = 10;
    assert_string_equal(mop_grade(&f), "A");
    f.n = f.n_clean = 9;
    assert_string_equal(mop_grade(&f), "X");
    f.are_controls_ok = false;
    assert_string_equal(mop_grade(&f), "X");
    assert_string_equal(mop_grade(&(mop_grade_facts){0}), "X");
}

static void what_is_unknown_is_not_narrow(void **state)
{
    mop_grade_facts f = best;
    (void)state;
    f.half_width = NAN;
    assert_string_equal(mop_grade(&f), "C");
    f = best;
    f.aa_floor = NAN;
    assert_string_equal(mop_grade(&f), "C");
}

static void a_failed_control_caps_at_c(void **state)
{
    mop_grade_facts f = best;
    (void)state;
    f.are_controls_ok = false;
    assert_string_equal(mop_grade(&f), "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_condition_of_a_is_needed_and_leaves_b),
        cmocka_unit_test(each_condition_of_b_is_needed_and_leaves_c),
        cmocka_unit_test(fewer_than_ten_clean_samples_are_x_whatever_else),
        cmocka_unit_test(what_is_unknown_is_not_narrow),
        cmocka_unit_test(a_failed_control_caps_at_c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
