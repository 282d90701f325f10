/* The protocol under a fake clock, fake counters and scripted work: exact orders, runs, flags and
 * stop reasons. */
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

static void orders_are_permutations_fresh_each_pass_and_fixed_by_the_seed(void **state)
{
    uint32_t a[20], b[20], seen;
    int changed = 0;
    (void)state;
    for (uint32_t pass = 0; pass < 50; pass++) {
        mop_protocol_order(7, pass, a, 20);
        mop_protocol_order(7, pass, b, 20);
        assert_memory_equal(a, b, sizeof a);
        seen = 0;
        for (int i = 0; i < 20; i++)
            seen |= 1u << a[i];
        assert_int_equal(seen, (1u << 20) - 1);
        mop_protocol_order(7, pass + 1, b, 20);
        changed += memcmp(a, b, sizeof a) != 0;
    }
    assert_int_equal(changed, 50);
    mop_protocol_order(7, 0, a, 20);
    mop_protocol_order(8, 0, b, 20);
    assert_memory_not_equal(a, b, sizeof a);
}

static void every_visit_is_one_warm_run_and_three_samples_in_the_shuffled_order(void **state)
{
    lab *w = new_lab(5, 2 * MS);
    mop_err err = {0};
    uint32_t order[5];
    size_t at = 0, sample = 0;
    (void)state;
    w->protocol.max_passes = 4;
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_int_equal(w->n_passes, 4);
    for (uint32_t pass = 0; pass < 4; pass++) {
        mop_protocol_order(1, pass, order, 5);
        assert_int_equal(w->passes[pass].n_samples, 15);
        for (int v = 0; v < 5; v++) {
            /* the first visit alone has a sizing run */
            for (int run = 0; run < (pass == 0 ? 5 : 4); run++)
                assert_int_equal(w->log[at++], order[v]);
            for (uint32_t run = 0; run < 3; run++, sample++) {
                const mop_sample_record *s = &w->samples[sample];
                assert_int_equal(s->measurement_id, 100 + order[v]);
                assert_int_equal(s->pass, pass);
                assert_int_equal(s->run, run);
                assert_int_equal(s->batched, 1);
                assert_int_equal(s->wall_ns, 2 * MS);
                assert_int_equal(s->cpu_ns, 2 * MS);
                assert_true(s->device_ns == MOP_ABSENT);
                assert_int_equal(s->flags, 0);
            }
        }
    }
    assert_int_equal(at, w->n_log);
    assert_int_equal(sample, w->n_samples);
    free(w);
}

static void pass_times_count_from_the_origin_and_do_not_overlap(void **state)
{
    lab *w = new_lab(2, 2 * MS);
    mop_err err = {0};
    (void)state;
    w->protocol.max_passes = 3;
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_int_equal(w->passes[0].began_ns, 0);
    assert_int_equal(w->passes[0].ended_ns, 20 * MS); /* 2 subjects x 5 runs x 2 ms */
    assert_int_equal(w->passes[1].began_ns, 20 * MS);
    assert_int_equal(w->passes[1].ended_ns, 36 * MS); /* 2 x 4 x 2 ms */
    assert_int_equal(w->passes[2].ended_ns, 52 * MS);
    free(w);
}

static void a_run_over_200_ms_gets_one_sample_a_visit(void **state)
{
    lab *w = new_lab(2, 201 * MS);
    mop_err err = {0};
    (void)state;
    w->base_ns[1] = 199 * MS;
    w->protocol.max_passes = 2;
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_int_equal(w->results[0].n, 2);
    assert_int_equal(w->results[1].n, 6);
    free(w);
}

static void a_run_far_over_200_ms_has_no_sizing_run(void **state)
{
    lab *w = new_lab(1, 900 * MS);
    mop_err err = {0};
    (void)state;
    w->protocol.max_passes = 1;
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_int_equal(w->n_log, 2);
    assert_int_equal(w->n_samples, 1);
    free(w);
}

static void short_runs_are_batched_to_a_millisecond_and_k_stays(void **state)
{
    lab *w = new_lab(1, 30000);
    mop_err err = {0};
    (void)state;
    w->protocol.max_passes = 3;
    w->drift_ns[0] = 10000; /* later runs are longer; k was fixed in the first pass */
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    for (size_t i = 0; i < w->n_samples; i++)
        assert_int_equal(w->samples[i].batched, 34); /* ceil(1 ms / 30 us) */
    assert_int_equal(w->samples[0].wall_ns, 34 * 30000);
    assert_int_equal(w->samples[8].wall_ns, 34 * 50000);
    assert_int_equal(w->n_log, 2 + 3 * 34 + 2 * (1 + 3 * 34));
    assert_float_equal(w->results[0].median_ns, 40000, 0); /* an inference, not a sample */
    free(w);
}

static void a_slow_warm_run_does_not_shrink_k(void **state)
{
    lab *w = new_lab(1, MS / 2);
    mop_err err = {0};
    (void)state;
    w->protocol.max_passes = 1;
    lab_script(w, (lab_event){.run = 0, .kind = LAB_SLOW, .amount = 50 * MS});
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_int_equal(w->samples[0].batched, 2);
    free(w);
}

static void a_coarse_clock_makes_samples_of_a_thousand_steps(void **state)
{
    lab *w = new_lab(1, MS);
    mop_err err = {0};
    (void)state;
    w->tick_ns = 10000; /* 1000 steps are 10 ms */
    w->protocol.max_passes = 1;
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_int_equal(w->samples[0].batched, 10); /* ceil(10 ms / (1 ms + one tick)) */
    free(w);
}

