/* Reading: what a query may do, what it says when it may not, and the named queries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "db/query.h"
#include "tests/support/db_fixture.h"

typedef struct fixture {
    char dir[256], path[512];
    mop_db *db;
} fixture;

static fixture shared;

static int set_up(void **state)
{
    mop_err err = {0};
    dbfix_dir(shared.dir);
    dbfix_path(shared.path, shared.dir, "a b%?.db"); /* a name that an URI must escape */
    dbfix_fill(shared.path);
    DBFIX_OK(mop_db_open(shared.path, &shared.db, &err));
    *state = &shared;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mop_db_close(shared.db);
    dbfix_remove(shared.dir);
    return 0;
}

static void refuse(const char *sql, const char *words)
{
    mop_table t = {0};
    mop_err err = {0};
    assert_int_equal(mop_db_query(shared.db, sql, NULL, 0, &t, &err), MOP_EINVAL);
    if (strstr(err.msg, words) == NULL)
        fail_msg("\"%s\" says \"%s\", without \"%s\"", sql, err.msg, words);
    assert_null(t.cells);
}

static void whatever_writes_is_refused_and_the_file_stays(void **state)
{
    static const char *const forbidden[] = {
        "INSERT INTO sweep (id) VALUES (9)",
        "UPDATE sweep SET state = 'done'",
        "DELETE FROM sample",
        "DROP TABLE sample",
        "CREATE TABLE t (a)",
        "CREATE TEMP TABLE t (a)",
        "CREATE VIEW v AS SELECT 1",
        "ALTER TABLE sweep RENAME TO swoop",
        "REINDEX",
        "ANALYZE",
        "ATTACH 'other.db' AS other",
        "DETACH main",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT a",
        "VACUUM",
        "VACUUM INTO 'copy.db'",
        "PRAGMA user_version = 9",
        "PRAGMA application_id = 9",
        "PRAGMA journal_mode = WAL",
        "PRAGMA writable_schema = 1",
        "PRAGMA wal_checkpoint",
        "SELECT load_extension('x')",
        "WITH a AS (SELECT 1) DELETE FROM sample",
        "INSERT INTO sweep (id) VALUES (9) RETURNING id",
        "EXPLAIN DELETE FROM sample",
    };
    size_t n, m;
    char *before = dbfix_read(shared.path, &n), *after;
    (void)state;
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++)
        refuse(forbidden[i], "a query only reads");
    refuse("SELECT 1; DELETE FROM sample", "one statement");
    refuse("SELECT 1; SELECT 2", "one statement");
    after = dbfix_read(shared.path, &m);
    assert_int_equal(n, m);
    assert_memory_equal(before, after, n);
    free(before);
    free(after);
    assert_int_not_equal(access("copy.db", F_OK), 0);
}

static void bad_sql_names_the_nearest_name(void **state)
{
    (void)state;
    refuse("SELECT medan_ns FROM result", "did you mean median_ns?");
    refuse("SELECT r.varient FROM result AS r", "did you mean variant?");
    refuse("SELECT * FROM results", "did you mean result?");
    refuse("SELECT * FROM zzzzzzzzzzzz", "no such table: zzzzzzzzzzzz");
    refuse("SELEC 1", "syntax error");
    refuse("", "no SQL statement");
    refuse("  -- nothing\n", "no SQL statement");
    refuse("SELECT \"no such text\"", "no such column");
    refuse("SELECT no_such_function(1)", "no such function");
}

static void one_statement_may_end_in_semicolon_and_comment(void **state)
{
    mop_table t = {0};
    mop_err err = {0};
    (void)state;
    DBFIX_OK(mop_db_query(shared.db, "SELECT 1 AS one; -- that is all\n", NULL, 0, &t, &err));
    assert_string_equal(t.cols[0], "one");
    assert_int_equal(t.cells[0].i, 1);
    mop_table_release(&t);
    DBFIX_OK(mop_db_query(shared.db, "PRAGMA table_info(result)", NULL, 0, &t, &err));
    assert_true(t.n_rows > 40);
    mop_table_release(&t);
}

static void parameters_bind_and_missing_ones_are_null(void **state)
{
    static const char *const one[] = {"7"};
    mop_table t = {0};
    mop_err err = {0};
    (void)state;
    DBFIX_OK(mop_db_query(shared.db, "SELECT ?1, ?2, 1.5, x'00ff'", one, 1, &t, &err));
    assert_string_equal(t.cells[0].text, "7");
    assert_int_equal(t.cells[1].kind, MOP_CELL_NULL);
    assert_string_equal(t.cells[1].text, "");
    assert_int_equal(t.cells[2].kind, MOP_CELL_REAL);
    assert_true(t.cells[2].r == 1.5);
    assert_string_equal(t.cells[3].text, "x'00ff'");
    mop_table_release(&t);
    assert_int_equal(mop_db_query(shared.db, "SELECT 1", one, 1, &t, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "takes 0 parameters, and 1 were given"));
}

