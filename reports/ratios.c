/* Ratios of two measurements within each pass, so that what slows a whole pass cancels; the median
 * over passes and its interval on the log scale. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "db/table.h"
#include "profiler/base/alloc.h"
#include "profiler/base/stats.h"
#include "reports/section.h"

/* Columns of reports/ratios.sql. */
enum { SETTING, BASE, MODIFIER, VARIANT, RATIO, PAPER };

static const mop_cell *cell(const mop_table *t, size_t row, size_t col)
{
    return &t->cells[row * t->n_cols + col];
}

static bool has_paper(const mop_table *t)
{
    for (size_t i = 0; i < t->n_rows; i++)
        if (cell(t, i, PAPER)->kind != MOP_CELL_NULL)
            return true;
    return false;
}

/* One row from the passes first..end; work has room for them. */
static mop_status add_row(const mop_table *in, size_t first, size_t end, double *work,
                          mop_table *out, mop_err *err)
{
    size_t n = end - first;
    for (size_t i = 0; i < n; i++)
        work[i] = log(mop_section_number(cell(in, first + i, RATIO)));
    mop_sort_f64(work, n);
    mop_interval ratio = mop_median_interval(work, n, 0.95);
    const double reals[] = {exp(ratio.est), exp(ratio.lo), exp(ratio.hi)};
    static const int texts[] = {SETTING, BASE, MODIFIER, VARIANT};
    mop_cell *c = mop_table_row(out, err);
    mop_status status = c == NULL ? MOP_ENOMEM : MOP_OK;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && status == MOP_OK; i++)
        status = mop_cell_set_text(c++, cell(in, first, (size_t)texts[i])->text, err);
    for (size_t i = 0; i < sizeof reals / sizeof reals[0] && status == MOP_OK; i++)
        status = mop_cell_set_real(c++, reals[i], 3, err);
    if (status == MOP_OK)
        status = mop_cell_set_int(c++, (int64_t)n, err);
    if (status == MOP_OK && has_paper(in))
        status = mop_cell_set_real(c, mop_section_number(cell(in, first, PAPER)), 3, err);
    return status;
}

static mop_status reduce(const mop_table *in, mop_table *out, mop_err *err)
{
    static const char *const cols[] = {"setting", "base",   "modifier",
                                       "variant", "ratio",  "low",
                                       "high",    "passes", "ratio in the paper (phone)"};
    size_t n_cols = sizeof cols / sizeof cols[0] - (has_paper(in) ? 0 : 1);
    double *work = mop_calloc(in->n_rows, sizeof *work, err);
    if (work == NULL)
        return MOP_ENOMEM;
    mop_status status = mop_table_start(out, cols, n_cols, err);
    for (size_t first = 0, end; first < in->n_rows && status == MOP_OK; first = end) {
        end = first + 1;
        while (end < in->n_rows &&
               strcmp(cell(in, first, SETTING)->text, cell(in, end, SETTING)->text) == 0 &&
               strcmp(cell(in, first, MODIFIER)->text, cell(in, end, MODIFIER)->text) == 0 &&
               strcmp(cell(in, first, VARIANT)->text, cell(in, end, VARIANT)->text) == 0)
            end++;
        status = add_row(in, first, end, work, out, err);
    }
    free(work);
    return status;
}

mop_status mop_section_ratios(const mop_section *s, mop_db *db, const mop_report_options *o,
                              mop_page *page, mop_err *err)
{
    (void)o; /* every pair is shown */
    mop_table passes = {0}, t = {0};
    mop_status status = mop_section_query(db, s->id, NULL, &passes, err);
    if (status == MOP_OK)
        status = reduce(&passes, &t, err);
    if (status == MOP_OK)
        mop_section_show(s, &t, NULL, page, err);
    mop_table_release(&t);
    mop_table_release(&passes);
    return status;
}
