/* From options to rows: devices, networks, their product, its name and a guess of its time. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/hash.h"
#include "profiler/measure/sweep_internal.h"

/* Shares of one core's peak that the guess before a sweep assumes: the speed bars of this project's
 * first version, not a measurement. */
#define GUESSED_CPU_SHARE      0.6
#define GUESSED_SOFTWARE_SHARE 0.1
/* Multiply-accumulates a second of one thread of the float64 reference (kernels/ops/conv2d.c). */
#define GUESSED_REFERENCE_RATE 2e9

static bool knows_device(const sweep *s, const sweep_device *d)
{
    for (size_t i = 0; i < s->n_devices; i++) {
        if (s->devices[i].backend == d->backend && s->devices[i].info.threads == d->info.threads)
            return true;
    }
    return false;
}

/* One back end with every number of threads. A device that ignores the number is kept once. */
static mop_status open_backend(sweep *s, const mop_backend *backend, mop_err *err)
{
    const mop_sweep_options *o = s->options;
    for (size_t i = 0; i < o->n_threads; i++) {
        const mop_device_choice choice = {
            .selector = o->device, .threads = o->threads[i], .isa_mask = o->isa_mask};
        sweep_device d = {.backend = backend};
        mop_status st = backend->open(&choice, &d.handle, err);
        if (st != MOP_OK)
            return st;
        backend->info(d.handle, &d.info);
        if (knows_device(s, &d))
            backend->close(d.handle);
        else
            s->devices[s->n_devices++] = d;
    }
    return MOP_OK;
}

mop_status mop_sweep_open_devices(sweep *s, mop_err *err)
{
    const mop_sweep_options *o = s->options;
    size_t cap;
    if (!mop_mul_size(o->n_backends, o->n_threads, &cap) || cap == 0)
        return mop_fail(err, MOP_EINVAL, "a sweep needs at least one back end and thread count");
    s->devices = mop_calloc(cap, sizeof *s->devices, err);
    if (s->devices == NULL)
        return MOP_ENOMEM;
    for (size_t i = 0; i < o->n_backends; i++) {
        mop_err why = {0};
        const mop_backend *backend = s->world->find_backend(o->backends[i], &why);
        mop_status st = backend != NULL ? open_backend(s, backend, &why) : MOP_EINVAL;
        if (st == MOP_ENODEV && !o->backends_named)
            mop_sweep_note(s, "back end %s is left out: %s", o->backends[i], why.msg);
        else if (st != MOP_OK)
            return mop_fail(err, st, "%s", why.msg);
    }
    return s->n_devices > 0 ? MOP_OK
                            : mop_fail(err, MOP_ENODEV, "no back end has a device on this machine");
}

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

static void build_row(sweep *s, size_t i)
{
    sweep_network *n = &s->networks[i / s->n_devices];
    sweep_device *d = &s->devices[i % s->n_devices];
    sweep_cell *c = &s->cells[i];
    mop_sweep_row *r = &s->rows[i];
    *c = (sweep_cell){.device = d, .network = n};
    (void)snprintf(c->device_name, sizeof c->device_name, "%s", d->info.name); /* same size */
    *r = (mop_sweep_row){.variant = n->spec.text,
                         .family = n->spec.family,
                         .form = mop_form_name(n->spec.form),
                         .backend = d->backend->id,
                         .device = c->device_name,
                         .is_software = d->info.is_software,
                         .threads = d->info.threads,
                         .batch = n->batch,
                         .params = n->counts.params,
                         .macs = n->counts.macs,
                         .flops = n->counts.flops,
                         .activations = n->counts.activations,
                         .peak_flops = s->world->peak_flops,
                         .median_ns = (double)NAN,
                         .low_ns = (double)NAN,
                         .high_ns = (double)NAN};
    r->record = (mop_measurement_record){.dtype = "fp32",
                                         .cache = "hot",
                                         .threads = d->info.threads,
                                         .batch = n->batch,
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

mop_status mop_sweep_build_rows(sweep *s, mop_err *err)
{
    const mop_sweep_options *o = s->options;
    size_t n = 0;
    if (!mop_mul_size(o->n_specs, o->n_batches, &s->n_networks) || s->n_networks == 0 ||
        !mop_mul_size(s->n_networks, s->n_devices, &s->n_rows) || s->n_rows > UINT32_MAX)
        return mop_fail(err, MOP_EINVAL,
                        "a sweep needs at least one variant and batch size and at most 2^32 rows");
    s->networks = mop_calloc(s->n_networks, sizeof *s->networks, err);
    s->rows = mop_calloc(s->n_rows, sizeof *s->rows, err);
    s->cells = mop_calloc(s->n_rows, sizeof *s->cells, err);
    if (s->networks == NULL || s->rows == NULL || s->cells == NULL)
        return MOP_ENOMEM;
    for (size_t i = 0; i < o->n_specs; i++) {
        for (size_t b = 0; b < o->n_batches; b++) {
            mop_status st = build_network(&s->networks[n++], o->specs[i], o->batches[b], err);
            if (st != MOP_OK)
                return st;
        }
    }
    for (size_t i = 0; i < s->n_rows; i++)
        build_row(s, i);
    return MOP_OK;
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
        total += 1e9 * (double)r->macs / GUESSED_REFERENCE_RATE;
    }
    if (total > (double)s->budget_ns)
        total = (double)s->budget_ns;
    s->outcome->estimate_ns = (uint64_t)total;
}

/* Everything that decides what is measured, and nothing that decides how long. */
mop_status mop_sweep_name_plan(sweep *s, mop_err *err)
{
    const mop_sweep_options *o = s->options;
    mop_str *t = &s->plan_text;
    mop_str_addf(t, "seed=%" PRIu64 ";precision=%g;fuse=%u;isa=%u;device=%s;batch=", o->seed,
                 s->protocol.precision, o->fuse, o->isa_mask, o->device != NULL ? o->device : "");
    for (size_t i = 0; i < o->n_batches; i++)
        mop_str_addf(t, "%s%" PRId32, i > 0 ? "," : "", o->batches[i]);
    mop_str_add(t, ";on=");
    for (size_t i = 0; i < s->n_devices; i++)
        mop_str_addf(t, "%s%s/%d/%s", i > 0 ? "," : "", s->devices[i].backend->id,
                     s->devices[i].info.threads, s->devices[i].info.uuid);
    mop_str_add(t, ";variants=");
    for (size_t i = 0; i < o->n_specs; i++)
        mop_str_addf(t, "%s%s", i > 0 ? "," : "", o->specs[i]);
    mop_str_add(t, ";");
    s->plan_hash = mop_hash(MOP_HASH_INIT, mop_str_get(t), t->len);
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
        mop_model_free(s->networks[i].fused);
        free(s->networks[i].input);
    }
    for (size_t i = 0; i < s->n_devices; i++)
        s->devices[i].backend->close(s->devices[i].handle);
    free(s->cells);
    free(s->rows);
    free(s->networks);
    free(s->devices);
    free(s->history.measurements);
    free(s->history.samples);
    mop_str_release(&s->plan_text);
}
