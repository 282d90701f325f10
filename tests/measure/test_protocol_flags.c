/* What the machine says around a visit, and what the clock does inside a sample: exact flags and
 * records from scripted canaries, steal, throttling and clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/support/lab.h"

#define MS UINT64_C(1000000)

/* n subjects of 2 ms; canaries and machine as asked for. */
static lab *new_lab(uint32_t n, bool has_canary, bool has_machine, uint32_t passes)
{
    lab *w = malloc(sizeof *w);
    assert_non_null(w);
    lab_init(w, n, 2 * MS);
    w->has_canary = has_canary;
    w->has_machine = has_machine;
    w->protocol.max_passes = passes;
    return w;
}

static void run(lab *w)
{
    mop_err err = {0};
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
}

/* All three samples of the visit at `position` of the pass carry exactly these flags. */
static void assert_visit_flags(const lab *w, uint32_t pass, size_t position, uint32_t flags)
{
    for (size_t r = 0; r < 3; r++)
        assert_int_equal(w->passes[pass].samples[position * 3 + r].flags, flags);
}

static void a_slow_chain_flags_the_visits_on_both_sides_of_it(void **state)
{
    lab *w = new_lab(4, true, false, 2);
    (void)state;
    lab_script(w, (lab_event){0, 1, 2, LAB_CANARY_CPU, 1501}); /* over 3 % of 50 us */
    run(w);
    for (size_t v = 0; v < 4; v++) {
        assert_visit_flags(w, 0, v, 0);
        assert_visit_flags(w, 1, v, v == 1 || v == 2 ? MOP_FLAG_CANARY : 0);
    }
    free(w);
}

static void the_first_and_the_closing_canary_flag_their_one_neighbour(void **state)
{
    lab *w = new_lab(3, true, false, 2);
    (void)state;
    lab_script(w, (lab_event){0, 0, 0, LAB_CANARY_CPU, 40000});
    lab_script(w, (lab_event){0, 1, 3, LAB_CANARY_CPU, 40000});
    run(w);
    for (size_t v = 0; v < 3; v++) {
        assert_visit_flags(w, 0, v, v == 0 ? MOP_FLAG_CANARY : 0);
        assert_visit_flags(w, 1, v, v == 2 ? MOP_FLAG_CANARY : 0);
    }
    free(w);
}

/* Position of a subject in the order of a pass. */
static size_t position_of(const lab *w, uint32_t pass, uint32_t subject)
{
    for (size_t v = 0; v < w->n_subjects; v++)
        if (w->passes[pass].visits[v].measurement_id == w->subjects[subject].measurement_id)
            return v;
    fail();
    return 0;
}

static void a_chain_beside_a_sample_flags_the_samples_on_both_sides_of_it(void **state)
{
    lab *w = new_lab(2, true, false, 3);
    (void)state;
    w->has_chain = true;
    lab_script(w, (lab_event){0, 1, 0, LAB_CHAIN, 1501}); /* after the untimed run */
    lab_script(w, (lab_event){1, 1, 1, LAB_CHAIN, 40000});
    lab_script(w, (lab_event){0, 2, 3, LAB_CHAIN, 40000}); /* after the last sample */
    lab_script(w, (lab_event){1, 2, 2, LAB_CHAIN, 1500});  /* within the tolerance */
    run(w);
    const uint32_t expected[3][2][3] = {
        {{0}},
        {{MOP_FLAG_CANARY, 0, 0}, {MOP_FLAG_CANARY, MOP_FLAG_CANARY, 0}},
        {{0, 0, MOP_FLAG_CANARY}, {0, 0, 0}}};
    for (uint32_t pass = 0; pass < 3; pass++)
        for (uint32_t i = 0; i < 2; i++)
            for (size_t r = 0; r < 3; r++)
                assert_int_equal(w->passes[pass].samples[3 * position_of(w, pass, i) + r].flags,
                                 expected[pass][i][r]);
    free(w);
}

