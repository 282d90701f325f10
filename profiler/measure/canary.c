/* The canaries (see the header).
 *
 * The chain is one addition a cycle and next to nothing else, so that it takes longer only if the
 * clock is slower or the core was away. The branches are one addition and one taken branch a cycle:
 * on a core whose other hyperthread is busy the front end serves each thread every second cycle,
 * and they take twice their time. The barriers leave the compiler nothing to fold.
 *
 * The stream runs twice and only the second is timed. The first would measure how much of it the
 * visit before pushed out of the caches: 40 us after a small network, 150 us after a large one. */
#include "profiler/measure/canary.h"

#include <stdlib.h>
#include <string.h>

#include "db/record.h"
#include "profiler/base/alloc.h"

enum {
    MEMORY_BYTES = 2 << 20,
    CHAIN_NS = 50000,
    CHAIN_UNIT = 16384, /* lengths are multiples of it, so that workers of one sweep agree */
    TRIES = 64
};

typedef struct pair {
    mop_clock clock;
    uint64_t *memory;
    uint64_t length; /* additions */
} pair;

#define ADD                                                                                        \
    do {                                                                                           \
        x += 3;                                                                                    \
        __asm__ volatile("" : "+r"(x));                                                            \
    } while (0)
#define FOUR(step)                                                                                 \
    step;                                                                                          \
    step;                                                                                          \
    step;                                                                                          \
    step

/* CHAIN_UNIT is a multiple of the additions a turn. */
static void chain(uint64_t n)
{
    uint64_t x = 0;
    for (uint64_t i = 0; i < n; i += 64) {
        FOUR(FOUR(FOUR(ADD)));
    }
}

static void branches(uint64_t n)
{
    uint64_t x = 0;
    do {
        x += 3;
        n--;
        __asm__ volatile("" : "+r"(x), "+r"(n));
    } while (n > 0);
}

/* Four sums, so that the loads and not the additions are what takes the time. */
static void stream(const uint64_t *x)
{
    uint64_t s[4] = {0};
    for (size_t i = 0; i < MEMORY_BYTES / sizeof *x; i += 4) {
        for (size_t j = 0; j < 4; j++)
            s[j] += x[i + j];
    }
    __asm__ volatile("" : : "r"(s[0] ^ s[1]), "r"(s[2] ^ s[3]));
}

static int64_t time_since(const mop_clock *clock, uint64_t began)
{
    uint64_t ended = mop_now_ns(clock);
    return ended > began ? (int64_t)(ended - began) : MOP_ABSENT;
}

static int64_t run_chain(void *ctx)
{
    const pair *p = ctx;
    uint64_t began = mop_now_ns(&p->clock);
    chain(p->length);
    return time_since(&p->clock, began);
}

static int64_t run_branches(void *ctx)
{
    const pair *p = ctx;
    uint64_t began = mop_now_ns(&p->clock);
    branches(p->length);
    return time_since(&p->clock, began);
}

static void run_pair(void *ctx, mop_canary_times *out)
{
    const pair *p = ctx;
    out->cpu_ns = run_chain(ctx);
    stream(p->memory);
    uint64_t began = mop_now_ns(&p->clock);
    stream(p->memory);
    out->memory_ns = time_since(&p->clock, began);
}

/* From the fastest of many tries: a neighbour that comes and goes makes others take longer. */
static uint64_t calibrate(const mop_clock *clock)
{
    int64_t best = INT64_MAX;
    for (int i = 0; i < TRIES; i++) {
        uint64_t began = mop_now_ns(clock);
        chain(CHAIN_UNIT);
        int64_t took = time_since(clock, began);
        if (took > 0 && took < best)
            best = took;
    }
    uint64_t units = (CHAIN_NS + (uint64_t)best / 2) / (uint64_t)best;
    return (units > 0 ? units : 1) * CHAIN_UNIT;
}

mop_status mop_canary_open(mop_clock clock, mop_canary *out, mop_err *err)
{
    pair *p = mop_calloc(1, sizeof *p, err);
    uint64_t *memory = mop_alloc_aligned(MEMORY_BYTES, err);
    if (p == NULL || memory == NULL) {
        free(p);
        free(memory);
        return MOP_ENOMEM;
    }
    memset(memory, 1, MEMORY_BYTES); /* pages of its own, not the one of zeros */
    *p = (pair){.clock = clock, .memory = memory, .length = calibrate(&clock)};
    *out = (mop_canary){.run = run_pair, .chain = run_chain, .branches = run_branches, .ctx = p};
    return MOP_OK;
}

void mop_canary_close(mop_canary *canary)
{
    pair *p = canary->ctx;
    if (p != NULL)
        free(p->memory);
    free(p);
    *canary = (mop_canary){0};
}
