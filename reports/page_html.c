/* One HTML page that needs nothing else: styles, rows, chart specifications and chart libraries are
 * inside, and its Content-Security-Policy forbids the browser to fetch anything. */
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "reports/page.h"

static const char *const libraries[] = {"vega.min.js", "vega-lite.min.js", "vega-embed.min.js"};
#define N_LIBRARIES (sizeof libraries / sizeof libraries[0])

static void escape_n(mop_str *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        switch (text[i]) {
        case '<':
            mop_str_add(out, "&lt;");
            break;
        case '>':
            mop_str_add(out, "&gt;");
            break;
        case '&':
            mop_str_add(out, "&amp;");
            break;
        case '"':
            mop_str_add(out, "&quot;");
            break;
        default:
            mop_str_addn(out, text + i, 1);
        }
    }
}

static void escape(mop_str *out, const char *text)
{
    escape_n(out, text, strlen(text));
}

/* Sentences: what stands between backticks is code. */
static void escape_sentence(mop_str *out, const char *text)
{
    for (bool is_code = false;; is_code = !is_code) {
        size_t n = strcspn(text, "`");
        if (is_code)
            mop_str_add(out, "<code>");
        escape_n(out, text, n);
        if (is_code)
            mop_str_add(out, "</code>");
        if (text[n] == '\0')
            return;
        text += n + 1;
    }
}

/* A script element ends at the first "</script" and changes its rules at "<!--", wherever they
 * stand. Inside JavaScript strings and patterns a backslash in them changes nothing else. */
static void add_script(mop_str *out, const char *text)
{
    for (;;) {
        size_t n = strcspn(text, "<");
        mop_str_addn(out, text, n);
        text += n;
        if (*text == '\0')
            return;
        bool is_special = strncasecmp(text, "</script", 8) == 0 || strncmp(text, "<!--", 4) == 0;
        mop_str_add(out, is_special ? "<\\" : "<");
        text++;
    }
}

/* JSON inside a script element: no "<" at all. */
static void add_json_text(mop_str *out, const char *text)
{
    mop_str_add(out, "\"");
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == '<' || c == '"' || c == '\\')
            mop_str_addf(out, "\\u%04x", c);
        else
            mop_str_addn(out, text, 1);
    }
    mop_str_add(out, "\"");
}

static void add_json_spec(mop_str *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<')
            mop_str_add(out, "\\u003c"); /* "<" occurs only inside strings of a specification */
        else
            mop_str_addn(out, text, 1);
    }
}

static void add_json_cell(mop_str *out, const mop_cell *c)
{
    if (c->kind == MOP_CELL_INT)
        mop_str_addf(out, "%lld", (long long)c->i);
    else if (c->kind == MOP_CELL_REAL && c->r - c->r == 0) /* finite */
        mop_str_addf(out, "%.17g", c->r);
    else if (c->kind == MOP_CELL_TEXT)
        add_json_text(out, c->text);
    else
        mop_str_add(out, "null");
}

static void html_paragraph(mop_page *p, const char *text)
{
    if (text[0] == '\0')
        return;
    mop_str_add(&p->text, "<p>");
    escape_sentence(&p->text, text);
    mop_str_add(&p->text, "</p>\n");
}

static void html_warning(mop_page *p, const char *text)
{
    mop_str_add(&p->text, "<p class=\"warning\" role=\"note\">");
    escape_sentence(&p->text, text);
    mop_str_add(&p->text, "</p>\n");
}

