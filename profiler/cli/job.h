/* One network on one device, ready to run and known to be right: what profile and verify work on.
 */
#ifndef PROFILER_CLI_JOB_H
#define PROFILER_CLI_JOB_H

#include "profiler/engine/check.h"
#include "variants/variant.h"

/* A variant's model with the input it is judged by and the float64 output. */
typedef struct mop_subject_model {
    mop_spec spec;
    mop_model *model; /* as the spec says, unfused */
    mop_model *fused; /* as an engine runs it */
    float *input;
    double *reference; /* [n_out] */
    size_t n_out;
} mop_subject_model;

/* Builds all of it for the canonical spec text at batch 1. Release also after a failure. */
mop_status mop_subject_model_init(mop_subject_model *m, const char *text, uint64_t seed,
                                  mop_err *err);
void mop_subject_model_release(mop_subject_model *m);

/* Plans m on the device and checks the plan's output; *plan is the caller's to free. */
mop_status mop_subject_model_plan(const mop_subject_model *m, const mop_backend *backend,
                                  mop_device *device, mop_plan **plan, mop_check *check,
                                  mop_err *err);

#endif
