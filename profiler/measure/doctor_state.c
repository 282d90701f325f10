/* Checks of how the machine is set up. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "db/record.h"
#include "profiler/measure/doctor_internal.h"
#include "profiler/measure/environment.h"

#define CPU_FOLDER "/sys/devices/system/cpu"
enum { MOST_CPUS = 1024, MAX_DEVICES = 16 };

/* The first processor whose governor is another than performance speaks for all. */
void mop_doctor_governor(const mop_patient *p, mop_finding *f)
{
    char path[96], word[64];
    int found = 0;
    for (int cpu = 0; cpu < MOST_CPUS; cpu++) {
        (void)snprintf(path, sizeof path, CPU_FOLDER "/cpu%d/cpufreq/scaling_governor",
                       cpu); /* fits */
        if (!mop_doctor_line(p, path, word, sizeof word))
            continue;
        found++;
        if (strcmp(word, "performance") != 0) {
            mop_doctor_say(f, MOP_SEVERITY_WARNING, "'%s' on processor %d", word, cpu);
            return;
        }
    }
    mop_doctor_say(f, MOP_SEVERITY_OK,
                   found > 0 ? "performance on all processors"
                             : "this machine does not tell how it sets its clock");
}

void mop_doctor_turbo(const mop_patient *p, mop_finding *f)
{
    const int64_t none = mop_doctor_number(p, CPU_FOLDER "/intel_pstate/no_turbo");
    const int64_t boost = mop_doctor_number(p, CPU_FOLDER "/cpufreq/boost");
    if (none == MOP_ABSENT && boost == MOP_ABSENT)
        mop_doctor_say(f, MOP_SEVERITY_OK, "this machine does not tell whether it boosts");
    else if (none == 0 || (none == MOP_ABSENT && boost == 1))
        mop_doctor_say(f, MOP_SEVERITY_NOTE, "on");
    else
        mop_doctor_say(f, MOP_SEVERITY_OK, "off");
}

void mop_doctor_clock_limit(const mop_patient *p, mop_finding *f)
{
    const int64_t allowed = mop_doctor_number(p, CPU_FOLDER "/cpu0/cpufreq/scaling_max_freq");
    const int64_t able = mop_doctor_number(p, CPU_FOLDER "/cpu0/cpufreq/cpuinfo_max_freq");
    if (allowed == MOP_ABSENT || able == MOP_ABSENT)
        mop_doctor_say(f, MOP_SEVERITY_OK, "this machine does not tell a limit of its clock");
    else
        mop_doctor_say(f, allowed < able ? MOP_SEVERITY_NOTE : MOP_SEVERITY_OK,
                       "up to %" PRId64 " of %" PRId64 " kHz", allowed, able);
}

void mop_doctor_clocksource(const mop_patient *p, mop_finding *f)
{
    static const char *const fast[] = {"tsc", "kvm-clock", "hyperv_clocksource_tsc_page",
                                       "arch_sys_counter"};
    char word[64];
    mop_severity severity = MOP_SEVERITY_WARNING;
    if (!mop_doctor_line(p, "/sys/devices/system/clocksource/clocksource0/current_clocksource",
                         word, sizeof word)) {
        mop_doctor_say(f, MOP_SEVERITY_OK, "this machine does not tell its clock source");
        return;
    }
    for (size_t i = 0; i < sizeof fast / sizeof fast[0]; i++)
        if (strcmp(word, fast[i]) == 0)
            severity = i == 0 || i == 3 ? MOP_SEVERITY_OK : MOP_SEVERITY_NOTE;
    mop_doctor_say(f, severity, "%s", word);
}

void mop_doctor_memory(const mop_patient *p, mop_finding *f)
{
    const double mib = (double)mop_environment_memory(p->world->root) / 0x1p20;
    if (mib <= 0)
        mop_doctor_say(f, MOP_SEVERITY_OK, "this machine does not tell its free memory");
    else
        mop_doctor_say(f,
                       mib < 256    ? MOP_SEVERITY_PROBLEM
                       : mib < 1024 ? MOP_SEVERITY_WARNING
                                    : MOP_SEVERITY_OK,
                       "%.0f MiB are available", mib);
}

void mop_doctor_swap(const mop_patient *p, mop_finding *f)
{
    const int64_t total = mop_doctor_field(p, "/proc/meminfo", "SwapTotal");
    const int64_t unused = mop_doctor_field(p, "/proc/meminfo", "SwapFree");
    if (total == MOP_ABSENT || unused == MOP_ABSENT)
        mop_doctor_say(f, MOP_SEVERITY_OK, "this machine does not tell of swap");
    else if (total <= unused)
        mop_doctor_say(f, MOP_SEVERITY_OK, "none in use");
    else
        mop_doctor_say(f, MOP_SEVERITY_WARNING, "%" PRId64 " kB are swapped out", total - unused);
}

