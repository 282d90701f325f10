/* When the protocol stops, why, and what survives: budget, failures, interrupts, resuming. */
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

static lab *new_lab(uint32_t n, uint64_t base_ns)
{
    lab *w = malloc(sizeof *w);
    assert_non_null(w);
    lab_init(w, n, base_ns);
    return w;
}

static void steady_subjects_stop_at_the_smallest_number_of_passes(void **state)
{
    lab *w = new_lab(3, 2 * MS);
    mop_err err = {0};
    (void)state;
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_int_equal(w->n_passes, 12);
    assert_int_equal(w->satisfied, 3);
    assert_int_equal(w->eta_ns, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(w->results[i].stop, MOP_STOP_PRECISION);
        assert_int_equal(w->results[i].passes, 12);
        assert_int_equal(w->results[i].n_clean, 36);
        assert_float_equal(w->results[i].median_ns, 2 * MS, 0);
        assert_float_equal(w->results[i].half_width, 0, 0);
    }
    free(w);
}

static void thirty_clean_samples_are_awaited(void **state)
{
    lab *w = new_lab(1, 300 * MS); /* one sample a visit */
    mop_err err = {0};
    (void)state;
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_int_equal(w->n_passes, 30);
    assert_int_equal(w->results[0].stop, MOP_STOP_PRECISION);
    free(w);
}

static void a_satisfied_subject_is_visited_until_all_are(void **state)
{
    lab *w = new_lab(2, 2 * MS);
    mop_err err = {0};
    (void)state;
    w->jitter_ns[1] = 4 * MS; /* never within 1 % */
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_int_equal(w->n_passes, 60);
    assert_int_equal(w->results[0].stop, MOP_STOP_PRECISION);
    assert_int_equal(w->results[0].passes, 60);
    assert_int_equal(w->results[1].stop, MOP_STOP_PASSES);
    assert_true(w->results[1].half_width > 0.01);
    assert_true(w->results[1].low_ns < w->results[1].median_ns);
    assert_true(w->results[1].high_ns > w->results[1].median_ns);
    free(w);
}

static void drift_widens_the_interval_instead_of_hiding(void **state)
{
    lab *w = new_lab(1, 2 * MS);
    mop_err err = {0};
    (void)state;
    w->drift_ns[0] = 20000; /* 1 % of the first pass, each pass */
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_int_equal(w->results[0].stop, MOP_STOP_PASSES);
    assert_true(w->results[0].half_width > 0.03);
    free(w);
}

static void a_subject_without_clean_samples_is_never_satisfied(void **state)
{
    lab *w = new_lab(1, 2 * MS);
    mop_err err = {0};
    (void)state;
    w->protocol.max_passes = 13;
    w->protocol.min_clean = 0;
    for (uint32_t pass = 0; pass < 13; pass++) {
        for (uint32_t run = 1; run < 5; run++)
            lab_script(w, (lab_event){0, pass, run, LAB_OFF_CPU, MS});
    }
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_int_equal(w->results[0].n_clean, 0);
    assert_int_equal(w->results[0].n, 39);
    assert_true(isnan(w->results[0].median_ns));
    assert_int_equal(w->results[0].stop, MOP_STOP_PASSES);
    free(w);
}

static void a_pass_that_would_overrun_the_budget_is_not_begun(void **state)
{
    lab *w = new_lab(2, 10 * MS); /* pass 0: 100 ms, then 80 ms each */
    mop_err err = {0};
    (void)state;
    w->jitter_ns[1] = 2;
    w->protocol.precision = 1e-12;
    w->protocol.budget_ns =
        450 * MS; /* after pass 3: 340 spent + 100 (the longest) fits; then not */
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_int_equal(w->n_passes, 5);
    assert_int_equal(w->passes[4].n_samples, 6);
    assert_int_equal(w->results[0].stop, MOP_STOP_BUDGET);
    assert_int_equal(w->results[1].stop, MOP_STOP_BUDGET);
    free(w);
}

