/* From options to rows: networks, their product with devices and settings, its name and a guess of
 * its time. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "profiler/base/alloc.h"
#include "profiler/base/hash.h"
#include "profiler/base/rng.h"
#include "profiler/engine/cpu_info.h"
#include "profiler/measure/controls.h"

/* Shares of one core's peak that the guess before a sweep assumes: the speed bars of this project's
 * first version, not a measurement. */
#define GUESSED_CPU_SHARE      0.6
#define GUESSED_SOFTWARE_SHARE 0.1
/* Multiply-accumulates a second of one thread of the float64 reference (kernels/ops/conv2d.c). */
#define GUESSED_REFERENCE_RATE 2e9

static mop_status build_network(sweep_network *n, const char *text, int32_t batch, mop_err *err)
{
    mop_graph *g = NULL;
    mop_status st = mop_spec_parse(text, &n->spec, err);
    if (st == MOP_OK)
        st = mop_variant_graph(&n->spec, batch, &g, err);
    if (st != MOP_OK)
        return st;
    n->batch = batch;
    n->hash = g->hash;
    n->n_out = (size_t)mop_shape_elems(g->nodes[g->n_nodes - 1].inst.out);
    mop_graph_count(g, &n->counts);
    mop_graph_free(g);
    return MOP_OK;
}

static size_t n_settings(const mop_sweep_options *o)
{
    return o->n_settings > 0 ? o->n_settings : 1;
}

static mop_setting setting_at(const mop_sweep_options *o, size_t i)
{
    return o->n_settings > 0 ? o->settings[i] : MOP_SETTING_DEFAULT;
}

/* Setting i as device d heeds it; false if that is the same as an earlier one. */
static bool is_another(const sweep *s, const sweep_device *d, size_t i, mop_setting *heeded)
{
    const mop_setting asked = setting_at(s->options, i);
    *heeded = mop_setting_heeded(&asked, d->backend);
    for (size_t j = 0; j < i; j++) {
        const mop_setting before = setting_at(s->options, j);
        const mop_setting other = mop_setting_heeded(&before, d->backend);
        if (mop_setting_equal(heeded, &other))
            return false;
    }
    return true;
}

/* How many rows a network has; tells of each back end that knows fewer settings than asked for. */
static size_t rows_of_network(const sweep *s)
{
    size_t rows = 0;
    for (size_t d = 0; d < s->n_devices; d++) {
        size_t before = rows;
        mop_setting heeded;
        for (size_t i = 0; i < n_settings(s->options); i++)
            rows += is_another(s, &s->devices[d], i, &heeded);
        if (rows - before < n_settings(s->options) &&
            (d == 0 || s->devices[d - 1].backend != s->devices[d].backend))
            mop_sweep_note(s,
                           "of the %zu settings %zu are different on back end %s: what would run "
                           "the same there is measured once",
                           n_settings(s->options), rows - before, s->devices[d].backend->id);
    }
    return rows;
}

/* What is the same for all rows. */
static void start_row(sweep *s, size_t i, sweep_device *d)
{
    sweep_cell *c = &s->cells[i];
    mop_sweep_row *r = &s->rows[i];
    *c = (sweep_cell){.device = d, .against = MOP_NO_ROW};
    (void)snprintf(c->device_name, sizeof c->device_name, "%s", d->info.name); /* same size */
    *r = (mop_sweep_row){.backend = d->backend != NULL ? d->backend->id : "host",
                         .device = c->device_name,
                         .is_software = d->info.is_software,
                         .threads = d->info.threads,
                         .batch = 1,
                         .peak_flops = s->world->peak_flops,
                         .median_ns = (double)NAN,
                         .low_ns = (double)NAN,
                         .high_ns = (double)NAN,
                         .ratio = (double)NAN,
                         .ratio_low = (double)NAN,
                         .ratio_high = (double)NAN};
    r->record = (mop_measurement_record){.threads = d->info.threads,
                                         .batch = 1,
                                         .state = MOP_PENDING,
                                         .error = (double)NAN,
                                         .error_bound = (double)NAN,
                                         .node_error = (double)NAN,
                                         .setup_ns = MOP_ABSENT,
                                         .first_run_ns = MOP_ABSENT,
                                         .arena_bytes = MOP_ABSENT,
                                         .weight_bytes = MOP_ABSENT,
                                         .layer_overhead = (double)NAN,
                                         .layer_residual = (double)NAN};
}

