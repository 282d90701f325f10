/* Small steps over sqlite3 shared by the store, the queries and the CSV files. For the inside of
 * db/. */
#ifndef DB_SQL_H
#define DB_SQL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "profiler/base/status.h"
#include "profiler/base/str.h"

enum { MOP_APPLICATION_ID = 0x6d6f7066, MOP_SQL_ERROR_TEXT = 120 };

/* Turns SQLite's last failure on db into a sentence "<what> <path>: <SQLite's words>". */
mop_status mop_sql_fail(sqlite3 *db, int rc, const char *what, const char *path, mop_err *err);

/* Prepares one statement; *stmt is NULL on failure. */
mop_status mop_sql_prepare(sqlite3 *db, const char *sql, const char *path, sqlite3_stmt **stmt,
                           mop_err *err);

/* The same for a text put together; sql is released, whatever comes. */
mop_status mop_sql_prepare_built(sqlite3 *db, mop_str *sql, const char *path, sqlite3_stmt **stmt,
                                 mop_err *err);

/* Runs statements without results. */
mop_status mop_sql_exec(sqlite3 *db, const char *sql, const char *path, mop_err *err);

/* First column of the first row of sql with ?1 = arg; *out is untouched if there is no row. */
mop_status mop_sql_int(sqlite3 *db, const char *sql, int64_t arg, const char *path, int64_t *out,
                       mop_err *err);

/* The same for a text; "" if there is no row or it is NULL. MOP_EINVAL if it does not fit. */
mop_status mop_sql_text(sqlite3 *db, const char *sql, int64_t arg, const char *path, char *out,
                        size_t size, mop_err *err);

/* Steps a statement that yields no rows and finalizes it. */
mop_status mop_sql_run(sqlite3 *db, sqlite3_stmt *stmt, const char *path, mop_err *err);

/* Undoes a transaction that may already have been undone by SQLite itself. */
void mop_sql_rollback(sqlite3 *db);

/* Number of migrations built in: the schema version that this program writes. */
int mop_schema_version(void);

/* SQL of migration v in 1 .. mop_schema_version(). */
const char *mop_schema_migration(int v);

/* What the bytes of a file say, without SQLite and without touching it. */
typedef enum mop_file_kind {
    MOP_FILE_ABSENT,
    MOP_FILE_EMPTY,
    MOP_FILE_OURS,  /* a SQLite file with our application_id */
    MOP_FILE_BLANK, /* a SQLite file with application_id 0: only new if it has no tables */
} mop_file_kind;

/* MOP_EINVAL for anything else (not SQLite, another program's, a newer schema's, cut short),
 * MOP_EIO if it cannot be read. *has_wal says whether the header asks for a WAL. */
mop_status mop_file_inspect(const char *path, mop_file_kind *kind, bool *wal_mode, mop_err *err);

/* The connection of an opened database, hardened. Borrowed. */
struct mop_db;
sqlite3 *mop_db_handle(struct mop_db *db);

#endif
