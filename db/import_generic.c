/* CSV with named columns, for every tool that has no reader of its own. A row is a result, or, with
 * a latency column, one inference; those of the same setting are then put together in the order in
 * which the settings first come. Times are columns <name>_<unit> in ns, us, ms or s. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/csvread.h"
#include "db/importer.h"
#include "profiler/base/alloc.h"
#include "profiler/base/hash.h"
#include "profiler/base/text.h"

typedef enum column_kind { COLUMN_TEXT, COLUMN_COUNT, COLUMN_TIME, COLUMN_RUN } column_kind;

typedef struct column {
    char name[24];
    column_kind kind;
    size_t offset, size; /* in the result; a run has none */
    double unit;         /* ns */
} column;

enum { TEXTS = 5, COUNTS = 3, TIMES = 7, UNITS = 4, COLUMNS = TEXTS + COUNTS + TIMES * UNITS };
enum { BUCKETS = 4096 };

typedef struct run {
    size_t result; /* in the list */
    double ns;
} run;

typedef struct reader {
    const mop_import_text *t;
    mop_external_list *list;
    column columns[COLUMNS];
    const column *of[MOP_CSV_COLUMNS]; /* of each cell */
    bool has_runs;
    run *runs;
    size_t n_runs, cap_runs;
    size_t bucket[BUCKETS],
        *next; /* settings by hash: index + 1 in the list; next has MOP_IMPORT_ROWS */
} reader;

#define FIELD(member) offsetof(mop_external, member), sizeof(((mop_external *)0)->member)

static void make_columns(column *out)
{
    static const column plain[TEXTS + COUNTS] = {
        {"variant", COLUMN_TEXT, FIELD(variant), 0},
        {"engine", COLUMN_TEXT, FIELD(engine), 0},
        {"engine_version", COLUMN_TEXT, FIELD(engine_version), 0},
        {"device", COLUMN_TEXT, FIELD(device), 0},
        {"dtype", COLUMN_TEXT, FIELD(dtype), 0},
        {"threads", COLUMN_COUNT, FIELD(threads), 0},
        {"batch", COLUMN_COUNT, FIELD(batch), 0},
        {"n", COLUMN_COUNT, FIELD(n), 0},
    };
    static const struct {
        const char *name;
        size_t offset;
    } times[TIMES] = {{"min", offsetof(mop_external, min_ns)},
                      {"mean", offsetof(mop_external, mean_ns)},
                      {"median", offsetof(mop_external, median_ns)},
                      {"p90", offsetof(mop_external, p90_ns)},
                      {"p99", offsetof(mop_external, p99_ns)},
                      {"max", offsetof(mop_external, max_ns)},
                      {"latency", 0}};
    static const struct {
        const char *name;
        double ns;
    } units[UNITS] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
    memcpy(out, plain, sizeof plain);
    for (int i = 0; i < TIMES * UNITS; i++) {
        column *c = &out[TEXTS + COUNTS + i];
        *c = (column){.kind = i / UNITS == TIMES - 1 ? COLUMN_RUN : COLUMN_TIME,
                      .offset = times[i / UNITS].offset,
                      .unit = units[i % UNITS].ns};
        (void)snprintf(c->name, sizeof c->name, "%s_%s", times[i / UNITS].name,
                       units[i % UNITS].name); /* fits */
    }
}

bool mop_import_generic_is(const mop_import_text *t)
{
    mop_import_line line = {0};
    return mop_import_next_line(t, &line) && mop_import_find(&line, ",") != NULL &&
           (mop_import_find(&line, "variant") != NULL || mop_import_find(&line, "engine") != NULL ||
            mop_import_find(&line, "latency_") != NULL);
}

/* --- header --- */

static mop_status fail(const reader *r, mop_csv_at at, const char *words, mop_err *err)
{
    return mop_csv_fail(r->t->in->path, at, MOP_EINVAL, words, err);
}

static mop_status unknown_column(const reader *r, const mop_csv_cell *cell, mop_err *err)
{
    const char *names[COLUMNS], *text = cell->text != NULL ? cell->text : "", *nearest;
    char words[150];
    for (size_t i = 0; i < COLUMNS; i++)
        names[i] = r->columns[i].name;
    nearest = mop_nearest(text, names, COLUMNS);
    (void)snprintf(words, sizeof words, "there is no column \"%.40s\"%s%s%s", text,
                   nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                   nearest != NULL ? "?" : "");
    return fail(r, cell->at, words, err);
}

