/* One network with what it is judged by, and its checked plan on one device: what a sweep, profile
 * and verify all work on. */
#ifndef PROFILER_ENGINE_JOB_H
#define PROFILER_ENGINE_JOB_H

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

/* Builds all of it: constants and standard input from seed, fused with the union `fuse` of
 * mop_fuse. After a failure m holds what came about so far and is released the same way. */
mop_status mop_subject_model_init(mop_subject_model *m, const mop_spec *spec, int32_t batch,
                                  uint64_t seed, unsigned fuse, mop_err *err);
/* The same in two steps: without the reference, which takes most of the time, */
mop_status mop_subject_model_build(mop_subject_model *m, const mop_spec *spec, int32_t batch,
                                   uint64_t seed, unsigned fuse, mop_err *err);
/* and the reference for what was built. */
mop_status mop_subject_model_judge(mop_subject_model *m, mop_err *err);
void mop_subject_model_release(mop_subject_model *m);

/* Plans m on the device and checks the plan's output; *plan is the caller's to free. */
mop_status mop_subject_model_plan(const mop_subject_model *m, const mop_backend *backend,
                                  mop_device *device, const mop_plan_desc *desc, mop_plan **plan,
                                  mop_check *check, mop_err *err);

#endif
