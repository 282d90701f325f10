/* Rows of a plan: sweep, devices, models with layers, measurements; and their later changes. */
#include <stdlib.h>
#include <string.h>

#include "db/store_internal.h"
#include "profiler/base/hash.h"

/* VERB INTO table (extra..., fields...) VALUES (?1, ...) */
static void insert_sql(const char *verb, const mop_fields *f, const mop_extra *extra,
                       size_t n_extra, mop_str *sql)
{
    mop_str_addf(sql, "%s INTO %s (", verb, f->table);
    for (size_t i = 0; i < n_extra; i++)
        mop_str_addf(sql, "%s, ", extra[i].column);
    mop_fields_columns(f, NULL, sql);
    mop_str_add(sql, ") VALUES (");
    for (size_t i = 0; i < n_extra + f->n; i++)
        mop_str_add(sql, i > 0 ? ", ?" : "?");
    mop_str_add(sql, ")");
}

static mop_status put(mop_store *s, const char *verb, mop_record_kind kind, const void *record,
                      const mop_extra *extra, size_t n_extra, mop_err *err)
{
    const mop_fields *f = mop_fields_of(kind);
    mop_str sql = {0};
    sqlite3_stmt *stmt = NULL;
    mop_status st;
    insert_sql(verb, f, extra, n_extra, &sql);
    st = mop_sql_prepare_built(s->db, &sql, s->path, &stmt, err);
    if (st != MOP_OK)
        return st;
    int rc = SQLITE_OK;
    for (size_t i = 0; i < n_extra && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_int64(stmt, (int)i + 1, extra[i].value);
    if (rc == SQLITE_OK)
        rc = mop_fields_bind(stmt, (int)n_extra + 1, f, record);
    if (rc != SQLITE_OK) {
        st = mop_sql_fail(s->db, rc, "cannot write to the database", s->path, err);
        (void)sqlite3_finalize(stmt); /* never stepped */
        return st;
    }
    return mop_sql_run(s->db, stmt, s->path, err);
}

mop_status mop_insert(mop_store *s, mop_record_kind kind, const void *record,
                      const mop_extra *extra, size_t n_extra, int64_t *id, mop_err *err)
{
    mop_status st = put(s, "INSERT", kind, record, extra, n_extra, err);
    if (st == MOP_OK && id != NULL)
        *id = sqlite3_last_insert_rowid(s->db);
    return st;
}

mop_status mop_replace(mop_store *s, mop_record_kind kind, const void *record,
                       const mop_extra *extra, size_t n_extra, mop_err *err)
{
    return put(s, "INSERT OR REPLACE", kind, record, extra, n_extra, err);
}

mop_status mop_find(mop_store *s, mop_record_kind kind, const void *record, const char *hex_column,
                    uint64_t hex, int64_t *id, mop_err *err)
{
    const mop_fields *f = mop_fields_of(kind);
    mop_str sql = {0};
    sqlite3_stmt *stmt = NULL;
    mop_status st;
    int rc;
    mop_str_addf(&sql, "SELECT id FROM %s WHERE ", f->table);
    for (size_t i = 0; i < f->n; i++)
        mop_str_addf(&sql, "%s%s IS ?%zu", i > 0 ? " AND " : "", f->field[i].column, i + 1);
    if (hex_column != NULL)
        mop_str_addf(&sql, " AND %s = format('%%016x', ?%zu)", hex_column, f->n + 1);
    mop_str_add(&sql, " ORDER BY id LIMIT 1");
    st = mop_sql_prepare_built(s->db, &sql, s->path, &stmt, err);
    if (st != MOP_OK)
        return st;
    rc = mop_fields_bind(stmt, 1, f, record);
    if (rc == SQLITE_OK && hex_column != NULL)
        rc = sqlite3_bind_int64(stmt, (int)f->n + 1, (int64_t)hex);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    *id = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        st = mop_sql_fail(s->db, rc, "cannot read the database", s->path, err);
    (void)sqlite3_finalize(stmt); /* repeats the failure of the step */
    return st;
}

/* --- the plan transaction
 * --------------------------------------------------------------------------- */

/* Runs an UPDATE or DELETE with ?1 = a and ?2 = b. */
static mop_status change(mop_store *s, const char *sql, int64_t a, int64_t b, mop_err *err)
{
    sqlite3_stmt *stmt;
    mop_status st = mop_sql_prepare(s->db, sql, s->path, &stmt, err);
    if (st != MOP_OK)
        return st;
    (void)sqlite3_bind_int64(stmt, 1, a); /* the indices are in range */
    (void)sqlite3_bind_int64(stmt, 2, b);
    return mop_sql_run(s->db, stmt, s->path, err);
}

mop_status mop_store_begin_plan(mop_store *s, const mop_sweep_record *sweep, int64_t *sweep_id,
                                mop_err *err)
{
    mop_status st;
    int64_t id = 0;
    if (s->planning != 0)
        return mop_fail(err, MOP_EINVAL, "sweep %lld is still being planned",
                        (long long)s->planning);
    st = mop_tx_begin(s, err);
    if (st != MOP_OK)
        return st;
    st = mop_insert(s, MOP_RECORD_SWEEP, sweep, NULL, 0, &id, err);
    if (st == MOP_OK)
        st = change(s,
                    "UPDATE sweep SET uuid = lower(hex(randomblob(16))) "
                    "WHERE id = ?1 AND uuid IS NULL AND ?2 = 0",
                    id, 0, err);
    if (st != MOP_OK)
        return mop_tx_end(s, st, err);
    s->planning = id;
    *sweep_id = id;
    return MOP_OK;
}

mop_status mop_store_commit_plan(mop_store *s, mop_err *err)
{
    if (s->planning == 0)
        return mop_fail(err, MOP_EINVAL, "no sweep is being planned");
    s->planning = 0;
    return mop_tx_end(s, MOP_OK, err);
}

void mop_store_abort_plan(mop_store *s)
{
    if (s->planning != 0)
        mop_sql_rollback(s->db);
    s->planning = 0;
}

mop_status mop_store_put_calibration(mop_store *s, int64_t sweep_id, int64_t device_id,
                                     const mop_calibration_record *calibration, mop_err *err)
{
    const mop_extra extra[] = {{.column = "sweep_id", .value = sweep_id},
                               {.column = "device_id", .value = device_id}};
    return mop_replace(s, MOP_RECORD_CALIBRATION, calibration, extra, 2, err);
}

mop_status mop_store_put_control(mop_store *s, int64_t sweep_id, const mop_control_record *control,
                                 mop_err *err)
{
    const mop_extra sweep = {.column = "sweep_id", .value = sweep_id};
    return mop_replace(s, MOP_RECORD_CONTROL, control, &sweep, 1, err);
}

mop_status mop_store_put_worker(mop_store *s, int64_t sweep_id, const mop_worker_record *worker,
                                mop_err *err)
{
    const mop_extra sweep = {.column = "sweep_id", .value = sweep_id};
    return mop_replace(s, MOP_RECORD_WORKER, worker, &sweep, 1, err);
}

mop_status mop_device_row(mop_store *s, const mop_device_record *device, int64_t sweep_id,
                          int64_t *id, mop_err *err)
{
    int64_t row;
    mop_status st = mop_find(s, MOP_RECORD_DEVICE, device, NULL, 0, &row, err);
    if (st == MOP_OK && row == 0)
        st = mop_insert(s, MOP_RECORD_DEVICE, device, NULL, 0, &row, err);
    if (st == MOP_OK && device->peak_flops > 0)
        st = mop_store_put_calibration(
            s, sweep_id, row,
            &(mop_calibration_record){.name = "peak_flops", .value = device->peak_flops}, err);
    if (st == MOP_OK)
        *id = row;
    return st;
}

mop_status mop_store_put_device(mop_store *s, const mop_device_record *device, int64_t *id,
                                mop_err *err)
{
    if (s->planning == 0)
        return mop_fail(err, MOP_EINVAL, "a device is stored while no sweep is being planned");
    return mop_device_row(s, device, s->planning, id, err);
}

/* Texts are hashed with their terminator, so that neighbours cannot trade characters. */
static uint64_t hash_record(uint64_t h, const mop_fields *f, const void *record)
{
    for (size_t i = 0; i < f->n; i++) {
        const char *p = (const char *)record + f->field[i].offset;
        if (f->field[i].kind == MOP_FIELD_TEXT) {
            h = mop_hash(h, p, strnlen(p, f->field[i].size));
            h = mop_hash(h, "", 1);
        } else {
            uint64_t v = 0;
            if (f->field[i].size == sizeof(int32_t)) {
                uint32_t u;
                memcpy(&u, p, sizeof u);
                v = u;
            } else {
                memcpy(&v, p, sizeof v);
            }
            h = mop_hash_u64(h, v);
        }
    }
    return h;
}

uint64_t mop_content_hash(const mop_model_record *model, const mop_layer_record *layers,
                          size_t n_layers)
{
    uint64_t h = hash_record(MOP_HASH_INIT, mop_fields_of(MOP_RECORD_MODEL), model);
    for (size_t i = 0; i < n_layers; i++)
        h = hash_record(h, mop_fields_of(MOP_RECORD_LAYER), &layers[i]);
    return h;
}

mop_status mop_model_row(mop_store *s, const mop_model_record *model, uint64_t content_hash,
                         int64_t *id, bool *is_new, mop_err *err)
{
    int64_t row;
    mop_status st = mop_find(s, MOP_RECORD_MODEL, model, "content_hash", content_hash, &row, err);
    bool found = row != 0;
    if (st == MOP_OK && !found) {
        st = mop_insert(s, MOP_RECORD_MODEL, model, NULL, 0, &row, err);
        if (st == MOP_OK)
            st = change(s, "UPDATE model SET content_hash = format('%016x', ?2) WHERE id = ?1", row,
                        (int64_t)content_hash, err);
    }
    if (st != MOP_OK)
        return st;
    *id = row;
    if (is_new != NULL)
        *is_new = !found;
    return MOP_OK;
}

mop_status mop_model_put(mop_store *s, const mop_model_record *model,
                         const mop_layer_record *layers, size_t n_layers, int64_t *id, mop_err *err)
{
    bool is_new = false;
    int64_t row = 0, have = 0;
    mop_status st =
        mop_model_row(s, model, mop_content_hash(model, layers, n_layers), &row, &is_new, err);
    /* A model that came from a CSV file has its hash but not its layers yet. */
    if (st == MOP_OK && !is_new)
        st = mop_sql_int(s->db, "SELECT count(*) FROM layer WHERE model_id = ?1", row, s->path,
                         &have, err);
    for (size_t i = 0; st == MOP_OK && have == 0 && i < n_layers; i++)
        st = mop_insert(s, MOP_RECORD_LAYER, &layers[i],
                        &(mop_extra){.column = "model_id", .value = row}, 1, NULL, err);
    if (st == MOP_OK)
        *id = row;
    return st;
}

mop_status mop_store_put_model(mop_store *s, const mop_model_record *model,
                               const mop_layer_record *layers, size_t n_layers, int64_t *id,
                               mop_err *err)
{
    if (s->planning == 0)
        return mop_fail(err, MOP_EINVAL, "a model is stored while no sweep is being planned");
    return mop_model_put(s, model, layers, n_layers, id, err);
}

mop_status mop_store_put_measurement(mop_store *s, int64_t sweep_id, mop_measurement_record *m,
                                     mop_err *err)
{
    const mop_extra extra[] = {{.column = "sweep_id", .value = sweep_id},
                               {.column = "model_id", .value = m->model_id},
                               {.column = "device_id", .value = m->device_id}};
    return mop_insert(s, MOP_RECORD_MEASUREMENT, m, extra, 3, &m->id, err);
}

/* --- later changes
 * ---------------------------------------------------------------------------------- */

mop_status mop_store_complete_model(mop_store *s, int64_t measurement_id,
                                    const mop_model_record *model, const mop_layer_record *layers,
                                    size_t n_layers, mop_err *err)
{
    int64_t bare = 0, full = 0;
    mop_status st = mop_sql_int(s->db,
                                "SELECT model_id FROM measurement AS x WHERE id = ?1 AND NOT EXISTS"
                                " (SELECT 1 FROM layer WHERE model_id = x.model_id)",
                                measurement_id, s->path, &bare, err);
    if (st != MOP_OK || bare == 0 || n_layers == 0)
        return st;
    st = mop_tx_begin(s, err);
    if (st != MOP_OK)
        return st;
    st = mop_model_put(s, model, layers, n_layers, &full, err);
    if (st == MOP_OK)
        st = change(s, "UPDATE measurement SET model_id = ?2 WHERE id = ?1", measurement_id, full,
                    err);
    if (st == MOP_OK) /* nobody else's either: then it only looks like a network without layers */
        st = change(s,
                    "DELETE FROM model WHERE id = ?1 AND ?1 <> ?2 AND NOT EXISTS "
                    "(SELECT 1 FROM measurement WHERE model_id = ?1)",
                    bare, full, err);
    return mop_tx_end(s, st, err);
}

mop_status mop_store_update_measurement(mop_store *s, const mop_measurement_record *m, mop_err *err)
{
    const mop_fields *f = mop_fields_of(MOP_RECORD_MEASUREMENT);
    mop_str sql = {0};
    sqlite3_stmt *stmt = NULL;
    mop_status st;
    int rc;
    mop_str_add(&sql, "UPDATE measurement SET ");
    for (size_t i = 0; i < f->n; i++)
        mop_str_addf(&sql, "%s%s = ?%zu", i > 0 ? ", " : "", f->field[i].column, i + 1);
    mop_str_addf(&sql, " WHERE id = ?%zu", f->n + 1);
    st = mop_sql_prepare_built(s->db, &sql, s->path, &stmt, err);
    if (st != MOP_OK)
        return st;
    rc = mop_fields_bind(stmt, 1, f, m);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, (int)f->n + 1, m->id);
    if (rc != SQLITE_OK) {
        st = mop_sql_fail(s->db, rc, "cannot write to the database", s->path, err);
        (void)sqlite3_finalize(stmt); /* never stepped */
        return st;
    }
    st = mop_sql_run(s->db, stmt, s->path, err);
    if (st == MOP_OK && sqlite3_changes(s->db) != 1)
        st = mop_fail(err, MOP_EINVAL, "there is no measurement %lld in %.120s", (long long)m->id,
                      s->path);
    return st;
}

mop_status mop_store_finish_sweep(mop_store *s, int64_t sweep_id, double aa_floor, mop_err *err)
{
    sqlite3_stmt *stmt;
    mop_status st = mop_sql_prepare(s->db,
                                    "UPDATE sweep SET state = CASE WHEN EXISTS (SELECT 1 FROM "
                                    "measurement WHERE sweep_id = ?1 AND state = 'pending') "
                                    "THEN 'stopped' ELSE 'done' END, aa_floor = ?2 WHERE id = ?1",
                                    s->path, &stmt, err);
    if (st != MOP_OK)
        return st;
    (void)sqlite3_bind_int64(stmt, 1, sweep_id);  /* the indices are in range */
    (void)sqlite3_bind_double(stmt, 2, aa_floor); /* NaN becomes NULL */
    st = mop_sql_run(s->db, stmt, s->path, err);
    if (st == MOP_OK && sqlite3_changes(s->db) != 1)
        st = mop_fail(err, MOP_EINVAL, "there is no sweep %lld in %.120s", (long long)sweep_id,
                      s->path);
    return st;
}
