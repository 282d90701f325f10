/* What fusion is worth, in the report, the named query and `moprof compare`, from a made-up sweep
 * with the ratios of mop_synthetic_settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "db/query.h"
#include "reports/compare.h"
#include "reports/report.h"
#include "tests/support/db_fixture.h"
#include "tests/support/synthetic.h"

#define SEED 21

static char folder[256], path[512];

static int set_up(void **state)
{
    (void)state;
    printf("seed %d\n", SEED);
    dbfix_dir(folder);
    dbfix_path(path, folder, "a.db");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dbfix_remove(folder);
    return 0;
}

static void run_sql(const char *sql)
{
    sqlite3 *db = NULL;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void make(uint32_t passes, bool varies)
{
    const mop_synthetic what = {.seed = SEED, .n_variants = 2, .passes = passes};
    mop_err err = {0};
    (void)remove(path);
    DBFIX_OK(mop_synthetic_write(path, &what, &err));
    if (varies)
        DBFIX_OK(mop_synthetic_settings(path, &err));
}

static void read_fusion(mop_table *t)
{
    mop_db *db = NULL;
    mop_err err = {0};
    DBFIX_OK(mop_db_open(path, &db, &err));
    DBFIX_OK(mop_db_query(db, mop_named_query("fusion"), NULL, 0, t, &err));
    mop_db_close(db);
}

static const mop_cell *at(const mop_table *t, size_t row, const char *col)
{
    for (size_t c = 0; c < t->n_cols; c++)
        if (strcmp(t->cols[c], col) == 0)
            return &t->cells[row * t->n_cols + c];
    fail_msg("there is no column %s", col);
    return NULL;
}

static void the_query_gives_the_known_ratios(void **state)
{
    mop_table t = {0};
    (void)state;
    make(12, true);
    read_fusion(&t);
    assert_int_equal(t.n_rows, 4); /* two networks, each with fusions and with Winograd */
    for (size_t i = 0; i < 4; i++) {
        const bool is_winograd = i % 2 == 1;
        const double wanted = is_winograd ? 0.6667 : 0.8;
        assert_string_equal(at(&t, i, "change")->text, is_winograd ? "winograd" : "all");
        assert_string_equal(at(&t, i, "variant")->text, at(&t, i / 2 * 2, "variant")->text);
        assert_float_equal(at(&t, i, "ratio")->r, wanted, 1e-4);
        assert_float_equal(at(&t, i, "ratio_low")->r, wanted, 1e-4);
        assert_float_equal(at(&t, i, "ratio_high")->r, wanted, 1e-4);
        assert_int_equal(at(&t, i, "passes")->i, 12);
    }
    mop_table_release(&t);
}

/* 12 passes: the third and the tenth; pass p of the unfused rows is p + 1 times as long as before.
 */
static void the_interval_is_that_of_order_statistics(void **state)
{
    mop_table t = {0};
    (void)state;
    make(12, true);
    run_sql("UPDATE sample SET wall_ns = wall_ns * (pass + 1) "
            "WHERE measurement_id BETWEEN 1000 AND 1999");
    read_fusion(&t);
    assert_float_equal(at(&t, 0, "ratio_low")->r, 0.8 / 10, 1e-4);
    assert_float_equal(at(&t, 0, "ratio_high")->r, 0.8 / 3, 1e-4);
    assert_float_equal(at(&t, 0, "ratio")->r, (0.8 / 6 + 0.8 / 7) / 2, 1e-4);
    mop_table_release(&t);
    make(5, true); /* too few for one at 95 % */
    read_fusion(&t);
    assert_float_equal(at(&t, 0, "ratio")->r, 0.8, 1e-4);
    assert_int_equal(at(&t, 0, "ratio_low")->kind, MOP_CELL_NULL);
    assert_int_equal(at(&t, 0, "ratio_high")->kind, MOP_CELL_NULL);
    mop_table_release(&t);
}

static void one_setting_has_nothing_to_compare(void **state)
{
    mop_table t = {0};
    (void)state;
    make(12, false);
    read_fusion(&t);
    assert_int_equal(t.n_rows, 0);
    mop_table_release(&t);
}

static char *report(void)
{
    char page[512];
    mop_err err = {0};
    size_t n;
    dbfix_path(page, folder, "a.md");
    DBFIX_OK(mop_report_write(path, page, NULL, &err));
    char *text = dbfix_read(page, &n);
    assert_non_null(text);
    return text;
}

static void expect(const char *text, const char *what, bool is_there)
{
    if ((strstr(text, what) != NULL) != is_there)
        fail_msg("\"%s\" is %s", what, is_there ? "missing" : "there");
}

static void the_report_has_a_section_only_where_settings_differ(void **state)
{
    (void)state;
    make(12, false);
    char *text = report();
    expect(text, "## What fusions and number types are worth", false);
    expect(text, "### cpu: synthetic", true);
    expect(text, ", fuse all", false); /* what is the default is not said */
    free(text);
    make(12, true);
    text = report();
    expect(text, "## What fusions and number types are worth", true);
    expect(text, "thread, fuse none, Winograd auto\n", true);
    expect(text, "thread, fuse all, Winograd off\n", true);
    expect(text,
           "| fuse none | fuse all, Winograd auto | mobileone-s0 | 0.8000 | 0.8000 | 0.8000 | 12 |",
           true);
    expect(text,
           "| Winograd off | Winograd, fuse all | mobileone-s0 | 0.6667 | 0.6667 | 0.6667 | 12 |",
           true);
    free(text);
}

static void settings_of_one_sweep_are_compared_within_passes(void **state)
{
    const mop_compare_filter all = {0};
    mop_compare_side a = {.sweep = 1, .name = "A", .fuse = "none"};
    mop_compare_side b = {.sweep = 1, .name = "B", .fuse = "all"};
    mop_comparison c = {0};
    mop_err err = {0};
    mop_db *db = NULL;
    (void)state;
    make(12, true);
    DBFIX_OK(mop_db_open(path, &db, &err));
    a.db = b.db = db;
    a.winograd = b.winograd = "auto";
    DBFIX_OK(mop_compare(&a, &b, &all, &c, &err));
    assert_int_equal(c.table.n_rows, 2);
    assert_float_equal(at(&c.table, 0, "ratio")->r, 0.8, 1e-4);
    assert_string_equal(at(&c.table, 0, "fuse")->text, "all / none");
    assert_string_equal(at(&c.table, 0, "winograd")->text, "auto");
    assert_string_equal(at(&c.table, 0, "passes")->text, "12/12");
    mop_comparison_release(&c);
    b.fuse = "none"; /* then it is one and the same */
    assert_int_equal(mop_compare(&a, &b, &all, &c, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "are the same sweep"));
    err = (mop_err){0};
    b.fuse = "se";
    assert_int_equal(mop_compare(&a, &b, &all, &c, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "share no row as asked for"));
    mop_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_query_gives_the_known_ratios),
        cmocka_unit_test(the_interval_is_that_of_order_statistics),
        cmocka_unit_test(one_setting_has_nothing_to_compare),
        cmocka_unit_test(the_report_has_a_section_only_where_settings_differ),
        cmocka_unit_test(settings_of_one_sweep_are_compared_within_passes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
