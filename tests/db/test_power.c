/* Power loss: what was not synced is gone. A sweep is written through a file system that remembers,
 * at every sync, what would be left if the power went right before it; each of these disks is then
 * opened, and has every pass that had been acknowledged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "tests/support/db_fixture.h"
#include "tests/support/sqlite_faults.h"

enum { MOST_FILES = 8, MOST_DISKS = 400 };
#ifdef __SANITIZE_ADDRESS__
enum { PASSES = 6 };
#else
enum { PASSES = 30 };
#endif

typedef struct file {
    char path[512];
    char *bytes; /* NULL: there is no such file */
    size_t n;
} file;

/* What is on the platters. */
typedef struct disk {
    file files[MOST_FILES];
    size_t n;
    int acknowledged; /* passes; -1: not even the plan */
} disk;

typedef struct machine {
    disk now;
    disk *crashed; /* [MOST_DISKS] */
    size_t n;
} machine;

static file *file_of(disk *d, const char *path)
{
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->files[i].path, path) == 0)
            return &d->files[i];
    assert_true(d->n < MOST_FILES);
    (void)snprintf(d->files[d->n].path, sizeof d->files[d->n].path, "%s", path);
    return &d->files[d->n++];
}

static void before_sync(void *ctx, const char *path)
{
    machine *m = ctx;
    (void)path;
    assert_true(m->n < MOST_DISKS);
    disk *d = &m->crashed[m->n++];
    *d = m->now;
    for (size_t i = 0; i < d->n; i++)
        if (d->files[i].bytes != NULL) {
            char *copy = malloc(d->files[i].n + 1);
            assert_non_null(copy);
            memcpy(copy, d->files[i].bytes, d->files[i].n);
            d->files[i].bytes = copy;
        }
}

static void after_sync(void *ctx, const char *path)
{
    machine *m = ctx;
    file *f = file_of(&m->now, path);
    free(f->bytes);
    f->bytes = dbfix_read(path, &f->n);
}

/* A file that is removed without syncing its folder is there again after the power loss. */
static void removed(void *ctx, const char *path, bool is_durable)
{
    machine *m = ctx;
    file *f = file_of(&m->now, path);
    if (!is_durable)
        return;
    free(f->bytes);
    f->bytes = NULL;
}

static void free_disk(disk *d)
{
    for (size_t i = 0; i < d->n; i++)
        free(d->files[i].bytes);
}

static void write_sweep(machine *m, const char *path)
{
    mop_store *store = NULL;
    mop_sweep_record sweep = dbfix_sweep(8);
    mop_device_record device = dbfix_device("cpu");
    mop_model_record model = dbfix_model("cnn30", 1);
    mop_measurement_record x;
    int64_t sweep_id, device_id, model_id;
    mop_err err = {0};
    mop_rng rng;
    mop_rng_init(&rng, 3, 0);
    DBFIX_OK(mop_store_open(path, &store, &err));
    DBFIX_OK(mop_store_begin_plan(store, &sweep, &sweep_id, &err));
    DBFIX_OK(mop_store_put_device(store, &device, &device_id, &err));
    DBFIX_OK(mop_store_put_model(store, &model, NULL, 0, &model_id, &err));
    x = dbfix_measurement(model_id, device_id);
    DBFIX_OK(mop_store_put_measurement(store, sweep_id, &x, &err));
    DBFIX_OK(mop_store_commit_plan(store, &err));
    m->now.acknowledged = 0;
    for (uint32_t p = 0; p < PASSES; p++) {
        mop_sample_record samples[90];
        mop_pass_record pass = {.pass = p, .samples = samples, .n_samples = 90};
        dbfix_samples(samples, x.id, p, 90, 1000, &rng);
        DBFIX_OK(mop_store_commit_pass(store, sweep_id, &pass, &err));
        m->now.acknowledged = (int)p + 1;
    }
    DBFIX_OK(mop_store_close(store, &err));
}

static int64_t number(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t v = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return v;
}

/* Starts the machine again: the store opens what is left and goes on. */
static void expect_recovery(const disk *d, const char *written, size_t at)
{
    char dir[256], path[512];
    mop_store *store = NULL;
    mop_resume r = {0};
    mop_err err = {0};
    dbfix_dir(dir);
    dbfix_path(path, dir, "a.db");
    for (size_t i = 0; i < d->n; i++) {
        char name[600];
        (void)snprintf(name, sizeof name, "%s%s", path, d->files[i].path + strlen(written));
        if (d->files[i].bytes != NULL)
            dbfix_write(name, d->files[i].bytes, d->files[i].n);
    }
    if (mop_store_open(path, &store, &err) != MOP_OK)
        fail_msg("before sync %zu: %s", at, err.msg);
    DBFIX_OK(mop_store_resume(store, 8, &r, &err));
    if (d->acknowledged >= 0 && (r.sweep_id == 0 || (int)r.next_pass < d->acknowledged))
        fail_msg("before sync %zu: %d passes were acknowledged, %u are there", at, d->acknowledged,
                 r.next_pass);
    assert_int_equal(r.n_samples, 90 * r.next_pass); /* whole passes */
    mop_resume_release(&r);
    DBFIX_OK(mop_store_close(store, &err));
    assert_int_equal(number(path, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
    assert_int_equal(number(path, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    dbfix_remove(dir);
}

static void power_loss_before_any_sync_loses_no_acknowledged_pass(void **state)
{
    char dir[256], path[512];
    machine m = {.now = {.acknowledged = -1}};
    (void)state;
    m.crashed = calloc(MOST_DISKS, sizeof *m.crashed);
    assert_non_null(m.crashed);
    dbfix_dir(dir);
    dbfix_path(path, dir, "a.db");
    sqlite_faults_watch((sqlite_watch){before_sync, after_sync, removed, &m});
    write_sweep(&m, path);
    before_sync(&m, path); /* and once it is all over */
    sqlite_faults_watch((sqlite_watch){.ctx = NULL});
    print_message("%zu power losses\n", m.n);
    assert_true(m.n > PASSES); /* each commit is synced */
    for (size_t i = 0; i < m.n; i++) {
        expect_recovery(&m.crashed[i], path, i);
        free_disk(&m.crashed[i]);
    }
    free_disk(&m.now);
    free(m.crashed);
    dbfix_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_loss_before_any_sync_loses_no_acknowledged_pass),
    };
    sqlite_faults_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
