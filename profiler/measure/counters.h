/* What the operating system says about the measuring thread, or all threads of its process, around
 * a sample, and what it means: the causes that make a sample unclean. Counters come in as an
 * argument, so a test can script them. */
#ifndef PROFILER_MEASURE_COUNTERS_H
#define PROFILER_MEASURE_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/base/status.h"

/* Running totals of the calling thread or of the process. A counter that this machine does not
 * offer is MOP_ABSENT (db/record.h), not zero. */
typedef struct mop_counts {
    int64_t cpu_ns; /* CPU time used */
    int64_t vol_switches, invol_switches;
    int64_t minor_faults, major_faults;
    int64_t cpu;          /* the CPU that the calling thread runs on now */
    int64_t run_delay_ns; /* time spent runnable without a CPU */
} mop_counts;

/* The two readings never fail and never allocate. */
typedef struct mop_counters {
    void (*read)(void *ctx, mop_counts *out);     /* of the calling thread */
    void (*read_all)(void *ctx, mop_counts *out); /* of all threads of the process; NULL: as read */
    void (*refresh)(void *ctx); /* looks for threads that came or went; between passes only. NULL:
                                   nothing to do */
    void *ctx;
} mop_counters;

/* The real ones. read: CLOCK_THREAD_CPUTIME_ID, getrusage(RUSAGE_THREAD), sched_getcpu() and
 * /proc/thread-self/schedstat; read_all: CLOCK_PROCESS_CPUTIME_ID, getrusage(RUSAGE_SELF) and the
 * sum over /proc/self/task/TID/schedstat. These files are opened here and by refresh and read with
 * pread after; of a process with more than 256 threads the rest is not summed. A thread that ended
 * since refresh keeps the delay it had when it was read last, so a total never falls between two
 * refreshes. read is for the thread that opened.
 *
 * A reading is outside of the stamps. It took 2.3 us (read) and 2.7 us + 1.1 us for each further
 * thread (read_all) on a 2-CPU virtual machine; tests/measure/test_counters prints it. MOP_ENOMEM.
 */
mop_status mop_counters_open(mop_counters *out, mop_err *err);
void mop_counters_close(mop_counters *counters); /* a zeroed one is fine */

/* after - before, or MOP_ABSENT if either is. */
int64_t mop_count_delta(int64_t before, int64_t after);

/* The union of mop_flag that a sample of wall_ns between two readings earned; 0 is clean. With
 * tolerance = max(20 us, 0.5 % of wall) and off = wall - cpu over it:
 * PREEMPTED: an involuntary switch, and off or no CPU time to tell by (a kernel thread that takes
 * the CPU for microseconds cannot explain a slow sample, and a long sample is never without one:
 * with a spinning thread on a busy 2-CPU machine 7 such switches a second of CPU time were
 * measured); or a run delay over tolerance. Where several threads work and the delay is known, it
 * alone tells: they wait for one another, so their switches and CPU time mean nothing.
 * OFF_CPU: off, judged only if is_host_single.
 * PAGE_FAULT: any fault. MIGRATED: it ended on another CPU.
 * A sample of several threads (not is_host_single) is judged by readings of read_all. */
uint32_t mop_counts_flags(const mop_counts *before, const mop_counts *after, int64_t wall_ns,
                          bool is_host_single);

#endif
