#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "profiler/base/build.h"
#include "profiler/cli/cli.h"
#include "profiler/cli/sweep_store.h"
#include "profiler/cli/sweep_view.h"
#include "reports/rho.h"
#include "variants/passes.h"
#include "variants/variant.h"

/* The options as typed. */
struct typed {
    char *variants, *backends, *threads, *batch, *db, *seed, *precision, *budget, *device, *isa;
    int resume, dry_run, quiet;
};

/* The options as understood; owns its lists. */
struct understood {
    mop_strlist specs, backends;
    int *threads, *batches;
    mop_sweep_options o;
};

static void release(struct typed *t, struct understood *u)
{
    char *texts[] = {t->variants, t->backends,  t->threads, t->batch,  t->db,
                     t->seed,     t->precision, t->budget,  t->device, t->isa};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
    mop_strlist_release(&u->specs);
    mop_strlist_release(&u->backends);
    free(u->threads);
    free(u->batches);
}

static mop_status take_numbers(const struct typed *t, struct understood *u, mop_err *err)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    long seed = 1;
    mop_status status =
        mop_cli_int_list("threads", t->threads != NULL ? t->threads : "1", 1,
                         processors > 0 ? processors : 1, &u->threads, &u->o.n_threads, err);
    if (status == MOP_OK)
        status = mop_cli_int_list("batch", t->batch != NULL ? t->batch : "1", 1, 64, &u->batches,
                                  &u->o.n_batches, err);
    if (status == MOP_OK && t->seed != NULL)
        status = mop_cli_int("seed", t->seed, 0, LONG_MAX, &seed, err);
    if (status == MOP_OK && t->precision != NULL)
        status = mop_cli_real("precision", t->precision, 0.0001, 0.5, &u->o.precision, err);
    if (status == MOP_OK && t->budget != NULL)
        status = mop_cli_time("budget", t->budget, &u->o.budget_ns, err);
    u->o.seed = (uint64_t)seed;
    return status;
}

static mop_status understand(const struct typed *t, struct understood *u, mop_err *err)
{
    time_t now = time(NULL);
    struct tm utc;
    mop_status status = mop_specs_expand(t->variants != NULL ? t->variants : "all", &u->specs, err);
    if (status == MOP_OK)
        status = mop_cli_backends(t->backends, &u->backends, err);
    if (status == MOP_OK)
        status = take_numbers(t, u, err);
    if (status == MOP_OK)
        status = mop_cli_isa_mask(t->isa, &u->o.isa_mask, err);
    if (status != MOP_OK)
        return status;
    u->o.specs = (void *)u->specs.items;
    u->o.n_specs = u->specs.n;
    u->o.backends = (void *)u->backends.items;
    u->o.n_backends = u->backends.n;
    u->o.backends_named = t->backends != NULL;
    u->o.threads = u->threads;
    u->o.batches = u->batches;
    u->o.device = t->device;
    u->o.fuse = MOP_FUSE_ALL;
    u->o.resume = t->resume != 0;
    u->o.dry_run = t->dry_run != 0;
    (void)gmtime_r(&now, &utc); /* fails only beyond year 2^31 */
    (void)strftime(u->o.started_utc, sizeof u->o.started_utc, "%Y-%m-%dT%H:%M:%SZ", &utc);
    (void)snprintf(u->o.build_id, sizeof u->o.build_id, "%s", mop_build_id()); /* cut is fine */
    return MOP_OK;
}

static void print_planned(void *ctx, const mop_sweep_row *r, size_t index, size_t n_rows)
{
    (void)ctx;
    if (index == 0)
        printf("%zu rows\n%-34s %-8s %7s %5s %14s %12s\n", n_rows, "variant", "backend", "threads",
               "batch", "MACs", "guessed ms");
    printf("%-34s %-8s %7d %5d %14lld %12.1f\n", r->variant, r->backend, r->threads, (int)r->batch,
           (long long)r->macs, r->estimate_ns / 1e6);
}

