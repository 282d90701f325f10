/* What a comparison of engines found, as tables. */
#ifndef TESTS_PEERS_RESULTS_H
#define TESTS_PEERS_RESULTS_H

#include "db/table.h"
#include "tests/peers/rounds.h"

/* One engine with one network. */
typedef struct mop_result_engine {
    const char *name;
    char why[256]; /* why it was not timed, "" if it was */
    double best_ns;
    double ns;          /* of one inference: the median of clean rounds */
    mop_interval ratio; /* to the first engine: above 1 is slower */
    int clean;
    double error; /* relative 2-norm against the reference */
} mop_result_engine;

/* One network. */
typedef struct mop_result {
    char spec[MOP_SPEC_MAX];
    int threads, rounds;
    int64_t macs, bytes; /* bytes: every operator's inputs, constants and output once, as fused */
    double peak;         /* FLOP/s of that many threads, the better of before and after */
    double peak_before, peak_after;
    double bandwidth; /* bytes/s read from main memory by that many threads */
    size_t n_engines;
    mop_result_engine engines[MOP_PEERS_MOST];
} mop_result;

/* A row for each engine and network, everything in it. */
mop_status mop_results_long(const mop_result *r, size_t n, mop_table *out, mop_err *err);

/* A row for each network, with fractions of the peak and ratios side by side. All have the same
 * engines. */
mop_status mop_results_wide(const mop_result *r, size_t n, mop_table *out, mop_err *err);

#endif
