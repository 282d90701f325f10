/* Every field of every record, by run_fields.def: it has a column, and what goes in comes back. */
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
#include "db/sql.h"
#include "tests/support/db_fixture.h"

typedef struct fixture {
    char dir[256], path[512];
    mop_store *store;
    int64_t sweep;
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
    case MOP_FIELD_OPT_TEXT: /* a grade has its own words */
        if (field->size == 2)
            at[0] = "\0ABCX"[u % 5];
        else
            random_text(at, field->size, rng);
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
    mop_visit_record visit;
    mop_control_record control;
    mop_worker_record worker;
    mop_pass_record pass;
    mop_err err = {0};
    void *records[] = {
        [MOP_RECORD_SWEEP] = &sweep,     [MOP_RECORD_DEVICE] = &device,
        [MOP_RECORD_MODEL] = &model,     [MOP_RECORD_LAYER] = &layer,
        [MOP_RECORD_MEASUREMENT] = &m,   [MOP_RECORD_SAMPLE] = &sample,
        [MOP_RECORD_PASS] = &pass,       [MOP_RECORD_VISIT] = &visit,
        [MOP_RECORD_CONTROL] = &control, [MOP_RECORD_WORKER] = &worker,
    };
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++)
        fill_record((mop_record_kind)i, records[i], rng);
    pass.began_ns = 5;
    pass.ended_ns = 6;
    /* What a schema forbids is tested elsewhere: counts are there, a time is not negative. */
    model.params = model.macs = model.flops = model.elementwise = 1;
    model.activations = model.bytes = layer.params = layer.macs = 2;
    layer.elementwise = layer.bytes = 3;
    sample.wall_ns = 1234567;
    memset(sweep.kind, 0, sizeof sweep.kind);
    memcpy(sweep.kind, "sweep", 5);
    memset(sweep.uuid, 0, sizeof sweep.uuid);
    (void)snprintf(sweep.uuid, sizeof sweep.uuid, "%016llx", (unsigned long long)sweep.seed);
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
    visit.measurement_id = m.id;
    visit.pass = pass.pass = sample.pass;
    pass.samples = &sample;
    pass.visits = &visit;
    pass.n_samples = pass.n_visits = 1;
    DBFIX_OK(mop_store_put_control(f->store, f->sweep, &control, &err));
    DBFIX_OK(mop_store_put_worker(f->store, f->sweep, &worker, &err));
    DBFIX_OK(mop_store_commit_pass(f->store, f->sweep, &pass, &err));
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++)
        expect_stored(f, (mop_record_kind)i, records[i]);
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
            dbfix_expect(f->path, sql, "1");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_every_record_comes_back),
        cmocka_unit_test_setup_teardown(every_stored_field_has_its_column, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
