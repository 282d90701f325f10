/* Each check of the doctor on a machine made of files: once where all is well, once where it is
 * not, and once where the machine says nothing. */
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

#include "profiler/measure/doctor.h"
#include "tests/support/folder.h"

enum { MAX_CHECKS = 64 };

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

static void remove_file(const char *path)
{
    char full[512];
    (void)snprintf(full, sizeof full, "%s%s", root, path);
    (void)unlink(full); /* may be absent already */
}

/* What the second of looking brings: up to two files are written anew at the last wait. */
typedef struct script {
    uint64_t waited;
    const char *path[2], *text[2];
    int canaries, slow_every; /* each so many takes twice as long; 0: none */
} script;

static void wait_script(void *ctx, uint64_t ns)
{
    script *s = ctx;
    s->waited += ns;
    for (int i = 0; i < 2 && s->waited >= MOP_DOCTOR_LOOK_NS; i++)
        if (s->path[i] != NULL)
            write_file(s->path[i], s->text[i]);
}

static int64_t run_canary(void *ctx)
{
    script *s = ctx;
    const int n = s->canaries++;
    const int is_slow = s->slow_every > 0 && n % s->slow_every == s->slow_every - 1;
    return is_slow ? 100000 : 50000;
}

static mop_status list_devices(mop_device_info *info, size_t cap, size_t *n, mop_err *err)
{
    (void)err;
    assert_true(cap >= 2);
    info[0] = (mop_device_info){.name = "Pipe", .is_software = true};
    info[1] = (mop_device_info){.name = "Card"};
    *n = 1;
    return MOP_OK;
}

static mop_status list_two(mop_device_info *info, size_t cap, size_t *n, mop_err *err)
{
    mop_status status = list_devices(info, cap, n, err);
    *n = 2;
    return status;
}

static mop_status list_none(mop_device_info *info, size_t cap, size_t *n, mop_err *err)
{
    (void)info;
    (void)cap;
    *n = 0;
    return mop_fail(err, MOP_ENODEV, "no loader here");
}

static const mop_backend *find_software(const char *id, mop_err *err)
{
    static const mop_backend fake = {.id = "vulkan", .list = list_devices};
    (void)err;
    assert_string_equal(id, "vulkan");
    return &fake;
}

static const mop_backend *find_card(const char *id, mop_err *err)
{
    static const mop_backend fake = {.id = "vulkan", .list = list_two};
    (void)id;
    (void)err;
    return &fake;
}

static const mop_backend *find_none(const char *id, mop_err *err)
{
    static const mop_backend fake = {.id = "vulkan", .list = list_none};
    (void)id;
    (void)err;
    return &fake;
}

static mop_doctor_world fine_world(script *s)
{
    return (mop_doctor_world){.root = root,
                              .processors = 4,
                              .memlock_bytes = -1,
                              .canary = {.branches = run_canary, .ctx = s},
                              .find_backend = find_card,
                              .wait = wait_script,
                              .ctx = s};
}

