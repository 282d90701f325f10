/* A made-up results database for tests of what reads one: the names are those of real variants, the
 * times are drawn from a formula and a seed and measure nothing. */
#ifndef TESTS_SUPPORT_SYNTHETIC_H
#define TESTS_SUPPORT_SYNTHETIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/base/status.h"

typedef struct mop_synthetic {
    uint64_t seed;
    size_t n_variants;    /* the first so many of the built-in list; 0: all */
    uint32_t passes;      /* 3 samples each */
    bool has_vulkan;      /* a software Vulkan device beside the CPU */
    bool has_layers;      /* layer times of the first variant */
    bool has_failure;     /* the last measurement has failed */
    bool has_controls;    /* one control passed and one failed */
    bool is_noisy;        /* every sample was preempted */
    bool has_calibration; /* of the CPU, one thread: 100 GFLOP/s and 20 GB/s */
    const char *extra;    /* one more variant of this name; NULL: none */
} mop_synthetic;

/* Writes a new database at path. */
mop_status mop_synthetic_write(const char *path, const mop_synthetic *what, mop_err *err);

/* Adds every row of the database once more with nothing fused, where it takes 5/4 of the time, and
 * once with Winograd off, where it takes 3/2, exactly. Their ids are 1000 and 2000 higher. */
mop_status mop_synthetic_settings(const char *path, mop_err *err);

/* Adds every row of the database once more in fp16s, where it takes 3/4 of the time, exactly. Their
 * ids are 3000 higher. */
mop_status mop_synthetic_dtypes(const char *path, mop_err *err);

/* Adds a result of another engine; spooled beside the database as path.csv, which is removed. */
mop_status mop_synthetic_other_engine(const char *path, mop_err *err);

#endif
