/* The protocol under a fake clock, fake counters and scripted work: exact orders, runs, batches
 * and flags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

static void a_run_too_short_to_see_is_batched_as_one_nanosecond(void **state)
{
    lab *w = new_lab(1, 0);
    mop_err err = {0};
    (void)state;
    w->protocol.max_passes = 1;
    w->protocol.min_sample_ns = 0; /* leaves the 1000 steps of the clock */
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_int_equal(w->samples[0].batched, 1000);
    free(w);
}

static void the_value_of_a_pass_is_the_median_of_its_samples(void **state)
{
    lab *w = new_lab(1, 2 * MS);
    mop_err err = {0};
    (void)state;
    w->protocol.max_passes = 1;
    lab_script(w, (lab_event){0, 0, 2, LAB_SLOW, 1 * MS});
    lab_script(w, (lab_event){0, 0, 3, LAB_SLOW, 5 * MS});
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    assert_float_equal(w->results[0].median_ns, 3 * MS, 0);
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
    lab_script(w, (lab_event){0, 1, 1, LAB_OFF_CPU, 3 * MS});
    lab_script(w, (lab_event){0, 2, 1, LAB_PREEMPT, 2}); /* for no time to speak of */
    lab_script(w, (lab_event){0, 1, 2, LAB_OFF_CPU, 20001});
    lab_script(w, (lab_event){0, 1, 3, LAB_FAULT, 4});
    lab_script(w, (lab_event){1, 1, 1, LAB_MIGRATE, 1});
    lab_script(w, (lab_event){1, 1, 2, LAB_OFF_CPU, 20000}); /* not over the tolerance */
    lab_script(w, (lab_event){1, 1, 3, LAB_SLOW, 40 * MS});  /* a spike without a cause */
    lab_script(w, (lab_event){1, 2, 0, LAB_PREEMPT, 3});     /* in a warm run: nobody's flag */
    assert_int_equal(lab_run(w, 0, NULL, 0, &err), MOP_OK);
    mop_protocol_order(1, 1, order, 2);
    const mop_sample_record *s = w->passes[1].samples;
    const uint32_t want[2][3] = {
        {MOP_FLAG_PREEMPTED | MOP_FLAG_OFF_CPU, MOP_FLAG_OFF_CPU, MOP_FLAG_PAGE_FAULT},
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
    lab_script(w, (lab_event){0, 0, 3, LAB_DELAY, 1 * MS});
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

static void the_settings_read_back_as_text(void **state)
{
    mop_protocol p;
    char text[512];
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
        cmocka_unit_test(a_run_too_short_to_see_is_batched_as_one_nanosecond),
        cmocka_unit_test(the_value_of_a_pass_is_the_median_of_its_samples),
        cmocka_unit_test(each_cause_raises_its_own_flag_on_its_own_sample),
        cmocka_unit_test(half_a_percent_off_the_cpu_is_tolerated_in_long_samples),
        cmocka_unit_test(a_subject_that_waits_for_other_threads_is_not_judged_by_cpu_time),
        cmocka_unit_test(absent_counters_are_absent_and_raise_no_flag),
        cmocka_unit_test(the_settings_read_back_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
