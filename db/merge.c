/* Merging by two connections: the output's writes, each input's only reads, so that SQL that comes
 * with a foreign file is never compiled where something can be written. Order of an input: what
 * stands alone, then sweep by sweep its passes, its measurements with all that hangs on them, and
 * the statistics anew. All inputs are one transaction. */
#include "db/merge.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/merge_input.h"
#include "db/merge_rows.h"
#include "db/store_internal.h"
#include "profiler/base/alloc.h"

/* Rows of an input and what they became. */
typedef struct id_map {
    int64_t (*pairs)[2];
    size_t n;
} id_map;

enum { PASSES, CONTROLS, WORKERS, VISITS, SAMPLES, LAYER_TIMES, LAYER_RUNS, N_PIPES };

typedef struct merger {
    mop_store *out;
    mop_merge_input in;
    mop_pipe pipe[N_PIPES];
    id_map devices, models;
    mop_merge_counts counts;
} merger;

/* --- reading records
 * ------------------------------------------------------------------------------- */

/* SELECT <head><fields of kind> FROM table AS x <tail> with ?1 = arg */
static mop_status select_records(merger *m, mop_record_kind kind, const char *head,
                                 const char *tail, int64_t arg, sqlite3_stmt **stmt, mop_err *err)
{
    const mop_fields *f = mop_fields_of(kind);
    mop_str sql = {0};
    mop_str_addf(&sql, "SELECT %s", head);
    mop_fields_columns(f, "x", &sql);
    mop_str_addf(&sql, " FROM %s AS x %s", f->table, tail);
    mop_status st = mop_sql_prepare_built(m->in.db, &sql, m->in.path, stmt, err);
    if (st == MOP_OK && sqlite3_bind_parameter_count(*stmt) > 0)
        (void)sqlite3_bind_int64(*stmt, 1, arg); /* the index is in range */
    return st;
}

/* Reads the next row, whose first n_ids columns are integers; *more is false at the end. */
static mop_status next_record(merger *m, sqlite3_stmt *stmt, mop_record_kind kind, int64_t *ids,
                              int n_ids, void *record, bool *more, mop_err *err)
{
    int rc = sqlite3_step(stmt);
    *more = rc == SQLITE_ROW;
    if (rc == SQLITE_DONE)
        return MOP_OK;
    if (rc != SQLITE_ROW)
        return mop_sql_fail(m->in.db, rc, "cannot read", m->in.path, err);
    for (int i = 0; i < n_ids; i++)
        ids[i] = sqlite3_column_int64(stmt, i);
    return mop_fields_read(stmt, n_ids, mop_fields_of(kind), record, err);
}

/* --- devices and models
 * ------------------------------------------------------------------------------ */

static int64_t mapped(const id_map *map, int64_t from)
{
    for (size_t i = 0; i < map->n; i++)
        if (map->pairs[i][0] == from)
            return map->pairs[i][1];
    return 0;
}

static mop_status map_add(id_map *map, int64_t from, int64_t to, mop_err *err)
{
    int64_t(*grown)[2] = mop_realloc(map->pairs, map->n + 1, sizeof *grown, err);
    if (grown == NULL)
        return MOP_ENOMEM;
    map->pairs = grown;
    map->pairs[map->n][0] = from;
    map->pairs[map->n++][1] = to;
    return MOP_OK;
}

static mop_status merge_devices(merger *m, mop_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool more = true;
    mop_status st = select_records(m, MOP_RECORD_DEVICE, "x.id, ", "ORDER BY x.id", 0, &stmt, err);
    while (st == MOP_OK && more) {
        mop_device_record device = {.peak_flops = 0};
        int64_t from, to = 0;
        st = next_record(m, stmt, MOP_RECORD_DEVICE, &from, 1, &device, &more, err);
        if (st == MOP_OK && more)
            st = mop_device_row(m->out, &device, 0, &to, err);
        if (st == MOP_OK && more)
            st = map_add(&m->devices, from, to, err);
    }
    (void)sqlite3_finalize(stmt); /* failures were told by the steps */
    return st;
}

static mop_status read_layers(merger *m, int64_t model, mop_layer_record **out, size_t *n,
                              mop_err *err)
{
    sqlite3_stmt *stmt = NULL;
    mop_layer_record *layers = NULL;
    bool more = true;
    *n = 0;
    mop_status st = select_records(m, MOP_RECORD_LAYER, "", "WHERE model_id = ?1 ORDER BY x.idx",
                                   model, &stmt, err);
    while (st == MOP_OK && more) {
        mop_layer_record *grown = mop_realloc(layers, *n + 1, sizeof *layers, err);
        if (grown == NULL) {
            st = MOP_ENOMEM;
            break;
        }
        layers = grown;
        layers[*n] = (mop_layer_record){0};
        st = next_record(m, stmt, MOP_RECORD_LAYER, NULL, 0, &layers[*n], &more, err);
        *n += st == MOP_OK && more;
    }
    (void)sqlite3_finalize(stmt); /* failures were told by the steps */
    if (st != MOP_OK)
        free(layers);
    else
        *out = layers;
    return st;
}