static uint64_t leaping(void *ctx)
{
    uint64_t *now = ctx;
    *now += UINT64_C(8000000000);
    return *now;
}

static void an_endless_query_is_stopped_at_the_deadline(void **state)
{
    static const char endless[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                                  "SELECT count(*) FROM n";
    uint64_t now = 0;
    mop_table t = {0};
    mop_err err = {0};
    (void)state;
    mop_db_set_clock(shared.db, (mop_clock){.now_ns = leaping, .ctx = &now});
    assert_int_equal(mop_db_query(shared.db, endless, NULL, 0, &t, &err), MOP_EFAIL);
    assert_non_null(strstr(err.msg, "more than 30 s"));
    mop_db_set_clock(shared.db, mop_clock_real());
    err = (mop_err){0};
    DBFIX_OK(mop_db_query(shared.db, "SELECT 1", NULL, 0, &t, &err)); /* and the next one runs */
    mop_table_release(&t);
}

/* --- named queries
 * ------------------------------------------------------------------------------------ */

static size_t column(const mop_table *t, const char *name)
{
    for (size_t c = 0; c < t->n_cols; c++)
        if (strcmp(t->cols[c], name) == 0)
            return c;
    fail_msg("there is no column %s", name);
    return 0;
}

static const mop_cell *cell(const mop_table *t, size_t row, const char *name)
{
    assert_true(row < t->n_rows);
    return &t->cells[row * t->n_cols + column(t, name)];
}

static void named(const char *name, const char *const *params, size_t n, mop_table *t)
{
    const char *sql = mop_named_query(name);
    mop_err err = {0};
    assert_non_null(sql);
    DBFIX_OK(mop_db_query(shared.db, sql, params, n, t, &err));
}

static void every_named_query_runs_without_parameters(void **state)
{
    (void)state;
    for (size_t i = 0; mop_named_query_at(i) != NULL; i++) {
        mop_table t = {0};
        named(mop_named_query_at(i), NULL, 0, &t);
        assert_true(t.n_cols > 0); /* some tell of what this database has none of */
        mop_table_release(&t);
    }
    assert_null(mop_named_query("no such query"));
}

/* Both sweeps of this database have the same samples in them, so nothing changes between them. */
static void repeat_pairs_the_rows_of_two_sweeps(void **state)
{
    char dir[256], path[512];
    mop_table t = {0};
    mop_db *db = NULL;
    mop_err err = {0};
    (void)state;
    dbfix_dir(dir);
    dbfix_path(path, dir, "twice.db");
    dbfix_fill(path);
    dbfix_fill(path);
    DBFIX_OK(mop_db_open(path, &db, &err));
    DBFIX_OK(mop_db_query(db, mop_named_query("repeat"), NULL, 0, &t, &err));
    assert_int_equal(t.n_rows, 2 * DBFIX_VARIANTS);
    for (size_t r = 0; r < t.n_rows; r++)
        assert_float_equal(cell(&t, r, "floor_change_percent")->r, 0, 0);
    assert_float_equal(cell(&t, 0, "floor_a")->r, cell(&t, 0, "floor_b")->r, 0);
    mop_table_release(&t);
    mop_db_close(db);
    dbfix_remove(dir);
}

static void latency_is_ordered_and_filters(void **state)
{
    static const char *const params[] = {"mobileone-*", "cpu"};
    mop_table t = {0};
    (void)state;
    named("latency", NULL, 0, &t);
    assert_int_equal(t.n_rows, 2 * DBFIX_VARIANTS);
    assert_string_equal(cell(&t, 0, "backend")->text, "cpu");
    assert_string_equal(cell(&t, 0, "variant")->text, "mobileone-s0");
    mop_table_release(&t);
    named("latency", params, 2, &t);
    assert_int_equal(t.n_rows, 3);
    mop_table_release(&t);
}

static void ablation_pairs_each_change_with_its_base(void **state)
{
    static const char *const params[] = {"*", "cpu"};
    mop_table t = {0};
    (void)state;
    named("ablation", params, 2, &t);
    assert_int_equal(t.n_rows, 3); /* +se, +act=gelu, :train */
    for (size_t r = 0; r < t.n_rows; r++) {
        const char *change = cell(&t, r, "change")->text;
        const char *base = cell(&t, r, "base")->text;
        assert_string_equal(base, strcmp(change, ":train") == 0 ? "mobileone-s0" : "cnn30");
        assert_true(cell(&t, r, "ratio")->r > 1); /* the fixture's later variants are slower */
        if (strcmp(change, "+se") == 0) {
            assert_int_equal(cell(&t, r, "extra_macs")->i, 1000000);
            assert_int_equal(cell(&t, r, "extra_params")->i, 10000);
        }
    }
    mop_table_release(&t);
}

static void pareto_keeps_only_what_nothing_beats(void **state)
{
    static const char *const params[] = {"cpu"};
    mop_table t = {0};
    (void)state;
    named("pareto", params, 1, &t);
    /* mobilenetv1-1.0 (70.9 %) is slower and less accurate than both; :train is slower than deploy
     */
    assert_int_equal(t.n_rows, 2);
    assert_string_equal(cell(&t, 0, "variant")->text, "mobileone-s0");
    assert_string_equal(cell(&t, 1, "variant")->text, "mobileone-s1");
    assert_true(strlen(cell(&t, 0, "source")->text) > 0);
    mop_table_release(&t);
}

static void what_has_no_clean_sample_is_last_and_beats_nothing(void **state)
{
    static const char *const params[] = {"cpu"};
    const char *const all_cpu[] = {"*", "cpu"};
    char path[512];
    mop_store *store;
    mop_db *usual = shared.db;
    mop_table t = {0};
    mop_err err = {0};
    sqlite3 *db;
    (void)state;
    dbfix_path(path, shared.dir, "disturbed.db");
    dbfix_fill(path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "UPDATE sample SET flags = 1 WHERE measurement_id IN (SELECT "
                                  "measurement FROM result WHERE variant = 'mobileone-s0')",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    DBFIX_OK(mop_store_open(path, &store, &err));
    DBFIX_OK(mop_store_refresh_stats(store, &err));
    DBFIX_OK(mop_store_close(store, &err));
    DBFIX_OK(mop_db_open(path, &shared.db, &err));
    named("pareto", params, 1, &t);
    for (size_t r = 0; r < t.n_rows; r++)
        assert_string_not_equal(cell(&t, r, "variant")->text, "mobileone-s0");
    assert_true(t.n_rows > 0);
    mop_table_release(&t);
    named("latency", all_cpu, 2, &t);
    assert_string_equal(cell(&t, t.n_rows - 1, "variant")->text, "mobileone-s0");
    assert_int_equal(cell(&t, t.n_rows - 1, "median_ms")->kind, MOP_CELL_NULL);
    mop_table_release(&t);
    mop_db_close(shared.db);
    shared.db = usual;
}

/* Two of the three mobileone rows on the CPU have too few clean samples; -s0 is also the base of
 * :train, beats -s1 in latency, and is the only one with layers asked for. */
static void grade_x_is_left_out_unless_asked_for(void **state)
{
    static const struct {
        const char *query, *params[3];
        size_t n, without, with;
    } cases[] = {{"latency", {"mobileone-*", "cpu", "X"}, 2, 1, 3},
                 {"ablation", {"mobileone-*", "cpu", "x"}, 2, 0, 1},
                 {"pareto", {"cpu", "X"}, 1, 1, 2},
                 {"layers", {"mobileone-s0", "X"}, 1, DBFIX_LAYERS, 2 * DBFIX_LAYERS}};
    char path[512];
    mop_db *usual = shared.db;
    mop_table t = {0};
    mop_err err = {0};
    sqlite3 *db;
    (void)state;
    dbfix_path(path, shared.dir, "graded.db");
    dbfix_fill(path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "UPDATE measurement SET grade = 'B'; UPDATE measurement SET "
                     "grade = 'X' WHERE id IN (SELECT measurement FROM result WHERE "
                     "variant IN ('mobileone-s0', 'mobileone-s1') AND backend = 'cpu')",
                     NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    DBFIX_OK(mop_db_open(path, &shared.db, &err));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        named(cases[i].query, cases[i].params, cases[i].n, &t);
        assert_int_equal(t.n_rows, cases[i].without);
        for (size_t r = 0; r < t.n_rows; r++)
            assert_string_equal(cell(&t, r, "grade")->text, "B");
        mop_table_release(&t);
        named(cases[i].query, cases[i].params, cases[i].n + 1, &t);
        assert_int_equal(t.n_rows, cases[i].with);
        mop_table_release(&t);
    }
    mop_db_close(shared.db);
    shared.db = usual;
}

static void layers_give_medians_and_shares_that_sum_to_100(void **state)
{
    static const char *const params[] = {"cnn30+se"};
    double share = 0;
    mop_table t = {0};
    (void)state;
    named("layers", params, 1, &t);
    assert_int_equal(t.n_rows, 2 * DBFIX_LAYERS); /* the Vulkan rows have no times */
    for (size_t r = 0; r < DBFIX_LAYERS; r++)
        share += cell(&t, r, "share_percent")->r;
    assert_true(share > 99.9 && share < 100.1);
    /* 100..107 ns over eight passes: the median is 103.5 */
    assert_true(cell(&t, 0, "median_us")->r > 0.0999 && cell(&t, 0, "median_us")->r < 0.11);
    assert_int_equal(cell(&t, DBFIX_LAYERS, "median_us")->kind, MOP_CELL_NULL);
    mop_table_release(&t);
}

/* --- files
 * --------------------------------------------------------------------------------------------- */

static void failures_are_listed_and_have_no_times(void **state)
{
    mop_table t = {0};
    mop_err err = {0};
    (void)state;
    DBFIX_OK(
        mop_db_query(shared.db, "SELECT variant, backend, reason FROM failure", NULL, 0, &t, &err));
    assert_int_equal(t.n_rows, 1);
    assert_string_equal(t.cells[0].text, "resnet18");
    assert_string_equal(t.cells[2].text, "node 3 is NaN");
    mop_table_release(&t);
    DBFIX_OK(mop_db_query(shared.db, "SELECT 1 FROM result WHERE variant = 'resnet18'", NULL, 0, &t,
                          &err));
    assert_int_equal(t.n_rows, 0);
    mop_table_release(&t);
}

static void a_missing_or_empty_file_says_what_to_do(void **state)
{
    char path[512];
    mop_db *db = NULL;
    mop_err err = {0};
    (void)state;
    dbfix_path(path, shared.dir, "nowhere.db");
    assert_int_equal(mop_db_open(path, &db, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "nowhere.db; `moprof sweep` makes one"));
    assert_int_not_equal(access(path, F_OK), 0);
    dbfix_write(path, "", 0);
    err = (mop_err){0};
    assert_int_equal(mop_db_open(path, &db, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "is empty"));
    assert_null(db);
}

/* Copies the file of a database while its writer is at work, with or without the -wal. */
static void copy_open_database(const char *from, const char *to, bool with_wal)
{
    char a[520], b[520];
    size_t n;
    char *bytes = dbfix_read(from, &n);
    assert_non_null(bytes);
    dbfix_write(to, bytes, n);
    free(bytes);
    if (!with_wal)
        return;
    (void)snprintf(a, sizeof a, "%s-wal", from);
    (void)snprintf(b, sizeof b, "%s-wal", to);
    bytes = dbfix_read(a, &n);
    assert_non_null(bytes);
    dbfix_write(b, bytes, n);
    free(bytes);
}

static void a_copy_taken_during_a_sweep_can_be_read(void **state)
{
    char path[512], copy[512], beside[520];
    mop_store *store = NULL;
    mop_sweep_record sweep = dbfix_sweep(5);
    int64_t id;
    mop_err err = {0};
    (void)state;
    dbfix_path(path, shared.dir, "live.db");
    dbfix_path(copy, shared.dir, "copy.db");
    DBFIX_OK(mop_store_open(path, &store, &err));
    DBFIX_OK(mop_store_begin_plan(store, &sweep, &id, &err));
    DBFIX_OK(mop_store_commit_plan(store, &err));
    for (int with_wal = 0; with_wal < 2; with_wal++) {
        mop_db *db = NULL;
        mop_table t = {0};
        copy_open_database(path, copy, with_wal == 1);
        DBFIX_OK(mop_db_open(copy, &db, &err));
        DBFIX_OK(mop_db_query(db, "SELECT count(*) FROM sweep", NULL, 0, &t, &err));
        assert_int_equal(t.cells[0].i, with_wal); /* the sweep is still in the log */
        mop_table_release(&t);
        mop_db_close(db);
        (void)snprintf(beside, sizeof beside, "%s-shm", copy);
        if (!with_wal)
            assert_int_not_equal(access(beside, F_OK), 0); /* reading leaves nothing behind */
    }
    DBFIX_OK(mop_store_close(store, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_writes_is_refused_and_the_file_stays),
        cmocka_unit_test(bad_sql_names_the_nearest_name),
        cmocka_unit_test(one_statement_may_end_in_semicolon_and_comment),
        cmocka_unit_test(parameters_bind_and_missing_ones_are_null),
        cmocka_unit_test(an_endless_query_is_stopped_at_the_deadline),
        cmocka_unit_test(every_named_query_runs_without_parameters),
        cmocka_unit_test(repeat_pairs_the_rows_of_two_sweeps),
        cmocka_unit_test(latency_is_ordered_and_filters),
        cmocka_unit_test(ablation_pairs_each_change_with_its_base),
        cmocka_unit_test(pareto_keeps_only_what_nothing_beats),
        cmocka_unit_test(what_has_no_clean_sample_is_last_and_beats_nothing),
        cmocka_unit_test(grade_x_is_left_out_unless_asked_for),
        cmocka_unit_test(layers_give_medians_and_shares_that_sum_to_100),
        cmocka_unit_test(failures_are_listed_and_have_no_times),
        cmocka_unit_test(a_missing_or_empty_file_says_what_to_do),
        cmocka_unit_test(a_copy_taken_during_a_sweep_can_be_read),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
