#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/table.h"
#include "kernels/cpu/isa.h"
#include "profiler/base/alloc.h"
#include "profiler/cli/cli.h"
#include "profiler/engine/job.h"

struct typed {
    char *variants, *backends, *threads, *device, *isa, *fuse, *winograd, *dtype, *seed, *format,
        *output;
    char *vulkan;
};

enum { MAX_DEVICES = 8 };

/* The open devices of a verification. */
struct device_list {
    const mop_backend *backend[MAX_DEVICES];
    mop_device *device[MAX_DEVICES];
    size_t n;
};

struct verification {
    struct device_list devices;
    mop_plan_desc desc;
    uint64_t seed;
    mop_table table;
    size_t n_wrong;
};

static const char *const columns[] = {"variant",        "backend", "form",  "worst_layer",
                                      "error_of_bound", "error",   "bound", "verdict"};

static mop_status add_row(struct verification *v, const char *variant, const char *backend,
                          const char *form, const char *layer, const mop_check *c,
                          const char *verdict, mop_err *err)
{
    mop_cell *cell = mop_table_row(&v->table, err);
    if (cell == NULL || mop_cell_set_text(&cell[0], variant, err) != MOP_OK ||
        mop_cell_set_text(&cell[1], backend, err) != MOP_OK ||
        mop_cell_set_text(&cell[2], form, err) != MOP_OK ||
        mop_cell_set_text(&cell[3], layer, err) != MOP_OK ||
        mop_cell_set_real(&cell[4], c->worst_node, 4, err) != MOP_OK ||
        mop_cell_set_real(&cell[5], c->end_to_end, -1, err) != MOP_OK ||
        mop_cell_set_real(&cell[6], c->end_bound, -1, err) != MOP_OK ||
        mop_cell_set_text(&cell[7], verdict, err) != MOP_OK)
        return MOP_ENOMEM;
    return MOP_OK;
}

/* Checks m on device k and leaves its output in out[m->n_out] and its bound in *end_bound; a
 * disagreement is a row, not a failure, and *end_bound NaN. */
static mop_status check_on(struct verification *v, const mop_subject_model *m, size_t k, float *out,
                           double *end_bound, mop_err *err)
{
    const mop_backend *b = v->devices.backend[k];
    mop_plan *plan = NULL;
    mop_check check = {.worst_node = NAN, .end_to_end = NAN, .end_bound = NAN};
    mop_err why = {0};
    const mop_graph *g = m->fused->graph;
    mop_status status =
        mop_subject_model_plan(m, b, v->devices.device[k], &v->desc, &plan, &check, &why);
    if (status == MOP_OK)
        status = b->run(plan, m->input, out, NULL, &why);
    b->plan_free(plan);
    *end_bound = status == MOP_OK ? check.end_bound : NAN;
    if (status == MOP_ECHECK || status == MOP_EUNSUPPORTED) {
        v->n_wrong++;
        return add_row(v, m->spec.text, b->id, mop_form_name(m->spec.form),
                       check.worst_index < g->n_nodes ? g->nodes[check.worst_index].name : "",
                       &check, why.msg, err);
    }
    if (status != MOP_OK)
        return mop_fail(err, status, "%s", why.msg);
    return add_row(v, m->spec.text, b->id, mop_form_name(m->spec.form),
                   g->nodes[check.worst_index].name, &check, "ok", err);
}

/* Relative 2-norm distance of the two forms' outputs on one back end. */
static double distance(const float *a, const float *b, size_t n)
{
    double diff = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        diff += d * d;
        norm += (double)a[i] * (double)a[i];
    }
    return sqrt(diff / norm);
}

/* Each form may be off by its own bound, so the two by the sum. Weights were rounded once more on
 * the way to the deploy form; the training form's bound, over more operators, covers it. */
static mop_status compare_forms(struct verification *v, const mop_subject_model m[2], size_t k,
                                float *const out[2], const double end_bound[2], mop_err *err)
{
    mop_check both = {.worst_node = NAN};
    char name[MOP_SPEC_MAX];
    bool agree;
    both.end_to_end = distance(out[0], out[1], m[0].n_out);
    both.end_bound = 0;
    for (int f = 0; f < 2; f++)
        both.end_bound += fmax(end_bound[f], mop_network_bound(m[f].model->graph, NULL, NULL));
    agree = both.end_to_end <= both.end_bound; /* false for a NaN */
    v->n_wrong += !agree;
    (void)snprintf(name, sizeof name, "%s", m[0].spec.text); /* same size */
    return add_row(v, name, v->devices.backend[k]->id, "deploy = train", "", &both,
                   agree ? "ok" : "the two forms differ", err);
}

