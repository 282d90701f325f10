#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/refnet.h"
#include "variants/variant.h"

#ifdef __SANITIZE_ADDRESS__
#define SIDE  "@32"
#define USUAL "@128"
#else
#define SIDE  "@64"
#define USUAL "@224"
#endif

static mop_model *model_of(const char *text, int32_t batch, uint64_t seed)
{
    mop_err err = {0};
    mop_spec spec;
    mop_model *m = NULL;
    if (mop_spec_parse(text, &spec, &err) != MOP_OK ||
        mop_variant_model(&spec, batch, seed, &m, &err) != MOP_OK)
        fail_msg("%s: %s", text, err.msg);
    return m;
}

/* Number of constants that differ in any value. */
static size_t differing(const mop_model *a, const mop_model *b)
{
    size_t n = 0;
    assert_int_equal(a->graph->n_nodes, b->graph->n_nodes);
    for (uint32_t i = 1; i < a->graph->n_nodes; i++) {
        mop_weight_desc desc[MOP_MAX_WEIGHTS];
        uint32_t slots = mop_op_weights(&a->graph->nodes[i].inst, desc);
        for (uint32_t s = 0; s < slots; s++)
            n += memcmp(mop_model_w(a, i, s), mop_model_w(b, i, s),
                        (size_t)desc[s].elems * sizeof(float)) != 0;
    }
    return n;
}

static void one_seed_gives_one_set_of_constants(void **state)
{
    mop_model *a = model_of("cnn30:train@32", 1, 1), *b = model_of("cnn30:train@32", 1, 1);
    mop_model *c = model_of("cnn30:train@32", 1, 2);
    (void)state;
    assert_int_equal(differing(a, b), 0);
    /* 30 kernels, 30 times the four of BatchNorm, and two of the classifier */
    assert_int_equal(differing(a, c), 30 + 120 + 2);
    mop_model_free(a);
    mop_model_free(b);
    mop_model_free(c);
    mop_model_free(NULL);
}

static void batch_and_larger_inputs_keep_the_constants(void **state)
{
    mop_model *a = model_of("mobilenetv1-0.25@112", 1, 5);
    mop_model *b = model_of("mobilenetv1-0.25@112", 3, 5);
    mop_model *c = model_of("mobilenetv1-0.25@160x128", 1, 5);
    (void)state;
    assert_int_equal(differing(a, b), 0);
    assert_int_equal(differing(a, c), 0);
    mop_model_free(a);
    mop_model_free(b);
    mop_model_free(c);
}

static void batchnorm_statistics_are_not_trivial(void **state)
{
    mop_model *m = model_of("mobileone-s0:train@32", 1, 3);
    size_t checked = 0;
    (void)state;
    for (uint32_t i = 1; i < m->graph->n_nodes; i++) {
        const mop_op_inst *inst = &m->graph->nodes[i].inst;
        if (inst->op != MOP_OP_BATCHNORM)
            continue;
        for (int32_t c = 1; c < inst->out.c; c++)
            for (uint32_t s = 0; s < 4; s++)
                assert_true(isfinite((double)mop_model_w(m, i, s)[c]) &&
                            mop_model_w(m, i, s)[c] != mop_model_w(m, i, s)[c - 1]);
        for (int32_t c = 0; c < inst->out.c; c++)
            assert_true(mop_model_w(m, i, 3)[c] > 0.0f);
        checked++;
    }
    /* stem 3x3 and 1x1; 21 blocks of four depthwise, a scale and four pointwise; skips in the 17
     * depthwise sub-blocks of stride 1 and the 18 pointwise ones that keep their width */
    assert_int_equal(checked, 2 + 21 * 9 + 17 + 18);
    mop_model_free(m);
}

/* Every variant that "all" means: finite values of ordinary size, and an output that depends on the
 * input. 30 sigmoids forget theirs: each keeps a sixteenth of its variance, beside a mean of 1/2.
 */
static void every_variant_gives_values_in_range(void **state)
{
    (void)state;
    for (size_t i = 0; mop_variant_at(i) != NULL; i++) {
        char text[128];
        mop_model *m;
        double *a, *b, rms, change;
        size_t n;
        snprintf(text, sizeof text, "%s" SIDE, mop_variant_at(i));
        m = model_of(text, 1, 11);
        a = refnet_run(m, 11, &n);
        b = refnet_run(m, 12, &n);
        rms = refnet_rms(a, n);
        change = refnet_distance(b, a, n);
        print_message("%s: rms %.3g, another input changes it by %.3g\n", text, rms, change);
        assert_int_equal(n, 1000);
        assert_true(rms >= 0.05 && rms <= 50.0);
        assert_true(change >= (strstr(text, "act=sigmoid") != NULL ? 1e-15 : 0.01));
        free(a);
        free(b);
        mop_model_free(m);
    }
}

/* What a network at the usual size gives, where the statistics come from a smaller one. */
static void the_usual_size_stays_in_range_too(void **state)
{
    static const char *const specs[] = {"mobilenetv1-0.25" USUAL, "mobilenetv2-0.35" USUAL,
                                        "cnn30+act=dyshiftmax" USUAL};
    (void)state;
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        mop_model *m = model_of(specs[i], 1, 11);
        size_t n;
        double *y = refnet_run(m, 11, &n), rms = refnet_rms(y, n);
        print_message("%s: rms %.3g\n", specs[i], rms);
        assert_true(rms >= 0.05 && rms <= 50.0);
        free(y);
        mop_model_free(m);
    }
}

/* n values: the mean is within 5 / sqrt(n) of 0, the mean square within 5 sqrt(2 / n) of 1. */
static void the_standard_input_is_normal(void **state)
{
    enum { N = 32 * 32 * 3 * 2 };
    static float a[N], b[N];
    double sum = 0.0, squares = 0.0;
    (void)state;
    mop_standard_input((mop_shape){2, 32, 32, 3}, 4, a);
    mop_standard_input((mop_shape){2, 32, 32, 3}, 4, b);
    assert_memory_equal(a, b, sizeof a);
    for (size_t i = 0; i < N; i++) {
        sum += (double)a[i];
        squares += (double)a[i] * (double)a[i];
    }
    assert_true(fabs(sum / N) <= 5.0 / sqrt(N));
    assert_true(fabs(squares / N - 1.0) <= 5.0 * sqrt(2.0 / N));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_seed_gives_one_set_of_constants),
        cmocka_unit_test(batch_and_larger_inputs_keep_the_constants),
        cmocka_unit_test(batchnorm_statistics_are_not_trivial),
        cmocka_unit_test(every_variant_gives_values_in_range),
        cmocka_unit_test(the_usual_size_stays_in_range_too),
        cmocka_unit_test(the_standard_input_is_normal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
