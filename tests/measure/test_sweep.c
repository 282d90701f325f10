/* Sweeps over small networks with fake back ends, a fake store and a clock that only runs move. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/bench.h"

#define MS UINT64_C(1000000)

static void a_sweep_measures_the_product_and_stores_all_of_it(void **state)
{
    bench *b = bench_new();
    (void)state;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->outcome.sweep_id, 77);
    assert_int_equal(b->outcome.n_rows, 4);
    assert_int_equal(b->outcome.n_done, 4);
    assert_int_equal(b->outcome.n_unsatisfied, 0);
    assert_int_equal(b->store.n_passes, 12);
    assert_int_equal(b->store.n_samples, 12 * 4 * 3);
    assert_int_equal(b->store.n_finished, 1);
    assert_int_equal(b->n_planned, 4);
    assert_int_equal(b->n_prepared, 4);
    assert_int_equal(b->n_passes, 12);
    assert_int_equal(b->n_finished, 1);
    assert_string_equal(b->store.sweep.build_id, "test");
    assert_non_null(strstr(b->store.sweep.plan_text, "variants=mobilenetv2-1.0@32"));
    assert_non_null(strstr(b->store.sweep.protocol, "min_passes=12;"));
    assert_int_equal(b->store.sweep.clock_cost_ns, 0);
    assert_int_equal(b->store.sweep.clock_step_ns, 1);
    assert_int_equal(b->store.n_devices, 2);
    assert_string_equal(b->store.devices[1].backend, "fake-b");
    assert_string_equal(b->store.devices[1].fingerprint, "cpu=fake;");
    assert_float_equal(b->store.devices[0].peak_flops, 1e9, 0);
    assert_int_equal(b->store.n_models, 4);
    assert_string_equal(b->store.models[0].family, "mobilenetv2");
    assert_int_equal(b->store.models[2].height, 33);
    assert_string_equal(b->store.kernel_of_last_layer[3], "fake_kernel");
    for (int i = 0; i < 4; i++) {
        const mop_measurement_record *r = &b->store.rows[i];
        assert_int_equal(r->state, MOP_DONE);
        assert_int_equal(r->stop, MOP_STOP_PRECISION);
        assert_true(r->checksum != 0);
        assert_true(r->error > 0 && r->error < r->error_bound);
        assert_true(r->node_error > 0 && r->node_error <= 1);
        assert_int_equal(r->setup_ns, 5000);
        assert_int_equal(r->first_run_ns, 7000);
        assert_int_equal(r->arena_bytes, 4096);
        assert_string_equal(r->dtype, "fp32");
        assert_float_equal(b->last[i].median_ns, 2 * MS, 0);
        assert_int_equal(b->last[i].n_clean, 36);
        assert_true(b->last[i].is_satisfied);
        assert_int_equal(b->store.layer_runs_of[i], 5);
        assert_int_equal(b->store.n_layers[i], b->store.n_layers[0]);
    }
    /* the same network with the same seed gives the same output on either back end */
    assert_true(b->store.rows[0].checksum == b->store.rows[1].checksum);
    assert_true(b->store.rows[0].checksum != b->store.rows[2].checksum);
    free(b);
}

static void a_dry_run_plans_and_touches_nothing(void **state)
{
    bench *b = bench_new();
    (void)state;
    b->options.dry_run = true;
    mop_status st = mop_sweep_run(&b->options, &b->world, NULL, &b->events, &b->outcome, &b->err);
    assert_int_equal(st, MOP_OK);
    assert_int_equal(b->n_planned, 4);
    assert_int_equal(fake.planned, 0);
    assert_int_equal(fake.runs, 0);
    assert_int_equal(b->outcome.sweep_id, 0);
    assert_true(b->outcome.estimate_ns > 0);
    assert_true(b->outcome.estimate_ns <= MOP_SWEEP_BUDGET_NS);
    assert_true(b->last[1].estimate_ns > 0);          /* fake-b is a software device */
    assert_float_equal(b->last[0].estimate_ns, 0, 0); /* nothing is known of fake-a's kind */
    assert_true(b->last[0].macs > 0 && b->last[0].params > 0);
    free(b);
}

static void a_wrong_output_fails_its_rows_and_no_time_is_stored_for_them(void **state)
{
    bench *b = bench_new();
    (void)state;
    fake.fault = FAKE_TWICE_BOUND;
    fake.fault_node = 4;
    fake.fault_height = 33;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->outcome.n_done, 2);
    assert_int_equal(b->outcome.n_failed, 2);
    for (int i = 2; i < 4; i++) {
        const mop_measurement_record *r = &b->store.rows[i];
        assert_int_equal(r->state, MOP_FAILED);
        assert_int_equal(r->stop, MOP_STOP_FAILED);
        assert_non_null(strstr(r->reason, ": node 4 "));
        assert_true(r->node_error > 1);
        assert_int_equal(b->store.layer_runs_of[i], 0);
    }
    assert_int_equal(b->store.n_samples, 12 * 2 * 3);
    for (size_t i = 0; i < b->store.n_samples; i++)
        assert_true(b->store.samples[i].measurement_id < 502);
    free(b);
}