/* A model with layers has the hash that follows from them; one without may have come from a CSV
 * file, which carries the hash alone. */
static mop_status merge_model(merger *m, int64_t from, const mop_model_record *model,
                              const char *hash_text, mop_err *err)
{
    mop_layer_record *layers = NULL;
    size_t n = 0;
    int64_t to = 0;
    uint64_t hash = hash_text != NULL ? strtoull(hash_text, NULL, 16) : 0;
    mop_status st = read_layers(m, from, &layers, &n, err);
    if (st != MOP_OK)
        return st;
    uint64_t computed = mop_content_hash(model, layers, n);
    if (n > 0 && hash_text != NULL && hash != computed)
        st =
            mop_fail(err, MOP_EINVAL, "the layers of its model %lld (%.60s) are not those it names",
                     (long long)from, model->variant);
    else if (n > 0 || hash_text == NULL)
        st = mop_model_put(m->out, model, layers, n, &to, err);
    else
        st = mop_model_row(m->out, model, hash, &to, NULL, err);
    free(layers);
    return st == MOP_OK ? map_add(&m->models, from, to, err) : st;
}

static mop_status merge_models(merger *m, mop_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool more = true;
    mop_status st = select_records(m, MOP_RECORD_MODEL, "x.id, ", "ORDER BY x.id", 0, &stmt, err);
    while (st == MOP_OK && more) {
        mop_model_record model = {0};
        char hash[17] = "";
        int64_t from, absent = 0;
        st = next_record(m, stmt, MOP_RECORD_MODEL, &from, 1, &model, &more, err);
        if (st == MOP_OK && more)
            st = mop_sql_int(m->in.db, "SELECT content_hash IS NULL FROM model WHERE id = ?1", from,
                             m->in.path, &absent, err);
        if (st == MOP_OK && more && absent == 0)
            st = mop_sql_text(m->in.db, "SELECT content_hash FROM model WHERE id = ?1", from,
                              m->in.path, hash, sizeof hash, err);
        if (st == MOP_OK && more)
            st = merge_model(m, from, &model, absent == 0 ? hash : NULL, err);
    }
    (void)sqlite3_finalize(stmt); /* failures were told by the steps */
    return st;
}

/* --- sweeps
 * ------------------------------------------------------------------------------------------ */

static mop_status merge_measurement(merger *m, int64_t sweep_id, const int64_t ids[3],
                                    mop_measurement_record *x, mop_err *err)
{
    const mop_state state = x->state;
    x->model_id = mapped(&m->models, ids[1]);
    x->device_id = mapped(&m->devices, ids[2]);
    x->state = MOP_PENDING; /* a failed row takes no samples, but may have had some before */
    mop_status st = mop_store_put_measurement(m->out, sweep_id, x, err);
    for (int p = VISITS; st == MOP_OK && p <= LAYER_RUNS; p++)
        st =
            mop_pipe_run(&m->pipe[p], ids[0], x->id, p == SAMPLES ? &m->counts.samples : NULL, err);
    x->state = state;
    if (st == MOP_OK && state != MOP_PENDING)
        st = mop_store_update_measurement(m->out, x, err);
    m->counts.measurements++;
    return st;
}

static mop_status merge_measurements(merger *m, int64_t from, int64_t to, mop_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool more = true;
    mop_status st = select_records(m, MOP_RECORD_MEASUREMENT, "x.id, x.model_id, x.device_id, ",
                                   "WHERE x.sweep_id = ?1 ORDER BY x.id", from, &stmt, err);
    while (st == MOP_OK && more) {
        mop_measurement_record x = {.id = 0};
        int64_t ids[3];
        st = next_record(m, stmt, MOP_RECORD_MEASUREMENT, ids, 3, &x, &more, err);
        if (st == MOP_OK && more)
            st = merge_measurement(m, to, ids, &x, err);
    }
    (void)sqlite3_finalize(stmt); /* failures were told by the steps */
    return st;
}

