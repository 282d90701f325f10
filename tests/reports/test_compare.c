/* Comparisons over databases whose ratios are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/sql.h"
#include "reports/compare.h"
#include "tests/support/db_fixture.h"
#include "tests/support/made_sweep.h"

#define SEED 31

static char dir[256], path[512];

static int make_dir(void **state)
{
    (void)state;
    printf("seed %d\n", SEED);
    dbfix_dir(dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    dbfix_remove(dir);
    return 0;
}

/* A database of its own for each test. */
static void fresh(const char *name)
{
    dbfix_path(path, dir, name);
}

static mop_status try_sweeps(int64_t a, int64_t b, const mop_compare_filter *filter,
                             mop_comparison *c, mop_err *err)
{
    static const mop_compare_filter all = {0};
    mop_db *db = NULL;
    mop_err opening = {0};
    if (mop_db_open(path, &db, &opening) != MOP_OK)
        fail_msg("%s", opening.msg);
    const mop_compare_side x = {.db = db, .sweep = a, .name = "sweep A"};
    const mop_compare_side y = {.db = db, .sweep = b, .name = "sweep B"};
    mop_status status = mop_compare(&x, &y, filter != NULL ? filter : &all, c, err);
    mop_db_close(db);
    return status;
}

static void compare_sweeps(int64_t a, int64_t b, const mop_compare_filter *filter,
                           mop_comparison *c)
{
    mop_err err = {0};
    DBFIX_OK(try_sweeps(a, b, filter, c, &err));
}

static const mop_cell *cell(const mop_comparison *c, const char *variant, const char *col)
{
    const mop_table *t = &c->table;
    for (size_t r = 0; r < t->n_rows; r++)
        for (size_t k = 0; k < t->n_cols; k++)
            if (strcmp(t->cells[r * t->n_cols + 1].text, variant) == 0 &&
                strcmp(t->cols[k], col) == 0)
                return &t->cells[r * t->n_cols + k];
    fail_msg("no row %s with a column %s", variant, col);
    return NULL;
}

static void expect(const mop_comparison *c, const char *variant, const char *verdict)
{
    const char *is = cell(c, variant, "verdict")->text;
    if (strcmp(is, verdict) != 0)
        fail_msg("%s is %s (%s), expected %s; ratio %s in [%s, %s], floor %s", variant, is,
                 cell(c, variant, "reason")->text, verdict, cell(c, variant, "ratio")->text,
                 cell(c, variant, "low")->text, cell(c, variant, "high")->text,
                 cell(c, variant, "floor_percent")->text);
}

static void expect_says(const mop_strlist *list, const char *words)
{
    for (size_t i = 0; i < list->n; i++)
        if (strstr(list->items[i], words) != NULL)
            return;
    fail_msg("nothing says \"%s\"; first: %s", words, list->n > 0 ? list->items[0] : "nothing");
}

static const made_sweep base = {.seed = SEED};

static void sweeps_that_differ_get_the_verdicts_of_their_ratios(void **state)
{
    (void)state;
    const made_sweep other = {.seed = SEED + 1, .scale = {1.05, 1.003, 0.9}};
    mop_comparison c;
    fresh("verdicts.db");
    int64_t a = made_sweep_add(path, &base), b = made_sweep_add(path, &other);
    compare_sweeps(a, b, NULL, &c);
    expect(&c, "cnn30", "SLOWER");
    expect(&c, "mobilenetv2-1.0", "SAME");
    expect(&c, "mobileone-s0", "FASTER");
    assert_true(fabs(cell(&c, "cnn30", "ratio")->r - 1.05) < 0.002);
    assert_true(cell(&c, "cnn30", "low")->r < 1.05 && cell(&c, "cnn30", "high")->r > 1.05);
    assert_string_equal(cell(&c, "cnn30", "passes")->text, "20/20");
    assert_string_equal(cell(&c, "cnn30", "grades")->text, "A/A");
    assert_true(fabs(c.geomean - cbrt(1.05 * 1.003 * 0.9)) < 0.002);
    assert_int_equal(c.n[MOP_VERDICT_SLOWER], 1);
    assert_int_equal(c.n[MOP_VERDICT_FASTER], 1);
    assert_int_equal(c.n[MOP_VERDICT_SAME], 1);
    assert_int_equal(c.table.n_rows, 3);                  /* the control loop is no result */
    assert_string_equal(c.table.cells[0].text, "SLOWER"); /* what matters comes first */
    expect_says(&c.after, "3 compared: 1 SLOWER, 1 FASTER, 1 SAME, 0 UNCLEAR; 0 MISSING");
    mop_comparison_release(&c);
    compare_sweeps(b, a, NULL, &c); /* the other way round */
    expect(&c, "cnn30", "FASTER");
    expect(&c, "mobileone-s0", "SLOWER");
    mop_comparison_release(&c);
}

