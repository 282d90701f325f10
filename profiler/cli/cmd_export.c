#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/csv.h"
#include "onnx/export.h"
#include "profiler/base/alloc.h"
#include "profiler/base/build.h"
#include "profiler/cli/cli.h"
#include "profiler/engine/job.h"
#include "variants/passes.h"

struct typed {
    char *db, *output, *seed, *batch, *fuse;
    int io;
};

/* One network to be written. */
struct network {
    mop_subject_model m;
    long seed, batch;
    unsigned fuse;   /* of mop_fuse */
    float *expected; /* [m.n_out]; NULL without --io */
};

static bool is_onnx(const char *file)
{
    const char *dot = strrchr(file, '.');
    return dot != NULL && strcmp(dot, ".onnx") == 0;
}

/* The float64 reference, rounded once: it owes nothing to the kernels that are compared with it. */
static mop_status expect(struct network *net, mop_err *err)
{
    mop_status status = mop_subject_model_judge(&net->m, err);
    if (status != MOP_OK)
        return status;
    net->expected = mop_calloc(net->m.n_out, sizeof *net->expected, err);
    if (net->expected == NULL)
        return MOP_ENOMEM;
    for (size_t i = 0; i < net->m.n_out; i++)
        net->expected[i] = (float)net->m.reference[i];
    return MOP_OK;
}

static mop_status build_network(const struct typed *o, const char *text, struct network *net,
                                mop_err *err)
{
    char one[MOP_SPEC_MAX];
    mop_spec spec;
    mop_status status = mop_cli_one_spec(text, one, sizeof one, err);
    net->seed = net->batch = 1;
    if (status == MOP_OK && o->seed != NULL)
        status = mop_cli_int("seed", o->seed, 0, LONG_MAX, &net->seed, err);
    if (status == MOP_OK && o->batch != NULL)
        status = mop_cli_int("batch", o->batch, 1, 1024, &net->batch, err);
    if (status == MOP_OK && o->fuse != NULL)
        status = mop_fuse_parse(o->fuse, &net->fuse, err);
    if (status == MOP_OK)
        status = mop_spec_parse(one, &spec, err);
    if (status == MOP_OK)
        status = mop_subject_model_build(&net->m, &spec, (int32_t)net->batch, (uint64_t)net->seed,
                                         net->fuse, err);
    if (status == MOP_OK && o->io)
        status = expect(net, err);
    return status;
}

static mop_status write_network(const struct typed *o, const struct network *net, mop_err *err)
{
    char doc[256], seed[24], batch[24], bound[32], fuse[MOP_FUSE_TEXT];
    const mop_spec *spec = &net->m.spec;
    const mop_onnx_prop props[] = {{"spec", spec->text}, {"seed", seed},
                                   {"batch", batch},     {"fuse", mop_fuse_name(net->fuse, fuse)},
                                   {"bound", bound},     {"build", mop_build_id()}};
    const mop_onnx_desc desc = {
        .name = spec->text,
        .version = mop_build_id(),
        .doc = doc,
        .props = props,
        .n_props = sizeof props / sizeof props[0],
        .input = o->io ? net->m.input : NULL,
        .output = net->expected,
    };
    (void)snprintf(doc, sizeof doc,
                   "%s, %s form, as moprof measures it; synthetic constants of seed %ld. The "
                   "metadata's bound is what a float32 evaluation keeps to, as a relative 2-norm.",
                   spec->text, mop_form_name(spec->form), net->seed); /* fits */
    (void)snprintf(seed, sizeof seed, "%ld", net->seed);
    (void)snprintf(batch, sizeof batch, "%ld", net->batch);
    (void)snprintf(bound, sizeof bound, "%.6e", mop_network_bound(net->m.model->graph, NULL, NULL));
    return mop_onnx_export(net->m.fused, &desc, o->output, err);
}

static mop_status export_network(const struct typed *o, const char *text, mop_err *err)
{
    struct network net = {.expected = NULL};
    mop_status status = build_network(o, text, &net, err);
    if (status == MOP_OK)
        status = write_network(o, &net, err);
    mop_subject_model_release(&net.m);
    free(net.expected);
    return status;
}

/* What is asked decides the format; a file name that says something else is a mistake. */
static int export_asked(const struct typed *o, const char *spec)
{
    mop_err err = {0};
    mop_status status;
    if (spec != NULL && (o->output == NULL || !is_onnx(o->output)))
        return mop_cli_usage("export writes the network %s as an ONNX file: name it with -o "
                             "FILE.onnx",
                             spec);
    if (spec == NULL && o->output != NULL && is_onnx(o->output))
        return mop_cli_usage("export writes results as CSV unless a network is named: moprof "
                             "export SPEC -o %s",
                             o->output);
    if (spec == NULL && o->io)
        return mop_cli_usage("--io belongs to a network: moprof export SPEC -o FILE.onnx --io");
    status = spec != NULL ? export_network(o, spec, &err)
                          : mop_csv_export(mop_cli_db(o->db), o->output, &err);
    return status == MOP_OK ? MOP_EXIT_DONE : mop_cli_fail(&err);
}

int mop_cmd_export(int argc, const char **argv)
{
    struct typed o = {0};
    const struct poptOption options[] = {
        {"db", '\0', POPT_ARG_STRING, &o.db, 0, "results: database (default moprof.db)", "FILE"},
        {"output", 'o', POPT_ARG_STRING, &o.output, 0,
         "write to FILE; results go to stdout without it", "FILE"},
        {"seed", '\0', POPT_ARG_STRING, &o.seed, 0, "network: of constants and input (default 1)",
         "N"},
        {"fuse", '\0', POPT_ARG_STRING, &o.fuse, 0,
         "network: none (default), all, or some of bn, act, add joined by +", "SET"},
        {"batch", '\0', POPT_ARG_STRING, &o.batch, 0, "network: batch size (default 1)", "N"},
        {"io", '\0', POPT_ARG_NONE, &o.io, 0,
         "network: also the input and expected output, in test_data_set_0 beside FILE", NULL},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "export",
        .args = "[SPEC]",
        .about =
            "Writes the results as CSV, a row a sample with everything that belongs to it, so "
            "that\n"
            "`moprof import` can read it back without loss; or, where SPEC names one, a network "
            "as an\n"
            "ONNX file (opset 17): the graph as defined with nothing fused, and the very constants "
            "that\n"
            "are timed. An engine does its own fusing; --fuse bn gives it folded BatchNorms, the "
            "other\n"
            "fusions only put other names on the same nodes. The metadata has spec, seed, batch, "
            "fuse,\n"
            "build, and the bound that a float32 evaluation keeps to. With --io the standard input "
            "and\n"
            "the float64 reference's output lie beside it as ONNX's own tests have them\n"
            "(test_data_set_0/input_0.pb and output_0.pb), so each network wants its own "
            "folder.\n\n"
            "  moprof export --db moprof.db -o results.csv\n"
            "  moprof export mobileone-s0:train -o s0/model.onnx --io",
        .options = options,
        .max_args = 1,
    };
    char **texts[] = {&o.db, &o.output, &o.seed, &o.batch, &o.fuse};
    mop_strlist args = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0)
        code = export_asked(&o, args.n > 0 ? args.items[0] : NULL);
    mop_strlist_release(&args);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(*texts[i]);
    return code;
}
