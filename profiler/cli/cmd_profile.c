#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu/isa.h"
#include "profiler/base/alloc.h"
#include "profiler/base/clock.h"
#include "profiler/base/hash.h"
#include "profiler/cli/cli.h"
#include "profiler/cli/profile.h"
#include "profiler/cli/trace.h"
#include "profiler/engine/peak.h"
#include "profiler/measure/resident.h"

enum { TRACED_RUNS = 3 }; /* the last */

struct typed {
    char *db, *backend, *threads, *device, *isa, *fuse, *winograd, *dtype, *runs, *seed, *format,
        *output;
    char *vulkan, *mode, *trace;
};

/* How it is run. */
struct manner {
    mop_device_choice choice;
    mop_plan_desc desc;
    long runs, seed, threads;
    bool is_mode_given, by_repetition;
    mop_trace *trace; /* NULL: none is wanted */
};

/* Plans, runs, and frees the constants of m->fused: the same bits as the checked plan's. */
static mop_status plan_alone(const struct manner *how, const mop_backend *backend,
                             mop_device *device, const mop_subject_model *m, mop_profiled *p,
                             mop_err *err)
{
    mop_plan_desc desc = how->desc;
    mop_graph_counts n;
    uint64_t before, peak;
    float *out = mop_calloc(m->n_out, sizeof *out, err);
    if (out == NULL)
        return MOP_ENOMEM;
    desc.takes_constants = true;
    mop_graph_count(m->fused->graph, &n);
    const bool is_known = mop_resident_begin(&before);
    const uint64_t constants = (uint64_t)(n.params + n.buffers) * sizeof(float);
    mop_status status = backend->plan(device, m->fused, &desc, &p->plan, err);
    if (status == MOP_OK)
        status = backend->run(p->plan, m->input, out, NULL, err);
    if (is_known && mop_resident_peak(&peak) && before > constants && peak > before - constants)
        p->resident = peak - (before - constants);
    if (status == MOP_OK &&
        mop_hash(MOP_HASH_INIT, out, m->n_out * sizeof *out) != p->check.checksum)
        status =
            mop_fail(err, MOP_ECHECK,
                     "%s: a second plan of the same model gives other bits than the checked one",
                     backend->id);
    free(out);
    return status;
}

/* Checks one plan, and makes the one to be timed when nothing else is left in memory. */
static mop_status plan_checked(const struct manner *how, const mop_backend *backend,
                               mop_device *device, mop_subject_model *m, mop_profiled *p,
                               mop_err *err)
{
    mop_status status =
        mop_subject_model_plan(m, backend, device, &how->desc, &p->plan, &p->check, err);
    if (status != MOP_OK)
        return status;
    backend->plan_info(p->plan, &p->planned);
    backend->plan_free(p->plan);
    p->plan = NULL;
    mop_model_free(m->model);
    m->model = NULL;
    return plan_alone(how, backend, device, m, p, err);
}

/* One plain run and one profiled run or repetition beside it. */
struct pair {
    mop_profile profile;
    mop_run_times plain, profiled;
    uint64_t *begin_ns; /* [n_layers] */
    float *out;
};

static mop_status run_pair(mop_profiled *p, struct pair *q, mop_err *err)
{
    const mop_clock clock = mop_clock_real();
    mop_layer_series *t = &p->layers;
    const bool knows = p->backend->times != NULL;
    mop_profile *profile = &q->profile;
    const uint64_t a = mop_now_ns(&clock);
    mop_status s = p->backend->run(p->plan, p->model->input, q->out, NULL, err);
    const uint64_t b = mop_now_ns(&clock);
    if (s == MOP_OK && knows)
        (void)p->backend->times(p->plan, &q->plain); /* a run has ended */
    const uint64_t c = mop_now_ns(&clock);
    if (s == MOP_OK)
        s = p->by_repetition ? p->backend->repeat(p->plan, profile, err)
                             : p->backend->run(p->plan, p->model->input, q->out, profile, err);
    const uint64_t d = mop_now_ns(&clock);
    if (s != MOP_OK)
        return s;
    if (knows && !p->by_repetition)
        (void)p->backend->times(p->plan, &q->profiled);
    if (knows)
        mop_account_add(&p->account, &q->plain, p->by_repetition ? NULL : &q->profiled,
                        profile->total_ns);
    t->plain[t->runs] = (double)(b - a);
    t->profiled[t->runs] = (double)(d - c);
    t->total[t->runs] = (double)profile->total_ns;
    for (size_t i = 0; i < t->n_layers; i++)
        t->layer[i * t->cap + t->runs] = (double)profile->layer_ns[i];
    t->is_host_clock = strcmp(profile->clock_name, "host") == 0;
    t->runs++;
    return MOP_OK;
}

