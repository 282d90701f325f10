/* Finished passes and profiled runs: each one transaction, all or nothing. */
#include "db/store_internal.h"

static mop_status insert_samples_with(mop_store *s, sqlite3_stmt *stmt,
                                      const mop_sample_record *samples, size_t n, mop_err *err)
{
    const mop_fields *f = mop_fields_of(MOP_RECORD_SAMPLE);
    for (size_t i = 0; i < n; i++) {
        int rc = sqlite3_bind_int64(stmt, 1, samples[i].measurement_id);
        if (rc == SQLITE_OK)
            rc = mop_fields_bind(stmt, 2, f, &samples[i]);
        if (rc == SQLITE_OK)
            rc = sqlite3_step(stmt);
        if (rc != SQLITE_DONE) {
            if ((rc & 0xff) == SQLITE_CONSTRAINT)
                return mop_fail(err, MOP_EINVAL,
                                "run %u of pass %u of measurement %lld is not stored: %.100s",
                                samples[i].run, samples[i].pass,
                                (long long)samples[i].measurement_id, sqlite3_errmsg(s->db));
            return mop_sql_fail(s->db, rc, "cannot write samples to", s->path, err);
        }
        (void)sqlite3_reset(stmt); /* repeats the outcome of the step */
    }
    return MOP_OK;
}

mop_status mop_samples_insert(mop_store *s, const mop_sample_record *samples, size_t n,
                              mop_err *err)
{
    const mop_fields *f = mop_fields_of(MOP_RECORD_SAMPLE);
    mop_str sql = {0};
    sqlite3_stmt *stmt = NULL;
    mop_status st;
    mop_str_add(&sql, "INSERT INTO sample (measurement_id, ");
    mop_fields_columns(f, NULL, &sql);
    mop_str_add(&sql, ") VALUES (?");
    for (size_t i = 0; i < f->n; i++)
        mop_str_add(&sql, ", ?");
    mop_str_add(&sql, ")");
    st = mop_sql_prepare_built(s->db, &sql, s->path, &stmt, err);
    if (st == MOP_OK)
        st = insert_samples_with(s, stmt, samples, n, err);
    (void)sqlite3_finalize(stmt); /* repeats the outcome of the last step */
    return st;
}

static mop_status insert_pass(mop_store *s, int64_t sweep_id, const mop_pass_record *pass,
                              mop_err *err)
{
    const mop_extra sweep = {.column = "sweep_id", .value = sweep_id};
    mop_status st = mop_insert(s, MOP_RECORD_PASS, pass, &sweep, 1, NULL, err);
    for (size_t i = 0; st == MOP_OK && i < pass->n_visits; i++)
        st = mop_insert(
            s, MOP_RECORD_VISIT, &pass->visits[i],
            &(mop_extra){.column = "measurement_id", .value = pass->visits[i].measurement_id}, 1,
            NULL, err);
    return st;
}

mop_status mop_store_commit_pass(mop_store *s, int64_t sweep_id, const mop_pass_record *pass,
                                 mop_err *err)
{
    mop_status st;
    for (size_t i = 0; i < pass->n_samples; i++)
        if (pass->samples[i].pass != pass->pass)
            return mop_fail(err, MOP_EINVAL, "pass %u holds a sample of pass %u", pass->pass,
                            pass->samples[i].pass);
    st = mop_tx_begin(s, err);
    if (st != MOP_OK)
        return st;
    st = insert_pass(s, sweep_id, pass, err);
    if (st == MOP_OK)
        st = mop_samples_insert(s, pass->samples, pass->n_samples, err);
    if (st == MOP_OK)
        st = mop_stats_refresh_pass(s, pass->samples, pass->n_samples, err);
    return mop_tx_end(s, st, err);
}

/* --- profiled runs
 * --------------------------------------------------------------------------------- */

