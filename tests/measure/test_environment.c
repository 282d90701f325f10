/* The fingerprint of a machine made of files, of an empty one, and of this one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/measure/environment.h"
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

static int make_machine(void **state)
{
    (void)state;
    if (!mop_folder_make(root))
        return -1;
    write_file("/proc/cpuinfo",
               "processor\t: 0\nmodel name\t: Fast; CPU = 9000\nmicrocode\t: 0xa1\n"
               "cpu cores\t: 4\nflags\t\t: fpu avx2 hypervisor fma\n\n"
               "processor\t: 1\nmodel name\t: Slow CPU\n");
    write_file("/proc/meminfo", "MemTotal:       16000 kB\nMemAvailable:    8000 kB\n");
    write_file("/proc/sys/kernel/osrelease", "6.1.0-test\n");
    write_file("/proc/sys/kernel/hostname", "secret-host\n");
    write_file("/proc/sys/kernel/randomize_va_space", "2\n");
    write_file("/sys/devices/system/cpu/online", "0-7\n");
    write_file("/sys/devices/system/cpu/cpu0/cache/index0/level", "1\n");
    write_file("/sys/devices/system/cpu/cpu0/cache/index0/type", "Data\n");
    write_file("/sys/devices/system/cpu/cpu0/cache/index0/size", "32K\n");
    write_file("/sys/devices/system/cpu/cpu0/cache/index1/level", "1\n");
    write_file("/sys/devices/system/cpu/cpu0/cache/index1/type", "Instruction\n");
    write_file("/sys/devices/system/cpu/cpu0/cache/index1/size", "64K\n");
    write_file("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    write_file("/sys/devices/system/cpu/intel_pstate/no_turbo", "1\n");
    write_file("/sys/devices/system/cpu/vulnerabilities/mds", "Vulnerable: no microcode\n");
    write_file("/sys/devices/system/cpu/vulnerabilities/l1tf", "Not affected\n");
    write_file("/sys/devices/system/cpu/vulnerabilities/spectre_v2", "Mitigation: Retpolines\n");
    write_file("/sys/fs/cgroup/cpu.max", "max 100000\n");
    return 0;
}

static int remove_machine(void **state)
{
    (void)state;
    return mop_folder_remove(root) ? 0 : -1;
}

static void a_machine_is_described_by_what_it_shows(void **state)
{
    char text[512];
    (void)state;
    mop_environment_fingerprint(root, text, sizeof text);
    const char want[] =
        "cpu=Fast  CPU   9000;microcode=0xa1;cores=4;online=0-7;hypervisor=yes;l1=32K;"
        "memory=16000 kB;kernel=6.1.0-test;thp=madvise;turbo=off;"
        "mitigations=1 on 1 open;quota=max 100000;aslr=2;";
    assert_memory_equal(text, want, sizeof want - 1);
    assert_non_null(strstr(text, ";compiler="));
}

static void the_host_name_and_absent_values_are_left_out(void **state)
{
    char text[512];
    (void)state;
    mop_environment_fingerprint(root, text, sizeof text);
    assert_null(strstr(text, "secret"));
    assert_null(strstr(text, "governor"));
    assert_null(strstr(text, "clock"));
    assert_null(strstr(text, "=;"));
}

static void a_small_buffer_ends_at_a_whole_entry(void **state)
{
    char whole[512], text[512];
    (void)state;
    mop_environment_fingerprint(root, whole, sizeof whole);
    for (size_t size = 1; size < strlen(whole) + 1; size++) {
        memset(text, 'x', sizeof text);
        mop_environment_fingerprint(root, text, size);
        size_t n = strlen(text);
        assert_true(n < size);
        assert_true(n == 0 || text[n - 1] == ';');
        assert_int_equal(text[size], 'x');
    }
}

static void what_changes_is_told_apart_from_what_stays(void **state)
{
    char text[512];
    (void)state;
    write_file("/proc/loadavg", "0.51 0.40 0.30 1/234 5678\n");
    write_file("/proc/uptime", "12345.67 8910.11\n");
    write_file("/sys/class/thermal/thermal_zone0/temp", "41000\n");
    write_file("/sys/class/thermal/thermal_zone3/temp", "52000\n");
    mop_environment_state(root, text, sizeof text);
    assert_string_equal(text, "load=0.51 0.40 0.30;uptime_s=12345;temperature_mc=52000;"
                              "memory_free_mib=7;");
    mop_environment_state("/nonexistent", text, sizeof text);
    assert_string_equal(text, "");
}

static void variables_and_command_line_are_part_of_the_fingerprint(void **state)
{
    char before[512], with[512], other[512], end[512];
    char line[400];
    (void)state;
    mop_environment_fingerprint(root, before, sizeof before);
    assert_int_equal(setenv("MESA_SHADER_CACHE_DISABLE", "true", 1), 0);
    assert_int_equal(setenv("LP_NUM_THREADS", "3", 1), 0);
    mop_environment_fingerprint(root, with, sizeof with);
    assert_non_null(strstr(with, ";LP_NUM_THREADS=3;MESA_SHADER_CACHE_DISABLE=true;"));
    assert_int_equal(unsetenv("MESA_SHADER_CACHE_DISABLE"), 0);
    assert_int_equal(unsetenv("LP_NUM_THREADS"), 0);
    mop_environment_fingerprint(root, with, sizeof with);
    assert_string_equal(with, before);
    memset(line, 'a', sizeof line);
    memcpy(line + 390, " quiet=1\n", 10); /* too long to be shown whole, and ended */
    write_file("/proc/cmdline", line);
    mop_environment_fingerprint(root, other, sizeof other);
    assert_non_null(strstr(other, ";cmdline=aaaaaaaaaa"));
    line[397] = '2';
    write_file("/proc/cmdline", line);
    mop_environment_fingerprint(root, end, sizeof end);
    assert_string_not_equal(other, end);
}

