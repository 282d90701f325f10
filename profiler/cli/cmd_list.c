#include <stdlib.h>

#include "db/table.h"
#include "profiler/cli/cli.h"
#include "variants/variant.h"

static mop_status add_row(mop_table *t, const char *text, mop_err *err)
{
    mop_spec spec;
    mop_graph *graph = NULL;
    mop_graph_counts n;
    mop_cell *cell;
    mop_status status = mop_spec_parse(text, &spec, err);
    if (status == MOP_OK)
        status = mop_variant_graph(&spec, 1, &graph, err);
    if (status != MOP_OK)
        return status;
    mop_graph_count(graph, &n);
    mop_graph_free(graph);
    cell = mop_table_row(t, err);
    if (cell == NULL || mop_cell_set_text(&cell[0], spec.text, err) != MOP_OK ||
        mop_cell_set_text(&cell[1], spec.family, err) != MOP_OK ||
        mop_cell_set_text(&cell[2], mop_form_name(spec.form), err) != MOP_OK ||
        mop_cell_set_int(&cell[3], spec.height, err) != MOP_OK ||
        mop_cell_set_int(&cell[4], spec.width, err) != MOP_OK ||
        mop_cell_set_int(&cell[5], n.params, err) != MOP_OK ||
        mop_cell_set_int(&cell[6], n.macs, err) != MOP_OK ||
        mop_cell_set_int(&cell[7], n.activations, err) != MOP_OK ||
        mop_cell_set_int(&cell[8], n.ops, err) != MOP_OK ||
        mop_cell_set_int(&cell[9], n.depth, err) != MOP_OK)
        return MOP_ENOMEM;
    return MOP_OK;
}

static mop_status list(const char *patterns, const char *format, const char *output, mop_err *err)
{
    static const char *const cols[] = {"variant", "family", "form",        "height", "width",
                                       "params",  "macs",   "activations", "ops",    "depth"};
    mop_strlist specs = {0};
    mop_table t = {0};
    mop_status status = mop_specs_expand(patterns, &specs, err);
    if (status == MOP_OK)
        status = mop_table_start(&t, cols, sizeof cols / sizeof cols[0], err);
    for (size_t i = 0; i < specs.n && status == MOP_OK; i++)
        status = add_row(&t, specs.items[i], err);
    if (status == MOP_OK)
        status = mop_cli_write_table(&t, format, output, err);
    mop_table_release(&t);
    mop_strlist_release(&specs);
    return status;
}

int mop_cmd_list(int argc, const char **argv)
{
    char *format = NULL, *output = NULL;
    const struct poptOption options[] = {
        {"format", 'f', POPT_ARG_STRING, &format, 0, "table, csv, json or md", "FORMAT"},
        {"output", 'o', POPT_ARG_STRING, &output, 0, "write to FILE instead of stdout", "FILE"},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "list",
        .args = "[VARIANTS]",
        .about =
            "Lists variants with their exact counts. VARIANTS takes names, globs, brace lists and\n"
            "`all` (the default); MACs count convolution and linear layers, one per\n"
            "multiply-accumulate; params count BatchNorm weight and bias where there is one.\n\n"
            "  moprof list 'mobilenet*'\n"
            "  moprof list 'mobileone-s{0..4}:train'",
        .options = options,
        .max_args = 1,
    };
    mop_strlist args = {0};
    mop_err err = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0)
        code = list(args.n > 0 ? args.items[0] : "all", format, output, &err) == MOP_OK
                   ? MOP_EXIT_DONE
                   : mop_cli_fail(&err);
    mop_strlist_release(&args);
    free(format);
    free(output);
    return code;
}
