/* Order: the file's bytes judge whether it is ours, then all pages are copied into a temporary
 * database, and everything else looks at the copy: SQLite's own checks, counts, and the statistics
 * computed anew beside those that were stored. */
#include "db/checkup.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "db/query.h"
#include "db/store_internal.h"

static mop_status copy_pages(sqlite3 *to, mop_db *from, const char *path, mop_err *err)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", mop_db_handle(from), "main");
    int rc = SQLITE_ERROR;
    if (b != NULL) {
        (void)sqlite3_backup_step(b, -1); /* _finish repeats its failure */
        rc = sqlite3_backup_finish(b);
    }
    return rc == SQLITE_OK ? MOP_OK : mop_sql_fail(to, rc, "cannot read", path, err);
}

/* The first line of a check that answers "ok" when all is well; a check that cannot run is a
 * complaint too. */
static void check_pages(sqlite3 *db, mop_checkup *out)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW) {
        (void)snprintf(out->damage, sizeof out->damage, "%s", sqlite3_errmsg(db)); /* may be cut */
    } else {
        const char *word = (const char *)sqlite3_column_text(stmt, 0);
        if (word == NULL || strcmp(word, "ok") != 0)
            (void)snprintf(out->damage, sizeof out->damage, "%s",
                           word != NULL ? word : "out of memory"); /* may be cut */
    }
    (void)sqlite3_finalize(stmt); /* its failure is told above */
}

static mop_status count_all(sqlite3 *db, const char *path, mop_checkup *out, mop_err *err)
{
    const struct {
        int64_t *to;
        const char *sql;
    } counts[] = {
        {&out->broken_references, "SELECT count(*) FROM pragma_foreign_key_check"},
        {&out->sweeps, "SELECT count(*) FROM sweep"},
        {&out->measurements, "SELECT count(*) FROM measurement"},
        {&out->samples, "SELECT count(*) FROM sample"},
        {&out->unfinished, "SELECT count(*) FROM sweep WHERE state IN ('running', 'stopped')"},
        {&out->failed_measurements, "SELECT count(*) FROM measurement WHERE state = 'failed'"},
        {&out->failed_controls, "SELECT count(*) FROM control WHERE passed = 0"},
    };
    mop_status st = MOP_OK;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0] && st == MOP_OK; i++)
        st = mop_sql_int(db, counts[i].sql, 0, path, counts[i].to, err);
    return st;
}

/* The copy as a store: nothing of it is ever written back. */
static mop_status recompute(sqlite3 *db, char *path, mop_checkup *out, mop_err *err)
{
    mop_store copy = {.db = db, .path = path, .lock = {.fd = -1}};
    mop_status st = mop_sql_exec(db, "CREATE TEMP TABLE stored AS SELECT * FROM stat", path, err);
    if (st == MOP_OK)
        st = mop_store_refresh_stats(&copy, err);
    if (st == MOP_OK)
        st = mop_sql_int(db,
                         "SELECT count(DISTINCT d.measurement_id) FROM ("
                         "SELECT * FROM (SELECT * FROM temp.stored EXCEPT SELECT * FROM main.stat) "
                         "UNION ALL "
                         "SELECT * FROM (SELECT * FROM main.stat EXCEPT SELECT * FROM temp.stored)"
                         ") AS d JOIN measurement AS x ON x.id = d.measurement_id "
                         "JOIN sweep AS w ON w.id = x.sweep_id WHERE w.state <> 'running'",
                         0, path, &out->stat_differs, err);
    return st;
}

static mop_status examine(sqlite3 *db, char *path, mop_checkup *out, mop_err *err)
{
    mop_status st = mop_sql_int(db, "PRAGMA user_version", 0, path, &out->schema, err);
    check_pages(db, out);
    if (st != MOP_OK || out->damage[0] != '\0')
        return st;
    st = count_all(db, path, out, err);
    if (st != MOP_OK || out->schema < out->schema_known)
        return st;
    st = mop_sql_int(db, "SELECT count(*) FROM sweep WHERE kind = 'calibration'", 0, path,
                     &out->calibrations, err);
    out->sweeps -= out->calibrations;
    return st == MOP_OK ? recompute(db, path, out, err) : st;
}

mop_status mop_db_checkup(const char *path, mop_checkup *out, mop_err *err)
{
    mop_checkup found = {.schema_known = mop_schema_version(), .stat_differs = -1};
    char name[512];
    struct stat sb;
    sqlite3 *copy = NULL;
    mop_db *db = NULL;
    mop_status st = mop_db_open(path, &db, err);
    if (st != MOP_OK)
        return st;
    (void)snprintf(name, sizeof name, "%s", path); /* for sentences, which cut it shorter */
    if (stat(path, &sb) == 0)
        found.bytes = sb.st_size;
    /* "": a temporary database, in memory while it is small */
    const int rc = sqlite3_open("", &copy);
    if (rc != SQLITE_OK)
        st = mop_sql_fail(copy, rc, "cannot open a temporary copy of", path, err);
    if (st == MOP_OK)
        st = copy_pages(copy, db, path, err);
    if (st == MOP_OK)
        st = examine(copy, name, &found, err);
    (void)sqlite3_close(copy); /* nothing of it is kept */
    mop_db_close(db);
    if (st == MOP_OK)
        *out = found;
    return st;
}
