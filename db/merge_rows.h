/* Copying rows from one connection to another. For the inside of db/. */
#ifndef DB_MERGE_ROWS_H
#define DB_MERGE_ROWS_H

#include "db/fields.h"
#include "db/sql.h"

/* A table whose rows go over as they are, but for the key that they are read and written by. */
typedef struct mop_pipe {
    const char *table;
    sqlite3 *from_db, *to_db;
    const char *from_path, *to_path;
    sqlite3_stmt *from, *to;
} mop_pipe;

/* columns is a list "a, b". key is the integer column that is replaced; NULL: none, all rows go,
 * and those whose key is there already are left out. On failure the pipe is closed. */
mop_status mop_pipe_open(mop_pipe *pipe, const char *key, const char *columns, mop_err *err);
/* Copies the rows with the key `from` to the key `to`; *n counts them, NULL is fine. */
mop_status mop_pipe_run(mop_pipe *pipe, int64_t from, int64_t to, int64_t *n, mop_err *err);
void mop_pipe_close(mop_pipe *pipe);

#endif
