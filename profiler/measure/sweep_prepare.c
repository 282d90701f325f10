/* From rows to checked plans: network by network, one reference for all its rows.
 *
 * The first process of a sweep checks each row against the float64 reference. A later one builds
 * the same plans again and holds their outputs to the checksums that the first one stored, which
 * costs one run instead of a reference. Where the plans do not all fit, a process takes the
 * networks that do, the baseline among them, and leaves the others to another block. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/hash.h"
#include "profiler/engine/job.h"
#include "profiler/measure/sweep_internal.h"

/* Preparation may take this share of the budget; rows that it does not reach stay pending. */
#define PREPARE_SHARE 0.6

/* What one network's rows are prepared with. */
typedef struct preparing {
    sweep *s;
    size_t k;            /* network */
    mop_subject_model m; /* what is only needed until its rows are checked */
    bool is_full;        /* out: its plans do not fit beside those of the others */
} preparing;

static void fail_row(mop_sweep_row *r, const char *why)
{
    r->record.state = MOP_FAILED;
    r->record.stop = MOP_STOP_FAILED;
    (void)snprintf(r->record.reason, sizeof r->record.reason, "%s", why); /* same size as msg */
}

/* An earlier process of this sweep held the row to the reference. */
static bool is_trusted(const sweep *s, size_t i)
{
    const mop_measurement_record *r = &s->rows[i].record;
    return s->part->goes_on && r->checksum != 0 && r->error <= r->error_bound;
}

/* Once a block is settled, later processes take the rows that the first one checked, no others. */
static bool is_wanted_row(const sweep *s, size_t i)
{
    bool is_settled = s->part->goes_on && s->part->to > 0;
    return s->rows[i].record.state == MOP_PENDING && (!is_settled || is_trusted(s, i));
}

static bool is_wanted(const sweep *s, size_t k)
{
    for (size_t i = mop_sweep_row_of(s, k, 0); i < s->n_rows; i = mop_sweep_row_of(s, k, i + 1)) {
        if (is_wanted_row(s, i))
            return true;
    }
    return false;
}

static bool needs_reference(const sweep *s, size_t k)
{
    for (size_t i = mop_sweep_row_of(s, k, 0); i < s->n_rows; i = mop_sweep_row_of(s, k, i + 1)) {
        if (is_wanted_row(s, i) && !is_trusted(s, i))
            return true;
    }
    return false;
}

/* What came about before a failure belongs to the network and p all the same. */
static mop_status establish(preparing *p, unsigned fuse, mop_err *err)
{
    sweep *s = p->s;
    sweep_network *n = &s->networks[p->k];
    uint64_t began = mop_now_ns(&s->world->clock);
    mop_status st = mop_subject_model_build(&p->m, &n->spec, n->batch, s->options->seed, fuse, err);
    s->outcome->setup_ns += mop_now_ns(&s->world->clock) - began;
    if (st == MOP_OK && needs_reference(s, p->k))
        st = mop_subject_model_judge(&p->m, err);
    n->input = p->m.input;
    n->fused[fuse & MOP_FUSE_GRAPH] = p->m.fused;
    p->m.input = NULL;
    p->m.fused = NULL;
    return st;
}

static mop_plan_desc describe_plan(const sweep_cell *c, size_t offset)
{
    return (mop_plan_desc){.dtype = c->setting.dtype,
                           .fuse = c->setting.fuse,
                           .no_winograd = c->setting.no_winograd,
                           .offset = offset};
}

/* Links 1 to 3 of engine/check.h. */
static mop_status check_row(const sweep_cell *c, mop_sweep_row *r, const preparing *p, mop_err *err)
{
    const mop_plan_desc desc = describe_plan(c, 0);
    mop_check check = {.end_to_end = NAN, .end_bound = NAN, .worst_node = NAN};
    const sweep_network *n = c->network;
    mop_status st =
        mop_check_plan(c->device->backend, c->device->handle, c->plan, &desc, mop_sweep_model(c),
                       n->input, p->m.reference, n->n_out, &check, err);
    r->record.checksum = check.checksum;
    r->record.error = check.end_to_end;
    r->record.error_bound = check.end_bound;
    r->record.node_error = check.worst_node;
    return st;
}

/* The same bits as those that an earlier process checked. */
static mop_status repeat_row(const sweep_cell *c, const mop_sweep_row *r, mop_err *err)
{
    const sweep_network *n = c->network;
    mop_status st = c->device->backend->run(c->plan, n->input, c->out, NULL, err);
    if (st != MOP_OK)
        return st;
    uint64_t hash = mop_hash(MOP_HASH_INIT, c->out, n->n_out * sizeof *c->out);
    return hash == r->record.checksum
               ? MOP_OK
               : mop_fail(err, MOP_ECHECK,
                          "its output hashes to %016" PRIx64
                          " in a second process, and the checked one to %016" PRIx64,
                          hash, r->record.checksum);
}