static void noise_leaves_a_difference_unclear(void **state)
{
    (void)state;
    const made_sweep noisy = {.seed = SEED + 1, .scale = {1.02, 1, 1}, .noise = 0.1};
    mop_comparison c;
    fresh("noise.db");
    int64_t a = made_sweep_add(path, &base), b = made_sweep_add(path, &noisy);
    compare_sweeps(a, b, NULL, &c);
    expect(&c, "cnn30", "UNCLEAR");
    assert_string_equal(cell(&c, "cnn30", "reason")->text,
                        "the interval is too wide for its distance from 1");
    mop_comparison_release(&c);
}

static void what_the_control_loop_drifts_by_is_no_difference(void **state)
{
    (void)state;
    const made_sweep hot = {.seed = SEED + 1, .drift = 1.05, .scale = {1, 1, 1.2}};
    const made_sweep blind = {.seed = SEED + 1, .drift = 1.05, .has_no_fma = true};
    const made_sweep bare = {.seed = SEED + 1, .has_no_fma = true, .aa_floor = (double)NAN};
    mop_comparison c;
    fresh("drift.db");
    int64_t a = made_sweep_add(path, &base), b = made_sweep_add(path, &hot);
    int64_t d = made_sweep_add(path, &blind), e = made_sweep_add(path, &bare);
    int64_t f = made_sweep_add(path, &bare);
    compare_sweeps(a, b, NULL, &c);
    assert_true(fabs(cell(&c, "cnn30", "floor_percent")->r - 5) < 0.3);
    assert_string_not_equal(cell(&c, "cnn30", "verdict")->text, "SLOWER");
    expect(&c, "mobileone-s0", "SLOWER"); /* 26 % is more than the drift */
    mop_comparison_release(&c);
    compare_sweeps(a, d, NULL, &c); /* only the A/A floor is left, and it is said */
    expect(&c, "cnn30", "SLOWER");
    expect_says(&c.before, "how far the machine drifted between them is unknown");
    mop_comparison_release(&c);
    compare_sweeps(e, f, NULL, &c); /* the same seed, and yet nothing to go by */
    expect(&c, "cnn30", "UNCLEAR");
    assert_true(cell(&c, "cnn30", "floor_percent")->kind == MOP_CELL_NULL);
    mop_comparison_release(&c);
}

static void the_aa_floor_of_either_sweep_counts(void **state)
{
    (void)state;
    const made_sweep coarse = {.seed = SEED + 1, .aa_floor = 0.08, .scale = {1.06, 1.2, 1}};
    mop_comparison c;
    fresh("aa.db");
    int64_t a = made_sweep_add(path, &base), b = made_sweep_add(path, &coarse);
    for (int i = 0; i < 2; i++) {
        compare_sweeps(i == 0 ? a : b, i == 0 ? b : a, NULL, &c);
        assert_true(fabs(cell(&c, "cnn30", "floor_percent")->r - 8) < 1e-9);
        expect(&c, "cnn30", "SAME"); /* 6 % cannot be told from none where copies differ by 8 % */
        expect(&c, "mobilenetv2-1.0", i == 0 ? "SLOWER" : "FASTER");
        mop_comparison_release(&c);
    }
}

