#include <stdlib.h>

#include "profiler/cli/cli.h"
#include "reports/report.h"
#include "variants/variant.h"

static mop_status report(const char *db, const char *output, const char *layers, mop_err *err)
{
    char spec[MOP_SPEC_MAX];
    mop_report_options o = {0};
    if (layers != NULL) { /* databases know canonical spellings */
        mop_status status = mop_cli_one_spec(layers, spec, sizeof spec, err);
        if (status != MOP_OK)
            return status;
        o.layers_variant = spec;
    }
    return mop_report_write(db, output, &o, err);
}

int mop_cmd_report(int argc, const char **argv)
{
    char *db = NULL, *output = NULL, *layers = NULL;
    const struct poptOption options[] = {
        {"db", '\0', POPT_ARG_STRING, &db, 0, "database (default moprof.db)", "FILE"},
        {"output", 'o', POPT_ARG_STRING, &output, 0, "report.html or report.md", "FILE"},
        {"layers", '\0', POPT_ARG_STRING, &layers, 0, "whose layer table to show", "VARIANT"},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "report",
        .args = "",
        .about =
            "Writes what the database says: latency with intervals, latency against MACs and\n"
            "params, Spearman's rho, what each modifier costs, the layers of one network. The\n"
            "extension of the file decides: .html is one self-contained page, .md is Markdown.\n\n"
            "  moprof report --db moprof.db -o report.html",
        .options = options,
    };
    mop_strlist args = {0};
    mop_err err = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0 && output == NULL)
        code = mop_cli_usage("report needs -o FILE, with FILE ending in .html or .md");
    if (code < 0)
        code = report(mop_cli_db(db), output, layers, &err) == MOP_OK ? MOP_EXIT_DONE
                                                                      : mop_cli_fail(&err);
    mop_strlist_release(&args);
    free(db);
    free(output);
    free(layers);
    return code;
}
