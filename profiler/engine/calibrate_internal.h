/* What the files of the calibration share. */
#ifndef PROFILER_ENGINE_CALIBRATE_INTERNAL_H
#define PROFILER_ENGINE_CALIBRATE_INTERNAL_H

#include "profiler/engine/calibrate.h"

/* Work that is repeated `rounds` times in one burst. */
typedef struct mop_burst {
    void (*run)(void *ctx, int64_t rounds);
    void *ctx;
    double amount; /* of a round, in the unit of the rate; 0: the figure is the time of a round */
} mop_burst;

/* Measures and appends one figure: the number of rounds is doubled until a burst is long enough,
 * then c->bursts of them are timed. */
mop_status mop_calibrate_figure(const mop_calibration *c, const char *name, const char *unit,
                                const mop_burst *burst, mop_figures *out, mop_err *err);

/* The number of rounds whose burst lasts at least burst_ns. MOP_EFAIL if no number does. */
mop_status mop_calibrate_rounds(const mop_calibration *c, const mop_burst *burst, uint64_t burst_ns,
                                int64_t *rounds, mop_err *err);

/* Floats of main memory that one round moves: 1 MiB, whole steps of the loops. */
enum { MOP_CALIBRATE_STEP = 1 << 18 };

/* Bytes of the buffer that stands for main memory, within c->memory_bytes. */
uint64_t mop_calibrate_dram_bytes(const mop_calibration *c);

#endif