/* The texts fit, each in its field. */
static void name_setting(mop_measurement_record *r, const mop_setting *s)
{
    char fuse[MOP_FUSE_TEXT];
    (void)snprintf(r->cache, sizeof r->cache, "%s", mop_cache_name(s->is_cold));
    (void)snprintf(r->winograd, sizeof r->winograd, "%s", mop_winograd_name(s->no_winograd));
    (void)snprintf(r->fuse, sizeof r->fuse, "%s", mop_fuse_name(s->fuse, fuse));
    (void)snprintf(r->dtype, sizeof r->dtype, "%s", mop_dtype_name(s->dtype));
}

void mop_sweep_build_row(sweep *s, size_t i, sweep_network *n, sweep_device *d,
                         const mop_setting *setting)
{
    sweep_cell *c = &s->cells[i];
    mop_sweep_row *r = &s->rows[i];
    start_row(s, i, d);
    c->network = n;
    c->setting = *setting;
    c->cold = setting->is_cold ? &s->cold : NULL;
    r->variant = n->spec.text;
    r->family = n->spec.family;
    r->form = mop_form_name(n->spec.form);
    r->batch = r->record.batch = n->batch;
    r->params = n->counts.params;
    r->macs = n->counts.macs;
    r->flops = n->counts.flops;
    r->activations = n->counts.activations;
    name_setting(&r->record, setting);
    mop_err why = {0};
    if (!mop_sweep_is_beyond(d, setting, &why))
        return;
    r->record.state = MOP_SKIPPED;
    (void)snprintf(r->record.reason, sizeof r->record.reason, "%s", why.msg); /* same size */
}

void mop_sweep_build_loop(sweep *s, size_t i, const char *name, int64_t rounds)
{
    sweep_cell *c = &s->cells[i];
    mop_sweep_row *r = &s->rows[i];
    start_row(s, i, &s->host);
    c->loop = &s->world->loop;
    c->rounds = rounds;
    name_setting(&r->record, &(mop_setting){.fuse = MOP_FUSE_NONE, .no_winograd = true});
    r->variant = name;
    r->family = r->form = "control";
    r->is_control = true;
    r->flops = (int64_t)(s->world->loop.flops_per_round * (double)rounds);
    r->macs = r->flops / 2;
}

/* Rows of a network stand together: devices, and for each of them its settings. */
static void build_rows(sweep *s)
{
    size_t settings = n_settings(s->options), n = 0;
    for (size_t k = 0; k < s->n_networks * s->n_devices * settings; k++) {
        sweep_device *d = &s->devices[k / settings % s->n_devices];
        mop_setting heeded;
        if (is_another(s, d, k % settings, &heeded))
            mop_sweep_build_row(s, n++, &s->networks[k / settings / s->n_devices], d, &heeded);
    }
    for (size_t i = 0; i < s->n_plain; i++) {
        for (size_t j = 0; j < s->n_plain && s->cells[i].against == MOP_NO_ROW; j++) {
            const sweep_cell *a = &s->cells[i], *b = &s->cells[j];
            size_t k = (size_t)(b->network - s->networks);
            if (a->device == b->device && a->network->batch == b->network->batch &&
                mop_setting_equal(&a->setting, &b->setting) && mop_sweep_is_baseline(s, k))
                s->cells[i].against = j;
        }
    }
}

static mop_status choose_baseline(sweep *s, mop_err *err)
{
    const mop_sweep_options *o = s->options;
    const char *wanted = o->baseline != NULL ? o->baseline : "mobileone-s0";
    mop_spec spec;
    for (size_t i = 0; i < o->n_specs && s->baseline_option == NULL; i++)
        s->baseline_option = strcmp(o->specs[i], wanted) == 0 ? o->specs[i] : NULL;
    if (s->baseline_option == NULL && o->baseline != NULL)
        return mop_fail(err, MOP_EINVAL, "the baseline '%.80s' is not among the variants",
                        o->baseline);
    if (s->baseline_option == NULL && o->n_specs > 0)
        s->baseline_option = o->specs[0];
    if (s->baseline_option == NULL)
        return MOP_OK; /* an empty plan is refused by name later */
    mop_status st = mop_spec_parse(s->baseline_option, &spec, err);
    if (st == MOP_OK)
        memcpy(s->baseline, spec.text, sizeof s->baseline); /* same size */
    return st;
}

