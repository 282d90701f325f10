/* mop_tune_measure(): what the networks need, and for each operator a contest that a back end's
 * tuner carries out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/stats.h"
#include "profiler/engine/tuner.h"
#include "variants/passes.h"
#include "variants/variant.h"

/* ROUNDS: of one operator; MIN_ROUNDS whatever the budget. PROBES: turns on entering. */
enum { ROUNDS = 101, MIN_ROUNDS = 5, PROBES = 3 };

/* Faster by less than this is the machine's noise. */
#define CLEARLY_FASTER 1.02

/* What is so much slower than the best in its few first turns is not raced. */
#define CLEARLY_SLOWER 1.5

/* The operators to time, each once, and how much work of all networks they are. */
typedef struct work {
    mop_op_inst inst;
    char shape[MOP_TUNE_SHAPE];
    double weight;
} work;

typedef struct worklist {
    work *items;
    size_t n, cap;
} worklist;

typedef struct entrant {
    bool is_in;
    size_t turns;
    double probe; /* ns, the best of the first turns */
    double ns[ROUNDS];
} entrant;

/* One operator's. */
typedef struct contest {
    const mop_tuner *tuner;
    const mop_tune_job *job;
    mop_tune_report *report;
    mop_tune_trial *trial;
    char names[MOP_TUNE_ENTRANTS][MOP_TUNE_KERNEL];
    size_t n;
    entrant list[MOP_TUNE_ENTRANTS];
} contest;

void mop_tune_report_release(mop_tune_report *r)
{
    mop_strlist_release(&r->notes);
    *r = (mop_tune_report){0};
}

static mop_status add_work(worklist *l, const mop_op_inst *inst, mop_err *err)
{
    mop_cost cost;
    work w = {.inst = *inst};
    mop_op_cost(inst, &cost);
    w.weight = (double)(cost.macs + cost.elementwise + cost.bytes_read + cost.bytes_written);
    mop_tune_shape(inst, w.shape);
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(w.shape, l->items[i].shape) == 0) {
            l->items[i].weight += w.weight;
            return MOP_OK;
        }
    }
    if (l->n == l->cap) {
        const size_t cap = l->cap > 0 ? 2 * l->cap : 64;
        void *grown = mop_realloc(l->items, cap, sizeof *l->items, err);
        if (grown == NULL)
            return MOP_ENOMEM;
        l->items = grown;
        l->cap = cap;
    }
    l->items[l->n++] = w;
    return MOP_OK;
}

static mop_status collect(contest *c, const mop_device *device, worklist *l, mop_err *err)
{
    const mop_strlist *specs = c->job->specs;
    mop_status status = MOP_OK;
    for (size_t i = 0; i < specs->n && status == MOP_OK; i++) {
        mop_model *model = NULL, *fused = NULL;
        mop_spec spec;
        status = mop_spec_parse(specs->items[i], &spec, err);
        if (status == MOP_OK)
            status = mop_variant_model(&spec, 1, 1, &model, err);
        if (status == MOP_OK)
            status = mop_pass_fuse(model, MOP_FUSE_ALL, &fused, err);
        for (uint32_t k = 1; status == MOP_OK && k < fused->graph->n_nodes; k++) {
            const mop_op_inst *inst = &fused->graph->nodes[k].inst;
            if (c->tuner->entrants(device, inst, c->job->dtype, c->names) > 1)
                status = add_work(l, inst, err);
        }
        mop_model_free(fused);
        mop_model_free(model);
    }
    return status;
}

static int most_work_first(const void *a, const void *b)
{
    const work *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    return strcmp(x->shape, y->shape);
}

/* Out of the contest, with what it holds. */
static void drop(contest *c, size_t i)
{
    if (c->list[i].is_in)
        c->tuner->leave(c->trial, i);
    c->list[i].is_in = false;
}

/* All but the shipped one, entrant 0, whose time is needed whatever it is. */
static void drop_slow(contest *c)
{
    double best = c->list[0].probe;
    for (size_t i = 1; i < c->n; i++)
        if (c->list[i].is_in && c->list[i].probe < best)
            best = c->list[i].probe;
    for (size_t i = 1; i < c->n; i++)
        if (c->list[i].is_in && c->list[i].probe > CLEARLY_SLOWER * best)
            drop(c, i);
}

/* Entrant i into the contest, unless its result is wrong or the driver refuses it: noted. */
static mop_status enter(contest *c, size_t i, mop_err *err)
{
    entrant *e = &c->list[i];
    mop_err wrong = {0};
    mop_status status = c->tuner->enter(c->trial, i, c->names[i], &wrong);
    if (status == MOP_ECHECK || status == MOP_EFAIL || status == MOP_EUNSUPPORTED)
        return mop_strlist_add(&c->report->notes, wrong.msg, err);
    if (status != MOP_OK)
        return mop_fail(err, status, "%s", wrong.msg);
    e->is_in = true;
    for (int k = 0; k < PROBES && status == MOP_OK; k++) {
        double ns = 0;
        status = c->tuner->time(c->trial, i, e->turns++, &ns, err);
        e->probe = k == 0 || ns < e->probe ? ns : e->probe;
    }
    return status;
}

