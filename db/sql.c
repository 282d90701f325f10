#include "db/sql.h"

#include <stdio.h>
#include <string.h>

#include "profiler/base/embed.h"

static mop_status status_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return MOP_ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return MOP_EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:
    case SQLITE_ERROR:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        return MOP_EINVAL;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return MOP_EIO;
    default:
        return MOP_EFAIL;
    }
}

mop_status mop_sql_fail(sqlite3 *db, int rc, const char *what, const char *path, mop_err *err)
{
    const char *words = db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
    return mop_fail(err, status_of(rc), "%s %.100s: %.*s", what, path, (int)MOP_SQL_ERROR_TEXT,
                    words);
}

mop_status mop_sql_prepare(sqlite3 *db, const char *sql, const char *path, sqlite3_stmt **stmt,
                           mop_err *err)
{
    int rc = sqlite3_prepare_v2(db, sql, -1, stmt, NULL);
    return rc == SQLITE_OK ? MOP_OK : mop_sql_fail(db, rc, "cannot use the database", path, err);
}

mop_status mop_sql_prepare_built(sqlite3 *db, mop_str *sql, const char *path, sqlite3_stmt **stmt,
                                 mop_err *err)
{
    mop_status st = mop_str_status(sql, err);
    *stmt = NULL;
    if (st == MOP_OK)
        st = mop_sql_prepare(db, mop_str_get(sql), path, stmt, err);
    mop_str_release(sql);
    return st;
}

mop_status mop_sql_exec(sqlite3 *db, const char *sql, const char *path, mop_err *err)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? MOP_OK
                           : mop_sql_fail(db, rc, "cannot write to the database", path, err);
}

mop_status mop_sql_int(sqlite3 *db, const char *sql, int64_t arg, const char *path, int64_t *out,
                       mop_err *err)
{
    sqlite3_stmt *stmt;
    mop_status st = mop_sql_prepare(db, sql, path, &stmt, err);
    int rc;
    if (st != MOP_OK)
        return st;
    if (sqlite3_bind_parameter_count(stmt) > 0)
        (void)sqlite3_bind_int64(stmt, 1, arg); /* the index is in range */
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    else if (rc != SQLITE_DONE)
        st = mop_sql_fail(db, rc, "cannot read the database", path, err);
    (void)sqlite3_finalize(stmt); /* repeats the failure of the step */
    return st;
}

mop_status mop_sql_text(sqlite3 *db, const char *sql, int64_t arg, const char *path, char *out,
                        size_t size, mop_err *err)
{
    sqlite3_stmt *stmt;
    mop_status st = mop_sql_prepare(db, sql, path, &stmt, err);
    if (st != MOP_OK)
        return st;
    (void)sqlite3_bind_int64(stmt, 1, arg); /* the index is in range */
    int rc = sqlite3_step(stmt);
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        st = mop_sql_fail(db, rc, "cannot read the database", path, err);
    else if (text != NULL && strlen(text) >= size)
        st = mop_fail(err, MOP_EINVAL, "%.120s holds a text of %zu bytes where %zu are the most",
                      path, strlen(text), size - 1);
    else
        (void)snprintf(out, size, "%s", text != NULL ? text : ""); /* fits */
    (void)sqlite3_finalize(stmt); /* repeats the failure of the step */
    return st;
}

mop_status mop_sql_run(sqlite3 *db, sqlite3_stmt *stmt, const char *path, mop_err *err)
{
    mop_status st = MOP_OK;
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_DONE)
        st = mop_sql_fail(db, rc, "cannot write to the database", path, err);
    (void)sqlite3_finalize(stmt); /* repeats the failure of the step */
    return st;
}

void mop_sql_rollback(sqlite3 *db)
{
    if (!sqlite3_get_autocommit(db))
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); /* the first failure is reported */
}

/* --- migrations
 * ----------------------------------------------------------------------------------- */

/* Files are numbered 0001_, 0002_, ... without gaps. */
const char *mop_schema_migration(int v)
{
    static const char folder[] = "db/migrations/";
    const char *name;
    for (size_t i = 0; (name = mop_embed_name(i)) != NULL; i++) {
        const char *digits = name + sizeof folder - 1;
        size_t size;
        if (strncmp(name, folder, sizeof folder - 1) != 0 || strlen(digits) < 5)
            continue;
        int number = (digits[0] - '0') * 1000 + (digits[1] - '0') * 100 + (digits[2] - '0') * 10 +
                     digits[3] - '0';
        if (number == v && digits[4] == '_')
            return mop_embed_get(name, &size);
    }
    return NULL;
}

int mop_schema_version(void)
{
    int v = 0;
    while (mop_schema_migration(v + 1) != NULL)
        v++;
    return v;
}