static void a_budget_spent_in_mid_pass_still_finishes_that_pass(void **state)
{
    lab *w = new_lab(3, 10 * MS);
    mop_err err = {0};
    (void)state;
    w->protocol.budget_ns = 40 * MS; /* less than one visit of three */
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_int_equal(w->n_passes, 1);
    assert_int_equal(w->n_samples, 9);
    assert_int_equal(w->results[2].stop, MOP_STOP_BUDGET);
    free(w);
}

static void the_estimate_of_what_is_left_comes_from_finished_passes(void **state)
{
    lab *w = new_lab(1, 10 * MS);
    mop_err err = {0};
    (void)state;
    w->stop_after_passes = 3;
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_EINTR);
    /* 50 + 40 + 40 ms so far; 9 of the smallest 12 passes are left at their mean */
    assert_int_equal(w->eta_ns, 9 * 130 * MS / 3);
    free(w);
}

static void a_failing_subject_is_dropped_with_its_reason_and_its_visit(void **state)
{
    lab *w = new_lab(3, 2 * MS);
    mop_err err = {0};
    (void)state;
    lab_script(w, (lab_event){1, 3, 2, LAB_FAIL, MOP_ELOST}); /* second sample of pass 3 */
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_int_equal(err.code, MOP_OK);
    assert_int_equal(w->n_passes, 12);
    for (size_t p = 0; p < 12; p++)
        assert_int_equal(w->passes[p].n_samples, p < 3 ? 9 : 6);
    assert_int_equal(w->results[1].stop, MOP_STOP_FAILED);
    assert_int_equal(w->results[1].failure.code, MOP_ELOST);
    assert_string_equal(w->results[1].failure.msg, "subject 1 broke in pass 3");
    assert_int_equal(w->results[1].passes, 3);
    assert_int_equal(w->results[0].stop, MOP_STOP_PRECISION);
    assert_int_equal(w->results[2].stop, MOP_STOP_PRECISION);
    free(w);
}

static void the_run_ends_when_no_subject_is_left(void **state)
{
    lab *w = new_lab(1, 2 * MS);
    mop_err err = {0};
    (void)state;
    lab_script(w, (lab_event){0, 0, 0, LAB_FAIL, MOP_EFAIL});
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_int_equal(w->n_log, 1);
    assert_int_equal(w->results[0].stop, MOP_STOP_FAILED);
    free(w);
}

static void an_interrupt_discards_the_pass_under_way(void **state)
{
    lab *w = new_lab(4, 2 * MS);
    mop_err err = {0};
    uint32_t order[4];
    (void)state;
    mop_protocol_order(1, 5, order, 4);
    lab_script(w, (lab_event){order[1], 5, 1, LAB_STOP, 0});
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_EINTR);
    assert_string_equal(err.msg, "interrupted after 5 finished passes");
    assert_int_equal(w->n_passes, 5);
    assert_int_equal(w->n_log, 4 * 5 + 4 * 4 * 4 + 2 * 4); /* the visit under way was ended */
    for (int i = 0; i < 4; i++)
        assert_int_equal(w->results[i].stop, MOP_STOP_INTERRUPT);
    free(w);
}

static void assert_same_sample(const mop_sample_record *a, const mop_sample_record *b)
{
    assert_int_equal(a->measurement_id, b->measurement_id);
    assert_int_equal(a->pass, b->pass);
    assert_int_equal(a->run, b->run);
    assert_int_equal(a->batched, b->batched);
    assert_int_equal(a->wall_ns, b->wall_ns);
    assert_int_equal(a->cpu_ns, b->cpu_ns);
    assert_int_equal(a->flags, b->flags);
}

