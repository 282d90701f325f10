/* The state of machines made of files, of an empty one, and of this one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "db/record.h"
#include "profiler/base/clock.h"
#include "profiler/measure/machine.h"
#include "tests/support/folder.h"

static char root[MOP_FOLDER_MAX];

static void write_file(const char *path, const char *text)
{
    char full[512];
    (void)snprintf(full, sizeof full, "%s%s", root, path);
    for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        (void)mkdir(full, 0700); /* may be there already */
        *p = '/';
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int make_folder(void **state)
{
    (void)state;
    return mop_folder_make(root) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return mop_folder_remove(root) ? 0 : -1;
}

static mop_machine open_machine(const char *at)
{
    mop_machine m;
    mop_err err = {0};
    assert_int_equal(mop_machine_open(at, &m, &err), MOP_OK);
    return m;
}

static void a_whole_machine_is_read_and_read_again(void **state)
{
    mop_machine_state s;
    (void)state;
    write_file("/proc/stat", "cpu  10 20 30 40 50 6 7 89 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n");
    write_file("/proc/loadavg", "0.20 0.18 0.12 3/345 678\n");
    write_file("/proc/pressure/cpu", "some avg10=1.95 avg60=4.41 avg300=2.19 total=4858461699\n"
                                     "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
    write_file("/proc/self/cgroup", "4:memory:/elsewhere\n0::/job/7\n");
    write_file("/sys/fs/cgroup/job/7/cpu.stat",
               "usage_usec 9\nnr_periods 100\nnr_throttled 12\nthrottled_usec 5\n");
    write_file("/sys/fs/cgroup/cpu.stat", "nr_throttled 99\n");
    write_file("/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "3\n");
    write_file("/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count", "4\n");
    write_file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "2450000\n");
    write_file("/sys/class/thermal/thermal_zone0/temp", "-5000\n");
    write_file("/sys/class/thermal/thermal_zone2/temp", "61500\n");
    write_file("/sys/class/thermal/thermal_zone3/temp", "40000\n");
    mop_machine m = open_machine(root);
    m.read(m.ctx, &s);
    assert_int_equal(s.steal_ticks, 89);
    assert_int_equal(s.irq_ticks, 13);
    assert_int_equal(s.pressure_us, 4858461699);
    assert_int_equal(s.throttled, 12 + 3 + 4);
    assert_int_equal(s.runnable, 3);
    assert_int_equal(s.temperature_mc, 61500);
    assert_int_equal(s.frequency_khz, 2450000);

    write_file("/proc/stat", "cpu  10 20 30 40 50 6 8 91 0 0\n");
    m.glance(m.ctx, &s);
    assert_int_equal(s.steal_ticks, 91);
    assert_int_equal(s.irq_ticks, 14);
    assert_int_equal(s.throttled, 19);
    assert_true(s.pressure_us == MOP_ABSENT && s.runnable == MOP_ABSENT);
    assert_true(s.temperature_mc == MOP_ABSENT && s.frequency_khz == MOP_ABSENT);
    mop_machine_close(&m);
    assert_null(m.read);
}

static void an_empty_machine_says_nothing(void **state)
{
    mop_machine m = open_machine(root);
    mop_machine_state s;
    (void)state;
    m.read(m.ctx, &s);
    assert_true(s.steal_ticks == MOP_ABSENT && s.irq_ticks == MOP_ABSENT);
    assert_true(s.pressure_us == MOP_ABSENT && s.throttled == MOP_ABSENT);
    assert_true(s.runnable == MOP_ABSENT);
    assert_true(s.temperature_mc == MOP_ABSENT && s.frequency_khz == MOP_ABSENT);
    mop_machine_close(&m);
}

static void what_makes_no_sense_is_absent(void **state)
{
    mop_machine_state s;
    (void)state;
    write_file("/proc/stat", "cpu  10 20 30\n");
    write_file("/proc/loadavg", "high\n");
    write_file("/proc/pressure/cpu", "");
    write_file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "<unknown>\n");
    mop_machine m = open_machine(root);
    m.read(m.ctx, &s);
    assert_true(s.steal_ticks == MOP_ABSENT && s.irq_ticks == MOP_ABSENT);
    assert_true(s.pressure_us == MOP_ABSENT && s.runnable == MOP_ABSENT);
    assert_true(s.frequency_khz == MOP_ABSENT);
    mop_machine_close(&m);
}

static void the_quota_of_version_1_groups_and_of_the_root_is_found(void **state)
{
    mop_machine_state s;
    (void)state;
    write_file("/proc/self/cgroup", "3:cpuset:/\n1:cpu,cpuacct:/box\n0::/gone\n");
    write_file("/sys/fs/cgroup/cpu,cpuacct/box/cpu.stat", "nr_periods 7\nnr_throttled 5\n");
    mop_machine m = open_machine(root);
    m.read(m.ctx, &s);
    assert_int_equal(s.throttled, 5);
    mop_machine_close(&m);

    write_file("/proc/self/cgroup", "0::/gone\n");
    write_file("/sys/fs/cgroup/cpu.stat", "nr_throttled 6\n");
    m = open_machine(root);
    m.read(m.ctx, &s);
    assert_int_equal(s.throttled, 6);
    mop_machine_close(&m);
}

static void this_machine_can_be_read_and_its_totals_do_not_fall(void **state)
{
    mop_clock clock = mop_clock_real();
    mop_machine m = open_machine("");
    mop_machine_state a, b;
    enum { GLANCES = 200 };
    (void)state;
    m.read(m.ctx, &a);
    uint64_t began = mop_now_ns(&clock);
    for (int i = 0; i < GLANCES; i++)
        m.glance(m.ctx, &b);
    print_message("a glance takes %.1f us here\n",
                  (double)(mop_now_ns(&clock) - began) / GLANCES / 1e3);
    m.read(m.ctx, &b);
    assert_true(b.steal_ticks >= a.steal_ticks && b.irq_ticks >= a.irq_ticks);
    assert_true(b.pressure_us >= a.pressure_us && b.throttled >= a.throttled);
    assert_true(a.runnable == MOP_ABSENT || a.runnable > 0); /* at least this one */
    mop_machine_close(&m);
}

static void closing_what_was_never_opened_is_fine(void **state)
{
    mop_machine m = {0};
    (void)state;
    mop_machine_close(&m);
    assert_null(m.read);
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_whole_machine_is_read_and_read_again),
        IN_FOLDER(an_empty_machine_says_nothing),
        IN_FOLDER(what_makes_no_sense_is_absent),
        IN_FOLDER(the_quota_of_version_1_groups_and_of_the_root_is_found),
        cmocka_unit_test(this_machine_can_be_read_and_its_totals_do_not_fall),
        cmocka_unit_test(closing_what_was_never_opened_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
