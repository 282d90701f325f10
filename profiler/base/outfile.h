/* A file that is replaced only once it is complete: written beside its place, synced, renamed. */
#ifndef PROFILER_BASE_OUTFILE_H
#define PROFILER_BASE_OUTFILE_H

#include <stdio.h>

#include "profiler/base/status.h"

typedef struct mop_outfile {
    FILE *f;         /* write here */
    char path[4096]; /* where it goes; "" for standard output */
    char temp[4096]; /* where it is until then; "" if path is a device, pipe or standard output */
} mop_outfile;

/* Makes the folders of path that are missing. A failure shows when the file is opened. */
void mop_make_folders(const char *path);

/* Opens path for writing (NULL or "-": standard output). The old file stays as it is until _commit.
 * A path that exists and is no regular file (/dev/null, a pipe) is written directly. MOP_EIO with
 * the path. */
mop_status mop_outfile_open(mop_outfile *o, const char *path, mop_err *err);

/* Flushes, syncs and puts the file in place; on failure the old file is as it was. */
mop_status mop_outfile_commit(mop_outfile *o, mop_err *err);

/* Forgets what was written; the old file is as it was. */
void mop_outfile_abort(mop_outfile *o);

#endif
