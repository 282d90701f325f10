/* What the store keeps: every field of every record, statistics, layer times, and what it refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/fields.h"
#include "db/query.h"
#include "db/sql.h"
#include "tests/support/db_fixture.h"

typedef struct fixture {
    char dir[256], path[512];
    mop_store *store;
    int64_t sweep, device, model;
    mop_measurement_record m;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    mop_err err = {0};
    assert_non_null(f);
    dbfix_dir(f->dir);
    dbfix_path(f->path, f->dir, "a.db");
    DBFIX_OK(mop_store_open(f->path, &f->store, &err));
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

/* One sweep of one measurement with DBFIX_LAYERS layers. */
static void plan(fixture *f)
{
    mop_sweep_record sweep = dbfix_sweep(1);
    mop_device_record device = dbfix_device("cpu");
    mop_model_record model = dbfix_model("cnn30", 1000);
    mop_layer_record layers[DBFIX_LAYERS] = {dbfix_layer(0, 1), dbfix_layer(1, 2),
                                             dbfix_layer(2, 3)};
    mop_err err = {0};
    DBFIX_OK(mop_store_begin_plan(f->store, &sweep, &f->sweep, &err));
    DBFIX_OK(mop_store_put_device(f->store, &device, &f->device, &err));
    DBFIX_OK(mop_store_put_model(f->store, &model, layers, DBFIX_LAYERS, &f->model, &err));
    f->m = dbfix_measurement(f->model, f->device);
    DBFIX_OK(mop_store_put_measurement(f->store, f->sweep, &f->m, &err));
    DBFIX_OK(mop_store_commit_plan(f->store, &err));
}

/* The first cell of a query over the database while it is open for writing. */
static void expect(const fixture *f, const char *sql, const char *text)
{
    mop_table t = {0};
    mop_db *db = NULL;
    mop_err err = {0};
    DBFIX_OK(mop_db_open(f->path, &db, &err));
    DBFIX_OK(mop_db_query(db, sql, NULL, 0, &t, &err));
    assert_true(t.n_rows >= 1);
    assert_string_equal(t.cells[0].text, text);
    mop_table_release(&t);
    mop_db_close(db);
}

static void commit(fixture *f, const mop_sample_record *samples, size_t n, uint32_t pass)
{
    mop_pass_record p = {
        .pass = pass, .began_ns = 1, .ended_ns = 2, .samples = samples, .n_samples = n};
    mop_err err = {0};
    DBFIX_OK(mop_store_commit_pass(f->store, f->sweep, &p, &err));
}

/* --- round trips over run_fields.def
 * ------------------------------------------------------------------ */

static void random_text(char *dst, size_t size, mop_rng *rng)
{
    size_t n = (size_t)mop_rng_below(rng, size);
    for (size_t i = 0; i < n; i++)
        dst[i] = (char)(1 + mop_rng_below(rng, 127));
}

static void random_field(const mop_field *field, void *record, mop_rng *rng)
{
    char *at = (char *)record + field->offset;
    uint64_t u = mop_rng_u64(rng);
    double r = mop_rng_normal(rng);
    switch (field->kind) {
    case MOP_FIELD_TEXT:
        random_text(at, field->size, rng);
        break;
    case MOP_FIELD_OPT_TEXT: /* grade is the only one, and has its own words */
        at[0] = "\0ABCX"[u % 5];
        break;
    case MOP_FIELD_BOOL:
        memcpy(at, &(bool){u % 2 == 1}, sizeof(bool));
        break;
    case MOP_FIELD_STATE:
        memcpy(at, &(mop_state){(mop_state)(u % 4)}, sizeof(mop_state));
        break;
    case MOP_FIELD_STOP:
        memcpy(at, &(mop_stop_reason){(mop_stop_reason)(u % 6)}, sizeof(mop_stop_reason));
        break;
    case MOP_FIELD_F64:
        if (u % 4 == 0)
            r = (double)NAN;
        memcpy(at, &r, sizeof r);
        break;
    case MOP_FIELD_I64:
        u = u % 4 == 0 ? (uint64_t)MOP_ABSENT : u >> 2;
        memcpy(at, &u, field->size);
        break;
    case MOP_FIELD_OPT_HEX:
        u = u % 4 == 0 ? 0 : u;
        memcpy(at, &u, field->size);
        break;
    case MOP_FIELD_I32:
    case MOP_FIELD_U32:
        memcpy(at, &(uint32_t){(uint32_t)(u >> 33) + 1}, sizeof(uint32_t));
        break;
    default: /* 64 bits of anything */
        memcpy(at, &u, field->size);
    }
}

