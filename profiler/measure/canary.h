/* Canaries: two short pieces of work of known size, a pair before each visit and the first of them
 * again on either side of each sample. They time nothing that is studied; they tell what the
 * machine gave at that moment. */
#ifndef PROFILER_MEASURE_CANARY_H
#define PROFILER_MEASURE_CANARY_H

#include <stdint.h>

#include "profiler/base/clock.h"
#include "profiler/base/status.h"

/* Over its floor by more than this a canary tells of a disturbance. The chain is steady to 0.1 %,
 * so 3 % is no chance. The stream is not: on a virtual machine with neighbours in the last-level
 * cache 15 to 56 % of its readings were over twice its floor, where a memory-bound kernel took 5 %
 * longer and a compute-bound one 2 % (docs/measuring.md). Three times is where it flags what slows
 * and not what jitters. */
#define MOP_CANARY_CPU_TOLERANCE    0.03
#define MOP_CANARY_MEMORY_TOLERANCE 2.00

/* Pairs before the first pass, for a floor to begin with: about 50 ms. */
enum { MOP_CANARY_FIRST = 256 };

typedef struct mop_canary_times {
    int64_t cpu_ns;    /* a chain of dependent additions, about 50 us */
    int64_t memory_ns; /* reading 2 MiB in order, the second of two times; both MOP_ABSENT if the
                          clock stood still */
} mop_canary_times;

/* Comes in as an argument, so a test can script it. Neither fails or allocates. */
typedef struct mop_canary {
    void (*run)(void *ctx, mop_canary_times *out); /* the pair. NULL: no canaries */
    /* The chain alone, which leaves the caches as they are; ns or MOP_ABSENT. NULL: the chains of
     * the pairs before and after a visit speak for all its samples. */
    int64_t (*chain)(void *ctx);
    /* As many additions with a taken branch after each, which take twice as long beside a busy
     * hyperthread. For `moprof doctor`: a machine with neighbours would have hardly a clean sample,
     * though most are within some percent. NULL: none. */
    int64_t (*branches)(void *ctx);
    void *ctx;
} mop_canary;

/* The real pair on `clock`. The chain's length is calibrated here, in some milliseconds.
 * MOP_ENOMEM.
 */
mop_status mop_canary_open(mop_clock clock, mop_canary *out, mop_err *err);
void mop_canary_close(mop_canary *canary); /* a zeroed one is fine */

#endif
