/* Kernel choice by measurement: which of the CPU kernels that may compute an operator is the
 * fastest on this processor, kept in a JSON file. An entry holds for one processor (by name),
 * level, list of kernels, number of threads and shape; entries of others stay in the file. */
#ifndef PROFILER_ENGINE_TUNE_H
#define PROFILER_ENGINE_TUNE_H

#include "profiler/base/text.h"
#include "profiler/engine/backend.h"

enum { MOP_TUNE_SHAPE = 160, MOP_TUNE_KERNEL = 32, MOP_TUNE_KEY = 256 };

/* What was found for one operator. */
typedef struct mop_tune_entry {
    char key[MOP_TUNE_KEY];     /* the processor, its level, the kernels and the threads */
    char shape[MOP_TUNE_SHAPE]; /* mop_tune_shape() */
    char shipped[MOP_TUNE_KERNEL], kernel[MOP_TUNE_KERNEL]; /* without and with the measurement */
    double ratio; /* time of shipped over time of kernel, >= 1 */
} mop_tune_entry;

typedef struct mop_tune {
    mop_tune_entry *entries;
    size_t n, cap;
} mop_tune;

void mop_tune_release(mop_tune *t); /* {0} is fine */

/* One spelling for each operator with its shapes, window and epilogue. */
void mop_tune_shape(const mop_op_inst *inst, char out[MOP_TUNE_SHAPE]);

/* The key of a device with this name, level and number of threads in this build. */
void mop_tune_key(const mop_device_info *info, char out[MOP_TUNE_KEY]);

/* Reads path. A file that is not there is an empty tuning; MOP_EINVAL with a sentence for one that
 * is damaged or something else. */
mop_status mop_tune_read(const char *path, mop_tune *t, mop_err *err);

/* Puts t in the place of path; makes the folders that lack. */
mop_status mop_tune_write(const char *path, const mop_tune *t, mop_err *err);

/* Removes the entries of other keys. */
void mop_tune_keep(mop_tune *t, const char *key);

/* Adds e, in the place of one with its key and shape. */
mop_status mop_tune_put(mop_tune *t, const mop_tune_entry *e, mop_err *err);

/* The kernel of inst, NULL if there is none: mop_kernel_policy.tuned over a kept mop_tune. */
const char *mop_tune_kernel(const void *tune, const mop_op_inst *inst);

/* Changes with every choice that t makes. */
uint32_t mop_tune_hash(const mop_tune *t);

/* Times what the networks of `specs` need at this level and number of threads, wherever several
 * kernels of the best level may do it: the kernels alternately, each on its own weights, of which
 * there are copies enough that they come from memory as in a network. Medians; a kernel replaces
 * the shipped one if it is at least 2 % faster. budget_ns is for all of it. Adds to t. */
mop_status mop_tune_measure(const mop_strlist *specs, const mop_device_choice *choice,
                            uint64_t budget_ns, mop_tune *t, mop_err *err);

#endif
