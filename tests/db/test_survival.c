/* What must survive: kill -9 at any time, two writers, a full disk, files that are not ours, an
 * older schema, no permission. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "tests/support/db_fixture.h"

#ifdef __SANITIZE_ADDRESS__
enum { KILLS = 20 };
#else
enum { KILLS = 200 };
#endif
enum { KILL_PASSES = 4000 };

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

/* integrity_check and foreign_key_check of SQLite itself. */
static void expect_sound(const char *path)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(stmt, 0), "ok");
    (void)sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA foreign_key_check", -1, &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
}

/* --- kill -9
 * ------------------------------------------------------------------------------------------ */

/* Plans if there is nothing to resume, then writes passes until KILL_PASSES, telling each to fd.
 * Runs in a child: any failure is exit code 1. */
static int write_passes(const char *path, int fd)
{
    mop_store *store = NULL;
    mop_resume r = {0};
    mop_err err = {0};
    mop_rng rng;
    int64_t m[3];
    mop_rng_init(&rng, 3, 0);
    if (mop_store_open(path, &store, &err) != MOP_OK ||
        mop_store_resume(store, 8, &r, &err) != MOP_OK)
        return 1;
    if (r.sweep_id == 0) {
        mop_sweep_record sweep = dbfix_sweep(8);
        mop_device_record device = dbfix_device("cpu");
        int64_t device_id, model_id;
        if (mop_store_begin_plan(store, &sweep, &r.sweep_id, &err) != MOP_OK ||
            mop_store_put_device(store, &device, &device_id, &err) != MOP_OK)
            return 1;
        for (int i = 0; i < 3; i++) {
            mop_model_record model = dbfix_model("cnn30", i);
            mop_measurement_record record;
            if (mop_store_put_model(store, &model, NULL, 0, &model_id, &err) != MOP_OK)
                return 1;
            record = dbfix_measurement(model_id, device_id);
            if (mop_store_put_measurement(store, r.sweep_id, &record, &err) != MOP_OK)
                return 1;
            m[i] = record.id;
        }
        if (mop_store_commit_plan(store, &err) != MOP_OK)
            return 1;
    } else if (r.n_measurements != 3) {
        return 1;
    } else {
        for (int i = 0; i < 3; i++)
            m[i] = r.measurements[i].id;
    }
    for (uint32_t p = r.next_pass; p < KILL_PASSES; p++) {
        mop_sample_record samples[9];
        mop_pass_record pass = {.pass = p, .samples = samples, .n_samples = 9};
        for (int i = 0; i < 3; i++)
            dbfix_samples(&samples[3 * i], m[i], p, 3, 1000, &rng);
        if (mop_store_commit_pass(store, r.sweep_id, &pass, &err) != MOP_OK ||
            write(fd, &p, sizeof p) != sizeof p)
            return 1;
    }
    mop_resume_release(&r);
    return mop_store_close(store, &err) == MOP_OK ? 0 : 1;
}

/* Number of the passes told before the child died, and the last of them. */
static uint32_t watch(int fd, uint32_t kill_after, pid_t child, uint32_t *last)
{
    uint32_t p, n = 0;
    while (read(fd, &p, sizeof p) == (ssize_t)sizeof p) {
        *last = p;
        if (++n == kill_after)
            (void)kill(child, SIGKILL);
    }
    return n;
}

static void no_acknowledged_pass_is_lost_by_kill_9(void **state)
{
    fixture *f = *state;
    mop_rng rng;
    uint32_t acknowledged = 0;
    bool any = false;
    print_message("seed 11\n");
    mop_rng_init(&rng, 11, 0);
    for (int k = 0; k < KILLS; k++) {
        int fd[2], status;
        char sql[160];
        uint32_t after = 1 + (uint32_t)mop_rng_below(&rng, 8);
        struct timespec wait = {.tv_nsec = (long)mop_rng_below(&rng, 3000000)};
        pid_t child;
        assert_int_equal(pipe(fd), 0);
        child = fork();
        if (child == 0) {
            (void)close(fd[0]);
            _exit(write_passes(f->path, fd[1]));
        }
        assert_true(child > 0);
        (void)close(fd[1]);
        if (k % 3 == 0) { /* by time: also while planning or migrating */
            (void)nanosleep(&wait, NULL);
            (void)kill(child, SIGKILL);
        }
        any = watch(fd[0], after, child, &acknowledged) > 0 || any;
        (void)close(fd[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status))
            assert_int_equal(WEXITSTATUS(status), 0);
        if (!any)
            continue;
        expect_sound(f->path);
        (void)snprintf(sql, sizeof sql,
                       "SELECT max(pass) >= %u AND count(*) = max(pass) + 1 FROM pass",
                       (unsigned)acknowledged);
        dbfix_expect(f->path, sql, "1"); /* nothing lost, nothing skipped */
        dbfix_expect(f->path, "SELECT count(*) = 9 * (SELECT count(*) FROM pass) FROM sample", "1");
        dbfix_expect(f->path,
                     "SELECT min(n) = max(n) AND sum(n) = (SELECT count(*) FROM sample) FROM stat",
                     "1");
        dbfix_expect(f->path, "SELECT count(*) FROM measurement", "3"); /* planned once */
    }
    assert_true(any);
}

