/* A pass: marks (machine and canaries) with a visit behind each, one closing mark, and then, with
 * the pass over, the flags that a visit can only get from the mark after it. Nothing is allocated
 * after mop_visits_init. */
#include "profiler/measure/visits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/stats.h"

enum {
    STEPS_PER_SAMPLE = 1000,
    STEAL_FRACTION = 200 /* 1/200 = 0.5 % of a visit */
};

static const mop_canary_times no_canary = {MOP_ABSENT, MOP_ABSENT};
static const mop_machine_state no_machine = {MOP_ABSENT, MOP_ABSENT, MOP_ABSENT, MOP_ABSENT,
                                             MOP_ABSENT, MOP_ABSENT, MOP_ABSENT};

static uint64_t now(const mop_visits *v)
{
    return mop_now_ns(v->in->clock);
}

static void lower(int64_t *floor, int64_t x)
{
    if (x != MOP_ABSENT && x < *floor)
        *floor = x;
}

static mop_canary_times run_canary(mop_visits *v)
{
    mop_canary_times t = no_canary;
    const mop_canary *c = v->in->canary;
    if (c != NULL && c->run != NULL) {
        c->run(c->ctx, &t);
        lower(&v->floor.cpu_ns, t.cpu_ns);
        lower(&v->floor.memory_ns, t.memory_ns);
    }
    return t;
}

/* The chain beside a sample. */
static int64_t run_chain(mop_visits *v)
{
    const mop_canary *c = v->in->canary;
    int64_t t = c != NULL && c->chain != NULL ? c->chain(c->ctx) : MOP_ABSENT;
    lower(&v->floor.cpu_ns, t);
    return t;
}

static mop_machine_state read_machine(const mop_visits *v, bool is_glance)
{
    mop_machine_state s = no_machine;
    const mop_machine *m = v->in->machine;
    if (m == NULL || m->read == NULL)
        return s;
    if (is_glance && m->glance != NULL)
        m->glance(m->ctx, &s);
    else
        m->read(m->ctx, &s);
    return s;
}

static void set_mark(mop_visits *v)
{
    mop_visit_mark *m = &v->marks[v->n_marks++];
    m->at_ns = now(v);
    m->machine = read_machine(v, true);
    m->canary = run_canary(v);
}

static mop_status run_once(mop_visits *v, uint32_t i)
{
    const mop_subject *subject = &v->in->subjects[i];
    mop_err *failure = &v->results[i].failure;
    mop_status st = subject->run(subject->ctx, failure);
    if (st != MOP_OK) /* a run that failed without a word still names its status */
        (void)mop_fail(failure, st, "the run failed: %s", mop_status_name(st));
    return st;
}

/* Time of one run; over everything if the clock went back. */
static mop_status time_run(mop_visits *v, uint32_t i, uint64_t *took)
{
    uint64_t began = now(v);
    mop_status st = run_once(v, i);
    uint64_t ended = now(v);
    *took = ended >= began ? ended - began : UINT64_MAX;
    return st;
}

/* Fixes k and the samples a visit from the shorter of the warm run and one more. A run far over
 * long_run_ns is judged by itself, because a second one could only cost time. */
static mop_status size_up(mop_visits *v, uint32_t i, uint64_t warm_ns)
{
    const mop_protocol *p = v->in->protocol;
    uint64_t shortest = warm_ns;
    if (warm_ns <= 2 * p->long_run_ns || warm_ns == UINT64_MAX) {
        uint64_t again;
        mop_status st = time_run(v, i, &again);
        if (st != MOP_OK)
            return st;
        if (again < shortest)
            shortest = again;
    }
    bool is_known = shortest != UINT64_MAX;
    if (shortest == 0)
        shortest = 1;
    uint64_t k = (v->min_sample_ns - 1) / shortest + 1; /* 1 if nothing is known */
    if (v->in->subjects[i].evict != NULL)
        k = 1;
    v->results[i].batched = k > UINT32_MAX ? UINT32_MAX : (uint32_t)k;
    v->results[i].runs =
        is_known && shortest > p->long_run_ns ? 1 : mop_subject_runs(p, &v->in->subjects[i]);
    return MOP_OK;
}

/* The runs between two stamps. */
static mop_status timed_runs(mop_visits *v, uint32_t i, int64_t *device_ns)
{
    const mop_subject *subject = &v->in->subjects[i];
    int64_t sum = 0;
    mop_status st = MOP_OK;
    for (uint32_t j = 0; j < v->results[i].batched && st == MOP_OK; j++) {
        st = run_once(v, i);
        int64_t t = subject->device_ns != NULL ? subject->device_ns(subject->ctx) : MOP_ABSENT;
        sum = t != MOP_ABSENT && sum != MOP_ABSENT ? sum + t : MOP_ABSENT;
    }
    *device_ns = sum;
    return st;
}