static void fill_record(mop_record_kind kind, void *record, mop_rng *rng)
{
    const mop_fields *f = mop_fields_of(kind);
    memset(record, 0, f->record_bytes);
    for (size_t i = 0; i < f->n; i++)
        random_field(&f->field[i], record, rng);
}

/* The only row of the record's table equals record, field by field, after the file was closed. */
static void expect_stored(const fixture *f, mop_record_kind kind, const void *record)
{
    const mop_fields *fields = mop_fields_of(kind);
    void *back = calloc(1, fields->record_bytes);
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    mop_str sql = {0};
    mop_err err = {0};
    assert_non_null(back);
    mop_str_add(&sql, "SELECT ");
    mop_fields_columns(fields, NULL, &sql);
    mop_str_addf(&sql, " FROM %s", fields->table);
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    DBFIX_OK(mop_sql_prepare(db, mop_str_get(&sql), f->path, &stmt, &err));
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    DBFIX_OK(mop_fields_read(stmt, 0, fields, back, &err));
    for (size_t i = 0; i < fields->n; i++) {
        const mop_field *field = &fields->field[i];
        if (memcmp((char *)back + field->offset, (const char *)record + field->offset,
                   field->size) != 0)
            fail_msg("%s.%s does not come back", fields->table, field->column);
    }
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
    mop_str_release(&sql);
    free(back);
}

static void store_random(fixture *f, mop_rng *rng)
{
    mop_sweep_record sweep;
    mop_device_record device;
    mop_model_record model;
    mop_layer_record layer;
    mop_measurement_record m;
    mop_sample_record sample;
    mop_err err = {0};
    fill_record(MOP_RECORD_SWEEP, &sweep, rng);
    fill_record(MOP_RECORD_DEVICE, &device, rng);
    fill_record(MOP_RECORD_MODEL, &model, rng);
    fill_record(MOP_RECORD_LAYER, &layer, rng);
    fill_record(MOP_RECORD_MEASUREMENT, &m, rng);
    fill_record(MOP_RECORD_SAMPLE, &sample, rng);
    /* What a schema forbids is tested elsewhere: counts are there, a time is not negative. */
    model.params = model.macs = model.flops = model.elementwise = 1;
    model.activations = model.bytes = layer.params = layer.macs = 2;
    layer.elementwise = layer.bytes = 3;
    sample.wall_ns = 1234567;
    DBFIX_OK(mop_store_begin_plan(f->store, &sweep, &f->sweep, &err));
    DBFIX_OK(mop_store_put_device(f->store, &device, &m.device_id, &err));
    DBFIX_OK(mop_store_put_model(f->store, &model, &layer, 1, &m.model_id, &err));
    DBFIX_OK(mop_store_put_measurement(f->store, f->sweep, &m, &err));
    DBFIX_OK(mop_store_commit_plan(f->store, &err));
    expect_stored(f, MOP_RECORD_MEASUREMENT, &m);
    m.state = MOP_PENDING; /* a sample needs a checked measurement */
    m.checksum = 1;
    m.error = 0.5;
    DBFIX_OK(mop_store_update_measurement(f->store, &m, &err));
    sample.measurement_id = m.id;
    commit(f, &sample, 1, sample.pass);
    expect_stored(f, MOP_RECORD_SWEEP, &sweep);
    expect_stored(f, MOP_RECORD_DEVICE, &device);
    expect_stored(f, MOP_RECORD_MODEL, &model);
    expect_stored(f, MOP_RECORD_LAYER, &layer);
    expect_stored(f, MOP_RECORD_MEASUREMENT, &m);
    expect_stored(f, MOP_RECORD_SAMPLE, &sample);
}

static void every_field_of_every_record_comes_back(void **unused)
{
    (void)unused;
    for (uint64_t seed = 0; seed < 20; seed++) {
        void *state;
        mop_rng rng;
        print_message("seed %u\n", (unsigned)seed);
        mop_rng_init(&rng, seed, 0);
        (void)set_up(&state);
        store_random(state, &rng);
        (void)tear_down(&state);
    }
}

