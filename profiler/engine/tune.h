/* Kernel choice by measurement: which of the kernels, or variants of shaders, that may compute an
 * operator is the fastest on a device, kept in a JSON file. An entry holds for one key, which says
 * device, build and settings, and one operator; entries of other keys stay in the file. */
#ifndef PROFILER_ENGINE_TUNE_H
#define PROFILER_ENGINE_TUNE_H

#include "profiler/base/clock.h"
#include "profiler/base/text.h"
#include "profiler/engine/backend.h"

enum { MOP_TUNE_SHAPE = 224, MOP_TUNE_KERNEL = 48, MOP_TUNE_KEY = 256 };

/* What was found for one operator. */
typedef struct mop_tune_entry {
    char key[MOP_TUNE_KEY];                                 /* mop_tuner.key() */
    char shape[MOP_TUNE_SHAPE];                             /* mop_tune_shape() */
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

/* Reads path. A file that is not there is an empty tuning; MOP_EINVAL with a sentence for one that
 * is damaged or something else. */
mop_status mop_tune_read(const char *path, mop_tune *t, mop_err *err);

/* Puts t in the place of path; makes the folders that lack. */
mop_status mop_tune_write(const char *path, const mop_tune *t, mop_err *err);

/* Removes the entries of other keys. */
void mop_tune_keep(mop_tune *t, const char *key);

/* Reads what path has for key; {0} for a path that is NULL or cannot be read. */
void mop_tune_take(mop_tune *t, const char *path, const char *key);

/* Appends ", tuned 1a2b3c4d" to text[size] if any of t[n] has entries: a device that goes by a
 * tuning says so, so that its results are never taken for those of the shipped choices. */
void mop_tune_name(const mop_tune *t, size_t n, char *text, size_t size);

/* Adds e, in the place of one with its key and shape. */
mop_status mop_tune_put(mop_tune *t, const mop_tune_entry *e, mop_err *err);

/* The kernel of inst, NULL if there is none, in a mop_tune of one key: mop_kernel_policy.tuned. */
const char *mop_tune_kernel(const void *tune, const mop_op_inst *inst);

/* Changes with every choice that t makes. */
uint32_t mop_tune_hash(const mop_tune *t);

/* What to tune for. */
typedef struct mop_tune_job {
    const mop_strlist *specs; /* the networks */
    mop_dtype dtype;
    uint64_t budget_ns; /* for all of it; 0: the back end's usual one */
    mop_clock clock;    /* that the budget is measured by */
} mop_tune_job;

typedef struct mop_tune_report {
    size_t n_operators; /* distinct ones of which more than one thing may do the work */
    size_t n_tuned;     /* of those */
    mop_strlist notes;  /* what was left out because its result is wrong, a sentence each */
} mop_tune_report;

void mop_tune_report_release(mop_tune_report *r); /* {0} is fine */

/* Times what may do the operators of the networks against each other on device, which was opened
 * without a tuning, the operators with most work first, until the budget is used up. What turns out
 * 1.5 times as slow as the best is dropped early, the others run alternately. Medians; the fastest
 * replaces the shipped choice if it is at least 2 % faster. What gives a wrong result is never
 * chosen. Adds to t and *report. */
mop_status mop_tune_measure(const mop_backend *backend, mop_device *device, const mop_tune_job *job,
                            mop_tune *t, mop_tune_report *report, mop_err *err);

#endif