void mop_doctor_memlock(const mop_patient *p, mop_finding *f)
{
    const int64_t bytes = p->world->memlock_bytes;
    if (bytes < 0)
        mop_doctor_say(f, MOP_SEVERITY_OK, "no limit");
    else
        mop_doctor_say(f, bytes < INT64_C(256) << 20 ? MOP_SEVERITY_NOTE : MOP_SEVERITY_OK,
                       "%.1f MiB may be locked", (double)bytes / 0x1p20);
}

void mop_doctor_huge_pages(const mop_patient *p, mop_finding *f)
{
    char line[128];
    if (!mop_doctor_line(p, "/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof line))
        mop_doctor_say(f, MOP_SEVERITY_OK, "none, or not told");
    else if (strstr(line, "[always]") != NULL)
        mop_doctor_say(f, MOP_SEVERITY_NOTE, "always, where the kernel finds some");
    else
        mop_doctor_say(f, MOP_SEVERITY_OK, "%s",
                       strstr(line, "[never]") != NULL ? "never" : "only where asked for");
}

void mop_doctor_aslr(const mop_patient *p, mop_finding *f)
{
    const int64_t mode = mop_doctor_number(p, "/proc/sys/kernel/randomize_va_space");
    if (mode == MOP_ABSENT)
        mop_doctor_say(f, MOP_SEVERITY_OK, "this machine does not tell");
    else
        mop_doctor_say(f, mode == 0 ? MOP_SEVERITY_WARNING : MOP_SEVERITY_OK, "%s",
                       mode == 0 ? "off: every process lies at the same addresses" : "on");
}

void mop_doctor_denormals(const mop_patient *p, mop_finding *f)
{
    const bool is_set = p->world->flushes_denormals;
    mop_doctor_say(f, is_set ? MOP_SEVERITY_WARNING : MOP_SEVERITY_OK, "%s",
                   is_set ? "flushed to zero before moprof asked for it" : "as the standard says");
}

void mop_doctor_hypervisor(const mop_patient *p, mop_finding *f)
{
    char line[256];
    const bool is_told = mop_doctor_line(p, "/sys/hypervisor/type", line, sizeof line);
    const bool is_guest = is_told || mop_doctor_has_flag(p, "hypervisor");
    mop_doctor_say(f, is_guest ? MOP_SEVERITY_NOTE : MOP_SEVERITY_OK, "%s%s",
                   is_guest ? "this is a guest of another machine" : "none seen",
                   is_told ? " (Xen)" : "");
}

void mop_doctor_mitigations(const mop_patient *p, mop_finding *f)
{
    static const char *const names[] = {
        "meltdown",          "spectre_v2",          "retbleed", "mds", "l1tf",
        "spec_store_bypass", "spec_rstack_overflow"};
    char active[128] = "";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[96], line[256];
        const size_t len = strlen(active);
        (void)snprintf(path, sizeof path, CPU_FOLDER "/vulnerabilities/%s", names[i]); /* fits */
        if (mop_doctor_line(p, path, line, sizeof line) && strncmp(line, "Mitigation", 10) == 0)
            (void)snprintf(active + len, sizeof active - len, "%s%s", len > 0 ? ", " : "",
                           names[i]); /* all seven fit */
    }
    mop_doctor_say(f, active[0] != '\0' ? MOP_SEVERITY_NOTE : MOP_SEVERITY_OK, "%s",
                   active[0] != '\0' ? active : "none active");
}

void mop_doctor_vulkan(const mop_patient *p, mop_finding *f)
{
    mop_device_info info[MAX_DEVICES];
    size_t n = 0, software = 0;
    mop_err absent = {0};
    const mop_backend *backend = p->world->find_backend("vulkan", &absent);
    if (backend == NULL || backend->list(info, MAX_DEVICES, &n, &absent) != MOP_OK || n == 0) {
        mop_doctor_say(f, MOP_SEVERITY_NOTE, "no device: %.150s",
                       absent.msg[0] != '\0' ? absent.msg : "the list is empty");
        return;
    }
    for (size_t i = 0; i < n && i < MAX_DEVICES; i++)
        software += info[i].is_software;
    mop_doctor_say(f, software == n ? MOP_SEVERITY_NOTE : MOP_SEVERITY_OK,
                   "%zu of %zu devices are software; the first is %.80s", software, n,
                   info[0].name);
}

void mop_doctor_lp_num_threads(const mop_patient *p, mop_finding *f)
{
    const char *text = p->world->lp_num_threads;
    if (text == NULL || *text == '\0')
        mop_doctor_say(f, MOP_SEVERITY_OK, "not set");
    else
        mop_doctor_say(f, MOP_SEVERITY_NOTE, "set to '%.40s'", text);
}
