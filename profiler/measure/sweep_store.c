/* The plan into the sink, or the sink's unfinished sweep into the rows. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/hash.h"
#include "profiler/measure/sweep_internal.h"

static void copy(char *dst, size_t size, const char *src)
{
    (void)snprintf(dst, size, "%s", src); /* cut to the record's field */
}

static mop_status put_device(sweep *s, sweep_device *d, mop_err *err)
{
    bool is_host = d->backend == NULL;
    mop_device_record r = {.is_software = d->info.is_software,
                           .peak_flops = is_host ? 0 : s->world->peak_flops};
    copy(r.backend, sizeof r.backend, is_host ? "host" : d->backend->id);
    copy(r.name, sizeof r.name, d->info.name);
    copy(r.type, sizeof r.type, d->info.type);
    copy(r.driver, sizeof r.driver, d->info.driver);
    copy(r.uuid, sizeof r.uuid, d->info.uuid);
    copy(r.isa, sizeof r.isa, d->info.isa);
    copy(r.fingerprint, sizeof r.fingerprint, s->world->fingerprint);
    return s->sink->put_device(s->sink->ctx, &r, &d->id, err);
}

static mop_status put_devices(sweep *s, mop_err *err)
{
    mop_status st = MOP_OK;
    for (size_t i = 0; i < s->n_devices && st == MOP_OK; i++)
        st = put_device(s, &s->devices[i], err);
    if (st == MOP_OK && s->n_rows > s->n_plain)
        st = put_device(s, &s->host, err);
    return st;
}

/* What runs: the nodes of the fused graph, the input included, as layer times come. */
static void describe_layers(const sweep_cell *c, mop_layer_record *layers)
{
    const mop_graph *g = mop_sweep_model(c)->graph;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const mop_op_inst *inst = &g->nodes[i].inst;
        mop_layer_record *l = &layers[i];
        mop_cost cost;
        mop_op_cost(inst, &cost);
        *l = (mop_layer_record){.index = (int32_t)i,
                                .out_h = inst->out.h,
                                .out_w = inst->out.w,
                                .out_c = inst->out.c,
                                .params = cost.params,
                                .macs = cost.macs,
                                .elementwise = cost.elementwise,
                                .bytes = cost.bytes_read + cost.bytes_written};
        copy(l->name, sizeof l->name, g->nodes[i].name);
        copy(l->op, sizeof l->op, mop_op_get(inst->op)->name);
        copy(l->act, sizeof l->act, mop_act_name(inst->params.act));
        if (c->plan != NULL)
            copy(l->kernel, sizeof l->kernel, c->device->backend->kernel_name(c->plan, i));
    }
}

/* What the store is told of the network of c; *layers is the caller's to free. */
static mop_status describe_model(const sweep_cell *c, mop_model_record *r,
                                 mop_layer_record **layers, size_t *n_layers, mop_err *err)
{
    const sweep_network *n = c->network;
    const mop_model *m = mop_sweep_model(c);
    *n_layers = m != NULL ? m->graph->n_nodes : 0;
    *r = (mop_model_record){.graph_hash = n->hash,
                            .height = n->spec.height,
                            .width = n->spec.width,
                            .batch = n->batch,
                            .params = n->counts.params,
                            .macs = n->counts.macs,
                            .flops = n->counts.flops,
                            .elementwise = n->counts.elementwise,
                            .activations = n->counts.activations,
                            .bytes = n->counts.bytes,
                            .ops = n->counts.ops,
                            .depth = n->counts.depth};
    copy(r->variant, sizeof r->variant, n->spec.text);
    copy(r->family, sizeof r->family, n->spec.family);
    copy(r->form, sizeof r->form, mop_form_name(n->spec.form));
    *layers = mop_calloc(*n_layers, sizeof **layers, err);
    if (*layers == NULL)
        return MOP_ENOMEM;
    if (*n_layers > 0)
        describe_layers(c, *layers);
    return MOP_OK;
}

/* A loop of controls.h is a network of one operator without weights. */
static mop_status put_loop(sweep *s, const mop_sweep_row *row, int64_t *id, mop_err *err)
{
    mop_model_record r = {
        .batch = row->batch, .macs = row->macs, .flops = row->flops, .ops = 1, .depth = 1};
    copy(r.variant, sizeof r.variant, row->variant);
    copy(r.family, sizeof r.family, row->family);
    copy(r.form, sizeof r.form, row->form);
    r.graph_hash =
        mop_hash_u64(mop_hash(MOP_HASH_INIT, r.variant, strlen(r.variant)), (uint64_t)row->macs);
    return s->sink->put_model(s->sink->ctx, &r, NULL, 0, id, err);
}

