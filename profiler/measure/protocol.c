/* The measuring protocol (see the header).
 *
 * Order of calls in one pass: shuffle the subjects (a function of seed and pass alone), visit each,
 * then, outside any timed region: append one value per visited subject (the median of its clean
 * samples per inference), refresh its interval, hand the pass to the sink, judge. Everything that a
 * pass needs is allocated before the first one.
 *
 * The interval is that of order statistics over pass medians (Conover 1999, sec. 3.2): samples of
 * one pass share its disturbances, passes do not, so the pass is the unit that repeats. */
#include "profiler/measure/protocol.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/stats.h"

enum { STEPS_PER_SAMPLE = 1000 };

/* Why the loop ended, or that it goes on. */
typedef enum verdict { GO_ON, ALL_SATISFIED, MAX_PASSES, BUDGET_SPENT, INTERRUPTED } verdict;

typedef struct run_state {
    const mop_protocol_input *in;
    const mop_protocol_sink *sink;
    mop_subject_result *results;
    uint64_t min_sample_ns; /* longer of the protocol's and 1000 clock steps */
    uint32_t *order;
    uint32_t *runs;     /* [n] samples a visit; 0 until the first visit */
    double *values;     /* [n * max_values] pass medians of each subject */
    uint32_t *n_values; /* [n] */
    uint32_t max_values;
    double *sorted;             /* [max(max_values, runs_per_visit)] */
    mop_sample_record *samples; /* [n * runs_per_visit] of the pass under way */
    size_t n_samples;
    uint64_t start_ns, longest_pass_ns, spent_in_passes_ns;
    uint32_t finished; /* passes finished by this call */
} run_state;

void mop_protocol_default(mop_protocol *p)
{
    *p = (mop_protocol){.min_passes = 12,
                        .max_passes = 60,
                        .min_clean = 30,
                        .runs_per_visit = 3,
                        .long_run_ns = 200000000,
                        .min_sample_ns = 1000000,
                        .precision = 0.01,
                        .level = 0.95};
}

void mop_protocol_text(const mop_protocol *p, char *text, size_t size)
{
    (void)snprintf(text, size,
                   "order=shuffled;warm=1;runs=%" PRIu32 ";long_ns=%" PRIu64
                   ";min_sample_ns=%" PRIu64 ";min_passes=%" PRIu32 ";max_passes=%" PRIu32
                   ";min_clean=%" PRIu32
                   ";precision=%g;level=%g;interval=pass-medians;budget_ns=%" PRIu64 ";",
                   p->runs_per_visit, p->long_run_ns, p->min_sample_ns, p->min_passes,
                   p->max_passes, p->min_clean, p->precision, p->level,
                   p->budget_ns); /* cut short only by a caller's smaller buffer */
}

void mop_protocol_order(uint64_t seed, uint32_t pass, uint32_t *order, uint32_t n)
{
    mop_rng rng;
    mop_rng_init(&rng, seed, pass);
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    mop_rng_shuffle(&rng, order, n);
}

static bool is_alive(const run_state *s, uint32_t i)
{
    return s->results[i].failure.code == MOP_OK;
}

static uint64_t now(const run_state *s)
{
    return mop_now_ns(s->in->clock);
}

static mop_status run_once(run_state *s, uint32_t i)
{
    const mop_subject *subject = &s->in->subjects[i];
    mop_err *failure = &s->results[i].failure;
    mop_status st = subject->run(subject->ctx, failure);
    if (st != MOP_OK) /* a run that failed without a word still names its status */
        (void)mop_fail(failure, st, "the run failed: %s", mop_status_name(st));
    return st;
}

/* Fixes k and the samples a visit from the shorter of the warm run and one more. A run far over
 * long_run_ns is judged by itself, because a second one could only cost time. */
static mop_status size_up(run_state *s, uint32_t i, uint64_t warm_ns)
{
    const mop_protocol *p = s->in->protocol;
    uint64_t shortest = warm_ns;
    if (warm_ns <= 2 * p->long_run_ns) {
        uint64_t t = now(s);
        mop_status st = run_once(s, i);
        if (st != MOP_OK)
            return st;
        t = now(s) - t;
        if (t < shortest)
            shortest = t;
    }
    if (shortest == 0)
        shortest = 1;
    uint64_t k = (s->min_sample_ns + shortest - 1) / shortest;
    s->results[i].batched = k < 1 ? 1 : k > UINT32_MAX ? UINT32_MAX : (uint32_t)k;
    s->runs[i] = shortest > p->long_run_ns ? 1 : p->runs_per_visit;
    return MOP_OK;
}

