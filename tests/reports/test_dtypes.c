/* Rows in several number types, in `moprof compare`, the named queries and the report: never one
 * taken for another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/query.h"
#include "reports/compare.h"
#include "reports/report.h"
#include "tests/support/db_fixture.h"
#include "tests/support/synthetic.h"

static char folder[256], path[512];

static int set_up(void **state)
{
    const mop_synthetic what = {.seed = 23, .n_variants = 2, .passes = 12};
    mop_err err = {0};
    (void)state;
    dbfix_dir(folder);
    dbfix_path(path, folder, "a.db");
    DBFIX_OK(mop_synthetic_write(path, &what, &err));
    DBFIX_OK(mop_synthetic_dtypes(path, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dbfix_remove(folder);
    return 0;
}

static const mop_cell *at(const mop_table *t, size_t row, const char *col)
{
    for (size_t c = 0; c < t->n_cols; c++)
        if (strcmp(t->cols[c], col) == 0)
            return &t->cells[row * t->n_cols + c];
    fail_msg("there is no column %s", col);
    return NULL;
}

static mop_db *open_db(void)
{
    mop_db *db = NULL;
    mop_err err = {0};
    DBFIX_OK(mop_db_open(path, &db, &err));
    return db;
}

static void number_types_of_one_sweep_are_compared_where_both_are_named(void **state)
{
    const mop_compare_filter all = {0};
    mop_db *db = open_db();
    mop_compare_side a = {.db = db, .sweep = 1, .name = "A", .dtype = "fp32"};
    mop_compare_side b = {.db = db, .sweep = 1, .name = "B", .dtype = "fp16s"};
    mop_comparison c = {0};
    mop_err err = {0};
    (void)state;
    DBFIX_OK(mop_compare(&a, &b, &all, &c, &err));
    assert_int_equal(c.table.n_rows, 2);
    assert_float_equal(at(&c.table, 0, "ratio")->r, 0.75, 1e-4);
    assert_string_equal(at(&c.table, 0, "dtype")->text, "fp16s / fp32");
    mop_comparison_release(&c);
    b.dtype = "fp32";
    assert_int_equal(mop_compare(&a, &b, &all, &c, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "are the same sweep"));
    err = (mop_err){0};
    b.dtype = "int8";
    assert_int_equal(mop_compare(&a, &b, &all, &c, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "share no row as asked for"));
    mop_db_close(db);
}

static void two_variants_are_compared_in_a_number_type_of_each(void **state)
{
    mop_db *db = open_db();
    mop_table names = {0};
    mop_err err = {0};
    int64_t sweep = 0;
    (void)state;
    DBFIX_OK(
        mop_db_query(db, "SELECT DISTINCT variant FROM result ORDER BY 1", NULL, 0, &names, &err));
    assert_int_equal(names.n_rows, 2);
    mop_compare_side a = {.db = db, .variant = names.cells[0].text, .dtype = "fp16s"};
    mop_compare_side b = {.db = db, .variant = names.cells[1].text, .dtype = "fp32"};
    DBFIX_OK(mop_compare_newest_with(&a, &b, &sweep, &err));
    assert_int_equal(sweep, 1);
    b.dtype = "fp16";
    assert_int_equal(mop_compare_newest_with(&a, &b, &sweep, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "in such settings"));
    mop_table_release(&names);
    mop_db_close(db);
}

/* As many rows of one type as of the other, each with its name. */
static void queries_name_the_number_type(void **state)
{
    static const char *const names[] = {"latency", "sweep", "layers"};
    mop_db *db = open_db();
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        mop_table t = {0};
        mop_err err = {0};
        size_t n[2] = {0};
        DBFIX_OK(mop_db_query(db, mop_named_query(names[i]), NULL, 0, &t, &err));
        for (size_t r = 0; r < t.n_rows; r++)
            n[strcmp(at(&t, r, "dtype")->text, "fp16s") == 0]++;
        assert_true(n[0] == n[1] && n[0] > 0);
        mop_table_release(&t);
    }
    mop_db_close(db);
}

static void a_number_type_is_worth_its_ratio_to_float32(void **state)
{
    mop_db *db = open_db();
    mop_table t = {0};
    mop_err err = {0};
    (void)state;
    DBFIX_OK(mop_db_query(db, mop_named_query("fusion"), NULL, 0, &t, &err));
    assert_int_equal(t.n_rows, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(at(&t, i, "change")->text, "fp16s");
        assert_float_equal(at(&t, i, "ratio")->r, 0.75, 1e-4);
        assert_int_equal(at(&t, i, "passes")->i, 12);
    }
    mop_table_release(&t);
    mop_db_close(db);
}

static void the_report_keeps_them_apart(void **state)
{
    char page[512];
    mop_err err = {0};
    size_t n;
    (void)state;
    dbfix_path(page, folder, "a.md");
    DBFIX_OK(mop_report_write(path, page, NULL, &err));
    char *text = dbfix_read(page, &n);
    assert_non_null(text);
    assert_non_null(strstr(text, ", 1 thread\n"));
    assert_non_null(strstr(text, ", 1 thread, fp16s\n"));
    assert_non_null(strstr(text, "## What fusions and number types are worth"));
    assert_non_null(
        strstr(text, "| fp32 | fp16s | mobileone-s0 | 0.7500 | 0.7500 | 0.7500 | 12 |"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(number_types_of_one_sweep_are_compared_where_both_are_named),
        cmocka_unit_test(two_variants_are_compared_in_a_number_type_of_each),
        cmocka_unit_test(queries_name_the_number_type),
        cmocka_unit_test(a_number_type_is_worth_its_ratio_to_float32),
        cmocka_unit_test(the_report_keeps_them_apart),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
