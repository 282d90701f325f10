#include <stdlib.h>

#include "db/csv.h"
#include "profiler/cli/cli.h"

int mop_cmd_import(int argc, const char **argv)
{
    char *db = NULL;
    const struct poptOption options[] = {
        {"db", '\0', POPT_ARG_STRING, &db, 0, "database to add to (default moprof.db)", "FILE"},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "import",
        .args = "FILE",
        .about =
            "Reads results that `moprof export` wrote and adds them to a database, all of them or\n"
            "none.\n\n"
            "  moprof import results.csv --db other.db",
        .options = options,
        .min_args = 1,
        .max_args = 1,
    };
    mop_strlist args = {0};
    mop_err err = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0)
        code = mop_csv_import(args.items[0], mop_cli_db(db), &err) == MOP_OK ? MOP_EXIT_DONE
                                                                             : mop_cli_fail(&err);
    mop_strlist_release(&args);
    free(db);
    return code;
}
