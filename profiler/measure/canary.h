/* Canaries: two short pieces of work of known size that run before each visit. They time nothing
 * that is studied; they tell what the machine gave at that moment. */
#ifndef PROFILER_MEASURE_CANARY_H
#define PROFILER_MEASURE_CANARY_H

#include <stdint.h>

#include "profiler/base/clock.h"
#include "profiler/base/status.h"

typedef struct mop_canary_times {
    int64_t cpu_ns;    /* a chain of dependent additions, about 50 us */
    int64_t memory_ns; /* reading 2 MiB in order; both MOP_ABSENT if the clock stood still */
} mop_canary_times;

/* Runs the pair. Comes in as an argument, so a test can script it. NULL run: no canaries. */
typedef struct mop_canary {
    void (*run)(void *ctx, mop_canary_times *out); /* never fails, never allocates */
    void *ctx;
} mop_canary;

/* The real pair on `clock`. The chain's length is calibrated here, in some milliseconds.
 * MOP_ENOMEM.
 */
mop_status mop_canary_open(mop_clock clock, mop_canary *out, mop_err *err);
void mop_canary_close(mop_canary *canary); /* a zeroed one is fine */

#endif
