/* The contest of a tuning with a back end whose times are given: who wins, who is dropped, what is
 * noted, and in which order operators come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/engine/tuner.h"
#include "variants/variant.h"

enum { MOST = 4, TURNS = 4096 };

/* What one entrant is like, and what became of it. */
struct runner {
    const char *name;
    double ns;
    mop_status on_enter;
    size_t turns;
    int held; /* entered and not left */
};

static struct stage {
    struct runner runners[MOST];
    size_t n;
    uint64_t now;
    uint64_t enter_ns;
    int begun, ended;
    char shapes[64][MOP_TUNE_SHAPE]; /* of operators, in their order */
    uint8_t order[TURNS];            /* of turns */
    size_t n_turns;
} stage;

struct mop_tune_trial {
    int unused;
};

static uint64_t now(void *ctx)
{
    (void)ctx;
    return stage.now;
}

static void key(const mop_device *device, mop_dtype dtype, char out[MOP_TUNE_KEY])
{
    (void)device;
    (void)snprintf(out, MOP_TUNE_KEY, "fake, %s", mop_dtype_name(dtype));
}

/* Convolutions have a choice, other operators have none. */
static size_t entrants(const mop_device *device, const mop_op_inst *inst, mop_dtype dtype,
                       char (*names)[MOP_TUNE_KERNEL])
{
    const size_t n = inst->op == MOP_OP_CONV2D ? stage.n : 1;
    (void)device;
    (void)dtype;
    for (size_t i = 0; i < n; i++)
        (void)snprintf(names[i], MOP_TUNE_KERNEL, "%s", stage.runners[i].name);
    return n;
}

static mop_status begin(mop_device *device, const mop_op_inst *inst, mop_dtype dtype,
                        mop_tune_trial **out, mop_err *err)
{
    static mop_tune_trial trial;
    (void)device;
    (void)dtype;
    (void)err;
    mop_tune_shape(inst, stage.shapes[stage.begun++ % 64]);
    *out = &trial;
    return MOP_OK;
}

static void end(mop_tune_trial *trial)
{
    assert_non_null(trial);
    stage.ended++;
}

static mop_status enter(mop_tune_trial *trial, size_t i, const char *name, mop_err *err)
{
    struct runner *r = &stage.runners[i];
    (void)trial;
    assert_string_equal(name, r->name);
    stage.now += stage.enter_ns;
    if (r->on_enter != MOP_OK)
        return mop_fail(err, r->on_enter, "%s is wrong", name);
    assert_int_equal(r->held++, 0);
    return MOP_OK;
}

static void leave(mop_tune_trial *trial, size_t i)
{
    (void)trial;
    assert_int_equal(stage.runners[i].held--, 1);
}

static mop_status take_turn(mop_tune_trial *trial, size_t i, size_t round, double *ns, mop_err *err)
{
    struct runner *r = &stage.runners[i];
    (void)trial;
    (void)round;
    (void)err;
    assert_int_equal(r->held, 1);
    /* one turn in eight is disturbed, which a median does not mind */
    *ns = r->turns % 8 == 7 ? 20 * r->ns : r->ns;
    stage.now += (uint64_t)*ns;
    r->turns++;
    if (stage.n_turns < TURNS)
        stage.order[stage.n_turns++] = (uint8_t)i;
    return MOP_OK;
}

static const mop_tuner fake_tuner = {
    .usual_budget_ns = 1000000000,
    .key = key,
    .entrants = entrants,
    .begin = begin,
    .end = end,
    .enter = enter,
    .leave = leave,
    .time = take_turn,
};

static const mop_backend fake_backend = {.id = "fake", .tuner = &fake_tuner};

/* Tunes cnn30 at 32 pixels with these runners. */
static void tune(const struct runner *runners, size_t n, uint64_t budget_ns, mop_tune *t,
                 mop_tune_report *report)
{
    mop_strlist specs = {0};
    mop_err err = {0};
    memset(&stage, 0, sizeof stage);
    memcpy(stage.runners, runners, n * sizeof *runners);
    stage.n = n;
    assert_int_equal(mop_specs_expand("cnn30@32", &specs, &err), MOP_OK);
    const mop_tune_job job = {.specs = &specs, .budget_ns = budget_ns, .clock = {.now_ns = now}};
    if (mop_tune_measure(&fake_backend, NULL, &job, t, report, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    mop_strlist_release(&specs);
    assert_int_equal(stage.begun, stage.ended);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(stage.runners[i].held, 0);
}

static void the_fastest_right_one_wins_by_its_median(void **state)
{
    const struct runner runners[] = {{"shipped", 1000, MOP_OK, 0, 0},
                                     {"faster", 800, MOP_OK, 0, 0},
                                     {"wrong", 10, MOP_ECHECK, 0, 0},
                                     {"refused", 10, MOP_EFAIL, 0, 0}};
    mop_tune t = {0};
    mop_tune_report report;
    (void)state;
    tune(runners, 4, 100000000, &t, &report);
    assert_true(report.n_operators > 4);
    assert_int_equal(report.n_tuned, report.n_operators);
    assert_int_equal(t.n, report.n_tuned);
    for (size_t i = 0; i < t.n; i++) {
        assert_string_equal(t.entries[i].key, "fake, fp32");
        assert_string_equal(t.entries[i].shipped, "shipped");
        assert_string_equal(t.entries[i].kernel, "faster");
        assert_true(t.entries[i].ratio == 1.25);
    }
    assert_int_equal(report.notes.n, 2 * t.n);
    assert_string_equal(report.notes.items[0], "wrong is wrong");
    assert_int_equal(stage.runners[2].turns, 0);
    mop_tune_release(&t);
    mop_tune_report_release(&report);
}

static void a_gain_below_two_percent_changes_nothing(void **state)
{
    const struct runner runners[] = {{"shipped", 1000, MOP_OK, 0, 0}, {"near", 985, MOP_OK, 0, 0}};
    mop_tune t = {0};
    mop_tune_report report;
    (void)state;
    tune(runners, 2, 100000000, &t, &report);
    assert_true(t.n > 0);
    for (size_t i = 0; i < t.n; i++) {
        assert_string_equal(t.entries[i].kernel, "shipped");
        assert_true(t.entries[i].ratio == 1);
    }
    mop_tune_release(&t);
    mop_tune_report_release(&report);
}

/* Three turns on entering, and none after for what is half as slow again as the best. The others
 * take turns. */
static void the_slow_are_dropped_and_the_others_alternate(void **state)
{
    const struct runner runners[] = {{"shipped", 1000, MOP_OK, 0, 0},
                                     {"slow", 1600, MOP_OK, 0, 0},
                                     {"close", 1400, MOP_OK, 0, 0},
                                     {"best", 900, MOP_OK, 0, 0}};
    mop_tune t = {0};
    mop_tune_report report;
    (void)state;
    tune(runners, 4, 100000000, &t, &report);
    assert_int_equal(stage.runners[1].turns, 3 * t.n);
    assert_int_equal(stage.runners[2].turns, 3 * t.n); /* dropped when the best had entered */
    assert_int_equal(stage.runners[0].turns, stage.runners[3].turns);
    assert_true(stage.runners[0].turns > 20 * t.n);
    for (size_t i = 12; i < 40; i++)
        assert_int_equal(stage.order[i], i % 2 == 0 ? 0 : 3);
    mop_tune_release(&t);
    mop_tune_report_release(&report);
}

static int64_t work_of(const char *shape, const mop_tune *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->entries[i].shape, shape) == 0)
            return (int64_t)i;
    return -1;
}

