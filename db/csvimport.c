/* Import in two readings of the file: the first only looks, so that a file with a mistake in its
 * last row touches nothing; the second inserts, in one transaction. Rows must be in the order of an
 * export: a measurement's rows lie together and agree in everything but the sample. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/csv.h"
#include "db/csvread.h"
#include "db/csvrow.h"
#include "db/store_internal.h"
#include "profiler/base/alloc.h"
#include "profiler/base/text.h"

typedef struct importer {
    const mop_input *in;
    const char *path;
    mop_store *store; /* NULL: only look */
    mop_csv_layout layout;
    size_t at[MOP_CSV_MAX_COLUMNS]; /* cell of each column of the layout, or n_cells */
    size_t n_cells;
    mop_csv_row row, before;
    bool has_before, has_sample, had_sample;
    mop_csv_at began; /* where the measurement under way began */
    int64_t sweep_id, measurement_id;
    mop_sample_record *samples; /* of the measurement under way */
    size_t n_samples, capacity, n_sweeps;
} importer;

/* --- header
 * ------------------------------------------------------------------------------------------- */

static mop_status unknown_column(importer *im, const mop_csv_cell *cell, mop_err *err)
{
    const char *names[MOP_CSV_MAX_COLUMNS];
    const char *text = cell->text != NULL ? cell->text : "", *nearest;
    char words[140];
    for (size_t i = 0; i < im->layout.n; i++)
        names[i] = im->layout.column[i].name;
    nearest = mop_nearest(text, names, im->layout.n);
    (void)snprintf(words, sizeof words, "there is no column \"%.40s\"%s%s%s", text,
                   nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                   nearest != NULL ? "?" : "");
    return mop_csv_fail(im->path, cell->at, MOP_EINVAL, words, err);
}

static mop_status read_header(importer *im, const mop_csv_cell *cells, size_t n, mop_err *err)
{
    char words[100];
    im->n_cells = n;
    for (size_t c = 0; c < im->layout.n; c++)
        im->at[c] = n;
    for (size_t i = 0; i < n; i++) {
        size_t c = 0;
        while (c < im->layout.n &&
               (cells[i].text == NULL || strcmp(cells[i].text, im->layout.column[c].name) != 0))
            c++;
        if (c == im->layout.n)
            return unknown_column(im, &cells[i], err);
        if (im->at[c] != n)
            return mop_csv_fail(im->path, cells[i].at, MOP_EINVAL, "this column comes twice", err);
        im->at[c] = i;
    }
    for (size_t c = 0; c < im->layout.n; c++) {
        if (im->at[c] == n && !im->layout.column[c].is_optional) {
            (void)snprintf(words, sizeof words, "the column %s is missing",
                           im->layout.column[c].name); /* fits */
            return mop_csv_fail(im->path, cells[0].at, MOP_EINVAL, words, err);
        }
    }
    return MOP_OK;
}

/* --- rows
 * --------------------------------------------------------------------------------------------- */

/* The cell of column c; one of a column that an older file lacks stands where the row begins. */
static mop_csv_cell cell_of(const importer *im, const mop_csv_cell *cells, size_t c)
{
    const char *absent = im->layout.column[c].absent;
    if (im->at[c] < im->n_cells)
        return cells[im->at[c]];
    return (mop_csv_cell){
        .text = absent, .len = absent != NULL ? strlen(absent) : 0, .at = cells[0].at};
}

static mop_status parse_row(importer *im, const mop_csv_cell *cells, mop_err *err)
{
    memset(&im->row, 0, sizeof im->row);
    im->has_sample = false;
    for (size_t c = 0; c < im->layout.n; c++)
        if (im->layout.column[c].is_sample && cell_of(im, cells, c).text != NULL)
            im->has_sample = true;
    for (size_t c = 0; c < im->layout.n; c++) {
        mop_csv_cell cell = cell_of(im, cells, c);
        mop_err why = {0};
        mop_status st;
        if (im->layout.column[c].is_sample && !im->has_sample)
            continue;
        st = mop_field_parse(&im->layout.column[c].field, cell.text, cell.len, &im->row, &why);
        if (st != MOP_OK)
            return mop_csv_fail(im->path, cell.at, st, why.msg, err);
    }
    return MOP_OK;
}