static void chains_of_the_pairs_say_nothing_where_samples_have_their_own(void **state)
{
    lab *w = new_lab(2, true, false, 1);
    (void)state;
    w->has_chain = true;
    lab_script(w, (lab_event){0, 0, 0, LAB_CANARY_CPU, 40000});
    lab_script(w, (lab_event){0, 0, 2, LAB_CANARY_MEMORY, 2 * LAB_STREAM_NS + 1});
    run(w);
    assert_visit_flags(w, 0, 0, 0);
    assert_visit_flags(w, 0, 1, MOP_FLAG_CANARY); /* the stream's */
    free(w);
}

static void a_subject_may_ask_for_more_samples_a_visit(void **state)
{
    lab *w = new_lab(2, false, false, 2);
    (void)state;
    w->subjects[1].runs = 9;
    run(w);
    assert_int_equal(w->n_samples, 2 * (3 + 9));
    assert_int_equal(w->results[1].n, 18);
    assert_int_equal(w->results[0].n, 6);
    free(w);
}

static void a_canary_within_its_tolerance_flags_nothing(void **state)
{
    lab *w = new_lab(2, true, false, 1);
    (void)state;
    lab_script(w, (lab_event){0, 0, 0, LAB_CANARY_CPU, 1500});
    lab_script(w, (lab_event){0, 0, 1, LAB_CANARY_MEMORY, 2 * LAB_STREAM_NS});
    run(w);
    assert_visit_flags(w, 0, 0, 0);
    assert_visit_flags(w, 0, 1, 0);
    free(w);
}

static void a_slow_stream_has_a_tolerance_of_its_own(void **state)
{
    lab *w = new_lab(2, true, false, 1);
    (void)state;
    lab_script(w, (lab_event){0, 0, 0, LAB_CANARY_MEMORY, 2 * LAB_STREAM_NS + 1});
    run(w);
    assert_visit_flags(w, 0, 0, MOP_FLAG_CANARY);
    assert_visit_flags(w, 0, 1, 0);
    free(w);
}

/* Pairs of the whole first pass are slow, and none before it was. */
static void the_floor_is_known_before_the_first_pass(void **state)
{
    lab *w = new_lab(2, true, false, 1);
    (void)state;
    for (uint32_t mark = 0; mark < 3; mark++)
        lab_script(w, (lab_event){0, 0, mark, LAB_CANARY_CPU, 40000});
    run(w);
    assert_int_equal(w->n_first, MOP_CANARY_FIRST);
    assert_visit_flags(w, 0, 0, MOP_FLAG_CANARY);
    assert_visit_flags(w, 0, 1, MOP_FLAG_CANARY);
    free(w);
}

static void a_lower_floor_is_held_against_its_own_pass_and_all_later_ones(void **state)
{
    lab *w = new_lab(3, true, false, 3);
    (void)state;
    lab_script(w, (lab_event){0, 1, 3, LAB_CANARY_CPU, -20000}); /* a neighbour left for a moment */
    run(w);
    for (size_t v = 0; v < 3; v++) {
        assert_visit_flags(w, 0, v, 0); /* was stored by then */
        assert_visit_flags(w, 1, v, MOP_FLAG_CANARY);
        assert_visit_flags(w, 2, v, MOP_FLAG_CANARY);
    }
    free(w);
}

static void flags_of_a_visit_add_to_those_of_its_samples(void **state)
{
    lab *w = new_lab(1, true, true, 2);
    (void)state;
    lab_script(w, (lab_event){0, 1, 0, LAB_CANARY_CPU, 40000});
    lab_script(w, (lab_event){0, 1, 2, LAB_FAULT, 1});
    lab_script(w, (lab_event){0, 1, 3, LAB_STEAL, 1});
    run(w);
    const uint32_t both = MOP_FLAG_CANARY | MOP_FLAG_STEAL;
    const mop_sample_record *s = w->passes[1].samples;
    assert_int_equal(s[0].flags, both);
    assert_int_equal(s[1].flags, both | MOP_FLAG_PAGE_FAULT);
    assert_int_equal(s[2].flags, both);
    assert_int_equal(w->results[0].n_clean, 3);
    free(w);
}

