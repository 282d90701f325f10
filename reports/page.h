/* A page being written: the same calls become Markdown or HTML. Appending sticks on failure like
 * mop_str; everything from a database is escaped here and nowhere else. */
#ifndef REPORTS_PAGE_H
#define REPORTS_PAGE_H

#include <stdbool.h>

#include "db/query.h"
#include "profiler/base/str.h"

typedef struct mop_page mop_page;

/* Rows first..end of a table, without its first skip_cols columns. */
typedef struct mop_page_rows {
    const mop_table *table;
    size_t first, end, skip_cols;
} mop_page_rows;

typedef struct mop_page_ops {
    void (*begin)(mop_page *p, const char *title, const char *lead);
    void (*section)(mop_page *p, const char *id, const char *title);
    void (*paragraph)(mop_page *p, const char *text);
    void (*warning)(mop_page *p, const char *text);
    void (*heading)(mop_page *p, const char *text);
    void (*table)(mop_page *p, const mop_page_rows *rows, bool is_folded);
    /* A chart by reports/<id>.vl.json of the rows whose first column is `setting` (NULL: all). */
    void (*chart)(mop_page *p, const char *id, const char *setting);
    /* The rows that the charts of section id draw: once, after its charts. */
    void (*chart_data)(mop_page *p, const char *id, const mop_table *t);
    void (*sql)(mop_page *p, const char *sql, const char *param);
    void (*end)(mop_page *p);
} mop_page_ops;

struct mop_page {
    const mop_page_ops *ops;
    mop_str text;
    bool has_charts; /* the chart libraries are in the build; set by mop_page_init */
};

extern const mop_page_ops mop_page_markdown, mop_page_html;

/* Starts a page; release page->text with mop_str_release. */
void mop_page_init(mop_page *p, const mop_page_ops *ops);

/* The embedded text file `name`, "" where the build left it out. */
const char *mop_page_file(const char *name);

/* Whether a column holds numbers: they and their head stand right, gaps among them too. */
bool mop_page_is_numeric(const mop_page_rows *rows, size_t col);

/* A number as people read it: integers plain, reals with four significant digits, but four decimals
 * at most (two digits below 0.001), and an exponent only below 1e-4 and from 1e15; NULL as a dash.
 * Writes to text[32]. Texts are returned as they are. */
const char *mop_page_number(const mop_cell *c, char text[32]);

#endif