static mop_status trace_pair(const mop_profiled *p, const struct pair *q, mop_trace *trace,
                             mop_err *err)
{
    if (p->by_repetition)
        return mop_trace_add(trace, &q->plain, NULL, err);
    return mop_trace_add(trace, p->backend->times != NULL ? &q->profiled : NULL, &q->profile, err);
}

static mop_status run_all(mop_profiled *p, mop_trace *trace, mop_err *err)
{
    const size_t n = p->layers.n_layers;
    struct pair q = {.out = mop_calloc(p->model->n_out, sizeof *q.out, err),
                     .begin_ns = mop_calloc(n, sizeof *q.begin_ns, err),
                     .profile.layer_ns = mop_calloc(n, sizeof *q.profile.layer_ns, err)};
    mop_status s =
        q.out != NULL && q.begin_ns != NULL && q.profile.layer_ns != NULL ? MOP_OK : MOP_ENOMEM;
    while (s == MOP_OK && p->layers.runs < p->layers.cap) {
        const bool is_traced = trace != NULL && p->layers.cap - p->layers.runs <= TRACED_RUNS;
        q.profile.n_layers = (uint32_t)n;
        q.profile.begin_ns = is_traced ? q.begin_ns : NULL;
        s = run_pair(p, &q, err);
        if (s == MOP_OK && is_traced)
            s = trace_pair(p, &q, trace, err);
    }
    p->least_repeats = q.profile.least_repeats;
    p->most_repeats = q.profile.most_repeats;
    free(q.out);
    free(q.begin_ns);
    free(q.profile.layer_ns);
    return s;
}

/* Repetition if that was asked for, or if it was left open and the device's clock is no good, which
 * is told. */
static mop_status choose_mode(const struct manner *how, mop_profiled *p, mop_err *err)
{
    uint64_t *ns = mop_calloc(p->layers.n_layers, sizeof *ns, err);
    float *out = mop_calloc(p->model->n_out, sizeof *out, err);
    mop_profile profile = {.layer_ns = ns, .n_layers = (uint32_t)p->layers.n_layers};
    mop_err why = {0};
    mop_status s = ns != NULL && out != NULL ? MOP_OK : MOP_ENOMEM;
    p->by_repetition = how->by_repetition;
    if (s == MOP_OK && p->by_repetition && p->backend->repeat == NULL)
        s = mop_fail(err, MOP_EINVAL,
                     "--mode repeat is for devices; %s times its layers by the host's clock",
                     p->backend->id);
    else if (s == MOP_OK && !p->by_repetition) {
        s = p->backend->run(p->plan, p->model->input, out, &profile, &why);
        if (s == MOP_EUNSUPPORTED && !how->is_mode_given && p->backend->repeat != NULL) {
            mop_cli_note("%s; layers are timed by repetition, on the host's clock", why.msg);
            p->by_repetition = true;
            s = MOP_OK;
        } else if (s != MOP_OK) {
            s = mop_fail(err, s, "%s", why.msg);
        }
    }
    free(ns);
    free(out);
    return s;
}

static mop_status start_trace(const mop_profiled *p, mop_trace *trace, mop_err *err)
{
    return trace == NULL ? MOP_OK
                         : mop_trace_begin(trace,
                                           &(mop_trace_process){.variant = p->model->spec.text,
                                                                .backend = p->backend,
                                                                .info = &p->info,
                                                                .graph = p->model->fused->graph,
                                                                .plan = p->plan},
                                           err);
}

