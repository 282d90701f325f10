/* One database for every released schema, as a text of SQL. It opens, migrates, and the results are
 * the ones it held, to the bit. A new schema is a new file; the old ones never change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "db/merge.h"
#include "db/query.h"
#include "db/sql.h"
#include "tests/support/db_fixture.h"

/* The columns of `result` in schema 1. */
#define RESULT                                                                                     \
    "SELECT variant, family, form, height, width, backend, device, dtype, threads, batch, "        \
    "params, "                                                                                     \
    "macs, flops, activations, n_clean, n, min_ns, p5_ns, median_ns, ci_low_ns, ci_high_ns, "      \
    "grade, cache, bytes, elementwise, ops, depth, state, stop, reason, started_utc, "             \
    "device_type, is_software, driver, isa, peak_flops, fraction_of_peak, error, error_bound, "    \
    "node_error, checksum, setup_ns, first_run_ns, arena_bytes, weight_bytes, passes, p25_ns, "    \
    "mean_ns, mad_ns, median_all_ns, max_ns FROM result ORDER BY variant, backend"

typedef struct fixture {
    char dir[256], path[512];
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    dbfix_dir(f->dir);
    dbfix_path(f->path, f->dir, "a.db");
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

static void build(int version, const char *path)
{
    char name[64], *why = NULL;
    size_t n;
    sqlite3 *db = NULL;
    (void)snprintf(name, sizeof name, "tests/db/data/schema%d.sql", version);
    char *sql = dbfix_read(name, &n);
    if (sql == NULL)
        fail_msg("there is no %s: write the database of each released schema down", name);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", name, why);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    free(sql);
}

/* A query's cells with all their bits; free() it. */
static char *answer(const char *path, const char *sql)
{
    mop_table t = {0};
    mop_db *db = NULL;
    mop_err err = {0};
    size_t size = 0;
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);
    DBFIX_OK(mop_db_open(path, &db, &err));
    DBFIX_OK(mop_db_query(db, sql, NULL, 0, &t, &err));
    assert_true(t.n_rows > 0);
    for (size_t i = 0; i < t.n_rows * t.n_cols; i++)
        (void)fprintf(out, "%s %a\n", t.cells[i].text, t.cells[i].r);
    assert_int_equal(fclose(out), 0);
    mop_table_release(&t);
    mop_db_close(db);
    return text;
}

static void expect_answer(const char *path, const char *sql, const char *wanted)
{
    char *got = answer(path, sql);
    assert_string_equal(got, wanted);
    free(got);
}

static void open_and_close(const char *path)
{
    mop_store *store = NULL;
    mop_err err = {0};
    DBFIX_OK(mop_store_open(path, &store, &err));
    DBFIX_OK(mop_store_close(store, &err));
}

static void every_released_schema_opens_and_keeps_its_results(void **state)
{
    static const char samples[] = "SELECT * FROM sample ORDER BY measurement_id, pass, run";
    static const char layers[] = "SELECT measurement_id, pass, idx, ns FROM layer_time ORDER BY "
                                 "measurement_id, pass, idx";
    fixture *f = *state;
    for (int v = 1; v <= mop_schema_version(); v++) {
        char backup[600];
        build(v, f->path);
        char *results = answer(f->path, RESULT), *times = answer(f->path, samples);
        char *profile = answer(f->path, layers);
        char *failed = answer(f->path, "SELECT variant, state, reason FROM failure");
        open_and_close(f->path);
        expect_answer(f->path, RESULT, results);
        expect_answer(f->path, samples, times);
        expect_answer(f->path, layers, profile);
        expect_answer(f->path, "SELECT variant, state, reason FROM failure", failed);
        (void)snprintf(backup, sizeof backup, "%s.v%d.backup", f->path, v);
        if (v < mop_schema_version()) { /* the old one is kept, whole */
            expect_answer(backup, RESULT, results);
            expect_answer(backup, samples, times);
            assert_int_equal(unlink(backup), 0);
        } else {
            assert_int_not_equal(access(backup, F_OK), 0);
        }
        free(results);
        free(times);
        free(profile);
        free(failed);
        assert_int_equal(unlink(f->path), 0);
    }
}

static void recomputed_statistics_are_those_of_every_release(void **state)
{
    fixture *f = *state;
    for (int v = 1; v <= mop_schema_version(); v++) {
        mop_store *store = NULL;
        mop_err err = {0};
        build(v, f->path);
        char *results = answer(f->path, RESULT);
        DBFIX_OK(mop_store_open(f->path, &store, &err));
        DBFIX_OK(mop_store_refresh_stats(store, &err));
        DBFIX_OK(mop_store_close(store, &err));
        expect_answer(f->path, RESULT, results);
        free(results);
        assert_int_equal(unlink(f->path), 0);
    }
}

/* Also what an older schema had no column for. */
static void migrating_fills_the_new_statistics(void **state)
{
    fixture *f = *state;
    build(1, f->path);
    open_and_close(f->path);
    dbfix_expect(f->path, "SELECT count(unexplained) = count(*) FROM stat", "1");
    dbfix_expect(f->path, "SELECT count(*) = count(uuid) FROM sweep", "1");
}

static void older_databases_merge_without_being_touched(void **state)
{
    fixture *f = *state;
    char out[512];
    dbfix_path(out, f->dir, "out.db");
    for (int v = 1; v <= mop_schema_version(); v++) {
        const char *const in[] = {f->path};
        mop_merge_counts counts;
        mop_err err = {0};
        size_t n, m;
        char rest[600];
        build(v, f->path);
        char *before = dbfix_read(f->path, &n), *results = answer(f->path, RESULT);
        DBFIX_OK(mop_merge(out, in, 1, &counts, &err));
        assert_int_equal(counts.sweeps, 1);
        expect_answer(out, RESULT, results);
        DBFIX_OK(mop_merge(out, in, 1, &counts, &err)); /* the copy has the same identity again */
        assert_int_equal(counts.known, 1);
        char *after = dbfix_read(f->path, &m);
        assert_int_equal(n, m);
        assert_memory_equal(before, after, n);
        (void)snprintf(rest, sizeof rest, "ls '%s' | grep -c 'copy\\|backup' | grep -qx 0", f->dir);
        assert_int_equal(system(rest), 0); /* no copy is left */
        free(before);
        free(after);
        free(results);
        assert_int_equal(unlink(f->path), 0);
        assert_int_equal(unlink(out), 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_released_schema_opens_and_keeps_its_results),
        TEST(recomputed_statistics_are_those_of_every_release),
        TEST(migrating_fills_the_new_statistics),
        TEST(older_databases_merge_without_being_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