static bool is_same_field(const importer *im, size_t c)
{
    const mop_field *f = &im->layout.column[c].field;
    return memcmp((const char *)&im->row + f->offset, (const char *)&im->before + f->offset,
                  f->size) == 0;
}

static bool is_new_measurement(const importer *im)
{
    return !im->has_before || im->row.measurement_number != im->before.measurement_number;
}

static bool is_new_sweep(const importer *im)
{
    return !im->has_before || im->row.sweep_number != im->before.sweep_number;
}

/* A sample must follow the one before it, and only a measurement of one row may have none. */
static mop_status check_sample(const importer *im, mop_csv_at at, mop_err *err)
{
    const mop_sample_record *s = &im->row.sample, *b = &im->before.sample;
    if (!im->has_sample || !im->had_sample)
        return mop_csv_fail(im->path, at, MOP_EINVAL,
                            "a measurement without samples is a single row", err);
    if (s->pass < b->pass || (s->pass == b->pass && s->run <= b->run))
        return mop_csv_fail(im->path, at, MOP_EINVAL,
                            "the samples of a measurement are not in the order of pass and run",
                            err);
    return MOP_OK;
}

/* Columns that are the same for every row of a sweep, or of a measurement, are the same. */
static mop_status check_order(const importer *im, const mop_csv_cell *cells, mop_err *err)
{
    char words[120];
    if (!im->has_before)
        return MOP_OK;
    if (im->row.sweep_number < im->before.sweep_number ||
        im->row.measurement_number < im->before.measurement_number ||
        (is_new_sweep(im) && !is_new_measurement(im)))
        return mop_csv_fail(im->path, cells[im->at[1]].at, MOP_EINVAL,
                            "rows are not in the order of sweep and measurement", err);
    for (size_t c = 0; c < im->layout.n; c++) {
        const mop_csv_column *column = &im->layout.column[c];
        bool of_sweep = strncmp(column->name, "sweep", 5) == 0;
        if (column->is_sample || is_same_field(im, c) ||
            (of_sweep ? is_new_sweep(im) : is_new_measurement(im)))
            continue;
        (void)snprintf(words, sizeof words, "%s differs from the row above of the same %s",
                       column->name, of_sweep ? "sweep" : "measurement"); /* fits */
        return mop_csv_fail(im->path, cell_of(im, cells, c).at, MOP_EINVAL, words, err);
    }
    return is_new_measurement(im) ? MOP_OK : check_sample(im, cells[im->at[1]].at, err);
}

/* --- storing
 * ------------------------------------------------------------------------------------------ */

static mop_status store_sweep(importer *im, mop_err *err)
{
    sqlite3_stmt *stmt;
    mop_status st;
    mop_sweep_record *w = &im->row.sweep;
    (void)snprintf(w->plan_text, sizeof w->plan_text, "imported from CSV");
    (void)snprintf(w->uuid, sizeof w->uuid, "csv-%016" PRIx64 "-%zu", im->in->hash,
                   ++im->n_sweeps); /* fits */
    st = mop_insert(im->store, MOP_RECORD_SWEEP, w, NULL, 0, &im->sweep_id, err);
    memset(w->plan_text, 0, sizeof w->plan_text); /* the row is compared with later ones */
    memset(w->uuid, 0, sizeof w->uuid);
    if (st == MOP_OK)
        st = mop_sql_prepare(im->store->db, "UPDATE sweep SET state = 'imported' WHERE id = ?1",
                             im->store->path, &stmt, err);
    if (st != MOP_OK)
        return st;
    (void)sqlite3_bind_int64(stmt, 1, im->sweep_id); /* the index is in range */
    return mop_sql_run(im->store->db, stmt, im->store->path, err);
}

static mop_status store_measurement(importer *im, mop_err *err)
{
    mop_measurement_record m = im->row.measurement;
    mop_status st = MOP_OK;
    if (is_new_sweep(im))
        st = store_sweep(im, err);
    if (st == MOP_OK)
        st = mop_device_row(im->store, &im->row.device, im->sweep_id, &m.device_id, err);
    if (st == MOP_OK)
        st = mop_model_row(im->store, &im->row.model, im->row.content_hash, &m.model_id, NULL, err);
    if (st == MOP_OK)
        st = mop_store_put_measurement(im->store, im->sweep_id, &m, err);
    im->measurement_id = m.id;
    return st;
}

