/* Rooflines come from the newest calibration of a device, to the digit, and only from one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/query.h"
#include "reports/report.h"
#include "tests/support/db_fixture.h"
#include "tests/support/synthetic.h"

enum { SEED = 5 };

static char dir[256], path[512];

static void make(bool is_calibrated)
{
    const mop_synthetic what = {.seed = SEED,
                                .n_variants = 3,
                                .passes = 8,
                                .has_vulkan = true,
                                .has_calibration = is_calibrated};
    mop_err err = {0};
    dbfix_dir(dir);
    dbfix_path(path, dir, "a.db");
    DBFIX_OK(mop_synthetic_write(path, &what, &err));
}

static void change(const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static mop_table ask(const char *sql)
{
    mop_table t = {0};
    mop_db *db = NULL;
    mop_err err = {0};
    DBFIX_OK(mop_db_open(path, &db, &err));
    DBFIX_OK(mop_db_query(db, sql, NULL, 0, &t, &err));
    mop_db_close(db);
    return t;
}

static const mop_cell *cell(const mop_table *t, size_t row, const char *col)
{
    for (size_t c = 0; c < t->n_cols; c++)
        if (strcmp(t->cols[c], col) == 0)
            return &t->cells[row * t->n_cols + c];
    fail_msg("no column %s", col);
    return NULL;
}

static bool is_near(double a, double b, double half)
{
    return fabs(a - b) <= half;
}

/* Everything from the counts and times of `result` and the two figures, 100 GFLOP/s and 20 GB/s. */
static void check_rows(double peak, double bandwidth)
{
    mop_table t = ask(mop_named_query("roofline"));
    mop_table r = ask("SELECT variant, macs, bytes, median_ns FROM result WHERE backend = 'cpu'");
    assert_int_equal(t.n_rows, 3);
    for (size_t i = 0; i < t.n_rows; i++) {
        size_t k = 0;
        while (strcmp(cell(&r, k, "variant")->text, cell(&t, i, "variant")->text) != 0)
            assert_true(++k < r.n_rows);
        const double macs = (double)cell(&r, k, "macs")->i;
        const double intensity = 2 * macs / (double)cell(&r, k, "bytes")->i;
        const double roof = fmin(peak, intensity * bandwidth);
        const double achieved = 2e9 * macs / cell(&r, k, "median_ns")->r;
        assert_true(is_near(cell(&t, i, "intensity")->r, intensity, 0.0006));
        assert_true(is_near(cell(&t, i, "attainable_gflop_s")->r, roof / 1e9, 0.006));
        assert_true(is_near(cell(&t, i, "achieved_gflop_s")->r, achieved / 1e9, 0.006));
        assert_true(is_near(cell(&t, i, "fraction")->r, achieved / roof, 0.0001));
        assert_string_equal(cell(&t, i, "bound")->text,
                            intensity * bandwidth < peak ? "memory" : "compute");
    }
    mop_table_release(&t);
    mop_table_release(&r);
}

static void each_network_stands_under_the_smaller_roof(void **state)
{
    (void)state;
    make(true);
    check_rows(100e9, 20e9);
    change("UPDATE calibration SET value = 2e9 WHERE name = 'read_bandwidth_dram'");
    check_rows(100e9, 2e9); /* now all wait for memory */
    dbfix_remove(dir);
}

static void the_newest_calibration_counts_and_the_same_surroundings_first(void **state)
{
    (void)state;
    make(true);
    change("INSERT INTO sweep (state, started_utc, seed, plan_hash, plan_text, build_id, protocol, "
           "kind) SELECT state, '2026-02-02T00:00:00Z', seed, plan_hash, plan_text, build_id, "
           "protocol, kind FROM sweep WHERE kind = 'calibration';"
           "INSERT INTO calibration SELECT (SELECT max(id) FROM sweep), device_id, name, value / 2 "
           "FROM calibration WHERE sweep_id = (SELECT max(id) - 1 FROM sweep)");
    check_rows(50e9, 10e9);
    /* the newest, but of another kernel: a machine of the same make */
    change("INSERT INTO device (backend, name, type, driver, uuid, isa, is_software, fingerprint) "
           "SELECT backend, name, type, driver, uuid, isa, is_software, 'kernel=9' FROM device "
           "WHERE backend = 'cpu';"
           "UPDATE calibration SET device_id = (SELECT max(id) FROM device) "
           "WHERE sweep_id = (SELECT max(id) FROM sweep)");
    check_rows(100e9, 20e9);
    change("UPDATE device SET uuid = 'other' WHERE id = (SELECT max(id) FROM device);"
           "DELETE FROM calibration WHERE sweep_id = (SELECT max(id) - 1 FROM sweep) AND "
           "name = 'read_bandwidth_dram'");
    mop_table t = ask(mop_named_query("roofline")); /* of another make: none at all */
    assert_int_equal(t.n_rows, 0);
    mop_table_release(&t);
    dbfix_remove(dir);
}

static void threads_need_figures_of_as_many_threads(void **state)
{
    (void)state;
    make(true);
    change("UPDATE measurement SET threads = 2 WHERE model_id = 1");
    mop_table t = ask(mop_named_query("roofline"));
    assert_int_equal(t.n_rows, 2);
    mop_table_release(&t);
    change(
        "INSERT INTO calibration SELECT sweep_id, device_id, name || '_x2', value FROM calibration "
        "WHERE sweep_id = (SELECT max(id) FROM sweep)");
    check_rows(100e9, 20e9);
    dbfix_remove(dir);
}

static char *report(void)
{
    char out[512];
    size_t n = 0;
    mop_err err = {0};
    dbfix_path(out, dir, "a.md");
    DBFIX_OK(mop_report_write(path, out, NULL, &err));
    return dbfix_read(out, &n);
}

static void a_report_says_how_to_get_a_calibration_where_there_is_none(void **state)
{
    static const char none[] = "No device with results here was calibrated: `moprof calibrate";
    static const char head[] = "| intensity, FLOP/B | attainable, GFLOP/s |";
    (void)state;
    make(false);
    mop_table t = ask(mop_named_query("roofline"));
    assert_int_equal(t.n_rows, 0);
    mop_table_release(&t);
    char *md = report();
    assert_non_null(strstr(md, none));
    assert_null(strstr(md, head));
    free(md);
    dbfix_remove(dir);
    make(true);
    md = report();
    assert_null(strstr(md, none));
    assert_non_null(strstr(md, head));
    free(md);
    dbfix_remove(dir);
}

static int say_seed(void **state)
{
    (void)state;
    printf("seed %d\n", SEED);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_network_stands_under_the_smaller_roof),
        cmocka_unit_test(the_newest_calibration_counts_and_the_same_surroundings_first),
        cmocka_unit_test(threads_need_figures_of_as_many_threads),
        cmocka_unit_test(a_report_says_how_to_get_a_calibration_where_there_is_none),
    };
    return cmocka_run_group_tests(tests, say_seed, NULL);
}
