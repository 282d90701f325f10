/* The measuring protocol: passes over all subjects in a fresh random order, a warm run and timed
 * runs each, judged between passes. Time, counters and the work itself come in as arguments. */
#ifndef PROFILER_MEASURE_PROTOCOL_H
#define PROFILER_MEASURE_PROTOCOL_H

#include "db/record.h"
#include "profiler/base/clock.h"
#include "profiler/base/rng.h"
#include "profiler/base/status.h"
#include "profiler/measure/canary.h"
#include "profiler/measure/counters.h"
#include "profiler/measure/machine.h"

/* One thing to be timed. */
typedef struct mop_subject {
    mop_status (*run)(void *ctx, mop_err *err); /* one inference */
    void *ctx;
    int64_t measurement_id; /* row in the store */
    /* The calling thread does all the work: it alone is counted, and its CPU time tells something.
     * Otherwise the counters are those of the process. */
    bool is_host_single;
    uint32_t baseline; /* subject that ratios are taken to; itself or MOP_NO_BASELINE: none */
    uint32_t runs;     /* samples a visit; 0: the protocol's */
    bool is_control;   /* never judged by the stop rule: it stops with the others */
    /* Cold mode: empties the caches before each timed run, which is then never batched, however
     * short. NULL: hot. */
    void (*evict)(void *ctx);
    /* Called after the last run of a visit: puts threads to sleep that spin for more work, so that
     * they do not disturb the next visit. NULL: none do. */
    void (*rest)(void *ctx);
    /* Device time in ns that the latest run left behind, MOP_ABSENT where there is none. Called
     * after each run, between the stamps, so it must only return a number; a sample of k runs holds
     * their sum, absent if one was. NULL: never any. */
    int64_t (*device_ns)(void *ctx);
} mop_subject;

#define MOP_NO_BASELINE UINT32_MAX

typedef struct mop_protocol {
    uint64_t seed;
    uint32_t min_passes, max_passes; /* 12, 60 */
    uint32_t min_clean;              /* 30 */
    uint32_t runs_per_visit;         /* 3; 1 if a run takes over long_run_ns */
    uint64_t long_run_ns;            /* 200 ms */
    uint64_t min_sample_ns;          /* 1 ms: shorter runs are batched k times */
    double precision;                /* 0.01: half-width of the interval over the centre */
    double level;                    /* 0.95: coverage of the interval */
    uint64_t budget_ns;              /* 0: none */
} mop_protocol;

void mop_protocol_default(mop_protocol *p);

/* Samples a visit, where a run is not too long for more than one. */
static inline uint32_t mop_subject_runs(const mop_protocol *p, const mop_subject *subject)
{
    return subject->runs > 0 ? subject->runs : p->runs_per_visit;
}

/* The settings as one line of "key=value;", for the sweep's record; under 512 bytes. */
void mop_protocol_text(const mop_protocol *p, char *text, size_t size);

/* The seed and the pass alone fix the order: order[0..n) becomes the visiting order of `pass`. */
void mop_protocol_order(uint64_t seed, uint32_t pass, uint32_t *order, uint32_t n);

/* pass and progress are called between passes, never inside one; interrupted also between two
 * visits of a pass, never between the runs of a visit. */
typedef struct mop_protocol_sink {
    /* One finished pass; the samples are to be stored in one transaction. */
    mop_status (*pass)(void *ctx, const mop_pass_record *pass, mop_err *err);
    /* Progress: passes done, subjects satisfied, estimate of what is left from the finished passes.
     * The results given to mop_protocol_run are current. May be NULL. */
    void (*progress)(void *ctx, uint32_t passes, uint32_t satisfied, uint64_t eta_ns);
    /* True once the user asked to stop. May be NULL. */
    bool (*interrupted)(void *ctx);
    void *ctx;
} mop_protocol_sink;

/* Where each subject stands; [n_subjects], filled by mop_protocol_run. */
typedef struct mop_subject_result {
    mop_stop_reason stop;
    mop_err failure;     /* code != MOP_OK: its run failed and it was dropped, with the reason */
    uint32_t passes;     /* visits, history included */
    uint32_t n, n_clean; /* samples */
    uint32_t batched;    /* k inferences a sample; 0 before the first visit */
    uint32_t runs;       /* samples a visit; 0 likewise */
    /* Median over passes of the pass medians of clean samples, per inference, with its
     * order-statistic interval; NAN where there are too few passes. */
    double median_ns, low_ns, high_ns;
    double half_width; /* (high - low) / 2 / median; NAN likewise */
    bool is_satisfied; /* nothing more is asked of it; of a control: always */
    /* Time over the baseline's, from passes in which both have clean samples (ratio_passes of
     * them): exp of the median of the logarithms with its interval. NAN where there are too few or
     * no baseline. */
    double ratio, ratio_low, ratio_high;
    uint32_t ratio_passes;
} mop_subject_result;

