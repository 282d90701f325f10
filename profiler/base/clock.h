/* Time as an argument: the real monotonic clock, or a test's own. */
#ifndef PROFILER_BASE_CLOCK_H
#define PROFILER_BASE_CLOCK_H

#include <stdint.h>

typedef struct mop_clock {
    uint64_t (*now_ns)(void *ctx); /* monotonic nanoseconds */
    void *ctx;
} mop_clock;

/* CLOCK_MONOTONIC_RAW where there is one, else CLOCK_MONOTONIC. */
mop_clock mop_clock_real(void);

static inline uint64_t mop_now_ns(const mop_clock *c)
{
    return c->now_ns(c->ctx);
}

/* Median cost of one reading over 1001 back-to-back readings, and the smallest positive step, both
 * in ns. */
void mop_clock_measure(const mop_clock *c, uint64_t *cost_ns, uint64_t *step_ns);

#endif