/* --- the lock
 * ------------------------------------------------------------------------------------------ */

static void a_second_writer_is_told_who_holds_the_lock(void **state)
{
    fixture *f = *state;
    mop_store *first = NULL, *second = NULL;
    mop_err err = {0};
    char who[64], lock[520];
    DBFIX_OK(mop_store_open(f->path, &first, &err));
    assert_int_equal(mop_store_open(f->path, &second, &err), MOP_EBUSY);
    (void)snprintf(who, sizeof who, "process %ld on ", (long)getpid());
    assert_non_null(strstr(err.msg, who));
    assert_null(second);
    dbfix_expect(f->path, "SELECT count(*) FROM sweep", "0"); /* readers are let in */
    err = (mop_err){0};
    DBFIX_OK(mop_store_close(first, &err));
    (void)snprintf(lock, sizeof lock, "%s.lock", f->path);
    assert_int_not_equal(access(lock, F_OK), 0);
    dbfix_write(lock, "process 1 on elsewhere\n", 23); /* left by a crash: not held */
    DBFIX_OK(mop_store_open(f->path, &first, &err));
    DBFIX_OK(mop_store_close(first, &err));
}

static void a_closed_database_is_one_file(void **state)
{
    static const char *const others[] = {"-wal", "-shm", "-journal", ".lock"};
    fixture *f = *state;
    size_t n;
    char *bytes;
    dbfix_fill(f->path);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char name[540];
        (void)snprintf(name, sizeof name, "%s%s", f->path, others[i]);
        assert_int_not_equal(access(name, F_OK), 0);
    }
    bytes = dbfix_read(f->path, &n);
    assert_int_equal(bytes[18], 1); /* not in WAL mode */
    free(bytes);
}

/* --- full disk and permissions
 * -------------------------------------------------------------------------- */

/* In a child, because the limit cannot be taken back. Exit code 0: every check held. */
static int fill_up(const char *path)
{
    struct rlimit limit = {.rlim_cur = 600 << 10, .rlim_max = 600 << 10};
    mop_store *store = NULL;
    mop_err err = {0};
    mop_rng rng;
    mop_sample_record samples[600];
    mop_pass_record pass = {.samples = samples, .n_samples = 600};
    mop_sweep_record sweep = dbfix_sweep(8);
    mop_device_record device = dbfix_device("cpu");
    mop_model_record model = dbfix_model("cnn30", 1);
    mop_measurement_record m;
    int64_t sweep_id, device_id, model_id;
    uint32_t p = 0;
    mop_status st = MOP_OK;
    mop_rng_init(&rng, 3, 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    if (mop_store_open(path, &store, &err) != MOP_OK ||
        mop_store_begin_plan(store, &sweep, &sweep_id, &err) != MOP_OK ||
        mop_store_put_device(store, &device, &device_id, &err) != MOP_OK ||
        mop_store_put_model(store, &model, NULL, 0, &model_id, &err) != MOP_OK)
        return 1;
    m = dbfix_measurement(model_id, device_id);
    if (mop_store_put_measurement(store, sweep_id, &m, &err) != MOP_OK ||
        mop_store_commit_plan(store, &err) != MOP_OK || setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 2;
    for (; p < 1000 && st == MOP_OK; p++) {
        pass.pass = p;
        dbfix_samples(samples, m.id, p, 600, 1000, &rng);
        st = mop_store_commit_pass(store, sweep_id, &pass, &err);
    }
    if (st != MOP_EIO || strstr(err.msg, path) == NULL)
        return 3;
    err = (mop_err){0};
    if (mop_store_commit_pass(store, sweep_id, &pass, &err) !=
        MOP_EIO) /* no half transaction is open */
        return 4;
    (void)printf("%u\n", p - 1);
    (void)fflush(stdout);
    _exit(0); /* without closing: as if killed */
}

static void a_full_disk_is_told_and_loses_nothing_that_was_acknowledged(void **state)
{
    fixture *f = *state;
    int fd[2], status;
    char text[32] = "", sql[120];
    pid_t child;
    assert_int_equal(pipe(fd), 0);
    child = fork();
    if (child == 0) {
        (void)dup2(fd[1], STDOUT_FILENO);
        _exit(fill_up(f->path));
    }
    (void)close(fd[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(read(fd[0], text, sizeof text - 1) > 0);
    (void)close(fd[0]);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    expect_sound(f->path);
    (void)snprintf(sql, sizeof sql, "SELECT count(*) = %d AND count(*) > 0 FROM pass", atoi(text));
    dbfix_expect(f->path, sql, "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_acknowledged_pass_is_lost_by_kill_9, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_second_writer_is_told_who_holds_the_lock, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_closed_database_is_one_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_is_told_and_loses_nothing_that_was_acknowledged,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
