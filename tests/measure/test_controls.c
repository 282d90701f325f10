/* Controls, baseline, cold rows and shards of a sweep with fake back ends and scripted times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/measure/controls.h"
#include "tests/support/bench.h"

#define MS UINT64_C(1000000)

static const char *const five[] = {"mobilenetv2-1.0@32", "mobilenetv2-1.0@64x32",
                                   "mobilenetv2-1.0@33x32", "mobilenetv2-1.0@48x32",
                                   "mobilenetv2-1.0@40x32"};

static bench *bench_with_controls(void)
{
    bench *b = bench_new();
    b->has_controls = true;
    return b;
}

static const mop_control_record *control(const bench *b, const char *name)
{
    for (size_t i = 0; i < b->store.n_controls; i++)
        if (strcmp(b->store.controls[i].name, name) == 0)
            return &b->store.controls[i];
    fail_msg("there is no control \"%s\"", name);
    return NULL;
}

static size_t samples_of(const bench *b, size_t row)
{
    size_t n = 0;
    for (size_t i = 0; i < b->store.n_samples; i++)
        n += b->store.samples[i].measurement_id == b->store.rows[row].id;
    return n;
}

static void controls_are_rows_beyond_the_plan_with_samples_of_their_own(void **state)
{
    static const char *const alias[] = {"",   "",   "",    "",    "aa",     "aa",
                                        "aa", "aa", "fma", "fma", "linear", "linear"};
    bench *b = bench_with_controls();
    (void)state;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->outcome.n_rows, 4); /* the plan's own, as events and counts see them */
    assert_int_equal(b->outcome.n_done, 4);
    assert_int_equal(b->n_planned, 4);
    assert_int_equal(b->n_prepared, 4);
    assert_int_equal(b->store.n_rows, 12);
    assert_int_equal(b->store.n_devices, 3);
    assert_string_equal(b->store.devices[2].backend, "host");
    assert_true(b->store.devices[2].name[0] != '\0');
    for (size_t i = 0; i < 12; i++) {
        const mop_measurement_record *r = &b->store.rows[i];
        assert_string_equal(r->alias, alias[i]);
        assert_int_equal(r->state, MOP_DONE);
        assert_true(r->checksum != 0 && r->error <= r->error_bound);
        assert_int_equal(samples_of(b, i), 12 * (strcmp(alias[i], "fma") == 0 ? 9 : 3));
    }
    /* the copies are of both networks on both devices, with plans and outputs of their own */
    assert_string_equal(b->store.models[4].variant, "mobilenetv2-1.0@32");
    assert_string_equal(b->store.models[5].variant, "mobilenetv2-1.0@33x32");
    assert_true(b->store.rows[4].checksum == b->store.rows[0].checksum);
    assert_string_equal(b->store.models[9].variant, "fma x1.02");
    assert_string_equal(b->store.models[9].family, "control");
    assert_string_equal(b->store.models[9].form, "control");
    assert_int_equal(b->store.models[9].macs, 1020000 * 50);
    assert_int_equal(b->store.rows[9].device_id, 3);
    assert_int_equal(b->store.n_controls, 7);
    assert_int_equal(b->outcome.n_controls, 7);
    assert_int_equal(b->outcome.n_controls_failed, 0);
    assert_true(control(b, "aa:fake-a/1:mobilenetv2-1.0@32")->passed);
    assert_true(control(b, "aa:fake-b/1:mobilenetv2-1.0@33x32")->passed);
    assert_float_equal(control(b, "fma x1.02")->value, 1.02, 1e-9);
    assert_float_equal(control(b, "fma x1.02")->low, 1.015, 1e-9);
    assert_float_equal(control(b, "fma x1.02")->high, 1.025, 1e-9);
    assert_float_equal(control(b, "linearity x5")->value, 1, 1e-9);
    assert_float_equal(control(b, "linearity x20")->value, 1, 1e-9);
    assert_float_equal(b->store.aa_floor, 0, 1e-12);
    assert_string_equal(b->notes, "\"fake device b\" is a software device: a CPU, whose times say "
                                  "nothing of a GPU\n");
    for (size_t i = 0; i < 12; i++)
        assert_string_equal(b->store.rows[i].grade, "C"); /* 12 passes */
    free(b);
}

