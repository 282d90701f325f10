/* Reading a sweep back to go on with it. */
#include <stdlib.h>
#include <string.h>

#include "db/store_internal.h"
#include "profiler/base/alloc.h"

/* Reads every row of sql (?1 = arg) whose columns are n_ids integers and then the fields of `kind`.
 */
typedef struct reader {
    const char *from; /* "FROM ... ORDER BY ..." with ?1 */
    int64_t arg;
    mop_record_kind kind;
    const char *const *id_columns;
    const size_t *id_offsets; /* where each id goes in the record */
    size_t n_ids;
} reader;

static mop_status read_row(sqlite3_stmt *stmt, const reader *r, void *record, mop_err *err)
{
    for (size_t i = 0; i < r->n_ids; i++) {
        int64_t v = sqlite3_column_int64(stmt, (int)i);
        memcpy((char *)record + r->id_offsets[i], &v, sizeof v);
    }
    return mop_fields_read(stmt, (int)r->n_ids, mop_fields_of(r->kind), record, err);
}

static mop_status read_rows(mop_store *s, sqlite3_stmt *stmt, const reader *r, void **out,
                            size_t *n_out, mop_err *err)
{
    size_t bytes = mop_fields_of(r->kind)->record_bytes, n = 0, cap = 64;
    char *rows = mop_calloc(cap, bytes, err);
    mop_status st = rows != NULL ? MOP_OK : MOP_ENOMEM;
    int rc = SQLITE_DONE;
    while (st == MOP_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (n == cap) {
            char *grown = mop_realloc(rows, cap * 2, bytes, err);
            if (grown == NULL) {
                st = MOP_ENOMEM;
                break;
            }
            rows = grown;
            memset(rows + cap * bytes, 0, cap * bytes);
            cap *= 2;
        }
        st = read_row(stmt, r, rows + n * bytes, err);
        n++;
    }
    if (st == MOP_OK && rc != SQLITE_DONE)
        st = mop_sql_fail(s->db, rc, "cannot read", s->path, err);
    if (st != MOP_OK) {
        free(rows);
        return st;
    }
    *out = rows;
    *n_out = n;
    return MOP_OK;
}

static mop_status read_all(mop_store *s, const reader *r, void **out, size_t *n, mop_err *err)
{
    mop_str sql = {0};
    sqlite3_stmt *stmt = NULL;
    mop_status st;
    mop_str_add(&sql, "SELECT ");
    for (size_t i = 0; i < r->n_ids; i++)
        mop_str_addf(&sql, "x.%s, ", r->id_columns[i]);
    mop_fields_columns(mop_fields_of(r->kind), "x", &sql);
    mop_str_addf(&sql, " %s", r->from);
    st = mop_sql_prepare_built(s->db, &sql, s->path, &stmt, err);
    if (st != MOP_OK)
        return st;
    (void)sqlite3_bind_int64(stmt, 1, r->arg); /* the index is in range */
    st = read_rows(s, stmt, r, out, n, err);
    (void)sqlite3_finalize(stmt); /* repeats the failure of the step */
    return st;
}

static mop_status find_sweep(mop_store *s, uint64_t plan_hash, mop_resume *out, mop_err *err)
{
    mop_status st =
        mop_sql_int(s->db,
                    "SELECT id FROM sweep WHERE plan_hash = format('%016x', ?1) "
                    "AND state IN ('running', 'stopped') AND EXISTS (SELECT 1 FROM measurement "
                    "WHERE sweep_id = sweep.id AND state = 'pending') ORDER BY id DESC LIMIT 1",
                    (int64_t)plan_hash, s->path, &out->sweep_id, err);
    int64_t seed = 0, next = 0, worker = 0;
    if (st != MOP_OK || out->sweep_id == 0)
        return st;
    st = mop_sql_int(s->db, "SELECT seed FROM sweep WHERE id = ?1", out->sweep_id, s->path, &seed,
                     err);
    if (st == MOP_OK)
        st = mop_sql_int(s->db, "SELECT coalesce(max(pass) + 1, 0) FROM pass WHERE sweep_id = ?1",
                         out->sweep_id, s->path, &next, err);
    /* a worker whose supervisor was killed is known by its passes alone */
    if (st == MOP_OK)
        st = mop_sql_int(s->db,
                         "SELECT coalesce(max(worker) + 1, 0) FROM (SELECT worker FROM worker "
                         "WHERE sweep_id = ?1 UNION ALL SELECT worker FROM pass "
                         "WHERE sweep_id = ?1)",
                         out->sweep_id, s->path, &worker, err);
    out->seed = (uint64_t)seed;
    out->next_pass = (uint32_t)next;
    out->next_worker = (uint32_t)worker;
    return st;
}

mop_status mop_store_resume(mop_store *s, uint64_t plan_hash, mop_resume *out, mop_err *err)
{
    static const char *const m_columns[] = {"id", "model_id", "device_id"};
    static const size_t m_offsets[] = {offsetof(mop_measurement_record, id),
                                       offsetof(mop_measurement_record, model_id),
                                       offsetof(mop_measurement_record, device_id)};
    static const char *const s_columns[] = {"measurement_id"};
    static const size_t s_offsets[] = {offsetof(mop_sample_record, measurement_id)};
    mop_resume r = {0};
    void *rows = NULL;
    mop_status st = find_sweep(s, plan_hash, &r, err);
    if (st == MOP_OK && r.sweep_id != 0) {
        const reader m = {"FROM measurement AS x WHERE x.sweep_id = ?1 ORDER BY x.id",
                          r.sweep_id,
                          MOP_RECORD_MEASUREMENT,
                          m_columns,
                          m_offsets,
                          3};
        const reader p = {"FROM sample AS x JOIN measurement AS m ON m.id = x.measurement_id "
                          "WHERE m.sweep_id = ?1 ORDER BY x.measurement_id, x.pass, x.run",
                          r.sweep_id,
                          MOP_RECORD_SAMPLE,
                          s_columns,
                          s_offsets,
                          1};
        st = read_all(s, &m, &rows, &r.n_measurements, err);
        r.measurements = st == MOP_OK ? rows : NULL;
        if (st == MOP_OK)
            st = read_all(s, &p, &rows, &r.n_samples, err);
        r.samples = st == MOP_OK ? rows : NULL;
    }
    if (st != MOP_OK) {
        mop_resume_release(&r);
        return st;
    }
    *out = r;
    return MOP_OK;
}

void mop_resume_release(mop_resume *r)
{
    if (r == NULL)
        return;
    free(r->measurements);
    free(r->samples);
    *r = (mop_resume){0};
}
