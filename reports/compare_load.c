/* Reads one side of a comparison: the sweep, the rows of its plan, the medians of their passes, and
 * the controls that failed. Four statements a side; O(samples log samples) inside SQLite. */
#include "reports/compare_load.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/str.h"
#include "reports/section.h"

/* A/A controls are called "aa:..."; what they read is in the sweep's A/A floor already. */
static bool is_aa(const char *control)
{
    return strncmp(control, "aa", 2) == 0;
}

mop_status mop_compare_say(mop_strlist *list, mop_err *err, const char *fmt, ...)
{
    char words[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(words, sizeof words, fmt, ap); /* a long sentence is cut */
    va_end(ap);
    return mop_strlist_add(list, words, err);
}

const char *mop_compare_sweep_text(const mop_compare_loaded *l, const char *col)
{
    return mop_section_cell(&l->sweep, 0, col)->text;
}

static bool has_int(const int *list, size_t n, int64_t v)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == v)
            return true;
    return n == 0;
}

static bool passes_filter(const mop_compare_row *r, const mop_compare_side *side,
                          const mop_compare_filter *f)
{
    bool has_backend = f->n_backends == 0;
    for (size_t i = 0; i < f->n_backends; i++)
        has_backend = has_backend || strcmp(f->backends[i], r->backend) == 0;
    return has_backend && has_int(f->threads, f->n_threads, r->threads) &&
           has_int(f->batches, f->n_batches, r->batch) &&
           (f->cache == NULL || strcmp(f->cache, r->cache) == 0) &&
           (side->fuse == NULL || strcmp(side->fuse, r->fuse) == 0) &&
           (side->winograd == NULL || strcmp(side->winograd, r->winograd) == 0) &&
           (side->dtype == NULL || strcmp(side->dtype, r->dtype) == 0) &&
           (side->variant == NULL || strcmp(side->variant, r->variant) == 0);
}

static void fill_row(mop_compare_loaded *l, size_t i, const mop_compare_filter *filter)
{
    const mop_table *t = &l->rows;
    mop_compare_row *r = &l->row[i];
    struct {
        const char **to;
        const char *col;
    } texts[] = {
        {&r->variant, "variant"}, {&r->backend, "backend"}, {&r->device, "device"},
        {&r->uuid, "uuid"},       {&r->isa, "isa"},         {&r->dtype, "dtype"},
        {&r->cache, "cache"},     {&r->fuse, "fuse"},       {&r->winograd, "winograd"},
        {&r->alias, "alias"},     {&r->state, "state"},     {&r->reason, "reason"},
        {&r->grade, "grade"},     {&r->driver, "driver"},   {&r->fingerprint, "fingerprint"}};
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
        *texts[k].to = mop_section_cell(t, i, texts[k].col)->text;
    r->threads = mop_section_cell(t, i, "threads")->i;
    r->batch = mop_section_cell(t, i, "batch")->i;
    r->median_ns = mop_section_number(mop_section_cell(t, i, "median_ns"));
    r->baseline_ratio = mop_section_number(mop_section_cell(t, i, "ratio"));
    r->is_control = *r->alias != '\0';
    r->is_wanted = !r->is_control && passes_filter(r, l->side, filter);
    bool is_timed = strcmp(r->state, "done") == 0 || strcmp(r->state, "pending") == 0;
    /* a row that failed later has samples, and they count for nothing */
    r->has_samples = is_timed && mop_section_cell(t, i, "n_clean")->kind != MOP_CELL_NULL;
    if (!is_timed)
        r->median_ns = (double)NAN;
}

/* Rows and passes both come by rising measurement. */
static mop_status attach_passes(mop_compare_loaded *l, mop_err *err)
{
    const mop_table *t = &l->passes;
    size_t at = 0;
    l->pass_ns = mop_calloc(t->n_rows, sizeof *l->pass_ns, err);
    l->pass = mop_calloc(t->n_rows, sizeof *l->pass, err);
    if (l->pass_ns == NULL || l->pass == NULL)
        return MOP_ENOMEM;
    for (size_t i = 0; i < t->n_rows; i++) {
        l->pass[i] = t->cells[i * t->n_cols + 1].i;
        l->pass_ns[i] = mop_section_number(&t->cells[i * t->n_cols + 2]);
    }
    for (size_t i = 0; i < l->n; i++) {
        mop_compare_row *r = &l->row[i];
        int64_t id = mop_section_cell(&l->rows, i, "id")->i;
        r->pass_ns = l->pass_ns + at;
        r->pass = l->pass + at;
        while (at < t->n_rows && t->cells[at * t->n_cols].i == id) {
            r->n_passes++;
            at++;
        }
        if (isnan(r->median_ns))
            r->n_passes = 0;
        if (r->n_passes > l->most_passes)
            l->most_passes = r->n_passes;
    }
    return MOP_OK;
}

/* What a control that failed read beyond the furthest that it may. */
static void take_controls(mop_compare_loaded *l)
{
    for (size_t i = 0; i < l->controls.n_rows; i++) {
        double value = mop_section_number(mop_section_cell(&l->controls, i, "value"));
        double low = mop_section_number(mop_section_cell(&l->controls, i, "low"));
        double high = mop_section_number(mop_section_cell(&l->controls, i, "high"));
        double off = fmax(fabs(value - low), fabs(value - high));
        if (is_aa(mop_section_cell(&l->controls, i, "name")->text) && !isnan(l->aa_floor))
            continue;
        l->n_unread += isnan(off) ? 1 : 0;
        l->misread = fmax(l->misread, off); /* fmax passes NAN over */
    }
}

mop_status mop_compare_load(const mop_compare_side *side, const mop_compare_filter *filter,
                            mop_compare_loaded *out, mop_err *err)
{
    char id[24];
    *out = (mop_compare_loaded){.side = side, .aa_floor = (double)NAN};
    (void)snprintf(id, sizeof id, "%lld", (long long)side->sweep); /* always fits */
    mop_status status = mop_section_query(side->db, "compare_sweep", id, &out->sweep, err);
    if (status == MOP_OK && out->sweep.n_rows == 0)
        status = mop_fail(err, MOP_EINVAL, "%.100s does not exist", side->name);
    if (status == MOP_OK)
        status = mop_section_query(side->db, "compare_rows", id, &out->rows, err);
    if (status == MOP_OK)
        status = mop_section_query(side->db, "compare_passes", id, &out->passes, err);
    if (status == MOP_OK)
        status = mop_section_query(side->db, "compare_controls", id, &out->controls, err);
    if (status != MOP_OK)
        return status;
    out->aa_floor = mop_section_number(mop_section_cell(&out->sweep, 0, "aa_floor"));
    out->n = out->rows.n_rows;
    out->row = mop_calloc(out->n, sizeof *out->row, err);
    if (out->row == NULL)
        return MOP_ENOMEM;
    for (size_t i = 0; i < out->n; i++)
        fill_row(out, i, filter);
    take_controls(out);
    return attach_passes(out, err);
}

void mop_compare_loaded_release(mop_compare_loaded *l)
{
    mop_table_release(&l->sweep);
    mop_table_release(&l->rows);
    mop_table_release(&l->passes);
    mop_table_release(&l->controls);
    free(l->row);
    free(l->pass_ns);
    free(l->pass);
    *l = (mop_compare_loaded){0};
}
