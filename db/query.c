/* The read-only connection. Four fences stand behind each other: the file is opened read-only;
 * SQLite's own hardening (defensive, untrusted schema, no extensions, limits); an authorizer that
 * lets through only reading; and sqlite3_stmt_readonly, because VACUUM INTO passes the authorizer.
 */
#include "db/query.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/sql.h"
#include "db/table.h"
#include "profiler/base/alloc.h"
#include "profiler/base/embed.h"
#include "profiler/base/str.h"
#include "profiler/base/text.h"

enum { MAX_CELLS = 5000000, OPS_PER_LOOK = 20000 };

struct mop_db {
    sqlite3 *db;
    char *path;
    mop_clock clock;
    uint64_t began_ns;
    bool is_late;
    const char *denied; /* what the authorizer refused last; NULL: nothing */
};

const char *mop_db_path(const mop_db *db)
{
    return db->path;
}

sqlite3 *mop_db_handle(mop_db *db)
{
    return db->db;
}

void mop_db_set_clock(mop_db *db, mop_clock clock)
{
    db->clock = clock;
}

/* --- opening
 * --------------------------------------------------------------------------------------- */

/* file: URI of path. immutable reads a file that asks for a WAL and has none without creating one.
 */
static void uri_of(const char *path, bool immutable, mop_str *out)
{
    mop_str_add(out, path[0] == '/' ? "file://" : "file:");
    for (const char *p = path; *p != '\0'; p++) {
        if (isalnum((unsigned char)*p) || strchr("/._-", *p) != NULL)
            mop_str_addn(out, p, 1);
        else
            mop_str_addf(out, "%%%02X", (unsigned)(unsigned char)*p);
    }
    mop_str_add(out, immutable ? "?mode=ro&immutable=1" : "?mode=ro");
}

static bool has_wal(const char *path)
{
    mop_str name = {0};
    FILE *f;
    mop_str_addf(&name, "%s-wal", path);
    f = name.failed ? NULL : fopen(mop_str_get(&name), "rb");
    mop_str_release(&name);
    if (f == NULL)
        return false;
    (void)fclose(f); /* only looked at */
    return true;
}

static int authorize(void *ctx, int action, const char *a, const char *b, const char *c,
                     const char *d)
{
    static const char *const pragmas[] = {"table_info", "table_list", "index_list"};
    struct mop_db *db = ctx;
    (void)c; /* the database and the view: reading may be done from any */
    (void)d;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_FUNCTION:
        if (b != NULL && sqlite3_stricmp(b, "load_extension") != 0)
            return SQLITE_OK;
        db->denied = "load an extension";
        return SQLITE_DENY;
    case SQLITE_PRAGMA:
        for (size_t i = 0; a != NULL && i < sizeof pragmas / sizeof pragmas[0]; i++)
            if (sqlite3_stricmp(a, pragmas[i]) == 0)
                return SQLITE_OK;
        db->denied = "use a PRAGMA other than table_info, table_list and index_list";
        return SQLITE_DENY;
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
        db->denied = "attach another database";
        return SQLITE_DENY;
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
        db->denied = "open a transaction";
        return SQLITE_DENY;
    default:
        db->denied = "change the database";
        return SQLITE_DENY;
    }
}

static int look_at_clock(void *ctx)
{
    struct mop_db *db = ctx;
    db->is_late = mop_now_ns(&db->clock) - db->began_ns > MOP_DB_DEADLINE_NS;
    return db->is_late;
}