static void a_failed_control_is_said_first_and_raises_the_floor(void **state)
{
    (void)state;
    const made_sweep bad = {
        .seed = SEED + 1, .failed_control = "fma x1.02", .scale = {1.02, 1.1, 1}};
    const made_sweep aliases = {.seed = SEED + 2, .failed_control = "aa:cpu/1:cnn30"};
    mop_comparison c;
    fresh("controls.db");
    int64_t a = made_sweep_add(path, &base), b = made_sweep_add(path, &bad);
    int64_t d = made_sweep_add(path, &aliases);
    const made_sweep blind = {
        .seed = SEED + 3, .unread_control = "linearity x20", .scale = {1.1, 1, 1}};
    const made_sweep half = {.seed = SEED + 4, .unread_control = "aa:cpu/1:cnn30"};
    int64_t e = made_sweep_add(path, &blind), f = made_sweep_add(path, &half);
    compare_sweeps(a, b, NULL, &c);
    assert_non_null(strstr(c.before.items[0], "a control of sweep B FAILED: fma x1.02 read 1.05"));
    assert_true(fabs(cell(&c, "cnn30", "floor_percent")->r - 3.5) < 1e-9); /* 1.05 - 1.015 */
    expect(&c, "cnn30", "UNCLEAR");
    expect(&c, "mobilenetv2-1.0", "SLOWER");
    expect(&c, "mobileone-s0", "UNCLEAR"); /* equal, but that is not shown */
    mop_comparison_release(&c);
    compare_sweeps(a, d, NULL, &c); /* a failed A/A control is in the A/A floor already */
    expect_says(&c.before, "aa:cpu/1:cnn30");
    expect(&c, "cnn30", "SAME");
    mop_comparison_release(&c);
    compare_sweeps(a, e, NULL, &c); /* what could not be read says nothing of the others' size */
    expect_says(&c.before, "1 control of sweep B could not be read: too few clean passes, so");
    expect(&c, "cnn30", "SLOWER");
    expect(&c, "mobileone-s0", "UNCLEAR");
    mop_comparison_release(&c);
    compare_sweeps(a, f, NULL, &c); /* the other copies gave the A/A floor */
    expect_says(&c.before, "1 control of sweep B could not be read: too few clean passes");
    expect(&c, "cnn30", "SAME");
    mop_comparison_release(&c);
}

static void what_has_no_partner_or_no_times_is_listed_with_its_reason(void **state)
{
    (void)state;
    const made_sweep less = {.seed = SEED + 1, .lacks = "cnn30", .fails = "mobilenetv2-1.0"};
    mop_comparison c;
    fresh("missing.db");
    int64_t a = made_sweep_add(path, &base), b = made_sweep_add(path, &less);
    compare_sweeps(a, b, NULL, &c);
    expect(&c, "cnn30", "MISSING");
    assert_string_equal(cell(&c, "cnn30", "reason")->text, "only in A");
    expect(&c, "mobilenetv2-1.0", "MISSING");
    assert_string_equal(cell(&c, "mobilenetv2-1.0", "reason")->text, "failed in B: node 3 is NaN");
    expect(&c, "mobileone-s0", "SAME");
    assert_int_equal(c.n[MOP_VERDICT_MISSING], 2);
    mop_comparison_release(&c);
    compare_sweeps(b, a, NULL, &c);
    assert_string_equal(cell(&c, "cnn30", "reason")->text, "only in B");
    assert_string_equal(cell(&c, "mobilenetv2-1.0", "reason")->text, "failed in A: node 3 is NaN");
    mop_comparison_release(&c);
}

static void other_devices_and_instruction_sets_are_refused(void **state)
{
    (void)state;
    const made_sweep device = {.seed = SEED, .device = "Another processor"};
    const made_sweep isa = {.seed = SEED, .isa = "scalar"};
    mop_comparison c;
    mop_err err = {0};
    fresh("devices.db");
    int64_t a = made_sweep_add(path, &base), b = made_sweep_add(path, &device);
    int64_t d = made_sweep_add(path, &isa);
    assert_int_equal(try_sweeps(a, b, NULL, &c, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "device (Test processor in A, Another processor in B)"));
    err = (mop_err){0};
    assert_int_equal(try_sweeps(a, d, NULL, &c, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "instruction set (avx2 in A, scalar in B)"));
    err = (mop_err){0};
    assert_int_equal(try_sweeps(a, a, NULL, &c, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "are the same sweep"));
    err = (mop_err){0};
    assert_int_equal(try_sweeps(a, 77, NULL, &c, &err), MOP_EINVAL);
}

static void a_grade_x_or_too_few_passes_get_no_verdict(void **state)
{
    (void)state;
    const made_sweep x = {.seed = SEED + 1, .scale = {2, 2, 2}, .grade = {"X", "C", "B"}};
    const made_sweep dirty = {.seed = SEED + 3, .dirty = "cnn30"};
    const made_sweep brief = {.seed = SEED + 2, .passes = 6, .scale = {2, 2, 2}};
    mop_comparison c;
    fresh("grades.db");
    int64_t a = made_sweep_add(path, &base), b = made_sweep_add(path, &x);
    int64_t d = made_sweep_add(path, &brief), e = made_sweep_add(path, &dirty);
    compare_sweeps(a, b, NULL, &c);
    expect(&c, "cnn30", "UNCLEAR");
    assert_non_null(strstr(cell(&c, "cnn30", "reason")->text, "grade X"));
    expect(&c, "mobilenetv2-1.0", "SLOWER");
    mop_comparison_release(&c);
    compare_sweeps(a, e, NULL, &c); /* it was timed, and nothing can be said of it */
    expect(&c, "cnn30", "UNCLEAR");
    assert_string_equal(cell(&c, "cnn30", "passes")->text, "20/0");
    assert_true(cell(&c, "cnn30", "ratio")->kind == MOP_CELL_NULL);
    expect(&c, "mobileone-s0", "SAME");
    mop_comparison_release(&c);
    compare_sweeps(a, d, NULL, &c);
    expect(&c, "mobilenetv2-1.0", "UNCLEAR");
    assert_non_null(strstr(cell(&c, "cnn30", "reason")->text, "too few clean passes"));
    mop_comparison_release(&c);
}

