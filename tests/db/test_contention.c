/* A sweep that is not alone: with readers, stopped by a signal, beside another program that holds
 * the database, on a disk that is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "db/query.h"
#include "db/store_internal.h"
#include "tests/support/db_fixture.h"

enum { READERS = 20, ROWS = 3, RUNS = 3, MOST_PASSES = 100000 };
#ifdef __SANITIZE_ADDRESS__
enum { WATCHED = 10 };
#else
enum { WATCHED = 60 };
#endif

typedef struct fixture {
    char dir[256], path[512];
} fixture;

typedef struct sweep {
    mop_store *store;
    int64_t id, m[ROWS];
    mop_rng rng;
} sweep;

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

static mop_status begin(sweep *s, const char *path, mop_err *err)
{
    mop_sweep_record record = dbfix_sweep(8);
    mop_device_record device = dbfix_device("cpu");
    int64_t device_id = 0, model_id = 0;
    mop_rng_init(&s->rng, 3, 0);
    mop_status st = mop_store_open(path, &s->store, err);
    if (st == MOP_OK)
        st = mop_store_begin_plan(s->store, &record, &s->id, err);
    if (st == MOP_OK)
        st = mop_store_put_device(s->store, &device, &device_id, err);
    for (int i = 0; st == MOP_OK && i < ROWS; i++) {
        mop_model_record model = dbfix_model("cnn30", i);
        st = mop_store_put_model(s->store, &model, NULL, 0, &model_id, err);
        mop_measurement_record m = dbfix_measurement(model_id, device_id);
        if (st == MOP_OK)
            st = mop_store_put_measurement(s->store, s->id, &m, err);
        s->m[i] = m.id;
    }
    return st == MOP_OK ? mop_store_commit_plan(s->store, err) : st;
}

static mop_status commit(sweep *s, uint32_t p, mop_err *err)
{
    mop_sample_record samples[ROWS * RUNS];
    mop_pass_record pass = {.pass = p, .samples = samples, .n_samples = ROWS * RUNS};
    for (int i = 0; i < ROWS; i++)
        dbfix_samples(&samples[RUNS * i], s->m[i], p, RUNS, 1000, &s->rng);
    return mop_store_commit_pass(s->store, s->id, &pass, err);
}

/* In a child: writes passes until it is killed, telling each to fd. */
static int write_for_ever(const char *path, int fd)
{
    sweep s = {.store = NULL};
    mop_err err = {0};
    if (begin(&s, path, &err) != MOP_OK)
        return 1;
    for (uint32_t p = 0; p < MOST_PASSES; p++)
        if (commit(&s, p, &err) != MOP_OK || write(fd, &p, sizeof p) != sizeof p)
            return 2;
    return 3;
}

static pid_t start_writer(const char *path, int *fd)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)close(ends[0]);
        _exit(write_for_ever(path, ends[1]));
    }
    assert_true(child > 0);
    (void)close(ends[1]);
    *fd = ends[0];
    return child;
}

static uint32_t next_pass(int fd)
{
    uint32_t p = 0;
    assert_int_equal(read(fd, &p, sizeof p), sizeof p);
    return p;
}

static void end_writer(pid_t child, int fd)
{
    int status;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status)); /* and not of its own failure */
    (void)close(fd);
}

static void expect_sound(const char *path)
{
    mop_store *store = NULL;
    mop_err err = {0};
    int64_t bad = -1;
    DBFIX_OK(mop_store_open(path, &store, &err)); /* with its quick_check */
    DBFIX_OK(mop_sql_int(store->db, "SELECT count(*) FROM pragma_foreign_key_check", 0, path, &bad,
                         &err));
    assert_int_equal(bad, 0);
    DBFIX_OK(mop_store_close(store, &err));
}

/* --- readers
 * ----------------------------------------------------------------------------------------- */

/* In a child: every look at the database shows whole passes. Reads until the pipe is closed. */
static int read_for_ever(const char *path, int quit)
{
    static const char look[] =
        "SELECT (SELECT count(*) FROM sample) = 9 * (SELECT count(*) FROM pass) AND (SELECT "
        "coalesce(sum(n), 0) FROM stat) = (SELECT count(*) FROM sample)";
    mop_db *db = NULL;
    mop_err err = {0};
    char end;
    do {
        mop_table t = {0};
        if (mop_db_open(path, &db, &err) != MOP_OK)
            return 1;
        for (int i = 0; i < 5; i++) {
            if (mop_db_query(db, look, NULL, 0, &t, &err) != MOP_OK)
                return 2;
            if (t.n_rows != 1 || t.cells[0].i != 1)
                return 3;
            mop_table_release(&t);
        }
        mop_db_close(db);
    } while (read(quit, &end, 1) < 0); /* EAGAIN until the other end is closed */
    return 0;
}