static void harden(struct mop_db *db)
{
    /* SQLite declares these tables on first use with an update of its own that the authorizer could
     * not tell from a user's. */
    static const char declare[] = "SELECT 1 FROM pragma_table_info('') JOIN pragma_table_list "
                                  "JOIN pragma_index_list('') LIMIT 0";
    static const int limits[][2] = {
        {SQLITE_LIMIT_LENGTH, 64 << 20},      {SQLITE_LIMIT_SQL_LENGTH, 1 << 20},
        {SQLITE_LIMIT_COLUMN, 1000},          {SQLITE_LIMIT_EXPR_DEPTH, 200},
        {SQLITE_LIMIT_COMPOUND_SELECT, 100},  {SQLITE_LIMIT_VDBE_OP, 1000000},
        {SQLITE_LIMIT_ATTACHED, 0},           {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000},
        {SQLITE_LIMIT_VARIABLE_NUMBER, 1000}, {SQLITE_LIMIT_TRIGGER_DEPTH, 10},
        {SQLITE_LIMIT_WORKER_THREADS, 0},
    };
    /* None of these can fail on an open connection with valid verbs. */
    (void)sqlite3_db_config(db->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(db->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(db->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    (void)sqlite3_db_config(db->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    (void)sqlite3_db_config(db->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void)sqlite3_db_config(db->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    (void)sqlite3_busy_timeout(db->db, 5000);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        (void)sqlite3_limit(db->db, limits[i][0], limits[i][1]); /* returns the old limit */
    (void)sqlite3_exec(db->db, declare, NULL, NULL, NULL); /* a damaged file fails the next read */
    (void)sqlite3_set_authorizer(db->db, authorize, db);
    sqlite3_progress_handler(db->db, OPS_PER_LOOK, look_at_clock, db);
}

static mop_status connect_to(struct mop_db *db, bool immutable, mop_err *err)
{
    mop_str uri = {0};
    int64_t n = 0;
    mop_status st;
    int rc;
    uri_of(db->path, immutable, &uri);
    st = mop_str_status(&uri, err);
    if (st == MOP_OK) {
        rc = sqlite3_open_v2(mop_str_get(&uri), &db->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
                             NULL);
        if (rc != SQLITE_OK)
            st = mop_sql_fail(db->db, rc, "cannot open", db->path, err);
    }
    mop_str_release(&uri);
    if (st != MOP_OK)
        return st;
    harden(db);
    db->began_ns = mop_now_ns(&db->clock);
    /* The first read is what finds a damaged or unreadable file. */
    st = mop_sql_int(db->db, "SELECT count(*) FROM sqlite_schema WHERE name = 'result'", 0,
                     db->path, &n, err);
    if (st == MOP_OK && n != 1)
        return mop_fail(err, MOP_EINVAL, "%.150s is not a database of moprof", db->path);
    return st;
}

mop_status mop_db_open(const char *path, mop_db **out, mop_err *err)
{
    mop_file_kind kind;
    bool wal_mode;
    mop_db *db;
    mop_status st = mop_file_inspect(path, &kind, &wal_mode, err);
    if (st != MOP_OK)
        return st;
    if (kind == MOP_FILE_ABSENT)
        return mop_fail(err, MOP_EINVAL, "there is no database %.150s; `moprof sweep` makes one",
                        path);
    if (kind == MOP_FILE_EMPTY)
        return mop_fail(err, MOP_EINVAL, "%.150s is empty; `moprof sweep --db` fills it", path);
    if (kind == MOP_FILE_BLANK)
        return mop_fail(err, MOP_EINVAL,
                        "%.150s is not a database of moprof: it has no application_id", path);
    db = mop_calloc(1, sizeof *db, err);
    if (db == NULL)
        return MOP_ENOMEM;
    db->clock = mop_clock_real();
    db->path = mop_strdup(path, err);
    st = db->path == NULL ? MOP_ENOMEM : connect_to(db, wal_mode && !has_wal(path), err);
    if (st != MOP_OK) {
        mop_db_close(db);
        return st;
    }
    *out = db;
    return MOP_OK;
}

void mop_db_close(mop_db *db)
{
    if (db == NULL)
        return;
    (void)sqlite3_close(db->db); /* read only: nothing to lose */
    free(db->path);
    free(db);
}

/* --- failing helpfully
 * ------------------------------------------------------------------------------ */

/* Appends the single column of sql to names; what cannot be read is only missing from a hint. */
static void collect(mop_db *db, const char *sql, mop_strlist *names)
{
    sqlite3_stmt *stmt;
    mop_err ignored = {0};
    if (sqlite3_prepare_v2(db->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return;
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        if (name == NULL || mop_strlist_add(names, name, &ignored) != MOP_OK)
            break;
    }
    (void)sqlite3_finalize(stmt); /* a hint may be cut short */
}

static mop_status fail_sql(mop_db *db, mop_err *err)
{
    static const struct {
        const char *prefix, *names;
    } kinds[] = {
        {"no such column: ", "SELECT DISTINCT c.name FROM sqlite_schema AS s "
                             "JOIN pragma_table_info(s.name) AS c WHERE s.type IN "
                             "('view', 'table') ORDER BY s.type DESC, s.name"},
        {"no such table: ", "SELECT name FROM sqlite_schema WHERE type IN ('view', 'table')"},
    };
    char words[MOP_SQL_ERROR_TEXT];
    (void)snprintf(words, sizeof words, "%s", sqlite3_errmsg(db->db)); /* may be cut short */
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t n = strlen(kinds[i].prefix);
        mop_strlist names = {0};
        const char *nearest, *wanted, *dot;
        if (strncmp(words, kinds[i].prefix, n) != 0)
            continue;
        collect(db, kinds[i].names, &names);
        dot = strrchr(words + n, '.');
        wanted = dot != NULL ? dot + 1 : words + n;
        nearest = mop_nearest(wanted, (const char *const *)names.items, names.n);
        if (nearest != NULL)
            (void)mop_fail(err, MOP_EINVAL, "the SQL is not valid: %s; did you mean %.60s?", words,
                           nearest);
        mop_strlist_release(&names);
    }
    return mop_fail(err, MOP_EINVAL, "the SQL is not valid: %s", words);
}

static mop_status fail_run(mop_db *db, int rc, mop_err *err)
{
    if (db->is_late)
        return mop_fail(err, MOP_EFAIL, "the query took more than %d s and was stopped",
                        (int)(MOP_DB_DEADLINE_NS / 1000000000));
    return mop_sql_fail(db->db, rc, "the query failed on", db->path, err);
}

/* --- running
 * ---------------------------------------------------------------------------------------- */

static mop_status prepare(mop_db *db, const char *sql, sqlite3_stmt **stmt, mop_err *err)
{
    const char *tail = NULL;
    sqlite3_stmt *second = NULL;
    int rc;
    db->denied = NULL;
    rc = sqlite3_prepare_v2(db->db, sql, -1, stmt, &tail);
    if (rc != SQLITE_OK && db->denied != NULL)
        return mop_fail(err, MOP_EINVAL, "a query only reads: this one would %s", db->denied);
    if (rc != SQLITE_OK)
        return fail_sql(db, err);
    if (*stmt == NULL)
        return mop_fail(err, MOP_EINVAL, "there is no SQL statement in the query");
    if (!sqlite3_stmt_readonly(*stmt))
        return mop_fail(err, MOP_EINVAL, "a query only reads: this one would write");
    rc = sqlite3_prepare_v2(db->db, tail, -1, &second, NULL);
    (void)sqlite3_finalize(second); /* never stepped */
    if (rc != SQLITE_OK || second != NULL)
        return mop_fail(err, MOP_EINVAL, "a query is one statement, and after it comes \"%.60s\"",
                        tail + strspn(tail, " \t\r\n;"));
    return MOP_OK;
}

static mop_status bind(sqlite3_stmt *stmt, const char *const *params, size_t n_params, mop_err *err)
{
    int places = sqlite3_bind_parameter_count(stmt);
    if (n_params > (size_t)places)
        return mop_fail(err, MOP_EINVAL, "the query takes %d parameter%s, and %zu were given",
                        places, places == 1 ? "" : "s", n_params);
    for (size_t i = 0; i < n_params; i++)
        if (sqlite3_bind_text(stmt, (int)i + 1, params[i], -1, SQLITE_TRANSIENT) != SQLITE_OK)
            return mop_fail(err, MOP_EINVAL, "parameter %zu is too long", i + 1);
    return MOP_OK;
}

/* A large real with all its integer digits reads better than an exponent. */
static mop_status set_real(mop_cell *cell, double v, mop_err *err)
{
    return mop_cell_set_real(cell, v, fabs(v) >= 1e6 && fabs(v) < 1e15 ? 0 : -1, err);
}

static mop_status set_blob(mop_cell *cell, sqlite3_stmt *stmt, int c, mop_err *err)
{
    const unsigned char *bytes = sqlite3_column_blob(stmt, c);
    int n = sqlite3_column_bytes(stmt, c);
    mop_str hex = {0};
    mop_status st;
    mop_str_add(&hex, "x'");
    for (int i = 0; i < n; i++)
        mop_str_addf(&hex, "%02x", bytes[i]);
    mop_str_add(&hex, "'");
    st = mop_str_status(&hex, err);
    if (st == MOP_OK)
        st = mop_cell_set_text(cell, mop_str_get(&hex), err);
    mop_str_release(&hex);
    return st;
}

static mop_status read_cell(sqlite3_stmt *stmt, int c, mop_cell *cell, mop_err *err)
{
    const char *text;
    switch (sqlite3_column_type(stmt, c)) {
    case SQLITE_INTEGER:
        return mop_cell_set_int(cell, sqlite3_column_int64(stmt, c), err);
    case SQLITE_FLOAT:
        return set_real(cell, sqlite3_column_double(stmt, c), err);
    case SQLITE_TEXT:
        text = (const char *)sqlite3_column_text(stmt, c);
        if (text == NULL)
            return mop_fail(err, MOP_ENOMEM, "out of memory while reading a text");
        return mop_cell_set_text(cell, text, err);
    case SQLITE_BLOB:
        return set_blob(cell, stmt, c, err);
    default:
        return MOP_OK; /* NULL, as the row begins */
    }
}

static mop_status read_rows(mop_db *db, sqlite3_stmt *stmt, mop_table *t, mop_err *err)
{
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        mop_cell *row;
        if ((t->n_rows + 1) * t->n_cols > MAX_CELLS)
            return mop_fail(err, MOP_EFAIL, "the query gives more than %d cells; add a LIMIT",
                            (int)MAX_CELLS);
        row = mop_table_row(t, err);
        if (row == NULL)
            return MOP_ENOMEM;
        for (size_t c = 0; c < t->n_cols; c++) {
            mop_status st = read_cell(stmt, (int)c, &row[c], err);
            if (st != MOP_OK)
                return st;
        }
    }
    return rc == SQLITE_DONE ? MOP_OK : fail_run(db, rc, err);
}

static mop_status start(sqlite3_stmt *stmt, mop_table *t, mop_err *err)
{
    size_t n = (size_t)sqlite3_column_count(stmt);
    const char **cols = mop_calloc(n, sizeof *cols, err);
    mop_status st = cols != NULL ? MOP_OK : MOP_ENOMEM;
    for (size_t i = 0; st == MOP_OK && i < n; i++) {
        cols[i] = sqlite3_column_name(stmt, (int)i);
        if (cols[i] == NULL)
            st = mop_fail(err, MOP_ENOMEM, "out of memory for a column name");
    }
    if (st == MOP_OK)
        st = mop_table_start(t, cols, n, err);
    free(cols);
    return st;
}

mop_status mop_db_query(mop_db *db, const char *sql, const char *const *params, size_t n_params,
                        mop_table *out, mop_err *err)
{
    sqlite3_stmt *stmt = NULL;
    mop_table t = {0};
    mop_status st;
    db->began_ns = mop_now_ns(&db->clock);
    db->is_late = false;
    st = prepare(db, sql, &stmt, err);
    if (st == MOP_OK)
        st = bind(stmt, params, n_params, err);
    if (st == MOP_OK)
        st = start(stmt, &t, err);
    if (st == MOP_OK)
        st = read_rows(db, stmt, &t, err);
    (void)sqlite3_finalize(stmt); /* repeats the failure of the step */
    if (st != MOP_OK) {
        mop_table_release(&t);
        return st;
    }
    *out = t;
    return MOP_OK;
}

void mop_table_release(mop_table *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n_cols; i++)
        free(t->cols[i]);
    for (size_t i = 0; i < t->n_rows * t->n_cols; i++)
        free(t->cells[i].text);
    free(t->cols);
    free(t->cells);
    *t = (mop_table){0};
}
