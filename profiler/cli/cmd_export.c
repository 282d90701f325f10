#include <stdlib.h>

#include "db/csv.h"
#include "profiler/cli/cli.h"

int mop_cmd_export(int argc, const char **argv)
{
    char *db = NULL, *output = NULL;
    const struct poptOption options[] = {
        {"db", '\0', POPT_ARG_STRING, &db, 0, "database (default moprof.db)", "FILE"},
        {"output", 'o', POPT_ARG_STRING, &output, 0, "write to FILE instead of stdout", "FILE"},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "export",
        .args = "",
        .about = "Writes the results as CSV, a row a sample with everything that belongs to it, so "
                 "that\n"
                 "`moprof import` can read it back without loss.\n\n"
                 "  moprof export --db moprof.db -o results.csv",
        .options = options,
    };
    mop_strlist args = {0};
    mop_err err = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0)
        code = mop_csv_export(mop_cli_db(db), output, &err) == MOP_OK ? MOP_EXIT_DONE
                                                                      : mop_cli_fail(&err);
    mop_strlist_release(&args);
    free(db);
    free(output);
    return code;
}
