#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/clock.h"
#include "profiler/base/stats.h"
#include "profiler/cli/layer_kind.h"
#include "profiler/cli/profile.h"

/* Sorts x in place. */
static double median(double *x, size_t n)
{
    mop_sort_f64(x, n);
    return mop_quantile(x, n, 0.5);
}

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

static mop_status add_layer(mop_table *t, const mop_profiled *p, uint32_t i, double ns,
                            double total, bool named, mop_err *err)
{
    const mop_node *node = &p->model->fused->graph->nodes[i];
    const double peak = p->peak;
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
        mop_cell_set_text(&cell[2], p->backend->kernel_name(p->plan, i), err) != MOP_OK ||
        mop_cell_set_text(&cell[3], shape, err) != MOP_OK ||
        mop_cell_set_real(&cell[4], ns / 1e6, 4, err) != MOP_OK ||
        mop_cell_set_real(&cell[5], 100 * ns / total, 1, err) != MOP_OK ||
        mop_cell_set_int(&cell[6], cost.macs, err) != MOP_OK ||
        mop_cell_set_int(&cell[7], cost.bytes_read + cost.bytes_written, err) != MOP_OK ||
        mop_cell_set_real(&cell[8], rate, 1, err) != MOP_OK ||
        mop_cell_set_real(&cell[9], 1e11 * rate / peak, 1, err) != MOP_OK ||
        mop_cell_set_real(&cell[10], floor_ns / 1e6, 4, err) != MOP_OK ||
        (named && mop_cell_set_text(&cell[14], p->backend->id, err) != MOP_OK))
        return MOP_ENOMEM;
    return add_roof(&cell[11], &cost, ns, &p->roof, err);
}