static void an_empty_machine_still_names_its_compiler(void **state)
{
    char text[512];
    (void)state;
    mop_environment_fingerprint("/nonexistent", text, sizeof text);
    assert_non_null(strstr(text, "compiler="));
    assert_null(strstr(text, "cpu="));
    assert_int_equal(mop_environment_memory("/nonexistent"), 0);
}

static void memory_is_what_the_tighter_limit_leaves(void **state)
{
    (void)state;
    assert_int_equal(mop_environment_memory(root), 8000 * 1024);
    write_file("/sys/fs/cgroup/memory.max", "max\n");
    assert_int_equal(mop_environment_memory(root), 8000 * 1024);
    write_file("/sys/fs/cgroup/memory.max", "3000000\n");
    assert_int_equal(mop_environment_memory(root), 3000000);
    write_file("/sys/fs/cgroup/memory.max", "30000000000\n");
    assert_int_equal(mop_environment_memory(root), 8000 * 1024);
}

static void this_machine_fits_the_record_and_repeats(void **state)
{
    char a[512], b[512];
    (void)state;
    mop_environment_fingerprint("", a, sizeof a);
    mop_environment_fingerprint("", b, sizeof b);
    assert_string_equal(a, b);
    assert_non_null(strstr(a, "kernel="));
    assert_non_null(strstr(a, ";compiler=")); /* and nothing before it was cut off */
    assert_non_null(strstr(a, ";flags="));
    assert_true(mop_environment_memory("") > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_is_described_by_what_it_shows),
        cmocka_unit_test(the_host_name_and_absent_values_are_left_out),
        cmocka_unit_test(a_small_buffer_ends_at_a_whole_entry),
        cmocka_unit_test(what_changes_is_told_apart_from_what_stays),
        cmocka_unit_test(variables_and_command_line_are_part_of_the_fingerprint),
        cmocka_unit_test(an_empty_machine_still_names_its_compiler),
        cmocka_unit_test(memory_is_what_the_tighter_limit_leaves),
        cmocka_unit_test(this_machine_fits_the_record_and_repeats),
    };
    return cmocka_run_group_tests(tests, make_machine, remove_machine);
}