/* Two columns for one value, as in median_ms and median_ns, are one too many. */
static bool is_twice(const reader *r, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (r->of[k] == r->of[i] ||
            (r->of[i]->kind >= COLUMN_TIME && r->of[k]->kind == r->of[i]->kind &&
             r->of[k]->offset == r->of[i]->offset))
            return true;
    return false;
}

static mop_status read_header(reader *r, const mop_csv_cell *cells, size_t n, mop_err *err)
{
    bool has_times = false;
    for (size_t i = 0; i < n; i++) {
        size_t c = 0;
        while (c < COLUMNS &&
               (cells[i].text == NULL || strcmp(cells[i].text, r->columns[c].name) != 0))
            c++;
        if (c == COLUMNS)
            return unknown_column(r, &cells[i], err);
        r->of[i] = &r->columns[c];
        if (is_twice(r, i))
            return fail(r, cells[i].at, "this value has another column already", err);
        has_times |= r->of[i]->kind == COLUMN_TIME;
        r->has_runs |= r->of[i]->kind == COLUMN_RUN;
    }
    if (!has_times && !r->has_runs)
        return fail(r, cells[0].at,
                    "there is no column with a time, such as median_ms, min_ns or latency_us", err);
    if (has_times && r->has_runs)
        return fail(r, cells[0].at,
                    "a file has either a latency a row or statistics such as median_ms, not both",
                    err);
    return MOP_OK;
}

/* --- rows --- */

static mop_status bad_cell(const reader *r, const column *c, const mop_csv_cell *cell,
                           const char *why, mop_err *err)
{
    char words[150];
    (void)snprintf(words, sizeof words, "%s cannot be \"%.40s\"%s", c->name, cell->text, why);
    return fail(r, cell->at, words, err);
}

static mop_status read_text_cell(const reader *r, const column *c, const mop_csv_cell *cell,
                                 mop_external *row, mop_err *err)
{
    char words[100];
    if (cell->len >= c->size) {
        (void)snprintf(words, sizeof words, "%s has %zu bytes, and at most %zu fit", c->name,
                       cell->len, c->size - 1); /* fits */
        return fail(r, cell->at, words, err);
    }
    memcpy((char *)row + c->offset, cell->text, cell->len + 1);
    return MOP_OK;
}

static mop_status read_number_cell(const reader *r, const column *c, const mop_csv_cell *cell,
                                   mop_external *row, double *run_ns, mop_err *err)
{
    char *end = NULL;
    double v = (double)NAN, ns;
    double most = c->kind != COLUMN_COUNT      ? MOP_IMPORT_MOST_NS / c->unit
                  : c->size == sizeof(int32_t) ? 1e9
                                               : 1e15;
    if (memchr("0123456789.", cell->text[0], 11) != NULL)
        v = strtod(cell->text, &end);
    if (end == NULL || *end != '\0' || !(v > 0 && v <= most))
        return bad_cell(r, c, cell, "", err);
    ns = v * c->unit;
    if (c->kind == COLUMN_COUNT && v != floor(v))
        return bad_cell(r, c, cell, ", which is no whole number", err);
    if (c->kind == COLUMN_RUN)
        *run_ns = ns;
    else if (c->kind == COLUMN_TIME)
        memcpy((char *)row + c->offset, &ns, sizeof ns);
    else if (c->size == sizeof(int32_t))
        memcpy((char *)row + c->offset, &(int32_t){(int32_t)v}, sizeof(int32_t));
    else
        memcpy((char *)row + c->offset, &(int64_t){(int64_t)v}, sizeof(int64_t));
    return MOP_OK;
}

static uint64_t hash_setting(const mop_external *a)
{
    uint64_t h = mop_hash(MOP_HASH_INIT, a->variant, sizeof a->variant);
    h = mop_hash(h, a->engine, sizeof a->engine);
    h = mop_hash(h, a->engine_version, sizeof a->engine_version);
    h = mop_hash(h, a->device, sizeof a->device);
    h = mop_hash(h, a->dtype, sizeof a->dtype);
    return mop_hash_u64(mop_hash_u64(h, (uint64_t)a->threads), (uint64_t)a->batch);
}

