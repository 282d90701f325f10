/* What must survive: kill -9 at any time, two writers, a full disk, files that are not ours, an
 * older schema, no permission. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "db/query.h"
#include "db/sql.h"
#include "profiler/base/embed.h"
#include "tests/support/db_fixture.h"

#ifdef __SANITIZE_ADDRESS__
enum { KILLS = 8, FLIPS = 40 };
#else
enum { KILLS = 30, FLIPS = 300 };
#endif
enum { KILL_PASSES = 400 };

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

static void expect(const char *path, const char *sql, const char *text)
{
    mop_table t = {0};
    mop_db *db = NULL;
    mop_err err = {0};
    DBFIX_OK(mop_db_open(path, &db, &err));
    DBFIX_OK(mop_db_query(db, sql, NULL, 0, &t, &err));
    assert_true(t.n_rows >= 1);
    assert_string_equal(t.cells[0].text, text);
    mop_table_release(&t);
    mop_db_close(db);
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
        expect(f->path, sql, "1"); /* nothing lost, nothing skipped */
        expect(f->path, "SELECT count(*) = 9 * (SELECT count(*) FROM pass) FROM sample", "1");
        expect(f->path,
               "SELECT min(n) = max(n) AND sum(n) = (SELECT count(*) FROM sample) FROM stat", "1");
        expect(f->path, "SELECT count(*) FROM measurement", "3"); /* planned once */
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
    expect(f->path, "SELECT count(*) FROM sweep", "0"); /* readers are let in */
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
    expect(f->path, sql, "1");
}

/* Opens as a user without rights; the exit code is the status, 100 if the sentence lacks the path.
 */
static int open_as_nobody(const char *path)
{
    mop_store *store = NULL;
    mop_err err = {0};
    mop_status st;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return 99;
    st = mop_store_open(path, &store, &err);
    return strstr(err.msg, path) != NULL ? (int)st : 100;
}

static int status_as_nobody(const char *path)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(open_as_nobody(path));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_place_without_permission_is_told(void **state)
{
    fixture *f = *state;
    char nowhere[512];
    mop_store *store = NULL;
    mop_err err = {0};
    dbfix_fill(f->path);
    assert_int_equal(chmod(f->dir, 0555), 0);
    assert_int_equal(status_as_nobody(f->path), MOP_EIO);
    assert_int_equal(chmod(f->dir, 0777), 0);
    assert_int_equal(chmod(f->path, 0444), 0);
    assert_int_equal(status_as_nobody(f->path), MOP_EIO);
    dbfix_path(nowhere, f->dir, "no/such/folder.db");
    assert_int_equal(mop_store_open(nowhere, &store, &err), MOP_EIO);
    assert_non_null(strstr(err.msg, "no/such/folder.db"));
    err = (mop_err){0};
    assert_int_equal(mop_store_open(f->dir, &store, &err), MOP_EIO);
    assert_non_null(strstr(err.msg, "not a regular file"));
}

/* --- files that are not ours
 * ---------------------------------------------------------------------------- */

static void exec_on(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
}

/* Neither writing nor reading opens it, the sentence has `words`, and not a byte changes. */
static void expect_untouched(const char *path, const char *words)
{
    size_t n, m;
    char *before = dbfix_read(path, &n), *after;
    mop_store *store = NULL;
    mop_db *db = NULL;
    mop_err err = {0};
    assert_int_equal(mop_store_open(path, &store, &err), MOP_EINVAL);
    if (strstr(err.msg, words) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err.msg, words);
    err = (mop_err){0};
    assert_int_equal(mop_db_open(path, &db, &err), MOP_EINVAL);
    assert_true(strlen(err.msg) > 0);
    after = dbfix_read(path, &m);
    assert_int_equal(n, m);
    assert_memory_equal(before, after, n);
    free(before);
    free(after);
}

static void files_of_others_are_refused_untouched(void **state)
{
    fixture *f = *state;
    char path[512], noise[5000];
    size_t n;
    char *bytes;
    mop_rng rng;
    dbfix_path(path, f->dir, "foreign.db");
    exec_on(path, "CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    expect_untouched(path, "it has tables and no application_id");
    exec_on(path, "PRAGMA application_id = 7");
    expect_untouched(path, "another program (application_id 0x00000007)");
    dbfix_write(path, "variant,latency\n", 16);
    expect_untouched(path, "not a SQLite file");
    print_message("seed 13\n");
    mop_rng_init(&rng, 13, 0);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)mop_rng_below(&rng, 256);
    dbfix_write(path, noise, sizeof noise);
    expect_untouched(path, "not a SQLite file");
    dbfix_fill(f->path);
    bytes = dbfix_read(f->path, &n);
    dbfix_write(path, bytes, n / 2);
    expect_untouched(path, "cut short");
    dbfix_write(path, bytes, 50);
    expect_untouched(path, "not a SQLite file");
    free(bytes);
    exec_on(f->path, "PRAGMA user_version = 1000");
    expect_untouched(f->path, "of a newer moprof");
}

