#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kernels/cpu/isa.h"
#include "profiler/base/alloc.h"
#include "profiler/base/build.h"
#include "profiler/cli/cli.h"
#include "profiler/cli/sweep_run.h"
#include "profiler/cli/sweep_view.h"
#include "profiler/measure/supervisor.h"
#include "variants/variant.h"

/* The options as typed. */
struct typed {
    char *variants, *backends, *threads, *batch, *db, *seed, *precision, *budget, *device, *isa;
    char *fuse, *winograd, *dtype, *cache, *baseline, *shard, *patience, *workers, *max_passes,
        *vulkan;
    int resume, dry_run, quiet;
};

/* The options as understood; owns its lists. */
struct understood {
    mop_strlist specs, backends;
    mop_setting *settings;
    int *threads, *batches;
    char baseline[MOP_SPEC_MAX], vulkan[MOP_CLI_VULKAN];
    mop_sweep_options o;
    mop_sweep_manner manner;
};

static void release(struct typed *t, struct understood *u)
{
    char *texts[] = {t->variants,   t->backends,  t->threads,  t->batch,    t->db,
                     t->seed,       t->precision, t->budget,   t->device,   t->isa,
                     t->cache,      t->baseline,  t->shard,    t->patience, t->workers,
                     t->max_passes, t->fuse,      t->winograd, t->vulkan,   t->dtype};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
    mop_strlist_release(&u->specs);
    mop_strlist_release(&u->backends);
    free(u->settings);
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

/* "K/N", part K of N. */
static mop_status take_shard(const char *text, mop_sweep_options *o, mop_err *err)
{
    unsigned k = 0, n = 0;
    char rest;
    if (sscanf(text, "%4u/%4u%c", &k, &n, &rest) != 2 || k < 1 || k > n)
        return mop_fail(err, MOP_EINVAL,
                        "--shard takes K/N, part K from 1 to N of at most 9999 parts, not '%s'",
                        text);
    o->shard = k;
    o->shards = n;
    return MOP_OK;
}

/* Sets what a word of a list option says about a setting. */
typedef mop_status (*read_word)(const char *word, mop_setting *s, mop_err *err);

static mop_status read_fuse(const char *word, mop_setting *s, mop_err *err)
{
    return mop_fuse_parse(word, &s->fuse, err);
}

static mop_status read_winograd(const char *word, mop_setting *s, mop_err *err)
{
    return mop_winograd_parse(word, &s->no_winograd, err);
}

static mop_status read_dtype(const char *word, mop_setting *s, mop_err *err)
{
    return mop_dtype_parse(word, &s->dtype, err);
}

static mop_status read_cache(const char *word, mop_setting *s, mop_err *err)
{
    return mop_cache_parse(word, &s->is_cold, err);
}

static bool has_setting(const mop_setting *list, size_t n, const mop_setting *one)
{
    for (size_t i = 0; i < n; i++)
        if (mop_setting_equal(&list[i], one))
            return true;
    return false;
}

/* Every setting so far, once for each word of text; NULL leaves them as they are. */
static mop_status vary(struct understood *u, const char *text, read_word read, mop_err *err)
{
    mop_strlist words = {0};
    size_t n = 0;
    mop_status status = text != NULL ? mop_expand(text, &words, err) : MOP_OK;
    mop_setting *out = NULL;
    if (status == MOP_OK && words.n > 0) {
        out = mop_calloc(words.n * u->o.n_settings, sizeof *out, err);
        status = out != NULL ? MOP_OK : MOP_ENOMEM;
    }
    for (size_t i = 0; status == MOP_OK && i < words.n * u->o.n_settings; i++) {
        mop_setting s = u->settings[i / words.n];
        status = read(words.items[i % words.n], &s, err);
        if (status == MOP_OK && !has_setting(out, n, &s))
            out[n++] = s;
    }
    if (status == MOP_OK && n > 0) {
        free(u->settings);
        u->o.settings = u->settings = out;
        u->o.n_settings = n;
        out = NULL;
    }
    free(out);
    mop_strlist_release(&words);
    return status;
}

static mop_status take_settings(const struct typed *t, struct understood *u, mop_err *err)
{
    u->o.settings = u->settings = mop_calloc(1, sizeof *u->settings, err);
    if (u->settings == NULL)
        return MOP_ENOMEM;
    u->settings[0] = MOP_SETTING_DEFAULT;
    u->o.n_settings = 1;
    mop_status status = vary(u, t->fuse, read_fuse, err);
    if (status == MOP_OK)
        status = vary(u, t->winograd, read_winograd, err);
    if (status == MOP_OK)
        status = vary(u, t->dtype, read_dtype, err);
    if (status == MOP_OK)
        status = vary(u, t->cache, read_cache, err);
    return status;
}

/* How it is done: shards, settings, baseline, processes. */
static mop_status take_manner(const struct typed *t, struct understood *u, mop_err *err)
{
    long n = 0;
    mop_status status = MOP_OK;
    if (t->workers != NULL)
        status = mop_cli_int("workers", t->workers, 1, MOP_SUPERVISOR_MAX_WORKERS, &n, err);
    u->manner.workers = (uint32_t)n;
    n = 0;
    if (status == MOP_OK && t->max_passes != NULL)
        status = mop_cli_int("max-passes", t->max_passes, 1, 10000, &n, err);
    u->o.max_passes = (uint32_t)n;
    if (status == MOP_OK && t->patience != NULL)
        status = mop_cli_time("patience", t->patience, &u->manner.patience_ns, err);
    if (status == MOP_OK && t->shard != NULL)
        status = take_shard(t->shard, &u->o, err);
    if (status == MOP_OK)
        status = take_settings(t, u, err);
    if (status == MOP_OK && t->baseline != NULL) {
        status = mop_cli_one_spec(t->baseline, u->baseline, sizeof u->baseline, err);
        u->o.baseline = u->baseline;
    }
    u->manner.db = mop_cli_db(t->db);
    u->manner.is_quiet = t->quiet != 0;
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
    if (status == MOP_OK)
        status = mop_cli_vulkan(t->vulkan, u->vulkan, err);
    if (status == MOP_OK)
        status = take_manner(t, u, err);
    if (status != MOP_OK)
        return status;
    u->o.tuning = mop_cli_tuning();
    u->o.vulkan = u->vulkan;
    u->o.pipeline_cache = mop_cli_pipelines();
    u->o.specs = (void *)u->specs.items;
    u->o.n_specs = u->specs.n;
    u->o.backends = (void *)u->backends.items;
    u->o.n_backends = u->backends.n;
    u->o.backends_named = t->backends != NULL;
    u->o.threads = u->threads;
    u->o.batches = u->batches;
    u->o.device = t->device;
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
        printf("%zu rows\n%-34s %-8s %7s %5s %-19s %14s %12s\n", n_rows, "variant", "backend",
               "threads", "batch", "fuse/winograd/cache", "MACs", "guessed ms");
    char setting[MOP_SETTING_TEXT];
    mop_sweep_row_setting(r, setting);
    printf("%-34s %-8s %7d %5d %-19s %14lld %12.1f\n", r->variant, r->backend, r->threads,
           (int)r->batch, setting, (long long)r->macs, r->estimate_ns / 1e6);
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

static int sweep(const struct typed *t, struct understood *u)
{
    mop_err err = {0};
    mop_sweep_world world;
    if (understand(t, u, &err) != MOP_OK)
        return mop_cli_fail(&err);
    if (!u->o.dry_run)
        return mop_cli_sweep(&u->o, &u->manner, NULL);
    if (mop_sweep_world_real(&world, &err) != MOP_OK)
        return mop_cli_fail(&err);
    int code = dry_run(u, &world, &err) == MOP_OK ? MOP_EXIT_DONE : mop_cli_fail(&err);
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
        {"seed", '\0', POPT_ARG_STRING, &t.seed, 0, "constants, input, order (default 1)", "N"},
        {"precision", '\0', POPT_ARG_STRING, &t.precision, 0,
         "half-width of the interval to stop at (default 0.01)", "R"},
        {"budget", '\0', POPT_ARG_STRING, &t.budget, 0, "time for the whole sweep (default 8m)",
         "TIME"},
        {"device", '\0', POPT_ARG_STRING, &t.device, 0, "index, part of a name or uuid", "DEVICE"},
        {"isa", '\0', POPT_ARG_STRING, &t.isa, 0, "CPU: highest of" MOP_ISA_WORDS, "LEVEL"},
        {"vulkan", '\0', POPT_ARG_STRING, &t.vulkan, 0, MOP_CLI_VULKAN_HELP, "LIST"},
        {"fuse", '\0', POPT_ARG_STRING, &t.fuse, 0,
         "none, all (default), unions of bn, act, add, se, dwpw by +", "LIST"},
        {"winograd", '\0', POPT_ARG_STRING, &t.winograd, 0,
         "CPU: auto (default), off: only direct sums", "LIST"},
        {"dtype", '\0', POPT_ARG_STRING, &t.dtype, 0, MOP_CLI_DTYPE_HELP, "LIST"},
        {"cache", '\0', POPT_ARG_STRING, &t.cache, 0,
         "hot, cold: caches before a run (default hot)", "LIST"},
        {"baseline", '\0', POPT_ARG_STRING, &t.baseline, 0, "variant that ratios are taken to",
         "SPEC"},
        {"shard", '\0', POPT_ARG_STRING, &t.shard, 0, "do part K of N of the plan", "K/N"},
        {"workers", '\0', POPT_ARG_STRING, &t.workers, 0,
         "processes that share the passes (default 3)", "N"},
        {"patience", '\0', POPT_ARG_STRING, &t.patience, 0,
         "silence after which a worker counts as hung (default 5m)", "TIME"},
        {"max-passes", '\0', POPT_ARG_STRING, &t.max_passes, 0, "most passes (default 60)", "N"},
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
            "  moprof sweep --variants 'cnn30+act={relu,gelu,silu}' --budget 2m --db act.db\n"
            "  moprof sweep --variants 'mobilenet*' --fuse none,act+add,all --winograd auto,off",
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