static void the_budget_goes_to_the_operators_with_most_work(void **state)
{
    const struct runner runners[] = {{"shipped", 1000, MOP_OK, 0, 0}, {"other", 900, MOP_OK, 0, 0}};
    mop_tune all = {0}, some = {0};
    mop_tune_report report, less;
    (void)state;
    tune(runners, 2, 100000000, &all, &report);
    tune(runners, 2, 40000, &some, &less); /* some three operators' least rounds */
    assert_int_equal(less.n_operators, report.n_operators);
    assert_true(less.n_tuned >= 1 && less.n_tuned < less.n_operators);
    assert_int_equal(some.n, less.n_tuned);
    for (size_t i = 0; i < some.n; i++)
        assert_int_equal(work_of(some.entries[i].shape, &all), i);
    mop_tune_release(&all);
    mop_tune_release(&some);
    mop_tune_report_release(&report);
    mop_tune_report_release(&less);
}

static void where_the_shipped_choice_is_wrong_nothing_is_chosen(void **state)
{
    const struct runner runners[] = {{"shipped", 1000, MOP_ECHECK, 0, 0},
                                     {"other", 900, MOP_OK, 0, 0}};
    mop_tune t = {0};
    mop_tune_report report;
    (void)state;
    tune(runners, 2, 100000000, &t, &report);
    assert_int_equal(t.n, 0);
    assert_int_equal(report.n_tuned, 0);
    assert_int_equal(report.notes.n, report.n_operators);
    mop_tune_report_release(&report);
}

/* Compiling takes time: half of an operator's share, then the race begins with who is there. */
static void entering_ends_when_half_of_the_time_is_over(void **state)
{
    const struct runner runners[] = {{"shipped", 1000, MOP_OK, 0, 0},
                                     {"second", 900, MOP_OK, 0, 0},
                                     {"third", 800, MOP_OK, 0, 0},
                                     {"late", 100, MOP_OK, 0, 0}};
    mop_strlist specs = {0};
    mop_tune t = {0};
    mop_tune_report report;
    mop_err err = {0};
    (void)state;
    memset(&stage, 0, sizeof stage);
    memcpy(stage.runners, runners, sizeof runners);
    stage.n = 4;
    stage.enter_ns = 2000000000;
    assert_int_equal(mop_specs_expand("cnn30@32", &specs, &err), MOP_OK);
    const mop_tune_job job = {.specs = &specs, .budget_ns = 30000000000, .clock = {.now_ns = now}};
    assert_int_equal(mop_tune_measure(&fake_backend, NULL, &job, &t, &report, &err), MOP_OK);
    assert_true(report.n_operators >= 6 && t.n > 0);
    assert_string_equal(t.entries[0].kernel, "second");
    assert_int_equal(stage.runners[3].turns, 0);
    mop_strlist_release(&specs);
    mop_tune_release(&t);
    mop_tune_report_release(&report);
}

static void a_back_end_without_a_choice_says_so(void **state)
{
    const mop_backend none = {.id = "none"};
    const mop_tune_job job = {.clock = {.now_ns = now}};
    mop_tune t = {0};
    mop_tune_report report;
    mop_err err = {0};
    (void)state;
    assert_int_equal(mop_tune_measure(&none, NULL, &job, &t, &report, &err), MOP_EUNSUPPORTED);
    assert_non_null(strstr(err.msg, "none"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fastest_right_one_wins_by_its_median),
        cmocka_unit_test(a_gain_below_two_percent_changes_nothing),
        cmocka_unit_test(the_slow_are_dropped_and_the_others_alternate),
        cmocka_unit_test(the_budget_goes_to_the_operators_with_most_work),
        cmocka_unit_test(where_the_shipped_choice_is_wrong_nothing_is_chosen),
        cmocka_unit_test(entering_ends_when_half_of_the_time_is_over),
        cmocka_unit_test(a_back_end_without_a_choice_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
