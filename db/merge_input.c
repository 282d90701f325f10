/* What makes a foreign file fit to be merged: identity and version from its bytes, quick_check, and
 * its tables compared with those that the migrations make. Its views and triggers are never used.
 */
#include "db/merge_input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/store.h"
#include "profiler/base/alloc.h"

/* --- tables as they must be
 * ------------------------------------------------------------------------------- */

/* An empty database of schema `version` in memory. */
static mop_status expected_schema(int version, sqlite3 **out, mop_err *err)
{
    sqlite3 *db = NULL;
    mop_status st = MOP_OK;
    int rc = sqlite3_open(":memory:", &db);
    if (rc != SQLITE_OK)
        st = mop_sql_fail(db, rc, "cannot open", "a database in memory", err);
    for (int v = 1; st == MOP_OK && v <= version; v++)
        st = mop_sql_exec(db, mop_schema_migration(v), "in memory", err);
    if (st != MOP_OK) {
        (void)sqlite3_close(db); /* the failure is reported */
        return st;
    }
    *out = db;
    return MOP_OK;
}

/* Compares the row of `wanted` (name, sql) with the table of that name in the input. */
static mop_status compare_table(const mop_merge_input *in, sqlite3_stmt *find, sqlite3_stmt *wanted,
                                mop_err *err)
{
    const char *name = (const char *)sqlite3_column_text(wanted, 0);
    const char *sql = (const char *)sqlite3_column_text(wanted, 1), *has = NULL;
    mop_status st = MOP_OK;
    if (name == NULL || sql == NULL || sqlite3_bind_value(find, 1, sqlite3_column_value(wanted, 0)))
        return mop_fail(err, MOP_ENOMEM, "out of memory while reading %.120s", in->path);
    int rc = sqlite3_step(find);
    if (rc == SQLITE_ROW)
        has = (const char *)sqlite3_column_text(find, 0);
    else if (rc != SQLITE_DONE)
        st = mop_sql_fail(in->db, rc, "cannot read", in->path, err);
    if (st == MOP_OK && has == NULL)
        st = mop_fail(err, MOP_EINVAL, "%.150s has no table %.40s", in->path, name);
    else if (st == MOP_OK && strcmp(has, sql) != 0)
        st = mop_fail(err, MOP_EINVAL, "%.150s has a table %.40s that moprof did not make",
                      in->path, name);
    (void)sqlite3_reset(find); /* repeats the failure of the step */
    return st;
}

static mop_status check_tables(const mop_merge_input *in, int version, mop_err *err)
{
    sqlite3 *expected = NULL;
    sqlite3_stmt *wanted = NULL, *find = NULL;
    int rc = SQLITE_DONE;
    mop_status st = expected_schema(version, &expected, err);
    if (st != MOP_OK)
        return st;
    st = mop_sql_prepare(expected,
                         "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT "
                         "LIKE 'sqlite^_%' ESCAPE '^' ORDER BY name",
                         "in memory", &wanted, err);
    if (st == MOP_OK)
        st = mop_sql_prepare(in->db,
                             "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1",
                             in->path, &find, err);
    while (st == MOP_OK && (rc = sqlite3_step(wanted)) == SQLITE_ROW)
        st = compare_table(in, find, wanted, err);
    if (st == MOP_OK && rc != SQLITE_DONE)
        st = mop_sql_fail(expected, rc, "cannot read", "the schema", err);
    (void)sqlite3_finalize(wanted); /* failures were told by the steps */
    (void)sqlite3_finalize(find);
    (void)sqlite3_close(expected); /* in memory */
    return st;
}

static mop_status quick_check(const mop_merge_input *in, mop_err *err)
{
    sqlite3_stmt *stmt;
    mop_status st = mop_sql_prepare(in->db, "PRAGMA quick_check(1)", in->path, &stmt, err);
    if (st != MOP_OK)
        return st;
    int rc = sqlite3_step(stmt);
    const char *word = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    if (rc != SQLITE_ROW)
        st = mop_sql_fail(in->db, rc, "cannot read", in->path, err);
    else if (word == NULL || strcmp(word, "ok") != 0)
        st = mop_fail(err, MOP_EINVAL, "%.120s is damaged: %.80s", in->path,
                      word != NULL ? word : "out of memory");
    (void)sqlite3_finalize(stmt); /* repeats the failure of the step */
    return st;
}

