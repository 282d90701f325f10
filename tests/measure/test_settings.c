/* Settings as an axis of a sweep: their spelling, which rows they make, and what each row runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/support/bench.h"

static void every_setting_is_read_as_it_is_written(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 4 * (MOP_FUSE_ALL + 1) * MOP_DTYPE_COUNT; bits++) {
        const mop_setting s = {.fuse = bits / 4 % (MOP_FUSE_ALL + 1),
                               .no_winograd = bits % 2 == 1,
                               .is_cold = bits / 2 % 2 == 1,
                               .dtype = (mop_dtype)(bits / 4 / (MOP_FUSE_ALL + 1))};
        mop_setting read = {0};
        char name[MOP_SETTING_TEXT];
        mop_setting_name(&s, name);
        assert_int_equal(mop_setting_parse(name, &read, NULL), MOP_OK);
        assert_true(mop_setting_equal(&read, &s));
        read.is_cold = !read.is_cold;
        assert_false(mop_setting_equal(&read, &s));
        read = s;
        read.dtype = (mop_dtype)((s.dtype + 1) % MOP_DTYPE_COUNT);
        assert_false(mop_setting_equal(&read, &s));
    }
}

/* Plans of before there was another one hash as they did. */
static void float32_is_not_spelled_out(void **state)
{
    mop_setting s = MOP_SETTING_DEFAULT;
    char name[MOP_SETTING_TEXT];
    (void)state;
    mop_setting_name(&s, name);
    assert_string_equal(name, "all/auto/hot");
    s.dtype = MOP_DTYPE_FP16S;
    mop_setting_name(&s, name);
    assert_string_equal(name, "all/auto/hot/fp16s");
}

static void what_is_no_setting_is_refused(void **state)
{
    static const char *const odd[] = {"",
                                      "all",
                                      "all/auto",
                                      "all/auto/",
                                      "/off/hot",
                                      "all/auto/hot/",
                                      "al/auto/hot",
                                      "all/on/hot",
                                      "all/off/",
                                      "all/off/warm",
                                      "all//off/warm",
                                      "all/off/hot ",
                                      "all/auto/hot/fp61",
                                      "all/auto/hot/fp16/",
                                      "all/auto/hot/fp16/x"};
    const mop_setting before = {.fuse = MOP_FUSE_SE, .is_cold = true};
    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        mop_setting s = before;
        mop_err err = {0};
        assert_int_equal(mop_setting_parse(odd[i], &s, &err), MOP_EINVAL);
        assert_true(mop_setting_equal(&s, &before));
        assert_true(err.msg[0] != '\0');
    }
}

/* fake-a heeds all of it, fake-b only the graph. */
static const mop_setting four[] = {{.fuse = MOP_FUSE_NONE},
                                   {.fuse = MOP_FUSE_ACT | MOP_FUSE_ADD},
                                   {.fuse = MOP_FUSE_ALL},
                                   {.fuse = MOP_FUSE_ALL, .no_winograd = true}};

static bench *bench_of_four(void)
{
    bench *b = bench_new();
    b->options.settings = four;
    b->options.n_settings = 4;
    return b;
}

static void a_row_is_made_for_each_setting_that_a_back_end_tells_apart(void **state)
{
    static const char *const fuse[] = {"none", "act+add", "all",       "all",
                                       "none", "act+add", "bn+act+add"};
    static const char *const winograd[] = {"auto", "auto", "auto", "off", "off", "off", "off"};
    bench *b = bench_of_four();
    (void)state;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->outcome.n_rows, 2 * 7);
    assert_int_equal(b->outcome.n_done, 2 * 7);
    for (int i = 0; i < 14; i++) {
        assert_string_equal(b->last[i].backend, i % 7 < 4 ? "fake-a" : "fake-b");
        assert_int_equal(b->last[i].macs, b->last[i / 7 * 7].macs); /* of one network */
        assert_string_equal(b->store.rows[i].fuse, fuse[i % 7]);
        assert_string_equal(b->store.rows[i].winograd, winograd[i % 7]);
        assert_string_equal(b->store.rows[i].cache, "hot");
    }
    assert_non_null(strstr(b->notes, "of the 4 settings 3 are different on back end fake-b"));
    assert_null(strstr(b->notes, "back end fake-a"));
    assert_non_null(strstr(b->store.sweep.plan_text,
                           ";setting=none/auto/hot,act+add/auto/hot,all/auto/hot,all/off/hot;"));
    free(b);
}

static void each_row_runs_the_graph_of_its_fusions(void **state)
{
    bench *b = bench_of_four();
    (void)state;
    assert_int_equal(bench_run(b), MOP_OK);
    for (int i = 0; i < 14; i += 7) {
        const size_t *n = &b->store.n_layers[i];
        assert_true(n[1] < n[0]);  /* activations and adds are no layers of their own */
        assert_true(n[2] == n[1]); /* this deploy form has no BatchNorm to fold */
        for (int k = 0; k < 3; k++)
            assert_true(n[4 + k] == n[k]);
        assert_true(n[3] == n[2]);
    }
    free(b);
}