static void visits_keep_their_place_and_their_canaries(void **state)
{
    lab *w = new_lab(3, true, true, 2);
    uint32_t order[3];
    (void)state;
    lab_script(w, (lab_event){0, 1, 1, LAB_CANARY_CPU, 1000});
    lab_script(w, (lab_event){0, 1, 2, LAB_CANARY_MEMORY, 77});
    run(w);
    mop_protocol_order(1, 1, order, 3);
    assert_int_equal(w->passes[1].n_visits, 3);
    for (uint32_t v = 0; v < 3; v++) {
        const mop_visit_record *x = &w->passes[1].visits[v];
        assert_int_equal(x->measurement_id, 100 + order[v]);
        assert_int_equal(x->pass, 1);
        assert_int_equal(x->position, v);
        assert_int_equal(x->canary_cpu_ns, LAB_CHAIN_NS + (v == 1 ? 1000 : 0));
        assert_int_equal(x->canary_memory_ns, LAB_STREAM_NS + (v == 2 ? 77 : 0));
    }
    assert_int_equal(w->passes[1].canary_cpu_ns, LAB_CHAIN_NS);
    assert_int_equal(w->passes[1].canary_memory_ns, LAB_STREAM_NS);
    assert_int_equal(w->n_glances, 2 * 4); /* before each visit and at the end */
    free(w);
}

static void a_visit_that_failed_leaves_no_record_and_its_neighbours_keep_theirs(void **state)
{
    lab *w = new_lab(3, true, false, 2);
    uint32_t order[3];
    (void)state;
    mop_protocol_order(1, 1, order, 3);
    lab_script(w, (lab_event){order[1], 1, 2, LAB_FAIL, MOP_EFAIL});
    lab_script(w, (lab_event){0, 1, 1, LAB_CANARY_CPU, 40000}); /* before the visit that fails */
    run(w);
    assert_int_equal(w->passes[1].n_visits, 2);
    assert_int_equal(w->passes[1].n_samples, 6);
    assert_int_equal(w->passes[1].visits[0].position, 0);
    assert_int_equal(w->passes[1].visits[1].position, 2);
    assert_visit_flags(w, 1, 0, MOP_FLAG_CANARY); /* it was right after this one */
    assert_visit_flags(w, 1, 1, 0);
    free(w);
}

static void the_pass_holds_what_the_machine_did_over_it(void **state)
{
    lab *w = new_lab(2, true, true, 2);
    (void)state;
    w->state = (mop_machine_state){.steal_ticks = 500,
                                   .irq_ticks = 600,
                                   .pressure_us = 700,
                                   .throttled = 0,
                                   .runnable = 3,
                                   .temperature_mc = 41000,
                                   .frequency_khz = 2450000};
    lab_script(w, (lab_event){0, 1, 1, LAB_STEAL, 4});
    run(w);
    assert_int_equal(w->passes[0].steal_ticks, 0);
    assert_int_equal(w->passes[1].steal_ticks, 4);
    assert_int_equal(w->passes[1].irq_ticks, 0);
    assert_int_equal(w->passes[1].pressure_us, 0);
    assert_int_equal(w->passes[1].runnable, 3);
    assert_int_equal(w->passes[1].temperature_mc, 41000);
    assert_int_equal(w->passes[1].frequency_khz, 2450000);
    assert_int_equal(w->passes[1].worker, 40);
    free(w);
}

