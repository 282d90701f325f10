/* Reading a CSV file row by row through libcsv, strictly. For the inside of db/. */
#ifndef DB_CSVREAD_H
#define DB_CSVREAD_H

#include <stddef.h>
#include <stdio.h>

#include "profiler/base/status.h"

/* Byte position, counted from 1. */
typedef struct mop_csv_at {
    size_t line, column;
} mop_csv_at;

typedef struct mop_csv_cell {
    const char *text; /* NUL-terminated; NULL for an empty cell without quotes */
    size_t len;
    mop_csv_at at;
} mop_csv_cell;

/* Sees one row; row 0 is the header, and every row has as many cells. */
typedef mop_status mop_csv_row_fn(void *ctx, size_t row, const mop_csv_cell *cells, size_t n,
                                  mop_err *err);

enum { MOP_CSV_FIELD_BYTES = 1 << 20, MOP_CSV_COLUMNS = 1000 };

/* Reads f to its end and stops at the first failure: MOP_EIO if it cannot be read, MOP_EINVAL with
 * "path:line:column: " before the reason for what is not CSV (quotes, a NUL byte, ragged rows, a
 * field over MOP_CSV_FIELD_BYTES, no header), or what fn returns. A byte order mark is passed over.
 */
mop_status mop_csv_read(FILE *f, const char *path, mop_csv_row_fn *fn, void *ctx, mop_err *err);

/* Records "path:line:column: <sentence>". */
mop_status mop_csv_fail(const char *path, mop_csv_at at, mop_status code, const char *sentence,
                        mop_err *err);

#endif
