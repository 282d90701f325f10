#include "reports/section.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

mop_status mop_section_sql(const char *id, mop_str *sql, mop_err *err)
{
    char name[64];
    (void)snprintf(name, sizeof name, "reports/%s.sql", id); /* ids are ours and short */
    const char *own = mop_page_file(name);
    /* what names neither of the two tables of common.sql stands alone */
    if (strstr(own, "FROM results") != NULL || strstr(own, "FROM everything") != NULL)
        mop_str_add(sql, mop_page_file("reports/common.sql"));
    mop_str_add(sql, own);
    if (strstr(own, "pair AS (") != NULL)
        mop_str_add(sql, mop_page_file("reports/ratios.sql"));
    return mop_str_status(sql, err);
}

mop_status mop_section_query(mop_db *db, const char *id, const char *param, mop_table *out,
                             mop_err *err)
{
    mop_str sql = {0};
    mop_status status = mop_section_sql(id, &sql, err);
    if (status == MOP_OK)
        status = mop_db_query(db, mop_str_get(&sql), &param, param != NULL, out, err);
    mop_str_release(&sql);
    return status;
}

const mop_cell *mop_section_cell(const mop_table *t, size_t row, const char *col)
{
    for (size_t c = 0; c < t->n_cols; c++)
        if (strcmp(t->cols[c], col) == 0)
            return &t->cells[row * t->n_cols + c];
    return NULL;
}

double mop_section_number(const mop_cell *c)
{
    if (c == NULL)
        return NAN;
    return c->kind == MOP_CELL_INT ? (double)c->i : c->kind == MOP_CELL_REAL ? c->r : NAN;
}

static const char *setting_of(const mop_table *t, size_t row)
{
    return t->cells[row * t->n_cols].text;
}

/* Charts draw reals. Coefficients of too few networks are all NULL, and then there is nothing to
 * draw. */
static bool has_reals(const mop_page_rows *rows)
{
    const mop_table *t = rows->table;
    for (size_t i = rows->first * t->n_cols; i < rows->end * t->n_cols; i++)
        if (t->cells[i].kind == MOP_CELL_REAL)
            return true;
    return false;
}

static void show_part(const mop_section *s, const mop_page_rows *rows, bool has_chart,
                      mop_page *page)
{
    const char *setting = rows->skip_cols > 0 ? setting_of(rows->table, rows->first) : NULL;
    if (setting != NULL)
        page->ops->heading(page, setting);
    if (has_chart && has_reals(rows))
        page->ops->chart(page, s->id, setting);
    page->ops->table(page, rows, s->is_folded);
}

void mop_section_show(const mop_section *s, const mop_table *t, const char *param, mop_page *page,
                      mop_err *err)
{
    char name[64];
    (void)snprintf(name, sizeof name, "reports/%s.vl.json", s->id); /* as above */
    bool has_chart = t->n_rows > 0 && mop_page_file(name)[0] != '\0';
    bool by_setting = t->n_cols > 0 && strcmp(t->cols[0], "setting") == 0;
    if (t->n_rows == 0)
        page->ops->paragraph(page, s->empty);
    for (size_t first = 0, end; first < t->n_rows; first = end) {
        end = by_setting ? first + 1 : t->n_rows;
        while (end < t->n_rows && strcmp(setting_of(t, first), setting_of(t, end)) == 0)
            end++;
        show_part(s, &(mop_page_rows){t, first, end, by_setting}, has_chart, page);
    }
    if (has_chart)
        page->ops->chart_data(page, s->id, t);
    mop_str sql = {0};
    if (mop_section_sql(s->id, &sql, err) == MOP_OK)
        page->ops->sql(page, mop_str_get(&sql), param);
    page->text.failed |= sql.failed;
    mop_str_release(&sql);
}

mop_status mop_section_plain(const mop_section *s, mop_db *db, const mop_report_options *o,
                             mop_page *page, mop_err *err)
{
    (void)o; /* the rows of the SQL as they come: nothing to choose */
    mop_table t = {0};
    mop_status status = mop_section_query(db, s->id, NULL, &t, err);
    if (status != MOP_OK)
        return status;
    mop_section_show(s, &t, NULL, page, err);
    mop_table_release(&t);
    return MOP_OK;
}

mop_status mop_section_layers(const mop_section *s, mop_db *db, const mop_report_options *o,
                              mop_page *page, mop_err *err)
{
    const char *variant = o->layers_variant != NULL ? o->layers_variant : "";
    mop_table t = {0};
    mop_status status = mop_section_query(db, s->id, variant, &t, err);
    if (status != MOP_OK)
        return status;
    mop_section_show(s, &t, variant, page, err);
    mop_table_release(&t);
    return MOP_OK;
}

mop_status mop_section_environment(const mop_section *s, mop_db *db, const mop_report_options *o,
                                   mop_page *page, mop_err *err)
{
    (void)o; /* every device is shown */
    mop_table t = {0};
    mop_status status = mop_section_query(db, s->id, NULL, &t, err);
    if (status != MOP_OK)
        return status;
    bool is_software = false;
    for (size_t i = 0; i < t.n_rows; i++)
        is_software |= strncmp(mop_section_cell(&t, i, "kind")->text, "SOFTWARE", 8) == 0;
    if (is_software)
        page->ops->warning(page, MOP_SOFTWARE_WARNING);
    mop_section_show(s, &t, NULL, page, err);
    mop_table_release(&t);
    return MOP_OK;
}