static mop_status verify_on(struct verification *v, const mop_subject_model m[2], size_t k,
                            mop_err *err)
{
    float *out[2] = {NULL, NULL};
    double end_bound[2] = {NAN, NAN};
    mop_status status = MOP_OK;
    for (int f = 0; f < 2 && status == MOP_OK; f++) {
        out[f] = mop_calloc(m[f].n_out, sizeof *out[f], err);
        status = out[f] != NULL ? check_on(v, &m[f], k, out[f], &end_bound[f], err) : MOP_ENOMEM;
    }
    if (status == MOP_OK && !isnan(end_bound[0]) && !isnan(end_bound[1]))
        status = compare_forms(v, m, k, out, end_bound, err);
    free(out[0]);
    free(out[1]);
    return status;
}

/* The other form of the same network. */
static void spell_forms(const mop_spec *spec, char deploy[MOP_SPEC_MAX], char train[MOP_SPEC_MAX])
{
    const char *rest = spec->text + strcspn(spec->text, ":+@");
    int stem = (int)(rest - spec->text);
    if (strncmp(rest, ":train", 6) == 0)
        rest += 6;
    (void)snprintf(deploy, MOP_SPEC_MAX, "%.*s%s", stem, spec->text, rest);
    (void)snprintf(train, MOP_SPEC_MAX, "%.*s:train%.80s", stem, spec->text, rest);
}

static mop_status build(const struct verification *v, const char *text, mop_subject_model *m,
                        mop_err *err)
{
    mop_spec spec;
    mop_status status = mop_spec_parse(text, &spec, err);
    return status == MOP_OK ? mop_subject_model_init(m, &spec, 1, v->seed, v->desc.fuse, err)
                            : status;
}

static mop_status verify_one(struct verification *v, const char *deploy, const char *train,
                             mop_err *err)
{
    mop_subject_model m[2];
    mop_status status;
    memset(m, 0, sizeof m);
    status = build(v, deploy, &m[0], err);
    if (status == MOP_OK)
        status = build(v, train, &m[1], err);
    for (size_t k = 0; k < v->devices.n && status == MOP_OK; k++)
        status = verify_on(v, m, k, err);
    mop_subject_model_release(&m[0]);
    mop_subject_model_release(&m[1]);
    return status;
}