static void an_empty_file_and_an_empty_database_become_ours(void **state)
{
    fixture *f = *state;
    mop_store *store = NULL;
    mop_err err = {0};
    dbfix_write(f->path, "", 0);
    DBFIX_OK(mop_store_open(f->path, &store, &err));
    DBFIX_OK(mop_store_close(store, &err));
    expect(f->path, "SELECT count(*) FROM result", "0");
    (void)unlink(f->path);
    exec_on(f->path, "CREATE TABLE t (a); DROP TABLE t");
    DBFIX_OK(mop_store_open(f->path, &store, &err));
    DBFIX_OK(mop_store_close(store, &err));
    expect(f->path, "SELECT count(*) FROM result", "0");
}

/* A damaged database may be opened or refused, with a sentence; it never crashes or hangs. */
static void flipped_bits_and_cuts_never_crash(void **state)
{
    fixture *f = *state;
    char path[512];
    size_t n, refused = 0;
    char *bytes;
    mop_rng rng;
    dbfix_fill(f->path);
    bytes = dbfix_read(f->path, &n);
    dbfix_path(path, f->dir, "damaged.db");
    print_message("seed 17\n");
    mop_rng_init(&rng, 17, 0);
    for (int i = 0; i < FLIPS; i++) {
        size_t at = (size_t)mop_rng_below(&rng, i % 2 == 0 ? n : 4096);
        char bit = (char)(1 << mop_rng_below(&rng, 8));
        mop_store *store = NULL;
        mop_db *db = NULL;
        mop_table t = {0};
        mop_err err = {0};
        bytes[at] = (char)(bytes[at] ^ bit);
        dbfix_write(path, bytes, i % 7 == 0 ? at : n);
        bytes[at] = (char)(bytes[at] ^ bit);
        if (mop_db_open(path, &db, &err) == MOP_OK) {
            if (mop_db_query(db, "SELECT * FROM result", NULL, 0, &t, &err) == MOP_OK)
                mop_table_release(&t);
            else
                assert_true(strlen(err.msg) > 0);
        }
        mop_db_close(db);
        err = (mop_err){0};
        if (mop_store_open(path, &store, &err) == MOP_OK) {
            (void)mop_store_refresh_stats(store, &err); /* may fail, may not crash */
            (void)mop_store_close(store, &err);
        } else {
            assert_true(strlen(err.msg) > 0);
            refused++;
        }
    }
    free(bytes);
    assert_true(refused > 0);
}

/* --- an older schema
 * ------------------------------------------------------------------------------------- */

static void an_older_schema_is_migrated_after_a_backup(void **state)
{
    fixture *f = *state;
    mop_store *store = NULL;
    mop_err err = {0};
    char backup[540], text[32];
    size_t size;
    exec_on(f->path, mop_embed_get("db/migrations/0001_first.sql", &size));
    exec_on(f->path, "PRAGMA application_id = 0x6d6f7066; PRAGMA user_version = 1;"
                     "INSERT INTO sweep (id, started_utc, seed, plan_hash, plan_text, build_id, "
                     "protocol) VALUES (5, '', 0, '0123456789abcdef', '', '', '')");
    expect(f->path, "SELECT count(*) FROM sweep", "1"); /* reading needs no migration */
    DBFIX_OK(mop_store_open(f->path, &store, &err));
    DBFIX_OK(mop_store_close(store, &err));
    expect(f->path, "SELECT count(*) FROM sweep", "1");
    expect(f->path, "SELECT count(*) > 0 FROM reference", "1");
    (void)snprintf(backup, sizeof backup, "%s.v1.backup", f->path);
    expect(backup, "SELECT count(*) FROM sweep", "1");
    expect(backup, "SELECT count(*) FROM reference", "0");
    (void)snprintf(text, sizeof text, "%d", mop_schema_version());
    exec_on(f->path, "CREATE TABLE t AS SELECT * FROM pragma_user_version");
    expect(f->path, "SELECT user_version FROM t", text);
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
        cmocka_unit_test_setup_teardown(a_place_without_permission_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_of_others_are_refused_untouched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_file_and_an_empty_database_become_ours, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(flipped_bits_and_cuts_never_crash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_older_schema_is_migrated_after_a_backup, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
