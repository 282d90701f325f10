#include "profiler/measure/counters.h"

#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include "db/record.h"

enum { OFF_CPU_FLOOR_NS = 20000, OFF_CPU_FRACTION = 200 }; /* 20 us; 1/200 = 0.5 % */

static void read_real(void *ctx, mop_counts *out)
{
    struct timespec t;
    struct rusage u;
    (void)ctx;
    *out = (mop_counts){.cpu_ns = MOP_ABSENT,
                        .vol_switches = MOP_ABSENT,
                        .invol_switches = MOP_ABSENT,
                        .minor_faults = MOP_ABSENT,
                        .major_faults = MOP_ABSENT,
                        .cpu = MOP_ABSENT,
                        .run_delay_ns = MOP_ABSENT};
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0)
        out->cpu_ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    if (getrusage(RUSAGE_THREAD, &u) == 0) {
        out->vol_switches = u.ru_nvcsw;
        out->invol_switches = u.ru_nivcsw;
        out->minor_faults = u.ru_minflt;
        out->major_faults = u.ru_majflt;
    }
    int cpu = sched_getcpu();
    if (cpu >= 0)
        out->cpu = cpu;
}

mop_counters mop_counters_real(void)
{
    return (mop_counters){.read = read_real};
}

int64_t mop_count_delta(int64_t before, int64_t after)
{
    return before == MOP_ABSENT || after == MOP_ABSENT ? MOP_ABSENT : after - before;
}

uint32_t mop_counts_flags(const mop_counts *before, const mop_counts *after, int64_t wall_ns,
                          bool is_host_single)
{
    uint32_t flags = 0;
    int64_t cpu = mop_count_delta(before->cpu_ns, after->cpu_ns);
    int64_t tolerance = wall_ns / OFF_CPU_FRACTION;
    if (tolerance < OFF_CPU_FLOOR_NS)
        tolerance = OFF_CPU_FLOOR_NS;
    bool is_off = cpu != MOP_ABSENT && wall_ns - cpu > tolerance;
    /* MOP_ABSENT is the most negative value, so an absent counter never raises a flag */
    if (mop_count_delta(before->invol_switches, after->invol_switches) > 0 &&
        (is_off || cpu == MOP_ABSENT))
        flags |= MOP_FLAG_PREEMPTED;
    if (is_off && is_host_single)
        flags |= MOP_FLAG_OFF_CPU;
    if (mop_count_delta(before->minor_faults, after->minor_faults) > 0 ||
        mop_count_delta(before->major_faults, after->major_faults) > 0)
        flags |= MOP_FLAG_PAGE_FAULT;
    if (before->cpu != MOP_ABSENT && after->cpu != MOP_ABSENT && before->cpu != after->cpu)
        flags |= MOP_FLAG_MIGRATED;
    return flags;
}