static mop_status dry_run(const struct understood *u, const mop_sweep_world *world, mop_err *err)
{
    mop_sweep_events events = {.planned = print_planned};
    mop_sweep_view view = {0};
    mop_sweep_outcome outcome;
    mop_status status;
    events.note = mop_sweep_view_events(&view).note;
    events.ctx = &view;
    status = mop_sweep_run(&u->o, world, NULL, &events, &outcome, err);
    if (status == MOP_OK)
        printf("estimated time: %.0f s at most; nothing was run or written\n",
               (double)outcome.estimate_ns / 1e9);
    return status;
}

/* The sweep's own table and what latency follows, out of the database just written. */
static mop_status print_results(const char *path, int64_t sweep_id, mop_err *err)
{
    mop_db *db = NULL;
    mop_table t = {0}, rho = {0};
    char id[24];
    const char *params[] = {id};
    mop_status status;
    (void)snprintf(id, sizeof id, "%lld", (long long)sweep_id); /* always fits */
    status = mop_db_open(path, &db, err);
    if (status == MOP_OK)
        status = mop_db_query(db, mop_named_query("sweep"), params, 1, &t, err);
    if (status == MOP_OK)
        status = mop_table_write(&t, MOP_FORMAT_TABLE, stdout, err);
    if (status == MOP_OK)
        status = mop_rho_table(db, &rho, err);
    if (status == MOP_OK && rho.n_rows == 0) {
        printf("\nno Spearman's rho: no row has a clean sample\n");
    } else if (status == MOP_OK) {
        printf("\nSpearman's rho of the median latency (95 %% bootstrap interval):\n");
        status = mop_table_write(&rho, MOP_FORMAT_TABLE, stdout, err);
    }
    mop_table_release(&t);
    mop_table_release(&rho);
    mop_db_close(db);
    return status;
}

static int interrupted(const mop_sweep_outcome *outcome, const char *path)
{
    if (outcome->sweep_id == 0 && !outcome->is_resumed)
        mop_cli_note("interrupted before the first pass; nothing was stored");
    else
        mop_cli_note("interrupted; every finished pass is in %s; `moprof sweep --resume` with the "
                     "same options goes on",
                     path);
    return MOP_EXIT_INTERRUPTED;
}

static int measured(const struct understood *u, const struct typed *t, const mop_sweep_world *world)
{
    mop_sweep_store store = {.path = mop_cli_db(t->db)};
    mop_record_sink sink = mop_sweep_store_sink(&store);
    mop_sweep_view view = {.is_quiet = t->quiet != 0};
    mop_sweep_events events = mop_sweep_view_events(&view);
    mop_sweep_outcome outcome = {0};
    mop_err err = {0}, closing = {0};
    mop_status closed, status = mop_sweep_store_open(&store, &err);
    if (status == MOP_OK)
        status = mop_sweep_run(&u->o, world, &sink, &events, &outcome, &err);
    closed = mop_sweep_store_close(&store, &closing);
    mop_sweep_view_release(&view);
    if (status == MOP_OK && closed != MOP_OK)
        return mop_cli_fail(&closing);
    if (status != MOP_OK && status != MOP_EINTR)
        return mop_cli_fail(&err);
    if (status == MOP_EINTR)
        return interrupted(&outcome, store.path);
    if (print_results(store.path, outcome.sweep_id, &err) != MOP_OK)
        return mop_cli_fail(&err);
    printf("\n%zu of %zu rows measured in %.0f s%s; database: %s\n"
           "next: moprof report --db %s -o report.html    moprof query ablation --db %s\n",
           outcome.n_done, outcome.n_rows, (double)outcome.elapsed_ns / 1e9,
           outcome.is_resumed ? " (resumed)" : "", store.path, store.path, store.path);
    if (view.n_noisy > 0)
        printf("%zu rows have fewer than %d clean samples, because other work ran here meanwhile: "
               "believe no difference between them, and sweep again on a quieter machine\n",
               view.n_noisy, MOP_VIEW_ENOUGH_CLEAN);
    if (view.n_out_of_time > 0)
        printf("%zu rows have intervals wider than asked for: give them time with --budget\n",
               view.n_out_of_time);
    if (view.n_out_of_passes > 0)
        printf(
            "%zu rows have intervals wider than asked for after the most passes there are: sweep "
            "on a quieter machine, or ask for less with --precision\n",
            view.n_out_of_passes);
    if (outcome.n_failed > 0)
        return outcome.n_done > 0 ? MOP_EXIT_SOME_FAILED : MOP_EXIT_FAILED;
    return MOP_EXIT_DONE;
}

