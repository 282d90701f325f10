/* Engines that run one network, timed in turn. */
#ifndef TESTS_PEERS_ROUNDS_H
#define TESTS_PEERS_ROUNDS_H

#include "profiler/base/rng.h"
#include "profiler/base/stats_ratio.h"
#include "profiler/measure/canary.h"
#include "tests/peers/peer.h"

enum { MOP_ROUNDS_MOST = 200, MOP_ROUNDS_LEAST = 7, MOP_PEERS_MOST = 8 };

/* One engine with one network. */
typedef struct mop_contestant {
    const mop_peer *peer;
    mop_peer_net *net; /* NULL: not timed, for the reason in why */
    char why[256];
    double error;                /* ||y - ref|| / ||ref|| of the output */
    double once_ns;              /* what one inference took before */
    double ns[MOP_ROUNDS_MOST];  /* the fastest inference of each round's visit, NAN without one */
    bool clean[MOP_ROUNDS_MOST]; /* nothing known disturbed that visit */
} mop_contestant;

typedef struct mop_rounds {
    const mop_clock *clock;
    const mop_canary *canary;
    mop_rng *rng;
    int threads;
    int rounds;         /* at most */
    uint64_t budget_ns; /* for all rounds; no fewer than MOP_ROUNDS_LEAST are made */
} mop_rounds;

/* Rounds of one visit to each contestant that has a net, in a fresh random order; *n receives how
 * many. A visit is a run that warms up and up to three that count. It is clean if the canary's
 * chain right before and after it was within MOP_CANARY_CPU_TOLERANCE of its floor, and the
 * engine's process did not wait for a processor for over 20 us and 0.5 % of the visit. With several
 * threads a pause follows each visit in which the engine's threads, each by its own default policy,
 * end their spinning. */
mop_status mop_rounds_run(const mop_rounds *how, mop_contestant *c, size_t n_contestants, int *n,
                          mop_err *err);

/* Median over clean rounds, over all where fewer than MOP_ROUNDS_LEAST are; NAN for n == 0. */
double mop_contestant_median(const mop_contestant *c, int n);
double mop_contestant_best(const mop_contestant *c, int n); /* over all rounds */
int mop_contestant_clean(const mop_contestant *c, int n);

/* How much longer a takes than b, with its 95 % interval, from rounds that were clean for both,
 * from all where fewer than MOP_ROUNDS_LEAST are. */
mop_interval mop_contestant_ratio(const mop_contestant *a, const mop_contestant *b, int n);

#endif
