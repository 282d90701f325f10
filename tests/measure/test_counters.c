/* Flags from scripted readings, and the real counters seeing what a test makes happen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "db/record.h"
#include "profiler/base/clock.h"
#include "profiler/measure/counters.h"

static const mop_counts still = {1000000, 5, 6, 7, 8, 1, 9};

static void no_difference_is_clean(void **state)
{
    mop_counts after = still;
    (void)state;
    after.cpu_ns += 1000000;
    assert_int_equal(mop_counts_flags(&still, &after, 1000000, true), 0);
    after.vol_switches++; /* giving the CPU up is what waiting looks like */
    assert_int_equal(mop_counts_flags(&still, &after, 1000000, true), 0);
}

static void causes_add_up(void **state)
{
    mop_counts after = still;
    (void)state;
    after.invol_switches++;
    after.major_faults++;
    after.cpu = 0;
    assert_int_equal(mop_counts_flags(&still, &after, 1000000, true),
                     MOP_FLAG_PREEMPTED | MOP_FLAG_PAGE_FAULT | MOP_FLAG_MIGRATED |
                         MOP_FLAG_OFF_CPU);
}

static void a_switch_that_cost_next_to_nothing_is_no_preemption(void **state)
{
    mop_counts after = still;
    (void)state;
    after.invol_switches++;
    after.cpu_ns += 1000000;
    assert_int_equal(mop_counts_flags(&still, &after, 1020000, true), 0);
    assert_int_equal(mop_counts_flags(&still, &after, 1020001, true),
                     MOP_FLAG_PREEMPTED | MOP_FLAG_OFF_CPU);
    after.cpu_ns = MOP_ABSENT; /* nothing to tell by: the switch alone decides */
    assert_int_equal(mop_counts_flags(&still, &after, 1000000, true), MOP_FLAG_PREEMPTED);
}

static void a_run_delay_over_tolerance_is_preemption(void **state)
{
    mop_counts after = still;
    (void)state;
    after.cpu_ns += 100000000;
    after.run_delay_ns += 500000;
    assert_int_equal(mop_counts_flags(&still, &after, 100000000, false), 0);
    after.run_delay_ns++;
    assert_int_equal(mop_counts_flags(&still, &after, 100000000, false), MOP_FLAG_PREEMPTED);
    assert_int_equal(mop_counts_flags(&still, &after, 100000000, true), MOP_FLAG_PREEMPTED);
    after.run_delay_ns = still.run_delay_ns + 20000;
    assert_int_equal(mop_counts_flags(&still, &after, 1000000, false), 0);
    after.run_delay_ns++;
    assert_int_equal(mop_counts_flags(&still, &after, 1000000, false), MOP_FLAG_PREEMPTED);
}

/* Threads that wait for one another are switched and off the CPU by design. */
static void switches_of_several_threads_tell_only_where_the_delay_is_unknown(void **state)
{
    mop_counts before = still, after = still;
    (void)state;
    after.invol_switches++;
    assert_int_equal(mop_counts_flags(&before, &after, 1000000, false), 0);
    before.run_delay_ns = MOP_ABSENT;
    assert_int_equal(mop_counts_flags(&before, &after, 1000000, false), MOP_FLAG_PREEMPTED);
}

static void off_cpu_needs_more_than_20_us_and_half_a_percent(void **state)
{
    mop_counts after = still;
    (void)state;
    assert_int_equal(mop_counts_flags(&still, &after, 20000, true), 0);
    assert_int_equal(mop_counts_flags(&still, &after, 20001, true), MOP_FLAG_OFF_CPU);
    after.cpu_ns = still.cpu_ns + 99500000;
    assert_int_equal(mop_counts_flags(&still, &after, 100000000, true), 0);
    after.cpu_ns--;
    assert_int_equal(mop_counts_flags(&still, &after, 100000000, true), MOP_FLAG_OFF_CPU);
    assert_int_equal(mop_counts_flags(&still, &after, 100000000, false), 0);
}

static void an_absent_counter_has_no_difference_and_no_flag(void **state)
{
    const mop_counts none = {MOP_ABSENT, MOP_ABSENT, MOP_ABSENT, MOP_ABSENT,
                             MOP_ABSENT, MOP_ABSENT, MOP_ABSENT};
    (void)state;
    assert_true(mop_count_delta(MOP_ABSENT, 5) == MOP_ABSENT);
    assert_true(mop_count_delta(5, MOP_ABSENT) == MOP_ABSENT);
    assert_int_equal(mop_count_delta(5, 7), 2);
    assert_int_equal(mop_counts_flags(&none, &still, 1000000, true), 0);
    assert_int_equal(mop_counts_flags(&none, &none, 1000000, true), 0);
}

static mop_counters open_counters(void)
{
    mop_counters c;
    mop_err err = {0};
    assert_int_equal(mop_counters_open(&c, &err), MOP_OK);
    return c;
}

