/* Reading results into a database: files that moprof exported, as sweeps, and results of other
 * engines' own tools, as rows of external_result, which nothing mixes with moprof's own. */
#ifndef DB_IMPORT_H
#define DB_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/base/status.h"

/* What the caller says about the files. An option fills in what a file of another engine does not
 * say; one that contradicts it is a mistake. Two replace what the tool calls things: variant, for
 * files with one network, and device. */
typedef struct mop_import_options {
    const char *format; /* "moprof", a row of importers.def, or NULL: found out from the content */
    const char *engine, *engine_version, *variant, *device, *dtype; /* NULL: not said */
    int32_t threads, batch;                                         /* 0: not said */
    /* Writes into out what the database is to call the network `name`, and returns true; false
     * keeps the tool's own name. NULL keeps all. */
    bool (*rename)(const char *name, char *out, size_t size);
} mop_import_options;

typedef struct mop_import_result {
    char format[16];
    bool is_own;           /* the rows counted are sweeps, otherwise results of other engines */
    size_t n_new, n_known; /* added, and left out because they were there */
} mop_import_result;

/* Adds the n files ("-": standard input, pipes are fine) to the database, which is created if
 * absent: all rows of all files or none. What is there already, by the hash of a file's bytes and
 * the row, is not added again. results has n entries. MOP_EINVAL with FILE:LINE:COLUMN (or the
 * event of a JSON trace) for what is not as it should be, MOP_EIO for what cannot be read; the
 * failures of mop_store_open. */
mop_status mop_import(const char *const *paths, size_t n, const char *db_path,
                      const mop_import_options *options, mop_import_result *results, mop_err *err);

/* Name of format i, "moprof" first, and what it is; NULL past the end. */
const char *mop_import_format(size_t i, const char **what);

#endif
