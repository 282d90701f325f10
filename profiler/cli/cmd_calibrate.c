#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db/table.h"
#include "kernels/cpu/isa.h"
#include "profiler/base/build.h"
#include "profiler/base/hash.h"
#include "profiler/cli/cli.h"
#include "profiler/cli/sweep_store.h"
#include "profiler/engine/calibrate.h"
#include "profiler/engine/cpu_info.h"
#include "profiler/measure/environment.h"

/* The figures take two seconds or so; what is left resolves differences. */
enum { DEFAULT_BUDGET_S = 15, SEED = 1 };
#define LEAST_BUDGET_NS UINT64_C(1000000000)

struct typed {
    char *db, *threads, *isa, *budget, *format, *output;
};

struct measured {
    mop_calibration how;
    mop_figures figures;
    mop_resolution resolution;
    uint64_t clock_cost_ns, clock_step_ns, budget_ns;
};

/* --- measuring ----------------------------------------------------------------------------- */

static void read_counters(void *ctx)
{
    const mop_counters *counters = ctx;
    mop_counts counts;
    counters->read(counters->ctx, &counts);
}

static void glance(void *ctx)
{
    const mop_machine *machine = ctx;
    mop_machine_state state;
    machine->glance(machine->ctx, &state);
}

static void run_canaries(void *ctx)
{
    const mop_canary *canary = ctx;
    mop_canary_times times;
    canary->run(canary->ctx, &times);
}

static void read_clock(void *ctx)
{
    (void)mop_now_ns(ctx);
}

/* What a sweep's own instruments cost. */
static mop_status costs(struct measured *m, mop_err *err)
{
    mop_clock clock = m->how.clock;
    mop_counters counters = {0};
    mop_machine machine = {0};
    mop_canary canary = {0};
    mop_status status = mop_counters_open(&counters, err);
    if (status == MOP_OK)
        status = mop_machine_open("", &machine, err);
    if (status == MOP_OK)
        status = mop_canary_open(clock, &canary, err);
    const struct {
        const char *name;
        void (*work)(void *ctx);
        void *ctx;
    } instruments[] = {{"clock_cost", read_clock, &clock},
                       {"counters_cost", read_counters, &counters},
                       {"machine_cost", glance, &machine},
                       {"canary_cost", run_canaries, &canary}};
    for (size_t i = 0; i < sizeof instruments / sizeof instruments[0] && status == MOP_OK; i++)
        status = mop_calibrate_cost(&m->how, instruments[i].name, instruments[i].work,
                                    instruments[i].ctx, &m->figures, err);
    mop_clock_measure(&m->how.clock, &m->clock_cost_ns, &m->clock_step_ns);
    mop_canary_close(&canary);
    mop_machine_close(&machine);
    mop_counters_close(&counters);
    return status;
}

static mop_status measure(struct measured *m, mop_err *err)
{
    const uint64_t start = mop_now_ns(&m->how.clock);
    uint64_t used, left;
    mop_status status = mop_calibrate_peaks(&m->how, &m->figures, err);
    if (status == MOP_OK)
        status = mop_calibrate_bandwidth(&m->how, &m->figures, err);
    if (status == MOP_OK)
        status = mop_calibrate_threads(&m->how, &m->figures, err);
    if (status == MOP_OK)
        status = costs(m, err);
    used = mop_now_ns(&m->how.clock) - start;
    left = m->budget_ns > used + LEAST_BUDGET_NS ? m->budget_ns - used : LEAST_BUDGET_NS;
    if (status == MOP_OK)
        status = mop_calibrate_resolution(&m->how, left, SEED, &m->resolution, err);
    return status;
}

/* --- storing ------------------------------------------------------------------------------- */

static void describe_run(const struct measured *m, mop_sweep_record *r)
{
    const time_t now = time(NULL);
    struct tm utc;
    (void)gmtime_r(&now, &utc); /* fails only beyond year 2^31 */
    *r = (mop_sweep_record){.seed = SEED,
                            .kind = "calibration",
                            .shard = 1,
                            .shards = 1,
                            .clock_cost_ns = (int64_t)m->clock_cost_ns,
                            .clock_step_ns = (int64_t)m->clock_step_ns,
                            .aa_floor = (double)NAN};
    (void)strftime(r->started_utc, sizeof r->started_utc, "%Y-%m-%dT%H:%M:%SZ", &utc);
    (void)snprintf(r->plan_text, sizeof r->plan_text, "calibrate threads=%d isa=%s", /* fits */
                   m->how.threads, mop_isa_name(mop_isa_best(m->how.isa_mask)));
    r->plan_hash = mop_hash(MOP_HASH_INIT, r->plan_text, strlen(r->plan_text));
    (void)snprintf(r->build_id, sizeof r->build_id, "%s", mop_build_id()); /* cut is fine */
    (void)snprintf(r->protocol, sizeof r->protocol,
                   "best and median of bursts; resolution=%u passes",
                   m->resolution.passes); /* fits */
}