static void a_world_without_a_loop_has_no_controls_and_no_floor(void **state)
{
    bench *b = bench_new();
    (void)state;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->store.n_rows, 4);
    assert_int_equal(b->store.n_controls, 0);
    assert_true(isnan(b->store.aa_floor) && isnan(b->outcome.aa_floor));
    free(b);
}

static void copies_that_are_slower_are_the_floor(void **state)
{
    bench *b = bench_with_controls();
    (void)state;
    fake.copy_ns = 60000; /* 3 % of 2 ms */
    assert_int_equal(bench_run(b), MOP_OK);
    assert_float_equal(b->store.aa_floor, 0.03, 1e-9);
    assert_float_equal(b->outcome.aa_floor, 0.03, 1e-9);
    assert_float_equal(control(b, "aa:fake-b/1:mobilenetv2-1.0@32")->value, 1.03, 1e-9);
    assert_false(control(b, "aa:fake-b/1:mobilenetv2-1.0@32")->passed);
    assert_int_equal(b->outcome.n_controls_failed, 4);
    assert_non_null(strstr(b->notes, "control \"aa:fake-a/1:mobilenetv2-1.0@33x32\" failed: it "
                                     "reads 1.0300 and must lie in 0.980 to 1.020"));
    free(b);
}

static void the_floor_is_the_largest_deviation_whatever_its_sign(void **state)
{
    bench *b = bench_with_controls();
    (void)state;
    fake.copy_ns = (uint64_t)-20000; /* 1 % faster, which a grade survives */
    assert_int_equal(bench_run(b), MOP_OK);
    assert_float_equal(b->store.aa_floor, 0.01, 1e-9);
    assert_int_equal(b->outcome.n_controls_failed, 0);
    free(b);
}

static void a_failed_control_or_a_wide_floor_costs_the_grade(void **state)
{
    (void)state;
    for (int disturbed = 0; disturbed < 3; disturbed++) {
        bench *b = bench_with_controls();
        b->options.n_specs = 1;
        b->options.n_backends = 1;
        b->options.precision = 1e-9; /* never reached: 60 passes */
        fake.jitter_ns = 1000;
        b->stretch_102 = disturbed == 1 ? 1.05 : 1;
        fake.copy_ns = disturbed == 2 ? 30000 : 0; /* 1.5 %: within what a control may read */
        assert_int_equal(bench_run(b), MOP_OK);
        assert_string_equal(b->store.rows[0].grade, disturbed == 0   ? "A"
                                                    : disturbed == 1 ? "C"
                                                                     : "B");
        free(b);
    }
}

static void a_loop_that_reads_1_05_fails(void **state)
{
    bench *b = bench_with_controls();
    (void)state;
    b->stretch_102 = 1.05 / 1.02;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_float_equal(control(b, "fma x1.02")->value, 1.05, 1e-6);
    assert_false(control(b, "fma x1.02")->passed);
    assert_int_equal(b->outcome.n_controls_failed, 1);
    assert_non_null(strstr(b->notes, "control \"fma x1.02\" failed"));
    assert_float_equal(b->store.aa_floor, 0, 1e-12); /* which is about copies alone */
    free(b);
}

static void twenty_times_the_work_must_take_twenty_times_as_long(void **state)
{
    bench *b = bench_with_controls();
    (void)state;
    b->stretch_x20 = 1.014;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_true(control(b, "linearity x20")->passed);
    free(b);
    b = bench_with_controls();
    b->stretch_x20 = 0.984;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_float_equal(control(b, "linearity x20")->value, 0.984, 1e-6);
    assert_false(control(b, "linearity x20")->passed);
    assert_true(control(b, "linearity x5")->passed);
    free(b);
}

static void too_few_passes_judge_nothing_and_nothing_passes(void **state)
{
    bench *b = bench_with_controls();
    (void)state;
    b->options.max_passes = 3;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->store.n_controls, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_true(isnan(b->store.controls[i].value));
        assert_false(b->store.controls[i].passed);
    }
    assert_true(isnan(b->store.aa_floor));
    assert_int_equal(b->outcome.n_controls_failed, 7);
    assert_non_null(strstr(b->notes, "7 of 7 controls could not be judged: too few passes"));
    free(b);
}

