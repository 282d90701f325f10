/* The real canaries under a clock that is scripted, one that stands, and this machine's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db/record.h"
#include "profiler/measure/canary.h"

typedef struct ticking {
    uint64_t now, step;
} ticking;

static uint64_t tick(void *ctx)
{
    ticking *t = ctx;
    t->now += t->step;
    return t->now;
}

static mop_canary open_on(mop_clock clock)
{
    mop_canary c;
    mop_err err = {0};
    assert_int_equal(mop_canary_open(clock, &c, &err), MOP_OK);
    return c;
}

static void each_of_the_pair_is_one_interval_of_the_clock(void **state)
{
    ticking t = {.step = 700};
    mop_canary_times x;
    (void)state;
    mop_canary c = open_on((mop_clock){.now_ns = tick, .ctx = &t});
    uint64_t began = t.now;
    c.run(c.ctx, &x);
    assert_int_equal(x.cpu_ns, 700);
    assert_int_equal(x.memory_ns, 700);
    assert_int_equal(t.now - began, 4 * 700);
    mop_canary_close(&c);
    assert_null(c.run);
}

static void a_clock_that_stands_leaves_both_absent(void **state)
{
    ticking t = {0};
    mop_canary_times x;
    (void)state;
    mop_canary c = open_on((mop_clock){.now_ns = tick, .ctx = &t});
    c.run(c.ctx, &x);
    assert_true(x.cpu_ns == MOP_ABSENT);
    assert_true(x.memory_ns == MOP_ABSENT);
    mop_canary_close(&c);
}

/* The bounds are far: half the time means the chain was folded away or calibrated on nothing, a
 * millisecond as the smallest of 200 is no noise. */
static void the_chain_takes_about_fifty_microseconds(void **state)
{
    mop_canary c = open_on(mop_clock_real());
    mop_canary_times x, least = {INT64_MAX, INT64_MAX};
    (void)state;
    for (int i = 0; i < 200; i++) {
        c.run(c.ctx, &x);
        if (x.cpu_ns != MOP_ABSENT && x.cpu_ns < least.cpu_ns)
            least.cpu_ns = x.cpu_ns;
        if (x.memory_ns != MOP_ABSENT && x.memory_ns < least.memory_ns)
            least.memory_ns = x.memory_ns;
    }
    print_message("smallest of 200: chain %.1f us, stream %.1f us\n", (double)least.cpu_ns / 1e3,
                  (double)least.memory_ns / 1e3);
    int64_t branches = INT64_MAX;
    for (int i = 0; i < 200; i++) {
        int64_t t = c.branches(c.ctx);
        if (t != MOP_ABSENT && t < branches)
            branches = t;
    }
    assert_in_range(least.cpu_ns, 20000, 1000000);
    assert_in_range(branches, 20000, 1000000);
    assert_in_range(least.memory_ns, 2000, 100000000); /* 2 MiB at no more than 1 TB/s */
    mop_canary_close(&c);
}

static void closing_what_was_never_opened_is_fine(void **state)
{
    mop_canary c = {0};
    (void)state;
    mop_canary_close(&c);
    mop_canary_close(&c);
    assert_null(c.run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_the_pair_is_one_interval_of_the_clock),
        cmocka_unit_test(a_clock_that_stands_leaves_both_absent),
        cmocka_unit_test(the_chain_takes_about_fifty_microseconds),
        cmocka_unit_test(closing_what_was_never_opened_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
