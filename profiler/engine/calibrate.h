/* What this machine can do at best, measured: arithmetic peaks, memory bandwidth, the cost of
 * waking threads and of the instruments themselves, and the smallest difference it resolves.
 *
 * The machine may be shared, so every figure comes from many short bursts: the best of them is what
 * the hardware can do, their median and spread say how often it does. */
#ifndef PROFILER_ENGINE_CALIBRATE_H
#define PROFILER_ENGINE_CALIBRATE_H

#include <stddef.h>
#include <stdint.h>

#include "profiler/base/clock.h"
#include "profiler/base/stats.h"

/* One figure in SI units. Of a rate ("FLOP/s", "B/s") the best is the largest burst, of a time
 * ("s") the smallest; spread is the distance of the quartiles over the median. */
typedef struct mop_figure {
    char name[32];
    const char *unit;
    double best, median, spread;
    int bursts;
} mop_figure;

/* A list of figures; starts as {0}, release with mop_figures_release(). */
typedef struct mop_figures {
    mop_figure *items;
    size_t n, cap;
} mop_figures;

void mop_figures_release(mop_figures *f);

/* The figure of that name, NULL if there is none. */
const mop_figure *mop_figures_find(const mop_figures *f, const char *name);

typedef struct mop_calibration {
    mop_clock clock;
    unsigned isa_mask;     /* levels to measure, of those that the machine offers */
    int threads;           /* the most threads, 1 to mop_cpu_processors() */
    uint64_t burst_ns;     /* the length of a burst; 0: 2 ms */
    int bursts;            /* of each figure; 0: 30 */
    uint64_t memory_bytes; /* available; buffers take a quarter of it at most; 0: unlimited */
} mop_calibration;

/* Each function appends its figures. MOP_ENOMEM; MOP_EFAIL where the clock stands still. After a
 * failure the list holds the figures before it. */

/* peak_flops_<isa>_<fp32|fp64> of one core, for each level of the mask. */
mop_status mop_calibrate_peaks(const mop_calibration *c, mop_figures *out, mop_err *err);

/* At the best level of the mask, one core: read_bandwidth_l1, _l2, _l3 with a buffer of half the
 * level, for each level that the machine tells; read_bandwidth_dram, copy_bandwidth_dram and
 * triad_bandwidth_dram with four times the last level in all (64 MiB where no level is told). */
mop_status mop_calibrate_bandwidth(const mop_calibration *c, mop_figures *out, mop_err *err);

/* fork_join_x<n>: a parallel region of n threads that does nothing, by the pool and with the
 * pinning of the CPU back end (one thread: its plain call). For n > 1 also
 * peak_flops_<isa>_fp32_x<n> and read_bandwidth_dram_x<n>, all threads together at
 * the best level. n is 1 to 16, then doublings, and the largest. */
mop_status mop_calibrate_threads(const mop_calibration *c, mop_figures *out, mop_err *err);

/* Figure `name` in seconds: one call of work(ctx). */
mop_status mop_calibrate_cost(const mop_calibration *c, const char *name, void (*work)(void *ctx),
                              void *ctx, mop_figures *out, mop_err *err);

/* What comes out when the same work is compared with itself. */
typedef struct mop_resolution {
    mop_interval ratio; /* A / A over passes, 95 % (stats_ratio.h) */
    uint32_t passes;
    double half_width; /* of the interval over the estimate */
    double difference; /* |ratio - 1| */
    double smallest;   /* the larger end of the interval's distance from 1: below it nothing is
                          told apart in this time */
} mop_resolution;

/* Times the multiply-add loop against itself for budget_ns: passes of two visits in random order
 * (from seed), the median of three bursts each. MOP_EINVAL where the budget is too short for 12
 * passes. */
mop_status mop_calibrate_resolution(const mop_calibration *c, uint64_t budget_ns, uint64_t seed,
                                    mop_resolution *out, mop_err *err);

#endif