static void a_control_whose_interval_reaches_its_bounds_is_not_judged(void **state)
{
    bench *b = bench_with_controls();
    (void)state;
    b->wobble_102 = 0.06; /* 1.02 and 1.08 in turn: the median is 1.05, and 1.02 is within */
    assert_int_equal(bench_run(b), MOP_OK);
    assert_true(isnan(control(b, "fma x1.02")->value));
    assert_false(control(b, "fma x1.02")->passed);
    assert_non_null(strstr(b->notes, "1 of 7 controls could not be judged"));
    free(b);
}

static void a_loop_whose_sum_does_not_repeat_is_not_timed(void **state)
{
    bench *b = bench_with_controls();
    (void)state;
    b->loop_drifts = true;
    assert_int_equal(bench_run(b), MOP_OK);
    for (size_t i = 8; i < 12; i++) {
        assert_int_equal(b->store.rows[i].state, MOP_FAILED);
        assert_string_equal(b->store.rows[i].reason, "the sum of the loop does not repeat");
        assert_int_equal(samples_of(b, i), 0);
    }
    assert_false(control(b, "fma x1.02")->passed);
    assert_int_equal(b->outcome.n_failed, 0); /* of the plan */
    free(b);
}

static void a_network_that_fails_has_no_copy_to_judge(void **state)
{
    bench *b = bench_with_controls();
    (void)state;
    fake.fault = FAKE_TWICE_BOUND;
    fake.fault_node = 4;
    fake.fault_height = 33;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->outcome.n_failed, 2);
    assert_int_equal(b->store.n_controls, 5);
    assert_int_equal(b->outcome.n_controls_failed, 0);
    free(b);
}

static void controls_of_a_resumed_sweep_are_judged_over_all_its_passes(void **state)
{
    bench *b = bench_with_controls();
    (void)state;
    fake.copy_ns = 60000;
    b->stop_after_pass = 5; /* too few to judge */
    assert_int_equal(bench_run(b), MOP_EINTR);
    assert_true(isnan(b->store.aa_floor));
    b->store.n_controls = 0; /* a real store replaces them by name */
    b->stop_after_pass = 9;  /* four more, too few by themselves */
    b->is_stopped = false;
    b->options.resume = true;
    assert_int_equal(bench_run(b), MOP_EINTR);
    assert_true(b->outcome.is_resumed);
    assert_float_equal(b->store.aa_floor, 0.03, 1e-9);
    assert_float_equal(control(b, "fma x1.02")->value, 1.02, 1e-9);
    free(b);
}

static void of_many_networks_the_fastest_the_middle_and_the_slowest_are_copied(void **state)
{
    bench *b = bench_with_controls();
    (void)state;
    b->options.specs = five;
    b->options.n_specs = 5;
    b->options.n_backends = 1;
    b->options.dry_run = false;
    b->options.max_passes = 1;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->store.n_rows, 5 + 3 + 4);
    assert_string_equal(b->store.models[5].variant, "mobilenetv2-1.0@32");
    assert_string_equal(b->store.models[6].variant, "mobilenetv2-1.0@40x32");
    assert_string_equal(b->store.models[7].variant, "mobilenetv2-1.0@64x32");
    free(b);
}

static mop_sample_record sample(int64_t id, uint32_t pass, int64_t wall_ns, uint32_t flags)
{
    return (mop_sample_record){
        .measurement_id = id, .pass = pass, .batched = 2, .wall_ns = wall_ns, .flags = flags};
}

static void only_clean_samples_of_common_passes_count_in_a_ratio(void **state)
{
    mop_sample_record x[64];
    mop_interval v;
    mop_err err = {0};
    size_t n = 0;
    const int64_t id[2] = {8, 7};
    (void)state;
    for (uint32_t pass = 0; pass < 7; pass++) {
        int64_t base = 1000 + 100 * pass; /* a drift that both share */
        x[n++] = sample(7, pass, base, 0);
        x[n++] = sample(7, pass, 9 * base, MOP_FLAG_PREEMPTED);
        x[n++] = sample(9, pass, 5, 0);
        if (pass == 6)
            x[n++] = sample(8, pass, 100 * base, MOP_FLAG_STEAL); /* not one clean sample */
        else
            x[n++] = sample(8, pass, 2 * base, 0);
    }
    for (size_t split = 0; split <= n; split += 4) { /* however a resume has cut them */
        const mop_sweep_samples lists[] = {{x, split}, {x + split, n - split}};
        assert_int_equal(mop_control_ratio(lists, 2, id, 0.95, &v, &err), MOP_OK);
        assert_float_equal(v.est, 2, 1e-12);
        assert_float_equal(v.lo, 2, 1e-12);
    }
    const mop_sweep_samples five_passes = {x, 5 * 4};
    assert_int_equal(mop_control_ratio(&five_passes, 1, id, 0.95, &v, &err), MOP_OK);
    assert_true(isnan(v.est));
    const mop_sweep_samples none = {NULL, 0};
    assert_int_equal(mop_control_ratio(&none, 1, id, 0.95, &v, &err), MOP_OK);
    assert_true(isnan(v.est));
}

