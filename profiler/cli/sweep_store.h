/* Binds the sweep's record sink to a database that is opened only when the plan is about to be
 * written: a sweep that cannot start leaves no file. */
#ifndef PROFILER_CLI_SWEEP_STORE_H
#define PROFILER_CLI_SWEEP_STORE_H

#include "db/store.h"
#include "profiler/measure/sweep.h"

typedef struct mop_sweep_store {
    const char *path;
    mop_store *store; /* NULL until something is to be stored */
} mop_sweep_store;

mop_record_sink mop_sweep_store_sink(mop_sweep_store *s);

#endif