/* Resuming measures all of them, so none is done yet. */
static void an_interrupt_leaves_satisfied_subjects_open_too(void **state)
{
    lab *w = new_lab(2, 2 * MS);
    mop_err err = {0};
    (void)state;
    w->jitter_ns[1] = 4 * MS;
    w->stop_after_passes = 14;
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_EINTR);
    assert_true(w->results[0].is_satisfied);
    assert_int_equal(w->results[0].stop, MOP_STOP_INTERRUPT);
    assert_int_equal(w->results[1].stop, MOP_STOP_INTERRUPT);
    free(w);
}

static void resumed_equals_uninterrupted(void **state)
{
    lab *whole = new_lab(4, 300000), *part = new_lab(4, 300000);
    mop_err err = {0};
    (void)state;
    for (int i = 0; i < 4; i++)
        whole->jitter_ns[i] = part->jitter_ns[i] = 30000;
    whole->protocol.max_passes = part->protocol.max_passes = 20;
    assert_int_equal(lab_run(whole, 0, NULL, 0, &err), MOP_OK);
    part->stop_after_passes = 5;
    assert_int_equal(lab_run(part, 0, NULL, 0, &err), MOP_EINTR);
    assert_int_equal(part->n_passes, 5);

    part->stop_after_passes = 0;
    part->is_stopped = false;
    err = (mop_err){0};
    mop_sample_record *history = calloc(part->n_samples + 1, sizeof *history);
    assert_non_null(history);
    memcpy(history, part->samples, part->n_samples * sizeof *history);
    /* a sample of somebody else's measurement is passed over */
    history[part->n_samples] = (mop_sample_record){.measurement_id = 7, .batched = 1, .wall_ns = 9};
    assert_int_equal(lab_run(part, 5, history, part->n_samples + 1, &err), MOP_OK);
    assert_int_equal(part->n_passes, whole->n_passes);
    assert_int_equal(part->n_samples, whole->n_samples);
    for (size_t i = 0; i < whole->n_samples; i++)
        assert_same_sample(&part->samples[i], &whole->samples[i]);
    for (int i = 0; i < 4; i++) {
        const mop_subject_result *a = &part->results[i], *b = &whole->results[i];
        assert_int_equal(a->stop, b->stop);
        assert_int_equal(a->passes, b->passes);
        assert_int_equal(a->n_clean, b->n_clean);
        assert_float_equal(a->median_ns, b->median_ns, 0);
        assert_float_equal(a->half_width, b->half_width, 0);
    }
    free(history);
    free(whole);
    free(part);
}

static void a_failing_store_ends_the_run_with_its_status(void **state)
{
    lab *w = new_lab(2, 2 * MS);
    mop_err err = {0};
    (void)state;
    w->fail_sink_at = 2;
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_EIO);
    assert_string_equal(err.msg, "the disk is full");
    assert_int_equal(w->n_passes, 2);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steady_subjects_stop_at_the_smallest_number_of_passes),
        cmocka_unit_test(thirty_clean_samples_are_awaited),
        cmocka_unit_test(a_satisfied_subject_is_visited_until_all_are),
        cmocka_unit_test(drift_widens_the_interval_instead_of_hiding),
        cmocka_unit_test(a_subject_without_clean_samples_is_never_satisfied),
        cmocka_unit_test(a_pass_that_would_overrun_the_budget_is_not_begun),
        cmocka_unit_test(a_budget_spent_in_mid_pass_still_finishes_that_pass),
        cmocka_unit_test(the_estimate_of_what_is_left_comes_from_finished_passes),
        cmocka_unit_test(a_failing_subject_is_dropped_with_its_reason_and_its_visit),
        cmocka_unit_test(the_run_ends_when_no_subject_is_left),
        cmocka_unit_test(an_interrupt_discards_the_pass_under_way),
        cmocka_unit_test(an_interrupt_leaves_satisfied_subjects_open_too),
        cmocka_unit_test(resumed_equals_uninterrupted),
        cmocka_unit_test(a_failing_store_ends_the_run_with_its_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
