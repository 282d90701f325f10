#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu/isa.h"
#include "kernels/cpu/kernel.h"
#include "profiler/engine/cpu_tune.h"
#include "tests/support/folder.h"
#include "variants/variant.h"

static char folder[MOP_FOLDER_MAX], path[MOP_FOLDER_MAX + 32];

static int new_path(void **state)
{
    (void)state;
    if (!mop_folder_make(folder))
        return -1;
    (void)snprintf(path, sizeof path, "%s/tune.json", folder);
    return 0;
}

static int remove_path(void **state)
{
    (void)state;
    return mop_folder_remove(folder) ? 0 : -1;
}

static mop_op_inst conv3x3(void)
{
    mop_op_inst inst = {.op = MOP_OP_CONV2D, .n_in = 1, .in = {{1, 14, 14, 32}}};
    inst.params.u.conv = (mop_conv_params){32, 3, 3, 1, 1, 1, 1, 1, 1, 1, true};
    assert_int_equal(mop_op_infer(&inst, NULL), MOP_OK);
    return inst;
}

/* A device, its info and its key; closed again. */
static void open_with(const char *tuning, mop_device_info *info, char key[MOP_TUNE_KEY])
{
    const mop_backend *b = mop_backend_find("cpu", NULL);
    const mop_device_choice choice = {.threads = 1, .isa_mask = MOP_ISA_ALL, .tuning = tuning};
    mop_device *device = NULL;
    assert_int_equal(b->open(&choice, &device, NULL), MOP_OK);
    b->info(device, info);
    b->tuner->key(device, MOP_DTYPE_FP32, key);
    b->close(device);
}

static void a_tuning_is_read_back_and_used_by_its_own_device_only(void **state)
{
    const mop_op_inst inst = conv3x3();
    mop_device_info info, other;
    mop_tune_entry e = {.shipped = "conv_wino4", .kernel = "conv_gemm", .ratio = 1.25};
    mop_tune t = {0}, back;
    char key[MOP_TUNE_KEY];
    (void)state;
    open_with(NULL, &info, key);
    assert_null(strstr(info.driver, "tuned"));
    (void)snprintf(e.key, sizeof e.key, "%s", key);
    mop_tune_shape(&inst, e.shape);
    assert_int_equal(mop_tune_put(&t, &e, NULL), MOP_OK);
    (void)snprintf(e.key, sizeof e.key, "another processor");
    (void)snprintf(e.kernel, sizeof e.kernel, "conv_wino2");
    assert_int_equal(mop_tune_put(&t, &e, NULL), MOP_OK);
    (void)snprintf(path, sizeof path, "%s/not/there/tune.json", folder);
    assert_int_equal(mop_tune_write(path, &t, NULL), MOP_OK);
    assert_int_equal(mop_tune_read(path, &back, NULL), MOP_OK);
    assert_int_equal(back.n, 2);
    assert_true(back.entries[0].ratio == 1.25);
    const uint32_t both = mop_tune_hash(&back);
    mop_tune_keep(&back, key);
    assert_int_equal(back.n, 1);
    assert_true(both != mop_tune_hash(&back));
    const mop_kernel_policy policy = {
        .isa_mask = MOP_ISA_ALL, .tuned = mop_tune_kernel, .ctx = &back};
    assert_string_equal(mop_cpu_kernel_choose(&inst, &policy)->name, "conv_gemm");
    open_with(path, &other, e.key);
    assert_string_equal(e.key, key); /* what is found goes by the device without a tuning */
    assert_non_null(strstr(other.driver, ", tuned "));
    mop_tune_release(&back);
    mop_tune_release(&t);
}

static void a_damaged_or_foreign_file_is_refused_and_counts_as_none(void **state)
{
    static const char *const texts[] = {"{\"moprof_tune\": 1, \"entr", "[1, 2]",
                                        "{\"moprof_tune\": 9, \"entries\": []}",
                                        "{\"moprof_tune\": 1, \"entries\": [{\"key\": 1}]}", ""};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        FILE *f = fopen(path, "w");
        mop_tune t;
        mop_err err = {0};
        mop_device_info info;
        char key[MOP_TUNE_KEY];
        assert_non_null(f);
        assert_true(fputs(texts[i], f) >= 0 && fclose(f) == 0);
        assert_int_equal(mop_tune_read(path, &t, &err), MOP_EINVAL);
        assert_non_null(strstr(err.msg, path));
        assert_int_equal(t.n, 0);
        open_with(path, &info, key);
        assert_null(strstr(info.driver, "tuned"));
    }
}

static void measuring_finds_the_layers_with_a_choice_each_once(void **state)
{
    const mop_backend *b = mop_backend_find("cpu", NULL);
    const mop_device_choice choice = {.threads = 1, .isa_mask = MOP_ISA_ALL};
    mop_strlist specs = {0};
    mop_tune t = {0};
    mop_tune_report report;
    mop_device *device = NULL;
    mop_err err = {0};
    (void)state;
    assert_int_equal(mop_specs_expand("resnet18@64", &specs, &err), MOP_OK);
    assert_int_equal(b->open(&choice, &device, &err), MOP_OK);
    const mop_tune_job job = {
        .specs = &specs, .budget_ns = UINT64_C(20000000000), .clock = mop_clock_real()};
    if (mop_tune_measure(b, device, &job, &t, &report, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    assert_true(t.n >= 4); /* the four stages, with residual and without */
    assert_int_equal(t.n, report.n_operators);
    assert_int_equal(report.notes.n, 0);
    for (size_t i = 0; i < t.n; i++) {
        assert_true(t.entries[i].ratio >= 1);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(t.entries[i].shape, t.entries[j].shape);
    }
    b->close(device);
    mop_tune_release(&t);
    mop_tune_report_release(&report);
    mop_strlist_release(&specs);
}

/* Operators that are not the same have not the same name. */
static void each_operator_has_its_own_shape(void **state)
{
    mop_op_inst a = {.op = MOP_OP_POOL, .n_in = 1, .in = {{1, 9, 9, 4}}}, b = a;
    mop_op_inst c = {.op = MOP_OP_MUL, .n_in = 2, .in = {{1, 9, 9, 4}, {1, 1, 1, 4}}}, d = c;
    char one[MOP_TUNE_SHAPE], other[MOP_TUNE_SHAPE];
    (void)state;
    a.params.u.pool = (mop_pool_params){MOP_POOL_MAX, 3, 1, 1};
    b.params.u.pool = (mop_pool_params){MOP_POOL_MAX, 5, 1, 2};
    d.in[1] = d.in[0];
    mop_op_inst *const pairs[][2] = {{&a, &b}, {&c, &d}};
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < 2; k++)
            assert_int_equal(mop_op_infer(pairs[i][k], NULL), MOP_OK);
        mop_tune_shape(pairs[i][0], one);
        mop_tune_shape(pairs[i][1], other);
        assert_string_not_equal(one, other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tuning_is_read_back_and_used_by_its_own_device_only),
        cmocka_unit_test(a_damaged_or_foreign_file_is_refused_and_counts_as_none),
        cmocka_unit_test(measuring_finds_the_layers_with_a_choice_each_once),
        cmocka_unit_test(each_operator_has_its_own_shape),
    };
    return cmocka_run_group_tests(tests, new_path, remove_path);
}
