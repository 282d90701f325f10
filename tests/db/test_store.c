/* What the store keeps: plans, statistics, layer times, the schema; and what it refuses.
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

#include <sqlite3.h>

#include "db/query.h"
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

static void commit(fixture *f, const mop_sample_record *samples, size_t n, uint32_t pass)
{
    mop_pass_record p = {
        .pass = pass, .began_ns = 1, .ended_ns = 2, .samples = samples, .n_samples = n};
    mop_err err = {0};
    DBFIX_OK(mop_store_commit_pass(f->store, f->sweep, &p, &err));
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
    DBFIX_OK(mop_store_finish_sweep(f->store, f->sweep, (double)NAN, &err));
    dbfix_expect(f->path, "SELECT state FROM sweep", "stopped");
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
    DBFIX_OK(mop_store_finish_sweep(f->store, f->sweep, (double)NAN, &err));
    dbfix_expect(f->path, "SELECT state FROM sweep", "done");
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
    dbfix_expect(f->path, "SELECT count(*) FROM calibration", "3");
    dbfix_expect(f->path, "SELECT value FROM calibration WHERE sweep_id = 1", "100000000000");
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
    dbfix_expect(f->path, "SELECT (SELECT count(*) FROM sweep) + (SELECT count(*) FROM device)",
                 "0");
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
    dbfix_expect(f->path, "SELECT count(*) FROM pass", "0");
    err = (mop_err){0};
    DBFIX_OK(mop_store_update_measurement(f->store, &f->m, &err));
    DBFIX_OK(mop_store_commit_pass(f->store, f->sweep, &pass, &err));
    err = (mop_err){0};
    assert_int_equal(mop_store_commit_pass(f->store, f->sweep, &pass, &err), MOP_EINVAL);
    dbfix_expect(f->path, "SELECT count(*) FROM sample", "1");
}

static void layers_add_up_and_are_stored_once(void **state)
{
    fixture *f = *state;
    const int64_t ns[DBFIX_LAYERS] = {10, 20, 30}, bad[DBFIX_LAYERS] = {10, -20, 30},
                  more[DBFIX_LAYERS] = {11, 21, 31};
    mop_err err = {0};
    plan(f);
    assert_int_equal(mop_store_put_layer_times(f->store, f->m.id, 0,
                                               &(mop_layer_times){ns, DBFIX_LAYERS, 61, 61}, &err),
                     MOP_EINVAL);
    err = (mop_err){0};
    assert_int_equal(
        mop_store_put_layer_times(f->store, f->m.id, 0, &(mop_layer_times){ns, 2, 30, 30}, &err),
        MOP_EINVAL);
    err = (mop_err){0};
    assert_int_equal(mop_store_put_layer_times(f->store, f->m.id, 0,
                                               &(mop_layer_times){bad, DBFIX_LAYERS, 20, 20}, &err),
                     MOP_EINVAL);
    err = (mop_err){0};
    DBFIX_OK(mop_store_put_layer_times(f->store, f->m.id, 0,
                                       &(mop_layer_times){ns, DBFIX_LAYERS, 60, 60}, &err));
    DBFIX_OK(mop_store_put_layer_times(f->store, f->m.id, 0,
                                       &(mop_layer_times){more, DBFIX_LAYERS, 63, 63}, &err));
    dbfix_expect(f->path, "SELECT sum(ns) FROM layer_time", "60");
}

static void a_model_planned_without_layers_takes_their_times(void **state)
{
    fixture *f = *state;
    mop_sweep_record sweep = dbfix_sweep(3);
    mop_model_record model = dbfix_model("resnet18", 1);
    mop_measurement_record m;
    const int64_t ns[2] = {10, 20};
    int64_t id;
    mop_err err = {0};
    plan(f);
    DBFIX_OK(mop_store_begin_plan(f->store, &sweep, &id, &err));
    DBFIX_OK(mop_store_put_model(f->store, &model, NULL, 0, &f->model, &err));
    m = dbfix_measurement(f->model, f->device);
    DBFIX_OK(mop_store_put_measurement(f->store, id, &m, &err));
    DBFIX_OK(mop_store_commit_plan(f->store, &err));
    DBFIX_OK(mop_store_put_layer_times(f->store, m.id, 0, &(mop_layer_times){ns, 2, 30, 30}, &err));
    dbfix_expect(f->path, "SELECT sum(ns) FROM layer_time", "30");
}

/* Two rows of one network: the first to be prepared leaves the other's model alone. */
static void a_model_planned_without_layers_gets_them_on_resume(void **state)
{
    fixture *f = *state;
    mop_sweep_record sweep = dbfix_sweep(3);
    mop_model_record model = dbfix_model("resnet18", 1);
    mop_layer_record layers[2] = {dbfix_layer(0, 1), dbfix_layer(1, 2)};
    mop_measurement_record m[2];
    const int64_t ns[2] = {10, 20};
    int64_t id;
    mop_err err = {0};
    plan(f);
    DBFIX_OK(mop_store_begin_plan(f->store, &sweep, &id, &err));
    DBFIX_OK(mop_store_put_model(f->store, &model, NULL, 0, &f->model, &err));
    for (int i = 0; i < 2; i++) {
        m[i] = dbfix_measurement(f->model, f->device);
        m[i].threads = i + 1;
        DBFIX_OK(mop_store_put_measurement(f->store, id, &m[i], &err));
    }
    DBFIX_OK(mop_store_commit_plan(f->store, &err));
    DBFIX_OK(mop_store_complete_model(f->store, m[0].id, &model, layers, 2, &err));
    dbfix_expect(f->path, "SELECT count(*) FROM model WHERE variant = 'resnet18'", "2");
    DBFIX_OK(mop_store_complete_model(f->store, m[1].id, &model, layers, 2, &err));
    dbfix_expect(f->path, "SELECT count(*) FROM model WHERE variant = 'resnet18'", "1");
    DBFIX_OK(mop_store_complete_model(f->store, m[1].id, &model, layers, 1, &err)); /* has some */
    DBFIX_OK(
        mop_store_put_layer_times(f->store, m[1].id, 0, &(mop_layer_times){ns, 2, 30, 30}, &err));
    dbfix_expect(
        f->path,
        "SELECT count(*) FROM layer JOIN measurement USING (model_id) "
        "JOIN layer_time ON measurement_id = measurement.id AND layer_time.idx = layer.idx",
        "2");
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
    assert_int_equal(mop_store_finish_sweep(f->store, 98, (double)NAN, &err), MOP_EINVAL);
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
    dbfix_expect(f->path, "SELECT n || ' ' || n_clean || ' ' || passes FROM stat", "24 16 8");
    dbfix_expect(f->path, "SELECT min_ns FROM stat", "1000");
    /* 1000..1007 and 1010..1017: the middle is between 1007 and 1010 */
    dbfix_expect(f->path, "SELECT median_ns FROM stat", "1008.5");
    dbfix_expect(f->path, "SELECT max_ns FROM stat", "500000");
    /* pass medians 1005..1012; for n = 8 the 95 % interval is x(1)..x(8) (coverage 0.992) */
    dbfix_expect(f->path, "SELECT ci_low_ns || ' ' || ci_high_ns FROM stat", "1005.0 1012.0");
    dbfix_expect(f->path, "SELECT mean_ns FROM stat", "1008.5");
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
    dbfix_expect(
        f->path,
        "SELECT n = 1 AND n_clean = 0 AND median_ns IS NULL AND mean_ns IS NULL AND mad_ns IS "
        "NULL AND ci_low_ns IS NULL AND max_ns = median_all_ns FROM stat",
        "1");
    dbfix_expect(f->path, "SELECT count(*) FROM result WHERE median_ns IS NULL", "1");
}

