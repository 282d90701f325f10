/* Merging databases: what comes in, what stays as it is, and what is refused. */
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

#include "db/merge.h"
#include "db/query.h"
#include "tests/support/db_fixture.h"

typedef struct fixture {
    char dir[256], a[512], b[512], out[512];
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    dbfix_dir(f->dir);
    dbfix_path(f->a, f->dir, "a.db");
    dbfix_path(f->b, f->dir, "b.db");
    dbfix_path(f->out, f->dir, "out.db");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    dbfix_remove(f->dir);
    free(f);
    return 0;
}

static void run(const char *path, const char *sql)
{
    sqlite3 *db;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static mop_merge_counts merge(const char *out, const char *a, const char *b)
{
    const char *const in[] = {a, b};
    mop_merge_counts counts = {0};
    mop_err err = {0};
    DBFIX_OK(mop_merge(out, in, b != NULL ? 2 : 1, &counts, &err));
    return counts;
}

/* Everything of a database but row numbers, one row a line; free() it. */
static char *contents(const char *path)
{
    static const char *const queries[] = {
        "SELECT * FROM result_all ORDER BY started_utc, variant, backend, threads",
        "SELECT w.uuid, w.state, w.plan_text, p.* FROM pass AS p JOIN sweep AS w ON w.id = "
        "p.sweep_id ORDER BY w.uuid, p.pass",
        "SELECT w.uuid, m.variant, d.fingerprint, x.state, x.stop, x.reason, s.pass, s.run, "
        "s.wall_ns, s.cpu_ns, s.flags FROM sample AS s JOIN measurement AS x ON x.id = "
        "s.measurement_id JOIN sweep AS w ON w.id = x.sweep_id JOIN model AS m ON m.id = "
        "x.model_id JOIN device AS d ON d.id = x.device_id ORDER BY 1, 2, 3, d.backend, 7, 8",
        "SELECT m.variant, t.pass, t.idx, t.ns, r.total_ns, r.plain_ns FROM layer_time AS t JOIN "
        "layer_run AS r USING (measurement_id, pass) JOIN measurement AS x ON x.id = "
        "t.measurement_id JOIN model AS m ON m.id = x.model_id ORDER BY 1, 2, 3, x.sweep_id",
        "SELECT m.variant, m.graph_hash, m.content_hash, l.* FROM layer AS l JOIN model AS m ON "
        "m.id = l.model_id ORDER BY 2, 3, l.idx",
        "SELECT w.uuid, d.name, c.name, c.value FROM calibration AS c JOIN sweep AS w ON w.id = "
        "c.sweep_id JOIN device AS d ON d.id = c.device_id ORDER BY 1, 2, 3, 4",
        "SELECT * FROM failure ORDER BY variant, started_utc",
        "SELECT * FROM reference ORDER BY 1, 2",
    };
    size_t size = 0;
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);
    mop_db *db = NULL;
    mop_err err = {0};
    DBFIX_OK(mop_db_open(path, &db, &err));
    for (size_t q = 0; q < sizeof queries / sizeof queries[0]; q++) {
        mop_table t = {0};
        DBFIX_OK(mop_db_query(db, queries[q], NULL, 0, &t, &err));
        for (size_t i = 0; i < t.n_rows * t.n_cols; i++) {
            const char *col = t.cols[i % t.n_cols];
            bool is_id = strcmp(col, "sweep") == 0 || strcmp(col, "measurement") == 0 ||
                         strcmp(col, "sweep_id") == 0 || strcmp(col, "model_id") == 0;
            (void)fprintf(out, "%s %a%c", is_id ? "" : t.cells[i].text, t.cells[i].r,
                          (i + 1) % t.n_cols == 0 ? '\n' : '|');
        }
        mop_table_release(&t);
    }
    assert_int_equal(fclose(out), 0);
    mop_db_close(db);
    return text;
}

static void expect_same(const char *a, const char *b)
{
    char *x = contents(a), *y = contents(b);
    assert_true(strlen(x) > 10000);
    if (strcmp(x, y) != 0) {
        size_t at = 0;
        while (x[at] == y[at])
            at++;
        fail_msg("%s and %s differ: \"%.80s\" and \"%.80s\"", a, b, x + at, y + at);
    }
    free(x);
    free(y);
}

