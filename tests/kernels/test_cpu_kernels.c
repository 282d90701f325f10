/* Every CPU kernel against the float64 reference, in the manner of dav1d's checkasm. With --bench
 * [substring] it measures instead. MOP_TEST_SEED replays a seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu/kernel.h"
#include "profiler/base/alloc.h"
#include "profiler/base/rng.h"
#include "tests/support/kernel_bench.h"
#include "tests/support/kernel_cases.h"
#include "tests/support/kernel_trial.h"
#include "tests/support/wide.h"

enum { MAX_SLICES = 7 };

static uint64_t seed_of_run(void)
{
    const char *text = getenv("MOP_TEST_SEED");
    return text != NULL ? strtoull(text, NULL, 0) : 20250601;
}

/* All units in random slices, in random order, into t->merged. Returns whether the slices were
 * disjoint and left nothing out. */
static bool run_slices(mop_trial *t, mop_rng *rng)
{
    const int64_t units = t->kernel->units(&t->inst);
    const uint32_t n =
        1 + (uint32_t)mop_rng_below(rng, units < MAX_SLICES ? (uint64_t)units : MAX_SLICES);
    uint32_t order[MAX_SLICES + 1];
    const float *out = t->out.data;
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    mop_rng_shuffle(rng, order, n);
    for (uint32_t i = 0; i < n; i++) {
        mop_trial_run(t, units * order[i] / n, units * (order[i] + 1) / n);
        for (size_t j = 0; j < t->n_out; j++) {
            if (mop_is_poison(&out[j]))
                continue;
            if (!mop_is_poison(&t->merged[j]))
                return false;
            t->merged[j] = out[j];
        }
    }
    for (size_t j = 0; j < t->n_out; j++)
        if (mop_is_poison(&t->merged[j]))
            return false;
    return true;
}

/* The operator in float64 on the trial's inputs: out[n_out] and bound[n_out]. */
static void reference_of(const mop_trial *t, double *out, double *bound)
{
    double *in[MOP_MAX_IN] = {0};
    mop_ref_args ref = {.inst = &t->inst, .out = out, .bound = bound};
    for (uint32_t i = 0; i < t->inst.n_in; i++) {
        const size_t n = (size_t)mop_shape_elems(t->inst.in[i]);
        const float *x = t->in[i].data;
        in[i] = mop_calloc(n, sizeof(double), NULL);
        assert_non_null(in[i]);
        for (size_t j = 0; j < n; j++)
            in[i][j] = (double)x[j];
        ref.in[i] = in[i];
    }
    for (int i = 0; i < MOP_MAX_WEIGHTS; i++)
        ref.w[i] = t->w[i].data;
    mop_op_reference_bounded(&ref, t->kernel->bound);
    for (int i = 0; i < MOP_MAX_IN; i++)
        free(in[i]);
}

/* Largest |error| / bound of t->merged; infinite for a NaN or an error where the bound is 0. */
static double worst_error(const mop_trial *t)
{
    double *out = mop_calloc(t->n_out, sizeof(double), NULL), worst = 0;
    double *bound = mop_calloc(t->n_out, sizeof(double), NULL);
    assert_non_null(out);
    assert_non_null(bound);
    reference_of(t, out, bound);
    for (size_t j = 0; j < t->n_out; j++) {
        const double err = fabs((double)t->merged[j] - out[j]);
        const double ratio = err == 0 ? 0 : err <= bound[j] ? err / bound[j] : INFINITY;
        worst = ratio > worst ? ratio : worst;
    }
    free(out);
    free(bound);
    return worst;
}

static void expect(bool claim, const char *what, const mop_trial *t, uint64_t seed)
{
    if (!claim)
        fail_msg("%s/%s: %s (%s; MOP_TEST_SEED=%llu)", t->kernel->name,
                 mop_isa_name(t->kernel->isa), what, t->name, (unsigned long long)seed);
}

static double try_case(const mop_cpu_kernel *kernel, size_t i, uint64_t seed)
{
    mop_rng rng;
    mop_rng_init(&rng, seed, i);
    const mop_op_inst inst = mop_kernel_case(kernel, i, &rng);
    mop_trial t = mop_trial_make(kernel, &inst, &rng);
    double worst;
    expect(run_slices(&t, &rng), "slices overlap or leave something out", &t, seed);
    mop_trial_run(&t, 0, kernel->units(&inst));
    expect(memcmp(t.merged, t.out.data, t.n_out * sizeof(float)) == 0,
           "slices and the whole differ", &t, seed);
    expect(mop_guard_intact(&t.out, MOP_TRIAL_FILL), "written in front of the output", &t, seed);
    worst = worst_error(&t);
    expect(worst <= 1, "outside the bound of the reference", &t, seed);
    mop_trial_free(&t);
    return worst;
}