/* --- schema
 * ------------------------------------------------------------------------------------------- */

static void the_view_result_begins_with_the_promised_columns(void **state)
{
    fixture *f = *state;
    dbfix_expect(
        f->path,
        "SELECT group_concat(name) FROM (SELECT name FROM pragma_table_info('result') "
        "ORDER BY cid LIMIT 22)",
        "variant,family,form,height,width,backend,device,dtype,threads,batch,params,macs,flops,"
        "activations,n_clean,n,min_ns,p5_ns,median_ns,ci_low_ns,ci_high_ns,grade");
}

static void every_table_is_strict_and_keys_hold(void **state)
{
    fixture *f = *state;
    plan(f);
    dbfix_expect(
        f->path,
        "SELECT group_concat(name) FROM pragma_table_list WHERE schema = 'main' AND type = "
        "'table' AND strict = 0 AND name NOT LIKE 'sqlite%'",
        "");
    dbfix_expect(
        f->path,
        "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND "
        "strict = 1",
        "16");
}

/* One line a column: name, type, and whether it must be there. A change of the schema is a
 * migration and a new line here; lines never go away. */
static void the_schema_is_the_golden_one(void **state)
{
    fixture *f = *state;
    mop_table t = {0};
    mop_db *db = NULL;
    mop_err err = {0};
    size_t n;
    char *golden = dbfix_read("tests/db/data/schema.txt", &n), *line = golden;
    assert_non_null(golden);
    DBFIX_OK(mop_db_open(f->path, &db, &err));
    DBFIX_OK(mop_db_query(db,
                          "SELECT s.type || ' ' || s.name || '.' || c.name || ' ' || c.type || "
                          "CASE WHEN c.\"notnull\" THEN ' not null' ELSE '' END "
                          "FROM sqlite_schema AS s JOIN pragma_table_info(s.name) AS c "
                          "WHERE s.type IN ('table', 'view') ORDER BY s.type, s.name, c.cid",
                          NULL, 0, &t, &err));
    for (size_t r = 0; r < t.n_rows; r++) {
        char *end = strchr(line, '\n');
        if (end == NULL)
            fail_msg("%s is not in tests/db/data/schema.txt", t.cells[r].text);
        *end = '\0';
        assert_string_equal(t.cells[r].text, line);
        line = end + 1;
    }
    assert_string_equal(line, "");
    mop_table_release(&t);
    mop_db_close(db);
    free(golden);
}

static void references_name_their_source(void **state)
{
    fixture *f = *state;
    dbfix_expect(f->path, "SELECT count(*) > 20 AND min(length(source)) > 10 FROM reference", "1");
    dbfix_expect(
        f->path,
        "SELECT value FROM reference WHERE variant='mobileone-s1' AND metric='top1_percent'",
        "75.9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_resumed_sweep_has_all_measurements_and_samples, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(devices_and_models_are_found_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_aborted_plan_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_time_is_stored_without_a_checked_output, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(layers_add_up_and_are_stored_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_model_planned_without_layers_takes_their_times, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_model_planned_without_layers_gets_them_on_resume, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_unknown_row_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(statistics_are_of_clean_samples_per_inference, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(refreshed_statistics_are_bit_identical, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_measurement_without_clean_samples_has_no_median, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_view_result_begins_with_the_promised_columns, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(every_table_is_strict_and_keys_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_schema_is_the_golden_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(references_name_their_source, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