static void describe_device(const struct measured *m, mop_device_record *d)
{
    const char *isa = mop_isa_name(mop_isa_best(m->how.isa_mask));
    char name[32];
    mop_device_info info;
    mop_cpu_describe(&info, m->how.isa_mask, 1);
    *d = (mop_device_record){.backend = "cpu"};
    (void)snprintf(d->name, sizeof d->name, "%s", info.name); /* the fields are of equal sizes */
    (void)snprintf(d->type, sizeof d->type, "%s", info.type);
    (void)snprintf(d->driver, sizeof d->driver, "%s", info.driver);
    (void)snprintf(d->uuid, sizeof d->uuid, "%s", info.uuid);
    (void)snprintf(d->isa, sizeof d->isa, "%s", info.isa);
    mop_environment_fingerprint("", d->fingerprint, sizeof d->fingerprint);
    (void)snprintf(name, sizeof name, "peak_flops_%s_fp32", isa); /* fits */
    d->peak_flops = mop_figures_find(&m->figures, name)->best;    /* it is always measured */
}

static mop_status put(mop_store *store, int64_t sweep, int64_t device, const char *name,
                      const char *suffix, double value, mop_err *err)
{
    mop_calibration_record r = {.value = value};
    (void)snprintf(r.name, sizeof r.name, "%s%s", name, suffix); /* the longest fits */
    return mop_store_put_calibration(store, sweep, device, &r, err);
}

static mop_status put_all(mop_store *store, const struct measured *m, int64_t sweep, int64_t device,
                          mop_err *err)
{
    const mop_resolution *a = &m->resolution;
    mop_status status = MOP_OK;
    for (size_t i = 0; i < m->figures.n && status == MOP_OK; i++) {
        const mop_figure *f = &m->figures.items[i];
        status = put(store, sweep, device, f->name, "", f->best, err);
        if (status == MOP_OK)
            status = put(store, sweep, device, f->name, "_median", f->median, err);
        if (status == MOP_OK)
            status = put(store, sweep, device, f->name, "_spread", f->spread, err);
    }
    if (status == MOP_OK)
        status = put(store, sweep, device, "clock_step", "", (double)m->clock_step_ns / 1e9, err);
    if (status == MOP_OK)
        status = put(store, sweep, device, "aa_difference", "", a->difference, err);
    if (status == MOP_OK)
        status = put(store, sweep, device, "aa_half_width", "", a->half_width, err);
    if (status == MOP_OK)
        status = put(store, sweep, device, "smallest_difference", "", a->smallest, err);
    return status;
}

/* One transaction: the whole calibration or nothing of it. */
static mop_status store_all(mop_sweep_store *s, const struct measured *m, mop_err *err)
{
    mop_sweep_record run;
    mop_device_record device;
    int64_t sweep = 0, device_id = 0;
    describe_run(m, &run);
    describe_device(m, &device);
    mop_status status = mop_store_begin_plan(s->store, &run, &sweep, err);
    if (status != MOP_OK)
        return status;
    status = mop_store_put_device(s->store, &device, &device_id, err);
    if (status == MOP_OK)
        status = put_all(s->store, m, sweep, device_id, err);
    if (status == MOP_OK)
        status = mop_store_finish_sweep(s->store, sweep, (double)NAN, err);
    if (status == MOP_OK)
        status = mop_store_commit_plan(s->store, err);
    else
        mop_store_abort_plan(s->store);
    s->holds_sweep = status == MOP_OK;
    return status;
}

/* --- showing ------------------------------------------------------------------------------- */

/* The number itself for programs, with a prefix of the SI for people. */
static mop_status set_scaled(mop_cell *cell, double v, mop_err *err)
{
    static const struct {
        double from;
        const char *prefix;
    } scales[] = {{1e12, "T"}, {1e9, "G"},  {1e6, "M"},  {1e3, "k"},
                  {1, ""},     {1e-3, "m"}, {1e-6, "u"}, {1e-9, "n"}};
    char text[32];
    size_t i = 0;
    mop_status status = mop_cell_set_real(cell, v, -1, err);
    mop_cell shown = {0};
    while (i + 1 < sizeof scales / sizeof scales[0] && v < scales[i].from)
        i++;
    (void)snprintf(text, sizeof text, "%.4g %s", v / scales[i].from, scales[i].prefix); /* fits */
    if (status == MOP_OK)
        status = mop_cell_set_text(&shown, text, err);
    if (status == MOP_OK) {
        free(cell->text);
        cell->text = shown.text;
    }
    return status;
}

static mop_status add_figure(mop_table *t, const mop_figure *f, mop_err *err)
{
    mop_cell *cell = mop_table_row(t, err);
    if (cell == NULL || mop_cell_set_text(&cell[0], f->name, err) != MOP_OK ||
        set_scaled(&cell[1], f->best, err) != MOP_OK ||
        set_scaled(&cell[2], f->median, err) != MOP_OK ||
        mop_cell_set_text(&cell[3], f->unit, err) != MOP_OK ||
        mop_cell_set_real(&cell[4], 100 * f->spread, 1, err) != MOP_OK ||
        mop_cell_set_int(&cell[5], f->bursts, err) != MOP_OK)
        return MOP_ENOMEM;
    return MOP_OK;
}