static void try_kernel(const mop_cpu_kernel *kernel, const char *isa, uint64_t seed)
{
    double worst = 0;
    for (size_t i = 0; i < mop_kernel_cases(kernel); i++) {
        const double w = try_case(kernel, i, seed);
        worst = w > worst ? w : worst;
    }
    printf("%s/%s: %zu cases, worst error %.3f of its bound\n", kernel->name, isa,
           mop_kernel_cases(kernel), worst);
}

static void every_kernel_agrees_with_the_reference_within_its_bound(void **state)
{
    const uint64_t seed = seed_of_run();
    const unsigned here = mop_isa_detect();
    size_t n;
    const mop_cpu_kernel *const *kernels = mop_cpu_kernels(&n);
    (void)state;
    printf("seed %llu\n", (unsigned long long)seed);
    for (size_t k = 0; k < n; k++)
        if ((here & 1u << kernels[k]->isa) != 0)
            try_kernel(kernels[k], mop_isa_name(kernels[k]->isa), seed);
}

static void tiles_of_32_registers_are_right_without_their_hardware(void **state)
{
    (void)state;
    try_kernel(&mop_cpu_conv_gemm_wide, "emulated", seed_of_run());
    try_kernel(&mop_cpu_conv_wino4_wide, "emulated", seed_of_run());
    try_kernel(&mop_cpu_conv_dw3_wide, "emulated", seed_of_run());
    try_kernel(&mop_cpu_conv_dw_ring_wide, "emulated", seed_of_run());
}

/* One NaN in the first input comes out of a kernel where the reference lets it out, and nowhere
 * else but in the tiles of a Winograd kernel: neither a clamp nor a maximum may turn it into a
 * number. */
static void a_nan_comes_out_where_the_reference_has_one(void **state)
{
    const uint64_t seed = seed_of_run();
    size_t n;
    const mop_cpu_kernel *const *kernels = mop_cpu_kernels(&n);
    (void)state;
    printf("seed %llu\n", (unsigned long long)seed);
    for (size_t k = 0; k < n; k++) {
        size_t seen = 0;
        if ((mop_isa_detect() & 1u << kernels[k]->isa) == 0)
            continue;
        for (size_t i = 0; i < mop_kernel_cases(kernels[k]); i += 5) {
            mop_rng rng;
            mop_rng_init(&rng, seed, i);
            const mop_op_inst inst = mop_kernel_case(kernels[k], i, &rng);
            mop_trial t = mop_trial_make(kernels[k], &inst, &rng);
            double *want = mop_calloc(2 * t.n_out, sizeof *want, NULL);
            const float *out = t.out.data;
            assert_non_null(want);
            ((float *)t.in[0].data)[mop_rng_below(&rng, (uint64_t)mop_shape_elems(inst.in[0]))] =
                NAN;
            mop_trial_run(&t, 0, kernels[k]->units(&inst));
            reference_of(&t, want, want + t.n_out);
            for (size_t j = 0; j < t.n_out; j++) {
                expect(!isnan(out[j]) == !isnan(want[j]) ||
                           (kernels[k]->is_winograd && isnan(out[j])),
                       "a NaN is lost or made", &t, seed);
                seen += isnan(want[j]) != 0;
            }
            free(want);
            mop_trial_free(&t);
        }
        assert_true(seen > 0);
    }
}

/* A skip of its own for each level, so that absent hardware is seen and not passed. */
static void level_runs_here(mop_isa isa)
{
    if ((mop_isa_detect() & 1u << isa) == 0) {
        printf("skip: this machine has no %s, its kernels were compiled and not run\n",
               mop_isa_name(isa));
        skip();
    }
}

