/* Whole networks on the Vulkan back end against the reference, node by node, with validation
 * silent; memory plans, staging, and what open and run refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/onebyone.h"
#include "tests/support/vulkan.h"
#include "variants/passes.h"
#include "variants/variant.h"

#if defined(__SANITIZE_ADDRESS__)
#define SIZE "@32"
#else
#define SIZE "@64"
#endif

enum { SEED = 20240607 };

static const mop_backend *const vulkan = &mop_backend_vulkan;
static vulkan_fixture fixture;

static int open_device(void **state)
{
    (void)state;
    printf("seed %d\n", SEED);
    vulkan_fixture_open(&fixture, NULL);
    return 0;
}

static int close_device(void **state)
{
    (void)state;
    vulkan_fixture_close(&fixture);
    return 0;
}

/* The model of a spec as an engine would fuse it. */
static mop_model *model_of(const char *text)
{
    mop_spec spec;
    mop_model *model = NULL, *fused = NULL;
    mop_err err = {0};
    if (mop_spec_parse(text, &spec, &err) != MOP_OK ||
        mop_variant_model(&spec, 1, SEED, &model, &err) != MOP_OK ||
        mop_pass_fuse(model, MOP_FUSE_ALL, &fused, &err) != MOP_OK)
        fail_msg("%s: %s", text, err.msg);
    mop_model_free(model);
    return fused;
}

static mop_shape input_shape(const mop_model *m)
{
    return m->graph->nodes[0].inst.out;
}

static mop_shape output_shape(const mop_model *m)
{
    return m->graph->nodes[m->graph->n_nodes - 1].inst.out;
}

static float *floats(mop_shape s)
{
    const size_t n = (size_t)mop_shape_elems(s);
    float *p = malloc(n * sizeof(float));
    assert_non_null(p);
    memset(p, 0xff, n * sizeof(float));
    return p;
}

static float *input_of(const mop_model *m, uint64_t seed)
{
    float *x = floats(input_shape(m));
    mop_standard_input(input_shape(m), seed, x);
    return x;
}

