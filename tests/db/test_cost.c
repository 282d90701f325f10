/* What storing costs: bytes always, time with --bench (`make bench`). The database is that of
 * sweeps of 1,000 measurements with 201 samples each, with visits, layers and profiled runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "db/query.h"
#include "profiler/base/clock.h"
#include "tests/support/db_fixture.h"

enum { MEASUREMENTS = 1000, PASSES = 67, RUNS = 3, LAYERS = 30, LAYER_RUNS = 5, SWEEPS = 5 };

typedef struct plan {
    mop_store *store;
    mop_clock clock;
    int64_t sweep, m[MEASUREMENTS];
    size_t n;
    mop_sample_record *samples;
    mop_visit_record *visits;
    uint64_t commit_ns[PASSES];
} plan;

/* As in a real plan: variants in two forms, at several resolutions, a baseline among them. */
static void plan_sweep(plan *p, int number)
{
    static const char *const names[] = {"cnn30", "cnn30+se", "mobileone-s0", "mobileone-s0:train"};
    mop_sweep_record sweep = dbfix_sweep(99);
    mop_device_record device = dbfix_device("cpu");
    int64_t device_id;
    mop_err err = {0};
    (void)snprintf(sweep.baseline, sizeof sweep.baseline, "cnn30@32");
    (void)snprintf(sweep.started_utc, sizeof sweep.started_utc, "2026-01-%02dT12:00:00Z",
                   number + 1);
    DBFIX_OK(mop_store_begin_plan(p->store, &sweep, &p->sweep, &err));
    DBFIX_OK(mop_store_put_device(p->store, &device, &device_id, &err));
    for (size_t i = 0; i < p->n; i++) {
        char spec[96];
        mop_layer_record layers[LAYERS];
        mop_measurement_record m;
        int64_t model_id;
        (void)snprintf(spec, sizeof spec, "%s@%zu", names[i % 4], 32 + i / 4);
        mop_model_record model = dbfix_model(spec, 1000000 + (int64_t)i * 1000);
        for (int32_t l = 0; l < LAYERS; l++)
            layers[l] = dbfix_layer(l, 30000 + l);
        DBFIX_OK(mop_store_put_model(p->store, &model, layers, LAYERS, &model_id, &err));
        m = dbfix_measurement(model_id, device_id);
        DBFIX_OK(mop_store_put_measurement(p->store, p->sweep, &m, &err));
        p->m[i] = m.id;
    }
    DBFIX_OK(mop_store_commit_plan(p->store, &err));
}

static void fill_pass(plan *p, uint32_t number, mop_rng *rng)
{
    for (size_t i = 0; i < p->n; i++) {
        mop_sample_record *s = &p->samples[i * RUNS];
        dbfix_samples(s, p->m[i], number, RUNS, 1000000 + 10000 * (int64_t)i, rng);
        for (int r = 0; r < RUNS; r++) {
            s[r].run_delay_ns = (int64_t)mop_rng_below(rng, 30000);
            s[r].cpu_before = s[r].cpu_after = 1;
            s[r].flags = mop_rng_below(rng, 10) == 0 ? MOP_FLAG_PREEMPTED : 0;
        }
        p->visits[i] =
            (mop_visit_record){.measurement_id = p->m[i],
                               .pass = number,
                               .position = (uint32_t)((i * 7 + number) % p->n),
                               .canary_cpu_ns = 50000 + (int64_t)mop_rng_below(rng, 900),
                               .canary_memory_ns = 90000 + (int64_t)mop_rng_below(rng, 9000)};
    }
}

static void profile(plan *p)
{
    int64_t ns[LAYERS];
    mop_err err = {0};
    for (size_t i = 0; i < p->n; i++)
        for (uint32_t r = 0; r < LAYER_RUNS; r++) {
            int64_t total = 0;
            for (int l = 0; l < LAYERS; l++)
                total += ns[l] = 30000 + 1000 * l + (int64_t)r;
            DBFIX_OK(mop_store_put_layer_times(
                p->store, p->m[i], r, &(mop_layer_times){ns, LAYERS, total, total - 9}, &err));
        }
}

static void write_sweep(plan *p, int number)
{
    mop_rng rng;
    mop_err err = {0};
    mop_rng_init(&rng, 17, (uint64_t)number);
    plan_sweep(p, number);
    for (uint32_t n = 0; n < PASSES; n++) {
        mop_pass_record pass = {.pass = n,
                                .began_ns = n,
                                .ended_ns = n + 1,
                                .samples = p->samples,
                                .n_samples = p->n * RUNS,
                                .visits = p->visits,
                                .n_visits = p->n};
        fill_pass(p, n, &rng);
        uint64_t began = mop_now_ns(&p->clock);
        DBFIX_OK(mop_store_commit_pass(p->store, p->sweep, &pass, &err));
        p->commit_ns[n] = mop_now_ns(&p->clock) - began;
    }
    if (number == 0)
        profile(p);
    DBFIX_OK(mop_store_finish_sweep(p->store, p->sweep, 0.01, &err));
}