static mop_status measure(const struct typed *o, const struct manner *how, mop_device *device,
                          mop_subject_model *m, mop_profiled *p, mop_err *err)
{
    const mop_clock clock = mop_clock_real();
    p->backend->info(device, &p->info);
    mop_status status = mop_roofline_read(o->db, &p->info, &p->roof, err);
    if (status == MOP_OK)
        status = plan_checked(how, p->backend, device, m, p, err);
    p->peak = mop_peak_flops(&clock, mop_isa_best(how->choice.isa_mask), 10);
    if (status == MOP_OK)
        status =
            mop_layer_series_init(&p->layers, (size_t)how->runs, m->fused->graph->n_nodes, err);
    if (status == MOP_OK)
        status = choose_mode(how, p, err);
    if (status == MOP_OK)
        status = mop_account_init(&p->account, (size_t)how->runs, p->by_repetition, err);
    if (status == MOP_OK)
        status = start_trace(p, how->trace, err);
    return status == MOP_OK ? run_all(p, how->trace, err) : status;
}

static mop_status understand(const struct typed *o, struct manner *how, mop_err *err)
{
    mop_format format;
    mop_status status = mop_cli_format(o->format, o->output, &format, err);
    *how = (struct manner){.choice = {.selector = o->device, .vulkan = o->vulkan},
                           .runs = 30,
                           .seed = 1,
                           .threads = 1};
    if (status == MOP_OK && o->runs != NULL)
        status = mop_cli_int("runs", o->runs, 3, 10000, &how->runs, err);
    if (status == MOP_OK && o->seed != NULL)
        status = mop_cli_int("seed", o->seed, 0, LONG_MAX, &how->seed, err);
    if (status == MOP_OK && o->threads != NULL)
        status = mop_cli_int("threads", o->threads, 1, 1024, &how->threads, err);
    if (status == MOP_OK)
        status = mop_cli_isa_mask(o->isa, &how->choice.isa_mask, err);
    if (status == MOP_OK)
        status = mop_cli_switches(o->fuse, o->winograd, o->dtype, &how->desc, err);
    how->choice.threads = (int)how->threads;
    how->is_mode_given = o->mode != NULL;
    how->by_repetition = o->mode != NULL && strcmp(o->mode, "repeat") == 0;
    if (status == MOP_OK && o->mode != NULL && !how->by_repetition &&
        strcmp(o->mode, "timestamps") != 0)
        status = mop_fail(err, MOP_EINVAL, "--mode takes timestamps or repeat, not '%s'", o->mode);
    return status;
}

/* What all back ends named add to. */
struct results {
    mop_table table;
    size_t n; /* back ends in the table */
    bool is_named;
};

static mop_status profile_on(const struct typed *o, const struct manner *how, const char *id,
                             const mop_spec *spec, struct results *all, mop_err *err)
{
    char switches[MOP_CLI_SWITCHES];
    mop_device *device = NULL;
    mop_subject_model m = {0};
    mop_profiled p = {.model = &m};
    mop_status status = mop_cli_open(id, &how->choice, &p.backend, &device, err);
    if (status == MOP_OK)
        status = mop_backend_runs(p.backend, device, how->desc.dtype, err);
    if (status == MOP_OK)
        status = mop_subject_model_init(&m, spec, 1, (uint64_t)how->seed, how->desc.fuse, err);
    if (status == MOP_OK)
        status = measure(o, how, device, &m, &p, err);
    if (status == MOP_OK)
        status = mop_profiled_table(&p, all->is_named, all->n++ == 0, &all->table, err);
    if (status == MOP_OK)
        mop_profiled_say(&p, mop_cli_switches_name(&how->desc, switches));
    mop_layer_series_release(&p.layers);
    mop_account_release(&p.account);
    if (p.plan != NULL)
        p.backend->plan_free(p.plan);
    mop_subject_model_release(&m);
    if (device != NULL)
        mop_cli_close(p.backend, device);
    return status;
}

static mop_status profile(const struct typed *o, const char *text, mop_err *err)
{
    char one[MOP_SPEC_MAX];
    struct manner how = {0};
    struct results all = {0};
    mop_strlist ids = {0};
    mop_spec spec;
    mop_status status = mop_cli_one_spec(text, one, sizeof one, err);
    if (status == MOP_OK)
        status = understand(o, &how, err);
    if (status == MOP_OK)
        status = mop_cli_backends(o->backend != NULL ? o->backend : "cpu", &ids, err);
    if (status == MOP_OK)
        status = mop_spec_parse(one, &spec, err);
    if (status == MOP_OK && o->trace != NULL)
        status = mop_trace_create(&how.trace, err);
    all.is_named = ids.n > 1;
    for (size_t i = 0; i < ids.n && status == MOP_OK; i++)
        status = profile_on(o, &how, ids.items[i], &spec, &all, err);
    if (status == MOP_OK)
        status = mop_cli_write_table(&all.table, o->format, o->output, err);
    if (status == MOP_OK && o->trace != NULL)
        status = mop_trace_write(how.trace, o->trace, err);
    mop_trace_free(how.trace);
    mop_table_release(&all.table);
    mop_strlist_release(&ids);
    return status;
}