static void twenty_readers_see_whole_passes_and_stop_no_writer(void **state)
{
    fixture *f = *state;
    int fd, quit[2], status;
    pid_t readers[READERS], writer = start_writer(f->path, &fd);
    (void)next_pass(fd); /* there is something to read */
    assert_int_equal(pipe2(quit, O_NONBLOCK), 0);
    for (int i = 0; i < READERS; i++) {
        readers[i] = fork();
        if (readers[i] == 0) {
            (void)close(quit[1]);
            (void)close(fd);
            _exit(read_for_ever(f->path, quit[0]));
        }
        assert_true(readers[i] > 0);
    }
    uint32_t last = 0;
    for (int i = 0; i < WATCHED; i++)
        last = next_pass(fd);
    assert_true(last >= WATCHED);
    (void)close(quit[1]);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(waitpid(readers[i], &status, 0), readers[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    (void)close(quit[0]);
    end_writer(writer, fd);
    expect_sound(f->path);
}

/* --- stopped, and locked out
 * ------------------------------------------------------------------------- */

static void a_stopped_writer_is_readable_and_goes_on(void **state)
{
    fixture *f = *state;
    mop_store *second = NULL;
    mop_err err = {0};
    int fd;
    pid_t writer = start_writer(f->path, &fd);
    for (int round = 0; round < 10; round++) {
        uint32_t p = next_pass(fd);
        char sql[96];
        assert_int_equal(kill(writer, SIGSTOP), 0);
        (void)snprintf(sql, sizeof sql, "SELECT count(*) > %u FROM pass", (unsigned)p);
        dbfix_expect(f->path, sql, "1");
        assert_int_equal(mop_store_open(f->path, &second, &err), MOP_EBUSY);
        assert_non_null(strstr(err.msg, "is being written by"));
        err = (mop_err){0};
        assert_int_equal(kill(writer, SIGCONT), 0);
        assert_true(next_pass(fd) > p);
    }
    end_writer(writer, fd);
    expect_sound(f->path);
}

/* Takes the five seconds that the store waits for another program. */
static void a_database_that_another_program_holds_is_told_and_untouched(void **state)
{
    fixture *f = *state;
    sqlite3 *other = NULL;
    mop_store *store = NULL;
    mop_err err = {0};
    size_t n, m;
    dbfix_fill(f->path);
    char *before = dbfix_read(f->path, &n);
    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(mop_store_open(f->path, &store, &err), MOP_EBUSY);
    assert_non_null(strstr(err.msg, f->path));
    assert_non_null(strstr(err.msg, "locked"));
    assert_null(store);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    char *after = dbfix_read(f->path, &m);
    assert_int_equal(n, m);
    assert_memory_equal(before, after, n);
    free(before);
    free(after);
    err = (mop_err){0};
    DBFIX_OK(mop_store_open(f->path, &store, &err)); /* and it let go of its own lock */
    DBFIX_OK(mop_store_close(store, &err));
}

/* --- full
 * ---------------------------------------------------------------------------------------- */

static void a_full_database_keeps_what_it_has_and_goes_on_when_there_is_room(void **state)
{
    fixture *f = *state;
    sweep s = {.store = NULL};
    mop_err err = {0};
    mop_status st = MOP_OK;
    uint32_t p = 0;
    char sql[96], limit[64];
    int64_t pages = 0;
    DBFIX_OK(begin(&s, f->path, &err));
    DBFIX_OK(mop_sql_int(s.store->db, "PRAGMA page_count", 0, f->path, &pages, &err));
    (void)snprintf(limit, sizeof limit, "PRAGMA max_page_count = %d", (int)pages + 2);
    DBFIX_OK(mop_sql_exec(s.store->db, limit, f->path, &err));
    for (; st == MOP_OK && p < 5000; p++)
        st = commit(&s, p, &err);
    p--; /* the one that failed */
    assert_int_equal(st, MOP_EIO);
    assert_non_null(strstr(err.msg, "full"));
    assert_true(p > 0);
    (void)snprintf(sql, sizeof sql, "SELECT count(*) = %u FROM pass", (unsigned)p);
    dbfix_expect(f->path, sql, "1");
    err = (mop_err){0};
    assert_int_equal(commit(&s, p, &err), MOP_EIO); /* no half transaction is open */
    err = (mop_err){0};
    DBFIX_OK(mop_sql_exec(s.store->db, "PRAGMA max_page_count = 100000", f->path, &err));
    DBFIX_OK(commit(&s, p, &err));
    DBFIX_OK(mop_store_close(s.store, &err));
    expect_sound(f->path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(twenty_readers_see_whole_passes_and_stop_no_writer),
        TEST(a_stopped_writer_is_readable_and_goes_on),
        TEST(a_database_that_another_program_holds_is_told_and_untouched),
        TEST(a_full_database_keeps_what_it_has_and_goes_on_when_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
