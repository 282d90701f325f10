/* CSV: a database goes out and comes back as it was, and files with mistakes change nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/csv.h"
#include "db/fields.h"
#include "db/import.h"
#include "db/query.h"
#include "tests/support/db_fixture.h"

typedef struct fixture {
    char dir[256], db[512], csv[512], db2[512], csv2[512];
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    dbfix_dir(f->dir);
    dbfix_path(f->db, f->dir, "a.db");
    dbfix_path(f->csv, f->dir, "a.csv");
    dbfix_path(f->db2, f->dir, "b.db");
    dbfix_path(f->csv2, f->dir, "b.csv");
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

static void expect_same_files(const char *a, const char *b)
{
    size_t n, m;
    char *x = dbfix_read(a, &n), *y = dbfix_read(b, &m);
    assert_non_null(x);
    assert_non_null(y);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

static mop_status import_counted(const char *csv, const char *db, mop_import_result *result,
                                 mop_err *err)
{
    const mop_import_options options = {.format = "moprof"};
    return mop_import(&csv, 1, db, &options, result, err);
}

static void there_and_back(const fixture *f)
{
    mop_err err = {0};
    DBFIX_OK(mop_csv_export(f->db, f->csv, &err));
    DBFIX_OK(mop_csv_import(f->csv, f->db2, &err));
    DBFIX_OK(mop_csv_export(f->db2, f->csv2, &err));
    expect_same_files(f->csv, f->csv2);
}

static char *query_json(const char *path, const char *sql)
{
    mop_table t = {0};
    mop_db *db = NULL;
    mop_err err = {0};
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    DBFIX_OK(mop_db_open(path, &db, &err));
    DBFIX_OK(mop_db_query(db, sql, NULL, 0, &t, &err));
    DBFIX_OK(mop_table_write(&t, MOP_FORMAT_JSON, out, &err));
    mop_table_release(&t);
    mop_db_close(db);
    (void)fclose(out);
    return text;
}

static void an_exported_database_comes_back_with_its_results(void **state)
{
    static const char sql[] =
        "SELECT variant, family, form, height, width, backend, device, dtype, threads, batch, "
        "params, macs, flops, activations, n_clean, n, min_ns, p5_ns, median_ns, ci_low_ns, "
        "ci_high_ns, mean_ns, mad_ns, state, fraction_of_peak, error, checksum FROM result "
        "ORDER BY variant, backend";
    fixture *f = *state;
    char *a, *b;
    dbfix_fill(f->db);
    there_and_back(f);
    a = query_json(f->db, sql);
    b = query_json(f->db2, sql);
    assert_true(strlen(a) > 1000);
    assert_string_equal(a, b);
    free(a);
    free(b);
    a = query_json(f->db2, "SELECT DISTINCT state FROM sweep");
    assert_non_null(strstr(a, "imported"));
    free(a);
    a = query_json(f->db2, "SELECT reason FROM failure");
    assert_non_null(strstr(a, "node 3 is NaN"));
    free(a);
}

static void importing_adds_a_sweep_and_keeps_the_others(void **state)
{
    fixture *f = *state;
    mop_err err = {0};
    char *a;
    dbfix_fill(f->db);
    DBFIX_OK(mop_csv_export(f->db, f->csv, &err));
    DBFIX_OK(mop_csv_import(f->csv, f->db, &err));
    a = query_json(f->db, "SELECT group_concat(state) AS s, (SELECT count(*) FROM device) AS d, "
                          "(SELECT count(*) FROM model) AS m FROM sweep");
    assert_non_null(strstr(a, "\"s\": \"done,imported\", \"d\": 2, \"m\": 8"));
    free(a);
}

static void a_file_that_is_there_already_adds_nothing(void **state)
{
    fixture *f = *state;
    mop_import_result r = {0};
    mop_err err = {0};
    dbfix_fill(f->db);
    DBFIX_OK(mop_csv_export(f->db, f->csv, &err));
    DBFIX_OK(import_counted(f->csv, f->db2, &r, &err));
    assert_int_equal(r.n_new, 1);
    assert_int_equal(r.n_known, 0);
    DBFIX_OK(import_counted(f->csv, f->db2, &r, &err));
    assert_int_equal(r.n_new, 0);
    assert_int_equal(r.n_known, 1);
    dbfix_expect(f->db2, "SELECT count(*) FROM sweep", "1");
}

/* As a release before schema 3 wrote it: without the columns that came with it. */
static void cut_new_columns(const fixture *f)
{
    static const char *const added[] = {"sweep_kind",
                                        "sweep_shard",
                                        "sweep_shards",
                                        "sweep_baseline",
                                        "sweep_environment",
                                        "sweep_clock_cost_ns",
                                        "sweep_clock_step_ns",
                                        "sweep_aa_floor",
                                        "measurement_alias",
                                        "measurement_layer_overhead",
                                        "measurement_layer_residual",
                                        "sample_run_delay_ns",
                                        "sample_cpu_before",
                                        "sample_cpu_after"};
    const size_t n_added = sizeof added / sizeof added[0];
    bool is_cut[200] = {false};
    size_t n, cut = 0;
    char *text = dbfix_read(f->csv, &n), *rows = text, *line, *cell;
    FILE *out = fopen(f->csv2, "wb");
    assert_non_null(text);
    assert_non_null(out);
    while ((line = strsep(&rows, "\n")) != NULL && *line != '\0') {
        bool is_header = line == text, is_first = true;
        for (size_t c = 0; (cell = strsep(&line, ",")) != NULL; c++) {
            for (size_t i = 0; is_header && i < n_added; i++)
                is_cut[c] |= strcmp(cell, added[i]) == 0;
            cut += is_header && is_cut[c];
            if (!is_cut[c])
                (void)fprintf(out, "%s%s", is_first ? "" : ",", cell);
            is_first = is_first && is_cut[c];
        }
        (void)fputc('\n', out);
    }
    assert_int_equal(cut, n_added);
    assert_int_equal(fclose(out), 0);
    free(text);
}

