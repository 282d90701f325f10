/* A tuning on the Vulkan device: what its key depends on, that a choice in the file is what runs
 * and what the device's name says, and that what is wrong is found before it is timed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/engine/vulkan_tune.h"
#include "tests/support/folder.h"
#include "tests/support/onebyone.h"
#include "tests/support/vulkan.h"
#include "variants/passes.h"
#include "variants/variant.h"

static vulkan_fixture fixture;
static char folder[MOP_FOLDER_MAX], path[MOP_FOLDER_MAX + 32];

static int open_device(void **state)
{
    (void)state;
    if (!mop_folder_make(folder))
        return -1;
    (void)snprintf(path, sizeof path, "%s/tune.json", folder);
    vulkan_fixture_open(&fixture, NULL);
    return 0;
}

static int close_device(void **state)
{
    (void)state;
    vulkan_fixture_close(&fixture);
    return mop_folder_remove(folder) ? 0 : -1;
}

static void the_key_is_the_device_driver_build_dtype_and_threads(void **state)
{
    char before[MOP_TUNE_KEY], after[MOP_TUNE_KEY];
    (void)state;
    vulkan_need_device(&fixture);
    mop_vk *vk = fixture.device->vk;
    const mop_vk saved = *vk;
    mop_vulkan_tune_key(fixture.device, MOP_DTYPE_FP32, before);
    for (int i = 0; i < 5; i++) {
        switch (i) {
        case 0:
            vk->info.uuid[0] = 'x';
            break;
        case 1:
            vk->caps.driver_version++;
            break;
        case 2:
            (void)snprintf(vk->switched, sizeof vk->switched, "staging");
            break;
        case 3: /* other variants are on offer */
            vk->caps.max_texels = 0;
            break;
        default:
            vk->threads++;
            break;
        }
        mop_vulkan_tune_key(fixture.device, MOP_DTYPE_FP32, after);
        if ((i < 4 || vk->caps.is_software) && strcmp(before, after) == 0)
            fail_msg("change %d leaves the key \"%s\"", i, before);
        *vk = saved;
    }
    mop_vulkan_tune_key(fixture.device, MOP_DTYPE_FP16S, after);
    assert_string_not_equal(before, after);
    mop_vulkan_tune_key(fixture.device, MOP_DTYPE_FP32, after);
    assert_string_equal(before, after);
}

/* A network of one convolution, and the last choice that there is for it. */
static void last_choice(obo_net *net, mop_tune_entry *e)
{
    static char names[MOP_TUNE_ENTRANTS][MOP_TUNE_KERNEL];
    const mop_params p = {.u.conv = {.cout = 12,
                                     .kh = 3,
                                     .kw = 3,
                                     .stride = 1,
                                     .dilation = 1,
                                     .groups = 1,
                                     .has_bias = true}};
    obo_init(net, (mop_shape){1, 9, 9, 8}, 1);
    (void)obo_add(net, MOP_OP_CONV2D, &p, (uint32_t[]){0}, 1);
    const size_t n =
        mop_vulkan_tuner.entrants(fixture.device, &net->nodes[1].inst, MOP_DTYPE_FP32, names);
    assert_true(n > 2);
    *e = (mop_tune_entry){.ratio = 1.5};
    mop_vulkan_tune_key(fixture.device, MOP_DTYPE_FP32, e->key);
    mop_tune_shape(&net->nodes[1].inst, e->shape);
    memcpy(e->shipped, names[0], sizeof e->shipped);
    memcpy(e->kernel, names[n - 1], sizeof e->kernel);
}