/* Rounds until `until`. The turns on entering have warmed all of them up. */
static mop_status race(contest *c, uint64_t until, size_t *rounds, mop_err *err)
{
    mop_status status = MOP_OK;
    for (*rounds = 0; *rounds < ROUNDS && status == MOP_OK; ++*rounds) {
        if (*rounds >= MIN_ROUNDS && mop_now_ns(&c->job->clock) >= until)
            break;
        for (size_t i = 0; i < c->n && status == MOP_OK; i++)
            if (c->list[i].is_in)
                status =
                    c->tuner->time(c->trial, i, c->list[i].turns++, &c->list[i].ns[*rounds], err);
    }
    return status;
}

/* By medians. */
static void judge(contest *c, size_t rounds, mop_tune_entry *e)
{
    size_t best = 0;
    double least = 0, of_shipped = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (!c->list[i].is_in)
            continue;
        mop_sort_f64(c->list[i].ns, rounds);
        const double ns = mop_quantile(c->list[i].ns, rounds, 0.5);
        if (i == 0)
            of_shipped = ns;
        if (least == 0 || ns < least) {
            least = ns;
            best = i;
        }
    }
    e->ratio = of_shipped / least;
    if (e->ratio < CLEARLY_FASTER) {
        best = 0;
        e->ratio = 1;
    }
    (void)snprintf(e->shipped, sizeof e->shipped, "%s", c->names[0]);
    (void)snprintf(e->kernel, sizeof e->kernel, "%s", c->names[best]);
}

/* Half of the time is for entering, which compiles and checks. *has_won: e is filled; it is not for
 * an operator whose shipped choice is wrong or that cannot be run on its own. */
static mop_status tune_one(contest *c, mop_device *device, const work *w, uint64_t slice_ns,
                           mop_tune_entry *e, bool *has_won, mop_err *err)
{
    const uint64_t start = mop_now_ns(&c->job->clock);
    mop_err alone = {0};
    size_t rounds = 0;
    memset(c->list, 0, sizeof c->list);
    *has_won = false;
    c->trial = NULL;
    c->n = c->tuner->entrants(device, &w->inst, c->job->dtype, c->names);
    mop_status status = c->tuner->begin(device, &w->inst, c->job->dtype, &c->trial, &alone);
    if (status == MOP_EUNSUPPORTED)
        return MOP_OK;
    if (status != MOP_OK)
        return mop_fail(err, status, "%s", alone.msg);
    for (size_t i = 0; i < c->n && status == MOP_OK; i++) {
        if (i > 1 && mop_now_ns(&c->job->clock) - start >= slice_ns / 2)
            break;
        status = enter(c, i, err);
        if (!c->list[0].is_in)
            break;
        drop_slow(c);
    }
    *has_won = status == MOP_OK && c->list[0].is_in;
    if (*has_won)
        status = race(c, start + slice_ns, &rounds, err);
    if (*has_won && status == MOP_OK)
        judge(c, rounds, e);
    for (size_t i = 0; i < c->n; i++)
        drop(c, i);
    c->tuner->end(c->trial);
    return status;
}

static mop_status tune_all(contest *c, mop_device *device, const worklist *l, uint64_t start,
                           mop_tune *t, mop_err *err)
{
    const mop_clock *clock = &c->job->clock;
    const uint64_t budget = c->job->budget_ns > 0 ? c->job->budget_ns : c->tuner->usual_budget_ns;
    mop_status status = MOP_OK;
    for (size_t i = 0; i < l->n && status == MOP_OK; i++) {
        const uint64_t spent = mop_now_ns(clock) - start;
        mop_tune_entry e = {.ratio = 1};
        bool has_won;
        if (spent >= budget)
            break;
        uint64_t slice = (budget - spent) / (l->n - i);
        slice = slice > c->tuner->least_ns ? slice : c->tuner->least_ns;
        c->tuner->key(device, c->job->dtype, e.key);
        memcpy(e.shape, l->items[i].shape, sizeof e.shape);
        status = tune_one(c, device, &l->items[i], slice, &e, &has_won, err);
        if (status == MOP_OK && has_won) {
            status = mop_tune_put(t, &e, err);
            c->report->n_tuned++;
        }
    }
    return status;
}

mop_status mop_tune_measure(const mop_backend *backend, mop_device *device, const mop_tune_job *job,
                            mop_tune *t, mop_tune_report *report, mop_err *err)
{
    const uint64_t start = mop_now_ns(&job->clock);
    worklist l = {0};
    *report = (mop_tune_report){0};
    if (backend->tuner == NULL)
        return mop_fail(err, MOP_EUNSUPPORTED, "back end %s has no kernels to choose between",
                        backend->id);
    contest *c = mop_calloc(1, sizeof *c, err);
    if (c == NULL)
        return MOP_ENOMEM;
    *c = (contest){.tuner = backend->tuner, .job = job, .report = report};
    mop_status status = mop_backend_runs(backend, device, job->dtype, err);
    if (status == MOP_OK)
        status = collect(c, device, &l, err);
    if (status == MOP_OK && l.n > 0) {
        report->n_operators = l.n;
        qsort(l.items, l.n, sizeof *l.items, most_work_first);
        status = tune_all(c, device, &l, start, t, err);
    }
    free(l.items);
    free(c);
    return status;
}
