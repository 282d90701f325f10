#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/table.h"
#include "kernels/cpu/isa.h"
#include "profiler/base/str.h"
#include "profiler/cli/cli.h"
#include "profiler/cli/layer_kind.h"
#include "profiler/cli/roofline.h"
#include "profiler/engine/cpu_info.h"
#include "variants/passes.h"
#include "variants/variant.h"

/* Intensity, and what it would allow on this machine; NULL cells without a calibration. */
static mop_status add_roof(mop_cell cell[3], const mop_cost *cost, const mop_roofline *roof,
                           mop_err *err)
{
    const double intensity =
        mop_roofline_intensity(cost->macs, cost->bytes_read + cost->bytes_written);
    const char *bound = cost->macs > 0 ? mop_roofline_bound(roof, intensity) : "";
    if (mop_cell_set_real(&cell[0], intensity, 2, err) != MOP_OK ||
        (*bound != '\0' &&
         (mop_cell_set_real(&cell[1], mop_roofline_attainable(roof, intensity) / 1e9, 1, err) !=
              MOP_OK ||
          mop_cell_set_text(&cell[2], bound, err) != MOP_OK)))
        return MOP_ENOMEM;
    return MOP_OK;
}

static mop_status add_layer(mop_table *t, const mop_graph *g, uint32_t i, const mop_roofline *roof,
                            mop_err *err)
{
    const mop_node *node = &g->nodes[i];
    mop_cost cost;
    char kind[48], inputs[64] = "";
    mop_cell *cell = mop_table_row(t, err);
    if (cell == NULL)
        return MOP_ENOMEM;
    mop_op_cost(&node->inst, &cost);
    mop_layer_kind(&node->inst, kind, sizeof kind);
    for (uint32_t k = 0; k < node->inst.n_in; k++) {
        size_t len = strlen(inputs);
        (void)snprintf(inputs + len, sizeof inputs - len, "%s%" PRIu32, k > 0 ? " " : "",
                       node->in[k]); /* three short numbers fit */
    }
    if (mop_cell_set_int(&cell[0], i, err) != MOP_OK ||
        mop_cell_set_text(&cell[1], node->name, err) != MOP_OK ||
        mop_cell_set_text(&cell[2], kind, err) != MOP_OK ||
        mop_cell_set_text(&cell[3], inputs, err) != MOP_OK ||
        mop_cell_set_int(&cell[4], node->inst.out.h, err) != MOP_OK ||
        mop_cell_set_int(&cell[5], node->inst.out.w, err) != MOP_OK ||
        mop_cell_set_int(&cell[6], node->inst.out.c, err) != MOP_OK ||
        mop_cell_set_int(&cell[7], cost.params, err) != MOP_OK ||
        mop_cell_set_int(&cell[8], cost.macs, err) != MOP_OK ||
        mop_cell_set_int(&cell[9], cost.elementwise, err) != MOP_OK ||
        mop_cell_set_int(&cell[10], cost.bytes_read + cost.bytes_written, err) != MOP_OK)
        return MOP_ENOMEM;
    return add_roof(&cell[11], &cost, roof, err);
}

static mop_status layer_table(const mop_graph *g, const mop_roofline *roof, mop_table *t,
                              mop_err *err)
{
    static const char *const cols[] = {"index",
                                       "layer",
                                       "op",
                                       "inputs",
                                       "height",
                                       "width",
                                       "channels",
                                       "params",
                                       "macs",
                                       "elementwise",
                                       "bytes",
                                       "flop_byte",
                                       "attainable_gflops_s",
                                       "bound"};
    mop_status status = mop_table_start(t, cols, sizeof cols / sizeof cols[0], err);
    for (uint32_t i = 0; i < g->n_nodes && status == MOP_OK; i++)
        status = add_layer(t, g, i, roof, err);
    return status;
}

/* What is shown, and what is fused in it. */
struct shown {
    const mop_spec *spec;
    const mop_graph *graph;
    unsigned fuse;
};