/* Opens the device with the tuning at path, as the fixture is otherwise, and writes what runs. */
static void what_runs(const obo_net *net, mop_device_info *info, char name[MOP_TUNE_KERNEL])
{
    const mop_device_choice choice = {.threads = 1, .tuning = path};
    const mop_plan_desc desc = {0};
    mop_device *device = NULL;
    mop_plan *plan = NULL;
    mop_err err = {0};
    if (mop_backend_vulkan.open(&choice, &device, &err) != MOP_OK ||
        mop_backend_vulkan.plan(device, &net->model, &desc, &plan, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    mop_backend_vulkan.info(device, info);
    (void)snprintf(name, MOP_TUNE_KERNEL, "%s", mop_backend_vulkan.kernel_name(plan, 1));
    mop_backend_vulkan.plan_free(plan);
    mop_backend_vulkan.close(device);
}

static void write_entry(const mop_tune_entry *e)
{
    mop_tune t = {0};
    mop_err err = {0};
    assert_int_equal(mop_tune_put(&t, e, &err), MOP_OK);
    if (mop_tune_write(path, &t, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    mop_tune_release(&t);
}

static void the_choice_in_the_file_is_what_runs(void **state)
{
    obo_net net;
    mop_tune_entry e;
    mop_device_info info;
    char name[MOP_TUNE_KERNEL], *hash;
    (void)state;
    vulkan_need_device(&fixture);
    last_choice(&net, &e);
    assert_string_not_equal(e.shipped, e.kernel);
    write_entry(&e);
    what_runs(&net, &info, name);
    assert_string_equal(name, e.kernel);
    assert_non_null(strstr(info.driver, ", tuned "));
    /* of another driver or other shaders */
    hash = strstr(e.key, "shaders ");
    assert_non_null(hash);
    hash[8] = hash[8] == '0' ? '1' : '0';
    write_entry(&e);
    what_runs(&net, &info, name);
    assert_string_equal(name, e.shipped);
    assert_null(strstr(info.driver, "tuned"));
    obo_free(&net);
}

static void a_damaged_file_counts_as_none(void **state)
{
    obo_net net;
    mop_tune_entry e;
    mop_device_info info;
    char name[MOP_TUNE_KERNEL];
    (void)state;
    vulkan_need_device(&fixture);
    last_choice(&net, &e);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs("{\"moprof_tune\": 1, \"entr", f) >= 0 && fclose(f) == 0);
    what_runs(&net, &info, name);
    assert_string_equal(name, e.shipped);
    assert_null(strstr(info.driver, "tuned"));
    obo_free(&net);
}

static VKAPI_ATTR void VKAPI_CALL dispatch_nothing(VkCommandBuffer commands, uint32_t x, uint32_t y,
                                                   uint32_t z)
{
    (void)commands;
    (void)x;
    (void)y;
    (void)z;
}

static void a_wrong_result_is_found_before_it_is_timed(void **state)
{
    obo_net net;
    mop_tune_entry e;
    mop_tune_trial *trial = NULL;
    mop_err err = {0};
    double ns = 0;
    (void)state;
    vulkan_need_device(&fixture);
    last_choice(&net, &e);
    const mop_vk_fn before = fixture.device->vk->fn;
    assert_int_equal(
        mop_vulkan_tuner.begin(fixture.device, &net.nodes[1].inst, MOP_DTYPE_FP32, &trial, &err),
        MOP_OK);
    fixture.device->vk->fn.CmdDispatch = dispatch_nothing;
    assert_int_equal(mop_vulkan_tuner.enter(trial, 0, e.shipped, &err), MOP_ECHECK);
    assert_non_null(strstr(err.msg, e.shipped));
    fixture.device->vk->fn = before;
    err = (mop_err){0};
    if (mop_vulkan_tuner.enter(trial, 1, e.kernel, &err) != MOP_OK ||
        mop_vulkan_tuner.time(trial, 1, 0, &ns, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    assert_true(ns > 0);
    mop_vulkan_tuner.end(trial); /* with an entrant in it */
    assert_null(fixture.device->vk->caps.tuned);
    vulkan_expect_silence(&fixture);
    obo_free(&net);
}

static void a_clock_that_is_not_trusted_is_left_for_the_hosts(void **state)
{
    obo_net net;
    mop_tune_entry e;
    mop_tune_trial *trial = NULL;
    mop_err err = {0};
    double ns = 0;
    (void)state;
    vulkan_need_device(&fixture);
    last_choice(&net, &e);
    mop_vk *vk = fixture.device->vk;
    const mop_vk_timer before = vk->timer;
    vk->timer = (mop_vk_timer){.is_tested = true};
    assert_int_equal(
        mop_vulkan_tuner.begin(fixture.device, &net.nodes[1].inst, MOP_DTYPE_FP32, &trial, &err),
        MOP_OK);
    if (mop_vulkan_tuner.enter(trial, 0, e.shipped, &err) != MOP_OK ||
        mop_vulkan_tuner.time(trial, 0, 0, &ns, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    assert_true(ns > 0);
    mop_vulkan_tuner.leave(trial, 0);
    mop_vulkan_tuner.end(trial);
    vk->timer = before;
    obo_free(&net);
}

/* Gates, dynamic activations, attention, residuals: each finds its other inputs. */
static void every_operator_of_the_networks_can_be_tuned_on_its_own(void **state)
{
    static const char *const specs[] = {"cnn30+act=dyrelu-b@32", "cnn30+act=dyshiftmax@32",
                                        "mobilenetv3-small@32",  "resnet18@32",
                                        "deit-tiny@32",          "cnn30+skip:train@32"};
    (void)state;
    vulkan_need_device(&fixture);
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        mop_spec spec;
        mop_model *model = NULL, *fused = NULL;
        mop_err err = {0};
        if (mop_spec_parse(specs[i], &spec, &err) != MOP_OK ||
            mop_variant_model(&spec, 1, 1, &model, &err) != MOP_OK ||
            mop_pass_fuse(model, MOP_FUSE_ALL, &fused, &err) != MOP_OK)
            fail_msg("%s: %s", specs[i], err.msg);
        for (uint32_t k = 1; k < fused->graph->n_nodes; k++) {
            const mop_node *node = &fused->graph->nodes[k];
            mop_tune_trial *trial = NULL;
            if (mop_vulkan_tuner.begin(fixture.device, &node->inst, MOP_DTYPE_FP32, &trial, &err) !=
                MOP_OK)
                fail_msg("%s %s: %s", specs[i], node->name, err.msg);
            mop_vulkan_tuner.end(trial);
        }
        mop_model_free(fused);
        mop_model_free(model);
    }
}

/* A whole tuning of a small network: every entry names what is on offer, and runs. */
static void a_tuning_of_a_network_is_right(void **state)
{
    mop_strlist specs = {0};
    mop_tune t = {0};
    mop_tune_report report;
    mop_err err = {0};
    (void)state;
    vulkan_need_device(&fixture);
    assert_int_equal(mop_specs_expand("cnn30@32", &specs, &err), MOP_OK);
    const mop_tune_job job = {
        .specs = &specs, .budget_ns = UINT64_C(3000000000), .clock = mop_clock_real()};
    if (mop_tune_measure(&mop_backend_vulkan, fixture.device, &job, &t, &report, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    assert_true(t.n >= 1 && t.n == report.n_tuned && report.n_operators >= 6);
    assert_int_equal(report.notes.n, 0);
    for (size_t i = 0; i < t.n; i++) {
        assert_true(t.entries[i].ratio >= 1);
        assert_true((t.entries[i].ratio == 1) ==
                    (strcmp(t.entries[i].kernel, t.entries[i].shipped) == 0));
    }
    vulkan_expect_silence(&fixture);
    mop_tune_release(&t);
    mop_tune_report_release(&report);
    mop_strlist_release(&specs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_is_the_device_driver_build_dtype_and_threads),
        cmocka_unit_test(the_choice_in_the_file_is_what_runs),
        cmocka_unit_test(a_damaged_file_counts_as_none),
        cmocka_unit_test(a_wrong_result_is_found_before_it_is_timed),
        cmocka_unit_test(a_clock_that_is_not_trusted_is_left_for_the_hosts),
        cmocka_unit_test(every_operator_of_the_networks_can_be_tuned_on_its_own),
        cmocka_unit_test(a_tuning_of_a_network_is_right),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
