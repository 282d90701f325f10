/* Reading: any SQL that only reads, and the named queries, as a table in four formats. */
#ifndef DB_QUERY_H
#define DB_QUERY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "profiler/base/status.h"

typedef enum mop_cell_kind { MOP_CELL_NULL, MOP_CELL_INT, MOP_CELL_REAL, MOP_CELL_TEXT } mop_cell_kind;

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

typedef enum mop_format { MOP_FORMAT_TABLE, MOP_FORMAT_CSV, MOP_FORMAT_JSON, MOP_FORMAT_MD } mop_format;

bool mop_format_find(const char *name, mop_format *format); /* false if unknown */

typedef struct mop_db mop_db; /* a read-only connection, hardened as measurement.md section 3 says */

mop_status mop_db_open(const char *path, mop_db **out, mop_err *err);
void mop_db_close(mop_db *db); /* NULL is fine */

/* Runs one read-only statement; params bind ?1, ?2, ... as text. MOP_EINVAL for bad SQL or anything
 * that writes, MOP_EFAIL past the deadline. */
mop_status mop_db_query(mop_db *db, const char *sql, const char *const *params, size_t n_params,
                        mop_table *out, mop_err *err);
void mop_table_release(mop_table *t); /* NULL is fine */

mop_status mop_table_write(const mop_table *t, mop_format format, FILE *out, mop_err *err);

/* SQL of a named query (db/queries/<name>.sql), or NULL; names[i] until NULL lists them. */
const char *mop_named_query(const char *name);
const char *mop_named_query_at(size_t i);

#endif