static void a_resumed_sweep_has_all_measurements_and_samples(void **state)
{
    fixture *f = *state;
    mop_sample_record samples[DBFIX_RUNS];
    mop_resume r = {0};
    mop_err err = {0};
    mop_rng rng;
    mop_rng_init(&rng, 1, 0);
    plan(f);
    for (uint32_t p = 0; p < 3; p++) {
        dbfix_samples(samples, f->m.id, p, DBFIX_RUNS, 1000, &rng);
        commit(f, samples, DBFIX_RUNS, p);
    }
    DBFIX_OK(mop_store_finish_sweep(f->store, f->sweep, &err));
    expect(f, "SELECT state FROM sweep", "stopped");
    DBFIX_OK(mop_store_resume(f->store, 1, &r, &err));
    assert_int_equal(r.sweep_id, f->sweep);
    assert_int_equal(r.seed, 42);
    assert_int_equal(r.next_pass, 3);
    assert_int_equal(r.n_measurements, 1);
    assert_memory_equal(&r.measurements[0], &f->m, sizeof f->m);
    assert_int_equal(r.n_samples, 3 * DBFIX_RUNS);
    assert_memory_equal(&r.samples[2 * DBFIX_RUNS], samples, sizeof samples);
    mop_resume_release(&r);
    DBFIX_OK(mop_store_resume(f->store, 2, &r, &err));
    assert_int_equal(r.sweep_id, 0);
    f->m.state = MOP_DONE;
    DBFIX_OK(mop_store_update_measurement(f->store, &f->m, &err));
    DBFIX_OK(mop_store_finish_sweep(f->store, f->sweep, &err));
    expect(f, "SELECT state FROM sweep", "done");
    DBFIX_OK(mop_store_resume(f->store, 1, &r, &err));
    assert_int_equal(r.sweep_id, 0);
}

/* --- found again
 * -------------------------------------------------------------------------------------- */

static void devices_and_models_are_found_again(void **state)
{
    fixture *f = *state;
    mop_sweep_record sweep = dbfix_sweep(2);
    mop_device_record device = dbfix_device("cpu");
    mop_model_record model = dbfix_model("cnn30", 1000);
    mop_layer_record layers[DBFIX_LAYERS] = {dbfix_layer(0, 1), dbfix_layer(1, 2),
                                             dbfix_layer(2, 3)};
    int64_t id, device_id, model_id;
    mop_err err = {0};
    plan(f);
    device.peak_flops = 2e11; /* measured again: the same device */
    DBFIX_OK(mop_store_begin_plan(f->store, &sweep, &id, &err));
    DBFIX_OK(mop_store_put_device(f->store, &device, &device_id, &err));
    DBFIX_OK(mop_store_put_model(f->store, &model, layers, DBFIX_LAYERS, &model_id, &err));
    assert_int_equal(device_id, f->device);
    assert_int_equal(model_id, f->model);
    (void)snprintf(layers[1].kernel, sizeof layers[1].kernel,
                   "another"); /* another back end's plan */
    DBFIX_OK(mop_store_put_model(f->store, &model, layers, DBFIX_LAYERS, &model_id, &err));
    assert_int_not_equal(model_id, f->model);
    (void)snprintf(device.fingerprint, sizeof device.fingerprint, "cpu=other;");
    DBFIX_OK(mop_store_put_device(f->store, &device, &device_id, &err));
    assert_int_not_equal(device_id, f->device);
    DBFIX_OK(mop_store_commit_plan(f->store, &err));
    expect(f, "SELECT count(*) FROM calibration", "3");
    expect(f, "SELECT value FROM calibration WHERE sweep_id = 1", "100000000000");
}

static void an_aborted_plan_leaves_nothing(void **state)
{
    fixture *f = *state;
    mop_sweep_record sweep = dbfix_sweep(1);
    mop_device_record device = dbfix_device("cpu");
    mop_err err = {0};
    DBFIX_OK(mop_store_begin_plan(f->store, &sweep, &f->sweep, &err));
    assert_int_equal(mop_store_begin_plan(f->store, &sweep, &f->sweep, &err), MOP_EINVAL);
    err = (mop_err){0};
    DBFIX_OK(mop_store_put_device(f->store, &device, &f->device, &err));
    mop_store_abort_plan(f->store);
    expect(f, "SELECT (SELECT count(*) FROM sweep) + (SELECT count(*) FROM device)", "0");
    assert_int_equal(mop_store_put_device(f->store, &device, &f->device, &err), MOP_EINVAL);
    err = (mop_err){0};
    assert_int_equal(mop_store_commit_plan(f->store, &err), MOP_EINVAL);
}

/* --- refusals
 * ----------------------------------------------------------------------------------------- */

