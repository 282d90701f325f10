/* Looks a results database over without writing to it. */
#ifndef DB_CHECKUP_H
#define DB_CHECKUP_H

#include <stdint.h>

#include "profiler/base/status.h"

typedef struct mop_checkup {
    int64_t bytes;                /* of the file */
    int64_t schema, schema_known; /* version of the file and of this moprof */
    char damage[160];             /* the first of SQLite's own complaints; "": none */
    int64_t broken_references;    /* rows whose foreign key leads nowhere */
    int64_t sweeps, calibrations, measurements, samples;
    int64_t unfinished; /* sweeps that are still running or were stopped */
    int64_t failed_measurements, failed_controls;
    int64_t stat_differs; /* measurements of ended sweeps whose stored statistics are not, to the
                             bit, what their samples give; -1: not recomputed (older schema or
                             damage) */
} mop_checkup;

/* Opens path to read and fills out. The file is copied into a private temporary database first,
 * where the statistics are computed anew. Fails as mop_db_open() for what is no database of this
 * moprof; what is wrong inside one is in out. MOP_EIO or MOP_EINVAL if it cannot be read to its
 * end. */
mop_status mop_db_checkup(const char *path, mop_checkup *out, mop_err *err);

#endif