/* What is measured, with what. */
typedef struct mop_protocol_input {
    const mop_protocol *protocol;
    const mop_clock *clock;
    const mop_counters *counters;
    const mop_canary *canary;   /* NULL: none */
    const mop_machine *machine; /* NULL: says nothing */
    const mop_subject *subjects;
    uint32_t n_subjects;
    uint32_t first_pass; /* next pass of a resumed sweep; 0 at the start */
    uint64_t origin_ns;  /* when the sweep began on `clock`: pass times count from here */
    /* Samples of the earlier passes of a resumed sweep, so that batching and the stop rule go on
     * from them. Samples of other measurements are passed over. May be NULL. */
    const mop_sample_record *history;
    size_t n_history;
    /* This call is share `share` (0 the first) of `shares` worker processes (0: no shares). A share
     * but the last ends after 1 / (shares - share) of the passes that are expected from its start
     * on, judged anew at each pass end, and of budget_ns, which is what is left for it and those
     * after it. */
    uint32_t share, shares;
    int64_t worker; /* goes into each pass record */
    /* Called before each visit with the subject, so that a death can be laid to it; must cost
     * nothing. May be NULL. */
    void (*visiting)(void *ctx, uint32_t subject);
    void *visiting_ctx;
} mop_protocol_input;

/* Runs passes first_pass, first_pass + 1, ... until every subject is satisfied or has max_passes
 * (those of the history included), the budget, the end of the share or an interrupt; all but the
 * last are judged at pass ends only. The budget counts from the call; a pass that would overrun it,
 * judged by the longest so far, is not begun, but the first is.
 *
 * A pass: counters.refresh and the whole machine state; then each living subject in the pass's
 * order; then the machine's counts, a closing canary pair and the whole state again. A visit: the
 * machine's counts, a canary pair, one untimed run, then `runs_per_visit` samples, between which
 * nothing happens but stamps, counters and evict. A subject's first visit also has one sizing run:
 * the shorter of the two fixes its k = ceil(max(min_sample_ns, 1000 clock steps) / run) and, over
 * long_run_ns, one sample a visit instead. A satisfied subject is still visited until all are, so
 * that every pass is the same mixture.
 *
 * Flags: those of mop_counts_flags(); CLOCK: the clock stood still or went back over the sample,
 * whose wall_ns is then 0; and, settled at the pass end for all samples of a visit, CANARY: a
 * canary before the visit or right after it is over its floor by more than its tolerance (canary.h;
 * the floor is the smallest time that this call has seen, MOP_CANARY_FIRST pairs before its first
 * pass included); STEAL: between the machine's counts before and after the visit the hypervisor
 * took more than 0.5 % of the time, counted in whole ticks of MOP_TICK_NS: under 2 s one tick is
 * that much, and may explain a slow sample; over a longer visit it may not. A tick is 10 ms that
 * some processor lost, so one visit at most is flagged for each 10 ms; THROTTLED: a throttling
 * event.
 *
 * Satisfied: at least min_passes passes, min_clean clean samples, and under `precision`
 * - with a baseline: the half-width of the ratio's interval over the ratio. What moves both alike
 *   does not count. If the baseline has failed: the ratio's or its own, whichever is narrower;
 * - for a subject to which others that are judged refer, nothing: what is uncertain about it is in
 *   their ratios, and on a machine that drifts its own interval may never narrow;
 * - for the rest its own half_width.
 *
 * After a share that has ended with more to come, every living subject's stop is MOP_STOP_NONE
 * (mop_protocol_has_more). A subject whose run fails is dropped with its whole visit, the others go
 * on; MOP_OK even if none is left. MOP_EINTR after an interrupt: the pass under way is discarded,
 * all finished ones are stored. A sink failure ends the run with its status. MOP_ENOMEM,
 * MOP_EINVAL before the first pass. */
mop_status mop_protocol_run(const mop_protocol_input *input, const mop_protocol_sink *sink,
                            mop_subject_result *results, mop_err *err);

/* After MOP_OK: the share ended, and the next one is to go on. */
bool mop_protocol_has_more(const mop_subject_result *results, uint32_t n_subjects);

#endif
