/* Rounds of engines whose times are a script, with a scripted canary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "tests/peers/rounds.h"

enum { ROUNDS = 24 };

/* An engine that takes `ns` and a little more each time it is asked. */
struct mop_peer_net {
    uint64_t ns, step;
    int asked;
    uint32_t *turn; /* counts all engines' visits */
    uint32_t last;  /* turn of its latest visit */
};

static mop_status run(mop_peer_net *net, int times, uint64_t *ns, mop_err *err)
{
    (void)err;
    for (int i = 0; i < times; i++)
        ns[i] = net->ns + net->step * (uint64_t)(times - i);
    net->asked++;
    net->last = ++*net->turn;
    return MOP_OK;
}

static mop_status die(mop_peer_net *net, int times, uint64_t *ns, mop_err *err)
{
    (void)net;
    (void)times;
    (void)ns;
    return mop_fail(err, MOP_EFAIL, "the engine died");
}

static const mop_peer quick = {.name = "quick", .run = run};
static const mop_peer slow = {.name = "slow", .run = run, .is_slow = true};
static const mop_peer broken = {.name = "broken", .run = die};

/* A chain that takes 50 us, and twice that at every reading whose number is in `every` turns. */
typedef struct script {
    int reading, from, every;
} script;

static int64_t chain(void *ctx)
{
    script *s = ctx;
    const int n = s->reading++;
    return n >= s->from && s->every > 0 && (n - s->from) % s->every == 0 ? 100000 : 50000;
}

static int run_rounds(mop_contestant *c, size_t n, script *s, mop_status expected)
{
    const mop_clock clock = mop_clock_real();
    const mop_canary canary = {.chain = chain, .ctx = s};
    mop_rng rng;
    mop_rng_init(&rng, 1, 0);
    const mop_rounds how = {.clock = &clock,
                            .canary = &canary,
                            .rng = &rng,
                            .threads = 1,
                            .rounds = ROUNDS,
                            .budget_ns = UINT64_C(60000000000)};
    mop_err err = {0};
    int rounds = 0;
    assert_int_equal(mop_rounds_run(&how, c, n, &rounds, &err), expected);
    return rounds;
}

static void ratios_are_of_the_fastest_inferences_of_each_round(void **state)
{
    uint32_t turn = 0;
    mop_peer_net a = {.ns = 1000000, .step = 500, .turn = &turn};
    mop_peer_net b = {.ns = 2000000, .step = 1000, .turn = &turn};
    mop_contestant c[2] = {{.peer = &quick, .net = &a}, {.peer = &quick, .net = &b}};
    script calm = {.every = 0};
    (void)state;
    const int n = run_rounds(c, 2, &calm, MOP_OK);
    assert_int_equal(n, ROUNDS);
    const mop_interval r = mop_contestant_ratio(&c[1], &c[0], n);
    assert_true(fabs(r.est - 2) < 1e-9 && fabs(r.lo - 2) < 1e-9 && fabs(r.hi - 2) < 1e-9);
    assert_true(fabs(mop_contestant_median(&c[0], n) - 1000500) < 1e-6);
    assert_true(fabs(mop_contestant_best(&c[1], n) - 2001000) < 1e-6);
}

static void disturbed_visits_do_not_count(void **state)
{
    uint32_t turn = 0;
    mop_peer_net a = {.ns = 1000000, .turn = &turn};
    mop_contestant c[1] = {{.peer = &quick, .net = &a}};
    script now_and_then = {.from = 256, .every = 6}; /* before or after every third visit */
    (void)state;
    const int n = run_rounds(c, 1, &now_and_then, MOP_OK);
    int disturbed = 0;
    for (int i = 0; i < n; i++) {
        disturbed += i % 3 == 0 && !c[0].clean[i];
        if (i % 3 == 0)
            c[0].ns[i] *= 10; /* as it would have been */
    }
    assert_int_equal(disturbed, n / 3);
    assert_true(mop_contestant_clean(&c[0], n) <= n - n / 3);
    if (mop_contestant_clean(&c[0], n) >= MOP_ROUNDS_LEAST) /* else a loaded machine: all count */
        assert_true(fabs(mop_contestant_median(&c[0], n) - 1000000) < 1e-6);
}

static void a_slow_engine_is_visited_once_and_has_a_ratio_without_interval(void **state)
{
    uint32_t turn = 0;
    mop_peer_net a = {.ns = 1000000, .turn = &turn}, b = {.ns = 300000000, .turn = &turn};
    mop_contestant c[2] = {{.peer = &quick, .net = &a},
                           {.peer = &slow, .net = &b, .once_ns = 300000000}};
    script calm = {.every = 0};
    (void)state;
    const int n = run_rounds(c, 2, &calm, MOP_OK);
    assert_int_equal(b.asked, 1);
    const mop_interval r = mop_contestant_ratio(&c[1], &c[0], n);
    assert_true(fabs(r.est - 300) < 1e-9 && isnan(r.lo) && isnan(r.hi));
}

static void the_order_changes_and_a_missing_engine_is_left_out(void **state)
{
    uint32_t turn = 0;
    mop_peer_net a = {.ns = 1000, .turn = &turn}, b = {.ns = 1000, .turn = &turn};
    mop_contestant c[3] = {
        {.peer = &quick, .net = &a}, {.peer = &broken}, {.peer = &quick, .net = &b}};
    script calm = {.every = 0};
    int first = 0;
    (void)state;
    for (int i = 0; i < 8; i++) { /* the last round, by seed */
        mop_rng rng;
        const mop_clock clock = mop_clock_real();
        const mop_canary canary = {.chain = chain, .ctx = &calm};
        mop_err err = {0};
        int rounds;
        mop_rng_init(&rng, (uint64_t)i, 0);
        const mop_rounds how = {.clock = &clock,
                                .canary = &canary,
                                .rng = &rng,
                                .threads = 1,
                                .rounds = MOP_ROUNDS_LEAST,
                                .budget_ns = 0};
        assert_int_equal(mop_rounds_run(&how, c, 3, &rounds, &err), MOP_OK);
        assert_int_equal(rounds, MOP_ROUNDS_LEAST);
        first += a.last < b.last;
    }
    assert_true(first > 0 && first < 8);
}

static void an_engine_that_dies_ends_it_with_its_sentence(void **state)
{
    uint32_t turn = 0;
    mop_peer_net a = {.ns = 1000, .turn = &turn};
    mop_contestant c[1] = {{.peer = &broken, .net = &a}};
    script calm = {.every = 0};
    (void)state;
    (void)run_rounds(c, 1, &calm, MOP_EFAIL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ratios_are_of_the_fastest_inferences_of_each_round),
        cmocka_unit_test(disturbed_visits_do_not_count),
        cmocka_unit_test(a_slow_engine_is_visited_once_and_has_a_ratio_without_interval),
        cmocka_unit_test(the_order_changes_and_a_missing_engine_is_left_out),
        cmocka_unit_test(an_engine_that_dies_ends_it_with_its_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