/* One JSON object: the counts, then layers[] with the columns of the table. */
static mop_status to_json(const struct shown *s, const mop_table *t, mop_str *out, mop_err *err)
{
    const mop_spec *spec = s->spec;
    char fuse[MOP_FUSE_TEXT];
    mop_graph_counts n;
    json_t *layers = json_array(), *root;
    char *text;
    mop_graph_count(s->graph, &n);
    for (size_t r = 0; r < t->n_rows; r++) {
        json_t *row = json_object();
        for (size_t c = 0; c < t->n_cols; c++) {
            const mop_cell *cell = &t->cells[r * t->n_cols + c];
            json_object_set_new(row, t->cols[c],
                                cell->kind == MOP_CELL_INT    ? json_integer(cell->i)
                                : cell->kind == MOP_CELL_REAL ? json_real(cell->r)
                                : cell->kind == MOP_CELL_NULL ? json_null()
                                                              : json_string(cell->text));
        }
        json_array_append_new(layers, row);
    }
    root =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:o}", "spec",
                  spec->text, "family", spec->family, "form", mop_form_name(spec->form), "fuse",
                  mop_fuse_name(s->fuse, fuse), "params", (json_int_t)n.params, "macs",
                  (json_int_t)n.macs, "flops", (json_int_t)n.flops, "elementwise",
                  (json_int_t)n.elementwise, "activations", (json_int_t)n.activations, "bytes",
                  (json_int_t)n.bytes, "ops", (int)n.ops, "depth", (int)n.depth, "layers", layers);
    text = root != NULL ? json_dumps(root, JSON_INDENT(2)) : NULL;
    if (text != NULL) {
        mop_str_add(out, text);
        mop_str_add(out, "\n");
    }
    free(text);
    json_decref(root);
    return text != NULL ? mop_str_status(out, err)
                        : mop_fail(err, MOP_ENOMEM, "out of memory while writing JSON");
}

static void to_dot(const struct shown *s, mop_str *out)
{
    const mop_graph *g = s->graph;
    mop_str_addf(out, "digraph \"%s\" {\n  node [shape=box, fontname=\"sans-serif\"];\n",
                 s->spec->text);
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const mop_node *node = &g->nodes[i];
        char kind[48];
        mop_layer_kind(&node->inst, kind, sizeof kind);
        mop_str_addf(out, "  n%" PRIu32 " [label=\"%s\\n%s\\n%dx%dx%d\"];\n", i, node->name, kind,
                     node->inst.out.h, node->inst.out.w, node->inst.out.c);
        for (uint32_t k = 0; k < node->inst.n_in; k++)
            mop_str_addf(out, "  n%" PRIu32 " -> n%" PRIu32 ";\n", node->in[k], i);
    }
    mop_str_add(out, "}\n");
}

static void summary(const struct shown *s, const mop_roofline *roof)
{
    const mop_spec *spec = s->spec;
    char fuse[MOP_FUSE_TEXT];
    mop_graph_counts n;
    mop_graph_count(s->graph, &n);
    fprintf(stderr,
            "%s%s%s%s: %s form, input %dx%d\n  params %" PRId64 ", MACs %" PRId64 ", FLOPs %" PRId64
            " (2 x MACs + %" PRId64 " elementwise)\n  activations %" PRId64 " elements, %" PRId64
            " bytes moved, %d operators, depth %d\n",
            spec->text, s->fuse != MOP_FUSE_NONE ? " [fuse=" : "",
            s->fuse != MOP_FUSE_NONE ? mop_fuse_name(s->fuse, fuse) : "",
            s->fuse != MOP_FUSE_NONE ? "]" : "", mop_form_name(spec->form), spec->height,
            spec->width, n.params, n.macs, n.flops, n.elementwise, n.activations, n.bytes, n.ops,
            n.depth);
    const double intensity = mop_roofline_intensity(n.macs, n.bytes);
    const double attainable = mop_roofline_attainable(roof, intensity);
    if (attainable > 0) /* not NAN */
        fprintf(stderr,
                "  %.1f FLOP a byte: bound by %s on one thread here, %.1f GFLOP/s attainable, %.3f "
                "ms at best\n",
                intensity, mop_roofline_bound(roof, intensity), attainable / 1e9,
                2e3 * (double)n.macs / attainable);
}

struct show {
    char *db, *fuse, *format, *output;
    int dot;
};

