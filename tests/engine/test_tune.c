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
#include "profiler/engine/tune.h"
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

static void open_with(const char *tuning, mop_device_info *info)
{
    const mop_backend *b = mop_backend_find("cpu", NULL);
    const mop_device_choice choice = {.threads = 1, .isa_mask = MOP_ISA_ALL, .tuning = tuning};
    mop_device *device = NULL;
    assert_int_equal(b->open(&choice, &device, NULL), MOP_OK);
    b->info(device, info);
    b->close(device);
}

static void a_tuning_is_read_back_and_used_by_its_own_device_only(void **state)
{
    const mop_op_inst inst = conv3x3();
    mop_device_info info, other;
    mop_tune_entry e = {.shipped = "conv_wino4", .kernel = "conv_gemm", .ratio = 1.25};
    mop_tune t = {0}, back;
    (void)state;
    open_with(NULL, &info);
    assert_null(strstr(info.driver, "tuned"));
    mop_tune_key(&info, e.key);
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
    mop_tune_key(&info, e.key);
    mop_tune_keep(&back, e.key);
    assert_int_equal(back.n, 1);
    assert_true(both != mop_tune_hash(&back));
    const mop_kernel_policy policy = {
        .isa_mask = MOP_ISA_ALL, .tuned = mop_tune_kernel, .ctx = &back};
    assert_string_equal(mop_cpu_kernel_choose(&inst, &policy)->name, "conv_gemm");
    open_with(path, &other);
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
        assert_non_null(f);
        assert_true(fputs(texts[i], f) >= 0 && fclose(f) == 0);
        assert_int_equal(mop_tune_read(path, &t, &err), MOP_EINVAL);
        assert_non_null(strstr(err.msg, path));
        assert_int_equal(t.n, 0);
        open_with(path, &info);
        assert_null(strstr(info.driver, "tuned"));
    }
}

static void measuring_finds_the_layers_with_a_choice_each_once(void **state)
{
    const mop_device_choice choice = {.threads = 1, .isa_mask = MOP_ISA_ALL};
    mop_strlist specs = {0};
    mop_tune t = {0};
    mop_err err = {0};
    (void)state;
    assert_int_equal(mop_specs_expand("resnet18@64", &specs, &err), MOP_OK);
    if (mop_tune_measure(&specs, &choice, 1000000, &t, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    assert_true(t.n >= 4); /* the four stages, with residual and without */
    for (size_t i = 0; i < t.n; i++) {
        assert_true(t.entries[i].ratio >= 1);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(t.entries[i].shape, t.entries[j].shape);
    }
    mop_tune_release(&t);
    mop_strlist_release(&specs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tuning_is_read_back_and_used_by_its_own_device_only),
        cmocka_unit_test(a_damaged_or_foreign_file_is_refused_and_counts_as_none),
        cmocka_unit_test(measuring_finds_the_layers_with_a_choice_each_once),
    };
    return cmocka_run_group_tests(tests, new_path, remove_path);
}