static mop_status put_model(sweep *s, const sweep_cell *c, int64_t *id, mop_err *err)
{
    mop_model_record r;
    mop_layer_record *layers;
    size_t n;
    mop_status st = describe_model(c, &r, &layers, &n, err);
    if (st != MOP_OK)
        return st;
    st = s->sink->put_model(s->sink->ctx, &r, layers, n, id, err);
    free(layers);
    return st;
}

static mop_status put_rows(sweep *s, mop_err *err)
{
    mop_status st = MOP_OK;
    for (size_t i = 0; i < s->n_rows && st == MOP_OK; i++) {
        mop_measurement_record *r = &s->rows[i].record;
        r->device_id = s->cells[i].device->id;
        st = s->cells[i].network != NULL ? put_model(s, &s->cells[i], &r->model_id, err)
                                         : put_loop(s, &s->rows[i], &r->model_id, err);
        if (st == MOP_OK)
            st = s->sink->put_measurement(s->sink->ctx, s->sweep_id, r, err);
    }
    return st;
}

/* The protocol's settings and the clock that they are applied with. */
static void describe_protocol(const sweep *s, mop_sweep_record *r)
{
    uint64_t cost, step;
    mop_clock_measure(&s->world->clock, &cost, &step);
    mop_protocol_text(&s->protocol, r->protocol, sizeof r->protocol);
    r->clock_cost_ns = (int64_t)cost;
    r->clock_step_ns = (int64_t)step;
}

mop_status mop_sweep_store_plan(sweep *s, mop_err *err)
{
    mop_sweep_record r = {.seed = s->options->seed,
                          .plan_hash = s->plan_hash,
                          .kind = "sweep",
                          .shard = s->options->shards > 0 ? (int32_t)s->options->shard : 1,
                          .shards = s->options->shards > 0 ? (int32_t)s->options->shards : 1,
                          .aa_floor = (double)NAN};
    copy(r.started_utc, sizeof r.started_utc, s->options->started_utc);
    copy(r.plan_text, sizeof r.plan_text, mop_str_get(&s->plan_text));
    copy(r.build_id, sizeof r.build_id, s->options->build_id);
    copy(r.environment, sizeof r.environment, s->world->environment);
    copy(r.baseline, sizeof r.baseline, s->baseline);
    describe_protocol(s, &r);
    mop_status st = s->sink->begin_plan(s->sink->ctx, &r, &s->sweep_id, err);
    if (st != MOP_OK)
        return st;
    st = put_devices(s, err);
    if (st == MOP_OK)
        st = put_rows(s, err);
    if (st == MOP_OK)
        st = s->sink->commit_plan(s->sink->ctx, err);
    if (st != MOP_OK)
        s->sink->abort_plan(s->sink->ctx);
    return st;
}

mop_status mop_sweep_load_plan(sweep *s, mop_err *err)
{
    mop_sweep_history *h = &s->history;
    mop_status st = s->sink->resume(s->sink->ctx, s->plan_hash, h, err);
    if (st != MOP_OK)
        return st;
    if (h->sweep_id == 0) {
        mop_sweep_note(s, "nothing of this plan is unfinished: a new sweep begins");
        return MOP_OK;
    }
    if (h->n_measurements != s->n_rows)
        return mop_fail(err, MOP_EFAIL,
                        "the unfinished sweep %" PRId64 " has %zu rows, its plan %zu: start anew",
                        h->sweep_id, h->n_measurements, s->n_rows);
    for (size_t i = 0; i < s->n_rows; i++)
        s->rows[i].record = h->measurements[i];
    s->sweep_id = h->sweep_id;
    s->first_pass = h->next_pass;
    s->outcome->is_resumed = true;
    return MOP_OK;
}

mop_status mop_sweep_complete_models(sweep *s, mop_err *err)
{
    mop_status st = MOP_OK;
    for (size_t i = 0; i < s->n_rows && st == MOP_OK; i++) {
        mop_model_record r;
        mop_layer_record *layers;
        size_t n;
        if (s->cells[i].plan == NULL)
            continue;
        st = describe_model(&s->cells[i], &r, &layers, &n, err);
        if (st != MOP_OK)
            return st;
        st = s->sink->complete_model(s->sink->ctx, s->rows[i].record.id, &r, layers, n, err);
        free(layers);
    }
    return st;
}

mop_status mop_sweep_update_rows(sweep *s, mop_err *err)
{
    mop_status st = MOP_OK;
    for (size_t i = 0; i < s->n_rows && st == MOP_OK; i++)
        st = s->sink->update_measurement(s->sink->ctx, &s->rows[i].record, err);
    return st;
}
