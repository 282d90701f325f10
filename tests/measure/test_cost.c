/* What the harness adds to a 1 ms inference: runs timed bare, by two stamps round three of them,
 * and runs through the protocol with the real clock, counters, canaries and machine state, pass by
 * pass in turn. --bench (`make bench`) prints the ratio; the test only shows that this can be done.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "profiler/base/stats.h"
#include "profiler/base/stats_ratio.h"
#include "profiler/measure/protocol.h"

enum { MOST_PASSES = 200, RUNS = 3 };

/* A chain of dependent multiply-adds: no memory, nothing to overlap. */
typedef struct chain {
    uint64_t links, value;
} chain;

static mop_status run_chain(void *ctx, mop_err *err)
{
    chain *c = ctx;
    uint64_t v = c->value;
    (void)err;
    for (uint64_t i = 0; i < c->links; i++)
        v = v * 6364136223846793005u + 1442695040888963407u;
    c->value = v;
    return MOP_OK;
}

typedef struct bench {
    chain work;
    mop_clock clock;
    double through[MOST_PASSES], bare[MOST_PASSES], visit[MOST_PASSES];
    size_t n;
} bench;

static double time_bare(bench *b, uint64_t links)
{
    mop_err err = {0};
    chain once = {.links = links, .value = b->work.value};
    uint64_t began = mop_now_ns(&b->clock);
    (void)run_chain(&once, &err); /* never fails */
    double ns = (double)(mop_now_ns(&b->clock) - began);
    b->work.value = once.value;
    return ns;
}

/* Of the three of a visit: one that lost the CPU is no matter of the harness. */
static double middle(const double x[RUNS])
{
    return fmax(fmin(x[0], x[1]), fmin(fmax(x[0], x[1]), x[2]));
}

/* Called after each pass: the turn of the bare runs, with a warm one as in a visit. */
static mop_status on_pass(void *ctx, const mop_pass_record *pass, mop_err *err)
{
    bench *b = ctx;
    double through[RUNS], bare[RUNS];
    (void)err;
    if (b->n == MOST_PASSES || pass->n_samples != RUNS)
        return MOP_OK;
    (void)time_bare(b, b->work.links);
    for (size_t i = 0; i < RUNS; i++) {
        through[i] = (double)pass->samples[i].wall_ns / pass->samples[i].batched;
        bare[i] = time_bare(b, b->work.links);
    }
    b->through[b->n] = middle(through);
    b->bare[b->n] = middle(bare);
    b->visit[b->n++] = (double)(pass->ended_ns - pass->began_ns);
    return MOP_OK;
}

static void measure(bench *b, uint32_t passes)
{
    mop_protocol protocol;
    mop_counters counters;
    mop_canary canary;
    mop_machine machine;
    mop_subject subject = {
        .run = run_chain, .ctx = &b->work, .is_host_single = true, .baseline = MOP_NO_BASELINE};
    mop_subject_result result;
    mop_protocol_sink sink = {.pass = on_pass, .ctx = b};
    mop_err err = {0};
    b->clock = mop_clock_real();
    b->work.value = 1;
    b->work.links = (uint64_t)(1e6 * 1.05e6 / time_bare(b, 1000000)); /* just over 1 ms: k = 1 */
    mop_protocol_default(&protocol);
    protocol.min_passes = protocol.max_passes = passes;
    if (mop_counters_open(&counters, &err) != MOP_OK ||
        mop_canary_open(b->clock, &canary, &err) != MOP_OK ||
        mop_machine_open("", &machine, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    const mop_protocol_input input = {.protocol = &protocol,
                                      .clock = &b->clock,
                                      .counters = &counters,
                                      .canary = &canary,
                                      .machine = &machine,
                                      .subjects = &subject,
                                      .n_subjects = 1,
                                      .origin_ns = mop_now_ns(&b->clock)};
    if (mop_protocol_run(&input, &sink, &result, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    mop_machine_close(&machine);
    mop_canary_close(&canary);
    mop_counters_close(&counters);
}

static void harness_and_bare_runs_are_timed_in_turn(void **state)
{
    bench b = {.n = 0};
    double work[MOST_PASSES];
    (void)state;
    measure(&b, 8);
    assert_true(b.n == 8);
    mop_interval r = mop_ratio_interval(b.through, b.bare, b.n, 0.95, work);
    assert_true(r.est > 0.1 && r.est < 10);
}

static void print_overhead(void **state)
{
    bench b = {.n = 0};
    double work[MOST_PASSES];
    (void)state;
    measure(&b, MOST_PASSES);
    mop_interval r = mop_ratio_interval(b.through, b.bare, b.n, 0.95, work);
    mop_sort_f64(b.through, b.n);
    mop_sort_f64(b.visit, b.n);
    double ns = mop_quantile(b.through, b.n, 0.5);
    printf("harness over bare time of a %.2f ms inference: %.4f [%.4f, %.4f] (promised: 1.01)\n",
           ns / 1e6, r.est, r.lo, r.hi);
    printf("a pass of one such subject takes %.2f ms for its 4 runs of %.2f ms: canaries, counters "
           "and machine state are outside of the stamps\n",
           mop_quantile(b.visit, b.n, 0.5) / 1e6, ns / 1e6);
    assert_true(r.lo < 1.01); /* on a loaded machine the interval is wide */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(harness_and_bare_runs_are_timed_in_turn)};
    const struct CMUnitTest benches[] = {cmocka_unit_test(print_overhead)};
    if (argc > 1 && strcmp(argv[1], "--bench") == 0)
        return cmocka_run_group_tests(benches, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
