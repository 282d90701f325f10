/* The bounds that layer times are held to, from scripted runs and through a whole sweep, and when
 * that asks a device for its own time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "profiler/measure/layers.h"
#include "tests/support/bench.h"

/* Runs of 3 layers of 100, 200 and 700 ns, each profiled run `more` ns longer. */
static void fill(mop_layer_series *t, size_t runs, double more)
{
    static const double layer[] = {100, 200, 700};
    assert_int_equal(mop_layer_series_init(t, 8, 3, NULL), MOP_OK);
    t->is_host_clock = true;
    t->runs = runs;
    for (size_t r = 0; r < runs; r++) {
        t->plain[r] = 1000;
        t->profiled[r] = 1000 + more;
        t->total[r] = 1000;
        for (size_t k = 0; k < 3; k++)
            t->layer[k * t->cap + r] = layer[k];
    }
}

static void reading_the_clock_is_taken_off_the_overhead(void **state)
{
    mop_layer_series t;
    (void)state;
    fill(&t, 5, 60);
    mop_layer_bounds b = mop_layer_series_bounds(&t, 15); /* 4 stamps of 15 ns */
    assert_float_equal(b.overhead, 0, 1e-12);
    assert_float_equal(b.residual, 0, 1e-12);
    assert_true(mop_layers_are_reliable(&b));
    b = mop_layer_series_bounds(&t, 10); /* 20 ns remain: 2 % */
    assert_float_equal(b.overhead, 0.02, 1e-12);
    assert_false(mop_layers_are_reliable(&b));
    t.is_host_clock = false; /* a device's stamps are not the host's readings */
    b = mop_layer_series_bounds(&t, 15);
    assert_float_equal(b.overhead, 0.06, 1e-12);
    mop_layer_series_release(&t);
}

static void medians_that_do_not_sum_to_the_total_are_unreliable(void **state)
{
    mop_layer_series t;
    (void)state;
    fill(&t, 3, 0);
    for (size_t k = 0; k < 3; k++) { /* in each run another layer was disturbed */
        t.layer[k * t.cap + k] += 50;
        t.total[k] += 50;
    }
    mop_layer_bounds b = mop_layer_series_bounds(&t, 0);
    assert_float_equal(b.residual, 1000.0 / 1050 - 1, 1e-12);
    assert_false(mop_layers_are_reliable(&b));
    mop_layer_series_release(&t);
}

static void the_limits_are_one_and_three_percent(void **state)
{
    const mop_layer_bounds good = {.overhead = 0.01, .residual = -0.03};
    const mop_layer_bounds slow = {.overhead = 0.0101}, off = {.residual = 0.0301};
    const mop_layer_bounds unknown = {.overhead = (double)NAN, .residual = (double)NAN};
    (void)state;
    assert_true(mop_layers_are_reliable(&good));
    assert_false(mop_layers_are_reliable(&slow));
    assert_false(mop_layers_are_reliable(&off));
    assert_false(mop_layers_are_reliable(&unknown));
}

static void without_a_run_nothing_is_known(void **state)
{
    mop_layer_series t;
    (void)state;
    fill(&t, 0, 0);
    mop_layer_bounds b = mop_layer_series_bounds(&t, 10);
    assert_true(isnan(b.overhead) && isnan(b.residual));
    mop_layer_series_release(&t);
}

static void a_sweep_stores_both_bounds_of_each_row(void **state)
{
    bench *b = bench_new();
    (void)state;
    b->has_controls = true;
    b->options.n_specs = 1;
    fake.profiled_ns = 100000; /* 5 % of 2 ms */
    fake.layer_ns = 10;
    assert_int_equal(bench_run(b), MOP_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_float_equal(b->store.rows[i].layer_overhead, 0.05, 1e-9);
        assert_float_equal(b->store.rows[i].layer_residual, 0, 1e-12);
        assert_int_equal(b->store.layer_runs_of[i], 5);
    }
    for (size_t i = 2; i < b->store.n_rows; i++) { /* controls are not profiled */
        assert_true(isnan(b->store.rows[i].layer_overhead));
        assert_int_equal(b->store.layer_runs_of[i], 0);
    }
    free(b);
}

static void a_row_without_layer_times_has_no_bounds(void **state)
{
    bench *b = bench_new();
    (void)state;
    b->options.n_specs = 1;
    fake.has_no_profile = true;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_true(isnan(b->store.rows[0].layer_overhead));
    assert_true(isnan(b->store.rows[0].layer_residual));
    free(b);
}

/* A device tests its clock then, for longer than a small network runs. */
static void the_first_question_for_device_time_is_in_no_sample(void **state)
{
    bench *b = bench_new();
    uint32_t asked = 0;
    (void)state;
    b->options.n_specs = 1;
    fake.question_ns = 500000000;
    assert_int_equal(bench_run(b), MOP_OK);
    for (size_t i = 0; i < b->store.n_samples; i++) {
        const mop_sample_record *s = &b->store.samples[i];
        asked += s->device_ns == (int64_t)s->batched;
        assert_true(s->wall_ns < 100000000);
    }
    assert_true(asked > 0);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_the_clock_is_taken_off_the_overhead),
        cmocka_unit_test(medians_that_do_not_sum_to_the_total_are_unreliable),
        cmocka_unit_test(the_limits_are_one_and_three_percent),
        cmocka_unit_test(without_a_run_nothing_is_known),
        cmocka_unit_test(a_sweep_stores_both_bounds_of_each_row),
        cmocka_unit_test(a_row_without_layer_times_has_no_bounds),
        cmocka_unit_test(the_first_question_for_device_time_is_in_no_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
