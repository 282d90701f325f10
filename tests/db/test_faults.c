/* Every write, sync and allocation of SQLite fails once and for good, at each point of a short
 * sweep: the call says so, nothing that was acknowledged is lost, and the next sweep can write. */
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
#include <unistd.h>

#include "db/query.h"
#include "tests/support/db_fixture.h"
#include "tests/support/sqlite_faults.h"

#ifdef __SANITIZE_ADDRESS__
enum { STRIDE = 5 }; /* from point n to n + 1 + n / STRIDE */
#else
enum { STRIDE = 16 };
#endif
enum { PASSES = 3 };

typedef struct outcome {
    mop_status st;
    bool planned;
    uint32_t passes; /* acknowledged */
} outcome;

static mop_status plan(mop_store *store, int64_t *sweep_id, mop_measurement_record *m, mop_err *err)
{
    mop_sweep_record sweep = dbfix_sweep(8);
    mop_device_record device = dbfix_device("cpu");
    mop_model_record model = dbfix_model("cnn30", 1);
    mop_layer_record layer = dbfix_layer(0, 1);
    int64_t device_id, model_id;
    mop_status st = mop_store_begin_plan(store, &sweep, sweep_id, err);
    if (st == MOP_OK)
        st = mop_store_put_device(store, &device, &device_id, err);
    if (st == MOP_OK)
        st = mop_store_put_model(store, &model, &layer, 1, &model_id, err);
    if (st == MOP_OK) {
        *m = dbfix_measurement(model_id, device_id);
        st = mop_store_put_measurement(store, *sweep_id, m, err);
    }
    if (st == MOP_OK)
        return mop_store_commit_plan(store, err);
    mop_store_abort_plan(store);
    return st;
}

static mop_status measure(mop_store *store, int64_t sweep_id, mop_measurement_record *m, outcome *o,
                          mop_err *err)
{
    mop_sample_record samples[3];
    mop_pass_record pass = {.samples = samples, .n_samples = 3};
    const int64_t ns = 9;
    mop_status st = MOP_OK;
    mop_rng rng;
    mop_rng_init(&rng, 1, 0);
    for (uint32_t p = 0; p < PASSES && st == MOP_OK; p++) {
        pass.pass = p;
        dbfix_samples(samples, m->id, p, 3, 1000, &rng);
        st = mop_store_commit_pass(store, sweep_id, &pass, err);
        o->passes += st == MOP_OK;
    }
    if (st == MOP_OK)
        st = mop_store_put_layer_times(store, m->id, 0, &(mop_layer_times){&ns, 1, 9, 9}, err);
    m->state = MOP_DONE;
    if (st == MOP_OK)
        st = mop_store_update_measurement(store, m, err);
    return st == MOP_OK ? mop_store_finish_sweep(store, sweep_id, (double)NAN, err) : st;
}

static outcome sweep(const char *path)
{
    outcome o = {0};
    mop_store *store = NULL;
    mop_measurement_record m;
    mop_err err = {0}, closing = {0};
    int64_t sweep_id;
    mop_status closed;
    o.st = mop_store_open(path, &store, &err);
    if (o.st == MOP_OK)
        o.st = plan(store, &sweep_id, &m, &err);
    o.planned = o.st == MOP_OK;
    if (o.planned)
        o.st = measure(store, sweep_id, &m, &o, &err);
    closed = mop_store_close(store, &closing);
    if (o.st != MOP_OK && strlen(err.msg) == 0)
        fail_msg("a failure without a sentence");
    if (o.st == MOP_OK)
        o.st = closed;
    return o;
}

static int64_t count(const char *path, const char *table)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    char sql[64];
    int64_t n;
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    n = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
    return n;
}

/* After the fault: a next writer gets in and finds what was acknowledged. */
static void check_after(const char *path, const outcome *o)
{
    mop_store *store = NULL;
    mop_err err = {0};
    int64_t passes;
    DBFIX_OK(mop_store_open(path, &store, &err)); /* with its quick_check */
    DBFIX_OK(mop_store_close(store, &err));
    passes = count(path, "pass");
    assert_true(passes >= o->passes && passes <= PASSES);
    assert_int_equal(count(path, "sample"), 3 * passes);
    assert_true(count(path, "sweep") >= o->planned);
    if (o->st == MOP_OK)
        assert_int_equal(passes, PASSES);
}

static void fail_everywhere(sqlite_fault kind, bool for_good)
{
    char dir[256], path[512];
    unsigned n = 1, points = 0, refused = 0;
    bool happened = true;
    while (happened) {
        outcome o;
        dbfix_dir(dir);
        dbfix_path(path, dir, "a.db");
        sqlite_faults_arm(kind, n, for_good);
        o = sweep(path);
        happened = sqlite_faults_disarm();
        check_after(path, &o);
        dbfix_remove(dir);
        refused += o.st != MOP_OK;
        points++;
        n += 1 + n / STRIDE;
    }
    print_message("%u points, %u told\n", points, refused);
    assert_true(points > 10);
    assert_true(refused > points / 2);
}

static void a_failed_write_or_sync_loses_nothing_acknowledged(void **state)
{
    (void)state;
    fail_everywhere(SQLITE_FAULT_FILE, false);
}

static void a_disk_that_stays_broken_loses_nothing_acknowledged(void **state)
{
    (void)state;
    fail_everywhere(SQLITE_FAULT_FILE, true);
}

static void a_failed_allocation_loses_nothing_acknowledged(void **state)
{
    (void)state;
    fail_everywhere(SQLITE_FAULT_MEMORY, false);
}

static void memory_that_stays_short_loses_nothing_acknowledged(void **state)
{
    (void)state;
    fail_everywhere(SQLITE_FAULT_MEMORY, true);
}

static void a_query_short_of_memory_says_so(void **state)
{
    char dir[256], path[512];
    unsigned n = 1, refused = 0;
    bool happened = true;
    (void)state;
    dbfix_dir(dir);
    dbfix_path(path, dir, "a.db");
    dbfix_fill(path);
    while (happened) {
        mop_db *db = NULL;
        mop_table t = {0};
        mop_err err = {0};
        mop_status st;
        sqlite_faults_arm(SQLITE_FAULT_MEMORY, n, false);
        st = mop_db_open(path, &db, &err);
        if (st == MOP_OK)
            st = mop_db_query(db, "SELECT medan FROM result ORDER BY variant", NULL, 0, &t, &err);
        assert_true(st != MOP_OK && strlen(err.msg) > 0); /* the column is misspelt */
        err = (mop_err){0};
        if (db != NULL)
            st = mop_db_query(db, mop_named_query("latency"), NULL, 0, &t, &err);
        happened = sqlite_faults_disarm();
        if (db != NULL && st == MOP_OK)
            assert_int_equal(t.n_rows, 2 * DBFIX_VARIANTS);
        refused += st != MOP_OK;
        mop_table_release(&t);
        mop_db_close(db);
        n += 1 + n / STRIDE;
    }
    assert_true(refused > 10);
    dbfix_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_write_or_sync_loses_nothing_acknowledged),
        cmocka_unit_test(a_disk_that_stays_broken_loses_nothing_acknowledged),
        cmocka_unit_test(a_failed_allocation_loses_nothing_acknowledged),
        cmocka_unit_test(memory_that_stays_short_loses_nothing_acknowledged),
        cmocka_unit_test(a_query_short_of_memory_says_so),
    };
    sqlite_faults_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