static void cold_and_hot_are_rows_of_their_own(void **state)
{
    static const mop_setting modes[] = {{.fuse = MOP_FUSE_ALL},
                                        {.fuse = MOP_FUSE_ALL, .is_cold = true}};
    bench *b = bench_with_controls();
    (void)state;
    b->options.settings = modes;
    b->options.n_settings = 2;
    b->options.n_specs = 1;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->outcome.n_rows, 4);
    assert_int_equal(b->outcome.n_done, 3);
    assert_int_equal(b->outcome.n_skipped, 1); /* fake-a is no processor of this machine */
    assert_string_equal(b->store.rows[0].cache, "hot");
    assert_string_equal(b->store.rows[1].cache, "cold");
    assert_int_equal(b->store.rows[1].state, MOP_SKIPPED);
    assert_string_equal(b->store.rows[1].reason,
                        "the caches of fake-a device \"fake device a\" cannot be emptied from "
                        "outside");
    assert_non_null(strstr(b->notes, "cold rows are skipped: the caches of fake-a"));
    assert_int_equal(samples_of(b, 1), 0);
    assert_string_equal(b->store.rows[3].cache, "cold");
    assert_int_equal(b->store.rows[3].state, MOP_DONE);
    assert_int_equal(samples_of(b, 3), 36);
    assert_non_null(strstr(b->store.sweep.plan_text, ";setting=all/auto/hot,all/auto/cold;"));
    assert_string_equal(b->store.rows[4].alias, "aa");
    assert_string_equal(b->store.rows[4].cache, "hot");
    free(b);
}

static void a_sweep_may_be_cold_alone(void **state)
{
    static const mop_setting modes[] = {{.fuse = MOP_FUSE_ALL, .is_cold = true}};
    bench *b = bench_with_controls();
    (void)state;
    b->options.settings = modes;
    b->options.n_settings = 1;
    b->options.n_specs = 1;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->outcome.n_done, 1);
    assert_string_equal(b->store.rows[2].alias, "aa");
    assert_string_equal(b->store.rows[3].cache, "cold"); /* fake-b's copy is like its row */
    assert_int_equal(b->store.n_controls, 1 + 3);        /* fake-a has nothing to copy */
    free(b);
}

static void emptying_the_caches_touches_every_line_of_twice_their_size(void **state)
{
    mop_cold c;
    (void)state;
    assert_int_equal(mop_cold_size(0), 64 << 20);
    assert_int_equal(mop_cold_size(1 << 20), 2 << 20);
    assert_int_equal(mop_cold_size(SIZE_MAX), 64 << 20);
    assert_int_equal(mop_cold_open(&c, 1 << 20, NULL), MOP_OK);
    mop_cold_evict(&c);
    mop_cold_evict(&c);
    for (size_t i = 0; i < c.n; i++)
        assert_int_equal(c.bytes[i], i % 64 == 0 ? 3 : 1);
    mop_cold_release(&c);
    assert_null(c.bytes);
    mop_cold_release(&c);
}

