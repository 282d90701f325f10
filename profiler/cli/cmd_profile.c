#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/table.h"
#include "kernels/cpu/isa.h"
#include "profiler/base/alloc.h"
#include "profiler/base/clock.h"
#include "profiler/base/hash.h"
#include "profiler/base/stats.h"
#include "profiler/cli/cli.h"
#include "profiler/cli/layer_kind.h"
#include "profiler/cli/roofline.h"
#include "profiler/engine/job.h"
#include "profiler/engine/peak.h"
#include "profiler/measure/layers.h"
#include "profiler/measure/resident.h"

static mop_status run_all(const mop_subject_model *m, const mop_backend *backend, mop_plan *plan,
                          mop_layer_series *t, mop_err *err)
{
    mop_clock clock = mop_clock_real();
    uint64_t *layer_ns = mop_calloc(t->n_layers, sizeof *layer_ns, err);
    float *out = mop_calloc(m->n_out, sizeof *out, err);
    mop_status status = layer_ns != NULL && out != NULL ? MOP_OK : MOP_ENOMEM;
    for (size_t r = 0; r < t->cap && status == MOP_OK; r++) {
        mop_profile profile = {.layer_ns = layer_ns, .n_layers = (uint32_t)t->n_layers};
        uint64_t a = mop_now_ns(&clock), b, c;
        status = backend->run(plan, m->input, out, NULL, err);
        b = mop_now_ns(&clock);
        if (status == MOP_OK)
            status = backend->run(plan, m->input, out, &profile, err);
        c = mop_now_ns(&clock);
        t->plain[r] = (double)(b - a);
        t->profiled[r] = (double)(c - b);
        t->total[r] = (double)profile.total_ns;
        for (size_t i = 0; i < t->n_layers && status == MOP_OK; i++)
            t->layer[i * t->cap + r] = (double)layer_ns[i];
        if (status == MOP_OK) {
            t->is_host_clock = strcmp(profile.clock_name, "host") == 0;
            t->runs++;
        }
    }
    free(layer_ns);
    free(out);
    return status;
}

/* Sorts x in place. */
static double median(double *x, size_t n)
{
    mop_sort_f64(x, n);
    return mop_quantile(x, n, 0.5);
}

/* What the machine could do: measured just now, and as a calibration has it. */
struct limits {
    double peak; /* FLOP/s of one core */
    mop_roofline roof;
};

/* Intensity, and where the layer stands under the roof; NULL cells without a calibration. */
static mop_status add_roof(mop_cell cell[3], const mop_cost *cost, double ns,
                           const mop_roofline *roof, mop_err *err)
{
    const double intensity =
        mop_roofline_intensity(cost->macs, cost->bytes_read + cost->bytes_written);
    const double attainable = mop_roofline_attainable(roof, intensity);
    const char *bound = cost->macs > 0 ? mop_roofline_bound(roof, intensity) : "";
    double percent = (double)NAN;
    if (cost->macs > 0 && ns > 0)
        percent = 100 * 2e9 * (double)cost->macs / ns / attainable;
    if (mop_cell_set_real(&cell[0], intensity, 2, err) != MOP_OK ||
        mop_cell_set_real(&cell[1], percent, 1, err) != MOP_OK ||
        (*bound != '\0' && mop_cell_set_text(&cell[2], bound, err) != MOP_OK))
        return MOP_ENOMEM;
    return MOP_OK;
}