static mop_status newest_with(mop_db *db, const char *a, const char *b, int64_t *sweep,
                              mop_err *err)
{
    const mop_compare_side sides[] = {{.db = db, .variant = a}, {.db = db, .variant = b}};
    return mop_compare_newest_with(&sides[0], &sides[1], sweep, err);
}

static void two_variants_are_compared_by_the_passes_of_one_sweep(void **state)
{
    (void)state;
    static const mop_compare_filter all = {0};
    const made_sweep late = {.seed = SEED + 1,
                             .scale = {1, 0.502, 1},
                             .noise = 0.0005,
                             .started_utc = "2026-02-01T00:00:00Z"};
    mop_comparison c;
    mop_err err = {0};
    mop_db *db = NULL;
    int64_t sweep = 0;
    fresh("variants.db");
    (void)made_sweep_add(path, &base);
    int64_t newest = made_sweep_add(path, &late);
    const made_sweep without = {
        .seed = 1, .lacks = "mobilenetv2-1.0", .started_utc = "2026-03-01T00:00:00Z"};
    (void)made_sweep_add(path, &without);
    DBFIX_OK(mop_db_open(path, &db, &err));
    DBFIX_OK(newest_with(db, "cnn30", "mobilenetv2-1.0", &sweep, &err));
    assert_int_equal(sweep, newest);
    mop_compare_side a = {.db = db, .sweep = sweep, .variant = "cnn30", .name = "A"},
                     b = {.db = db, .sweep = sweep, .variant = "mobilenetv2-1.0", .name = "B"};
    DBFIX_OK(mop_compare(&a, &b, &all, &c, &err));
    assert_int_equal(c.table.n_rows, 1);
    expect(&c, "mobilenetv2-1.0 / cnn30", "SAME"); /* 2 ms x 0.502 over 1 ms */
    assert_true(fabs(c.geomean - 1.004) < 0.001);
    mop_comparison_release(&c);
    b.variant = "mobileone-s0";
    DBFIX_OK(mop_compare(&a, &b, &all, &c, &err));
    expect(&c, "mobileone-s0 / cnn30", "SLOWER");
    assert_string_equal(cell(&c, "mobileone-s0 / cnn30", "passes")->text, "20/20");
    mop_comparison_release(&c);
    b.variant = "cnn30";
    assert_int_equal(mop_compare(&a, &b, &all, &c, &err), MOP_EINVAL);
    err = (mop_err){0};
    assert_int_equal(newest_with(db, "cnn30", "mobileone-s9", &sweep, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "the nearest it has is mobileone-s0"));
    mop_db_close(db);
}

static void the_filter_chooses_rows_and_an_empty_choice_is_refused(void **state)
{
    (void)state;
    static const char *const cpu[] = {"cpu"}, *const vulkan[] = {"vulkan"};
    static const int one[] = {1}, two[] = {2};
    mop_comparison c;
    mop_err err = {0};
    fresh("filter.db");
    const made_sweep other = {.seed = SEED + 1};
    int64_t a = made_sweep_add(path, &base), b = made_sweep_add(path, &other);
    const mop_compare_filter fits = {.backends = cpu,
                                     .n_backends = 1,
                                     .threads = one,
                                     .n_threads = 1,
                                     .batches = one,
                                     .n_batches = 1,
                                     .cache = "hot"};
    const mop_compare_filter none[] = {{.backends = vulkan, .n_backends = 1},
                                       {.threads = two, .n_threads = 1},
                                       {.batches = two, .n_batches = 1},
                                       {.cache = "cold"}};
    compare_sweeps(a, b, &fits, &c);
    assert_int_equal(c.table.n_rows, 3);
    mop_comparison_release(&c);
    for (size_t i = 0; i < 4; i++) {
        err = (mop_err){0};
        assert_int_equal(try_sweeps(a, b, &none[i], &c, &err), MOP_EINVAL);
        assert_non_null(strstr(err.msg, "is as asked for"));
    }
}

