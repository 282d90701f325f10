/* What the operating system says about the measuring thread around a sample, and what it means: the
 * causes that make a sample unclean. Counters come in as an argument, so a test can script them. */
#ifndef PROFILER_MEASURE_COUNTERS_H
#define PROFILER_MEASURE_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

/* Running totals of the calling thread. A counter that this machine does not offer is MOP_ABSENT
 * (db/record.h), not zero. */
typedef struct mop_counts {
    int64_t cpu_ns; /* CPU time used by the calling thread */
    int64_t vol_switches, invol_switches;
    int64_t minor_faults, major_faults;
    int64_t cpu;          /* the CPU it runs on now */
    int64_t run_delay_ns; /* time that threads of this process were runnable but had no CPU */
} mop_counts;

typedef struct mop_counters {
    void (*read)(void *ctx, mop_counts *out); /* never fails, never allocates */
    void *ctx;
} mop_counters;

/* CLOCK_THREAD_CPUTIME_ID, getrusage(RUSAGE_THREAD), sched_getcpu(). */
mop_counters mop_counters_real(void);

/* after - before, or MOP_ABSENT if either is. */
int64_t mop_count_delta(int64_t before, int64_t after);

/* The union of mop_flag that a sample of wall_ns between two readings earned; 0 is clean. With off
 * = wall - cpu > max(20 us, 0.5 % of wall): PREEMPTED: an involuntary switch, and off or no CPU
 * time to tell by. A kernel thread that takes the CPU for microseconds cannot explain a slow
 * sample, and a long sample is never without one (measured with a spinning thread on a busy 2-CPU
 * machine: 7 such switches a second of CPU time). OFF_CPU: off, judged only if is_host_single,
 * because a thread that waits for others is off by design. PAGE_FAULT: any fault. MIGRATED: it
 * ended on another CPU. */
uint32_t mop_counts_flags(const mop_counts *before, const mop_counts *after, int64_t wall_ns,
                          bool is_host_single);

#endif