static void a_file_of_an_older_release_is_read_with_what_its_rows_meant(void **state)
{
    static const char same[] = "SELECT variant, backend, n, min_ns, median_ns, checksum "
                               "FROM result ORDER BY variant, backend";
    fixture *f = *state;
    mop_err err = {0};
    char *a, *b;
    dbfix_fill(f->db);
    DBFIX_OK(mop_csv_export(f->db, f->csv, &err));
    cut_new_columns(f);
    DBFIX_OK(mop_csv_import(f->csv2, f->db2, &err));
    a = query_json(f->db, same);
    b = query_json(f->db2, same);
    assert_string_equal(a, b);
    free(a);
    free(b);
    dbfix_expect(f->db2,
                 "SELECT kind || shard || '/' || shards || '[' || baseline || ']' || "
                 "(environment IS NULL) || (clock_cost_ns IS NULL) FROM sweep",
                 "sweep1/1[]11");
    dbfix_expect(f->db2, "SELECT count(*) FROM sample WHERE cpu_before IS NOT NULL", "0");
}

typedef struct feeder {
    const char *from, *to;
} feeder;

static void *feed_pipe(void *arg)
{
    const feeder *p = arg;
    size_t n;
    char *bytes = dbfix_read(p->from, &n);
    FILE *out = fopen(p->to, "wb"); /* waits for the reader */
    if (bytes != NULL && out != NULL)
        (void)fwrite(bytes, 1, n, out); /* the reader notices what is missing */
    if (out != NULL)
        (void)fclose(out);
    free(bytes);
    return NULL;
}

static void a_file_comes_through_a_pipe(void **state)
{
    fixture *f = *state;
    feeder p = {f->csv, f->csv2};
    pthread_t thread;
    mop_err err = {0};
    dbfix_fill(f->db);
    DBFIX_OK(mop_csv_export(f->db, f->csv, &err));
    assert_int_equal(mkfifo(f->csv2, 0600), 0);
    assert_int_equal(pthread_create(&thread, NULL, feed_pipe, &p), 0);
    DBFIX_OK(mop_csv_import(f->csv2, f->db2, &err));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(unlink(f->csv2), 0);
    DBFIX_OK(mop_csv_export(f->db2, f->csv2, &err));
    expect_same_files(f->csv, f->csv2);
}

/* --- random text
 * -------------------------------------------------------------------------------------- */

static void hostile_text(char *dst, size_t size, mop_rng *rng)
{
    static const char *const parts[] = {
        ",",    "\"", "\"\"", "\n", "\r\n", "\r", " ", "\t",           "a",   "b c", "\xc3\xa9",
        "\xff", "'",  ";",    "=1", "NULL", "-",  "0", "\xef\xbb\xbf", "\x01"};
    size_t n = 0, want = (size_t)mop_rng_below(rng, 12);
    memset(dst, 0, size);
    for (size_t i = 0; i < want; i++) {
        const char *part = parts[mop_rng_below(rng, sizeof parts / sizeof parts[0])];
        if (n + strlen(part) + 1 > size)
            break;
        memcpy(dst + n, part, strlen(part));
        n += strlen(part);
    }
}

