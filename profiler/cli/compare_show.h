/* What `compare` and `rerun` share: printing a comparison, and --fail-on. */
#ifndef PROFILER_CLI_COMPARE_SHOW_H
#define PROFILER_CLI_COMPARE_SHOW_H

#include "reports/compare.h"

/* Which verdicts end the program with another exit code than 0. */
typedef struct mop_fail_on {
    bool on[MOP_N_VERDICTS];
} mop_fail_on;

/* "slower,missing" -> those; NULL or "none": none. MOP_EINVAL for another word. */
mop_status mop_fail_on_parse(const char *text, mop_fail_on *out, mop_err *err);

/* MOP_EXIT_REGRESSION if a verdict asked for came out other than UNCLEAR, MOP_EXIT_UNDECIDED if
 * only UNCLEAR did, else MOP_EXIT_DONE. */
int mop_fail_on_code(const mop_fail_on *fail_on, const mop_comparison *c);

/* Writes the table where and how asked for. A table for people goes with its sentences round it and
 * without the columns that say the same in every row; beside any other format, and beside a file,
 * the sentences go to stderr. */
mop_status mop_compare_show(const mop_comparison *c, const char *format, const char *file,
                            mop_err *err);

#endif