static void start(plan *p, const char *path, size_t n)
{
    mop_err err = {0};
    *p = (plan){.clock = mop_clock_real(), .n = n};
    p->samples = calloc(n * RUNS, sizeof *p->samples);
    p->visits = calloc(n, sizeof *p->visits);
    assert_true(p->samples != NULL && p->visits != NULL);
    DBFIX_OK(mop_store_open(path, &p->store, &err));
}

static void stop(plan *p)
{
    mop_err err = {0};
    DBFIX_OK(mop_store_close(p->store, &err));
    p->store = NULL;
    free(p->samples);
    free(p->visits);
}

/* Accuracies for all variants, so that pareto has something to weigh. */
static void publish(const char *path)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "INSERT OR IGNORE INTO reference SELECT DISTINCT variant, "
                                  "'top1_percent', 50 + macs / 1e5, 'made up' FROM model",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static double megabytes(const char *path)
{
    struct stat sb;
    assert_int_equal(stat(path, &sb), 0);
    return (double)sb.st_size / 1e6;
}

/* A tenth of the sweep, and so a tenth of the bytes. */
static void a_sweep_of_1000_measurements_takes_under_20_megabytes(void **state)
{
    char dir[256], path[512];
    plan p;
    (void)state;
    dbfix_dir(dir);
    dbfix_path(path, dir, "a.db");
    start(&p, path, MEASUREMENTS / 10);
    write_sweep(&p, 0);
    stop(&p);
    assert_true(megabytes(path) < 2.0);
    dbfix_remove(dir);
}

/* --- --bench
 * ----------------------------------------------------------------------------------------- */

static void print_commits(const plan *p)
{
    uint64_t sum = 0, most = 0;
    for (int i = 0; i < PASSES; i++) {
        sum += p->commit_ns[i];
        most = p->commit_ns[i] > most ? p->commit_ns[i] : most;
    }
    printf("commit of a pass of %d measurements: mean %.1f ms, last %.1f ms, most %.1f ms\n",
           MEASUREMENTS, (double)sum / PASSES / 1e6, (double)p->commit_ns[PASSES - 1] / 1e6,
           (double)most / 1e6);
}

static bool print_queries(const char *path, double limit_s)
{
    mop_clock clock = mop_clock_real();
    mop_db *db = NULL;
    mop_err err = {0};
    bool ok = true;
    DBFIX_OK(mop_db_open(path, &db, &err));
    for (size_t i = 0; mop_named_query_at(i) != NULL; i++) {
        const char *name = mop_named_query_at(i);
        mop_table t = {0};
        uint64_t began = mop_now_ns(&clock);
        DBFIX_OK(mop_db_query(db, mop_named_query(name), NULL, 0, &t, &err));
        double s = (double)(mop_now_ns(&clock) - began) / 1e9;
        printf("  %-10s %6.3f s, %5zu rows  %s\n", name, s, t.n_rows,
               s < limit_s ? "" : "TOO SLOW");
        ok = ok && s < limit_s;
        mop_table_release(&t);
    }
    mop_db_close(db);
    return ok;
}

static void bench(void **state)
{
    char dir[256], path[512];
    plan p;
    mop_err err = {0};
    bool ok = true;
    (void)state;
    dbfix_dir(dir);
    dbfix_path(path, dir, "a.db");
    start(&p, path, MEASUREMENTS);
    write_sweep(&p, 0);
    print_commits(&p);
    DBFIX_OK(mop_store_close(p.store, &err));
    publish(path);
    printf("%d measurements with %d samples each: %.1f MB (promised: 20)\n", MEASUREMENTS,
           PASSES * RUNS, megabytes(path));
    ok = megabytes(path) < 20;
    printf("named queries (promised: 0.5 s)\n");
    ok = print_queries(path, 0.5) && ok;
    DBFIX_OK(mop_store_open(path, &p.store, &err));
    for (int i = 1; i < SWEEPS; i++)
        write_sweep(&p, i);
    stop(&p);
    printf("%d samples, %.1f MB, named queries (promised: 2 s)\n",
           SWEEPS * MEASUREMENTS * PASSES * RUNS, megabytes(path));
    ok = print_queries(path, 2) && ok;
    dbfix_remove(dir);
    assert_true(ok);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sweep_of_1000_measurements_takes_under_20_megabytes),
    };
    const struct CMUnitTest benches[] = {cmocka_unit_test(bench)};
    if (argc > 1 && strcmp(argv[1], "--bench") == 0)
        return cmocka_run_group_tests(benches, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
