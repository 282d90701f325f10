/* The stop rule on ratios within passes, and calls that are one share of several processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/lab.h"

#define MS UINT64_C(1000000)

/* n subjects of 2 ms whose baseline is subject 0. */
static lab *new_lab(uint32_t n)
{
    lab *w = malloc(sizeof *w);
    assert_non_null(w);
    lab_init(w, n, 2 * MS);
    for (uint32_t i = 0; i < n; i++)
        w->subjects[i].baseline = 0;
    return w;
}

static void run(lab *w)
{
    mop_err err = {0};
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
}

static double ratio_half_width(const mop_subject_result *r)
{
    return (r->ratio_high - r->ratio_low) / 2 / r->ratio;
}

static void a_drift_of_the_machine_leaves_the_ratio_narrow(void **state)
{
    lab *w = new_lab(2);
    (void)state;
    w->base_ns[1] = 2 * MS + 40000;
    w->common_drift = 10; /* 1 % a pass */
    run(w);
    const mop_subject_result *r = &w->results[1];
    assert_int_equal(w->n_passes, 12);
    assert_int_equal(r->stop, MOP_STOP_PRECISION);
    assert_true(r->half_width > 0.03);
    assert_true(fabs(r->ratio - 1.02) < 1e-6); /* whole nanoseconds of 2 ms */
    assert_true(ratio_half_width(r) < 1e-6);
    assert_int_equal(r->ratio_passes, 12);
    /* nothing is asked of the baseline but passes and clean samples */
    assert_int_equal(w->results[0].stop, MOP_STOP_PRECISION);
    assert_true(w->results[0].half_width > 0.03);
    assert_true(isnan(w->results[0].ratio));
    free(w);
}

static void independent_noise_does_not_cancel(void **state)
{
    lab *w = new_lab(2);
    (void)state;
    w->jitter_ns[1] = 2 * MS;
    run(w);
    assert_int_equal(w->n_passes, 60);
    assert_int_equal(w->results[1].stop, MOP_STOP_PASSES);
    assert_true(ratio_half_width(&w->results[1]) > 0.01);
    assert_int_equal(w->results[0].stop, MOP_STOP_PRECISION);
    free(w);
}

static void a_noisy_baseline_widens_the_ratio_of_a_steady_subject(void **state)
{
    lab *w = new_lab(2);
    (void)state;
    w->jitter_ns[0] = 2 * MS;
    run(w);
    assert_int_equal(w->results[1].stop, MOP_STOP_PASSES);
    assert_float_equal(w->results[1].half_width, 0, 0);
    assert_true(ratio_half_width(&w->results[1]) > 0.01);
    free(w);
}

static void only_passes_in_which_both_are_clean_give_a_ratio(void **state)
{
    lab *w = new_lab(2);
    (void)state;
    for (uint32_t run_nr = 1; run_nr <= 3; run_nr++) {
        lab_script(w, (lab_event){0, 3, run_nr, LAB_FAULT, 1});
        lab_script(w, (lab_event){1, 5, run_nr, LAB_FAULT, 1});
    }
    run(w);
    assert_int_equal(w->results[1].passes, 12);
    assert_int_equal(w->results[1].ratio_passes, 10);
    assert_float_equal(w->results[1].ratio, 1, 0);
    free(w);
}

static void a_baseline_that_nobody_refers_to_is_judged_by_itself(void **state)
{
    lab *w = new_lab(2);
    (void)state;
    w->subjects[1].baseline = 1;
    w->common_drift = 10;
    run(w);
    assert_int_equal(w->n_passes, 60);
    assert_int_equal(w->results[0].stop, MOP_STOP_PASSES);
    assert_int_equal(w->results[1].stop, MOP_STOP_PASSES);
    free(w);
}

static void a_control_is_waited_for_by_nobody(void **state)
{
    lab *w = new_lab(3);
    (void)state;
    w->subjects[2].is_control = true;
    w->jitter_ns[2] = 4 * MS;
    run(w);
    assert_int_equal(w->n_passes, 12);
    assert_int_equal(w->satisfied, 2);
    assert_true(ratio_half_width(&w->results[2]) > 0.01);
    assert_int_equal(w->results[2].stop, MOP_STOP_PRECISION);
    w->protocol.max_passes = 9;
    run(w);
    assert_int_equal(w->results[2].stop, MOP_STOP_PASSES); /* the reason of all */
    assert_true(w->results[2].is_satisfied);
    free(w);
}

/* Only controls refer to the baseline: its own interval is all that speaks for it. */
static void a_control_does_not_make_a_baseline(void **state)
{
    lab *w = new_lab(2);
    (void)state;
    w->subjects[1].is_control = true;
    w->jitter_ns[0] = 4 * MS;
    run(w);
    assert_int_equal(w->n_passes, 60);
    assert_int_equal(w->results[0].stop, MOP_STOP_PASSES);
    free(w);
}

