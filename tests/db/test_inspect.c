/* Files that the store does not take as they are: those of others, damaged or older ones, and
 * places without permission. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/query.h"
#include "db/sql.h"
#include "profiler/base/embed.h"
#include "tests/support/db_fixture.h"

#ifdef __SANITIZE_ADDRESS__
enum { FLIPS = 40, READ_FLIPS = 400 };
#else
enum { FLIPS = 300, READ_FLIPS = 10000 };
#endif

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

/* --- permissions
 * ---------------------------------------------------------------------------------------- */

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
    dbfix_expect(f->path, "SELECT count(*) FROM result", "0");
    (void)unlink(f->path);
    exec_on(f->path, "CREATE TABLE t (a); DROP TABLE t");
    DBFIX_OK(mop_store_open(f->path, &store, &err));
    DBFIX_OK(mop_store_close(store, &err));
    dbfix_expect(f->path, "SELECT count(*) FROM result", "0");
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

/* Reads what a query, a merge and the tables by themselves read; true if nothing was refused. */
static bool is_readable(const char *path)
{
    static const char *const texts[] = {
        "SELECT * FROM result_all", "SELECT sum(wall_ns), max(flags) FROM sample",
        "SELECT * FROM layer_time JOIN layer_run USING (measurement_id, pass)",
        "SELECT * FROM pragma_table_info('sample')"};
    mop_db *db = NULL;
    mop_err err = {0};
    mop_status st = mop_db_open(path, &db, &err);
    for (size_t i = 0; st == MOP_OK && i < sizeof texts / sizeof texts[0]; i++) {
        mop_table t = {0};
        st = mop_db_query(db, texts[i], NULL, 0, &t, &err);
        mop_table_release(&t);
    }
    mop_db_close(db);
    if (st != MOP_OK)
        assert_true(strlen(err.msg) > 10);
    return st == MOP_OK;
}

/* One byte of the file is another one, or the file ends early: it is read or refused with a
 * sentence, soon, and is not written. The alarm ends a hang. */
static void ten_thousand_damaged_files_are_read_or_refused(void **state)
{
    fixture *f = *state;
    size_t n, m, refused = 0;
    mop_rng rng;
    dbfix_fill(f->path);
    char *bytes = dbfix_read(f->path, &n);
    int fd = open(f->path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    print_message("seed 19\n");
    mop_rng_init(&rng, 19, 0);
    (void)alarm(300);
    for (int i = 0; i < READ_FLIPS; i++) {
        off_t at = (off_t)mop_rng_below(&rng, i % 2 == 0 ? n : 8192);
        if (i % 10 == 9) {
            assert_int_equal(ftruncate(fd, at), 0);
            refused += !is_readable(f->path);
            assert_int_equal(pwrite(fd, bytes + at, n - (size_t)at, at), n - (size_t)at);
        } else {
            char bad = (char)(bytes[at] ^ (1 << mop_rng_below(&rng, 8)));
            assert_int_equal(pwrite(fd, &bad, 1, at), 1);
            refused += !is_readable(f->path);
            assert_int_equal(pwrite(fd, &bytes[at], 1, at), 1);
        }
    }
    (void)alarm(0);
    (void)close(fd);
    print_message("%zu of %d refused\n", refused, (int)READ_FLIPS);
    assert_true(refused > READ_FLIPS / 10);
    char *after = dbfix_read(f->path, &m);
    assert_int_equal(n, m);
    assert_memory_equal(bytes, after, n);
    free(bytes);
    free(after);
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
    dbfix_expect(f->path, "SELECT count(*) FROM sweep", "1"); /* reading needs no migration */
    DBFIX_OK(mop_store_open(f->path, &store, &err));
    DBFIX_OK(mop_store_close(store, &err));
    dbfix_expect(f->path, "SELECT count(*) FROM sweep", "1");
    dbfix_expect(f->path, "SELECT count(*) > 0 FROM reference", "1");
    (void)snprintf(backup, sizeof backup, "%s.v1.backup", f->path);
    dbfix_expect(backup, "SELECT count(*) FROM sweep", "1");
    dbfix_expect(backup, "SELECT count(*) FROM reference", "0");
    (void)snprintf(text, sizeof text, "%d", mop_schema_version());
    exec_on(f->path, "CREATE TABLE t AS SELECT * FROM pragma_user_version");
    dbfix_expect(f->path, "SELECT user_version FROM t", text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_place_without_permission_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_of_others_are_refused_untouched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_file_and_an_empty_database_become_ours, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(flipped_bits_and_cuts_never_crash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ten_thousand_damaged_files_are_read_or_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_older_schema_is_migrated_after_a_backup, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
