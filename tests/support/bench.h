/* A whole sweep in a box: two small networks, two fake back ends, a fake store, and a clock that
 * only runs move. */
#ifndef TESTS_SUPPORT_BENCH_H
#define TESTS_SUPPORT_BENCH_H

#include "tests/support/fake_backend.h"
#include "tests/support/fake_sink.h"

/* Everything one test needs. The two networks differ in input height, which faults select by. */
typedef struct bench {
    uint64_t now_ns;
    mop_sweep_world world;
    mop_sweep_options options;
    mop_sweep_events events;
    mop_sweep_outcome outcome;
    fake_sink store;
    mop_err err;
    int polls, stop_at_poll;  /* the user stops at this call of interrupted(); 0: never */
    uint32_t stop_after_pass; /* or after this pass */
    bool is_stopped;
    bool has_controls; /* false: the world has no loop for them. A loop takes 2 ns a round, */
    double stretch_102, stretch_x20; /* the one of 1.02 times the rounds and the one of 20 times */
    bool loop_drifts;                /* this much more; its sum is never the same twice */
    double wobble_102;               /* in every second pass the x1.02 takes that much more */
    int loops;
    char notes[2048];
    size_t n_planned, n_prepared, n_passes, n_finished;
    mop_sweep_row last[FAKE_ROWS]; /* as the latest pass_done or finished showed them */
} bench;

/* Free with free(). */
bench *bench_new(void);

/* Runs the sweep of b->options; fails the test if a device or plan is left open. */
mop_status bench_run(bench *b);

#endif