static void html_begin(mop_page *p, const char *title, const char *lead)
{
    static const struct {
        const char *id, *title;
    } links[] = {
#define MOP_SECTION_ROW(id, title, write, is_folded, lead, empty) {#id, title},
#include "reports/reports.def"
#undef MOP_SECTION_ROW
    };
    mop_str_add(&p->text,
                "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                "script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
                "img-src data:\">\n"
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    escape(&p->text, title);
    mop_str_addf(&p->text, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<h1>",
                 mop_page_file("reports/report.css"));
    escape(&p->text, title);
    mop_str_add(&p->text, "</h1>\n");
    html_paragraph(p, lead);
    mop_str_add(&p->text, "<nav>");
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        mop_str_addf(&p->text, "<a href=\"#%s\">%s</a> ", links[i].id, links[i].title);
    mop_str_add(&p->text, "</nav>\n");
    if (!p->has_charts)
        html_warning(p,
                     "The charts are left out, because this build of moprof does not contain Vega, "
                     "Vega-Lite and Vega-Embed. Install npm (Debian package `npm`), run `make` "
                     "again with a network, and write this report anew. The tables below hold "
                     "every figure.");
}

static void html_section(mop_page *p, const char *id, const char *title)
{
    mop_str_addf(&p->text, "<h2 id=\"%s\">%s</h2>\n", id, title);
}

static void html_heading(mop_page *p, const char *text)
{
    mop_str_add(&p->text, "<h3>");
    escape(&p->text, text);
    mop_str_add(&p->text, "</h3>\n");
}

static void html_table(mop_page *p, const mop_page_rows *rows, bool is_folded)
{
    const mop_table *t = rows->table;
    char number[32];
    if (is_folded)
        mop_str_addf(&p->text, "<details%s><summary>The figures of this chart</summary>\n",
                     p->has_charts ? "" : " open");
    mop_str_add(&p->text, "<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr>");
    for (size_t c = rows->skip_cols; c < t->n_cols; c++) {
        mop_str_add(&p->text, mop_page_is_numeric(rows, c) ? "<th class=\"n\">" : "<th>");
        escape(&p->text, t->cols[c]);
        mop_str_add(&p->text, "</th>");
    }
    mop_str_add(&p->text, "</tr></thead>\n<tbody>\n");
    for (size_t r = rows->first; r < rows->end; r++) {
        mop_str_add(&p->text, "<tr>");
        for (size_t c = rows->skip_cols; c < t->n_cols; c++) {
            const mop_cell *cell = &t->cells[r * t->n_cols + c];
            mop_str_add(&p->text, mop_page_is_numeric(rows, c) ? "<td class=\"n\">" : "<td>");
            escape(&p->text, mop_page_number(cell, number));
            mop_str_add(&p->text, "</td>");
        }
        mop_str_add(&p->text, "</tr>\n");
    }
    mop_str_add(&p->text, "</tbody></table></div>\n");
    if (is_folded)
        mop_str_add(&p->text, "</details>\n");
}

static void html_chart(mop_page *p, const char *id, const char *setting)
{
    if (!p->has_charts)
        return; /* said once at the top */
    mop_str_addf(&p->text, "<figure class=\"chart\" data-section=\"%s\"", id);
    if (setting != NULL) {
        mop_str_add(&p->text, " data-setting=\"");
        escape(&p->text, setting);
        mop_str_add(&p->text, "\"");
    }
    mop_str_add(&p->text, "></figure>\n");
}

static void html_chart_data(mop_page *p, const char *id, const mop_table *t)
{
    if (!p->has_charts)
        return;
    mop_str name = {0};
    mop_str_addf(&name, "reports/%s.vl.json", id);
    mop_str_addf(&p->text, "<script type=\"application/json\" id=\"spec-%s\">\n", id);
    add_json_spec(&p->text, mop_page_file(mop_str_get(&name)));
    mop_str_addf(&p->text, "</script>\n<script type=\"application/json\" id=\"rows-%s\">[", id);
    mop_str_release(&name);
    for (size_t r = 0; r < t->n_rows; r++) {
        mop_str_add(&p->text, r == 0 ? "\n{" : ",\n{");
        for (size_t c = 0; c < t->n_cols; c++) {
            mop_str_add(&p->text, c == 0 ? "" : ",");
            add_json_text(&p->text, t->cols[c]);
            mop_str_add(&p->text, ":");
            add_json_cell(&p->text, &t->cells[r * t->n_cols + c]);
        }
        mop_str_add(&p->text, "}");
    }
    mop_str_add(&p->text, "\n]</script>\n");
}

static void html_sql(mop_page *p, const char *sql, const char *param)
{
    mop_str_add(&p->text, "<details><summary>SQL of these figures</summary>\n");
    if (param != NULL)
        html_paragraph(p, param[0] != '\0' ? "Here ?1 is the variant asked for."
                                           : "Here ?1 is empty.");
    mop_str_add(&p->text, "<pre>");
    escape(&p->text, sql);
    mop_str_add(&p->text, "</pre></details>\n");
}

static void html_end(mop_page *p)
{
    for (size_t i = 0; i < N_LIBRARIES && p->has_charts; i++) {
        mop_str_add(&p->text, "<script>\n");
        add_script(&p->text, mop_page_file(libraries[i]));
        mop_str_add(&p->text, "\n</script>\n");
    }
    if (p->has_charts) {
        mop_str_add(&p->text, "<script>\n");
        add_script(&p->text, mop_page_file("reports/report.js"));
        mop_str_add(&p->text, "</script>\n");
    }
    mop_str_add(&p->text, "</body>\n</html>\n");
}

const mop_page_ops mop_page_html = {
    .begin = html_begin,
    .section = html_section,
    .paragraph = html_paragraph,
    .warning = html_warning,
    .heading = html_heading,
    .table = html_table,
    .chart = html_chart,
    .chart_data = html_chart_data,
    .sql = html_sql,
    .end = html_end,
};