/* Checks what was asked for of shards and baseline, and chooses the baseline. */
static mop_status settle_options(sweep *s, mop_err *err)
{
    const mop_sweep_options *o = s->options;
    if (o->shards > 0 && (o->shard < 1 || o->shard > o->shards))
        return mop_fail(err, MOP_EINVAL, "there is no shard %" PRIu32 " of %" PRIu32, o->shard,
                        o->shards);
    return choose_baseline(s, err);
}

static bool is_of_shard(const sweep *s, size_t network, const char *spec)
{
    const mop_sweep_options *o = s->options;
    return o->shards == 0 || network % o->shards == o->shard - 1 ||
           strcmp(spec, s->baseline_option) == 0;
}

static mop_status build_networks(sweep *s, mop_err *err)
{
    const mop_sweep_options *o = s->options;
    size_t most;
    if (!mop_mul_size(o->n_specs, o->n_batches, &most) || most == 0)
        return mop_fail(err, MOP_EINVAL, "a sweep needs at least one variant and batch size");
    s->networks = mop_calloc(most, sizeof *s->networks, err);
    if (s->networks == NULL)
        return MOP_ENOMEM;
    for (size_t i = 0; i < most; i++) {
        const char *spec = o->specs[i / o->n_batches];
        if (!is_of_shard(s, i, spec))
            continue;
        mop_status st =
            build_network(&s->networks[s->n_networks++], spec, o->batches[i % o->n_batches], err);
        if (st != MOP_OK)
            return st;
    }
    return MOP_OK;
}

/* One sentence for each reason why rows are skipped on a device; those of a network stand together,
 * and have the same ones. */
static void tell_skipped(const sweep *s)
{
    for (size_t i = 0; i < s->n_plain && s->cells[i].network == s->networks; i++) {
        const mop_measurement_record *r = &s->rows[i].record;
        bool is_told = r->state != MOP_SKIPPED;
        for (size_t j = 0; j < i; j++)
            is_told = is_told || (s->cells[j].device == s->cells[i].device &&
                                  strcmp(s->rows[j].record.reason, r->reason) == 0);
        const bool is_run =
            mop_backend_runs(s->cells[i].device->backend, s->cells[i].device->handle,
                             s->cells[i].setting.dtype, NULL) == MOP_OK;
        if (!is_told)
            mop_sweep_note(s, "%s rows are skipped: %s", is_run ? "cold" : r->dtype, r->reason);
    }
}

mop_status mop_sweep_build_rows(sweep *s, mop_err *err)
{
    mop_status st = settle_options(s, err);
    bool any_cold = false;
    if (st == MOP_OK)
        st = build_networks(s, err);
    if (st != MOP_OK)
        return st;
    if (!mop_mul_size(s->n_networks, rows_of_network(s), &s->n_plain) ||
        s->n_plain > UINT32_MAX / 2)
        return mop_fail(err, MOP_EINVAL, "a sweep has at most 2^31 rows");
    s->n_rows = s->n_plain + mop_controls_count(s);
    s->rows = mop_calloc(s->n_rows, sizeof *s->rows, err);
    s->cells = mop_calloc(s->n_rows, sizeof *s->cells, err);
    if (s->rows == NULL || s->cells == NULL)
        return MOP_ENOMEM;
    build_rows(s);
    mop_controls_build(s);
    tell_skipped(s);
    for (size_t i = 0; i < s->n_rows; i++)
        any_cold = any_cold || (s->cells[i].cold != NULL && s->rows[i].record.state == MOP_PENDING);
    return any_cold && !s->options->dry_run
               ? mop_cold_open(&s->cold, mop_cold_size(mop_cpu_last_cache()), err)
               : MOP_OK;
}

size_t mop_sweep_row_of(const sweep *s, size_t k, size_t from)
{
    while (from < s->n_rows && s->cells[from].network != &s->networks[k])
        from++;
    return from;
}

bool mop_sweep_is_baseline(const sweep *s, size_t k)
{
    return strcmp(s->networks[k].spec.text, s->baseline) == 0;
}

size_t mop_sweep_offset(const sweep *s, uint32_t worker, size_t row)
{
    mop_rng rng;
    mop_rng_init(&rng, mop_hash_u64(s->options->seed, worker), row);
    return (size_t)mop_rng_below(&rng, MOP_PLAN_OFFSETS / MOP_ALIGN) * MOP_ALIGN;
}

void mop_sweep_tell_memory(sweep *s, const mop_plan_info *info)
{
    struct rlimit limit = {0};
    if (!info->is_lock_refused || s->told_unlocked)
        return;
    s->told_unlocked = true;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        mop_sweep_note(
            s,
            "not all memory of the plans could be locked (RLIMIT_MEMLOCK is %ju KiB, see "
            "ulimit -l): under memory pressure page faults will flag samples",
            (uintmax_t)limit.rlim_cur >> 10);
    else
        mop_sweep_note(s, "not all memory of the plans could be locked");
}