#define MOP_WERE_RUN(ID, name, x)                                                                  \
    static void name##_kernels_were_run(void **state)                                              \
    {                                                                                              \
        (void)state;                                                                               \
        level_runs_here(MOP_ISA_##ID);                                                             \
    }
MOP_ISAS(MOP_WERE_RUN, )

static void kernels_of_a_level_come_after_those_of_lower_levels(void **state)
{
    size_t n;
    const mop_cpu_kernel *const *kernels = mop_cpu_kernels(&n);
    (void)state;
    for (size_t i = 1; i < n; i++)
        assert_true(kernels[i - 1]->isa <= kernels[i]->isa);
}

static void every_operator_has_a_kernel_at_every_mask(void **state)
{
    size_t n;
    const mop_cpu_kernel *const *kernels = mop_cpu_kernels(&n);
    (void)state;
    for (unsigned mask = 0; mask <= MOP_ISA_ALL; mask++) {
        for (size_t k = 0; k < n; k++) {
            mop_rng rng;
            mop_rng_init(&rng, seed_of_run(), k);
            const mop_op_inst inst = mop_kernel_case(kernels[k], 50, &rng);
            const mop_cpu_kernel *chosen =
                mop_cpu_kernel_choose(&inst, &(mop_kernel_policy){.isa_mask = mask});
            assert_non_null(chosen);
            assert_true(chosen->fits(&inst));
            assert_true(chosen->isa <= mop_isa_best(mask));
        }
    }
}

/* Dense sweep over the values that matter: steps of about 2^-12 of the value, both signs. */
static size_t sweep(float *x)
{
    size_t n = 0;
    for (uint32_t bits = 0x37800000; bits < 0x43200000; bits += 2048) { /* 1.5e-5 to 160 */
        float v;
        memcpy(&v, &bits, sizeof v);
        if (x != NULL)
            x[n] = v, x[n + 1] = -v;
        n += 2;
    }
    return n;
}

/* Errors stated in kernels/cpu/vmath.h: `relative` of the value where it is a normal number,
 * nothing else beside the smallest normal number. */
static void hold_activation(mop_act act, double relative, double of_x)
{
    const size_t n = sweep(NULL);
    float *x = mop_calloc(n, sizeof *x, NULL), *y = mop_calloc(n, sizeof *y, NULL);
    mop_op_inst inst = {.op = MOP_OP_ACT, .n_in = 1, .in = {{1, 1, 1, (int32_t)n}}};
    mop_args args = {.inst = &inst, .out = y, .end = 1};
    assert_true(x != NULL && y != NULL);
    (void)sweep(x);
    args.in[0] = x;
    inst.params.act = act;
    assert_int_equal(mop_op_infer(&inst, NULL), MOP_OK);
    for (unsigned level = 0; level < MOP_ISA_COUNT; level++) {
        double worst = 0, at = 0;
        const mop_cpu_kernel *k =
            mop_cpu_kernel_choose(&inst, &(mop_kernel_policy){.isa_mask = 1u << level});
        if (k->isa != (mop_isa)level)
            continue; /* not offered here */
        k->run(&args);
        for (size_t i = 0; i < n; i++) {
            const double want = mop_act_eval(act, (double)x[i]);
            const double allowed = relative * FLT_EPSILON * fabs(want) +
                                   of_x * FLT_EPSILON * fabs((double)x[i]) +
                                   2 * (double)FLT_MIN * fmax(1, fabs((double)x[i]));
            const double ratio = fabs((double)y[i] - want) / allowed;
            worst = ratio > worst ? ratio : worst;
            at = ratio == worst ? (double)x[i] : at;
        }
        printf("%s/%s: %.2f of the stated error, at %g\n", mop_act_name(act), mop_isa_name(k->isa),
               worst, at);
        assert_true(worst <= 1);
    }
    free(x);
    free(y);
}

static void activations_keep_their_stated_errors(void **state)
{
    (void)state;
    hold_activation(MOP_ACT_SIGMOID, 4, 0);
    hold_activation(MOP_ACT_SILU, 0, 3);
    hold_activation(MOP_ACT_GELU, 0, 3);
    hold_activation(MOP_ACT_GELU_TANH, 0, 3);
    hold_activation(MOP_ACT_HARDSIGMOID, 2, 0);
    hold_activation(MOP_ACT_HARDSWISH, 3, 0);
    hold_activation(MOP_ACT_RELU, 0, 0);
    hold_activation(MOP_ACT_RELU6, 0, 0);
}

static void activations_pass_nan(void **state)
{
    float x[19], y[19];
    mop_op_inst inst = {.op = MOP_OP_ACT, .n_in = 1, .in = {{1, 1, 1, 19}}};
    const mop_args args = {.inst = &inst, .in = {x}, .out = y, .end = 1};
    (void)state;
    for (int i = 0; i < 19; i++)
        x[i] = NAN;
    for (int act = MOP_ACT_NONE + 1; act < MOP_ACT_COUNT; act++) {
        inst.params.act = (mop_act)act;
        assert_int_equal(mop_op_infer(&inst, NULL), MOP_OK);
        for (unsigned level = 0; level < MOP_ISA_COUNT; level++) {
            mop_cpu_kernel_choose(&inst, &(mop_kernel_policy){.isa_mask = 1u << level})->run(&args);
            for (int i = 0; i < 19; i++)
                assert_true(isnan(y[i]));
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_of_a_level_come_after_those_of_lower_levels),
        cmocka_unit_test(every_operator_has_a_kernel_at_every_mask),
        cmocka_unit_test(activations_keep_their_stated_errors),
        cmocka_unit_test(activations_pass_nan),
        cmocka_unit_test(a_nan_comes_out_where_the_reference_has_one),
        cmocka_unit_test(every_kernel_agrees_with_the_reference_within_its_bound),
        cmocka_unit_test(tiles_of_32_registers_are_right_without_their_hardware),
#define MOP_WERE_RUN_TEST(ID, name, x) cmocka_unit_test(name##_kernels_were_run),
        MOP_ISAS(MOP_WERE_RUN_TEST, )};
    if (argc > 1 && strcmp(argv[1], "--bench") == 0)
        return mop_kernel_bench(argc > 2 ? argv[2] : NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
