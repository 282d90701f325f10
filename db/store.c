/* Opening and closing the database for writing. The order matters: look at the file without
 * touching it, take the lock, open, migrate in rollback mode (so that the file alone is always
 * valid), then switch to WAL for the passes; closing goes back. */
#include "db/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/store_internal.h"
#include "profiler/base/alloc.h"

/* A SQLite file without application_id may only be taken over if there is nothing in it. */
static mop_status check_blank(const char *path, mop_err *err)
{
    sqlite3 *db = NULL;
    int64_t objects = 0;
    mop_status st = MOP_OK;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
    if (rc != SQLITE_OK)
        st = mop_sql_fail(db, rc, "cannot open", path, err);
    if (st == MOP_OK)
        st = mop_sql_int(db, "SELECT count(*) FROM sqlite_schema", 0, path, &objects, err);
    (void)sqlite3_close(db); /* read only: nothing to lose */
    if (st == MOP_OK && objects > 0)
        return mop_fail(err, MOP_EINVAL,
                        "%.150s is a database of another program: it has tables and no "
                        "application_id",
                        path);
    return st;
}

/* A database of an older schema is copied to PATH.v<version>.backup before it is changed. */
static mop_status backup(mop_store *s, int version, mop_err *err)
{
    sqlite3 *copy = NULL;
    sqlite3_backup *b;
    mop_status st = MOP_OK;
    size_t size = strlen(s->path) + 32;
    char *name = mop_calloc(size, 1, err);
    int rc;
    if (name == NULL)
        return MOP_ENOMEM;
    (void)snprintf(name, size, "%s.v%d.backup", s->path, version); /* fits by construction */
    if (access(name, F_OK) == 0 && unlink(name) != 0)
        st = mop_fail(err, MOP_EIO, "cannot replace %.150s: %s", name, strerror(errno));
    if (st == MOP_OK) {
        rc = sqlite3_open(name, &copy);
        b = rc == SQLITE_OK ? sqlite3_backup_init(copy, "main", s->db, "main") : NULL;
        if (b != NULL) {
            (void)sqlite3_backup_step(b, -1); /* _finish repeats its failure */
            rc = sqlite3_backup_finish(b);
        }
        if (b == NULL || rc != SQLITE_OK)
            st = mop_sql_fail(copy, rc, "cannot write the backup", name, err);
        if (sqlite3_close(copy) != SQLITE_OK && st == MOP_OK)
            st = mop_fail(err, MOP_EIO, "cannot close the backup %.150s", name);
    }
    free(name);
    return st;
}

static mop_status migrate_one(mop_store *s, int to, mop_err *err)
{
    char pragmas[96];
    mop_status st = mop_tx_begin(s, err);
    if (st != MOP_OK)
        return st;
    st = mop_sql_exec(s->db, mop_schema_migration(to), s->path, err);
    if (st == MOP_OK) {
        (void)snprintf(pragmas, sizeof pragmas, "PRAGMA application_id=%d; PRAGMA user_version=%d",
                       (int)MOP_APPLICATION_ID, to); /* fits */
        st = mop_sql_exec(s->db, pragmas, s->path, err);
    }
    if (st == MOP_OK && to == mop_schema_version()) /* what older schemas had no columns for */
        st = mop_stats_refresh_sweep(s, 0, err);
    return mop_tx_end(s, st, err);
}

static mop_status migrate(mop_store *s, mop_err *err)
{
    int64_t version = 0;
    mop_status st = mop_sql_int(s->db, "PRAGMA user_version", 0, s->path, &version, err);
    if (st == MOP_OK && version > 0 && version < mop_schema_version())
        st = backup(s, (int)version, err);
    for (int v = (int)version + 1; st == MOP_OK && v <= mop_schema_version(); v++)
        st = migrate_one(s, v, err);
    return st;
}

/* Runs a pragma that answers with one word, and fails with `what` unless the word is the one
 * wanted. */
