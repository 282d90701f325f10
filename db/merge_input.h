/* A foreign database, checked and opened to read. For the inside of db/. */
#ifndef DB_MERGE_INPUT_H
#define DB_MERGE_INPUT_H

#include "db/query.h"
#include "db/sql.h"

typedef struct mop_merge_input {
    const char *path; /* as the caller named it. Borrowed */
    mop_db *reader;
    sqlite3 *db; /* of the reader, inside a read transaction */
    char *copy;  /* migrated copy of an older database, removed on closing; NULL: none */
    int version; /* schema of the file itself */
} mop_merge_input;

/* See mop_merge(). A copy goes beside `beside`. On failure nothing is left. */
mop_status mop_merge_input_open(const char *path, const char *beside, mop_merge_input *in,
                                mop_err *err);
void mop_merge_input_close(mop_merge_input *in);

#endif