/* One sample: counters, stamp, k runs, stamp, counters. */
static mop_status take_sample(run_state *s, uint32_t i, uint32_t pass, uint32_t run,
                              mop_sample_record *out)
{
    const mop_subject *subject = &s->in->subjects[i];
    const mop_counters *counters = s->in->counters;
    uint32_t k = s->results[i].batched;
    mop_status st = MOP_OK;
    mop_counts before, after;

    counters->read(counters->ctx, &before);
    uint64_t began = now(s);
    for (uint32_t j = 0; j < k && st == MOP_OK; j++)
        st = run_once(s, i);
    uint64_t ended = now(s);
    counters->read(counters->ctx, &after);

    int64_t wall = ended > began ? (int64_t)(ended - began) : 0;
    *out = (mop_sample_record){
        .measurement_id = subject->measurement_id,
        .pass = pass,
        .run = run,
        .batched = k,
        .wall_ns = wall,
        .device_ns = MOP_ABSENT,
        .cpu_ns = mop_count_delta(before.cpu_ns, after.cpu_ns),
        .vol_switches = mop_count_delta(before.vol_switches, after.vol_switches),
        .invol_switches = mop_count_delta(before.invol_switches, after.invol_switches),
        .minor_faults = mop_count_delta(before.minor_faults, after.minor_faults),
        .major_faults = mop_count_delta(before.major_faults, after.major_faults),
        .flags = mop_counts_flags(&before, &after, wall, subject->is_host_single)};
    return st;
}

/* A visit is whole or absent: the samples of one that fails are not kept. */
static void visit(run_state *s, uint32_t i, uint32_t pass)
{
    uint64_t t = now(s);
    mop_status st = run_once(s, i);
    t = now(s) - t;
    if (st == MOP_OK && s->runs[i] == 0)
        st = size_up(s, i, t);
    size_t kept = s->n_samples;
    for (uint32_t run = 0; st == MOP_OK && run < s->runs[i]; run++)
        st = take_sample(s, i, pass, run, &s->samples[s->n_samples++]);
    if (st != MOP_OK)
        s->n_samples = kept;
}

/* Takes the samples of one visit (consecutive, same subject) into the subject's standing. */
static void count_visit(run_state *s, uint32_t i, const mop_sample_record *x, size_t n)
{
    mop_subject_result *r = &s->results[i];
    size_t clean = 0;
    for (size_t j = 0; j < n; j++) {
        if (x[j].flags == 0)
            s->sorted[clean++] = (double)x[j].wall_ns / x[j].batched;
    }
    r->passes++;
    r->n += (uint32_t)n;
    r->n_clean += (uint32_t)clean;
    if (clean > 0 && s->n_values[i] < s->max_values) {
        mop_sort_f64(s->sorted, clean);
        s->values[(size_t)i * s->max_values + s->n_values[i]++] =
            mop_quantile(s->sorted, clean, 0.5);
    }
}

/* A subject is satisfied by its own interval over passes. The rule of ratios to a baseline within
 * passes (design P8) replaces this one function once a sweep names a baseline. */
static bool judge_subject(const mop_protocol *p, const mop_subject_result *r)
{
    return r->passes >= p->min_passes && r->n_clean >= p->min_clean && r->half_width < p->precision;
}

static void refresh(run_state *s, uint32_t i)
{
    mop_subject_result *r = &s->results[i];
    uint32_t n = s->n_values[i];
    if (n > 0)
        memcpy(s->sorted, s->values + (size_t)i * s->max_values, n * sizeof *s->sorted);
    mop_sort_f64(s->sorted, n);
    mop_interval v = mop_median_interval(s->sorted, n, s->in->protocol->level);
    r->median_ns = n > 0 ? v.est : NAN;
    r->low_ns = n > 0 ? v.lo : NAN;
    r->high_ns = n > 0 ? v.hi : NAN;
    r->half_width = (r->high_ns - r->low_ns) / 2 / r->median_ns;
    r->is_satisfied = judge_subject(s->in->protocol, r);
}

