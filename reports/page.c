#include "reports/page.h"

#include <math.h>
#include <stdio.h>

#include "profiler/base/embed.h"

const char *mop_page_file(const char *name)
{
    size_t size;
    const char *text = mop_embed_get(name, &size);
    return text != NULL ? text : "";
}

void mop_page_init(mop_page *p, const mop_page_ops *ops)
{
    *p = (mop_page){.ops = ops};
    p->has_charts = mop_page_file("vega.min.js")[0] != '\0' &&
                    mop_page_file("vega-lite.min.js")[0] != '\0' &&
                    mop_page_file("vega-embed.min.js")[0] != '\0';
}

bool mop_page_is_numeric(const mop_page_rows *rows, size_t col)
{
    const mop_table *t = rows->table;
    for (size_t r = rows->first; r < rows->end; r++) {
        mop_cell_kind kind = t->cells[r * t->n_cols + col].kind;
        if (kind != MOP_CELL_NULL)
            return kind == MOP_CELL_INT || kind == MOP_CELL_REAL;
    }
    return false;
}

const char *mop_page_number(const mop_cell *c, char text[32])
{
    if (c->kind == MOP_CELL_NULL)
        return "–";
    if (c->kind != MOP_CELL_REAL)
        return c->text;
    double size = fabs(c->r);
    if (size > 0 && (size < 1e-4 || size >= 1e15)) {
        (void)snprintf(text, 32, "%.1e", c->r); /* fits */
        return text;
    }
    int before = size > 0 ? (int)floor(log10(size)) : 0; /* place of the first digit */
    int decimals = before < -3 ? 1 - before : before < 0 ? 4 : 3 - before;
    (void)snprintf(text, 32, "%.*f", decimals < 0 ? 0 : decimals, c->r); /* at most 22 characters */
    return text;
}