static void a_device_lost_in_mid_sweep_costs_its_row_only(void **state)
{
    bench *b = bench_new();
    (void)state;
    fake.lost_at_run = 20; /* a run of the check, then 5 + 4 + 4 + 4 in passes: the fifth pass */
    fake.lost_height = 32;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->outcome.n_done, 2);
    assert_int_equal(b->outcome.n_failed, 2);
    assert_int_equal(b->store.rows[0].state, MOP_FAILED);
    assert_string_equal(b->store.rows[0].reason, "fake: the device is lost");
    assert_int_equal(b->store.rows[2].state, MOP_DONE);
    assert_int_equal(b->store.n_samples, 4 * 4 * 3 + 8 * 2 * 3);
    free(b);
}

static void a_named_back_end_without_a_device_stops_before_anything_is_written(void **state)
{
    bench *b = bench_new();
    (void)state;
    fake.is_absent[1] = true;
    assert_int_equal(bench_run(b), MOP_ENODEV);
    assert_string_equal(b->err.msg, "fake-b: there is no such device here");
    assert_int_equal(b->store.n_plans, 0);
    assert_int_equal(fake.runs, 0);
    free(b);
}

static void an_unnamed_back_end_without_a_device_is_left_out_with_a_remark(void **state)
{
    bench *b = bench_new();
    (void)state;
    b->options.n_specs = 1;
    fake.is_absent[1] = true;
    b->options.backends_named = false;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_string_equal(b->notes,
                        "back end fake-b is left out: fake-b: there is no such device here\n");
    assert_int_equal(b->outcome.n_rows, 1);
    assert_int_equal(b->outcome.n_done, 1);
    free(b);
}

static void no_device_at_all_is_no_device(void **state)
{
    bench *b = bench_new();
    (void)state;
    fake.is_absent[0] = fake.is_absent[1] = true;
    b->options.backends_named = false;
    assert_int_equal(bench_run(b), MOP_ENODEV);
    free(b);
}

static void an_empty_product_or_unknown_name_is_a_usage_error(void **state)
{
    static const char *const unknown[] = {"fake-a", "fake-z"};
    bench *b = bench_new();
    (void)state;
    b->options.n_specs = 0;
    assert_int_equal(bench_run(b), MOP_EINVAL);
    b->options.n_specs = 2;
    b->options.n_threads = 0;
    assert_int_equal(bench_run(b), MOP_EINVAL);
    b->options.n_threads = 1;
    b->options.backends = unknown;
    assert_int_equal(bench_run(b), MOP_EINVAL);
    assert_string_equal(b->err.msg, "unknown back end 'fake-z'");
    assert_int_equal(b->store.n_plans, 0);
    free(b);
}

static void thread_counts_make_rows_of_their_own(void **state)
{
    static const int threads[] = {1, 2, 1};
    static const int32_t batches[] = {1, 2};
    bench *b = bench_new();
    (void)state;
    b->options.n_specs = 1;
    b->options.threads = threads;
    b->options.n_threads = 3; /* the second 1 is the same device again */
    b->options.batches = batches;
    b->options.n_batches = 2;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->outcome.n_done, 8);
    assert_int_equal(b->store.rows[0].threads, 1);
    assert_int_equal(b->store.rows[1].threads, 2);
    assert_int_equal(b->store.rows[3].batch, 1);
    assert_int_equal(b->store.rows[4].batch, 2);
    free(b);
}

static void without_a_budget_eight_minutes_end_a_sweep(void **state)
{
    bench *b = bench_new();
    (void)state;
    fake.run_ns = 3000 * MS; /* 4 rows: a pass of 24 s; preparing 8 runs, 24 s */
    assert_int_equal(bench_run(b), MOP_OK);
    assert_true(b->outcome.elapsed_ns <= MOP_SWEEP_BUDGET_NS);
    assert_true(b->outcome.elapsed_ns > MOP_SWEEP_BUDGET_NS * 8 / 10);
    assert_int_equal(b->outcome.n_done, 4);
    assert_int_equal(b->outcome.n_unsatisfied, 4); /* too few clean samples */
    for (int i = 0; i < 4; i++) {
        assert_int_equal(b->store.rows[i].stop, MOP_STOP_BUDGET);
        assert_true(b->store.layer_runs_of[i] >= 1);
    }
    free(b);
}