/* --- an older schema
 * ------------------------------------------------------------------------------------- */

static mop_status copy_to(const mop_merge_input *in, const char *name, mop_err *err)
{
    sqlite3 *to = NULL;
    mop_status st = MOP_OK;
    int rc = sqlite3_open(name, &to);
    sqlite3_backup *b = rc == SQLITE_OK ? sqlite3_backup_init(to, "main", in->db, "main") : NULL;
    if (b != NULL) {
        (void)sqlite3_backup_step(b, -1); /* _finish repeats its failure */
        rc = sqlite3_backup_finish(b);
    }
    if (b == NULL || rc != SQLITE_OK)
        st = mop_sql_fail(to, rc, "cannot write the copy", name, err);
    (void)sqlite3_close(to); /* what was not written shows when it is opened */
    return st;
}

/* Replaces the reader by one of a copy that the store has migrated. */
static mop_status migrate_copy(mop_merge_input *in, const char *beside, mop_err *err)
{
    mop_store *store = NULL;
    size_t size = strlen(beside) + 16;
    char *name = mop_calloc(size, 1, err);
    mop_status st;
    if (name == NULL)
        return MOP_ENOMEM;
    (void)snprintf(name, size, "%s.copy-XXXXXX", beside); /* fits by construction */
    int fd = mkstemp(name);
    if (fd < 0) {
        st = mop_fail(err, MOP_EIO, "cannot create %.150s: %s", name, strerror(errno));
        free(name);
        return st;
    }
    (void)close(fd); /* nothing was written */
    in->copy = name;
    st = copy_to(in, name, err);
    if (st == MOP_OK)
        st = mop_store_open(name, &store, err);
    if (st == MOP_OK)
        st = mop_store_close(store, err);
    mop_db_close(in->reader);
    in->reader = NULL;
    return st == MOP_OK ? mop_db_open(name, &in->reader, err) : st;
}

/* --- opening
 * --------------------------------------------------------------------------------------------- */

/* The fences of a query stand in the way of PRAGMA and BEGIN; nothing of the file's own SQL is run
 * here. */
static mop_status take_handle(mop_merge_input *in, mop_err *err)
{
    in->db = mop_db_handle(in->reader);
    (void)sqlite3_set_authorizer(in->db, NULL, NULL); /* cannot fail */
    sqlite3_progress_handler(in->db, 0, NULL, NULL);
    int rc = sqlite3_exec(in->db, "BEGIN", NULL, NULL, NULL);
    return rc == SQLITE_OK ? MOP_OK : mop_sql_fail(in->db, rc, "cannot read", in->path, err);
}

static mop_status check(mop_merge_input *in, int64_t *version, mop_err *err)
{
    mop_status st = take_handle(in, err);
    if (st == MOP_OK)
        st = mop_sql_int(in->db, "PRAGMA user_version", 0, in->path, version, err);
    if (st == MOP_OK && (*version < 1 || *version > mop_schema_version()))
        st = mop_fail(err, MOP_EINVAL, "%.150s has no schema that this moprof knows", in->path);
    if (st == MOP_OK)
        st = quick_check(in, err);
    if (st == MOP_OK)
        st = check_tables(in, (int)*version, err);
    return st;
}

mop_status mop_merge_input_open(const char *path, const char *beside, mop_merge_input *in,
                                mop_err *err)
{
    int64_t version = 0;
    *in = (mop_merge_input){.path = path};
    mop_status st = mop_db_open(path, &in->reader, err);
    if (st == MOP_OK)
        st = check(in, &version, err);
    in->version = (int)version;
    if (st == MOP_OK && version < mop_schema_version()) {
        (void)sqlite3_exec(in->db, "COMMIT", NULL, NULL, NULL); /* only read */
        st = migrate_copy(in, beside, err);
        if (st == MOP_OK)
            st = take_handle(in, err);
    }
    if (st != MOP_OK)
        mop_merge_input_close(in);
    return st;
}

void mop_merge_input_close(mop_merge_input *in)
{
    mop_db_close(in->reader);
    if (in->copy != NULL) {
        char backup[4200];
        (void)unlink(in->copy); /* only a copy */
        if (snprintf(backup, sizeof backup, "%s.v%d.backup", in->copy, in->version) <
            (int)sizeof backup)
            (void)unlink(backup); /* there is none if migrating failed early */
    }
    free(in->copy);
    *in = (mop_merge_input){0};
}