/* --- what comes in
 * ----------------------------------------------------------------------------------- */

static void a_merged_database_holds_all_that_the_input_held(void **state)
{
    fixture *f = *state;
    dbfix_fill(f->a);
    mop_merge_counts c = merge(f->out, f->a, NULL);
    assert_int_equal(c.sweeps, 1);
    assert_int_equal(c.measurements, 2 * DBFIX_VARIANTS + 1);
    assert_int_equal(c.samples, 2 * DBFIX_VARIANTS * DBFIX_PASSES * DBFIX_RUNS);
    expect_same(f->a, f->out);
}

static void devices_and_models_are_shared_and_sweeps_are_not(void **state)
{
    fixture *f = *state;
    dbfix_fill(f->a);
    dbfix_fill(f->b); /* the same plan on the same device: another sweep */
    mop_merge_counts c = merge(f->out, f->a, f->b);
    assert_int_equal(c.sweeps, 2);
    assert_int_equal(c.known, 0);
    dbfix_expect(f->out, "SELECT count(*) FROM device", "2");
    dbfix_expect(f->out, "SELECT count(*) FROM model", "8");
    dbfix_expect(f->out, "SELECT count(*) FROM layer", "21");
    dbfix_expect(f->out, "SELECT count(*) FROM result_all", "28");
    dbfix_expect(f->out, "SELECT count(*) FROM result", "14"); /* one set: the newest of each */
}

static void merging_twice_changes_nothing(void **state)
{
    fixture *f = *state;
    size_t n, again;
    dbfix_fill(f->a);
    dbfix_fill(f->b);
    (void)merge(f->out, f->a, f->b);
    char *once = contents(f->out), *before = dbfix_read(f->out, &n);
    mop_merge_counts c = merge(f->out, f->b, f->a);
    assert_int_equal(c.sweeps + c.samples, 0);
    assert_int_equal(c.known, 2);
    assert_int_equal(c.longer, 0);
    char *twice = contents(f->out), *after = dbfix_read(f->out, &again);
    assert_string_equal(once, twice);
    assert_int_equal(n, again);
    free(before);
    free(after);
    free(once);
    free(twice);
}

static void another_machine_stays_another_device(void **state)
{
    fixture *f = *state;
    dbfix_fill(f->a);
    dbfix_fill(f->b);
    run(f->b, "UPDATE device SET name = 'Other processor', fingerprint = 'cpu=other;'");
    (void)merge(f->out, f->a, f->b);
    dbfix_expect(f->out, "SELECT count(*) FROM device", "4");
    dbfix_expect(f->out, "SELECT count(*) FROM result", "28");
}

static void an_unfinished_sweep_merges_as_far_as_it_is(void **state)
{
    fixture *f = *state;
    dbfix_fill(f->a);
    run(f->a, "UPDATE sweep SET state = 'stopped'; UPDATE measurement SET state = 'pending', "
              "stop = 'interrupt' WHERE id = 3; DELETE FROM sample WHERE pass = 7; "
              "DELETE FROM pass WHERE pass = 7");
    run(f->a, "INSERT INTO external_result (engine, engine_version, variant, device, dtype, batch, "
              "format, source, source_hash, source_row, imported_utc) VALUES ('other', '1', "
              "'cnn30', 'x', 'fp32', 1, 'csv', 'a.csv', '0123456789abcdef', 1, 'now')");
    (void)merge(f->out, f->a, NULL);
    dbfix_expect(f->out, "SELECT state FROM sweep", "stopped");
    dbfix_expect(f->out, "SELECT count(*) FROM measurement WHERE state = 'pending'", "1");
    dbfix_expect(f->out, "SELECT engine FROM external_result", "other");
    dbfix_expect(f->out, "SELECT max(passes) FROM stat", "7");
    (void)merge(f->out, f->a, NULL);
    dbfix_expect(f->out, "SELECT count(*) FROM external_result", "1");
}

