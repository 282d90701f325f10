/* Binds the sweep's record sink to a database. */
#ifndef PROFILER_CLI_SWEEP_STORE_H
#define PROFILER_CLI_SWEEP_STORE_H

#include "db/store.h"
#include "profiler/measure/sweep.h"

typedef struct mop_sweep_store {
    const char *path;
    mop_store *store;
    bool is_new;      /* the file was made by _open */
    bool holds_sweep; /* a plan is stored or goes on */
} mop_sweep_store;

/* Opens s->path for writing. It comes before the networks are built, which takes minutes: a file
 * that cannot be used, or that another sweep writes, is told at once. Fails as mop_store_open does.
 */
mop_status mop_sweep_store_open(mop_sweep_store *s, mop_err *err);

/* Closes; a new file goes away again if no plan came into it. */
mop_status mop_sweep_store_close(mop_sweep_store *s, mop_err *err);

mop_record_sink mop_sweep_store_sink(mop_sweep_store *s);

#endif