static void a_machine_that_says_nothing_is_absent_and_raises_no_flag(void **state)
{
    lab *w = new_lab(1, false, false, 1);
    (void)state;
    run(w);
    const mop_pass_record *p = &w->passes[0];
    assert_true(p->canary_cpu_ns == MOP_ABSENT && p->canary_memory_ns == MOP_ABSENT);
    assert_true(p->steal_ticks == MOP_ABSENT && p->irq_ticks == MOP_ABSENT);
    assert_true(p->pressure_us == MOP_ABSENT && p->runnable == MOP_ABSENT);
    assert_true(p->temperature_mc == MOP_ABSENT && p->frequency_khz == MOP_ABSENT);
    assert_true(p->visits[0].canary_cpu_ns == MOP_ABSENT);
    assert_visit_flags(w, 0, 0, 0);
    free(w);
}

static void stolen_time_flags_the_visit_in_which_it_was_taken(void **state)
{
    lab *w = new_lab(3, true, true, 2);
    uint32_t order[3];
    (void)state;
    mop_protocol_order(1, 1, order, 3);
    lab_script(w, (lab_event){order[1], 1, 0, LAB_STEAL, 1}); /* in the warm run: of that visit */
    run(w);
    for (size_t v = 0; v < 3; v++)
        assert_visit_flags(w, 1, v, v == 1 ? MOP_FLAG_STEAL : 0);
    free(w);
}

/* One sample of 1.5 s after a warm run of 1.5 s and, the first time, 1.5 s of sizing. */
static void a_tick_in_a_visit_of_seconds_is_no_cause(void **state)
{
    lab *w = new_lab(1, false, true, 3);
    (void)state;
    w->base_ns[0] = 1500 * MS;
    lab_script(w, (lab_event){0, 1, 1, LAB_STEAL, 1}); /* 10 ms of 3 s: 0.33 % */
    lab_script(w, (lab_event){0, 2, 1, LAB_STEAL, 2}); /* 0.67 % */
    run(w);
    assert_int_equal(w->n_samples, 3);
    assert_int_equal(w->samples[1].flags, 0);
    assert_int_equal(w->samples[2].flags, MOP_FLAG_STEAL);
    free(w);
}

static void throttling_flags_its_visit(void **state)
{
    lab *w = new_lab(2, false, true, 2);
    uint32_t order[2];
    (void)state;
    mop_protocol_order(1, 1, order, 2);
    lab_script(w, (lab_event){order[1], 1, 2, LAB_THROTTLE, 1});
    run(w);
    assert_visit_flags(w, 1, 0, 0);
    assert_visit_flags(w, 1, 1, MOP_FLAG_THROTTLED);
    free(w);
}

static void a_clock_that_steps_forwards_shows_as_time_off_the_cpu(void **state)
{
    lab *w = new_lab(1, false, false, 2);
    (void)state;
    lab_script(w, (lab_event){0, 1, 2, LAB_CLOCK, 3600 * 1000 * (int64_t)MS});
    run(w);
    assert_int_equal(w->passes[1].samples[0].flags, 0);
    assert_int_equal(w->passes[1].samples[1].flags, MOP_FLAG_OFF_CPU);
    assert_int_equal(w->passes[1].samples[2].flags, 0);
    assert_float_equal(w->results[0].median_ns, 2 * MS, 0);
    free(w);
}

static void a_clock_that_goes_back_or_stands_is_flagged_and_times_nothing(void **state)
{
    lab *w = new_lab(1, false, false, 2);
    (void)state;
    lab_script(w, (lab_event){0, 1, 1, LAB_CLOCK, -(int64_t)(2 * MS)}); /* stands */
    lab_script(w, (lab_event){0, 1, 2, LAB_CLOCK, -(int64_t)(9 * MS)}); /* goes back */
    run(w);
    const mop_sample_record *s = w->passes[1].samples;
    assert_int_equal(s[0].flags, MOP_FLAG_CLOCK);
    assert_int_equal(s[0].wall_ns, 0);
    assert_int_equal(s[1].flags, MOP_FLAG_CLOCK);
    assert_int_equal(s[1].wall_ns, 0);
    assert_int_equal(s[2].flags, 0);
    assert_int_equal(w->results[0].n_clean, 4);
    assert_float_equal(w->results[0].median_ns, 2 * MS, 0);
    assert_true(w->passes[1].began_ns <= w->passes[1].ended_ns);
    assert_int_equal(w->passes[1].began_ns, w->passes[0].ended_ns);
    free(w);
}