/* One sample: counters, stamp, k runs, stamp, counters. */
static mop_status take_sample(mop_visits *v, uint32_t i, uint32_t pass, uint32_t run,
                              mop_sample_record *out)
{
    const mop_subject *subject = &v->in->subjects[i];
    const mop_counters *c = v->in->counters;
    void (*read)(void *, mop_counts *) =
        subject->is_host_single || c->read_all == NULL ? c->read : c->read_all;
    mop_counts before, after;
    int64_t device_ns;

    if (subject->evict != NULL)
        subject->evict(subject->ctx);
    read(c->ctx, &before);
    uint64_t began = now(v);
    mop_status st = timed_runs(v, i, &device_ns);
    uint64_t ended = now(v);
    read(c->ctx, &after);

    int64_t wall = ended > began ? (int64_t)(ended - began) : 0;
    *out = (mop_sample_record){
        .measurement_id = subject->measurement_id,
        .pass = pass,
        .run = run,
        .batched = v->results[i].batched,
        .wall_ns = wall,
        .device_ns = device_ns,
        .cpu_ns = mop_count_delta(before.cpu_ns, after.cpu_ns),
        .vol_switches = mop_count_delta(before.vol_switches, after.vol_switches),
        .invol_switches = mop_count_delta(before.invol_switches, after.invol_switches),
        .minor_faults = mop_count_delta(before.minor_faults, after.minor_faults),
        .major_faults = mop_count_delta(before.major_faults, after.major_faults),
        .flags = mop_counts_flags(&before, &after, wall, subject->is_host_single) |
                 (wall > 0 ? 0 : MOP_FLAG_CLOCK),
        .run_delay_ns = mop_count_delta(before.run_delay_ns, after.run_delay_ns),
        .cpu_before = before.cpu,
        .cpu_after = after.cpu};
    return st;
}

/* A visit is whole or absent: the samples of one that fails are not kept. */
static void visit(mop_visits *v, uint32_t i, uint32_t pass, uint32_t position)
{
    uint64_t warm_ns;
    size_t kept = v->n_samples;
    if (v->in->visiting != NULL)
        v->in->visiting(v->in->visiting_ctx, i);
    set_mark(v);
    mop_status st = time_run(v, i, &warm_ns);
    if (st == MOP_OK && v->results[i].runs == 0)
        st = size_up(v, i, warm_ns);
    int64_t chain = run_chain(v);
    for (uint32_t run = 0; st == MOP_OK && run < v->results[i].runs; run++) {
        int64_t *beside = &v->chains[2 * v->n_samples];
        beside[0] = chain;
        st = take_sample(v, i, pass, run, &v->samples[v->n_samples++]);
        beside[1] = chain = run_chain(v);
    }
    if (v->in->subjects[i].rest != NULL)
        v->in->subjects[i].rest(v->in->subjects[i].ctx);
    if (st != MOP_OK) {
        v->n_samples = kept;
        return;
    }
    const mop_canary_times *canary = &v->marks[v->n_marks - 1].canary;
    v->mark_of[v->n_visits] = (uint32_t)(v->n_marks - 1);
    v->visits[v->n_visits++] =
        (mop_visit_record){.measurement_id = v->in->subjects[i].measurement_id,
                           .pass = pass,
                           .position = position,
                           .canary_cpu_ns = canary->cpu_ns,
                           .canary_memory_ns = canary->memory_ns};
}

bool mop_visits_do_pass(mop_visits *v, uint32_t pass, bool (*interrupted)(void *ctx), void *ctx)
{
    uint32_t n = v->in->n_subjects;
    const mop_counters *c = v->in->counters;
    mop_protocol_order(v->in->protocol->seed, pass, v->order, n);
    v->n_samples = v->n_visits = v->n_marks = 0;
    if (c->refresh != NULL)
        c->refresh(c->ctx);
    v->before = read_machine(v, false);
    for (uint32_t j = 0; j < n; j++) {
        if (interrupted != NULL && interrupted(ctx))
            return false;
        if (v->results[v->order[j]].failure.code == MOP_OK)
            visit(v, v->order[j], pass, j);
    }
    set_mark(v);
    return true;
}

static bool is_over(int64_t x, int64_t floor, double tolerance)
{
    return x != MOP_ABSENT && (double)x > (1 + tolerance) * (double)floor;
}

static bool is_slow_chain(const mop_visits *v, int64_t t)
{
    return is_over(t, v->floor.cpu_ns, MOP_CANARY_CPU_TOLERANCE);
}

/* Where each sample has chains of its own, those of the visit have nothing to add. */
static bool has_neighbour(const mop_visits *v, const mop_visit_mark *m)
{
    return (v->in->canary != NULL && v->in->canary->chain == NULL &&
            is_slow_chain(v, m->canary.cpu_ns)) ||
           is_over(m->canary.memory_ns, v->floor.memory_ns, MOP_CANARY_MEMORY_TOLERANCE);
}