static mop_status merge_calibrations(merger *m, int64_t from, int64_t to, mop_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool more = true;
    mop_status st = select_records(m, MOP_RECORD_CALIBRATION, "x.device_id, ",
                                   "WHERE x.sweep_id = ?1", from, &stmt, err);
    while (st == MOP_OK && more) {
        mop_calibration_record c = {.value = 0};
        int64_t device;
        st = next_record(m, stmt, MOP_RECORD_CALIBRATION, &device, 1, &c, &more, err);
        if (st == MOP_OK && more)
            st = mop_store_put_calibration(m->out, to, mapped(&m->devices, device), &c, err);
    }
    (void)sqlite3_finalize(stmt); /* failures were told by the steps */
    return st;
}

/* The sweep of the output that is this one, 0 if there is none. */
static mop_status find_sweep(merger *m, const mop_sweep_record *sweep, int64_t *id, mop_err *err)
{
    sqlite3_stmt *stmt;
    if (sweep->uuid[0] == '\0')
        return mop_find(m->out, MOP_RECORD_SWEEP, sweep, NULL, 0, id, err);
    mop_status st = mop_sql_prepare(m->out->db, "SELECT id FROM sweep WHERE uuid = ?1",
                                    m->out->path, &stmt, err);
    if (st != MOP_OK)
        return st;
    (void)sqlite3_bind_text(stmt, 1, sweep->uuid, -1, SQLITE_STATIC); /* the index is in range */
    int rc = sqlite3_step(stmt);
    *id = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        st = mop_sql_fail(m->out->db, rc, "cannot read", m->out->path, err);
    (void)sqlite3_finalize(stmt); /* repeats the failure of the step */
    return st;
}

static mop_status leave_known(merger *m, int64_t from, int64_t to, mop_err *err)
{
    static const char passes[] = "SELECT count(*) FROM pass WHERE sweep_id = ?1";
    int64_t theirs = 0, ours = 0;
    mop_status st = mop_sql_int(m->in.db, passes, from, m->in.path, &theirs, err);
    if (st == MOP_OK)
        st = mop_sql_int(m->out->db, passes, to, m->out->path, &ours, err);
    m->counts.known++;
    m->counts.longer += theirs > ours;
    return st;
}

static mop_status set_state(merger *m, int64_t from, int64_t to, mop_err *err)
{
    char state[16];
    sqlite3_stmt *stmt;
    mop_status st = mop_sql_text(m->in.db, "SELECT state FROM sweep WHERE id = ?1", from,
                                 m->in.path, state, sizeof state, err);
    if (st == MOP_OK)
        st = mop_sql_prepare(m->out->db, "UPDATE sweep SET state = ?1 WHERE id = ?2", m->out->path,
                             &stmt, err);
    if (st != MOP_OK)
        return st;
    (void)sqlite3_bind_text(stmt, 1, state, -1, SQLITE_STATIC); /* the indices are in range */
    (void)sqlite3_bind_int64(stmt, 2, to);
    return mop_sql_run(m->out->db, stmt, m->out->path, err);
}

static mop_status merge_sweep(merger *m, int64_t from, const mop_sweep_record *sweep, mop_err *err)
{
    int64_t to = 0;
    mop_status st = find_sweep(m, sweep, &to, err);
    if (st == MOP_OK && to != 0)
        return leave_known(m, from, to, err);
    if (st == MOP_OK)
        st = mop_insert(m->out, MOP_RECORD_SWEEP, sweep, NULL, 0, &to, err);
    if (st == MOP_OK)
        st = set_state(m, from, to, err);
    if (st == MOP_OK)
        st = merge_calibrations(m, from, to, err);
    for (int p = PASSES; st == MOP_OK && p <= WORKERS; p++)
        st = mop_pipe_run(&m->pipe[p], from, to, NULL, err);
    if (st == MOP_OK)
        st = merge_measurements(m, from, to, err);
    if (st == MOP_OK)
        st = mop_stats_refresh_sweep(m->out, to, err);
    m->counts.sweeps++;
    return st;
}

static mop_status merge_sweeps(merger *m, mop_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool more = true;
    mop_status st = select_records(m, MOP_RECORD_SWEEP, "x.id, ", "ORDER BY x.id", 0, &stmt, err);
    mop_sweep_record *sweep = mop_calloc(1, sizeof *sweep, err);
    if (st == MOP_OK && sweep == NULL)
        st = MOP_ENOMEM;
    while (st == MOP_OK && more) {
        int64_t from;
        st = next_record(m, stmt, MOP_RECORD_SWEEP, &from, 1, sweep, &more, err);
        if (st == MOP_OK && more)
            st = merge_sweep(m, from, sweep, err);
    }
    free(sweep);
    (void)sqlite3_finalize(stmt); /* failures were told by the steps */
    return st;
}

/* --- an input
 * ---------------------------------------------------------------------------------------- */

static mop_pipe pipe_of(merger *m, const char *table)
{
    return (mop_pipe){.table = table,
                      .from_db = m->in.db,
                      .to_db = m->out->db,
                      .from_path = m->in.path,
                      .to_path = m->out->path};
}