static mop_status add_layer(mop_table *t, const mop_node *node, const char *kernel, double ns,
                            double total, const struct limits *limits, mop_err *err)
{
    const double peak = limits->peak;
    mop_cost cost;
    char kind[48], shape[48];
    double rate, floor_ns;
    mop_cell *cell = mop_table_row(t, err);
    if (cell == NULL)
        return MOP_ENOMEM;
    mop_op_cost(&node->inst, &cost);
    mop_layer_kind(&node->inst, kind, sizeof kind);
    (void)snprintf(shape, sizeof shape, "%dx%dx%d", node->inst.out.h, node->inst.out.w,
                   node->inst.out.c); /* three numbers fit */
    rate = cost.macs > 0 && ns > 0 ? 2.0 * (double)cost.macs / ns : NAN;
    floor_ns = peak > 0 ? 2e9 * (double)cost.macs / peak : NAN;
    if (mop_cell_set_text(&cell[0], node->name, err) != MOP_OK ||
        mop_cell_set_text(&cell[1], kind, err) != MOP_OK ||
        mop_cell_set_text(&cell[2], kernel, err) != MOP_OK ||
        mop_cell_set_text(&cell[3], shape, err) != MOP_OK ||
        mop_cell_set_real(&cell[4], ns / 1e6, 4, err) != MOP_OK ||
        mop_cell_set_real(&cell[5], 100 * ns / total, 1, err) != MOP_OK ||
        mop_cell_set_int(&cell[6], cost.macs, err) != MOP_OK ||
        mop_cell_set_int(&cell[7], cost.bytes_read + cost.bytes_written, err) != MOP_OK ||
        mop_cell_set_real(&cell[8], rate, 1, err) != MOP_OK ||
        mop_cell_set_real(&cell[9], 1e11 * rate / peak, 1, err) != MOP_OK ||
        mop_cell_set_real(&cell[10], floor_ns / 1e6, 4, err) != MOP_OK)
        return MOP_ENOMEM;
    return add_roof(&cell[11], &cost, ns, &limits->roof, err);
}

static mop_status layer_table(const mop_subject_model *m, const mop_backend *backend,
                              const mop_plan *plan, const mop_layer_series *t,
                              const struct limits *limits, mop_table *out, mop_err *err)
{
    static const char *const cols[] = {"layer",    "op",        "kernel", "output",   "ms",
                                       "share_%",  "macs",      "bytes",  "gflops_s", "peak_%",
                                       "floor_ms", "flop_byte", "roof_%", "bound"};
    const mop_graph *g = m->fused->graph;
    double total = median(t->total, t->runs);
    mop_status status = mop_table_start(out, cols, sizeof cols / sizeof cols[0], err);
    for (uint32_t i = 0; i < g->n_nodes && status == MOP_OK; i++)
        status = add_layer(out, &g->nodes[i], backend->kernel_name(plan, i),
                           median(&t->layer[i * t->cap], t->runs), total, limits, err);
    return status;
}

/* Where the whole network stands, or how to find out. */
static void say_roof(const mop_graph_counts *n, double ns, const mop_roofline *roof)
{
    const double intensity = mop_roofline_intensity(n->macs, n->bytes);
    const double attainable = mop_roofline_attainable(roof, intensity);
    if (isnan(attainable))
        fprintf(stderr,
                "\nroofline: not known for this device and thread count; `moprof calibrate` "
                "measures a processor's");
    else
        fprintf(
            stderr,
            "\nroofline: %.1f FLOP a byte, %.1f of %.1f GFLOP/s attainable (%.1f %%), bound by %s",
            intensity, 2 * (double)n->macs / ns, attainable / 1e9,
            2e11 * (double)n->macs / ns / attainable, mop_roofline_bound(roof, intensity));
}

struct typed {
    char *db, *backend, *threads, *device, *isa, *fuse, *winograd, *dtype, *runs, *seed, *format,
        *output;
    char *vulkan;
};

/* How it is run. */
struct manner {
    mop_device_choice choice;
    mop_plan_desc desc;
    long runs, seed, threads;
};

/* What is timed, and what is known of it. */
struct planned {
    mop_plan *plan;
    mop_check check;
    mop_plan_info info; /* of the plan that was checked, the first of its kind here */
    uint64_t resident;  /* peak of planning and running, beside what was there before; 0: unknown */
};