static void hostile_texts(mop_record_kind kind, void *record, mop_rng *rng)
{
    const mop_fields *fields = mop_fields_of(kind);
    for (size_t i = 0; i < fields->n; i++)
        if (fields->field[i].kind == MOP_FIELD_TEXT)
            hostile_text((char *)record + fields->field[i].offset, fields->field[i].size, rng);
}

static void fill_hostile(const char *path, mop_rng *rng)
{
    mop_store *store = NULL;
    mop_err err = {0};
    DBFIX_OK(mop_store_open(path, &store, &err));
    for (int sweep = 0; sweep < 2; sweep++) {
        mop_sweep_record w = dbfix_sweep((uint64_t)sweep);
        mop_measurement_record m[3];
        mop_sample_record samples[6];
        int64_t id;
        hostile_texts(MOP_RECORD_SWEEP, &w, rng);
        memcpy(w.kind, "sweep", sizeof "sweep");
        DBFIX_OK(mop_store_begin_plan(store, &w, &id, &err));
        for (int i = 0; i < 3; i++) {
            mop_device_record d = dbfix_device("cpu");
            mop_model_record model = dbfix_model("x", i);
            int64_t device_id, model_id;
            hostile_texts(MOP_RECORD_DEVICE, &d, rng);
            hostile_texts(MOP_RECORD_MODEL, &model, rng);
            DBFIX_OK(mop_store_put_device(store, &d, &device_id, &err));
            DBFIX_OK(mop_store_put_model(store, &model, NULL, 0, &model_id, &err));
            m[i] = dbfix_measurement(model_id, device_id);
            m[i].error = mop_rng_normal(rng) * 1e-300;
            m[i].error_bound = INFINITY;
            m[i].node_error = i == 0 ? (double)NAN : -0.0;
            hostile_texts(MOP_RECORD_MEASUREMENT, &m[i], rng);
            DBFIX_OK(mop_store_put_measurement(store, id, &m[i], &err));
        }
        DBFIX_OK(mop_store_commit_plan(store, &err));
        for (uint32_t p = 0; p < 2; p++) { /* the third measurement has no samples */
            mop_pass_record pass = {.pass = p, .samples = samples, .n_samples = 6};
            dbfix_samples(&samples[0], m[0].id, p, 3, 1000, rng);
            dbfix_samples(&samples[3], m[1].id, p, 3, 1000, rng);
            DBFIX_OK(mop_store_commit_pass(store, id, &pass, &err));
        }
    }
    DBFIX_OK(mop_store_close(store, &err));
}

static void random_text_goes_out_and_comes_back_identical(void **unused)
{
    (void)unused;
    for (uint64_t seed = 0; seed < 12; seed++) {
        void *state;
        mop_rng rng;
        print_message("seed %u\n", (unsigned)seed);
        mop_rng_init(&rng, seed, 0);
        (void)set_up(&state);
        fill_hostile(((fixture *)state)->db, &rng);
        there_and_back(state);
        (void)tear_down(&state);
    }
}

/* --- mistakes
 * ----------------------------------------------------------------------------------------- */

/* The text of f->csv with the first `from` after `after` replaced. */
static void edit(const fixture *f, const char *after, const char *from, const char *to)
{
    size_t n, head;
    char *text = dbfix_read(f->csv, &n), *at, *out;
    assert_non_null(text);
    at = strstr(text, after);
    assert_non_null(at);
    at = strstr(at, from);
    assert_non_null(at);
    head = (size_t)(at - text);
    out = calloc(n + strlen(to) + 1, 1);
    assert_non_null(out);
    memcpy(out, text, head);
    memcpy(out + head, to, strlen(to));
    memcpy(out + head + strlen(to), at + strlen(from), n - head - strlen(from));
    dbfix_write(f->csv2, out, n - strlen(from) + strlen(to));
    free(text);
    free(out);
}