static mop_status show(const struct typed *o, const struct measured *m, mop_err *err)
{
    static const char *const cols[] = {"figure", "best", "median", "unit", "spread_%", "bursts"};
    mop_table t = {0};
    mop_status status = mop_table_start(&t, cols, sizeof cols / sizeof cols[0], err);
    for (size_t i = 0; i < m->figures.n && status == MOP_OK; i++)
        status = add_figure(&t, &m->figures.items[i], err);
    if (status == MOP_OK)
        status = mop_cli_write_table(&t, o->format, o->output, err);
    mop_table_release(&t);
    return status;
}

static void say(const struct measured *m, const char *db)
{
    const mop_resolution *a = &m->resolution;
    size_t wide = 0;
    for (size_t i = 0; i < m->figures.n; i++)
        wide += m->figures.items[i].spread > 0.2;
    if (wide > m->figures.n / 4)
        mop_cli_note("%zu of %zu figures spread over 20 %%: something else runs here; `moprof "
                     "doctor` looks for it, and a calibration on a quiet machine is worth more",
                     wide, m->figures.n);
    fprintf(stderr,
            "identical work in %u passes: ratio %.5f, 95 %% from %.5f to %.5f; differences under "
            "%.3g %% are not told apart in that time\n"
            "stored in %s; rooflines: moprof query roofline --db %s\n",
            a->passes, a->ratio.est, a->ratio.lo, a->ratio.hi, 100 * a->smallest, db, db);
}

static mop_status understand(const struct typed *o, struct measured *m, mop_err *err)
{
    const int most = mop_cpu_processors();
    mop_format format;
    long threads = most;
    mop_status status = mop_cli_format(o->format, o->output, &format, err);
    m->how =
        (mop_calibration){.clock = mop_clock_real(), .memory_bytes = mop_environment_memory("")};
    m->budget_ns = (uint64_t)DEFAULT_BUDGET_S * 1000000000;
    if (status == MOP_OK && o->threads != NULL)
        status = mop_cli_int("threads", o->threads, 1, most, &threads, err);
    if (status == MOP_OK && o->budget != NULL)
        status = mop_cli_time("budget", o->budget, &m->budget_ns, err);
    if (status == MOP_OK)
        status = mop_cli_isa_mask(o->isa, &m->how.isa_mask, err);
    m->how.threads = (int)threads;
    return status;
}

static mop_status calibrate(const struct typed *o, mop_err *err)
{
    struct measured m = {0};
    mop_sweep_store store = {.path = mop_cli_db(o->db)};
    mop_status status = understand(o, &m, err), closed;
    if (status == MOP_OK)
        status = mop_sweep_store_open(&store, err);
    if (status != MOP_OK)
        return status;
    status = measure(&m, err);
    if (status == MOP_OK)
        status = store_all(&store, &m, err);
    closed = mop_sweep_store_close(&store, err);
    if (status == MOP_OK)
        status = closed;
    if (status == MOP_OK)
        status = show(o, &m, err);
    if (status == MOP_OK)
        say(&m, store.path);
    mop_figures_release(&m.figures);
    return status;
}

int mop_cmd_calibrate(int argc, const char **argv)
{
    struct typed o = {0};
    const struct poptOption options[] = {
        {"db", '\0', POPT_ARG_STRING, &o.db, 0, "database (default moprof.db)", "FILE"},
        {"threads", 't', POPT_ARG_STRING, &o.threads, 0, "the most threads (default: all)", "N"},
        {"isa", '\0', POPT_ARG_STRING, &o.isa, 0, "highest of" MOP_ISA_WORDS, "LEVEL"},
        {"budget", '\0', POPT_ARG_STRING, &o.budget, 0, "time for all of it (default 15s)", "TIME"},
        {"format", 'f', POPT_ARG_STRING, &o.format, 0, "table, csv, json or md", "FORMAT"},
        {"output", 'o', POPT_ARG_STRING, &o.output, 0, "write to FILE instead of stdout", "FILE"},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "calibrate",
        .args = "",
        .about =
            "Measures what this machine can do and stores it: multiply-add peak of each level and\n"
            "type, bandwidth of each cache and of memory, what waking threads and reading the\n"
            "instruments costs, and the smallest difference that is told apart. Each figure is "
            "the\n"
            "best and the median of short bursts. Rooflines are drawn from the newest one.\n\n"
            "  moprof calibrate\n"
            "  moprof calibrate --db lab.db --threads 4 --format json",
        .options = options,
    };
    char **texts[] = {&o.db, &o.threads, &o.isa, &o.budget, &o.format, &o.output};
    mop_strlist args = {0};
    mop_err err = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0)
        code = calibrate(&o, &err) == MOP_OK ? MOP_EXIT_DONE : mop_cli_fail(&err);
    mop_strlist_release(&args);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(*texts[i]);
    return code;
}