mop_model *mop_sweep_model(const sweep_cell *c)
{
    return c->network->fused[c->setting.fuse & MOP_FUSE_GRAPH];
}

size_t mop_sweep_outputs(const sweep_cell *c)
{
    return c->network != NULL ? c->network->n_out : 1;
}

void mop_sweep_estimate(sweep *s)
{
    double total = 0;
    if (!(s->world->peak_flops > 0))
        return;
    for (size_t i = 0; i < s->n_rows; i++) {
        mop_sweep_row *r = &s->rows[i];
        const mop_device_info *info = &s->cells[i].device->info;
        double share = strcmp(info->type, "cpu") == 0 ? GUESSED_CPU_SHARE
                       : info->is_software            ? GUESSED_SOFTWARE_SHARE
                                                      : 0;
        int threads = r->threads > 0 ? r->threads : 1;
        if (share > 0)
            r->estimate_ns = 2e9 * (double)r->macs / (s->world->peak_flops * share * threads);
        total += r->estimate_ns * s->protocol.min_passes * (s->protocol.runs_per_visit + 1);
        if (!r->is_control)
            total += 1e9 * (double)r->macs / GUESSED_REFERENCE_RATE;
    }
    if (total > (double)s->budget_ns)
        total = (double)s->budget_ns;
    s->outcome->estimate_ns = (uint64_t)total;
}

/* Everything that decides what is measured, and nothing that decides how long. The text is that of
 * the whole plan, the hash that of this part of it. */
mop_status mop_sweep_name_plan(sweep *s, mop_err *err)
{
    const mop_sweep_options *o = s->options;
    mop_str *t = &s->plan_text;
    mop_str_addf(t, "seed=%" PRIu64 ";precision=%g;isa=%u;device=%s;", o->seed,
                 s->protocol.precision, o->isa_mask, o->device != NULL ? o->device : "");
    if (o->vulkan != NULL && *o->vulkan != '\0')
        mop_str_addf(t, "vulkan=%s;", o->vulkan);
    mop_str_add(t, "batch=");
    for (size_t i = 0; i < o->n_batches; i++)
        mop_str_addf(t, "%s%" PRId32, i > 0 ? "," : "", o->batches[i]);
    mop_str_add(t, ";on=");
    for (size_t i = 0; i < s->n_devices; i++)
        mop_str_addf(t, "%s%s/%d/%s", i > 0 ? "," : "", s->devices[i].backend->id,
                     s->devices[i].info.threads, s->devices[i].info.uuid);
    mop_str_add(t, ";setting=");
    for (size_t i = 0; i < n_settings(o); i++) {
        const mop_setting setting = setting_at(o, i);
        char name[MOP_SETTING_TEXT];
        mop_setting_name(&setting, name);
        mop_str_addf(t, "%s%s", i > 0 ? "," : "", name);
    }
    mop_str_addf(t, ";baseline=%s;variants=", s->baseline);
    for (size_t i = 0; i < o->n_specs; i++)
        mop_str_addf(t, "%s%s", i > 0 ? "," : "", o->specs[i]);
    mop_str_add(t, ";");
    s->plan_hash = mop_hash(MOP_HASH_INIT, mop_str_get(t), t->len);
    if (o->shards > 0)
        s->plan_hash = mop_hash_u64(mop_hash_u64(s->plan_hash, o->shard), o->shards);
    return mop_str_status(t, err);
}

void mop_sweep_release(sweep *s)
{
    for (size_t i = 0; s->cells != NULL && i < s->n_rows; i++) {
        if (s->cells[i].plan != NULL)
            s->cells[i].device->backend->plan_free(s->cells[i].plan);
        free(s->cells[i].out);
    }
    for (size_t i = 0; s->networks != NULL && i < s->n_networks; i++) {
        for (size_t f = 0; f <= MOP_FUSE_GRAPH; f++)
            mop_model_free(s->networks[i].fused[f]);
        free(s->networks[i].input);
    }
    mop_sweep_close_devices(s);
    free(s->cells);
    free(s->rows);
    free(s->networks);
    mop_cold_release(&s->cold);
    free(s->watched);
    free(s->history.measurements);
    free(s->history.samples);
    mop_str_release(&s->plan_text);
}