static bool is_same_setting(const mop_external *a, const mop_external *b)
{
    return strcmp(a->variant, b->variant) == 0 && strcmp(a->engine, b->engine) == 0 &&
           strcmp(a->engine_version, b->engine_version) == 0 && strcmp(a->device, b->device) == 0 &&
           strcmp(a->dtype, b->dtype) == 0 && a->threads == b->threads && a->batch == b->batch;
}

static mop_status add_run(reader *r, const mop_external *row, double ns, mop_err *err)
{
    size_t *bucket = &r->bucket[hash_setting(row) % BUCKETS], i = *bucket;
    while (i > 0 && !is_same_setting(&r->list->rows[i - 1], row))
        i = r->next[i - 1];
    if (i == 0) {
        mop_status st = mop_external_add(r->list, row, err);
        if (st != MOP_OK)
            return st;
        i = r->list->n;
        r->next[i - 1] = *bucket;
        *bucket = i;
    }
    if (r->n_runs == r->cap_runs) {
        size_t more = r->cap_runs > 0 ? r->cap_runs * 2 : 256;
        run *grown = mop_realloc(r->runs, more, sizeof *grown, err);
        if (grown == NULL)
            return MOP_ENOMEM;
        r->runs = grown;
        r->cap_runs = more;
    }
    r->runs[r->n_runs++] = (run){i - 1, ns};
    return MOP_OK;
}

static mop_status on_row(void *ctx, size_t number, const mop_csv_cell *cells, size_t n,
                         mop_err *err)
{
    reader *r = ctx;
    mop_external row = mop_external_none();
    double ns = 0;
    if (number == 0)
        return read_header(r, cells, n, err);
    for (size_t i = 0; i < n; i++) {
        const column *c = r->of[i];
        mop_status st = MOP_OK;
        if (cells[i].text != NULL && c->kind == COLUMN_TEXT)
            st = read_text_cell(r, c, &cells[i], &row, err);
        else if (cells[i].text != NULL)
            st = read_number_cell(r, c, &cells[i], &row, &ns, err);
        else if (c->kind == COLUMN_RUN)
            st = fail(r, cells[i].at, "the latency is empty", err);
        if (st != MOP_OK)
            return st;
    }
    row.row = cells[0].at.line;
    return r->has_runs ? add_run(r, &row, ns, err) : mop_external_add(r->list, &row, err);
}

/* --- all --- */

static int by_result(const void *a, const void *b)
{
    const run *x = a, *y = b;
    return (x->result > y->result) - (x->result < y->result);
}

static mop_status put_together(reader *r, mop_err *err)
{
    double *ns = mop_calloc(r->n_runs, sizeof *ns, err);
    if (ns == NULL)
        return MOP_ENOMEM;
    qsort(r->runs, r->n_runs, sizeof *r->runs, by_result);
    for (size_t i = 0; i < r->n_runs;) {
        size_t result = r->runs[i].result, n = 0;
        for (; i < r->n_runs && r->runs[i].result == result; i++)
            ns[n++] = r->runs[i].ns;
        mop_external_from_runs(&r->list->rows[result], ns, n);
    }
    free(ns);
    return MOP_OK;
}

mop_status mop_import_generic_read(const mop_import_text *t, mop_external_list *list, mop_err *err)
{
    reader *r = mop_calloc(1, sizeof *r, err);
    mop_status st;
    if (r == NULL)
        return MOP_ENOMEM;
    r->t = t;
    r->list = list;
    r->next = mop_calloc(MOP_IMPORT_ROWS, sizeof *r->next, err);
    make_columns(r->columns);
    rewind(t->in->f);
    st = r->next == NULL ? MOP_ENOMEM : mop_csv_read(t->in->f, t->in->path, on_row, r, err);
    if (st == MOP_OK && r->n_runs > 0)
        st = put_together(r, err);
    free(r->next);
    free(r->runs);
    free(r);
    return st;
}