static void no_time_is_stored_without_a_checked_output(void **state)
{
    fixture *f = *state;
    mop_sample_record sample;
    mop_pass_record pass = {.pass = 0, .samples = &sample, .n_samples = 1};
    mop_err err = {0};
    mop_rng rng;
    mop_rng_init(&rng, 1, 0);
    plan(f);
    dbfix_samples(&sample, f->m.id, 0, 1, 1000, &rng);
    for (int how = 0; how < 3; how++) {
        mop_measurement_record m = f->m;
        err = (mop_err){0};
        if (how == 0)
            m.checksum = 0;
        else if (how == 1)
            m.error = (double)NAN;
        else
            m.state = MOP_FAILED;
        DBFIX_OK(mop_store_update_measurement(f->store, &m, &err));
        assert_int_equal(mop_store_commit_pass(f->store, f->sweep, &pass, &err), MOP_EINVAL);
        assert_non_null(strstr(err.msg, "not checked against the reference"));
    }
    expect(f, "SELECT count(*) FROM pass", "0");
    err = (mop_err){0};
    DBFIX_OK(mop_store_update_measurement(f->store, &f->m, &err));
    DBFIX_OK(mop_store_commit_pass(f->store, f->sweep, &pass, &err));
    err = (mop_err){0};
    assert_int_equal(mop_store_commit_pass(f->store, f->sweep, &pass, &err), MOP_EINVAL);
    expect(f, "SELECT count(*) FROM sample", "1");
}

static void layers_that_do_not_add_up_are_refused(void **state)
{
    fixture *f = *state;
    const int64_t ns[DBFIX_LAYERS] = {10, 20, 30}, bad[DBFIX_LAYERS] = {10, -20, 30};
    mop_err err = {0};
    plan(f);
    assert_int_equal(mop_store_put_layer_times(f->store, f->m.id, 0, ns, DBFIX_LAYERS, 61, &err),
                     MOP_EINVAL);
    err = (mop_err){0};
    assert_int_equal(mop_store_put_layer_times(f->store, f->m.id, 0, ns, 2, 30, &err), MOP_EINVAL);
    err = (mop_err){0};
    assert_int_equal(mop_store_put_layer_times(f->store, f->m.id, 0, bad, DBFIX_LAYERS, 20, &err),
                     MOP_EINVAL);
    err = (mop_err){0};
    DBFIX_OK(mop_store_put_layer_times(f->store, f->m.id, 0, ns, DBFIX_LAYERS, 60, &err));
    expect(f, "SELECT sum(ns) FROM layer_time", "60");
}

static void an_unknown_row_is_named(void **state)
{
    fixture *f = *state;
    mop_err err = {0};
    plan(f);
    f->m.id = 99;
    assert_int_equal(mop_store_update_measurement(f->store, &f->m, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "no measurement 99"));
    err = (mop_err){0};
    assert_int_equal(mop_store_finish_sweep(f->store, 98, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "no sweep 98"));
}

/* --- statistics
 * --------------------------------------------------------------------------------------- */

static void statistics_are_of_clean_samples_per_inference(void **state)
{
    fixture *f = *state;
    mop_sample_record s[3];
    mop_rng rng;
    mop_rng_init(&rng, 1, 0);
    plan(f);
    for (uint32_t p = 0; p < 8; p++) {
        dbfix_samples(s, f->m.id, p, 3, 1000, &rng);
        s[0].wall_ns = 1000 + p;
        s[1].wall_ns = 4 * (1010 + p);
        s[1].batched = 4;
        s[2].wall_ns = 500000;
        s[2].flags = MOP_FLAG_PREEMPTED;
        commit(f, s, 3, p);
    }
    expect(f, "SELECT n || ' ' || n_clean || ' ' || passes FROM stat", "24 16 8");
    expect(f, "SELECT min_ns FROM stat", "1000");
    /* 1000..1007 and 1010..1017: the middle is between 1007 and 1010 */
    expect(f, "SELECT median_ns FROM stat", "1008.5");
    expect(f, "SELECT max_ns FROM stat", "500000");
    /* pass medians 1005..1012; for n = 8 the 95 % interval is x(1)..x(8) (coverage 0.992) */
    expect(f, "SELECT ci_low_ns || ' ' || ci_high_ns FROM stat", "1005.0 1012.0");
    expect(f, "SELECT mean_ns FROM stat", "1008.5");
}