/* Plans, runs, and frees the constants of m->fused: the same bits as the checked plan's. */
static mop_status plan_alone(const struct manner *how, const mop_backend *backend,
                             mop_device *device, const mop_subject_model *m, struct planned *p,
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
                               mop_device *device, mop_subject_model *m, struct planned *p,
                               mop_err *err)
{
    mop_status status =
        mop_subject_model_plan(m, backend, device, &how->desc, &p->plan, &p->check, err);
    if (status != MOP_OK)
        return status;
    backend->plan_info(p->plan, &p->info);
    backend->plan_free(p->plan);
    p->plan = NULL;
    mop_model_free(m->model);
    m->model = NULL;
    return plan_alone(how, backend, device, m, p, err);
}

static void say_memory(const struct planned *p)
{
    const double own = (double)(p->info.arena_bytes + p->info.weight_bytes);
    fprintf(stderr, "arena %.1f MiB (%.1f MiB live at most), weights %.1f MiB, resident peak ",
            (double)p->info.arena_bytes / 0x1p20, (double)p->info.live_bytes / 0x1p20,
            (double)p->info.weight_bytes / 0x1p20);
    if (p->resident == 0)
        fprintf(stderr, "not known\n");
    else
        fprintf(stderr, "%.1f MiB, %.2f of both together\n", (double)p->resident / 0x1p20,
                (double)p->resident / own);
}

/* The end-to-end figures, and whether the layer table may be believed. */
static void summary(const mop_subject_model *m, const struct planned *p, mop_layer_series *t,
                    const struct limits *limits)
{
    mop_graph_counts n;
    double plain = median(t->plain, t->runs);
    double total = median(t->total, t->runs);
    mop_clock clock = mop_clock_real();
    uint64_t cost, step;
    mop_clock_measure(&clock, &cost, &step);
    mop_layer_bounds bounds = mop_layer_series_bounds(t, (double)cost);
    mop_graph_count(m->fused->graph, &n);
    const double peak = limits->peak;
    fprintf(stderr, "median of %zu plain runs %.3f ms, smallest %.3f ms", t->runs, plain / 1e6,
            t->plain[0] / 1e6);
    if (peak > 0)
        fprintf(stderr, ", %.1f %% of one core's measured peak of %.1f GFLOP/s",
                2e11 * (double)n.macs / plain / peak, peak / 1e9);
    say_roof(&n, plain, &limits->roof);
    fprintf(
        stderr,
        "\nlayers by the %s clock: their medians sum to %+.1f %% off the median total of %.3f "
        "ms (reliable within %g %%);\nprofiled runs are %+.1f %% longer without the clock's known "
        "cost (reliable up to %g %%): the layer table is %s\n"
        "set-up %.1f ms, first run %.1f ms; output error %.1e (bound %.1e)\n",
        t->is_host_clock ? "host" : "device", 100 * bounds.residual, total / 1e6,
        100 * MOP_LAYER_RESIDUAL, 100 * bounds.overhead, 100 * MOP_LAYER_OVERHEAD,
        mop_layers_are_reliable(&bounds) ? "reliable" : "unreliable",
        (double)p->info.setup_ns / 1e6, (double)p->info.first_run_ns / 1e6, p->check.end_to_end,
        p->check.end_bound);
    say_memory(p);
}