static mop_status verify_all(struct verification *v, const char *variants, mop_err *err)
{
    mop_strlist specs = {0}, seen = {0};
    mop_status status = mop_specs_expand(variants, &specs, err);
    for (size_t i = 0; i < specs.n && status == MOP_OK; i++) {
        mop_spec spec;
        char deploy[MOP_SPEC_MAX], train[MOP_SPEC_MAX];
        status = mop_spec_parse(specs.items[i], &spec, err);
        if (status != MOP_OK)
            break;
        spell_forms(&spec, deploy, train);
        if (mop_strlist_has(&seen, deploy))
            continue;
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\r\033[Kverify %zu/%zu %s", i + 1, specs.n, deploy);
        status = mop_strlist_add(&seen, deploy, err);
        if (status == MOP_OK)
            status = verify_one(v, deploy, train, err);
    }
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    mop_strlist_release(&seen);
    mop_strlist_release(&specs);
    return status;
}

/* A device that does not run in dtype is as good as absent. */
static mop_status open_one(const char *id, const mop_device_choice *choice, mop_dtype dtype,
                           struct device_list *d, mop_err *err)
{
    mop_status status = mop_cli_open(id, choice, &d->backend[d->n], &d->device[d->n], err);
    if (status != MOP_OK)
        return status;
    status = mop_backend_runs(d->backend[d->n], d->device[d->n], dtype, err);
    if (status == MOP_OK)
        d->n++;
    else
        mop_cli_close(d->backend[d->n], d->device[d->n]);
    return status;
}

static mop_status open_devices(const struct typed *o, mop_dtype dtype, struct device_list *d,
                               mop_err *err)
{
    mop_strlist ids = {0};
    mop_device_choice choice = {.selector = o->device, .vulkan = o->vulkan};
    long threads = 1;
    mop_status status = mop_cli_isa_mask(o->isa, &choice.isa_mask, err);
    if (status == MOP_OK && o->threads != NULL)
        status = mop_cli_int("threads", o->threads, 1, 1024, &threads, err);
    choice.threads = (int)threads;
    if (status == MOP_OK)
        status = mop_cli_backends(o->backends, &ids, err);
    assert(ids.n <= MAX_DEVICES); /* each back end once */
    for (size_t i = 0; i < ids.n && status == MOP_OK; i++) {
        mop_err why = {0};
        bool is_absent;
        status = open_one(ids.items[i], &choice, dtype, d, &why);
        is_absent = status == MOP_ENODEV || status == MOP_EUNSUPPORTED;
        if (is_absent && o->backends == NULL) {
            mop_cli_note("%s", why.msg);
            status = MOP_OK;
        } else if (status != MOP_OK) {
            (void)mop_fail(err, status, "%s", why.msg); /* the status goes on below */
        }
    }
    if (status == MOP_OK && d->n == 0)
        status =
            mop_fail(err, MOP_ENODEV, "no back end here computes in %s", mop_dtype_name(dtype));
    mop_strlist_release(&ids);
    return status;
}

static int verify(const struct typed *o)
{
    struct verification v = {.seed = 1};
    mop_err err = {0};
    mop_format format;
    long seed = 1;
    mop_status status = mop_cli_format(o->format, o->output, &format, &err);
    if (status == MOP_OK && o->seed != NULL)
        status = mop_cli_int("seed", o->seed, 0, LONG_MAX, &seed, &err);
    v.seed = (uint64_t)seed;
    if (status == MOP_OK)
        status = mop_cli_switches(o->fuse, o->winograd, o->dtype, &v.desc, &err);
    if (status == MOP_OK)
        status = open_devices(o, v.desc.dtype, &v.devices, &err);
    if (status == MOP_OK)
        status = mop_table_start(&v.table, columns, sizeof columns / sizeof columns[0], &err);
    if (status == MOP_OK)
        status = verify_all(&v, o->variants != NULL ? o->variants : "all", &err);
    if (status == MOP_OK)
        status = mop_cli_write_table(&v.table, o->format, o->output, &err);
    if (status == MOP_OK)
        fprintf(stderr, "%zu rows, %zu wrong\n", v.table.n_rows, v.n_wrong);
    for (size_t k = 0; k < v.devices.n; k++)
        mop_cli_close(v.devices.backend[k], v.devices.device[k]);
    mop_table_release(&v.table);
    if (status != MOP_OK)
        return mop_cli_fail(&err);
    return v.n_wrong == 0 ? MOP_EXIT_DONE : MOP_EXIT_CHECK;
}

int mop_cmd_verify(int argc, const char **argv)
{
    struct typed o = {0};
    const struct poptOption options[] = {
        {"variants", 'v', POPT_ARG_STRING, &o.variants, 0, "names, globs, brace lists, all",
         "LIST"},
        {"backends", 'b', POPT_ARG_STRING, &o.backends, 0, "cpu, vulkan (default: all here)",
         "LIST"},
        {"threads", 't', POPT_ARG_STRING, &o.threads, 0, "threads (default 1)", "N"},
        {"device", '\0', POPT_ARG_STRING, &o.device, 0, "index, part of a name or uuid", "DEVICE"},
        {"isa", '\0', POPT_ARG_STRING, &o.isa, 0, "CPU: highest of" MOP_ISA_WORDS, "LEVEL"},
        {"vulkan", '\0', POPT_ARG_STRING, &o.vulkan, 0, MOP_CLI_VULKAN_HELP, "LIST"},
        {"fuse", '\0', POPT_ARG_STRING, &o.fuse, 0, MOP_CLI_FUSE_HELP, "SET"},
        {"winograd", '\0', POPT_ARG_STRING, &o.winograd, 0, MOP_CLI_WINOGRAD_HELP, "HOW"},
        {"dtype", '\0', POPT_ARG_STRING, &o.dtype, 0, MOP_CLI_DTYPE_HELP, "TYPE"},
        {"seed", '\0', POPT_ARG_STRING, &o.seed, 0, "of constants and input (default 1)", "N"},
        {"format", 'f', POPT_ARG_STRING, &o.format, 0, "table, csv, json or md", "FORMAT"},
        {"output", 'o', POPT_ARG_STRING, &o.output, 0, "write to FILE instead of stdout", "FILE"},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "verify",
        .args = "",
        .about =
            "Builds both forms of every variant from one set of constants with non-trivial\n"
            "BatchNorm statistics and holds each back end to the float64 reference: every layer\n"
            "under its derived bound, the whole output under the network's, and the deploy form\n"
            "against the training form. Exit 0 only if all agree, 7 otherwise.\n\n"
            "  moprof verify --variants 'mobileone-s{0..4}' --backends cpu,vulkan\n"
            "  moprof verify --fuse none --winograd off",
        .options = options,
    };
    char **texts[] = {&o.variants, &o.backends, &o.threads, &o.device, &o.isa,    &o.fuse,
                      &o.winograd, &o.dtype,    &o.seed,    &o.format, &o.output, &o.vulkan};
    mop_strlist args = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0)
        code = verify(&o);
    mop_strlist_release(&args);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(*texts[i]);
    return code;
}
