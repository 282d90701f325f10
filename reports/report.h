/* Reports: everything a results database says, as Markdown or as one HTML page that needs nothing
 * else. */
#ifndef REPORTS_REPORT_H
#define REPORTS_REPORT_H

#include "profiler/base/status.h"

typedef struct mop_report_options {
    const char
        *layers_variant; /* whose layers to show; NULL: the largest network that has layer times */
} mop_report_options;

/* Writes the report of the database at db_path to out_path: Markdown where the path ends in .md,
 * HTML where it ends in .html. The sections are those of reports/reports.def in its order; the same
 * database gives the same bytes. options may be NULL. The file is replaced only once it is
 * complete. MOP_EINVAL for another ending; otherwise as mop_db_open(), mop_db_query() and
 * mop_outfile_open() fail. */
mop_status mop_report_write(const char *db_path, const char *out_path,
                            const mop_report_options *options, mop_err *err);

#endif
