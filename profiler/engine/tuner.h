/* How a back end lets a tuning choose between what may compute an operator (mop_backend.tuner). */
#ifndef PROFILER_ENGINE_TUNER_H
#define PROFILER_ENGINE_TUNER_H

#include "profiler/engine/backend.h"
#include "profiler/engine/tune.h"

/* One operator with tensors of its own; each back end defines its own. */
typedef struct mop_tune_trial mop_tune_trial;

enum { MOP_TUNE_ENTRANTS = 160 }; /* of one operator, at most */

typedef struct mop_tuner {
    uint64_t usual_budget_ns; /* for all networks */
    uint64_t least_ns;        /* for one operator: no other is begun with less */

    /* What was found holds where this is the same. */
    void (*key)(const mop_device *device, mop_dtype dtype, char out[MOP_TUNE_KEY]);

    /* Fills names with what may compute inst on device, which has no tuning: the one that is
     * shipped first. Returns how many, 0 if nothing may. */
    size_t (*entrants)(const mop_device *device, const mop_op_inst *inst, mop_dtype dtype,
                       char (*names)[MOP_TUNE_KERNEL]);

    /* inst stays the caller's and must outlive the trial. MOP_EUNSUPPORTED for an operator that
     * cannot be run on its own. */
    mop_status (*begin)(mop_device *device, const mop_op_inst *inst, mop_dtype dtype,
                        mop_tune_trial **out, mop_err *err);
    void (*end)(mop_tune_trial *trial); /* NULL is fine */

    /* Makes `name` ready as entrant i, or frees what it needed. MOP_ECHECK with a sentence where
     * its result is not the reference's: it is out then, as after leave. */
    mop_status (*enter)(mop_tune_trial *trial, size_t i, const char *name, mop_err *err);
    void (*leave)(mop_tune_trial *trial, size_t i);

    /* One run of entrant i. `round` goes up, so that weights of which there are several copies can
     * be taken in turn. */
    mop_status (*time)(mop_tune_trial *trial, size_t i, size_t round, double *ns, mop_err *err);
} mop_tuner;

#endif