static void without_its_baseline_a_subject_is_judged_by_itself(void **state)
{
    lab *w = new_lab(3);
    (void)state;
    lab_script(w, (lab_event){0, 4, 0, LAB_FAIL, MOP_ELOST});
    w->drift_ns[2] = 40000; /* its own interval never narrows */
    run(w);
    assert_int_equal(w->n_passes, 60);
    assert_int_equal(w->results[0].stop, MOP_STOP_FAILED);
    assert_int_equal(w->results[1].stop, MOP_STOP_PRECISION);
    assert_int_equal(w->results[1].ratio_passes, 4);
    assert_true(isnan(w->results[1].ratio_low)); /* too few for an interval */
    assert_int_equal(w->results[2].stop, MOP_STOP_PASSES);
    free(w);
}

static void a_ratio_that_was_known_before_its_baseline_failed_still_counts(void **state)
{
    lab *w = new_lab(2);
    (void)state;
    w->common_drift = 10;
    lab_script(w, (lab_event){0, 8, 2, LAB_FAIL, MOP_ELOST});
    run(w);
    assert_int_equal(w->n_passes, 12);
    assert_int_equal(w->results[1].stop, MOP_STOP_PRECISION);
    assert_int_equal(w->results[1].ratio_passes, 8);
    free(w);
}

/* Goes on from everything that is stored, as the next process does. */
static mop_status go_on(lab *w, uint32_t share, uint32_t shares)
{
    mop_err err = {0};
    uint32_t first = w->n_passes > 0 ? w->passes[w->n_passes - 1].pass + 1 : 0;
    mop_sample_record *history = calloc(w->n_samples + 1, sizeof *history);
    assert_non_null(history);
    memcpy(history, w->samples, w->n_samples * sizeof *history);
    w->share = share;
    w->shares = shares;
    w->is_stopped = false;
    mop_status st = lab_run(w, first, history, w->n_samples, &err);
    free(history);
    return st;
}

static void ratios_of_a_resumed_sweep_are_those_of_a_whole_one(void **state)
{
    lab *whole = new_lab(3), *part = new_lab(3);
    (void)state;
    for (int i = 0; i < 3; i++)
        whole->jitter_ns[i] = part->jitter_ns[i] = 300000;
    whole->protocol.max_passes = part->protocol.max_passes = 20;
    run(whole);
    part->stop_after_passes = 7;
    assert_int_equal(go_on(part, 0, 0), MOP_EINTR);
    part->stop_after_passes = 0;
    assert_int_equal(go_on(part, 0, 0), MOP_OK);
    assert_int_equal(part->n_passes, whole->n_passes);
    for (int i = 1; i < 3; i++) {
        const mop_subject_result *a = &part->results[i], *b = &whole->results[i];
        assert_float_equal(a->ratio, b->ratio, 0);
        assert_float_equal(a->ratio_low, b->ratio_low, 0);
        assert_float_equal(a->ratio_high, b->ratio_high, 0);
        assert_int_equal(a->ratio_passes, 20);
        assert_int_equal(a->stop, b->stop);
    }
    free(whole);
    free(part);
}

static void each_of_three_shares_does_a_third_of_the_fewest_passes(void **state)
{
    lab *w = new_lab(2);
    (void)state;
    for (uint32_t share = 0; share < 3; share++) {
        assert_int_equal(go_on(w, share, 3), MOP_OK);
        assert_int_equal(w->n_passes, 4 * (share + 1));
        assert_int_equal(mop_protocol_has_more(w->results, 2), share < 2);
        for (int i = 0; i < 2; i++)
            assert_int_equal(w->results[i].stop, share < 2 ? MOP_STOP_NONE : MOP_STOP_PRECISION);
        assert_int_equal(w->passes[w->n_passes - 1].worker, 40 + share);
    }
    free(w);
}

static void shares_are_thirds_of_the_most_passes_where_noise_asks_for_them(void **state)
{
    lab *w = new_lab(2);
    (void)state;
    w->jitter_ns[1] = 2 * MS;
    for (uint32_t share = 0; share < 3; share++) {
        assert_int_equal(go_on(w, share, 3), MOP_OK);
        assert_int_equal(w->n_passes, 20 * (share + 1));
        assert_int_equal(mop_protocol_has_more(w->results, 2), share < 2);
    }
    assert_int_equal(w->results[1].stop, MOP_STOP_PASSES);
    free(w);
}

static void clean_samples_that_are_rare_ask_for_more_passes(void **state)
{
    lab *w = new_lab(1);
    (void)state;
    w->base_ns[0] = 300 * MS; /* one sample a visit: 30 passes */
    for (uint32_t share = 0; share < 3; share++) {
        assert_int_equal(go_on(w, share, 3), MOP_OK);
        assert_int_equal(w->n_passes, 10 * (share + 1));
    }
    assert_int_equal(w->results[0].stop, MOP_STOP_PRECISION);
    free(w);
}

static void where_nothing_is_clean_the_most_passes_are_shared(void **state)
{
    lab *w = new_lab(1);
    (void)state;
    for (uint32_t pass = 0; pass < 20; pass++)
        for (uint32_t run = 1; run <= 3; run++)
            lab_script(w, (lab_event){0, pass, run + (pass == 0), LAB_FAULT, 1});
    assert_int_equal(go_on(w, 0, 3), MOP_OK);
    assert_int_equal(w->n_passes, 20);
    assert_int_equal(w->results[0].n_clean, 0);
    free(w);
}