/* What the marks around a visit say of all its samples. */
static uint32_t flags_between(const mop_visits *v, const mop_visit_mark *m)
{
    uint32_t flags = 0;
    int64_t wall = m[1].at_ns > m[0].at_ns ? (int64_t)(m[1].at_ns - m[0].at_ns) : 0;
    int64_t ticks = mop_count_delta(m[0].machine.steal_ticks, m[1].machine.steal_ticks);
    if (has_neighbour(v, &m[0]) || has_neighbour(v, &m[1]))
        flags |= MOP_FLAG_CANARY;
    if (ticks > 0 && ticks > wall / STEAL_FRACTION / MOP_TICK_NS)
        flags |= MOP_FLAG_STEAL;
    if (mop_count_delta(m[0].machine.throttled, m[1].machine.throttled) > 0)
        flags |= MOP_FLAG_THROTTLED;
    return flags;
}

static void settle_flags(mop_visits *v)
{
    size_t at = 0;
    for (size_t k = 0; k < v->n_visits; k++) {
        uint32_t flags = flags_between(v, &v->marks[v->mark_of[k]]);
        while (at < v->n_samples && v->samples[at].measurement_id == v->visits[k].measurement_id)
            v->samples[at++].flags |= flags;
    }
    for (size_t k = 0; k < v->n_samples; k++)
        if (is_slow_chain(v, v->chains[2 * k]) || is_slow_chain(v, v->chains[2 * k + 1]))
            v->samples[k].flags |= MOP_FLAG_CANARY;
}

/* The value of the middle, or of the lower of the two; absent if one is. */
static int64_t median_canary(mop_visits *v, bool is_cpu)
{
    for (size_t k = 0; k < v->n_visits; k++) {
        int64_t x = is_cpu ? v->visits[k].canary_cpu_ns : v->visits[k].canary_memory_ns;
        if (x == MOP_ABSENT)
            return MOP_ABSENT;
        v->work[k] = (double)x;
    }
    if (v->n_visits == 0)
        return MOP_ABSENT;
    mop_sort_f64(v->work, v->n_visits);
    return (int64_t)v->work[(v->n_visits - 1) / 2];
}

void mop_visits_finish(mop_visits *v, uint32_t pass, mop_pass_record *out)
{
    mop_machine_state after = read_machine(v, false);
    settle_flags(v);
    *out =
        (mop_pass_record){.pass = pass,
                          .worker = v->in->worker,
                          .canary_cpu_ns = median_canary(v, true),
                          .canary_memory_ns = median_canary(v, false),
                          .steal_ticks = mop_count_delta(v->before.steal_ticks, after.steal_ticks),
                          .irq_ticks = mop_count_delta(v->before.irq_ticks, after.irq_ticks),
                          .pressure_us = mop_count_delta(v->before.pressure_us, after.pressure_us),
                          .runnable = after.runnable,
                          .temperature_mc = after.temperature_mc,
                          .frequency_khz = after.frequency_khz,
                          .samples = v->samples,
                          .n_samples = v->n_samples,
                          .visits = v->visits,
                          .n_visits = v->n_visits};
}

mop_status mop_visits_init(mop_visits *v, const mop_protocol_input *input,
                           mop_subject_result *results, mop_err *err)
{
    const mop_protocol *p = input->protocol;
    size_t n = input->n_subjects;
    uint64_t cost, step;
    *v = (mop_visits){.in = input, .results = results, .floor = {INT64_MAX, INT64_MAX}};
    mop_clock_measure(input->clock, &cost, &step);
    v->min_sample_ns =
        p->min_sample_ns > STEPS_PER_SAMPLE * step ? p->min_sample_ns : STEPS_PER_SAMPLE * step;
    v->order = mop_calloc(n, sizeof *v->order, err);
    size_t runs = 0;
    for (size_t i = 0; i < n; i++)
        runs += mop_subject_runs(p, &input->subjects[i]);
    v->samples = mop_calloc(runs, sizeof *v->samples, err);
    v->chains = mop_calloc(runs, 2 * sizeof *v->chains, err);
    v->visits = mop_calloc(n, sizeof *v->visits, err);
    v->mark_of = mop_calloc(n, sizeof *v->mark_of, err);
    v->marks = mop_calloc(n + 1, sizeof *v->marks, err);
    v->work = mop_calloc(n + 1, sizeof *v->work, err);
    if (!v->order || !v->samples || !v->chains || !v->visits || !v->mark_of || !v->marks ||
        !v->work)
        return MOP_ENOMEM;
    for (uint32_t i = 0; i < MOP_CANARY_FIRST; i++)
        (void)run_canary(v); /* kept as the floor */
    return MOP_OK;
}

void mop_visits_release(mop_visits *v)
{
    free(v->order);
    free(v->samples);
    free(v->chains);
    free(v->visits);
    free(v->mark_of);
    free(v->marks);
    free(v->work);
}
