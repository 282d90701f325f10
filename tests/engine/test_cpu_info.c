/* Which processors and how much of them, on machines made of files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/engine/cpu_info.h"
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

static void siblings(int cpu, const char *list)
{
    char path[128];
    (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
                   cpu);
    write_file(path, list);
}

static cpu_set_t set_of(const char *digits)
{
    cpu_set_t s;
    CPU_ZERO(&s);
    for (; *digits != '\0'; digits++)
        CPU_SET((size_t)(*digits - '0'), &s);
    return s;
}

static int make(void **state)
{
    (void)state;
    return mop_folder_make(root) ? 0 : -1;
}

static int clear(void **state)
{
    (void)state;
    return mop_folder_remove(root) ? 0 : -1;
}

static void each_core_gets_one_thread_before_any_gets_two(void **state)
{
    int cpu[8];
    cpu_set_t all = set_of("01234567"), odd = set_of("045"), second = set_of("56");
    (void)state;
    for (int i = 0; i < 8; i++)
        siblings(i, i % 4 == 0 ? "0,4\n" : i % 4 == 1 ? "1,5\n" : i % 4 == 2 ? "2,6\n" : "3,7\n");
    assert_int_equal(mop_cpu_cores(root, &all), 4);
    assert_int_equal(mop_cpu_order(root, &all, cpu, 8), 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(cpu[i], i);
    /* the cpuset offers both halves of core 0 and the second half of core 1 alone */
    assert_int_equal(mop_cpu_cores(root, &odd), 2);
    assert_int_equal(mop_cpu_order(root, &odd, cpu, 3), 3);
    assert_int_equal(cpu[0], 0);
    assert_int_equal(cpu[1], 5);
    assert_int_equal(cpu[2], 4);
    assert_int_equal(mop_cpu_cores(root, &second), 2);
}

static void neighbours_in_a_range_share_a_core_too(void **state)
{
    int cpu[4];
    cpu_set_t all = set_of("0123");
    (void)state;
    for (int i = 0; i < 4; i++)
        siblings(i, i < 2 ? "0-1\n" : "2-3\n");
    assert_int_equal(mop_cpu_cores(root, &all), 2);
    assert_int_equal(mop_cpu_order(root, &all, cpu, 4), 4);
    assert_int_equal(cpu[0], 0);
    assert_int_equal(cpu[1], 2);
    assert_int_equal(cpu[2], 1);
    assert_int_equal(cpu[3], 3);
}

static void a_machine_without_topology_has_a_core_for_each_processor(void **state)
{
    cpu_set_t some = set_of("13");
    int cpu[2];
    (void)state;
    assert_int_equal(mop_cpu_cores("/nonexistent", &some), 2);
    assert_int_equal(mop_cpu_order("/nonexistent", &some, cpu, 2), 2);
    assert_int_equal(cpu[1], 3);
}

static void the_tightest_quota_above_a_process_counts(void **state)
{
    (void)state;
    assert_true(mop_cpu_quota(root) == 0);
    write_file("/proc/self/cgroup", "0::/a/b\n");
    write_file("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    assert_true(mop_cpu_quota(root) == 0);
    write_file("/sys/fs/cgroup/a/cpu.max", "150000 100000\n");
    assert_true(mop_cpu_quota(root) == 1.5);
    write_file("/sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
    assert_true(mop_cpu_quota(root) == 1.5);
    write_file("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    assert_true(mop_cpu_quota(root) == 1);
    write_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
    write_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_true(mop_cpu_quota(root) == 0.5);
}

static void this_machine_answers(void **state)
{
    cpu_set_t set;
    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    printf("%d processors on %d cores, quota %g, last-level cache %zu KiB\n", mop_cpu_processors(),
           mop_cpu_cores("", &set), mop_cpu_quota(""), mop_cpu_last_cache() >> 10);
    assert_true(mop_cpu_cores("", &set) >= 1);
    assert_true(mop_cpu_cores("", &set) <= mop_cpu_processors());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_core_gets_one_thread_before_any_gets_two, make, clear),
        cmocka_unit_test_setup_teardown(neighbours_in_a_range_share_a_core_too, make, clear),
        cmocka_unit_test(a_machine_without_topology_has_a_core_for_each_processor),
        cmocka_unit_test_setup_teardown(the_tightest_quota_above_a_process_counts, make, clear),
        cmocka_unit_test(this_machine_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