/* Samples of a finished pass come visit by visit; so does the history, pass by pass. */
static void count_samples(run_state *s, const mop_sample_record *x, size_t n)
{
    for (size_t a = 0, b; a < n; a = b) {
        uint32_t i = 0;
        for (b = a + 1;
             b < n && x[b].measurement_id == x[a].measurement_id && x[b].pass == x[a].pass;)
            b++;
        while (i < s->in->n_subjects && s->in->subjects[i].measurement_id != x[a].measurement_id)
            i++;
        if (i == s->in->n_subjects)
            continue;
        count_visit(s, i, x + a, b - a);
        s->results[i].batched = x[a].batched;
        s->runs[i] = (uint32_t)(b - a);
    }
}

/* Passes that the least satisfied subject still needs if its interval narrows as 1 / sqrt(passes).
 */
static uint64_t estimate_left(const run_state *s)
{
    const mop_protocol *p = s->in->protocol;
    double most = 0;
    for (uint32_t i = 0; i < s->in->n_subjects; i++) {
        const mop_subject_result *r = &s->results[i];
        if (!is_alive(s, i) || r->is_satisfied || r->passes >= p->max_passes)
            continue;
        double ratio = r->half_width / p->precision;
        double need = r->passes * ratio * ratio;
        if (!(need >= p->min_passes)) /* too early to say, or NAN */
            need = p->min_passes;
        if (need > p->max_passes)
            need = p->max_passes;
        most = fmax(most, fmax(1, need - r->passes));
    }
    double left = most * (double)s->spent_in_passes_ns / s->finished;
    if (p->budget_ns > 0) {
        double spent = (double)(now(s) - s->start_ns);
        left = fmin(left, fmax(0, (double)p->budget_ns - spent));
    }
    return (uint64_t)left;
}

static uint32_t count_satisfied(const run_state *s, uint32_t *alive)
{
    uint32_t satisfied = 0;
    *alive = 0;
    for (uint32_t i = 0; i < s->in->n_subjects; i++) {
        *alive += is_alive(s, i);
        satisfied += is_alive(s, i) && s->results[i].is_satisfied;
    }
    return satisfied;
}

/* A row that a resumed sweep measures for the first time has all its passes before it. */
static bool has_passes_left(const run_state *s)
{
    for (uint32_t i = 0; i < s->in->n_subjects; i++) {
        const mop_subject_result *r = &s->results[i];
        if (is_alive(s, i) && !r->is_satisfied && r->passes < s->in->protocol->max_passes)
            return true;
    }
    return false;
}

static bool is_interrupted(const run_state *s)
{
    return s->sink->interrupted != NULL && s->sink->interrupted(s->sink->ctx);
}

/* What to do before the next pass; the stop rule lives here alone. */
static verdict judge(const run_state *s)
{
    const mop_protocol *p = s->in->protocol;
    uint32_t alive;
    uint32_t satisfied = count_satisfied(s, &alive);
    if (is_interrupted(s))
        return INTERRUPTED;
    if (satisfied == alive)
        return ALL_SATISFIED;
    if (!has_passes_left(s))
        return MAX_PASSES;
    if (p->budget_ns > 0 && s->finished > 0 &&
        now(s) - s->start_ns + s->longest_pass_ns > p->budget_ns)
        return BUDGET_SPENT;
    return GO_ON;
}

/* One pass into s->samples; false if the user stopped it. */
static bool do_pass(run_state *s, uint32_t pass)
{
    uint32_t n = s->in->n_subjects;
    mop_protocol_order(s->in->protocol->seed, pass, s->order, n);
    s->n_samples = 0;
    for (uint32_t j = 0; j < n; j++) {
        if (is_interrupted(s))
            return false;
        if (is_alive(s, s->order[j]))
            visit(s, s->order[j], pass);
    }
    return true;
}

static mop_status finish_pass(run_state *s, uint32_t pass, uint64_t began, mop_err *err)
{
    uint64_t ended = now(s);
    uint64_t took = ended - began;
    uint32_t alive;
    mop_pass_record record = {.pass = pass,
                              .began_ns = (int64_t)(began - s->in->origin_ns),
                              .ended_ns = (int64_t)(ended - s->in->origin_ns),
                              .samples = s->samples,
                              .n_samples = s->n_samples};
    s->finished++;
    s->spent_in_passes_ns += took;
    if (took > s->longest_pass_ns)
        s->longest_pass_ns = took;
    count_samples(s, s->samples, s->n_samples);
    for (uint32_t i = 0; i < s->in->n_subjects; i++)
        refresh(s, i);
    mop_status st = s->sink->pass(s->sink->ctx, &record, err);
    if (st == MOP_OK && s->sink->progress != NULL)
        s->sink->progress(s->sink->ctx, pass + 1, count_satisfied(s, &alive), estimate_left(s));
    return st;
}