static mop_status profile_on(const struct typed *o, const struct manner *how,
                             const mop_backend *backend, mop_device *device, mop_subject_model *m,
                             mop_err *err)
{
    char switches[MOP_CLI_SWITCHES];
    struct planned planned = {0};
    mop_table table = {0};
    mop_layer_series t = {0};
    mop_clock clock = mop_clock_real();
    struct limits limits = {0};
    mop_device_info info;
    backend->info(device, &info);
    mop_status status = mop_roofline_read(o->db, &info, &limits.roof, err);
    if (status == MOP_OK)
        status = plan_checked(how, backend, device, m, &planned, err);
    limits.peak = mop_peak_flops(&clock, mop_isa_best(how->choice.isa_mask), 10);
    if (status == MOP_OK)
        status = mop_layer_series_init(&t, (size_t)how->runs, m->fused->graph->n_nodes, err);
    if (status == MOP_OK)
        status = run_all(m, backend, planned.plan, &t, err);
    if (status == MOP_OK)
        status = layer_table(m, backend, planned.plan, &t, &limits, &table, err);
    if (status == MOP_OK)
        status = mop_cli_write_table(&table, o->format, o->output, err);
    if (status == MOP_OK) {
        const bool is_tuned = strstr(info.driver, ", tuned ") != NULL;
        const bool is_named = is_tuned || o->vulkan != NULL;
        fprintf(stderr, "%s%s%s%s: ", m->spec.text, mop_cli_switches_name(&how->desc, switches),
                is_named ? " on " : "", is_named ? is_tuned ? info.driver : info.name : "");
        summary(m, &planned, &t, &limits);
    }
    mop_table_release(&table);
    mop_layer_series_release(&t);
    backend->plan_free(planned.plan);
    return status;
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
    return status;
}

static mop_status profile(const struct typed *o, const char *text, mop_err *err)
{
    char one[MOP_SPEC_MAX];
    struct manner how;
    const mop_backend *backend = NULL;
    mop_device *device = NULL;
    mop_subject_model m = {0};
    mop_spec spec;
    mop_status status = mop_cli_one_spec(text, one, sizeof one, err);
    if (status == MOP_OK)
        status = understand(o, &how, err);
    if (status == MOP_OK)
        status = mop_cli_open(o->backend != NULL ? o->backend : "cpu", &how.choice, &backend,
                              &device, err);
    if (status == MOP_OK)
        status = mop_backend_runs(backend, device, how.desc.dtype, err);
    if (status == MOP_OK)
        status = mop_spec_parse(one, &spec, err);
    if (status == MOP_OK)
        status = mop_subject_model_init(&m, &spec, 1, (uint64_t)how.seed, how.desc.fuse, err);
    if (status == MOP_OK)
        status = profile_on(o, &how, backend, device, &m, err);
    mop_subject_model_release(&m);
    if (device != NULL)
        mop_cli_close(backend, device);
    return status;
}

int mop_cmd_profile(int argc, const char **argv)
{
    struct typed o = {0};
    const struct poptOption options[] = {
        {"backend", 'b', POPT_ARG_STRING, &o.backend, 0, "cpu (default) or vulkan", "ID"},
        {"threads", 't', POPT_ARG_STRING, &o.threads, 0, "threads (default 1)", "N"},
        {"device", '\0', POPT_ARG_STRING, &o.device, 0, "index, part of a name or uuid", "DEVICE"},
        {"isa", '\0', POPT_ARG_STRING, &o.isa, 0, "CPU: highest of" MOP_ISA_WORDS, "LEVEL"},
        {"vulkan", '\0', POPT_ARG_STRING, &o.vulkan, 0, MOP_CLI_VULKAN_HELP, "LIST"},
        {"fuse", '\0', POPT_ARG_STRING, &o.fuse, 0, MOP_CLI_FUSE_HELP, "SET"},
        {"winograd", '\0', POPT_ARG_STRING, &o.winograd, 0, MOP_CLI_WINOGRAD_HELP, "HOW"},
        {"dtype", '\0', POPT_ARG_STRING, &o.dtype, 0, MOP_CLI_DTYPE_HELP, "TYPE"},
        {"runs", 'n', POPT_ARG_STRING, &o.runs, 0, "plain and profiled runs each (default 30)",
         "N"},
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
            "what binds it.\n\n"
            "  moprof profile mobileone-s0\n"
            "  moprof profile mobileone-s0:train --fuse none\n"
            "  moprof profile mobileone-s4 --backend vulkan --runs 10",
        .options = options,
        .min_args = 1,
        .max_args = 1,
    };
    char **texts[] = {&o.backend, &o.threads, &o.device, &o.isa,    &o.fuse, &o.winograd, &o.dtype,
                      &o.runs,    &o.seed,    &o.format, &o.output, &o.db,   &o.vulkan};
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
