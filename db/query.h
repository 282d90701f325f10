/* Reading: any SQL that only reads, and the named queries, as a table in four formats. */
#ifndef DB_QUERY_H
#define DB_QUERY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "profiler/base/clock.h"
#include "profiler/base/status.h"

typedef enum mop_cell_kind {
    MOP_CELL_NULL,
    MOP_CELL_INT,
    MOP_CELL_REAL,
    MOP_CELL_TEXT
} mop_cell_kind;

typedef struct mop_cell {
    mop_cell_kind kind;
    int64_t i;
    double r;
    char *text; /* always set, "" for NULL: what a person reads */
} mop_cell;

typedef struct mop_table {
    size_t n_cols, n_rows;
    char **cols;
    mop_cell *cells; /* [n_rows * n_cols] */
} mop_table;

typedef enum mop_format {
    MOP_FORMAT_TABLE,
    MOP_FORMAT_CSV,
    MOP_FORMAT_JSON,
    MOP_FORMAT_MD
} mop_format;

bool mop_format_find(const char *name, mop_format *format); /* false if unknown */

typedef struct mop_db
    mop_db; /* a read-only connection, hardened as measurement.md section 3 says */

/* Opens an existing database to read. MOP_EINVAL if it is absent, empty, or not a database that
 * this moprof knows; MOP_EIO if it cannot be read. Nothing is written, not even beside the file if
 * no sweep is running. */
mop_status mop_db_open(const char *path, mop_db **out, mop_err *err);
void mop_db_close(mop_db *db); /* NULL is fine */

#define MOP_DB_DEADLINE_NS UINT64_C(30000000000)

/* The clock that the deadline of a query is judged by: the real one unless set. */
void mop_db_set_clock(mop_db *db, mop_clock clock);

/* The path that db was opened with. Borrowed. */
const char *mop_db_path(const mop_db *db);

/* Runs one read-only statement; params bind ?1, ?2, ... as text, and those not given are NULL.
 * MOP_EINVAL for bad SQL, with the nearest name where one is unknown, and for anything that writes;
 * MOP_EFAIL past the deadline of 30 s or 5 million cells. *out is untouched on failure. */
mop_status mop_db_query(mop_db *db, const char *sql, const char *const *params, size_t n_params,
                        mop_table *out, mop_err *err);
void mop_table_release(mop_table *t); /* NULL is fine */

/* table: aligned columns; csv: LF, quoted where needed, NULL empty; json: an array of objects in
 * the order of the columns (a repeated name gets _2, _3 ...); md: a Markdown table. Reals have 17
 * digits in csv and json, and are cell.text elsewhere. MOP_EIO if out refuses. */
mop_status mop_table_write(const mop_table *t, mop_format format, FILE *out, mop_err *err);

/* SQL of a named query (db/queries/<name>.sql), or NULL; names[i] until NULL lists them. */
const char *mop_named_query(const char *name);
const char *mop_named_query_at(size_t i);

#endif