static void refreshed_statistics_are_bit_identical(void **state)
{
    fixture *f = *state;
    mop_sample_record s[DBFIX_RUNS];
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    char before[4][sizeof(double)];
    static const char columns[] = "SELECT median_ns, mean_ns, mad_ns, ci_low_ns FROM stat";
    mop_err err = {0};
    mop_rng rng;
    mop_rng_init(&rng, 9, 0);
    plan(f);
    for (uint32_t p = 0; p < 20; p++) {
        dbfix_samples(s, f->m.id, p, DBFIX_RUNS, 1000003, &rng);
        s[p % DBFIX_RUNS].batched = 7;
        commit(f, s, DBFIX_RUNS, p);
    }
    for (int round = 0; round < 2; round++) {
        assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, columns, -1, &stmt, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        for (int c = 0; c < 4; c++) {
            double v = sqlite3_column_double(stmt, c);
            assert_true(v > 0);
            if (round == 0)
                memcpy(before[c], &v, sizeof v);
            else
                assert_memory_equal(before[c], &v, sizeof v);
        }
        (void)sqlite3_finalize(stmt);
        (void)sqlite3_close(db);
        if (round == 0)
            DBFIX_OK(mop_store_refresh_stats(f->store, &err));
    }
}

static void a_measurement_without_clean_samples_has_no_median(void **state)
{
    fixture *f = *state;
    mop_sample_record s[1];
    mop_rng rng;
    mop_rng_init(&rng, 9, 0);
    plan(f);
    dbfix_samples(s, f->m.id, 0, 1, 1000, &rng);
    s[0].flags = MOP_FLAG_STEAL;
    commit(f, s, 1, 0);
    expect(f,
           "SELECT n = 1 AND n_clean = 0 AND median_ns IS NULL AND mean_ns IS NULL AND mad_ns IS "
           "NULL AND ci_low_ns IS NULL AND max_ns = median_all_ns FROM stat",
           "1");
    expect(f, "SELECT count(*) FROM result WHERE median_ns IS NULL", "1");
}

/* --- schema
 * ------------------------------------------------------------------------------------------- */

static void the_view_result_begins_with_the_promised_columns(void **state)
{
    fixture *f = *state;
    expect(f,
           "SELECT group_concat(name) FROM (SELECT name FROM pragma_table_info('result') "
           "ORDER BY cid LIMIT 22)",
           "variant,family,form,height,width,backend,device,dtype,threads,batch,params,macs,flops,"
           "activations,n_clean,n,min_ns,p5_ns,median_ns,ci_low_ns,ci_high_ns,grade");
}

static void every_table_is_strict_and_keys_hold(void **state)
{
    fixture *f = *state;
    plan(f);
    expect(f,
           "SELECT group_concat(name) FROM pragma_table_list WHERE schema = 'main' AND type = "
           "'table' AND strict = 0 AND name NOT LIKE 'sqlite%'",
           "");
    expect(f,
           "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND "
           "strict = 1",
           "14");
}

static void every_stored_field_has_its_column(void **state)
{
    fixture *f = *state;
    for (int k = 0; k < MOP_RECORD_COUNT; k++) {
        const mop_fields *fields = mop_fields_of((mop_record_kind)k);
        for (size_t i = 0; i < fields->n; i++) {
            char sql[256];
            (void)snprintf(sql, sizeof sql,
                           "SELECT count(*) FROM pragma_table_info('%s') WHERE name = '%s'",
                           fields->table, fields->field[i].column);
            expect(f, sql, "1");
        }
    }
}

static void references_name_their_source(void **state)
{
    fixture *f = *state;
    expect(f, "SELECT count(*) > 20 AND min(length(source)) > 10 FROM reference", "1");
    expect(f, "SELECT value FROM reference WHERE variant='mobileone-s1' AND metric='top1_percent'",
           "75.9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_every_record_comes_back),
        cmocka_unit_test_setup_teardown(a_resumed_sweep_has_all_measurements_and_samples, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(devices_and_models_are_found_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_aborted_plan_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_time_is_stored_without_a_checked_output, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(layers_that_do_not_add_up_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unknown_row_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(statistics_are_of_clean_samples_per_inference, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(refreshed_statistics_are_bit_identical, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_measurement_without_clean_samples_has_no_median, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_view_result_begins_with_the_promised_columns, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(every_table_is_strict_and_keys_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_stored_field_has_its_column, set_up, tear_down),
        cmocka_unit_test_setup_teardown(references_name_their_source, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
