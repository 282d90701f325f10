/* The links of a check in other number types: what rounds rightly passes, twice that is caught. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/rng.h"
#include "profiler/engine/check.h"
#include "tests/support/fake_backend.h"
#include "variants/passes.h"
#include "variants/variant.h"

/* A network with everything that its check needs. */
typedef struct trial {
    mop_model *model, *fused;
    float *in;
    double *reference;
    size_t n_in, n_out;
} trial;

static trial trial_of(const char *text)
{
    trial t = {0};
    mop_graph *g = NULL;
    mop_spec spec;
    mop_rng rng;
    assert_int_equal(mop_spec_parse(text, &spec, NULL), MOP_OK);
    assert_int_equal(mop_variant_graph(&spec, 1, &g, NULL), MOP_OK);
    assert_int_equal(mop_model_synthesize(g, 7, &t.model, NULL), MOP_OK);
    assert_int_equal(mop_pass_fuse(t.model, MOP_FUSE_GRAPH, &t.fused, NULL), MOP_OK);
    t.n_in = (size_t)mop_shape_elems(g->nodes[0].inst.out);
    t.n_out = (size_t)mop_shape_elems(g->nodes[g->n_nodes - 1].inst.out);
    t.in = calloc(t.n_in, sizeof *t.in);
    t.reference = calloc(t.n_out, sizeof *t.reference);
    assert_true(t.in != NULL && t.reference != NULL);
    mop_rng_init(&rng, 9, 0);
    for (size_t i = 0; i < t.n_in; i++)
        t.in[i] = (float)mop_rng_normal(&rng);
    assert_int_equal(mop_reference_run(t.model, t.in, t.reference, t.n_out, NULL), MOP_OK);
    return t;
}

static void trial_release(trial *t)
{
    mop_model_free(t->fused);
    mop_model_free(t->model);
    free(t->in);
    free(t->reference);
}

/* Opens, plans, checks, frees. */
static mop_status check_as(const trial *t, mop_dtype dtype, mop_check *c, mop_err *err)
{
    const mop_backend *b = &fake_backend_a;
    const mop_device_choice choice = {.threads = 1};
    const mop_plan_desc desc = {.dtype = dtype};
    mop_device *device = NULL;
    mop_plan *plan = NULL;
    assert_int_equal(b->open(&choice, &device, NULL), MOP_OK);
    assert_int_equal(b->plan(device, t->fused, &desc, &plan, NULL), MOP_OK);
    mop_status st =
        mop_check_plan(b, device, plan, &desc, t->fused, t->in, t->reference, t->n_out, c, err);
    b->plan_free(plan);
    b->close(device);
    return st;
}

static const char *const nets[] = {"mobileone-s0@64", "cnn30+se@32", "mobilenetv2-1.0@64"};
static const mop_dtype coarse[] = {MOP_DTYPE_FP16S, MOP_DTYPE_INT8};

static void right_rounding_passes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++) {
        trial t = trial_of(nets[i]);
        for (size_t k = 0; k < sizeof coarse / sizeof coarse[0]; k++) {
            mop_check fine, c;
            mop_err err = {0};
            fake = (fake_config){0};
            assert_int_equal(check_as(&t, MOP_DTYPE_FP32, &fine, &err), MOP_OK);
            if (check_as(&t, coarse[k], &c, &err) != MOP_OK)
                fail_msg("%s in %s: %s", nets[i], mop_dtype_name(coarse[k]), err.msg);
            /* the bound is of the rounding's size: some value comes near it, none beyond */
            assert_true(c.worst_node > 0.9 && c.worst_node <= 1);
            assert_true(c.end_to_end > 20 * fine.end_to_end);
            assert_true(c.end_to_end < c.end_bound);
            assert_true(c.end_bound > 20 * fine.end_bound);
            assert_true(c.checksum != fine.checksum);
        }
        trial_release(&t);
    }
}

static void twice_the_rounding_is_caught_in_every_node_and_in_the_input(void **state)
{
    trial t = trial_of("mobileone-s0@32");
    (void)state;
    for (uint32_t node = 0; node < 12; node++) {
        mop_check c;
        mop_err err = {0};
        char want[32];
        fake = (fake_config){.fault = FAKE_ROUNDING, .fault_node = node};
        assert_int_equal(check_as(&t, MOP_DTYPE_FP16S, &c, &err), MOP_ECHECK);
        (void)snprintf(want, sizeof want, "fake-a: node %u ", node);
        assert_memory_equal(err.msg, want, strlen(want));
        assert_int_equal(c.worst_index, node);
        assert_true(c.worst_node > 1.5 && c.worst_node <= 2.01);
    }
    trial_release(&t);
}

static void constants_that_are_cut_off_are_caught(void **state)
{
    trial t = trial_of("mobileone-s0@32");
    mop_check c;
    mop_err err = {0};
    (void)state;
    fake = (fake_config){.fault = FAKE_CONSTANTS};
    assert_int_equal(check_as(&t, MOP_DTYPE_FP16S, &c, &err), MOP_ECHECK);
    assert_non_null(strstr(err.msg, ": constant w["));
    assert_non_null(strstr(err.msg, "] is held as "));
    trial_release(&t);
}

static void overflow_is_a_failed_check_that_says_so(void **state)
{
    trial t = trial_of("mobileone-s0@32");
    mop_check c;
    mop_err err = {0};
    (void)state;
    fake = (fake_config){0};
    for (size_t i = 0; i < t.n_in; i++)
        t.in[i] *= 15000; /* itself within the range of float16 */
    assert_int_equal(check_as(&t, MOP_DTYPE_FP16S, &c, &err), MOP_ECHECK);
    assert_non_null(strstr(err.msg, "node 1 "));
    assert_non_null(strstr(err.msg, ": got inf, want "));
    assert_non_null(strstr(err.msg, "; what is beyond 65504 overflows here"));
    for (size_t i = 0; i < t.n_in; i++)
        t.in[i] *= 100;
    err = (mop_err){0};
    assert_int_equal(check_as(&t, MOP_DTYPE_FP16S, &c, &err), MOP_ECHECK);
    assert_non_null(strstr(err.msg, "node 0 "));
    assert_non_null(strstr(err.msg, "; what is beyond 65504 overflows here"));
    trial_release(&t);
    t = trial_of("mobileone-s0@32");
    mop_model_w(t.fused, 3, 0)[5] = 70000;
    err = (mop_err){0};
    assert_int_equal(check_as(&t, MOP_DTYPE_FP16S, &c, &err), MOP_ECHECK);
    assert_non_null(strstr(err.msg, "constant w[5] is held as inf, the model's is 70000, bound "));
    assert_non_null(strstr(err.msg, "; what is beyond 65504 overflows here"));
    trial_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_rounding_passes),
        cmocka_unit_test(twice_the_rounding_is_caught_in_every_node_and_in_the_input),
        cmocka_unit_test(constants_that_are_cut_off_are_caught),
        cmocka_unit_test(overflow_is_a_failed_check_that_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