static void rows_that_preparation_does_not_reach_stay_pending(void **state)
{
    bench *b = bench_new();
    (void)state;
    fake.run_ns = 100 * MS;
    b->options.budget_ns = 600 * MS; /* preparing the first network takes 400 ms: over 60 % */
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->outcome.n_done, 2);
    assert_int_equal(b->outcome.n_pending, 2);
    assert_int_equal(b->store.rows[2].state, MOP_PENDING);
    assert_int_equal(b->store.n_layers[2], 0);
    assert_non_null(strstr(b->notes, "1 of 2 networks stay pending"));

    fake.run_ns = 2 * MS; /* on a faster day, the rest */
    b->options.resume = true;
    b->options.budget_ns = 0; /* how long is not part of the plan */
    assert_int_equal(bench_run(b), MOP_OK);
    assert_true(b->outcome.is_resumed);
    assert_int_equal(b->outcome.n_done, 4);
    assert_int_equal(b->store.n_plans, 1);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(b->store.n_layers[i], b->store.n_layers[0]);
        assert_int_equal(b->last[i].passes >= 12, i >= 2); /* what was out of time is done */
    }
    assert_true(b->store.n_layers[0] > 0);
    free(b);
}

static void a_resumed_row_has_all_its_passes_before_it(void **state)
{
    bench *b = bench_new();
    (void)state;
    fake.run_ns = 100 * MS;
    b->options.precision = 1e-9;
    b->options.budget_ns = 600 * MS;
    b->options.max_passes = 1; /* the first network has had them all when the second begins */
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->outcome.n_pending, 2);
    assert_int_equal(b->store.n_passes, 1);
    b->options.resume = true;
    b->options.budget_ns = 0;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->store.n_passes, 2);
    assert_int_equal(b->last[2].n, 3);
    assert_int_equal(b->store.rows[2].stop, MOP_STOP_PASSES);
    free(b);
}

static void plans_beyond_half_the_memory_are_skipped_with_a_sentence(void **state)
{
    bench *b = bench_new();
    (void)state;
    b->world.memory_bytes = 2 * 3 * 5120; /* three plans of 4096 + 1024 bytes fit in half of it */
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->outcome.n_done, 3);
    assert_int_equal(b->outcome.n_skipped, 1);
    assert_int_equal(b->store.rows[3].state, MOP_SKIPPED);
    assert_non_null(strstr(b->store.rows[3].reason, "sweep fewer variants at a time"));
    free(b);
}

static void an_interrupt_in_preparation_leaves_nothing_behind(void **state)
{
    bench *b = bench_new();
    (void)state;
    b->stop_at_poll = 2; /* before the second network */
    assert_int_equal(bench_run(b), MOP_EINTR);
    assert_string_equal(b->err.msg, "interrupted before the first pass");
    assert_int_equal(b->store.n_plans, 0);
    assert_int_equal(b->outcome.sweep_id, 0);
    free(b);
}

static void an_interrupted_sweep_resumes_to_the_same_samples(void **state)
{
    bench *whole = bench_new();
    (void)state;
    whole->options.n_specs = 1;
    assert_int_equal(bench_run(whole), MOP_OK);

    bench *b = bench_new();
    b->options.n_specs = 1;
    b->stop_after_pass = 5;
    assert_int_equal(bench_run(b), MOP_EINTR);
    assert_int_equal(b->store.n_passes, 5);
    assert_int_equal(b->outcome.n_pending, 2);
    assert_int_equal(b->store.rows[0].stop, MOP_STOP_INTERRUPT);
    assert_int_equal(b->store.n_finished, 1);
    assert_int_equal(b->store.n_layer_runs, 0);

    b->stop_after_pass = 0;
    b->is_stopped = false;
    b->options.resume = true;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_true(b->outcome.is_resumed);
    assert_int_equal(b->outcome.n_done, 2);
    assert_int_equal(b->store.n_plans, 1);
    assert_int_equal(b->store.n_passes, whole->store.n_passes);
    assert_int_equal(b->store.n_samples, whole->store.n_samples);
    for (size_t i = 0; i < b->store.n_samples; i++) {
        assert_int_equal(b->store.samples[i].measurement_id,
                         whole->store.samples[i].measurement_id);
        assert_int_equal(b->store.samples[i].pass, whole->store.samples[i].pass);
        assert_int_equal(b->store.samples[i].wall_ns, whole->store.samples[i].wall_ns);
    }
    free(whole);
    free(b);
}