mop_status mop_profiled_table(mop_profiled *p, bool named, bool first, mop_table *t, mop_err *err)
{
    static const char *const cols[] = {"layer",    "op",        "kernel", "output",   "ms",
                                       "share_%",  "macs",      "bytes",  "gflops_s", "peak_%",
                                       "floor_ms", "flop_byte", "roof_%", "bound",    "backend"};
    const size_t n = sizeof cols / sizeof cols[0];
    mop_layer_series *s = &p->layers;
    double total = median(s->total, s->runs);
    mop_status status = first ? mop_table_start(t, cols, named ? n : n - 1, err) : MOP_OK;
    for (uint32_t i = 0; i < p->model->fused->graph->n_nodes && status == MOP_OK; i++)
        status = add_layer(t, p, i, median(&s->layer[i * s->cap], s->runs), total, named, err);
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

static void say_memory(const mop_profiled *p)
{
    const double own = (double)(p->planned.arena_bytes + p->planned.weight_bytes);
    fprintf(stderr, "arena %.1f MiB (%.1f MiB live at most), weights %.1f MiB, resident peak ",
            (double)p->planned.arena_bytes / 0x1p20, (double)p->planned.live_bytes / 0x1p20,
            (double)p->planned.weight_bytes / 0x1p20);
    if (p->resident == 0)
        fprintf(stderr, "not known\n");
    else
        fprintf(stderr, "%.1f MiB, %.2f of both together\n", (double)p->resident / 0x1p20,
                (double)p->resident / own);
}

/* What the driver keeps of compiled shaders beside moprof's own file. */
static const char *drivers_cache(const mop_device_info *info)
{
    const char *off = getenv("MESA_SHADER_CACHE_DISABLE");
    if (strstr(info->driver, "Mesa") == NULL)
        return "of a cache of the driver's own nothing is known";
    if (off != NULL && (strcmp(off, "true") == 0 || strcmp(off, "1") == 0))
        return "Mesa's own shader cache is off (MESA_SHADER_CACHE_DISABLE)";
    return "Mesa's own shader cache may help (MESA_SHADER_CACHE_DISABLE=true turns it off)";
}

/* What came before the steady state. */
static void say_start(const mop_profiled *p)
{
    const mop_plan_info *i = &p->planned;
    fprintf(stderr, "set-up %.1f ms", (double)i->setup_ns / 1e6);
    if (i->pipeline_cache != NULL)
        fprintf(stderr, " (planning and packing %.1f, %u pipelines made in %.1f)",
                (double)(i->setup_ns - i->pipeline_ns) / 1e6, i->n_pipelines,
                (double)i->pipeline_ns / 1e6);
    fprintf(stderr, ", first run %.1f ms; output error %.1e (bound %.1e)\n",
            (double)i->first_run_ns / 1e6, p->check.end_to_end, p->check.end_bound);
    if (i->pipeline_cache != NULL)
        fprintf(stderr, "pipeline cache on disk: %s; %s\n", i->pipeline_cache,
                drivers_cache(&p->info));
}

static void say_part(const char *name, double ns, double whole, const char *source)
{
    if (isnan(ns))
        fprintf(stderr, "  %-18s %10s %7s    %s\n", name, "-", "-", source);
    else
        fprintf(stderr, "  %-18s %10.1f %7.2f    %s\n", name, ns / 1e3, 100 * ns / whole, source);
}

/* dispatches + gaps + copies + submit + host = end to end, and what is left of it. */
static void say_account(mop_profiled *p)
{
    mop_account a;
    if (p->account.runs == 0)
        return;
    mop_account_close(&p->account, &a);
    fprintf(stderr, "one inference, medians       us       %%\n");
    for (int i = 0; i < MOP_PARTS; i++)
        say_part(mop_part_name((mop_part)i), a.part[i], a.end_to_end,
                 mop_part_source((mop_part)i, p->by_repetition));
    say_part("residual", a.residual, a.end_to_end, "end to end less all above");
    say_part("end to end", a.end_to_end, a.end_to_end, "host clock, plain runs");
    fprintf(stderr, "host overhead: end to end less dispatches %.1f us",
            (a.end_to_end - a.part[MOP_PART_DISPATCHES]) / 1e3);
    if (!isnan(a.outside))
        fprintf(stderr, "; outside the device's span, run by run, %.1f us, at least %.1f us",
                a.outside / 1e3, a.least_outside / 1e3);
    fprintf(stderr, "\n");
}

/* Whether the layer table may be believed. */
static void say_layers(mop_profiled *p, double plain)
{
    mop_layer_series *t = &p->layers;
    const double total = median(t->total, t->runs);
    mop_clock clock = mop_clock_real();
    uint64_t cost, step;
    mop_clock_measure(&clock, &cost, &step);
    const mop_layer_bounds bounds = mop_layer_series_bounds(t, (double)cost);
    if (p->by_repetition)
        fprintf(stderr,
                "\nlayers by repetition (repeat-N), each dispatched %u to %u times by the host "
                "clock: they sum to %.3f ms,\n%.1f %% of a plain run\n",
                p->least_repeats, p->most_repeats, total / 1e6, 100 * total / plain);
    else
        fprintf(stderr,
                "\nlayers by the %s clock: their medians sum to %+.1f %% off the median total of "
                "%.3f ms (reliable within %g %%);\nprofiled runs are %+.1f %% longer without the "
                "clock's known cost (reliable up to %g %%): the layer table is %s\n",
                t->is_host_clock ? "host" : "device", 100 * bounds.residual, total / 1e6,
                100 * MOP_LAYER_RESIDUAL, 100 * bounds.overhead, 100 * MOP_LAYER_OVERHEAD,
                mop_layers_are_reliable(&bounds) ? "reliable" : "unreliable");
}

void mop_profiled_say(mop_profiled *p, const char *switches)
{
    const bool is_tuned = strstr(p->info.driver, ", tuned ") != NULL;
    const bool is_named = is_tuned || p->backend->times != NULL;
    const mop_layer_series *t = &p->layers;
    const double plain = median(t->plain, t->runs);
    mop_graph_counts n;
    mop_graph_count(p->model->fused->graph, &n);
    fprintf(stderr, "%s%s%s%s: ", p->model->spec.text, switches, is_named ? " on " : "",
            is_tuned   ? p->info.driver
            : is_named ? p->info.name
                       : "");
    fprintf(stderr, "median of %zu plain runs %.3f ms, smallest %.3f ms", t->runs, plain / 1e6,
            t->plain[0] / 1e6);
    if (p->peak > 0)
        fprintf(stderr, ", %.1f %% of one core's measured peak of %.1f GFLOP/s",
                2e11 * (double)n.macs / plain / p->peak, p->peak / 1e9);
    say_roof(&n, plain, &p->roof);
    say_layers(p, plain);
    say_account(p);
    say_start(p);
    say_memory(p);
}