static int sweep(const struct typed *t, struct understood *u)
{
    mop_err err = {0};
    mop_sweep_world world;
    if (understand(t, u, &err) != MOP_OK)
        return mop_cli_fail(&err);
    if (mop_sweep_world_real(&world, &err) != MOP_OK)
        return mop_cli_fail(&err);
    int code = !u->o.dry_run                        ? measured(u, t, &world)
               : dry_run(u, &world, &err) == MOP_OK ? MOP_EXIT_DONE
                                                    : mop_cli_fail(&err);
    mop_sweep_world_release(&world);
    return code;
}

int mop_cmd_sweep(int argc, const char **argv)
{
    struct typed t = {0};
    struct understood u = {0};
    const struct poptOption options[] = {
        {"variants", 'v', POPT_ARG_STRING, &t.variants, 0, "names, globs, brace lists, all",
         "LIST"},
        {"backends", 'b', POPT_ARG_STRING, &t.backends, 0, "cpu, vulkan (default: all here)",
         "LIST"},
        {"threads", 't', POPT_ARG_STRING, &t.threads, 0, "thread counts (default 1)", "LIST"},
        {"batch", '\0', POPT_ARG_STRING, &t.batch, 0, "batch sizes (default 1)", "LIST"},
        {"db", '\0', POPT_ARG_STRING, &t.db, 0, "database (default moprof.db)", "FILE"},
        {"seed", '\0', POPT_ARG_STRING, &t.seed, 0, "of constants, input and order (default 1)",
         "N"},
        {"precision", '\0', POPT_ARG_STRING, &t.precision, 0,
         "half-width of the interval to stop at (default 0.01)", "R"},
        {"budget", '\0', POPT_ARG_STRING, &t.budget, 0, "time for the whole sweep (default 8m)",
         "TIME"},
        {"device", '\0', POPT_ARG_STRING, &t.device, 0, "index, part of a name or uuid", "DEVICE"},
        {"isa", '\0', POPT_ARG_STRING, &t.isa, 0, "CPU: highest of scalar, avx2, avx512", "LEVEL"},
        {"resume", '\0', POPT_ARG_NONE, &t.resume, 0, "go on with the unfinished sweep", NULL},
        {"dry-run", 'n', POPT_ARG_NONE, &t.dry_run, 0, "print the plan and stop", NULL},
        {"quiet", 'q', POPT_ARG_NONE, &t.quiet, 0, "results only", NULL},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "sweep",
        .args = "",
        .about =
            "Builds every variant, checks its output against the float64 reference, times it in\n"
            "passes of fresh random order and stores every sample. The product of the lists is "
            "the\n"
            "plan.\n\n"
            "  moprof sweep --variants all\n"
            "  moprof sweep --variants 'mobileone-s{0..4}' --backends cpu --threads 1,2\n"
            "  moprof sweep --variants 'cnn30+act={relu,gelu,silu}' --budget 2m --db act.db",
        .options = options,
    };
    mop_strlist args = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0)
        code = sweep(&t, &u);
    mop_strlist_release(&args);
    release(&t, &u);
    return code;
}
