/* Whole networks in every number type that the Vulkan device runs, held to what the type promises
 * (check.h), with core and synchronization validation silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/engine/check.h"
#include "tests/support/onebyone.h"
#include "tests/support/vulkan.h"
#include "variants/passes.h"
#include "variants/variant.h"

enum { SEED = 11 };

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

/* A variant's model before and after fusing, and its float64 output. */
typedef struct subject {
    mop_model *model, *fused;
    float *in;
    double *reference;
    size_t n;
} subject;

static subject subject_of(const char *text)
{
    subject s = {0};
    mop_spec spec;
    mop_err err = {0};
    if (mop_spec_parse(text, &spec, &err) != MOP_OK ||
        mop_variant_model(&spec, 1, SEED, &s.model, &err) != MOP_OK ||
        mop_pass_fuse(s.model, MOP_FUSE_ALL, &s.fused, &err) != MOP_OK)
        fail_msg("%s: %s", text, err.msg);
    const mop_graph *g = s.model->graph;
    const mop_shape in = g->nodes[0].inst.out;
    s.n = (size_t)mop_shape_elems(g->nodes[g->n_nodes - 1].inst.out);
    s.in = malloc((size_t)mop_shape_elems(in) * sizeof(float));
    s.reference = malloc(s.n * sizeof(double));
    assert_non_null(s.in);
    assert_non_null(s.reference);
    mop_standard_input(in, SEED, s.in);
    assert_int_equal(mop_reference_run(s.model, s.in, s.reference, s.n, &err), MOP_OK);
    return s;
}

static void subject_free(subject *s)
{
    free(s->in);
    free(s->reference);
    mop_model_free(s->model);
    mop_model_free(s->fused);
}

static void check_in(const char *text, const subject *s, mop_dtype dtype)
{
    const mop_plan_desc desc = {.dtype = dtype};
    mop_plan *plan = NULL;
    mop_check check;
    mop_err err = {0};
    if (vulkan->plan(fixture.device, s->fused, &desc, &plan, &err) != MOP_OK ||
        mop_check_plan(vulkan, fixture.device, plan, &desc, s->fused, s->in, s->reference, s->n,
                       &check, &err) != MOP_OK)
        fail_msg("%s in %s: %s", text, mop_dtype_name(dtype), err.msg);
    print_message("%-24s %-6s worst node %.3f of its bound, end to end %.2g of %.2g\n", text,
                  mop_dtype_name(dtype), check.worst_node, check.end_to_end, check.end_bound);
    vulkan->plan_free(plan);
}

/* Squeeze-and-excitation and depthwise, dynamic activations, a transformer: `moprof verify` is for
 * all the others. */
static void networks_pass_their_check_in_every_type(void **state)
{
    static const char *const specs[] = {"mobilenetv3-small@32", "cnn30+act=dyrelu-b@32",
                                        "deit-tiny@32"};
    (void)state;
    vulkan_need_device(&fixture);
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        subject s = subject_of(specs[i]);
        for (mop_dtype t = MOP_DTYPE_FP32 + 1; t < MOP_DTYPE_COUNT; t++)
            if (mop_backend_runs(vulkan, fixture.device, t, NULL) == MOP_OK)
                check_in(specs[i], &s, t);
        subject_free(&s);
    }
    vulkan_expect_silence(&fixture);
}

static void an_overflow_of_float16_fails_by_name(void **state)
{
    const mop_plan_desc desc = {.dtype = MOP_DTYPE_FP16S, .keep_all = true};
    const mop_params none = {0};
    mop_check check;
    mop_err err = {0};
    mop_plan *plan = NULL;
    float x[8], y[8];
    obo_net net;
    (void)state;
    vulkan_need_device(&fixture);
    obo_init(&net, (mop_shape){1, 1, 1, 8}, SEED);
    (void)obo_add(&net, MOP_OP_ADD, &none, (uint32_t[]){0, 0}, 2);
    for (int i = 0; i < 8; i++)
        x[i] = 5000 * (float)i; /* the last one's sum is 70000 */
    assert_int_equal(vulkan->plan(fixture.device, &net.model, &desc, &plan, &err), MOP_OK);
    assert_int_equal(vulkan->run(plan, x, y, NULL, &err), MOP_OK);
    assert_int_equal(mop_check_nodes(vulkan, plan, &net.model, x, &check, &err), MOP_ECHECK);
    if (strstr(err.msg, "what is beyond 65504 overflows here") == NULL)
        fail_msg("'%s'", err.msg);
    vulkan->plan_free(plan);
    obo_free(&net);
}

static void float16_arithmetic_can_be_missing(void **state)
{
    const mop_vk_options options = {.threads = 1, .switches = "no-fp16"};
    mop_err err = {0};
    mop_device *device = NULL;
    (void)state;
    vulkan_need_device(&fixture);
    assert_int_equal(mop_vulkan_open(&options, &device, &err), MOP_OK);
    assert_int_equal(mop_backend_runs(vulkan, device, MOP_DTYPE_FP16, &err), MOP_EUNSUPPORTED);
    assert_non_null(strstr(err.msg, "fp16 needs a Vulkan device that computes in float16"));
    assert_int_equal(mop_backend_runs(vulkan, device, MOP_DTYPE_FP16S, &err), MOP_OK);
    assert_int_equal(mop_backend_runs(vulkan, device, MOP_DTYPE_INT8, &err), MOP_OK);
    vulkan->close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_pass_their_check_in_every_type),
        cmocka_unit_test(an_overflow_of_float16_fails_by_name),
        cmocka_unit_test(float16_arithmetic_can_be_missing),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
