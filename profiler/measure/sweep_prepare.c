/* From rows to checked plans: network by network, one reference for all its rows. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "profiler/base/alloc.h"
#include "profiler/engine/job.h"
#include "profiler/measure/sweep_internal.h"

/* Preparation may take this share of the budget; rows that it does not reach stay pending. */
#define PREPARE_SHARE 0.6

/* A network with all that its rows are checked against. */
typedef struct truth {
    mop_model *model; /* unfused */
    double *reference;
} truth;

static void fail_row(mop_sweep_row *r, const char *why)
{
    r->record.state = MOP_FAILED;
    r->record.stop = MOP_STOP_FAILED;
    (void)snprintf(r->record.reason, sizeof r->record.reason, "%s", why); /* same size as msg */
}

/* What came about before a failure belongs to n and t all the same. */
static mop_status establish(sweep *s, sweep_network *n, truth *t, mop_err *err)
{
    mop_subject_model m;
    mop_status st =
        mop_subject_model_init(&m, &n->spec, n->batch, s->options->seed, s->options->fuse, err);
    n->input = m.input;
    n->fused = m.fused;
    *t = (truth){.model = m.model, .reference = m.reference};
    return st;
}

static mop_status check_row(const sweep_cell *c, mop_sweep_row *r, const truth *t, mop_err *err)
{
    mop_check check = {.end_to_end = NAN, .end_bound = NAN, .worst_node = NAN};
    const sweep_network *n = c->network;
    mop_status st = mop_check_plan(c->device->backend, c->device->handle, c->plan, n->fused,
                                   n->input, t->reference, n->n_out, &check, err);
    r->record.checksum = check.checksum;
    r->record.error = check.end_to_end;
    r->record.error_bound = check.end_bound;
    r->record.node_error = check.worst_node;
    return st;
}

/* False, with the row skipped, where its plan would take more than all plans may. */
static bool fits_memory(sweep *s, mop_sweep_row *r, const mop_plan_info *info)
{
    uint64_t bytes = info->arena_bytes + info->weight_bytes;
    if (s->world->memory_bytes > 0 && s->plan_bytes + bytes > s->world->memory_bytes / 2) {
        r->record.state = MOP_SKIPPED;
        (void)snprintf(r->record.reason, sizeof r->record.reason,
                       "its plan needs %" PRIu64 " MiB beside the others' %" PRIu64
                       " MiB, and all together may take half of the %" PRIu64
                       " MiB that are free: sweep fewer variants at a time",
                       bytes >> 20, s->plan_bytes >> 20, s->world->memory_bytes >> 20); /* fits */
        return false;
    }
    s->plan_bytes += bytes;
    return true;
}

static mop_status plan_row(sweep *s, sweep_cell *c, mop_sweep_row *r, const truth *t, mop_err *err)
{
    const mop_plan_desc desc = {.keep_all = false};
    const mop_backend *b = c->device->backend;
    mop_plan_info info;
    mop_status st = b->plan(c->device->handle, c->network->fused, &desc, &c->plan, err);
    if (st != MOP_OK)
        return st;
    b->plan_info(c->plan, &info);
    if (!fits_memory(s, r, &info))
        return MOP_OK;
    c->out = mop_calloc(c->network->n_out, sizeof *c->out, err);
    st = c->out != NULL ? check_row(c, r, t, err) : MOP_ENOMEM;
    b->plan_info(c->plan, &info); /* the first run is over now */
    r->record.setup_ns = (int64_t)info.setup_ns;
    r->record.first_run_ns = (int64_t)info.first_run_ns;
    r->record.arena_bytes = (int64_t)info.arena_bytes;
    r->record.weight_bytes = (int64_t)info.weight_bytes;
    return st;
}

/* Afterwards the row has a plan exactly if it is to be measured. */
static void prepare_row(sweep *s, size_t i, const truth *t)
{
    sweep_cell *c = &s->cells[i];
    mop_err err = {0};
    mop_status st = plan_row(s, c, &s->rows[i], t, &err);
    if (st != MOP_OK) {
        /* a back end that fails without a word still names its status */
        (void)mop_fail(&err, st, "planning or checking failed: %s", mop_status_name(st));
        fail_row(&s->rows[i], err.msg);
    }
    if (s->rows[i].record.state != MOP_PENDING) {
        c->device->backend->plan_free(c->plan);
        c->plan = NULL;
    }
}

static void prepare_network(sweep *s, size_t k)
{
    sweep_network *n = &s->networks[k];
    truth t = {0};
    mop_err err = {0};
    mop_status st = establish(s, n, &t, &err);
    for (size_t d = 0; d < s->n_devices; d++) {
        size_t i = k * s->n_devices + d;
        if (s->rows[i].record.state != MOP_PENDING)
            continue;
        if (st == MOP_OK)
            prepare_row(s, i, &t);
        else
            fail_row(&s->rows[i], err.msg);
        if (s->events->prepared != NULL)
            s->events->prepared(s->events->ctx, &s->rows[i], i, s->n_rows);
    }
    mop_model_free(t.model);
    free(t.reference);
}

static bool is_wanted(const sweep *s, size_t k)
{
    for (size_t d = 0; d < s->n_devices; d++) {
        if (s->rows[k * s->n_devices + d].record.state == MOP_PENDING)
            return true;
    }
    return false;
}

mop_status mop_sweep_prepare(sweep *s, mop_err *err)
{
    uint64_t limit = (uint64_t)((double)s->budget_ns * PREPARE_SHARE);
    for (size_t k = 0; k < s->n_networks; k++) {
        if (mop_sweep_interrupted(s))
            return mop_fail(err, MOP_EINTR, "interrupted before the first pass");
        if (!is_wanted(s, k))
            continue;
        if (k > 0 && mop_sweep_elapsed(s) > limit) {
            mop_sweep_note(
                s,
                "preparing took %.0f s of the %.0f s there are: %zu of %zu networks stay "
                "pending; a larger --budget, or --resume afterwards, measures them",
                (double)mop_sweep_elapsed(s) / 1e9, (double)s->budget_ns / 1e9, s->n_networks - k,
                s->n_networks);
            break;
        }
        prepare_network(s, k);
    }
    return MOP_OK;
}