static void each_cause_raises_its_own_flag_on_its_own_sample(void **state)
{
    lab *w = new_lab(2, 2 * MS);
    mop_err err = {0};
    uint32_t order[2], seen = 0;
    (void)state;
    w->protocol.max_passes = 3;
    /* in pass 1 run r of a visit is sample r - 1 */
    lab_script(w, (lab_event){0, 1, 1, LAB_PREEMPT, 1});
    lab_script(w, (lab_event){0, 1, 2, LAB_OFF_CPU, 20001});
    lab_script(w, (lab_event){0, 1, 3, LAB_FAULT, 4});
    lab_script(w, (lab_event){1, 1, 1, LAB_MIGRATE, 1});
    lab_script(w, (lab_event){1, 1, 2, LAB_OFF_CPU, 20000}); /* not over the tolerance */
    lab_script(w, (lab_event){1, 1, 3, LAB_SLOW, 40 * MS});  /* a spike without a cause */
    lab_script(w, (lab_event){1, 2, 0, LAB_PREEMPT, 3});     /* in a warm run: nobody's flag */
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    mop_protocol_order(1, 1, order, 2);
    const mop_sample_record *s = w->passes[1].samples;
    const uint32_t want[2][3] = {{MOP_FLAG_PREEMPTED, MOP_FLAG_OFF_CPU, MOP_FLAG_PAGE_FAULT},
                                 {MOP_FLAG_MIGRATED, 0, 0}};
    for (int v = 0; v < 2; v++) {
        for (int r = 0; r < 3; r++)
            assert_int_equal(s[v * 3 + r].flags, want[order[v]][r]);
    }
    for (size_t i = 0; i < w->n_samples; i++)
        seen += w->samples[i].flags != 0;
    assert_int_equal(seen, 4);
    assert_int_equal(w->results[0].n_clean, 6);
    assert_int_equal(w->results[1].n_clean, 8); /* the unexplained spike is kept as clean */
    assert_int_equal(w->results[1].n, 9);
    free(w);
}

static void half_a_percent_off_the_cpu_is_tolerated_in_long_samples(void **state)
{
    lab *w = new_lab(1, 100 * MS);
    mop_err err = {0};
    (void)state;
    w->protocol.max_passes = 1;
    lab_script(w, (lab_event){0, 0, 2, LAB_OFF_CPU, 500000});
    lab_script(w, (lab_event){0, 0, 3, LAB_OFF_CPU, 600000});
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_int_equal(w->samples[0].flags, 0);
    assert_int_equal(w->samples[1].flags, MOP_FLAG_OFF_CPU);
    free(w);
}

static void a_subject_that_waits_for_other_threads_is_not_judged_by_cpu_time(void **state)
{
    lab *w = new_lab(1, 2 * MS);
    mop_err err = {0};
    (void)state;
    w->protocol.max_passes = 1;
    w->subjects[0].is_host_single = false;
    lab_script(w, (lab_event){0, 0, 2, LAB_OFF_CPU, 1 * MS});
    lab_script(w, (lab_event){0, 0, 3, LAB_PREEMPT, 1});
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_int_equal(w->samples[0].flags, 0);
    assert_int_equal(w->samples[1].flags, MOP_FLAG_PREEMPTED);
    free(w);
}

static void absent_counters_are_absent_and_raise_no_flag(void **state)
{
    lab *w = new_lab(1, 2 * MS);
    mop_err err = {0};
    (void)state;
    w->has_counters = false;
    w->protocol.max_passes = 1;
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_true(w->samples[0].cpu_ns == MOP_ABSENT);
    assert_true(w->samples[0].invol_switches == MOP_ABSENT);
    assert_int_equal(w->samples[0].flags, 0);
    free(w);
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
            lab_script(w, (lab_event){0, pass, run, LAB_PREEMPT, 1});
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

static void the_settings_read_back_as_text(void **state)
{
    mop_protocol p;
    char text[256];
    (void)state;
    mop_protocol_default(&p);
    p.budget_ns = UINT64_MAX;
    mop_protocol_text(&p, text, sizeof text);
    assert_non_null(strstr(text, "runs=3;"));
    assert_non_null(strstr(text, "min_passes=12;max_passes=60;min_clean=30;precision=0.01;"));
    assert_non_null(strstr(text, "budget_ns=18446744073709551615;")); /* fits the record whole */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_are_permutations_fresh_each_pass_and_fixed_by_the_seed),
        cmocka_unit_test(every_visit_is_one_warm_run_and_three_samples_in_the_shuffled_order),
        cmocka_unit_test(pass_times_count_from_the_origin_and_do_not_overlap),
        cmocka_unit_test(a_run_over_200_ms_gets_one_sample_a_visit),
        cmocka_unit_test(a_run_far_over_200_ms_has_no_sizing_run),
        cmocka_unit_test(short_runs_are_batched_to_a_millisecond_and_k_stays),
        cmocka_unit_test(a_slow_warm_run_does_not_shrink_k),
        cmocka_unit_test(a_coarse_clock_makes_samples_of_a_thousand_steps),
        cmocka_unit_test(each_cause_raises_its_own_flag_on_its_own_sample),
        cmocka_unit_test(half_a_percent_off_the_cpu_is_tolerated_in_long_samples),
        cmocka_unit_test(a_subject_that_waits_for_other_threads_is_not_judged_by_cpu_time),
        cmocka_unit_test(absent_counters_are_absent_and_raise_no_flag),
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
        cmocka_unit_test(resumed_equals_uninterrupted),
        cmocka_unit_test(a_failing_store_ends_the_run_with_its_status),
        cmocka_unit_test(the_settings_read_back_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