static void a_sweep_that_went_on_is_told_and_left_as_it_was(void **state)
{
    fixture *f = *state;
    dbfix_fill(f->a);
    (void)merge(f->out, f->a, NULL);
    run(f->a, "INSERT INTO pass (sweep_id, pass, began_ns, ended_ns) VALUES (1, 50, 0, 1)");
    mop_merge_counts c = merge(f->out, f->a, NULL);
    assert_int_equal(c.known, 1);
    assert_int_equal(c.longer, 1);
    dbfix_expect(f->out, "SELECT count(*) FROM pass", "8");
}

/* The output check failed at the end: its samples were stored before. */
static void a_row_that_failed_late_keeps_its_samples(void **state)
{
    fixture *f = *state;
    dbfix_fill(f->a);
    run(f->a, "UPDATE measurement SET state = 'failed', stop = 'failed', reason = 'late' WHERE "
              "id = 1");
    (void)merge(f->out, f->a, NULL);
    expect_same(f->a, f->out);
    dbfix_expect(f->out, "SELECT count(*) FROM failure WHERE reason = 'late'", "1");
}

/* --- what is refused
 * --------------------------------------------------------------------------------- */

/* Merging a good database and then `bad` fails with `words`, and out.db is as it was. */
static void expect_refused(fixture *f, const char *bad, mop_status status, const char *words)
{
    const char *const in[] = {f->a, bad};
    size_t n, m;
    mop_merge_counts counts = {.sweeps = -1};
    mop_err err = {0};
    char *before = dbfix_read(f->out, &n), *bad_before = dbfix_read(bad, &m);
    assert_int_equal(mop_merge(f->out, in, 2, &counts, &err), status);
    if (strstr(err.msg, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.msg, words);
    assert_int_equal(counts.sweeps, -1);
    if (before == NULL)
        assert_int_not_equal(access(f->out, F_OK), 0);
    else
        dbfix_expect(f->out, "SELECT count(*) FROM sweep", "1");
    size_t left;
    char *bad_after = dbfix_read(bad, &left);
    if (bad_before != NULL && strcmp(bad, f->out) != 0) {
        assert_int_equal(m, left);
        assert_memory_equal(bad_before, bad_after, m);
    }
    free(before);
    free(bad_before);
    free(bad_after);
}

static void what_is_no_database_of_ours_is_refused(void **state)
{
    fixture *f = *state;
    dbfix_fill(f->a);
    expect_refused(f, f->b, MOP_EINVAL, "there is no database");
    dbfix_write(f->b, "hello\n", 6);
    expect_refused(f, f->b, MOP_EINVAL, "not a SQLite file");
    assert_int_equal(unlink(f->b), 0);
    run(f->b, "CREATE TABLE t (x); PRAGMA application_id = 77");
    expect_refused(f, f->b, MOP_EINVAL, "another program");
    assert_int_equal(unlink(f->b), 0);
    dbfix_fill(f->b);
    run(f->b, "PRAGMA user_version = 1000");
    expect_refused(f, f->b, MOP_EINVAL, "newer moprof");
    run(f->b, "PRAGMA user_version = 0");
    expect_refused(f, f->b, MOP_EINVAL, "no schema");
}

static void the_output_itself_is_no_input(void **state)
{
    fixture *f = *state;
    dbfix_fill(f->a);
    dbfix_fill(f->out);
    expect_refused(f, f->out, MOP_EINVAL, "is the database that is merged into");
}

static void a_damaged_input_is_refused(void **state)
{
    fixture *f = *state;
    size_t n;
    dbfix_fill(f->a);
    dbfix_fill(f->b);
    char *bytes = dbfix_read(f->b, &n);
    memset(bytes + n / 2, 0x5a, 4096);
    dbfix_write(f->b, bytes, n);
    free(bytes);
    expect_refused(f, f->b, MOP_EINVAL, f->b);
    char *whole = dbfix_read(f->b, &n);
    dbfix_write(f->b, whole, n / 2);
    free(whole);
    expect_refused(f, f->b, MOP_EINVAL, "cut short");
}

static void tables_that_moprof_did_not_make_are_refused(void **state)
{
    fixture *f = *state;
    dbfix_fill(f->a);
    dbfix_fill(f->b);
    run(f->b, "DROP TABLE visit");
    expect_refused(f, f->b, MOP_EINVAL, "has no table visit");
    run(f->b, "CREATE VIEW visit AS SELECT 1 AS measurement_id");
    expect_refused(f, f->b, MOP_EINVAL, "has no table visit");
    run(f->b, "DROP VIEW visit; CREATE TABLE visit (measurement_id, pass, position, canary_cpu_ns, "
              "canary_memory_ns)");
    expect_refused(f, f->b, MOP_EINVAL, "a table visit that moprof did not make");
}

static void rows_that_break_a_rule_are_refused(void **state)
{
    static const char *const broken[] = {
        "UPDATE measurement SET checksum = NULL WHERE id = 1", /* times without a check */
        "UPDATE measurement SET model_id = 99 WHERE id = 1",   /* no such model */
        "UPDATE layer SET macs = macs + 1 WHERE model_id = 1", /* not what the hash says */
        "UPDATE layer_time SET ns = ns + 1 WHERE pass = 1",    /* does not add up */
        "PRAGMA ignore_check_constraints = ON; UPDATE sample SET wall_ns = -1 WHERE pass = 1",
        "PRAGMA ignore_check_constraints = ON; UPDATE measurement SET threads = -1 WHERE id = 1",
        "UPDATE device SET name = hex(zeroblob(500))", /* longer than any name */
    };
    fixture *f = *state;
    dbfix_fill(f->a);
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        dbfix_fill(f->b);
        run(f->b, broken[i]);
        expect_refused(f, f->b, MOP_EINVAL, f->b);
        assert_int_equal(unlink(f->b), 0);
    }
}

