/* Markdown: CommonMark with tables. No images; the charts are in the HTML form. */
#include <string.h>

#include "reports/page.h"

static void escape(mop_str *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<')
            mop_str_add(out, "&lt;");
        else if (*text == '&')
            mop_str_add(out, "&amp;");
        else if (*text == '\n' || *text == '\r')
            mop_str_add(out, " ");
        else {
            if (strchr("\\`*_[]|~#", *text) != NULL)
                mop_str_add(out, "\\");
            mop_str_addn(out, text, 1);
        }
    }
}

/* Sentences: what stands between backticks is code and is kept as it is. */
static void escape_sentence(mop_str *out, const char *text)
{
    for (bool is_code = false;; is_code = !is_code) {
        size_t n = strcspn(text, "`");
        mop_str part = {0};
        mop_str_addn(&part, text, n);
        if (is_code)
            mop_str_addf(out, "`%s`", mop_str_get(&part));
        else
            escape(out, mop_str_get(&part));
        out->failed |= part.failed;
        mop_str_release(&part);
        if (text[n] == '\0')
            return;
        text += n + 1;
    }
}

static void md_paragraph(mop_page *p, const char *text)
{
    if (text[0] == '\0')
        return;
    escape_sentence(&p->text, text);
    mop_str_add(&p->text, "\n\n");
}

static void md_begin(mop_page *p, const char *title, const char *lead)
{
    mop_str_addf(&p->text, "# %s\n\n", title);
    md_paragraph(p, lead);
    md_paragraph(p,
                 "The charts are in the HTML form of this report: the same command with an output "
                 "that ends in `.html`.");
}

static void md_section(mop_page *p, const char *id, const char *title)
{
    (void)id; /* Markdown makes its own anchors */
    mop_str_addf(&p->text, "## %s\n\n", title);
}

static void md_warning(mop_page *p, const char *text)
{
    mop_str_add(&p->text, "> **");
    escape_sentence(&p->text, text);
    mop_str_add(&p->text, "**\n\n");
}

static void md_heading(mop_page *p, const char *text)
{
    mop_str_add(&p->text, "### ");
    escape(&p->text, text);
    mop_str_add(&p->text, "\n\n");
}

static void md_table(mop_page *p, const mop_page_rows *rows, bool is_folded)
{
    const mop_table *t = rows->table;
    char number[32];
    if (is_folded) {
        md_paragraph(p, "Drawn as a chart in the HTML form; the figures are under All latencies.");
        return;
    }
    for (size_t c = rows->skip_cols; c < t->n_cols; c++) {
        mop_str_add(&p->text, "| ");
        escape(&p->text, t->cols[c]);
        mop_str_add(&p->text, " ");
    }
    mop_str_add(&p->text, "|\n");
    for (size_t c = rows->skip_cols; c < t->n_cols; c++)
        mop_str_add(&p->text, mop_page_is_numeric(rows, c) ? "|---:" : "|---");
    mop_str_add(&p->text, "|\n");
    for (size_t r = rows->first; r < rows->end; r++) {
        for (size_t c = rows->skip_cols; c < t->n_cols; c++) {
            mop_str_add(&p->text, "| ");
            escape(&p->text, mop_page_number(&t->cells[r * t->n_cols + c], number));
            mop_str_add(&p->text, " ");
        }
        mop_str_add(&p->text, "|\n");
    }
    mop_str_add(&p->text, "\n");
}

static void md_chart(mop_page *p, const char *id, const char *setting)
{
    (void)p, (void)id, (void)setting; /* said once at the top */
}

static void md_chart_data(mop_page *p, const char *id, const mop_table *t)
{
    (void)p, (void)id, (void)t; /* as above */
}

static void md_sql(mop_page *p, const char *sql, const char *param)
{
    mop_str_add(&p->text, "<details><summary>SQL of these figures</summary>\n\n");
    if (param != NULL)
        mop_str_add(&p->text, param[0] != '\0' ? "Here ?1 is the variant asked for.\n\n"
                                               : "Here ?1 is empty.\n\n");
    mop_str_addf(&p->text, "```sql\n%s```\n\n</details>\n\n", sql);
}

static void md_end(mop_page *p)
{
    (void)p; /* a Markdown file just ends */
}

const mop_page_ops mop_page_markdown = {
    .begin = md_begin,
    .section = md_section,
    .paragraph = md_paragraph,
    .warning = md_warning,
    .heading = md_heading,
    .table = md_table,
    .chart = md_chart,
    .chart_data = md_chart_data,
    .sql = md_sql,
    .end = md_end,
};