static void real_counters_see_the_first_touch_of_a_page(void **state)
{
    mop_counters c = open_counters();
    mop_counts before, after;
    const size_t bytes = 64 * 4096;
    (void)state;
    volatile char *p =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    c.read(c.ctx, &before);
    for (size_t i = 0; i < bytes; i += 4096)
        p[i] = 1;
    c.read(c.ctx, &after);
    if (before.minor_faults == MOP_ABSENT) {
        mop_counters_close(&c);
        print_message("skip: this system counts no page faults\n");
        skip();
    }
    assert_true(mop_count_delta(before.minor_faults, after.minor_faults) > 0);
    assert_true(mop_counts_flags(&before, &after, 1, false) & MOP_FLAG_PAGE_FAULT);
    assert_int_equal(munmap((void *)(uintptr_t)p, bytes), 0);
    mop_counters_close(&c);
}

static void real_counters_tell_sleeping_from_working(void **state)
{
    mop_counters c = open_counters();
    mop_counts before, after;
    const struct timespec nap = {.tv_nsec = 20000000};
    (void)state;
    c.read(c.ctx, &before);
    assert_int_equal(nanosleep(&nap, NULL), 0);
    c.read(c.ctx, &after);
    if (before.cpu_ns == MOP_ABSENT) {
        mop_counters_close(&c);
        print_message("skip: this system has no CPU clock of a thread\n");
        skip();
    }
    assert_true(mop_count_delta(before.cpu_ns, after.cpu_ns) >= 0);
    assert_true(mop_counts_flags(&before, &after, 20000000, true) & MOP_FLAG_OFF_CPU);
    assert_true(mop_count_delta(before.vol_switches, after.vol_switches) > 0);
    mop_counters_close(&c);
}

static void *spin(void *stop)
{
    const atomic_bool *is_over = stop;
    while (!atomic_load(is_over))
        ;
    return NULL;
}

static double mean_cost_us(const mop_counters *c, void (*read)(void *, mop_counts *))
{
    enum { TIMES = 2000 };
    mop_clock clock = mop_clock_real();
    mop_counts x;
    uint64_t began = mop_now_ns(&clock);
    for (int i = 0; i < TIMES; i++)
        read(c->ctx, &x);
    return (double)(mop_now_ns(&clock) - began) / TIMES / 1e3;
}

/* Two threads on one CPU: each waits while the other runs, whatever else the machine does. */
static void the_process_waits_when_any_of_its_threads_does(void **state)
{
    mop_counters c = open_counters();
    mop_counts before, after, later;
    cpu_set_t all, one;
    pthread_t other;
    atomic_bool is_over = false;
    int cpu = sched_getcpu();
    (void)state;
    c.read_all(c.ctx, &before);
    CPU_ZERO(&one);
    CPU_SET((size_t)(cpu >= 0 ? cpu : 0), &one);
    if (before.run_delay_ns == MOP_ABSENT || before.cpu_ns == MOP_ABSENT ||
        sched_getaffinity(0, sizeof all, &all) != 0 ||
        sched_setaffinity(0, sizeof one, &one) != 0) {
        mop_counters_close(&c);
        print_message("skip: no schedstat here, or this process cannot be pinned\n");
        skip();
    }
    print_message("a reading takes %.1f us, one of the process with one thread %.1f us\n",
                  mean_cost_us(&c, c.read), mean_cost_us(&c, c.read_all));
    assert_int_equal(pthread_create(&other, NULL, spin, &is_over), 0); /* on the same CPU */
    c.refresh(c.ctx);
    c.read_all(c.ctx, &before);
    do {
        c.read_all(c.ctx, &after);
    } while (mop_count_delta(before.cpu_ns, after.cpu_ns) < 60000000);
    atomic_store(&is_over, true);
    assert_int_equal(pthread_join(other, NULL), 0);
    c.read_all(c.ctx, &later);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    mop_counters_close(&c);

    int64_t delay = mop_count_delta(before.run_delay_ns, after.run_delay_ns);
    assert_true(delay > 10000000); /* of 60 ms of CPU time, half is the other's */
    assert_int_equal(mop_counts_flags(&before, &after, 60000000, false) & MOP_FLAG_PREEMPTED,
                     MOP_FLAG_PREEMPTED);
    /* the thread has ended, what it waited is not forgotten */
    assert_true(later.run_delay_ns >= after.run_delay_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_difference_is_clean),
        cmocka_unit_test(causes_add_up),
        cmocka_unit_test(a_switch_that_cost_next_to_nothing_is_no_preemption),
        cmocka_unit_test(a_run_delay_over_tolerance_is_preemption),
        cmocka_unit_test(switches_of_several_threads_tell_only_where_the_delay_is_unknown),
        cmocka_unit_test(off_cpu_needs_more_than_20_us_and_half_a_percent),
        cmocka_unit_test(an_absent_counter_has_no_difference_and_no_flag),
        cmocka_unit_test(real_counters_see_the_first_touch_of_a_page),
        cmocka_unit_test(real_counters_tell_sleeping_from_working),
        cmocka_unit_test(the_process_waits_when_any_of_its_threads_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
