/* What the sections of a report share: their SQL, and splitting a table by its setting. */
#ifndef REPORTS_SECTION_H
#define REPORTS_SECTION_H

#include "db/query.h"
#include "profiler/base/str.h"
#include "reports/page.h"
#include "reports/report.h"

#define MOP_SOFTWARE_WARNING                                                                       \
    "Software Vulkan device: a CPU, not a GPU. Its times say how fast a CPU plays a GPU; they "    \
    "say "                                                                                         \
    "nothing about any GPU."

/* A section of reports.def. */
typedef struct mop_section {
    const char *id, *title;
    const char *lead; /* a paragraph under the title; "" for none */
    const char
        *empty;     /* said instead where there is nothing to show; "": the section is left out */
    bool is_folded; /* the table repeats what the chart shows: folded away, not in Markdown */
    mop_status (*write)(const struct mop_section *, mop_db *, const mop_report_options *,
                        mop_page *, mop_err *);
} mop_section;

/* reports/common.sql and reports/<id>.sql together, and reports/ratios.sql where that lists pairs,
 * as mop_db_query() takes them. MOP_ENOMEM. */
mop_status mop_section_sql(const char *id, mop_str *sql, mop_err *err);

/* The cell of a row by the name of its column; NULL where there is no such column. */
const mop_cell *mop_section_cell(const mop_table *t, size_t row, const char *col);

/* A cell as a number; NAN for NULL and text. */
double mop_section_number(const mop_cell *c);

/* Runs that; ?1 is `param` where it is not NULL. */
mop_status mop_section_query(mop_db *db, const char *id, const char *param, mop_table *out,
                             mop_err *err);

/* Writes t: where its first column is "setting", as one heading, chart and table for each run of
 * equal settings, otherwise as one; then the SQL. A chart is drawn where reports/<id>.vl.json
 * exists. */
void mop_section_show(const mop_section *s, const mop_table *t, const char *param, mop_page *page,
                      mop_err *err);

/* `write` of sections: the rows of the SQL as they come, and those that compute. */
mop_status mop_section_plain(const mop_section *s, mop_db *db, const mop_report_options *o,
                             mop_page *page, mop_err *err);
mop_status mop_section_summary(const mop_section *s, mop_db *db, const mop_report_options *o,
                               mop_page *page, mop_err *err);
mop_status mop_section_environment(const mop_section *s, mop_db *db, const mop_report_options *o,
                                   mop_page *page, mop_err *err);
mop_status mop_section_rho(const mop_section *s, mop_db *db, const mop_report_options *o,
                           mop_page *page, mop_err *err);
mop_status mop_section_ratios(const mop_section *s, mop_db *db, const mop_report_options *o,
                              mop_page *page, mop_err *err);
mop_status mop_section_layers(const mop_section *s, mop_db *db, const mop_report_options *o,
                              mop_page *page, mop_err *err);

#endif