static mop_status insert_layer_times(mop_store *s, int64_t measurement_id, uint32_t pass,
                                     const mop_layer_times *times, mop_err *err)
{
    sqlite3_stmt *stmt;
    mop_status st = mop_sql_prepare(s->db,
                                    "INSERT INTO layer_time (measurement_id, pass, idx, ns) "
                                    "VALUES (?1, ?2, ?3, ?4)",
                                    s->path, &stmt, err);
    if (st != MOP_OK)
        return st;
    for (size_t i = 0; st == MOP_OK && i < times->n; i++) {
        int rc;
        (void)sqlite3_bind_int64(stmt, 1, measurement_id); /* the indices are in range */
        (void)sqlite3_bind_int64(stmt, 2, pass);
        (void)sqlite3_bind_int64(stmt, 3, (int64_t)i);
        (void)sqlite3_bind_int64(stmt, 4, times->layer_ns[i]);
        rc = sqlite3_step(stmt);
        if (rc != SQLITE_DONE)
            st = mop_sql_fail(s->db, rc, "cannot write layer times to", s->path, err);
        (void)sqlite3_reset(stmt); /* repeats the outcome of the step */
    }
    (void)sqlite3_finalize(stmt); /* likewise */
    return st;
}

/* n times that are those of the measurement's layers and make up the total. A model that was
 * planned before it could be prepared has no layers to compare with. */
static mop_status check_layer_times(mop_store *s, int64_t measurement_id,
                                    const mop_layer_times *times, mop_err *err)
{
    const int64_t *layer_ns = times->layer_ns;
    size_t n = times->n;
    int64_t layers = 0, sum = 0;
    mop_status st = mop_sql_int(s->db,
                                "SELECT count(*) FROM layer JOIN measurement USING (model_id) "
                                "WHERE measurement.id = ?1",
                                measurement_id, s->path, &layers, err);
    if (st != MOP_OK)
        return st;
    for (size_t i = 0; i < n; i++)
        if (layer_ns[i] < 0 || __builtin_add_overflow(sum, layer_ns[i], &sum))
            return mop_fail(err, MOP_EINVAL, "layer %zu took %lld ns", i, (long long)layer_ns[i]);
    if (layers != 0 && (int64_t)n != layers)
        return mop_fail(err, MOP_EINVAL, "measurement %lld has %lld layers, not %zu",
                        (long long)measurement_id, (long long)layers, n);
    if (sum != times->total_ns)
        return mop_fail(err, MOP_EINVAL, "the layers take %lld ns together, the run %lld ns",
                        (long long)sum, (long long)times->total_ns);
    return MOP_OK;
}

static mop_status insert_layer_run(mop_store *s, int64_t measurement_id, uint32_t pass,
                                   const mop_layer_times *times, mop_err *err)
{
    sqlite3_stmt *stmt;
    mop_status st = mop_sql_prepare(s->db,
                                    "INSERT INTO layer_run (measurement_id, pass, total_ns, "
                                    "plain_ns) VALUES (?1, ?2, ?3, ?4)",
                                    s->path, &stmt, err);
    if (st != MOP_OK)
        return st;
    (void)sqlite3_bind_int64(stmt, 1, measurement_id); /* the indices are in range */
    (void)sqlite3_bind_int64(stmt, 2, pass);
    (void)sqlite3_bind_int64(stmt, 3, times->total_ns);
    (void)sqlite3_bind_int64(stmt, 4, times->plain_ns);
    return mop_sql_run(s->db, stmt, s->path, err);
}

mop_status mop_store_put_layer_times(mop_store *s, int64_t measurement_id, uint32_t pass,
                                     const mop_layer_times *times, mop_err *err)
{
    int64_t last = -1;
    mop_status st = check_layer_times(s, measurement_id, times, err);
    if (st == MOP_OK)
        st = mop_sql_int(s->db,
                         "SELECT coalesce(max(pass), -1) FROM layer_run WHERE measurement_id = ?1",
                         measurement_id, s->path, &last, err);
    if (st != MOP_OK || pass <= last)
        return st;
    st = mop_tx_begin(s, err);
    if (st != MOP_OK)
        return st;
    st = insert_layer_times(s, measurement_id, pass, times, err);
    if (st == MOP_OK)
        st = insert_layer_run(s, measurement_id, pass, times, err);
    return mop_tx_end(s, st, err);
}
