/* The real clock runs forward; a clock of steps is measured exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "profiler/base/clock.h"

/* Advances by 28 at every fourth reading only. */
static uint64_t coarse_now(void *ctx)
{
    uint64_t *readings = ctx;
    return ++*readings / 4 * 28;
}

static uint64_t even_now(void *ctx)
{
    uint64_t *readings = ctx;
    return ++*readings * 25;
}

static uint64_t stopped_now(void *ctx)
{
    (void)ctx;
    return 1000;
}

static void the_real_clock_never_runs_back(void **state)
{
    mop_clock c = mop_clock_real();
    uint64_t last = mop_now_ns(&c), cost = 0, step = 0;
    const uint64_t first = last;
    (void)state;
    for (int i = 0; i < 100000; i++) {
        uint64_t now = mop_now_ns(&c);
        assert_true(now >= last);
        last = now;
    }
    assert_true(last > first);
    mop_clock_measure(&c, &cost, &step);
    assert_true(step > 0);
}

static void cost_is_the_median_and_step_the_smallest_advance(void **state)
{
    uint64_t readings = 0, cost = 99, step = 99;
    mop_clock even = {even_now, &readings}, coarse = {coarse_now, &readings};
    (void)state;
    mop_clock_measure(&even, &cost, &step);
    assert_int_equal(cost, 25);
    assert_int_equal(step, 25);
    mop_clock_measure(&coarse, &cost, &step);
    assert_int_equal(cost, 0);
    assert_int_equal(step, 28);
}

static void a_stopped_clock_has_a_step_of_one(void **state)
{
    mop_clock c = {stopped_now, NULL};
    uint64_t cost = 99, step = 99;
    (void)state;
    mop_clock_measure(&c, &cost, &step);
    assert_int_equal(cost, 0);
    assert_int_equal(step, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_real_clock_never_runs_back),
        cmocka_unit_test(cost_is_the_median_and_step_the_smallest_advance),
        cmocka_unit_test(a_stopped_clock_has_a_step_of_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
