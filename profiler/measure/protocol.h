/* The measuring protocol: passes over all subjects in a fresh random order, a warm run and timed runs
 * each, judged between passes. Time, randomness and the work itself come in as arguments. */
#ifndef PROFILER_MEASURE_PROTOCOL_H
#define PROFILER_MEASURE_PROTOCOL_H

#include "db/record.h"
#include "profiler/base/clock.h"
#include "profiler/base/rng.h"
#include "profiler/base/status.h"

/* One thing to be timed. */
typedef struct mop_subject {
    mop_status (*run)(void *ctx, mop_err *err); /* one inference */
    void *ctx;
    int64_t measurement_id; /* row in the store */
} mop_subject;

typedef struct mop_protocol {
    uint64_t seed;
    uint32_t min_passes, max_passes; /* 12, 60 */
    uint32_t min_clean;              /* 30 */
    uint32_t runs_per_visit;         /* 3; 1 if a run takes over long_run_ns */
    uint64_t long_run_ns;            /* 200 ms */
    double precision;                /* 0.01: half-width of the interval over the centre */
    uint64_t budget_ns;              /* 0: none */
} mop_protocol;

void mop_protocol_default(mop_protocol *p);

/* Called between passes, never inside one. */
typedef struct mop_protocol_sink {
    /* One finished pass; the samples are to be stored in one transaction. */
    mop_status (*pass)(void *ctx, const mop_pass_record *pass, mop_err *err);
    /* Progress: passes done, subjects satisfied, estimate of what is left. May be NULL. */
    void (*progress)(void *ctx, uint32_t pass, uint32_t satisfied, uint64_t eta_ns);
    /* True once the user asked to stop. May be NULL. */
    bool (*interrupted)(void *ctx);
    void *ctx;
} mop_protocol_sink;

/* How each subject ended; [n_subjects], filled by mop_protocol_run. */
typedef struct mop_subject_result {
    mop_stop_reason stop;
    mop_err failure; /* code != MOP_OK: its run failed and it was dropped, with the reason */
    double half_width; /* relative half-width reached */
    uint32_t passes;
} mop_subject_result;

/* Runs passes first_pass, first_pass + 1, ... until every subject is satisfied, max_passes, the budget
 * or an interrupt. history (may be NULL) holds the samples of earlier passes of a resumed sweep, so that
 * the stop rule sees them. A subject whose run fails is dropped, the others go on. MOP_EINTR after an
 * interrupt with all finished passes stored; a sink failure ends the run with its status. */
mop_status mop_protocol_run(const mop_protocol *p, const mop_clock *clock,
                            const mop_subject *subjects, uint32_t n_subjects, uint32_t first_pass,
                            const mop_sample_record *history, size_t n_history,
                            const mop_protocol_sink *sink, mop_subject_result *results,
                            mop_err *err);

#endif