static bool holds_others(const sweep *s, size_t k)
{
    for (size_t i = 0; i < s->n_rows; i++) {
        if (s->cells[i].plan == NULL)
            continue;
        size_t of = (size_t)(s->cells[i].network - s->networks);
        if (of != k && !mop_sweep_is_baseline(s, of))
            return true;
    }
    return false;
}

/* False where its plan would take more than all plans may: the row is skipped, or waits for a block
 * of its own. */
static bool fits_memory(preparing *p, mop_sweep_row *r, const mop_plan_info *info)
{
    sweep *s = p->s;
    uint64_t bytes = info->arena_bytes + info->weight_bytes;
    uint64_t limit = s->part->to > 0 ? 0 : s->world->memory_bytes / 2; /* settled: it did fit */
    if (limit == 0 || s->plan_bytes + bytes <= limit) {
        s->plan_bytes += bytes;
        return true;
    }
    p->is_full = s->part->page != NULL && holds_others(s, p->k);
    if (p->is_full)
        return false;
    r->record.state = MOP_SKIPPED;
    (void)snprintf(r->record.reason, sizeof r->record.reason,
                   "its plan needs %" PRIu64 " MiB beside the others' %" PRIu64
                   " MiB, and all together may take half of the %" PRIu64
                   " MiB that are free: sweep fewer variants at a time",
                   bytes >> 20, s->plan_bytes >> 20, s->world->memory_bytes >> 20); /* fits */
    return false;
}

/* A device tests its clock when it is first asked for its time, which must not be within a sample.
 */
static void ask_for_time(const sweep_cell *c)
{
    uint64_t ignored;
    if (c->device->backend->device_time != NULL)
        (void)c->device->backend->device_time(c->plan, &ignored);
}

static mop_status plan_row(preparing *p, size_t i, mop_err *err)
{
    sweep *s = p->s;
    sweep_cell *c = &s->cells[i];
    mop_sweep_row *r = &s->rows[i];
    const mop_plan_desc desc = describe_plan(c, mop_sweep_offset(s, s->part->worker, i));
    mop_model **fused = &c->network->fused[c->setting.fuse & MOP_FUSE_GRAPH];
    const mop_backend *b = c->device->backend;
    uint64_t began = mop_now_ns(&s->world->clock);
    mop_plan_info info;
    mop_status st = MOP_OK;
    if (*fused == NULL) /* the first row with these fusions */
        st = mop_pass_fuse(p->m.model, c->setting.fuse, fused, err);
    if (st == MOP_OK)
        st = b->plan(c->device->handle, *fused, &desc, &c->plan, err);
    if (st != MOP_OK)
        return st;
    b->plan_info(c->plan, &info);
    if (!fits_memory(p, r, &info))
        return MOP_OK;
    mop_sweep_tell_memory(s, &info);
    c->out = mop_calloc(c->network->n_out, sizeof *c->out, err);
    if (c->out == NULL)
        return MOP_ENOMEM;
    s->outcome->setup_ns += mop_now_ns(&s->world->clock) - began;
    if (is_trusted(s, i)) {
        st = repeat_row(c, r, err);
        ask_for_time(c);
        return st;
    }
    st = check_row(c, r, p, err);
    ask_for_time(c);
    b->plan_info(c->plan, &info); /* the first run is over now */
    s->outcome->setup_ns += info.first_run_ns;
    r->record.setup_ns = (int64_t)info.setup_ns;
    r->record.first_run_ns = (int64_t)info.first_run_ns;
    r->record.arena_bytes = (int64_t)info.arena_bytes;
    r->record.weight_bytes = (int64_t)info.weight_bytes;
    return st;
}

static void free_plan(sweep_cell *c)
{
    c->device->backend->plan_free(c->plan);
    free(c->out);
    c->plan = NULL;
    c->out = NULL;
}

/* Afterwards the row has a plan exactly if it is to be measured. */
static void prepare_row(preparing *p, size_t i)
{
    sweep *s = p->s;
    mop_err err = {0};
    mop_status st = plan_row(p, i, &err);
    if (st != MOP_OK) {
        /* a back end that fails without a word still names its status */
        (void)mop_fail(&err, st, "planning or checking failed: %s", mop_status_name(st));
        fail_row(&s->rows[i], err.msg);
    }
    if (st == MOP_ELOST)
        mop_sweep_lose(s, &err);
    if (s->rows[i].record.state != MOP_PENDING || p->is_full)
        free_plan(&s->cells[i]);
}

