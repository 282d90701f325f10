#include "profiler/base/clock.h"

#include <stdlib.h>
#include <time.h>

static uint64_t real_now(void *ctx)
{
    struct timespec t;
    (void)ctx;
#ifdef CLOCK_MONOTONIC_RAW
    (void)clock_gettime(CLOCK_MONOTONIC_RAW, &t); /* cannot fail for this clock */
#else
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
#endif
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

mop_clock mop_clock_real(void)
{
    return (mop_clock){.now_ns = real_now};
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void mop_clock_measure(const mop_clock *c, uint64_t *cost_ns, uint64_t *step_ns)
{
    uint64_t delta[1001];
    uint64_t last = mop_now_ns(c);
    *step_ns = 1;
    for (int i = 0; i < 1001; i++) {
        uint64_t now = mop_now_ns(c);
        delta[i] = now - last;
        last = now;
    }
    qsort(delta, 1001, sizeof delta[0], compare);
    *cost_ns = delta[500];
    for (int i = 0; i < 1001; i++) {
        if (delta[i] > 0) {
            *step_ns = delta[i];
            break;
        }
    }
}