static void set_reasons(run_state *s, verdict v)
{
    static const mop_stop_reason reason[] = {[GO_ON] = MOP_STOP_NONE,
                                             [ALL_SATISFIED] = MOP_STOP_PRECISION,
                                             [MAX_PASSES] = MOP_STOP_PASSES,
                                             [BUDGET_SPENT] = MOP_STOP_BUDGET,
                                             [INTERRUPTED] = MOP_STOP_INTERRUPT};
    for (uint32_t i = 0; i < s->in->n_subjects; i++) {
        mop_subject_result *r = &s->results[i];
        bool keeps_precision = r->is_satisfied && v != INTERRUPTED && v != GO_ON;
        r->stop = !is_alive(s, i)   ? MOP_STOP_FAILED
                  : keeps_precision ? MOP_STOP_PRECISION
                                    : reason[v];
    }
}

static mop_status pass_loop(run_state *s, mop_err *err)
{
    verdict v;
    uint32_t pass = s->in->first_pass;
    while ((v = judge(s)) == GO_ON) {
        uint64_t began = now(s);
        if (!do_pass(s, pass)) {
            v = INTERRUPTED;
            break;
        }
        mop_status st = finish_pass(s, pass, began, err);
        if (st != MOP_OK) {
            set_reasons(s, GO_ON);
            return st;
        }
        pass++;
    }
    set_reasons(s, v);
    return v == INTERRUPTED
               ? mop_fail(err, MOP_EINTR, "interrupted after %" PRIu32 " finished passes", pass)
               : MOP_OK;
}

static mop_status state_init(run_state *s, mop_err *err)
{
    const mop_protocol *p = s->in->protocol;
    uint32_t n = s->in->n_subjects;
    uint64_t cost, step;
    size_t cells;
    mop_clock_measure(s->in->clock, &cost, &step);
    s->min_sample_ns =
        p->min_sample_ns > STEPS_PER_SAMPLE * step ? p->min_sample_ns : STEPS_PER_SAMPLE * step;
    /* behind a resumed sweep lie passes of some rows, and before others still all of them */
    if (s->in->first_pass > UINT32_MAX - p->max_passes)
        return mop_fail(err, MOP_EINVAL, "%" PRIu32 " passes are behind this sweep, too many",
                        s->in->first_pass);
    s->max_values = p->max_passes + s->in->first_pass;
    if (!mop_mul_size(n, s->max_values, &cells))
        return mop_fail(err, MOP_EINVAL, "%" PRIu32 " subjects x %" PRIu32 " passes is too many", n,
                        s->max_values);
    size_t work = s->max_values > p->runs_per_visit ? s->max_values : p->runs_per_visit;
    s->order = mop_calloc(n, sizeof *s->order, err);
    s->runs = mop_calloc(n, sizeof *s->runs, err);
    s->n_values = mop_calloc(n, sizeof *s->n_values, err);
    s->values = mop_calloc(cells, sizeof *s->values, err);
    s->sorted = mop_calloc(work, sizeof *s->sorted, err);
    s->samples = mop_calloc((size_t)n * p->runs_per_visit, sizeof *s->samples, err);
    return s->order && s->runs && s->n_values && s->values && s->sorted && s->samples ? MOP_OK
                                                                                      : MOP_ENOMEM;
}

static void state_release(run_state *s)
{
    free(s->order);
    free(s->runs);
    free(s->n_values);
    free(s->values);
    free(s->sorted);
    free(s->samples);
}

mop_status mop_protocol_run(const mop_protocol_input *input, const mop_protocol_sink *sink,
                            mop_subject_result *results, mop_err *err)
{
    run_state s = {.in = input, .sink = sink, .results = results};
    mop_status st = state_init(&s, err);
    if (st == MOP_OK) {
        memset(results, 0, input->n_subjects * sizeof *results);
        count_samples(&s, input->history, input->n_history);
        for (uint32_t i = 0; i < input->n_subjects; i++)
            refresh(&s, i);
        s.start_ns = now(&s);
        st = pass_loop(&s, err);
    }
    state_release(&s);
    return st;
}