/* A network that does not fit goes as if it had never come. */
static void take_back(preparing *p)
{
    sweep *s = p->s;
    sweep_network *n = &s->networks[p->k];
    for (size_t i = mop_sweep_row_of(s, p->k, 0); i < s->n_rows;
         i = mop_sweep_row_of(s, p->k, i + 1)) {
        sweep_cell *c = &s->cells[i];
        mop_plan_info info;
        if (c->plan == NULL)
            continue;
        c->device->backend->plan_info(c->plan, &info);
        s->plan_bytes -= info.arena_bytes + info.weight_bytes;
        free_plan(c);
    }
    for (size_t f = 0; f <= MOP_FUSE_GRAPH; f++) {
        mop_model_free(n->fused[f]);
        n->fused[f] = NULL;
    }
    free(n->input);
    n->input = NULL;
}

/* Its plans have packed constants of their own, and none is made of it again: of what was fused the
 * graphs are still read. */
static void drop_constants(const sweep_network *n)
{
    for (size_t f = 0; f <= MOP_FUSE_GRAPH; f++) {
        for (uint32_t i = 0; n->fused[f] != NULL && i < n->fused[f]->graph->n_nodes; i++)
            mop_model_drop(n->fused[f], i);
    }
}

/* False if the network must wait for another block. */
static bool prepare_network(sweep *s, size_t k)
{
    preparing p = {.s = s, .k = k};
    mop_err err = {0};
    mop_status st = MOP_OK;
    bool is_new = true;
    for (size_t i = mop_sweep_row_of(s, k, 0);
         i < s->n_rows && !p.is_full && s->lost.code == MOP_OK; i = mop_sweep_row_of(s, k, i + 1)) {
        if (!is_wanted_row(s, i))
            continue;
        mop_sweep_mark(s->part->page, MOP_WORK_PREPARE, (uint32_t)i);
        if (is_new)
            st = establish(&p, s->cells[i].setting.fuse, &err);
        is_new = false;
        mop_sweep_mark(s->part->page, MOP_WORK_PREPARE, (uint32_t)i); /* a sign of life */
        if (st == MOP_OK)
            prepare_row(&p, i);
        else
            fail_row(&s->rows[i], err.msg);
        if (s->events->prepared != NULL && !p.is_full && !s->rows[i].is_control)
            s->events->prepared(s->events->ctx, &s->rows[i], i, s->n_plain);
    }
    if (s->lost.code == MOP_OK) /* the row that lost its device stays named */
        mop_sweep_mark(s->part->page, MOP_WORK_OTHER, 0);
    if (p.is_full)
        take_back(&p);
    else
        drop_constants(&s->networks[k]);
    mop_subject_model_release(&p.m);
    return !p.is_full;
}

/* Whether there is time to prepare network k; says once how many are left if not. */
static bool is_in_time(sweep *s, size_t k, uint64_t began)
{
    double left = s->budget_ns > began ? (double)(s->budget_ns - began) : 0;
    uint64_t limit = began + (uint64_t)(left * PREPARE_SHARE);
    uint64_t now = mop_sweep_elapsed(s);
    if (k == s->part->from || now <= (needs_reference(s, k) ? limit : s->budget_ns))
        return true;
    mop_sweep_note(s,
                   "preparing took %.0f s of the %.0f s there are: %zu of %zu networks stay "
                   "pending; a larger --budget, or --resume afterwards, measures them",
                   (double)(now - began) / 1e9, (double)s->budget_ns / 1e9, s->n_networks - k,
                   s->n_networks);
    return false;
}

/* Networks from..to-1 of the block; *end is the first that was not reached. */
static mop_status prepare_block(sweep *s, uint32_t *end, mop_err *err)
{
    uint64_t began = mop_sweep_elapsed(s);
    size_t to = s->part->to > 0 ? s->part->to : s->n_networks;
    for (size_t k = s->part->from; k < to && s->lost.code == MOP_OK; k++) {
        if (mop_sweep_interrupted(s))
            return mop_fail(err, MOP_EINTR, "interrupted before the first pass");
        if (!is_wanted(s, k) || s->networks[k].input != NULL)
            continue;
        *end = (uint32_t)k;
        if (!is_in_time(s, k, began))
            return MOP_OK;
        if (!prepare_network(s, k)) {
            s->outcome->has_more = true;
            return MOP_OK;
        }
    }
    *end = (uint32_t)to;
    return MOP_OK;
}

mop_status mop_sweep_prepare(sweep *s, mop_err *err)
{
    uint32_t end = 0;
    mop_status st;
    for (size_t k = 0; k < s->n_networks && s->part->from > 0; k++) {
        if (mop_sweep_is_baseline(s, k) && is_wanted(s, k))
            (void)prepare_network(s, k); /* it fitted before, and is first now */
    }
    st = prepare_block(s, &end, err);
    s->outcome->block_end = end;
    if (s->part->page != NULL)
        atomic_store_explicit(&s->part->page->block, (uint64_t)s->outcome->has_more << 32 | end,
                              memory_order_relaxed);
    if (s->lost.code != MOP_OK)
        return mop_fail(err, s->lost.code, "%s", s->lost.msg);
    return st;
}