static void ratios_are_to_the_baseline_in_the_same_setting(void **state)
{
    bench *b = bench_of_four();
    (void)state;
    b->options.n_backends = 1;
    fake.copy_ns = 400000; /* the last setting runs the graph of the third, so 20 % slower */
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->outcome.n_rows, 8);
    for (int i = 4; i < 8; i++) {
        assert_float_equal(b->last[i].median_ns, i == 7 ? 2400000 : 2000000, 0);
        assert_float_equal(b->last[i].ratio, 1, 0);
    }
    free(b);
}

/* fake-a lacks fp16, fake-b all but fp32: their rows are skipped, not run as something else. */
static void number_types_are_rows_of_their_own_and_what_a_device_lacks_is_skipped(void **state)
{
    static const mop_setting types[] = {{.fuse = MOP_FUSE_ALL},
                                        {.fuse = MOP_FUSE_ALL, .dtype = MOP_DTYPE_FP16S},
                                        {.fuse = MOP_FUSE_ALL, .dtype = MOP_DTYPE_FP16}};
    static const char *const names[] = {"fp32", "fp16s", "fp16"};
    static const char *const why[] = {"",
                                      "",
                                      "fake-a: no float16 arithmetic, which fp16 needs",
                                      "",
                                      "back end fake-b computes in fp32 only, not in fp16s",
                                      "back end fake-b computes in fp32 only, not in fp16"};
    bench *b = bench_new();
    (void)state;
    b->options.settings = types;
    b->options.n_settings = 3;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->outcome.n_rows, 12);
    assert_int_equal(b->outcome.n_done, 6);
    assert_int_equal(b->outcome.n_skipped, 6);
    assert_int_equal(b->outcome.n_failed, 0);
    for (int i = 0; i < 12; i++) {
        const mop_measurement_record *r = &b->store.rows[i];
        assert_string_equal(r->dtype, names[i % 3]);
        assert_string_equal(r->reason, why[i % 6]);
        assert_int_equal(r->state, *r->reason == '\0' ? MOP_DONE : MOP_SKIPPED);
    }
    assert_true(b->store.rows[0].checksum != b->store.rows[1].checksum);
    assert_true(b->store.rows[1].error > 20 * b->store.rows[0].error);
    assert_float_equal(b->last[7].ratio, 1, 0); /* to the baseline in fp16s */
    assert_non_null(strstr(b->notes, "fp16 rows are skipped: fake-a: no float16 arithmetic"));
    assert_non_null(strstr(b->notes, "fp16s rows are skipped: back end fake-b computes in fp32"));
    assert_non_null(strstr(b->store.sweep.plan_text,
                           ";setting=all/auto/hot,all/auto/hot/fp16s,all/auto/hot/fp16;"));
    free(b);
}

static void a_setting_that_is_asked_for_twice_is_measured_once(void **state)
{
    static const mop_setting twice[] = {{.fuse = MOP_FUSE_ALL}, {.fuse = MOP_FUSE_ALL}};
    bench *b = bench_new();
    (void)state;
    b->options.settings = twice;
    b->options.n_settings = 2;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_int_equal(b->outcome.n_rows, 4);
    free(b);
}

static void an_interrupted_sweep_of_settings_goes_on(void **state)
{
    bench *b = bench_of_four();
    (void)state;
    b->stop_after_pass = 5;
    assert_int_equal(bench_run(b), MOP_EINTR);
    assert_int_equal(b->store.n_passes, 5);
    b->stop_after_pass = 0;
    b->is_stopped = false;
    b->options.resume = true;
    assert_int_equal(bench_run(b), MOP_OK);
    assert_true(b->outcome.is_resumed);
    assert_int_equal(b->outcome.n_done, 14);
    assert_string_equal(b->store.rows[6].fuse, "bn+act+add");
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_is_read_as_it_is_written),
        cmocka_unit_test(what_is_no_setting_is_refused),
        cmocka_unit_test(a_row_is_made_for_each_setting_that_a_back_end_tells_apart),
        cmocka_unit_test(each_row_runs_the_graph_of_its_fusions),
        cmocka_unit_test(ratios_are_to_the_baseline_in_the_same_setting),
        cmocka_unit_test(float32_is_not_spelled_out),
        cmocka_unit_test(number_types_are_rows_of_their_own_and_what_a_device_lacks_is_skipped),
        cmocka_unit_test(a_setting_that_is_asked_for_twice_is_measured_once),
        cmocka_unit_test(an_interrupted_sweep_of_settings_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
