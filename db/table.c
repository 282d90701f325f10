#include "db/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "profiler/base/alloc.h"

mop_status mop_table_start(mop_table *t, const char *const *cols, size_t n_cols, mop_err *err)
{
    *t = (mop_table){0};
    t->cols = mop_calloc(n_cols, sizeof *t->cols, err);
    if (t->cols == NULL)
        return MOP_ENOMEM;
    for (size_t i = 0; i < n_cols; i++) {
        t->cols[i] = mop_strdup(cols[i], err);
        if (t->cols[i] == NULL)
            return MOP_ENOMEM;
        t->n_cols = i + 1; /* as far as the release may free */
    }
    return MOP_OK;
}

mop_cell *mop_table_row(mop_table *t, mop_err *err)
{
    size_t used = t->n_rows * t->n_cols;
    mop_cell *cells = mop_realloc(t->cells, used + t->n_cols, sizeof *cells, err);
    if (cells == NULL)
        return NULL;
    t->cells = cells;
    for (size_t i = 0; i < t->n_cols; i++) {
        cells[used + i] = (mop_cell){.kind = MOP_CELL_NULL, .text = mop_strdup("", err)};
        if (cells[used + i].text == NULL) {
            while (i-- > 0)
                free(cells[used + i].text);
            return NULL;
        }
    }
    t->n_rows++;
    return cells + used;
}

static mop_status set_text(mop_cell *cell, mop_cell_kind kind, const char *text, mop_err *err)
{
    char *copy = mop_strdup(text, err);
    if (copy == NULL)
        return MOP_ENOMEM;
    free(cell->text);
    cell->text = copy;
    cell->kind = kind;
    return MOP_OK;
}

mop_status mop_cell_set_int(mop_cell *cell, int64_t v, mop_err *err)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64, v); /* always fits */
    cell->i = v;
    return set_text(cell, MOP_CELL_INT, text, err);
}

mop_status mop_cell_set_real(mop_cell *cell, double v, int decimals, mop_err *err)
{
    char text[64];
    if (isnan(v))
        return MOP_OK;
    if (decimals >= 0 && fabs(v) < 1e30)
        (void)snprintf(text, sizeof text, "%.*f", decimals, v); /* fits: below 1e30 */
    else
        (void)snprintf(text, sizeof text, "%.6g", v); /* always fits */
    cell->r = v;
    return set_text(cell, MOP_CELL_REAL, text, err);
}

mop_status mop_cell_set_text(mop_cell *cell, const char *text, mop_err *err)
{
    return set_text(cell, MOP_CELL_TEXT, text, err);
}
