/* A database is looked over without a byte of it changing, and what is wrong in it is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/checkup.h"
#include "tests/support/db_fixture.h"

static char dir[256], path[512];

static void break_it(const char *sql)
{
    sqlite3 *db = NULL;
    char *words = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &words) != SQLITE_OK)
        fail_msg("%s: %s", sql, words);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static mop_checkup look(void)
{
    mop_checkup c = {0};
    mop_err err = {0};
    size_t n = 0, m = 0;
    char *before = dbfix_read(path, &n), *after;
    DBFIX_OK(mop_db_checkup(path, &c, &err));
    after = dbfix_read(path, &m);
    assert_int_equal(n, m);
    assert_memory_equal(before, after, n);
    assert_int_equal(c.bytes, n);
    free(before);
    free(after);
    return c;
}

static void a_finished_sweep_is_in_order(void **state)
{
    (void)state;
    const mop_checkup c = look();
    assert_string_equal(c.damage, "");
    assert_int_equal(c.schema, c.schema_known);
    assert_int_equal(c.broken_references, 0);
    assert_int_equal(c.stat_differs, 0);
    assert_int_equal(c.sweeps, 1);
    assert_int_equal(c.calibrations, 0);
    assert_int_equal(c.unfinished, 0);
    assert_int_equal(c.failed_measurements, 1);
    assert_int_equal(c.failed_controls, 0);
    assert_true(c.samples > 0 && c.measurements == 2 * DBFIX_VARIANTS + 1);
}

static void a_statistic_that_does_not_follow_from_the_samples_is_found(void **state)
{
    (void)state;
    break_it("UPDATE stat SET median_ns = median_ns * (1 + 1e-15) WHERE measurement_id = 1");
    assert_int_equal(look().stat_differs, 1);
    break_it("DELETE FROM stat WHERE measurement_id = 2");
    assert_int_equal(look().stat_differs, 2);
    break_it("UPDATE sweep SET state = 'running'"); /* its statistics are not final */
    const mop_checkup c = look();
    assert_int_equal(c.stat_differs, 0);
    assert_int_equal(c.unfinished, 1);
}

static void references_that_lead_nowhere_and_failed_controls_are_counted(void **state)
{
    (void)state;
    break_it("PRAGMA foreign_keys=OFF; INSERT INTO worker VALUES (77, 1, NULL, NULL, 'done');"
             "INSERT INTO control VALUES (1, 'linearity', 1.2, 0.9, 1.1, 0), "
             "(1, 'fma x1.02', 1.02, 1.0, 1.04, 1)");
    const mop_checkup c = look();
    assert_int_equal(c.broken_references, 1);
    assert_int_equal(c.failed_controls, 1);
}

static void a_calibration_is_not_counted_as_a_sweep(void **state)
{
    (void)state;
    break_it("INSERT INTO sweep (state, started_utc, seed, plan_hash, plan_text, build_id, "
             "protocol, kind) VALUES ('done', '2026-02-01T00:00:00Z', 1, '0000000000000000', "
             "'calibrate', 'x', 'x', 'calibration')");
    const mop_checkup c = look();
    assert_int_equal(c.sweeps, 1);
    assert_int_equal(c.calibrations, 1);
}

static void an_older_schema_is_told_and_not_touched(void **state)
{
    (void)state;
    break_it("PRAGMA user_version=1");
    const mop_checkup c = look();
    assert_int_equal(c.schema, 1);
    assert_true(c.schema_known > 1);
    assert_int_equal(c.stat_differs, -1);
}

/* Bytes in the middle of a page: SQLite complains, or what it reads is refused with a sentence. */
static void a_damaged_page_is_a_complaint_or_a_sentence(void **state)
{
    size_t n = 0;
    char *bytes = dbfix_read(path, &n);
    mop_checkup c = {0};
    mop_err err = {0};
    (void)state;
    assert_true(n > 8192);
    for (size_t page = 4096; page + 4096 <= n; page += 4096)
        memset(bytes + page, 0x5a, 16);
    dbfix_write(path, bytes, n);
    free(bytes);
    if (mop_db_checkup(path, &c, &err) == MOP_OK)
        assert_true(c.damage[0] != '\0' && c.stat_differs == -1);
    else
        assert_non_null(strstr(err.msg, "a.db"));
}

static void what_is_no_database_of_ours_is_a_sentence_and_changes_nothing(void **state)
{
    mop_checkup c = {.bytes = 7};
    mop_err err = {0};
    size_t n = 0;
    char *bytes = dbfix_read(path, &n);
    (void)state;
    dbfix_write(path, bytes, n / 2);
    assert_int_equal(mop_db_checkup(path, &c, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "cut short"));
    dbfix_write(path, bytes, n);
    free(bytes);
    break_it("PRAGMA user_version=999");
    err = (mop_err){0};
    assert_int_equal(mop_db_checkup(path, &c, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "newer"));
    break_it("PRAGMA application_id=5");
    err = (mop_err){0};
    assert_int_equal(mop_db_checkup(path, &c, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "another program"));
    assert_int_equal(c.bytes, 7);
}

static int begin(void **state)
{
    (void)state;
    dbfix_dir(dir);
    dbfix_path(path, dir, "a.db");
    dbfix_fill(path);
    return 0;
}

static int end(void **state)
{
    (void)state;
    dbfix_remove(dir);
    return 0;
}

#define IN_A_DATABASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_DATABASE(a_finished_sweep_is_in_order),
        IN_A_DATABASE(a_statistic_that_does_not_follow_from_the_samples_is_found),
        IN_A_DATABASE(references_that_lead_nowhere_and_failed_controls_are_counted),
        IN_A_DATABASE(a_calibration_is_not_counted_as_a_sweep),
        IN_A_DATABASE(an_older_schema_is_told_and_not_touched),
        IN_A_DATABASE(a_damaged_page_is_a_complaint_or_a_sentence),
        IN_A_DATABASE(what_is_no_database_of_ours_is_a_sentence_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