static void mistakes_are_told_with_line_and_column_and_change_nothing(void **state)
{
    static const struct {
        const char *after, *from, *to, *words;
    } cases[] = {
        {"sweep", "sample_wall_ns", "sample_wal_ns", "did you mean sample_wall_ns?"},
        {"sweep", "device_name", "device_type", "this column comes twice"},
        {"sweep", ",sample_flags,", ",", "the column sample_flags is missing"},
        {"\n1,1,", "1,1,", "1,x,", ":2:3: measurement cannot be \"x\""},
        {"\n1,1,", "1,1,", "1,,", ":2:3: measurement is empty"},
        {"\n1,1,", "1,1,", "1,1,1,", "more than"},
        {"\n1,1,", "1,1,", "1,", "this row has"},
        {"\n1,1,", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z and much later",
         ":2:5: sweep_started_utc has 35 bytes, and at most 23 fit"},
        {"\n1,2,", "1,2,", "1,1,", "differs from the row above of the same measurement"},
        {"\n1,3,", "1,3,", "1,1,", "not in the order of sweep and measurement"},
        {"\n1,4,", "vulkan", "vul\"kan", "a quote stands where"},
        {"\n1,4,", "vulkan", "\"vulkan", "never ends"},
        {"\n1,4,", "feedfacecafebeef", "feedfacecafebee", "measurement_checksum cannot be"},
        {"\n1,4,", "done", "gone", "measurement_state cannot be \"gone\""},
    };
    fixture *f = *state;
    mop_err err = {0};
    dbfix_fill(f->db);
    DBFIX_OK(mop_csv_export(f->db, f->csv, &err));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n, m;
        char *before = dbfix_read(f->db, &n), *after;
        edit(f, cases[i].after, cases[i].from, cases[i].to);
        err = (mop_err){0};
        if (mop_csv_import(f->csv2, f->db2, &err) != MOP_EINVAL)
            fail_msg("case %zu is let through: %s", i, err.msg);
        if (strstr(err.msg, cases[i].words) == NULL || strstr(err.msg, "b.csv:") == NULL)
            fail_msg("case %zu says \"%s\"", i, err.msg);
        assert_int_not_equal(access(f->db2, F_OK), 0);
        err = (mop_err){0};
        assert_int_equal(mop_csv_import(f->csv2, f->db, &err), MOP_EINVAL);
        after = dbfix_read(f->db, &m);
        assert_int_equal(n, m);
        assert_memory_equal(before, after, n);
        free(before);
        free(after);
    }
}

/* Samples of unchecked measurements pass the first reading: only the database knows that rule. */
static void what_the_database_refuses_is_undone_and_told_with_its_place(void **state)
{
    static const char mark[] = "feedfacecafebeef,";
    fixture *f = *state;
    mop_err err = {0};
    size_t n;
    char *text, *at, *a;
    dbfix_fill(f->db);
    DBFIX_OK(mop_csv_export(f->db, f->csv, &err));
    text = dbfix_read(f->csv, &n);
    while ((at = strstr(text, mark)) != NULL)
        memmove(at, at + sizeof mark - 2, strlen(at + sizeof mark - 2) + 1);
    dbfix_write(f->csv2, text, strlen(text));
    free(text);
    assert_int_equal(mop_csv_import(f->csv2, f->db2, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "b.csv:2:1: run 0 of pass 0"));
    assert_non_null(strstr(err.msg, "not checked against the reference"));
    assert_int_not_equal(access(f->db2, F_OK), 0);
    err = (mop_err){0};
    assert_int_equal(mop_csv_import(f->csv2, f->db, &err), MOP_EINVAL);
    a = query_json(f->db, "SELECT count(*) AS n FROM sweep");
    assert_non_null(strstr(a, "\"n\": 1"));
    free(a);
}

static void a_missing_file_and_a_full_disk_are_told(void **state)
{
    fixture *f = *state;
    mop_err err = {0};
    assert_int_equal(mop_csv_import(f->csv, f->db, &err), MOP_EIO);
    assert_non_null(strstr(err.msg, "a.csv"));
    err = (mop_err){0};
    assert_int_equal(mop_csv_export(f->db, f->csv, &err), MOP_EINVAL);
    assert_int_not_equal(access(f->csv, F_OK), 0);
    dbfix_fill(f->db);
    err = (mop_err){0};
    assert_int_equal(mop_csv_export(f->db, "/dev/full", &err), MOP_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_exported_database_comes_back_with_its_results, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(importing_adds_a_sweep_and_keeps_the_others, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_there_already_adds_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_of_an_older_release_is_read_with_what_its_rows_meant,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_comes_through_a_pipe, set_up, tear_down),
        cmocka_unit_test(random_text_goes_out_and_comes_back_identical),
        cmocka_unit_test_setup_teardown(mistakes_are_told_with_line_and_column_and_change_nothing,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_database_refuses_is_undone_and_told_with_its_place,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_file_and_a_full_disk_are_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