static mop_plan *plan_of(mop_device *device, const mop_model *m, bool keep_all)
{
    const mop_plan_desc desc = {.keep_all = keep_all};
    mop_plan *plan = NULL;
    mop_err err = {0};
    if (vulkan->plan(device, m, &desc, &plan, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    return plan;
}

/* Runs plan on the standard input of `seed`; free() the output. */
static float *output_of(mop_plan *plan, const mop_model *m, uint64_t seed, mop_profile *profile)
{
    float *x = input_of(m, seed), *y = floats(output_shape(m));
    mop_err err = {0};
    if (vulkan->run(plan, x, y, profile, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    free(x);
    return y;
}

static void expect_same(const mop_model *m, const float *a, const float *b)
{
    assert_memory_equal(a, b, (size_t)mop_shape_elems(output_shape(m)) * sizeof(float));
}

static void check_network(const char *spec)
{
    vulkan_need_device(&fixture);
    mop_model *m = model_of(spec);
    float *x = input_of(m, SEED);
    double worst = obo_worst(vulkan, fixture.device, m, x);
    if (!(worst <= 1))
        fail_msg("%s: worst error is %g of its bound", spec, worst);
    vulkan_expect_silence(&fixture);
    free(x);
    mop_model_free(m);
}

static void every_node_of_mobileone_is_right(void **state)
{
    (void)state;
    check_network("mobileone-s0" SIZE);
}

static void every_node_of_the_training_form_is_right(void **state)
{
    (void)state;
    check_network("mobileone-s1:train@32");
}

static void every_node_of_cnn30_with_se_and_skip_is_right(void **state)
{
    (void)state;
    check_network("cnn30+act=gelu+se+skip@32");
}

static void every_node_with_dynamic_activations_is_right(void **state)
{
    (void)state;
    check_network("cnn30+act=dyrelu-b@32");
    check_network("cnn30+act=dyshiftmax@32");
}

static void every_node_of_a_transformer_is_right(void **state)
{
    (void)state;
    check_network("deit-tiny@48");
}

/* One small network serves the tests below: its shaders are compiled once. */
static mop_model *small_model(void)
{
    return model_of("mobileone-s0@32");
}

static void the_arena_changes_no_bit(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    mop_model *m = small_model();
    mop_plan *kept = plan_of(fixture.device, m, true), *arena = plan_of(fixture.device, m, false);
    mop_plan_info a, b;
    vulkan->plan_info(kept, &a);
    vulkan->plan_info(arena, &b);
    assert_true(b.arena_bytes < a.arena_bytes);
    assert_int_equal(a.n_dispatches, m->graph->n_nodes - 1);
    float *want = output_of(kept, m, 1, NULL);
    for (uint64_t seed = 1; seed <= 3; seed++) { /* other inputs in between leave nothing behind */
        float *got = output_of(arena, m, seed == 2 ? 2 : 1, NULL);
        if (seed != 2)
            expect_same(m, want, got);
        free(got);
    }
    vulkan->plan_info(arena, &b);
    assert_true(b.first_run_ns > 0);
    vulkan_expect_silence(&fixture);
    free(want);
    vulkan->plan_free(kept);
    vulkan->plan_free(arena);
    mop_model_free(m);
}

static void two_plans_of_one_network_share_their_pipelines(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    mop_model *m = small_model();
    mop_plan *a = plan_of(fixture.device, m, true);
    const uint32_t before = mop_vk_pipeline_count(fixture.device->vk);
    mop_plan *b = plan_of(fixture.device, m, false);
    assert_int_equal(mop_vk_pipeline_count(fixture.device->vk), before);
    uint32_t shared = 0;
    for (uint32_t i = 1; i < m->graph->n_nodes; i++) {
        assert_ptr_equal(a->nodes[i].steps[0].pipeline, b->nodes[i].steps[0].pipeline);
        shared += i > 1 && a->nodes[i].steps[0].pipeline == a->nodes[i - 2].steps[0].pipeline;
    }
    assert_true(shared > 10); /* equal blocks share theirs too */
    vulkan->plan_free(a);
    vulkan->plan_free(b);
    mop_model_free(m);
}

static void staged_memory_gives_the_same_bits(void **state)
{
    (void)state;
    const mop_vk_options options = {.threads = 1, .switches = "staging"};
    vulkan_fixture staged;
    vulkan_need_device(&fixture);
    vulkan_fixture_open(&staged, &options);
    vulkan_need_device(&staged);
    mop_model *m = small_model();
    mop_plan *plan = plan_of(fixture.device, m, false);
    mop_plan *copied = plan_of(staged.device, m, false);
    assert_null(copied->arena.mapped);
    float *want = output_of(plan, m, 1, NULL), *got = output_of(copied, m, 1, NULL);
    expect_same(m, want, got);
    float *x = input_of(m, 1);
    assert_true(obo_worst(vulkan, staged.device, m, x) <= 1);
    vulkan_expect_silence(&staged);
    free(x);
    free(want);
    free(got);
    vulkan->plan_free(plan);
    vulkan->plan_free(copied);
    mop_model_free(m);
    vulkan_fixture_close(&staged);
}

static void two_threads_give_the_same_bits(void **state)
{
    (void)state;
    const mop_vk_options options = {.threads = 2};
    vulkan_fixture two;
    vulkan_need_device(&fixture);
    vulkan_fixture_open(&two, &options);
    vulkan_need_device(&two);
    mop_model *m = small_model();
    mop_plan *plan = plan_of(fixture.device, m, false), *other = plan_of(two.device, m, false);
    float *want = output_of(plan, m, 1, NULL), *got = output_of(other, m, 1, NULL);
    expect_same(m, want, got);
    free(want);
    free(got);
    vulkan->plan_free(plan);
    vulkan->plan_free(other);
    mop_model_free(m);
    vulkan_fixture_close(&two);
}

static void a_node_that_was_not_kept_cannot_be_read(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    mop_model *m = small_model();
    mop_plan *plan = plan_of(fixture.device, m, false);
    const uint32_t last = m->graph->n_nodes - 1;
    const size_t n = (size_t)mop_shape_elems(output_shape(m));
    float *y = floats(output_shape(m)), *want = output_of(plan, m, 1, NULL);
    mop_err err = {0};
    assert_int_equal(vulkan->read(plan, 1, y, n, &err), MOP_EINVAL);
    err = (mop_err){0};
    assert_int_equal(vulkan->read(plan, last, y, n + 1, &err), MOP_EINVAL);
    err = (mop_err){0};
    assert_int_equal(vulkan->read(plan, last, y, n, &err), MOP_OK);
    expect_same(m, want, y);
    assert_string_equal(vulkan->kernel_name(plan, 0), "");
    assert_true(strlen(vulkan->kernel_name(plan, last)) > 0);
    free(y);
    free(want);
    vulkan->plan_free(plan);
    mop_model_free(m);
}

static void a_node_beyond_the_devices_limits_is_named(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    mop_vk_caps *caps = &fixture.device->vk->caps;
    const mop_vk_caps before = *caps;
    mop_model *m = small_model();
    const mop_plan_desc desc = {0};
    mop_plan *plan = NULL;
    mop_err err = {0};
    caps->max_texels = caps->max_range = 16;
    assert_int_equal(vulkan->plan(fixture.device, m, &desc, &plan, &err), MOP_EUNSUPPORTED);
    assert_null(plan);
    assert_non_null(strstr(err.msg, m->graph->nodes[1].name));
    assert_false(vulkan->supports(fixture.device, &m->graph->nodes[1].inst));
    *caps = before;
    assert_true(vulkan->supports(fixture.device, &m->graph->nodes[1].inst));
    mop_model_free(m);
}

/* Tensors that no texel buffer can hold are read as storage buffers. */
static void a_network_beyond_texel_buffers_runs_through_storage_buffers(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    mop_vk_caps *caps = &fixture.device->vk->caps;
    const mop_vk_caps before = *caps;
    caps->max_texels = 16;
    check_network("mobileone-s0" SIZE);
    *caps = before;
}

static mop_status open_with(const char *selector, mop_device **device, mop_err *err)
{
    const mop_device_choice choice = {.selector = selector, .threads = 1};
    *err = (mop_err){0};
    *device = NULL;
    return vulkan->open(&choice, device, err);
}

static void a_device_is_found_by_index_name_and_uuid(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    mop_device_info all[8], got;
    size_t n = 0;
    mop_err err = {0};
    assert_int_equal(vulkan->list(all, 8, &n, &err), MOP_OK);
    assert_true(n >= 1);
    char part[8];
    (void)snprintf(part, sizeof part, "%.6s", all[0].name);
    const char *const selectors[] = {"0", all[0].name, all[0].uuid, part};
    for (size_t i = 0; i < sizeof selectors / sizeof selectors[0]; i++) {
        mop_device *device;
        if (open_with(selectors[i], &device, &err) != MOP_OK)
            fail_msg("%s: %s", selectors[i], err.msg);
        vulkan->info(device, &got);
        assert_string_equal(got.uuid, all[0].uuid);
        assert_true(!got.is_software || strcmp(got.type, "software") == 0);
        vulkan->close(device);
    }
}

static void an_unknown_device_is_refused_with_what_there_is(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    mop_device *device;
    mop_err err;
    const char *const selectors[] = {"no such device", "97"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(open_with(selectors[i], &device, &err), MOP_ENODEV);
        assert_non_null(strstr(err.msg, selectors[i]));
        assert_non_null(strstr(err.msg, "there is 0 \""));
    }
}

static void without_a_driver_there_is_no_device_and_a_reason(void **state)
{
    (void)state;
    const char *const names[] = {"VK_ICD_FILENAMES", "VK_DRIVER_FILES"};
    char *before[2];
    mop_device *device;
    mop_err err;
    size_t n = 77;
    mop_device_info info;
    for (int i = 0; i < 2; i++) {
        const char *v = getenv(names[i]);
        before[i] = v != NULL ? strdup(v) : NULL;
        assert_int_equal(setenv(names[i], "/nonexistent/icd.json", 1), 0);
    }
    assert_int_equal(open_with(NULL, &device, &err), MOP_ENODEV);
    assert_non_null(strstr(err.msg, "no Vulkan device ("));
    assert_null(device);
    err = (mop_err){0};
    assert_int_equal(vulkan->list(&info, 1, &n, &err), MOP_ENODEV);
    assert_int_equal(n, 77);
    for (int i = 0; i < 2; i++) {
        if (before[i] != NULL)
            (void)setenv(names[i], before[i], 1);
        else
            (void)unsetenv(names[i]);
        free(before[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_driver_there_is_no_device_and_a_reason),
        cmocka_unit_test(a_device_is_found_by_index_name_and_uuid),
        cmocka_unit_test(an_unknown_device_is_refused_with_what_there_is),
        cmocka_unit_test(every_node_of_mobileone_is_right),
        cmocka_unit_test(every_node_of_the_training_form_is_right),
        cmocka_unit_test(every_node_of_cnn30_with_se_and_skip_is_right),
        cmocka_unit_test(every_node_with_dynamic_activations_is_right),
        cmocka_unit_test(every_node_of_a_transformer_is_right),
        cmocka_unit_test(the_arena_changes_no_bit),
        cmocka_unit_test(two_plans_of_one_network_share_their_pipelines),
        cmocka_unit_test(staged_memory_gives_the_same_bits),
        cmocka_unit_test(two_threads_give_the_same_bits),
        cmocka_unit_test(a_node_that_was_not_kept_cannot_be_read),
        cmocka_unit_test(a_node_beyond_the_devices_limits_is_named),
        cmocka_unit_test(a_network_beyond_texel_buffers_runs_through_storage_buffers),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