/* The samples of the measurement that ended. */
static mop_status flush_samples(importer *im, mop_err *err)
{
    mop_status st;
    if (im->n_samples == 0)
        return MOP_OK;
    st = mop_samples_insert(im->store, im->samples, im->n_samples, err);
    if (st == MOP_OK)
        st = mop_stat_refresh(im->store, im->measurement_id, err);
    im->n_samples = 0;
    return st;
}

static mop_status keep_sample(importer *im, mop_err *err)
{
    if (im->n_samples == im->capacity) {
        size_t more = im->capacity > 0 ? im->capacity * 2 : 256;
        mop_sample_record *grown = mop_realloc(im->samples, more, sizeof *grown, err);
        if (grown == NULL)
            return MOP_ENOMEM;
        im->samples = grown;
        im->capacity = more;
    }
    im->samples[im->n_samples] = im->row.sample;
    im->samples[im->n_samples++].measurement_id = im->measurement_id;
    return MOP_OK;
}

/* What the database refuses is told with the place where the measurement begins. */
static mop_status place(const importer *im, mop_status st, const mop_err *why, mop_err *err)
{
    return st == MOP_OK ? MOP_OK : mop_csv_fail(im->path, im->began, st, why->msg, err);
}

static mop_status store_row(importer *im, mop_csv_at at, mop_err *err)
{
    mop_err why = {0};
    mop_status st = MOP_OK;
    if (is_new_measurement(im)) {
        st = place(im, flush_samples(im, &why), &why, err);
        if (st != MOP_OK)
            return st;
        im->began = at;
        st = store_measurement(im, &why);
    }
    if (st == MOP_OK && im->has_sample)
        st = keep_sample(im, &why);
    return place(im, st, &why, err);
}

static mop_status on_row(void *ctx, size_t row, const mop_csv_cell *cells, size_t n, mop_err *err)
{
    importer *im = ctx;
    mop_status st;
    if (row == 0)
        return read_header(im, cells, n, err);
    st = parse_row(im, cells, err);
    if (st == MOP_OK)
        st = check_order(im, cells, err);
    if (st == MOP_OK && im->store != NULL)
        st = store_row(im, cells[0].at, err);
    im->before = im->row;
    im->had_sample = im->has_sample;
    im->has_before = true;
    return st;
}

static mop_status read_all(const mop_input *in, mop_store *store, size_t *n_sweeps, mop_err *err)
{
    importer *im = mop_calloc(1, sizeof *im, err);
    mop_err why = {0};
    mop_status st;
    if (im == NULL)
        return MOP_ENOMEM;
    im->in = in;
    im->path = in->path;
    im->store = store;
    mop_csv_layout_make(&im->layout);
    rewind(in->f);
    st = mop_csv_read(in->f, in->path, on_row, im, err);
    if (st == MOP_OK && store != NULL)
        st = place(im, flush_samples(im, &why), &why, err);
    if (st == MOP_OK)
        *n_sweeps = im->n_sweeps;
    free(im->samples);
    free(im);
    return st;
}

mop_status mop_csv_check(const mop_input *in, mop_err *err)
{
    size_t none;
    return read_all(in, NULL, &none, err);
}

mop_status mop_csv_store(const mop_input *in, mop_store *store, size_t *n_new, size_t *n_known,
                         mop_err *err)
{
    sqlite3_stmt *stmt;
    char prefix[40];
    int64_t known = 0;
    int rc;
    mop_status st = mop_sql_prepare(
        store->db, "SELECT count(*) FROM sweep WHERE substr(uuid, 1, length(?1)) = ?1", store->path,
        &stmt, err);
    if (st != MOP_OK)
        return st;
    (void)snprintf(prefix, sizeof prefix, "csv-%016" PRIx64 "-", in->hash); /* fits */
    (void)sqlite3_bind_text(stmt, 1, prefix, -1, SQLITE_STATIC); /* no memory: nothing is found */
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        known = sqlite3_column_int64(stmt, 0);
    else
        st = mop_sql_fail(store->db, rc, "cannot read the database", store->path, err);
    (void)sqlite3_finalize(stmt); /* repeats the failure of the step */
    if (st == MOP_OK && known == 0)
        return read_all(in, store, n_new, err);
    *n_known = (size_t)known;
    return st;
}