static mop_status show_graph(const struct show *o, const struct shown *s, mop_err *err)
{
    mop_format format;
    mop_table t = {0};
    mop_str text = {0};
    mop_device_info cpu;
    mop_roofline roof;
    mop_status status = mop_cli_format(o->format, o->output, &format, err);
    mop_cpu_describe(&cpu, MOP_ISA_ALL, 1);
    if (status == MOP_OK)
        status = mop_roofline_read(o->db, &cpu, &roof, err);
    if (status == MOP_OK)
        status = layer_table(s->graph, &roof, &t, err);
    if (status == MOP_OK && o->dot) {
        to_dot(s, &text);
        status = mop_str_status(&text, err);
    } else if (status == MOP_OK && format == MOP_FORMAT_JSON) {
        status = to_json(s, &t, &text, err);
    }
    if (status == MOP_OK && text.len > 0) {
        status = mop_cli_write_text(mop_str_get(&text), o->output, err);
    } else if (status == MOP_OK) {
        status = mop_cli_write_table(&t, o->format, o->output, err);
        if (status == MOP_OK)
            summary(s, &roof);
    }
    mop_str_release(&text);
    mop_table_release(&t);
    return status;
}

static mop_status show(const struct show *o, const char *text, mop_err *err)
{
    char one[MOP_SPEC_MAX];
    mop_spec spec;
    mop_graph *g = NULL;
    mop_model *m = NULL, *fused = NULL;
    struct shown s = {.spec = &spec, .fuse = MOP_FUSE_NONE};
    mop_status status = mop_cli_one_spec(text, one, sizeof one, err);
    if (status == MOP_OK && o->fuse != NULL)
        status = mop_fuse_parse(o->fuse, &s.fuse, err);
    if (status == MOP_OK)
        status = mop_spec_parse(one, &spec, err);
    if (status == MOP_OK)
        status = mop_variant_graph(&spec, 1, &g, err);
    if (status == MOP_OK)
        status = mop_model_create(g, &m, err); /* zeros: only shapes are looked at */
    if (status == MOP_OK)
        status = mop_pass_fuse(m, s.fuse, &fused, err);
    if (status == MOP_OK) {
        s.graph = fused->graph;
        status = show_graph(o, &s, err);
    }
    mop_model_free(fused);
    mop_model_free(m);
    return status;
}

int mop_cmd_show(int argc, const char **argv)
{
    struct show o = {0};
    const struct poptOption options[] = {
        {"db", '\0', POPT_ARG_STRING, &o.db, 0, "calibration to stand under (default moprof.db)",
         "FILE"},
        {"fuse", '\0', POPT_ARG_STRING, &o.fuse, 0,
         "as fused: none (default), all, or some of bn, act, add by +", "SET"},
        {"format", 'f', POPT_ARG_STRING, &o.format, 0, "table, csv, json or md", "FORMAT"},
        {"output", 'o', POPT_ARG_STRING, &o.output, 0, "write to FILE instead of stdout", "FILE"},
        {"dot", '\0', POPT_ARG_NONE, &o.dot, 0, "write the graph for Graphviz", NULL},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "show",
        .args = "SPEC",
        .about =
            "Shows the layers of one variant; with a calibration of this machine in the database\n"
            "also what one thread can reach at each layer's intensity, and what binds it. With\n"
            "--fuse those that an engine runs which folds and fuses; se and dwpw, which run "
            "layers\n"
            "together, leave them as they are.\n\n"
            "  SPEC = family[-size][:form][+modifier...][@HxW]\n\n"
            "  moprof show mobileone-s0\n"
            "  moprof show mobileone-s0:train --format json\n"
            "  moprof show mobilenetv2-1.0 --fuse all\n"
            "  moprof show cnn30+act=gelu+se@160 --dot | dot -Tsvg > cnn30.svg",
        .options = options,
        .min_args = 1,
        .max_args = 1,
    };
    mop_strlist args = {0};
    mop_err err = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0)
        code = show(&o, args.items[0], &err) == MOP_OK ? MOP_EXIT_DONE : mop_cli_fail(&err);
    mop_strlist_release(&args);
    free(o.db);
    free(o.fuse);
    free(o.format);
    free(o.output);
    return code;
}