/* What belongs to no sweep. */
static mop_status merge_plain(merger *m, const char *table, const char *columns, mop_err *err)
{
    mop_pipe pipe = pipe_of(m, table);
    mop_status st = mop_pipe_open(&pipe, NULL, columns, err);
    if (st == MOP_OK)
        st = mop_pipe_run(&pipe, 0, 0, NULL, err);
    mop_pipe_close(&pipe);
    return st;
}

static mop_status open_pipes(merger *m, mop_err *err)
{
    static const struct {
        const char *table, *key;
        mop_record_kind kind;
        const char *columns; /* NULL: those of kind */
    } tables[N_PIPES] = {
        [PASSES] = {"pass", "sweep_id", MOP_RECORD_PASS, NULL},
        [CONTROLS] = {"control", "sweep_id", MOP_RECORD_CONTROL, NULL},
        [WORKERS] = {"worker", "sweep_id", MOP_RECORD_WORKER, NULL},
        [VISITS] = {"visit", "measurement_id", MOP_RECORD_VISIT, NULL},
        [SAMPLES] = {"sample", "measurement_id", MOP_RECORD_SAMPLE, NULL},
        [LAYER_TIMES] = {"layer_time", "measurement_id", MOP_RECORD_COUNT, "pass, idx, ns"},
        [LAYER_RUNS] = {"layer_run", "measurement_id", MOP_RECORD_COUNT,
                        "pass, total_ns, plain_ns"},
    };
    mop_status st = MOP_OK;
    for (int p = 0; st == MOP_OK && p < N_PIPES; p++) {
        mop_str columns = {0};
        if (tables[p].columns != NULL)
            mop_str_add(&columns, tables[p].columns);
        else
            mop_fields_columns(mop_fields_of(tables[p].kind), NULL, &columns);
        st = mop_str_status(&columns, err);
        m->pipe[p] = pipe_of(m, tables[p].table);
        if (st == MOP_OK)
            st = mop_pipe_open(&m->pipe[p], tables[p].key, mop_str_get(&columns), err);
        mop_str_release(&columns);
    }
    return st;
}

static mop_status merge_rows(merger *m, mop_err *err)
{
    mop_status st = open_pipes(m, err);
    if (st == MOP_OK)
        st = merge_plain(m, "reference", "variant, metric, value, source", err);
    if (st == MOP_OK)
        st = merge_plain(m, "external_result",
                         "engine, engine_version, variant, device, dtype, threads, batch, n, "
                         "min_ns, mean_ns, median_ns, p90_ns, p99_ns, max_ns, format, source, "
                         "source_hash, source_row, imported_utc",
                         err);
    if (st == MOP_OK)
        st = merge_devices(m, err);
    if (st == MOP_OK)
        st = merge_models(m, err);
    if (st == MOP_OK)
        st = merge_sweeps(m, err);
    for (int p = 0; p < N_PIPES; p++)
        mop_pipe_close(&m->pipe[p]);
    free(m->devices.pairs);
    free(m->models.pairs);
    m->devices = m->models = (id_map){0};
    return st;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static mop_status merge_input(merger *m, const char *path, mop_err *err)
{
    mop_err why = {0};
    if (is_same_file(path, m->out->path))
        return mop_fail(err, MOP_EINVAL, "%.150s is the database that is merged into", path);
    mop_status st = mop_merge_input_open(path, m->out->path, &m->in, err);
    if (st != MOP_OK)
        return st;
    st = merge_rows(m, &why);
    mop_merge_input_close(&m->in);
    return st == MOP_OK ? MOP_OK
                        : mop_fail(err, st, "%.120s cannot be merged: %.300s", path, why.msg);
}

mop_status mop_merge(const char *out, const char *const *in, size_t n, mop_merge_counts *counts,
                     mop_err *err)
{
    bool is_new = access(out, F_OK) != 0;
    merger m = {.out = NULL};
    mop_status closed, st = mop_store_open(out, &m.out, err);
    if (st != MOP_OK)
        return st;
    st = mop_tx_begin(m.out, err);
    if (st == MOP_OK) {
        for (size_t i = 0; st == MOP_OK && i < n; i++)
            st = merge_input(&m, in[i], err);
        st = mop_tx_end(m.out, st, err);
    }
    closed = mop_store_close(m.out, st == MOP_OK ? err : &(mop_err){0});
    if (st == MOP_OK)
        st = closed;
    if (st != MOP_OK && is_new)
        (void)unlink(out); /* it was made here and holds nothing */
    if (st == MOP_OK)
        *counts = m.counts;
    return st;
}