static void the_newest_sweep_is_the_latest_that_has_times(void **state)
{
    (void)state;
    const made_sweep late = {.seed = 2, .started_utc = "2026-05-01T00:00:00Z"};
    mop_db *db = NULL;
    mop_err err = {0};
    int64_t sweep = 0;
    fresh("newest.db");
    int64_t newest = made_sweep_add(path, &late);
    (void)made_sweep_add(path, &base); /* stored later, made earlier */
    DBFIX_OK(mop_db_open(path, &db, &err));
    DBFIX_OK(mop_compare_newest(db, &sweep, &err));
    assert_int_equal(sweep, newest);
    DBFIX_OK(mop_compare_has_sweep(db, 2, &err));
    assert_int_equal(mop_compare_has_sweep(db, 3, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "has no sweep 3; its sweeps are numbered 1 to 2"));
    mop_db_close(db);
}

static void a_database_of_an_older_schema_is_refused_in_a_sentence(void **state)
{
    (void)state;
    sqlite3 *raw = NULL;
    mop_db *db = NULL;
    mop_err err = {0};
    int64_t sweep = 0;
    fresh("old.db");
    assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
    for (int v = 1; v <= 2; v++)
        assert_int_equal(sqlite3_exec(raw, mop_schema_migration(v), NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(raw,
                                  "PRAGMA application_id = 0x6d6f7066; PRAGMA user_version = 2",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(raw), SQLITE_OK);
    DBFIX_OK(mop_db_open(path, &db, &err));
    assert_int_equal(mop_compare_newest(db, &sweep, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "was written by an older moprof"));
    err = (mop_err){0};
    assert_int_equal(mop_compare_has_sweep(db, 1, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "was written by an older moprof"));
    err = (mop_err){0};
    assert_int_equal(newest_with(db, "cnn30", "resnet18", &sweep, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "was written by an older moprof"));
    mop_db_close(db);
}

static void what_the_machines_differ_in_is_said_and_listed_key_by_key(void **state)
{
    (void)state;
    const made_sweep newer = {.seed = SEED + 1,
                              .fingerprint = "cpu=test;kernel=6.9;governor=performance;"};
    mop_comparison c;
    mop_table t = {0};
    mop_db *db = NULL;
    mop_err err = {0};
    fresh("machines.db");
    int64_t a = made_sweep_add(path, &base), b = made_sweep_add(path, &newer);
    compare_sweeps(a, b, NULL, &c);
    expect_says(&c.before, "machine: kernel is 6.1 in A and 6.9 in B");
    expect_says(&c.before, "governor is unknown in A and performance in B");
    mop_comparison_release(&c);
    DBFIX_OK(mop_db_open(path, &db, &err));
    const mop_compare_side x = {.db = db, .sweep = a, .name = "A"};
    const mop_compare_side y = {.db = db, .sweep = b, .name = "B"};
    DBFIX_OK(mop_compare_changes(&x, &y, &t, &err));
    assert_int_equal(t.n_rows, 2);
    assert_string_equal(t.cells[1].text, "kernel");
    assert_string_equal(t.cells[2].text, "6.1");
    assert_string_equal(t.cells[3].text, "6.9");
    mop_table_release(&t);
    mop_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sweeps_that_differ_get_the_verdicts_of_their_ratios),
        cmocka_unit_test(noise_leaves_a_difference_unclear),
        cmocka_unit_test(what_the_control_loop_drifts_by_is_no_difference),
        cmocka_unit_test(the_aa_floor_of_either_sweep_counts),
        cmocka_unit_test(a_failed_control_is_said_first_and_raises_the_floor),
        cmocka_unit_test(what_has_no_partner_or_no_times_is_listed_with_its_reason),
        cmocka_unit_test(other_devices_and_instruction_sets_are_refused),
        cmocka_unit_test(a_grade_x_or_too_few_passes_get_no_verdict),
        cmocka_unit_test(two_variants_are_compared_by_the_passes_of_one_sweep),
        cmocka_unit_test(the_filter_chooses_rows_and_an_empty_choice_is_refused),
        cmocka_unit_test(the_newest_sweep_is_the_latest_that_has_times),
        cmocka_unit_test(a_database_of_an_older_schema_is_refused_in_a_sentence),
        cmocka_unit_test(what_the_machines_differ_in_is_said_and_listed_key_by_key),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