static void shards_cut_the_plan_exactly_and_share_the_baseline(void **state)
{
    uint64_t hash[3];
    char text[sizeof((mop_sweep_record *)NULL)->plan_text];
    int seen[5] = {0};
    (void)state;
    for (uint32_t k = 1; k <= 3; k++) {
        bench *b = bench_with_controls();
        b->options.specs = five;
        b->options.n_specs = 5;
        b->options.n_backends = 1;
        b->options.max_passes = 1;
        b->options.baseline = five[1];
        b->options.shard = k;
        b->options.shards = 3;
        assert_int_equal(bench_run(b), MOP_OK);
        assert_int_equal(b->store.sweep.shard, k);
        assert_int_equal(b->store.sweep.shards, 3);
        assert_string_equal(b->store.sweep.baseline, five[1]);
        hash[k - 1] = b->store.sweep.plan_hash;
        if (k == 1)
            memcpy(text, b->store.sweep.plan_text, sizeof text);
        assert_string_equal(b->store.sweep.plan_text, text);
        for (size_t i = 0; i < b->store.n_rows; i++)
            for (int v = 0; v < 5; v++)
                seen[v] += b->store.rows[i].alias[0] == '\0' &&
                           strcmp(b->store.models[i].variant, five[v]) == 0;
        assert_true(b->store.n_controls >= 3 + 2); /* each shard has its controls */
        free(b);
    }
    assert_true(hash[0] != hash[1] && hash[1] != hash[2] && hash[0] != hash[2]);
    for (int v = 0; v < 5; v++)
        assert_int_equal(seen[v], v == 1 ? 3 : 1);
}

static void a_shard_out_of_range_is_refused(void **state)
{
    bench *b = bench_new();
    (void)state;
    b->options.shards = 2;
    b->options.shard = 3;
    assert_int_equal(bench_run(b), MOP_EINVAL);
    assert_string_equal(b->err.msg, "there is no shard 3 of 2");
    b->options.shard = 0;
    assert_int_equal(bench_run(b), MOP_EINVAL);
    free(b);
}

static void the_baseline_is_the_named_one_or_mobileone_s0_or_the_first(void **state)
{
    static const char *const with_s0[] = {"mobilenetv2-1.0@32", "mobileone-s0"};
    bench *b = bench_new();
    (void)state;
    b->options.max_passes = 1;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_string_equal(b->store.sweep.baseline, "mobilenetv2-1.0@32");
    b->options.baseline = "mobilenetv2-1.0@33x32";
    fake_sink_init(&b->store);
    assert_int_equal(bench_run(b), MOP_OK);
    assert_string_equal(b->store.sweep.baseline, "mobilenetv2-1.0@33x32");
    assert_non_null(strstr(b->store.sweep.plan_text, ";baseline=mobilenetv2-1.0@33x32;"));
    b->options.baseline = "resnet18";
    assert_int_equal(bench_run(b), MOP_EINVAL);
    assert_string_equal(b->err.msg, "the baseline 'resnet18' is not among the variants");
    b->options.baseline = NULL;
    b->options.specs = with_s0;
    b->options.dry_run = true; /* too large for a fake */
    assert_int_equal(bench_run(b), MOP_OK);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(controls_are_rows_beyond_the_plan_with_samples_of_their_own),
        cmocka_unit_test(a_world_without_a_loop_has_no_controls_and_no_floor),
        cmocka_unit_test(copies_that_are_slower_are_the_floor),
        cmocka_unit_test(the_floor_is_the_largest_deviation_whatever_its_sign),
        cmocka_unit_test(a_failed_control_or_a_wide_floor_costs_the_grade),
        cmocka_unit_test(a_loop_that_reads_1_05_fails),
        cmocka_unit_test(twenty_times_the_work_must_take_twenty_times_as_long),
        cmocka_unit_test(too_few_passes_judge_nothing_and_nothing_passes),
        cmocka_unit_test(a_control_whose_interval_reaches_its_bounds_is_not_judged),
        cmocka_unit_test(a_loop_whose_sum_does_not_repeat_is_not_timed),
        cmocka_unit_test(a_network_that_fails_has_no_copy_to_judge),
        cmocka_unit_test(controls_of_a_resumed_sweep_are_judged_over_all_its_passes),
        cmocka_unit_test(of_many_networks_the_fastest_the_middle_and_the_slowest_are_copied),
        cmocka_unit_test(only_clean_samples_of_common_passes_count_in_a_ratio),
        cmocka_unit_test(cold_and_hot_are_rows_of_their_own),
        cmocka_unit_test(a_sweep_may_be_cold_alone),
        cmocka_unit_test(emptying_the_caches_touches_every_line_of_twice_their_size),
        cmocka_unit_test(shards_cut_the_plan_exactly_and_share_the_baseline),
        cmocka_unit_test(a_shard_out_of_range_is_refused),
        cmocka_unit_test(the_baseline_is_the_named_one_or_mobileone_s0_or_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