int mop_cmd_profile(int argc, const char **argv)
{
    struct typed o = {0};
    const struct poptOption options[] = {
        {"backend", 'b', POPT_ARG_STRING, &o.backend, 0, "cpu (default), vulkan or both", "LIST"},
        {"threads", 't', POPT_ARG_STRING, &o.threads, 0, "threads (default 1)", "N"},
        {"device", '\0', POPT_ARG_STRING, &o.device, 0, "index, part of a name or uuid", "DEVICE"},
        {"isa", '\0', POPT_ARG_STRING, &o.isa, 0, "CPU: highest of" MOP_ISA_WORDS, "LEVEL"},
        {"vulkan", '\0', POPT_ARG_STRING, &o.vulkan, 0, MOP_CLI_VULKAN_HELP, "LIST"},
        {"fuse", '\0', POPT_ARG_STRING, &o.fuse, 0, MOP_CLI_FUSE_HELP, "SET"},
        {"winograd", '\0', POPT_ARG_STRING, &o.winograd, 0, MOP_CLI_WINOGRAD_HELP, "HOW"},
        {"dtype", '\0', POPT_ARG_STRING, &o.dtype, 0, MOP_CLI_DTYPE_HELP, "TYPE"},
        {"runs", 'n', POPT_ARG_STRING, &o.runs, 0, "plain and profiled runs each (default 30)",
         "N"},
        {"mode", '\0', POPT_ARG_STRING, &o.mode, 0,
         "Vulkan: timestamps (default where they can be trusted) or repeat", "HOW"},
        {"trace", '\0', POPT_ARG_STRING, &o.trace, 0,
         "also write the last runs as Chrome trace events", "FILE"},
        {"seed", '\0', POPT_ARG_STRING, &o.seed, 0, "of constants and input (default 1)", "N"},
        {"db", '\0', POPT_ARG_STRING, &o.db, 0, "calibration to stand under (default moprof.db)",
         "FILE"},
        {"format", 'f', POPT_ARG_STRING, &o.format, 0, "table, csv, json or md", "FORMAT"},
        {"output", 'o', POPT_ARG_STRING, &o.output, 0, "write to FILE instead of stdout", "FILE"},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "profile",
        .args = "SPEC",
        .about =
            "Times every layer of one variant after checking its output: plain and profiled runs\n"
            "alternate, a layer's time is the median of the profiled ones, and the lines at the "
            "end\n"
            "say what memory it took and whether the table may be believed. floor_ms is 2 x MACs\n"
            "over the measured peak of one core. With a calibration in the database roof_% is the\n"
            "part reached of what is attainable at that layer's intensity (flop_byte), and bound\n"
            "what binds it. A device's layers are timed by its timestamps with barriers between\n"
            "them, or by repetition: each dispatched until that takes 3 ms of the host's clock.\n"
            "For a device the lines at the end also say where an inference goes: dispatches, "
            "gaps,\n"
            "copies, submitting, the host's own work, and what is left of end to end.\n\n"
            "  moprof profile mobileone-s0\n"
            "  moprof profile mobileone-s0:train --fuse none\n"
            "  moprof profile mobileone-s4 --backend vulkan --runs 10\n"
            "  moprof profile mobileone-s0 --backend cpu,vulkan --trace s0.json",
        .options = options,
        .min_args = 1,
        .max_args = 1,
    };
    char **texts[] = {&o.backend,  &o.threads, &o.device, &o.isa,  &o.fuse,
                      &o.winograd, &o.dtype,   &o.runs,   &o.seed, &o.format,
                      &o.output,   &o.db,      &o.vulkan, &o.mode, &o.trace};
    mop_strlist args = {0};
    mop_err err = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0)
        code = profile(&o, args.items[0], &err) == MOP_OK ? MOP_EXIT_DONE : mop_cli_fail(&err);
    mop_strlist_release(&args);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(*texts[i]);
    return code;
}
