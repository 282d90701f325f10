/* Profiled runs over the rows that were measured, and how far their layer times can be trusted. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/measure/layers.h"
#include "profiler/measure/sweep_internal.h"

enum { PROFILE_ROUNDS = 5 };

/* Room for one run, and what all runs of each row of the plan said. */
typedef struct profiling {
    sweep *s;
    uint64_t *ns;
    int64_t *stored;
    mop_layer_series *series; /* [n_plain] */
} profiling;

/* What one round adds to the series of row i. */
static void keep(const profiling *p, size_t i, const mop_profile *profile, double plain,
                 double profiled)
{
    mop_layer_series *t = &p->series[i];
    t->plain[t->runs] = plain;
    t->profiled[t->runs] = profiled;
    t->total[t->runs] = (double)profile->total_ns;
    t->is_host_clock = strcmp(profile->clock_name, "host") == 0;
    for (uint32_t k = 0; k < profile->n_layers; k++) {
        t->layer[k * t->cap + t->runs] = (double)p->ns[k];
        p->stored[k] = (int64_t)p->ns[k];
    }
    t->runs++;
}

/* One plain run, then one profiled run, stored. A back end that cannot profile is left in peace. */
static mop_status profile_row(const profiling *p, size_t i, uint32_t round, mop_err *err)
{
    sweep *s = p->s;
    sweep_cell *c = &s->cells[i];
    const mop_backend *b = c->device->backend;
    uint32_t n = mop_sweep_model(c)->graph->n_nodes;
    mop_profile profile = {.layer_ns = p->ns, .n_layers = n};
    mop_err why = {0};
    mop_sweep_mark(s->part->page, MOP_WORK_PROFILE, (uint32_t)i);
    if (round == 0 && mop_layer_series_init(&p->series[i], PROFILE_ROUNDS, n, err) != MOP_OK)
        return MOP_ENOMEM;
    uint64_t began = mop_now_ns(&s->world->clock);
    mop_status st = b->run(c->plan, c->network->input, c->out, NULL, &why);
    uint64_t between = mop_now_ns(&s->world->clock);
    if (st == MOP_OK)
        st = b->run(c->plan, c->network->input, c->out, &profile, &why);
    uint64_t ended = mop_now_ns(&s->world->clock);
    if (st == MOP_OK) {
        keep(p, i, &profile, (double)(between - began), (double)(ended - between));
        return s->sink->put_layer_times(s->sink->ctx, s->rows[i].record.id, round,
                                        &(mop_layer_times){.layer_ns = p->stored,
                                                           .n = profile.n_layers,
                                                           .total_ns = (int64_t)profile.total_ns,
                                                           .plain_ns = (int64_t)(between - began)},
                                        err);
    }
    if (round == 0) /* a device lost so late costs layer times only */
        mop_sweep_note(s, "%s on %s has no layer times: %s", s->rows[i].variant, s->rows[i].backend,
                       why.msg);
    b->plan_free(c->plan);
    c->plan = NULL;
    return MOP_OK;
}

static size_t most_nodes(const sweep *s)
{
    size_t most = 1;
    for (size_t i = 0; i < s->n_plain; i++) {
        const mop_model *m = mop_sweep_model(&s->cells[i]);
        if (m != NULL && m->graph->n_nodes > most)
            most = m->graph->n_nodes;
    }
    return most;
}

/* Plain and profiled runs alternate; the first round always, further ones while the budget lasts.
 */
static mop_status all_rounds(const profiling *p, mop_err *err)
{
    sweep *s = p->s;
    mop_status st = MOP_OK;
    uint64_t began = mop_sweep_elapsed(s);
    for (uint32_t round = 0; round < PROFILE_ROUNDS && st == MOP_OK; round++) {
        uint64_t now = mop_sweep_elapsed(s);
        if (round > 0 && now + (now - began) / round > s->budget_ns)
            break;
        for (size_t i = 0; i < s->n_plain && st == MOP_OK && !mop_sweep_interrupted(s); i++) {
            bool is_in = round == 0 || p->series[i].runs > 0;
            if (is_in && s->cells[i].plan != NULL && s->rows[i].record.state == MOP_DONE)
                st = profile_row(p, i, round, err);
        }
    }
    return st;
}

static void set_bounds(const profiling *p)
{
    uint64_t cost, step;
    mop_clock_measure(&p->s->world->clock, &cost, &step);
    for (size_t i = 0; i < p->s->n_plain; i++) {
        if (p->series[i].runs == 0)
            continue;
        mop_layer_bounds b = mop_layer_series_bounds(&p->series[i], (double)cost);
        p->s->rows[i].record.layer_overhead = b.overhead;
        p->s->rows[i].record.layer_residual = b.residual;
    }
}

/* A profiled run after all passes cannot disturb a plain sample. */
mop_status mop_sweep_profile(sweep *s, mop_err *err)
{
    size_t cap = most_nodes(s);
    profiling p = {.s = s,
                   .ns = mop_calloc(cap, sizeof *p.ns, err),
                   .stored = mop_calloc(cap, sizeof *p.stored, err),
                   .series = mop_calloc(s->n_plain, sizeof *p.series, err)};
    mop_status st = p.ns != NULL && p.stored != NULL && p.series != NULL ? MOP_OK : MOP_ENOMEM;
    if (st == MOP_OK)
        st = all_rounds(&p, err);
    if (st == MOP_OK)
        set_bounds(&p);
    for (size_t i = 0; p.series != NULL && i < s->n_plain; i++)
        mop_layer_series_release(&p.series[i]);
    free(p.ns);
    free(p.stored);
    free(p.series);
    return st;
}