static void a_share_has_its_part_of_the_time(void **state)
{
    lab *w = new_lab(2);
    (void)state;
    w->jitter_ns[1] = 2 * MS; /* 60 passes would be 1.1 s */
    const uint64_t budget = 300 * MS;
    for (uint32_t share = 0; share < 3; share++) {
        uint64_t began = w->now_ns;
        w->protocol.budget_ns = budget - began;
        assert_int_equal(go_on(w, share, 3), MOP_OK);
        assert_true(w->now_ns - began <= (budget - began) / (3 - share));
        assert_int_equal(mop_protocol_has_more(w->results, 2), share < 2);
    }
    assert_true(w->now_ns > budget - 40 * MS); /* none of it is left lying */
    assert_int_equal(w->results[1].stop, MOP_STOP_BUDGET);
    free(w);
}

static void what_the_budget_can_hold_is_what_is_shared(void **state)
{
    lab *w = new_lab(1);
    (void)state;
    w->base_ns[0] = 10 * MS;
    w->protocol.budget_ns = 250 * MS; /* six passes of 40 ms and the sizing run */
    assert_int_equal(go_on(w, 0, 3), MOP_OK);
    assert_int_equal(w->n_passes, 1); /* 83 ms hold 50, and 50 more do not fit */
    assert_true(mop_protocol_has_more(w->results, 1));
    free(w);
}

static void a_share_that_finds_everything_satisfied_is_the_last(void **state)
{
    lab *w = new_lab(2);
    (void)state;
    w->jitter_ns[1] = 40000; /* 1 %: the first guess asks for more passes than there will be */
    w->protocol.precision = 0.002;
    uint32_t share = 0;
    do {
        assert_int_equal(go_on(w, share++, 3), MOP_OK);
    } while (mop_protocol_has_more(w->results, 2));
    size_t passes = w->n_passes;
    assert_int_equal(w->results[1].stop, MOP_STOP_PRECISION);
    assert_int_equal(go_on(w, 1, 3), MOP_OK);
    assert_int_equal(w->n_passes, passes);
    assert_false(mop_protocol_has_more(w->results, 2));
    assert_int_equal(w->results[1].stop, MOP_STOP_PRECISION);
    free(w);
}

static void a_resumed_sweep_shares_what_is_left(void **state)
{
    lab *w = new_lab(2);
    (void)state;
    w->jitter_ns[1] = 2 * MS;
    w->stop_after_passes = 30;
    assert_int_equal(go_on(w, 0, 0), MOP_EINTR);
    w->stop_after_passes = 0;
    for (uint32_t share = 0; share < 3; share++) {
        assert_int_equal(go_on(w, share, 3), MOP_OK);
        assert_int_equal(w->n_passes, 30 + 10 * (share + 1));
    }
    free(w);
}

static void no_subject_left_is_the_end_of_all_shares(void **state)
{
    lab *w = new_lab(1);
    (void)state;
    lab_script(w, (lab_event){0, 1, 0, LAB_FAIL, MOP_EFAIL});
    assert_int_equal(go_on(w, 0, 3), MOP_OK);
    assert_false(mop_protocol_has_more(w->results, 1));
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drift_of_the_machine_leaves_the_ratio_narrow),
        cmocka_unit_test(independent_noise_does_not_cancel),
        cmocka_unit_test(a_noisy_baseline_widens_the_ratio_of_a_steady_subject),
        cmocka_unit_test(only_passes_in_which_both_are_clean_give_a_ratio),
        cmocka_unit_test(a_baseline_that_nobody_refers_to_is_judged_by_itself),
        cmocka_unit_test(a_control_is_waited_for_by_nobody),
        cmocka_unit_test(a_control_does_not_make_a_baseline),
        cmocka_unit_test(without_its_baseline_a_subject_is_judged_by_itself),
        cmocka_unit_test(a_ratio_that_was_known_before_its_baseline_failed_still_counts),
        cmocka_unit_test(ratios_of_a_resumed_sweep_are_those_of_a_whole_one),
        cmocka_unit_test(each_of_three_shares_does_a_third_of_the_fewest_passes),
        cmocka_unit_test(shares_are_thirds_of_the_most_passes_where_noise_asks_for_them),
        cmocka_unit_test(clean_samples_that_are_rare_ask_for_more_passes),
        cmocka_unit_test(where_nothing_is_clean_the_most_passes_are_shared),
        cmocka_unit_test(a_share_has_its_part_of_the_time),
        cmocka_unit_test(what_the_budget_can_hold_is_what_is_shared),
        cmocka_unit_test(a_share_that_finds_everything_satisfied_is_the_last),
        cmocka_unit_test(a_resumed_sweep_shares_what_is_left),
        cmocka_unit_test(no_subject_left_is_the_end_of_all_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
