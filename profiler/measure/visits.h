/* One pass of the protocol: visits to all living subjects with their canaries, samples and flags.
 * What it does is said in protocol.h. */
#ifndef PROFILER_MEASURE_VISITS_H
#define PROFILER_MEASURE_VISITS_H

#include "profiler/measure/protocol.h"

/* What was seen just before a visit, or after the last one. */
typedef struct mop_visit_mark {
    uint64_t at_ns;
    mop_machine_state machine;
    mop_canary_times canary;
} mop_visit_mark;

typedef struct mop_visits {
    const mop_protocol_input *in;
    mop_subject_result *results;
    uint64_t min_sample_ns;     /* longer of the protocol's and 1000 clock steps */
    mop_canary_times floor;     /* smallest so far; INT64_MAX before the first */
    uint32_t *order;            /* [n] */
    mop_sample_record *samples; /* [sum of runs a visit] of the pass under way */
    int64_t *chains;            /* [2 * that] before and after each sample */
    size_t n_samples;
    mop_visit_record *visits; /* [n] */
    uint32_t *mark_of;        /* [n] of a visit; its samples lie together, in the visits' order */
    size_t n_visits;
    mop_visit_mark *marks; /* [n + 1] */
    size_t n_marks;
    double *work; /* [n + 1] */
    mop_machine_state before;
} mop_visits;

/* Measures the clock and, where there are canaries, runs MOP_CANARY_FIRST pairs. Release it even
 * after MOP_ENOMEM. */
mop_status mop_visits_init(mop_visits *v, const mop_protocol_input *input,
                           mop_subject_result *results, mop_err *err);
void mop_visits_release(mop_visits *v);

/* One pass. Visits subjects whose results hold no failure, and sets batched, runs and failure of
 * them. False if `interrupted` (may be NULL) said so, asked before each visit. */
bool mop_visits_do_pass(mop_visits *v, uint32_t pass, bool (*interrupted)(void *ctx), void *ctx);

/* Settles the flags of the pass and fills *out, but for its times; the arrays stay v's. */
void mop_visits_finish(mop_visits *v, uint32_t pass, mop_pass_record *out);

#endif
