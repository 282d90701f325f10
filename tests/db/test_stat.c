/* The table `stat`: ratios to the baseline, upper percentiles, what is unexplained; and that a row
 * is the same however it came to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "db/csv.h"
#include "db/query.h"
#include "tests/support/db_fixture.h"

enum { BASE, SLOWER, BASE_AGAIN, TWO_THREADS, OTHER_DEVICE, N_ROWS };

typedef struct fixture {
    char dir[256], path[512];
    mop_store *store;
    int64_t sweep;
    mop_measurement_record m[N_ROWS];
} fixture;

/* A sweep with the baseline cnn30; the slower network was planned before it. */
static void plan(fixture *f)
{
    static const int order[N_ROWS] = {SLOWER, BASE, BASE_AGAIN, TWO_THREADS, OTHER_DEVICE};
    mop_sweep_record sweep = dbfix_sweep(1);
    mop_device_record device[2] = {dbfix_device("cpu"), dbfix_device("vulkan")};
    mop_model_record model[2] = {dbfix_model("cnn30", 1000), dbfix_model("cnn30+se", 1100)};
    int64_t device_id[2], model_id[2];
    mop_err err = {0};
    (void)snprintf(sweep.baseline, sizeof sweep.baseline, "cnn30");
    DBFIX_OK(mop_store_begin_plan(f->store, &sweep, &f->sweep, &err));
    for (int i = 0; i < 2; i++) {
        DBFIX_OK(mop_store_put_device(f->store, &device[i], &device_id[i], &err));
        DBFIX_OK(mop_store_put_model(f->store, &model[i], NULL, 0, &model_id[i], &err));
    }
    for (int i = 0; i < N_ROWS; i++) {
        int row = order[i];
        bool is_base = row == BASE || row == BASE_AGAIN;
        f->m[row] = dbfix_measurement(model_id[!is_base], device_id[row == OTHER_DEVICE]);
        if (row == TWO_THREADS)
            f->m[row].threads = 2;
        if (row == BASE_AGAIN)
            (void)snprintf(f->m[row].alias, sizeof f->m[row].alias, "aa");
        DBFIX_OK(mop_store_put_measurement(f->store, f->sweep, &f->m[row], &err));
    }
    DBFIX_OK(mop_store_commit_plan(f->store, &err));
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    mop_err err = {0};
    assert_non_null(f);
    dbfix_dir(f->dir);
    dbfix_path(f->path, f->dir, "a.db");
    DBFIX_OK(mop_store_open(f->path, &f->store, &err));
    plan(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    mop_err err = {0};
    DBFIX_OK(mop_store_close(f->store, &err));
    dbfix_remove(f->dir);
    free(f);
    return 0;
}

static mop_sample_record sample(const fixture *f, int row, uint32_t pass, uint32_t run, int64_t ns)
{
    return (mop_sample_record){.measurement_id = f->m[row].id,
                               .pass = pass,
                               .run = run,
                               .batched = 1,
                               .wall_ns = ns,
                               .device_ns = MOP_ABSENT,
                               .cpu_ns = ns,
                               .run_delay_ns = MOP_ABSENT,
                               .cpu_before = MOP_ABSENT,
                               .cpu_after = MOP_ABSENT};
}

static void commit(fixture *f, const mop_sample_record *samples, size_t n, uint32_t pass)
{
    mop_pass_record p = {
        .pass = pass, .began_ns = 1, .ended_ns = 2, .samples = samples, .n_samples = n};
    mop_err err = {0};
    DBFIX_OK(mop_store_commit_pass(f->store, f->sweep, &p, &err));
}

/* A machine that gets 10 % slower every pass. The slower network takes 1.25 x the baseline, the A/A
 * alias 1.0 x. In passes 0 and 1 one of a pair has no clean sample; in pass 2 the baseline comes
 * last. */
static void drift(fixture *f)
{
    int64_t base = 1000000;
    for (uint32_t p = 0; p < 14; p++, base += base / 10) {
        mop_sample_record s[3 * N_ROWS];
        size_t n = 0;
        for (int i = 0; i < N_ROWS; i++) {
            int row = p == 2 ? N_ROWS - 1 - i : i;
            bool is_base = row == BASE || row == BASE_AGAIN;
            for (uint32_t run = 0; run < 3; run++, n++) {
                int64_t ns = is_base ? base : base + base / 4;
                s[n] = sample(f, row, p, run, ns + (run == 2 ? ns / 8 : 0)); /* off the median */
                if ((p == 0 && row == BASE) || (p == 1 && row == SLOWER))
                    s[n].flags = MOP_FLAG_PREEMPTED;
            }
        }
        commit(f, s, n, p);
    }
}

#define STAT_OF(row_columns, alias_and_threads)                                                    \
    "SELECT " row_columns " FROM stat JOIN measurement AS x ON x.id = measurement_id "             \
    "JOIN model AS m ON m.id = x.model_id JOIN device AS d ON d.id = x.device_id "                 \
    "WHERE " alias_and_threads

static void the_ratio_is_of_pass_medians_and_a_drift_cancels(void **state)
{
    fixture *f = *state;
    drift(f);
    dbfix_expect(f->path,
                 STAT_OF("ratio_passes || ' ' || printf('%.5f %.5f %.5f', ratio, ratio_low, "
                         "ratio_high)",
                         "variant = 'cnn30+se' AND threads = 1 AND backend = 'cpu'"),
                 "12 1.25000 1.25000 1.25000");
    /* the plain interval of the same row is as wide as the drift */
    dbfix_expect(f->path,
                 STAT_OF("ci_high_ns / ci_low_ns > 1.5",
                         "variant = 'cnn30+se' AND threads = 1 AND backend = 'cpu'"),
                 "1");
}

static void an_alias_of_the_baseline_is_compared_with_it(void **state)
{
    fixture *f = *state;
    drift(f);
    dbfix_expect(f->path,
                 STAT_OF("ratio_passes || ' ' || ratio || ' ' || ratio_low || ' ' || ratio_high",
                         "alias = 'aa'"),
                 "13 1.0 1.0 1.0");
    dbfix_expect(f->path,
                 STAT_OF("ratio_passes || ' ' || ratio", "variant = 'cnn30' AND alias = ''"),
                 "13 1.0");
}

static void a_setting_without_the_baseline_has_no_ratio(void **state)
{
    fixture *f = *state;
    drift(f);
    dbfix_expect(f->path,
                 STAT_OF("count(*) || ' ' || count(ratio) || count(ratio_low) || "
                         "count(ratio_passes) || ' ' || count(median_ns)",
                         "threads = 2 OR backend = 'vulkan'"),
                 "2 000 2");
}

static void too_few_common_passes_give_a_ratio_without_interval(void **state)
{
    fixture *f = *state;
    for (uint32_t p = 0; p < 5; p++) {
        const mop_sample_record s[] = {sample(f, SLOWER, p, 0, 3000), sample(f, BASE, p, 0, 2000)};
        commit(f, s, 2, p);
    }
    for (uint32_t p = 5; p < 9; p++) { /* the baseline alone adds no pair */
        const mop_sample_record s[] = {sample(f, BASE, p, 0, 2000)};
        commit(f, s, 1, p);
    }
    dbfix_expect(f->path,
                 STAT_OF("ratio_passes || printf(' %.4f ', ratio) || (ratio_low IS NULL)",
                         "variant = 'cnn30+se'"),
                 "5 1.5000 1");
}

/* --- tails
 * ------------------------------------------------------------------------------------------- */

static void fill(fixture *f, uint32_t n)
{
    for (uint32_t p = 0; p * 50 < n; p++) {
        mop_sample_record s[50];
        for (uint32_t run = 0; run < 50; run++)
            s[run] = sample(f, BASE, p, run, 1000 + (int64_t)(p * 50 + run) * 37 % 1000);
        commit(f, s, n - p * 50 < 50 ? n - p * 50 : 50, p);
    }
}

static void upper_percentiles_appear_with_enough_clean_samples(void **state)
{
    fixture *f = *state;
    fill(f, 63);
    dbfix_expect(f->path, "SELECT p90_ns IS NULL AND p99_ns IS NULL FROM stat", "1");
    const mop_sample_record more = sample(f, BASE, 60, 0, 99000);
    commit(f, &more, 1, 60);
    dbfix_expect(f->path, "SELECT p90_ns || ' ' || (p99_ns IS NULL) FROM stat", "99000.0 1");
}

static void the_99th_percentile_takes_662_clean_samples(void **state)
{
    fixture *f = *state;
    fill(f, 661);
    dbfix_expect(f->path, "SELECT p99_ns IS NULL AND p90_ns > median_ns FROM stat", "1");
    mop_sample_record more = sample(f, BASE, 60, 0, 99000);
    more.flags = MOP_FLAG_STEAL;
    commit(f, &more, 1, 60);
    dbfix_expect(f->path, "SELECT n || ' ' || (p99_ns IS NULL) FROM stat", "662 1");
    more = sample(f, BASE, 61, 0, 98000);
    commit(f, &more, 1, 61);
    dbfix_expect(f->path, "SELECT p99_ns FROM stat", "98000");
}

static void slow_samples_without_a_cause_are_counted(void **state)
{
    fixture *f = *state;
    mop_sample_record s[] = {sample(f, BASE, 0, 0, 1000), sample(f, BASE, 0, 1, 1000),
                             sample(f, BASE, 0, 2, 1000), sample(f, BASE, 0, 3, 1500),
                             sample(f, BASE, 0, 4, 1501), sample(f, BASE, 0, 5, 9000)};
    s[5].flags = MOP_FLAG_PREEMPTED; /* explained */
    commit(f, s, 6, 0);
    dbfix_expect(f->path, "SELECT unexplained FROM stat", "1");
}

static void modelbench_needs_a_thousand_samples(void **state)
{
    fixture *f = *state;
    fill(f, 999);
    dbfix_expect(f->path, "SELECT modelbench_ns IS NULL FROM stat", "1");
    const mop_sample_record more = sample(f, BASE, 60, 0, 1500);
    commit(f, &more, 1, 60);
    dbfix_expect(f->path, "SELECT modelbench_ns BETWEEN 1450 AND 1550 FROM stat", "1");
}

/* --- the same, however it came to be
 * ----------------------------------------------------------------------------- */

/* Every number of `stat` with all its bits, one row a line; free() it. */
static char *bits(const char *path, bool with_aliases)
{
    mop_table t = {0};
    mop_db *db = NULL;
    mop_err err = {0};
    const char *with = with_aliases ? "1" : "0";
    char *text = calloc(1, 1 << 16), *at = text;
    assert_non_null(text);
    DBFIX_OK(mop_db_open(path, &db, &err));
    DBFIX_OK(mop_db_query(
        db,
        "SELECT stat.* FROM stat JOIN measurement AS x ON x.id = measurement_id "
        "JOIN model AS m ON m.id = x.model_id JOIN device AS d ON d.id = "
        "x.device_id WHERE ?1 OR x.alias = '' ORDER BY variant, backend, threads, alias",
        &with, 1, &t, &err));
    for (size_t r = 0; r < t.n_rows; r++)
        for (size_t c = 1; c < t.n_cols; c++) { /* but the row's number */
            const mop_cell *cell = &t.cells[r * t.n_cols + c];
            at += snprintf(at, (size_t)(text + (1 << 16) - at), "%d %lld %a%c", (int)cell->kind,
                           (long long)cell->i, cell->r, c + 1 < t.n_cols ? ' ' : '\n');
        }
    mop_table_release(&t);
    mop_db_close(db);
    return text;
}

static void recomputed_rows_have_the_same_bits_in_every_column(void **state)
{
    fixture *f = *state;
    mop_err err = {0};
    drift(f);
    char *before = bits(f->path, true);
    DBFIX_OK(mop_store_refresh_stats(f->store, &err));
    char *after = bits(f->path, true);
    assert_int_equal(strlen(before) > 1000, 1);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

/* Aliases of controls do not travel. In the file the slower network stands before its baseline. */
static void an_imported_sweep_has_the_same_statistics(void **state)
{
    fixture *f = *state;
    char csv[512], other[512];
    mop_err err = {0};
    drift(f);
    dbfix_path(csv, f->dir, "a.csv");
    dbfix_path(other, f->dir, "b.db");
    DBFIX_OK(mop_csv_export(f->path, csv, &err));
    DBFIX_OK(mop_csv_import(csv, other, &err));
    char *before = bits(f->path, false), *after = bits(other, false);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_ratio_is_of_pass_medians_and_a_drift_cancels),
        TEST(an_alias_of_the_baseline_is_compared_with_it),
        TEST(a_setting_without_the_baseline_has_no_ratio),
        TEST(too_few_common_passes_give_a_ratio_without_interval),
        TEST(upper_percentiles_appear_with_enough_clean_samples),
        TEST(the_99th_percentile_takes_662_clean_samples),
        TEST(slow_samples_without_a_cause_are_counted),
        TEST(modelbench_needs_a_thousand_samples),
        TEST(recomputed_rows_have_the_same_bits_in_every_column),
        TEST(an_imported_sweep_has_the_same_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