static void fine_machine(void)
{
    write_file("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu avx2 fma\n\n");
    write_file("/proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\n"
                                "SwapTotal: 1000 kB\nSwapFree: 1000 kB\n");
    write_file("/proc/stat", "cpu  1 2 3 4 5 6 7 8 0 0\n");
    write_file("/proc/loadavg", "0.10 0.10 0.10 1/100 42\n");
    write_file("/proc/self/cgroup", "0::/\n");
    write_file("/proc/sys/kernel/randomize_va_space", "2\n");
    write_file("/sys/devices/system/cpu/online", "0-2,3\n");
    write_file("/sys/devices/system/cpu/smt/active", "0\n");
    write_file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
    write_file("/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "performance\n");
    write_file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "3000000\n");
    write_file("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "3000000\n");
    write_file("/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "0\n");
    write_file("/sys/devices/system/cpu/intel_pstate/no_turbo", "1\n");
    write_file("/sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected\n");
    write_file("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
    write_file("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    write_file("/sys/class/thermal/thermal_zone0/temp", "45000\n");
    write_file("/sys/fs/cgroup/cpu.max", "max 100000\n");
    write_file("/sys/fs/cgroup/memory.max", "max\n");
    remove_file("/sys/hypervisor/type");
    remove_file("/sys/devices/system/cpu/cpufreq/boost");
}

static mop_finding findings[MAX_CHECKS];

static const mop_finding *finding(const mop_doctor_world *world, const char *check)
{
    mop_err err = {0};
    assert_true(mop_doctor_count() <= MAX_CHECKS);
    assert_int_equal(mop_doctor_examine(world, findings, &err), MOP_OK);
    for (size_t i = 0; i < mop_doctor_count(); i++)
        if (strcmp(findings[i].check, check) == 0)
            return &findings[i];
    fail_msg("no check %s", check);
    return NULL;
}

static void expect(const mop_doctor_world *world, const char *check, mop_severity severity,
                   const char *says)
{
    const mop_finding *f = finding(world, check);
    if (f->severity != severity || strstr(f->found, says) == NULL)
        fail_msg("%s: %s '%s', expected %s with '%s'", check, mop_severity_name(f->severity),
                 f->found, mop_severity_name(severity), says);
}

static void a_quiet_machine_has_nothing_to_complain_of(void **state)
{
    script s = {0};
    const mop_doctor_world w = fine_world(&s);
    (void)state;
    fine_machine();
    (void)finding(&w, "load");
    assert_in_range(s.waited, MOP_DOCTOR_LOOK_NS, 2 * MOP_DOCTOR_LOOK_NS);
    for (size_t i = 0; i < mop_doctor_count(); i++) {
        const mop_severity most =
            strcmp(findings[i].check, "vulkan") == 0 ? MOP_SEVERITY_NOTE : MOP_SEVERITY_OK;
        if (findings[i].severity > most)
            fail_msg("%s: %s", findings[i].check, findings[i].found);
        assert_true(findings[i].found[0] != '\0');
        assert_true(strlen(findings[i].why) > 20 && strlen(findings[i].remedy) > 5);
    }
}

static void a_machine_that_says_nothing_is_not_accused(void **state)
{
    script s = {0};
    mop_doctor_world w = fine_world(&s);
    (void)state;
    w.root = "/nonexistent";
    w.canary = (mop_canary){0};
    (void)finding(&w, "load");
    for (size_t i = 0; i < mop_doctor_count(); i++)
        if (findings[i].severity != MOP_SEVERITY_OK)
            fail_msg("%s: %s", findings[i].check, findings[i].found);
}

/* One file's other content and what it must lead to. */
typedef struct file_case {
    const char *check, *path, *text;
    mop_severity severity;
    const char *says;
} file_case;

static void each_setting_is_judged_by_its_file(void **state)
{
    static const file_case cases[] = {
        {"governor", "/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "powersave\n",
         MOP_SEVERITY_WARNING, "'powersave' on processor 3"},
        {"turbo", "/sys/devices/system/cpu/intel_pstate/no_turbo", "0\n", MOP_SEVERITY_NOTE, "on"},
        {"clock_limit", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "2000000\n",
         MOP_SEVERITY_NOTE, "2000000 of 3000000"},
        {"smt", "/sys/devices/system/cpu/smt/active", "1\n", MOP_SEVERITY_NOTE, "share"},
        {"affinity", "/sys/devices/system/cpu/online", "0-7\n", MOP_SEVERITY_NOTE, "4 of 8"},
        {"affinity", "/sys/devices/system/cpu/online", "nonsense\n", MOP_SEVERITY_OK, "not tell"},
        {"load", "/proc/loadavg", "0.10 0.10 0.10 3/100 42\n", MOP_SEVERITY_WARNING, "2 other"},
        {"load", "/proc/loadavg", "0.10 0.10 0.10 5/100 42\n", MOP_SEVERITY_PROBLEM, "4 other"},
        {"load", "/proc/loadavg", "1.50 0.10 0.10 1/100 42\n", MOP_SEVERITY_WARNING, "1.50"},
        {"load", "/proc/loadavg", "4.50 0.10 0.10 1/100 42\n", MOP_SEVERITY_PROBLEM, "4.50"},
        {"throttle", "/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "7\n",
         MOP_SEVERITY_NOTE, "7 times"},
        {"temperature", "/sys/class/thermal/thermal_zone0/temp", "88000\n", MOP_SEVERITY_WARNING,
         "88"},
        {"temperature", "/sys/class/thermal/thermal_zone0/temp", "99000\n", MOP_SEVERITY_PROBLEM,
         "99"},
        {"quota", "/sys/fs/cgroup/cpu.max", "150000 100000\n", MOP_SEVERITY_WARNING, "1.50"},
        {"quota", "/sys/fs/cgroup/cpu.max", "50000 100000\n", MOP_SEVERITY_PROBLEM, "0.50"},
        {"quota", "/sys/fs/cgroup/cpu.max", "400000 100000\n", MOP_SEVERITY_OK, "4.00"},
        {"clocksource", "/sys/devices/system/clocksource/clocksource0/current_clocksource",
         "hpet\n", MOP_SEVERITY_WARNING, "hpet"},
        {"clocksource", "/sys/devices/system/clocksource/clocksource0/current_clocksource",
         "kvm-clock\n", MOP_SEVERITY_NOTE, "kvm-clock"},
        {"memory", "/sys/fs/cgroup/memory.max", "536870912\n", MOP_SEVERITY_WARNING, "512 MiB"},
        {"memory", "/sys/fs/cgroup/memory.max", "1048576\n", MOP_SEVERITY_PROBLEM, "1 MiB"},
        {"swap", "/proc/meminfo", "MemAvailable: 8000000 kB\nSwapTotal: 1000 kB\nSwapFree: 1 kB\n",
         MOP_SEVERITY_WARNING, "999 kB"},
        {"huge_pages", "/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n",
         MOP_SEVERITY_NOTE, "always"},
        {"huge_pages", "/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n",
         MOP_SEVERITY_OK, "never"},
        {"aslr", "/proc/sys/kernel/randomize_va_space", "0\n", MOP_SEVERITY_WARNING, "off"},
        {"hypervisor", "/proc/cpuinfo", "flags : fpu hypervisor fma\n", MOP_SEVERITY_NOTE, "guest"},
        {"hypervisor", "/proc/cpuinfo", "flags : fpu hypervisor_like\n", MOP_SEVERITY_OK, "none"},
        {"hypervisor", "/sys/hypervisor/type", "xen\n", MOP_SEVERITY_NOTE, "Xen"},
        {"mitigations", "/sys/devices/system/cpu/vulnerabilities/meltdown", "Mitigation: PTI\n",
         MOP_SEVERITY_NOTE, "meltdown"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        script s = {0};
        const mop_doctor_world w = fine_world(&s);
        fine_machine();
        write_file(cases[i].path, cases[i].text);
        expect(&w, cases[i].check, cases[i].severity, cases[i].says);
    }
    fine_machine();
    remove_file("/sys/devices/system/cpu/intel_pstate/no_turbo"); /* the other kind of driver */
    write_file("/sys/devices/system/cpu/cpufreq/boost", "1\n");
    script s = {0};
    const mop_doctor_world w = fine_world(&s);
    expect(&w, "turbo", MOP_SEVERITY_NOTE, "on");
    write_file("/sys/devices/system/cpu/cpufreq/boost", "0\n");
    expect(&w, "turbo", MOP_SEVERITY_OK, "off");
}

static void what_grows_while_the_doctor_looks_is_happening_now(void **state)
{
    script steal = {.path = {"/proc/stat"}, .text = {"cpu  1 2 3 4 5 6 7 10 0 0\n"}};
    script more = {.path = {"/proc/stat"}, .text = {"cpu  1 2 3 4 5 6 7 48 0 0\n"}};
    script hot = {.path = {"/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"},
                  .text = {"3\n"}};
    mop_doctor_world w = fine_world(&steal);
    (void)state;
    fine_machine();
    expect(&w, "steal", MOP_SEVERITY_WARNING, "2 ticks, 0.5 %");
    fine_machine();
    w = fine_world(&more);
    expect(&w, "steal", MOP_SEVERITY_PROBLEM, "40 ticks, 10.0 % of 4 processors");
    fine_machine();
    w = fine_world(&hot);
    expect(&w, "throttle", MOP_SEVERITY_PROBLEM, "3 times in a second");
}

static void two_speeds_of_the_canary_mean_a_shared_core(void **state)
{
    script now_and_then = {.slow_every = 5}, rare = {.slow_every = 50};
    script mostly = {0};
    mop_doctor_world w = fine_world(&now_and_then);
    (void)state;
    fine_machine();
    expect(&w, "sibling", MOP_SEVERITY_WARNING, "something else uses the core");
    assert_int_equal(now_and_then.canaries, 400);
    w = fine_world(&rare);
    expect(&w, "sibling", MOP_SEVERITY_OK, "1.00");
    mostly.slow_every = 1; /* always slow is one speed: nobody can tell */
    w = fine_world(&mostly);
    expect(&w, "sibling", MOP_SEVERITY_OK, "1.00");
}

static void the_process_itself_is_looked_at(void **state)
{
    script s = {0};
    mop_doctor_world w = fine_world(&s);
    (void)state;
    fine_machine();
    w.processors = 1;
    expect(&w, "affinity", MOP_SEVERITY_WARNING, "1 of 4");
    w = fine_world(&s);
    w.memlock_bytes = 65536;
    expect(&w, "memlock", MOP_SEVERITY_NOTE, "0.1 MiB");
    w.memlock_bytes = INT64_C(1) << 30;
    expect(&w, "memlock", MOP_SEVERITY_OK, "1024.0 MiB");
    w.flushes_denormals = true;
    expect(&w, "denormals", MOP_SEVERITY_WARNING, "flushed");
    w.lp_num_threads = "2";
    expect(&w, "lp_num_threads", MOP_SEVERITY_NOTE, "'2'");
    w.lp_num_threads = "";
    expect(&w, "lp_num_threads", MOP_SEVERITY_OK, "not set");
    w.find_backend = find_software;
    expect(&w, "vulkan", MOP_SEVERITY_NOTE, "1 of 1 devices are software; the first is Pipe");
    w.find_backend = find_none;
    expect(&w, "vulkan", MOP_SEVERITY_NOTE, "no loader here");
    w.find_backend = find_card;
    expect(&w, "vulkan", MOP_SEVERITY_OK, "1 of 2");
}

static void this_machine_can_be_examined(void **state)
{
    mop_doctor_world w;
    (void)state;
    mop_doctor_world_real(&w, &(mop_canary){0});
    (void)finding(&w, "load");
    for (size_t i = 0; i < mop_doctor_count(); i++)
        assert_true(findings[i].found[0] != '\0');
    assert_true(w.processors >= 1);
}

static int make_root(void **state)
{
    (void)state;
    return mop_folder_make(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    return mop_folder_remove(root) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quiet_machine_has_nothing_to_complain_of),
        cmocka_unit_test(a_machine_that_says_nothing_is_not_accused),
        cmocka_unit_test(each_setting_is_judged_by_its_file),
        cmocka_unit_test(what_grows_while_the_doctor_looks_is_happening_now),
        cmocka_unit_test(two_speeds_of_the_canary_mean_a_shared_core),
        cmocka_unit_test(the_process_itself_is_looked_at),
        cmocka_unit_test(this_machine_can_be_examined),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