/* What a foreign file brings along besides its rows never runs. */
static void triggers_and_views_of_an_input_are_not_used(void **state)
{
    fixture *f = *state;
    dbfix_fill(f->a);
    dbfix_fill(f->b);
    run(f->b,
        "CREATE VIEW mine AS SELECT * FROM nosuch; CREATE TRIGGER t AFTER INSERT ON sweep "
        "BEGIN DELETE FROM sample; END; CREATE TABLE extra (x); INSERT INTO extra VALUES (1)");
    mop_merge_counts c = merge(f->out, f->a, f->b);
    assert_int_equal(c.sweeps, 2);
    dbfix_expect(f->out, "SELECT count(*) FROM sqlite_schema WHERE name IN ('mine', 't', 'extra')",
                 "0");
    dbfix_expect(f->out, "SELECT count(*) FROM sample", "672");
}

static void an_output_in_use_is_refused(void **state)
{
    fixture *f = *state;
    mop_store *store = NULL;
    const char *const in[] = {f->a};
    mop_merge_counts counts;
    mop_err err = {0};
    dbfix_fill(f->a);
    DBFIX_OK(mop_store_open(f->out, &store, &err));
    assert_int_equal(mop_merge(f->out, in, 1, &counts, &err), MOP_EBUSY);
    assert_non_null(strstr(err.msg, "is being written by"));
    err = (mop_err){0};
    DBFIX_OK(mop_store_close(store, &err));
    dbfix_expect(f->out, "SELECT count(*) FROM sweep", "0");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_merged_database_holds_all_that_the_input_held),
        TEST(devices_and_models_are_shared_and_sweeps_are_not),
        TEST(merging_twice_changes_nothing),
        TEST(another_machine_stays_another_device),
        TEST(an_unfinished_sweep_merges_as_far_as_it_is),
        TEST(a_sweep_that_went_on_is_told_and_left_as_it_was),
        TEST(a_row_that_failed_late_keeps_its_samples),
        TEST(what_is_no_database_of_ours_is_refused),
        TEST(the_output_itself_is_no_input),
        TEST(a_damaged_input_is_refused),
        TEST(tables_that_moprof_did_not_make_are_refused),
        TEST(rows_that_break_a_rule_are_refused),
        TEST(triggers_and_views_of_an_input_are_not_used),
        TEST(an_output_in_use_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