static mop_status demand(mop_store *s, const char *pragma, const char *wanted, mop_status failure,
                         const char *what, mop_err *err)
{
    sqlite3_stmt *stmt;
    mop_status st = mop_sql_prepare(s->db, pragma, s->path, &stmt, err);
    int rc;
    if (st != MOP_OK)
        return st;
    rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW) {
        st = mop_sql_fail(s->db, rc, "cannot use the database", s->path, err);
    } else {
        const char *word = (const char *)sqlite3_column_text(stmt, 0);
        if (word == NULL || strcmp(word, wanted) != 0)
            st = mop_fail(err, failure, "%.120s %s: %.80s", s->path, what,
                          word != NULL ? word : "out of memory");
        (void)sqlite3_step(stmt); /* to its end, or the change of the journal keeps a read open */
    }
    (void)sqlite3_finalize(stmt); /* repeats the failure of the step */
    return st;
}

static mop_status connect(mop_store *s, mop_err *err)
{
    int64_t objects;
    mop_status st;
    int rc = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (rc != SQLITE_OK)
        return mop_sql_fail(s->db, rc, "cannot open", s->path, err);
    (void)sqlite3_extended_result_codes(s->db, 1); /* cannot fail on an open connection */
    (void)sqlite3_busy_timeout(s->db, 5000);       /* likewise */
    if (sqlite3_db_readonly(s->db, "main") == 1)
        return mop_fail(err, MOP_EIO, "%.150s is read-only", s->path);
    st = mop_sql_exec(s->db,
                      "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA synchronous=FULL",
                      s->path, err);
    if (st == MOP_OK)
        st = demand(s, "PRAGMA foreign_keys", "1", MOP_EFAIL, "opens without foreign keys", err);
    /* Reads the whole file, which is cheaper than a sweep over a damaged one. */
    if (st == MOP_OK)
        st = demand(s, "PRAGMA quick_check(1)", "ok", MOP_EINVAL, "is damaged", err);
    if (st == MOP_OK)
        st = migrate(s, err);
    if (st == MOP_OK)
        st = demand(s, "PRAGMA journal_mode=WAL", "wal", MOP_EIO,
                    "lies where SQLite cannot keep a write-ahead log", err);
    /* Opens the log: checkpointing one that was never read fails as locked. */
    if (st == MOP_OK)
        st = mop_sql_int(s->db, "SELECT count(*) FROM sqlite_schema", 0, s->path, &objects, err);
    return st;
}

static void discard(mop_store *s)
{
    (void)sqlite3_close(s->db); /* the failure that led here is reported */
    mop_lock_release(&s->lock);
    free(s->path);
    free(s);
}

mop_status mop_store_open(const char *path, mop_store **out, mop_err *err)
{
    mop_file_kind kind;
    bool wal_mode;
    mop_store *s;
    mop_status st = mop_file_inspect(path, &kind, &wal_mode, err);
    if (st == MOP_OK && kind == MOP_FILE_BLANK)
        st = check_blank(path, err);
    if (st != MOP_OK)
        return st;
    s = mop_calloc(1, sizeof *s, err);
    if (s == NULL)
        return MOP_ENOMEM;
    s->path = mop_strdup(path, err);
    st = s->path == NULL ? MOP_ENOMEM : mop_lock_take(path, &s->lock, err);
    if (st == MOP_OK)
        st = connect(s, err);
    if (st != MOP_OK) {
        discard(s);
        return st;
    }
    *out = s;
    return MOP_OK;
}

mop_status mop_store_close(mop_store *s, mop_err *err)
{
    mop_status st;
    if (s == NULL)
        return MOP_OK;
    mop_store_abort_plan(s);
    st = mop_sql_exec(s->db, "PRAGMA wal_checkpoint(TRUNCATE)", s->path, err);
    /* A reader keeps the file in WAL mode; then it is whole together with its -wal, and not a
     * failure. */
    if (st == MOP_OK)
        (void)sqlite3_exec(s->db, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
    discard(s);
    return st;
}

/* --- transactions
 * --------------------------------------------------------------------------------- */

mop_status mop_tx_begin(mop_store *s, mop_err *err)
{
    return mop_sql_exec(s->db, "BEGIN IMMEDIATE", s->path, err);
}

mop_status mop_tx_end(mop_store *s, mop_status st, mop_err *err)
{
    if (st == MOP_OK)
        st = mop_sql_exec(s->db, "COMMIT", s->path, err);
    if (st != MOP_OK)
        mop_sql_rollback(s->db);
    return st;
}