static void a_satisfied_but_interrupted_row_is_not_failed_by_resuming_at_the_end(void **state)
{
    bench *b = bench_new();
    (void)state;
    b->options.n_specs = 1;
    b->stop_after_pass = 12; /* nothing is left to measure, but the rows are pending */
    assert_int_equal(bench_run(b), MOP_EINTR);
    b->stop_after_pass = 0;
    b->is_stopped = false;
    b->options.resume = true;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->outcome.n_done, 2);
    assert_int_equal(b->store.n_passes, 12);
    assert_string_equal(b->store.rows[0].reason, "");
    free(b);
}

static void resume_of_another_plan_or_of_nothing_begins_anew(void **state)
{
    bench *b = bench_new();
    (void)state;
    b->options.n_specs = 1;
    b->options.resume = true;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_false(b->outcome.is_resumed);
    assert_int_equal(b->outcome.n_done, 2);
    assert_non_null(strstr(b->notes, "a new sweep begins"));
    free(b);
}

static void the_plan_is_named_by_what_is_measured_and_not_by_how_long(void **state)
{
    bench *b = bench_new();
    uint64_t first;
    (void)state;
    b->options.n_specs = 1;
    assert_int_equal(bench_run(b), MOP_OK);
    first = b->store.sweep.plan_hash;
    fake_sink_init(&b->store);
    b->options.budget_ns = 100000 * MS;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_true(b->store.sweep.plan_hash == first);
    fake_sink_init(&b->store);
    b->options.seed = 4;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_true(b->store.sweep.plan_hash != first);
    free(b);
}

static void a_store_that_fails_in_planning_is_rolled_back(void **state)
{
    bench *b = bench_new();
    (void)state;
    b->options.n_specs = 1;
    b->store.fail_model = true;
    assert_int_equal(bench_run(b), MOP_EIO);
    assert_int_equal(b->store.n_aborted, 1);
    assert_int_equal(b->store.n_rows, 0);
    free(b);
}

static void a_store_that_fails_in_a_pass_ends_the_sweep(void **state)
{
    bench *b = bench_new();
    (void)state;
    b->options.n_specs = 1;
    b->store.fail_pass = 3;
    assert_int_equal(bench_run(b), MOP_EIO);
    assert_string_equal(b->err.msg, "the disk is full");
    assert_int_equal(b->store.n_passes, 2);
    assert_int_equal(b->store.rows[0].state, MOP_PENDING);
    free(b);
}

static void a_back_end_that_cannot_profile_still_measures(void **state)
{
    bench *b = bench_new();
    (void)state;
    b->options.n_specs = 1;
    fake.has_no_profile = true;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->outcome.n_done, 2);
    assert_int_equal(b->store.n_layer_runs, 0);
    assert_non_null(strstr(b->notes, "has no layer times: fake: cannot profile"));
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sweep_measures_the_product_and_stores_all_of_it),
        cmocka_unit_test(a_dry_run_plans_and_touches_nothing),
        cmocka_unit_test(a_wrong_output_fails_its_rows_and_no_time_is_stored_for_them),
        cmocka_unit_test(a_device_lost_in_mid_sweep_costs_its_row_only),
        cmocka_unit_test(a_named_back_end_without_a_device_stops_before_anything_is_written),
        cmocka_unit_test(an_unnamed_back_end_without_a_device_is_left_out_with_a_remark),
        cmocka_unit_test(no_device_at_all_is_no_device),
        cmocka_unit_test(an_empty_product_or_unknown_name_is_a_usage_error),
        cmocka_unit_test(thread_counts_make_rows_of_their_own),
        cmocka_unit_test(without_a_budget_eight_minutes_end_a_sweep),
        cmocka_unit_test(rows_that_preparation_does_not_reach_stay_pending),
        cmocka_unit_test(a_resumed_row_has_all_its_passes_before_it),
        cmocka_unit_test(plans_beyond_half_the_memory_are_skipped_with_a_sentence),
        cmocka_unit_test(an_interrupt_in_preparation_leaves_nothing_behind),
        cmocka_unit_test(an_interrupted_sweep_resumes_to_the_same_samples),
        cmocka_unit_test(a_satisfied_but_interrupted_row_is_not_failed_by_resuming_at_the_end),
        cmocka_unit_test(resume_of_another_plan_or_of_nothing_begins_anew),
        cmocka_unit_test(the_plan_is_named_by_what_is_measured_and_not_by_how_long),
        cmocka_unit_test(a_store_that_fails_in_planning_is_rolled_back),
        cmocka_unit_test(a_store_that_fails_in_a_pass_ends_the_sweep),
        cmocka_unit_test(a_back_end_that_cannot_profile_still_measures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