static void a_clock_that_goes_back_while_a_subject_is_sized_makes_no_endless_batch(void **state)
{
    lab *w = new_lab(2, false, false, 1);
    (void)state;
    for (uint32_t run_nr = 0; run_nr < 2; run_nr++) {
        lab_script(w, (lab_event){0, 0, run_nr, LAB_CLOCK, -(int64_t)(3 * MS)});
        if (run_nr == 0)
            lab_script(w, (lab_event){1, 0, run_nr, LAB_CLOCK, -(int64_t)(3 * MS)});
    }
    w->now_ns = 1000 * MS;
    run(w);
    assert_int_equal(w->results[0].batched, 1);
    assert_int_equal(w->results[1].batched, 1);
    assert_int_equal(w->n_samples, 6);
    free(w);
}

static void a_slow_sample_without_a_cause_stays_clean(void **state)
{
    lab *w = new_lab(1, true, true, 2);
    (void)state;
    lab_script(w, (lab_event){0, 1, 2, LAB_SLOW, 100 * MS});
    run(w);
    assert_visit_flags(w, 1, 0, 0);
    assert_int_equal(w->results[0].n_clean, 6);
    free(w);
}

static void a_cold_subject_is_evicted_before_each_timed_run_and_never_batched(void **state)
{
    lab *w = new_lab(1, false, false, 2);
    const uint8_t evicted = LAB_EVICTED;
    const uint8_t want[] = {0, 0,       evicted, 0,       evicted, 0,       evicted,
                            0, /* one sizing run */
                            0, evicted, 0,       evicted, 0,       evicted, 0};
    (void)state;
    w->base_ns[0] = MS / 10; /* hot it would be batched by ten */
    w->subjects[0].evict = lab_evict;
    run(w);
    assert_int_equal(w->n_log, sizeof want);
    assert_memory_equal(w->log, want, sizeof want);
    for (size_t i = 0; i < w->n_samples; i++) {
        assert_int_equal(w->samples[i].batched, 1);
        assert_int_equal(w->samples[i].wall_ns, MS / 10); /* without the eviction */
        assert_int_equal(w->samples[i].flags, 0);
    }
    free(w);
}

static void threads_rest_after_each_visit_even_one_that_failed(void **state)
{
    lab *w = new_lab(1, false, false, 2);
    const uint8_t want[] = {0, 0, 0, 0, 0, LAB_RESTED, 0, 0, LAB_RESTED};
    (void)state;
    w->subjects[0].rest = lab_rest;
    lab_script(w, (lab_event){0, 1, 1, LAB_FAIL, MOP_EFAIL});
    run(w);
    assert_int_equal(w->n_log, sizeof want);
    assert_memory_equal(w->log, want, sizeof want);
    free(w);
}

static void device_time_is_the_sum_over_the_runs_of_a_sample(void **state)
{
    lab *w = new_lab(3, false, false, 1);
    (void)state;
    for (int i = 0; i < 2; i++)
        w->subjects[i].device_ns = lab_device_ns;
    w->base_ns[0] = MS / 4;
    w->device_ns[0] = 200000;
    w->device_ns[1] = MOP_ABSENT;
    run(w);
    for (size_t i = 0; i < w->n_samples; i++) {
        const mop_sample_record *s = &w->samples[i];
        if (s->measurement_id == 100) {
            assert_int_equal(s->batched, 4);
            assert_int_equal(s->device_ns, 800000);
        } else {
            assert_true(s->device_ns == MOP_ABSENT);
        }
    }
    free(w);
}

