/* The measuring protocol (see the header): the loop over passes and the rule that ends it. A pass
 * itself is in visits.c, what it says of the subjects in standing.c. Everything that a pass needs
 * is allocated before the first one; intervals, the store and the judgement come between passes. */
#include "profiler/measure/protocol.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "profiler/measure/standing.h"
#include "profiler/measure/visits.h"

/* Why the loop ended, or that it goes on. */
typedef enum verdict {
    GO_ON,
    ALL_SATISFIED,
    MAX_PASSES,
    BUDGET_SPENT,
    SHARE_DONE,
    INTERRUPTED
} verdict;

typedef struct run_state {
    const mop_protocol_input *in;
    const mop_protocol_sink *sink;
    mop_subject_result *results;
    mop_standing standing;
    mop_visits visits;
    uint64_t latest_ns; /* stamps of passes never go back, whatever the clock does */
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
    (void)snprintf(
        text, size,
        "order=shuffled;warm=1;runs=%" PRIu32 ";long_ns=%" PRIu64 ";min_sample_ns=%" PRIu64
        ";min_passes=%" PRIu32 ";max_passes=%" PRIu32 ";min_clean=%" PRIu32
        ";precision=%g;level=%g;interval=pass-medians;stop=pass-ratios;"
        "tolerance=max(20us,0.5%%);canary_cpu=%g;canary_memory=%g;steal=0.5%%;"
        "budget_ns=%" PRIu64 ";",
        p->runs_per_visit, p->long_run_ns, p->min_sample_ns, p->min_passes, p->max_passes,
        p->min_clean, p->precision, p->level, MOP_CANARY_CPU_TOLERANCE, MOP_CANARY_MEMORY_TOLERANCE,
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

static uint64_t now(run_state *s)
{
    uint64_t t = mop_now_ns(s->in->clock);
    if (t > s->latest_ns)
        s->latest_ns = t;
    return s->latest_ns;
}

static bool is_interrupted(const run_state *s)
{
    return s->sink->interrupted != NULL && s->sink->interrupted(s->sink->ctx);
}

/* Shares from this one on, itself included. */
static uint32_t shares_left(const run_state *s)
{
    uint32_t shares = s->in->shares, share = s->in->share;
    return share + 1 < shares ? shares - share : 1;
}

static double mean_pass_ns(const run_state *s)
{
    return (double)s->spent_in_passes_ns / s->finished;
}

/* That the budget may not hold all these passes needs no word here: then the time ends the share.
 */
static bool is_share_done(const run_state *s)
{
    uint32_t of = shares_left(s);
    double expected = s->finished + mop_standing_passes_left(&s->standing);
    return of > 1 && s->finished > 0 && s->finished >= expected / of;
}

/* What to do before the next pass; the stop rule lives here alone. */
static verdict judge(run_state *s)
{
    uint32_t satisfied;
    uint64_t budget = s->in->protocol->budget_ns / shares_left(s);
    if (is_interrupted(s))
        return INTERRUPTED;
    if (mop_standing_judged(&s->standing, &satisfied) == satisfied)
        return ALL_SATISFIED;
    if (!(mop_standing_passes_left(&s->standing) > 0))
        return MAX_PASSES;
    if (s->in->protocol->budget_ns > 0 && s->finished > 0 &&
        now(s) - s->start_ns + s->longest_pass_ns > budget)
        return shares_left(s) > 1 ? SHARE_DONE : BUDGET_SPENT;
    return is_share_done(s) ? SHARE_DONE : GO_ON;
}

static uint64_t estimate_left_ns(run_state *s)
{
    double left = mop_standing_passes_left(&s->standing) * mean_pass_ns(s);
    uint64_t budget = s->in->protocol->budget_ns;
    if (budget > 0)
        left = fmin(left, fmax(0, (double)budget - (double)(now(s) - s->start_ns)));
    return (uint64_t)left;
}

static int64_t since_origin(const run_state *s, uint64_t t)
{
    return t > s->in->origin_ns ? (int64_t)(t - s->in->origin_ns) : 0;
}

static mop_status finish_pass(run_state *s, uint32_t pass, uint64_t began, mop_err *err)
{
    mop_pass_record record;
    uint32_t satisfied;
    mop_visits_finish(&s->visits, pass, &record);
    uint64_t ended = now(s);
    uint64_t took = ended - began;
    record.began_ns = since_origin(s, began);
    record.ended_ns = since_origin(s, ended);
    s->finished++;
    s->spent_in_passes_ns += took;
    if (took > s->longest_pass_ns)
        s->longest_pass_ns = took;
    mop_standing_count(&s->standing, record.samples, record.n_samples);
    mop_standing_refresh(&s->standing);
    mop_status st = s->sink->pass(s->sink->ctx, &record, err);
    if (st == MOP_OK && s->sink->progress != NULL) {
        (void)mop_standing_judged(&s->standing, &satisfied); /* of how many is not told */
        s->sink->progress(s->sink->ctx, pass + 1, satisfied, estimate_left_ns(s));
    }
    return st;
}

static void set_reasons(run_state *s, verdict v)
{
    static const mop_stop_reason reason[] = {
        [GO_ON] = MOP_STOP_NONE,        [ALL_SATISFIED] = MOP_STOP_PRECISION,
        [MAX_PASSES] = MOP_STOP_PASSES, [BUDGET_SPENT] = MOP_STOP_BUDGET,
        [SHARE_DONE] = MOP_STOP_NONE,   [INTERRUPTED] = MOP_STOP_INTERRUPT};
    bool is_over = v == ALL_SATISFIED || v == MAX_PASSES || v == BUDGET_SPENT;
    for (uint32_t i = 0; i < s->in->n_subjects; i++) {
        mop_subject_result *r = &s->results[i];
        bool keeps_precision = is_over && r->is_satisfied && !s->in->subjects[i].is_control;
        r->stop = !mop_standing_is_alive(&s->standing, i) ? MOP_STOP_FAILED
                  : keeps_precision                       ? MOP_STOP_PRECISION
                                                          : reason[v];
    }
}

static mop_status pass_loop(run_state *s, mop_err *err)
{
    verdict v;
    uint32_t pass = s->in->first_pass;
    while ((v = judge(s)) == GO_ON) {
        uint64_t began = now(s);
        if (!mop_visits_do_pass(&s->visits, pass, s->sink->interrupted, s->sink->ctx)) {
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

mop_status mop_protocol_run(const mop_protocol_input *input, const mop_protocol_sink *sink,
                            mop_subject_result *results, mop_err *err)
{
    run_state s = {.in = input, .sink = sink, .results = results};
    uint32_t most = input->protocol->max_passes;
    /* behind a resumed sweep lie passes of some rows, and before others still all of them */
    if (input->first_pass > UINT32_MAX - most)
        return mop_fail(err, MOP_EINVAL, "%" PRIu32 " passes are behind this sweep, too many",
                        input->first_pass);
    mop_status st = mop_standing_init(&s.standing, input, input->first_pass + most, results, err);
    if (st == MOP_OK) {
        mop_standing_count(&s.standing, input->history, input->n_history);
        mop_standing_refresh(&s.standing);
        st = mop_visits_init(&s.visits, input, results, err);
        s.start_ns = now(&s);
        if (st == MOP_OK)
            st = pass_loop(&s, err);
        mop_visits_release(&s.visits);
    }
    mop_standing_release(&s.standing);
    return st;
}

bool mop_protocol_has_more(const mop_subject_result *results, uint32_t n_subjects)
{
    for (uint32_t i = 0; i < n_subjects; i++) {
        if (results[i].stop == MOP_STOP_NONE)
            return true;
    }
    return false;
}
