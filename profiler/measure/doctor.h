/* What disturbs this machine: looks, changes nothing, and says why it matters and what a person can
 * do. */
#ifndef PROFILER_MEASURE_DOCTOR_H
#define PROFILER_MEASURE_DOCTOR_H

#include <stddef.h>
#include <stdint.h>

#include "profiler/engine/backend.h"
#include "profiler/measure/canary.h"
#include "profiler/measure/machine.h"

typedef enum mop_severity {
    MOP_SEVERITY_OK,
    MOP_SEVERITY_NOTE,    /* worth knowing when numbers are read */
    MOP_SEVERITY_WARNING, /* widens intervals, or may */
    MOP_SEVERITY_PROBLEM  /* numbers taken now are not worth much */
} mop_severity;

const char *mop_severity_name(mop_severity severity); /* "ok", "note", "warning", "problem" */

typedef struct mop_finding {
    const char *check;
    mop_severity severity;
    char found[200];          /* what was found, with its values */
    const char *why, *remedy; /* static */
} mop_finding;

/* What the doctor looks at, so that a test can replace it. */
typedef struct mop_doctor_world {
    const char *root;      /* before every path; "" for this machine */
    int processors;        /* that this process may run on */
    int64_t memlock_bytes; /* that it may lock; negative: no limit */
    bool flushes_denormals;
    const char *lp_num_threads; /* of the environment; NULL: unset */
    mop_canary canary;          /* zeroed: none */
    const mop_backend *(*find_backend)(const char *id, mop_err *err);
    void (*wait)(void *ctx, uint64_t ns); /* sleeps between two looks */
    void *ctx;
} mop_doctor_world;

/* This process on this machine, with the canary of the caller. */
void mop_doctor_world_real(mop_doctor_world *world, const mop_canary *canary);

#define MOP_DOCTOR_LOOK_NS UINT64_C(1000000000)

/* How many findings there are: one for each row of doctor.def, in its order. */
size_t mop_doctor_count(void);

/* Fills findings[0 .. mop_doctor_count()). Takes about a second. What the machine does not tell is
 * MOP_SEVERITY_OK and says so. MOP_ENOMEM. */
mop_status mop_doctor_examine(const mop_doctor_world *world, mop_finding *findings, mop_err *err);

#endif