static void work_of_several_threads_is_counted_over_the_process(void **state)
{
    lab *w = new_lab(2, false, false, 2);
    (void)state;
    w->subjects[1].is_host_single = false;
    run(w);
    assert_int_equal(w->n_thread_readings, 2 * 3 * 2);
    assert_int_equal(w->n_process_readings, 2 * 3 * 2);
    assert_int_equal(w->n_refreshed, 2); /* once a pass */
    assert_int_equal(w->visiting[0], 2);
    assert_int_equal(w->visiting[1], 2);
    free(w);
}

static void samples_say_how_long_they_waited_and_where_they_ran(void **state)
{
    lab *w = new_lab(1, false, false, 2);
    (void)state;
    lab_script(w, (lab_event){0, 1, 1, LAB_DELAY, 15000}); /* under the tolerance */
    lab_script(w, (lab_event){0, 1, 2, LAB_MIGRATE, 1});
    run(w);
    const mop_sample_record *s = w->passes[1].samples;
    assert_int_equal(s[0].run_delay_ns, 15000);
    assert_int_equal(s[0].flags, 0);
    assert_int_equal(s[1].run_delay_ns, 0);
    assert_int_equal(s[1].cpu_before, 0);
    assert_int_equal(s[1].cpu_after, 1);
    assert_int_equal(s[1].flags, MOP_FLAG_MIGRATED);
    assert_int_equal(s[2].cpu_before, 1);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_chain_flags_the_visits_on_both_sides_of_it),
        cmocka_unit_test(the_first_and_the_closing_canary_flag_their_one_neighbour),
        cmocka_unit_test(a_chain_beside_a_sample_flags_the_samples_on_both_sides_of_it),
        cmocka_unit_test(chains_of_the_pairs_say_nothing_where_samples_have_their_own),
        cmocka_unit_test(a_subject_may_ask_for_more_samples_a_visit),
        cmocka_unit_test(a_canary_within_its_tolerance_flags_nothing),
        cmocka_unit_test(a_slow_stream_has_a_tolerance_of_its_own),
        cmocka_unit_test(the_floor_is_known_before_the_first_pass),
        cmocka_unit_test(a_lower_floor_is_held_against_its_own_pass_and_all_later_ones),
        cmocka_unit_test(flags_of_a_visit_add_to_those_of_its_samples),
        cmocka_unit_test(visits_keep_their_place_and_their_canaries),
        cmocka_unit_test(a_visit_that_failed_leaves_no_record_and_its_neighbours_keep_theirs),
        cmocka_unit_test(the_pass_holds_what_the_machine_did_over_it),
        cmocka_unit_test(a_machine_that_says_nothing_is_absent_and_raises_no_flag),
        cmocka_unit_test(stolen_time_flags_the_visit_in_which_it_was_taken),
        cmocka_unit_test(a_tick_in_a_visit_of_seconds_is_no_cause),
        cmocka_unit_test(throttling_flags_its_visit),
        cmocka_unit_test(a_clock_that_steps_forwards_shows_as_time_off_the_cpu),
        cmocka_unit_test(a_clock_that_goes_back_or_stands_is_flagged_and_times_nothing),
        cmocka_unit_test(a_clock_that_goes_back_while_a_subject_is_sized_makes_no_endless_batch),
        cmocka_unit_test(a_slow_sample_without_a_cause_stays_clean),
        cmocka_unit_test(a_cold_subject_is_evicted_before_each_timed_run_and_never_batched),
        cmocka_unit_test(threads_rest_after_each_visit_even_one_that_failed),
        cmocka_unit_test(device_time_is_the_sum_over_the_runs_of_a_sample),
        cmocka_unit_test(work_of_several_threads_is_counted_over_the_process),
        cmocka_unit_test(samples_say_how_long_they_waited_and_where_they_ran),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
