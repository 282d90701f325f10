/* Kernels that gather: the channel sums of what they write, and the pooling that ends from them. */
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

#include "profiler/base/alloc.h"
#include "tests/support/kernel_cases.h"
#include "tests/support/kernel_trial.h"

static uint64_t seed_of_run(void)
{
    const char *text = getenv("MOP_TEST_SEED");
    return text != NULL ? strtoull(text, NULL, 0) : 20250601;
}

static void expect(bool claim, const char *what, const mop_trial *t, uint64_t seed)
{
    if (!claim)
        fail_msg("%s/%s: %s (%s; MOP_TEST_SEED=%llu)", t->kernel->name,
                 mop_isa_name(t->kernel->isa), what, t->name, (unsigned long long)seed);
}

/* Sums of channel c over the n values among x[0..n_out) that are no poison, and of their sizes.
 * Returns n. */
static int64_t written(const mop_trial *t, int64_t c, double *sum, double *size)
{
    const float *x = t->out.data;
    int64_t n = 0;
    *sum = *size = 0;
    for (size_t i = (size_t)c; i < t->n_out; i += (size_t)t->inst.out.c) {
        if (mop_is_poison(&x[i]))
            continue;
        n++;
        *sum += (double)x[i];
        *size += fabs((double)x[i]);
    }
    return n;
}

/* Unit u alone: it writes in its image only, its row holds the sums of what it wrote and the other
 * rows are as they were. n additions in any order are off by (n - 1) u / (1 - (n - 1) u) sum |x|
 * at most (Higham 2002, sec. 4.2), u = eps / 2. */
static void hold_unit(mop_trial *t, int64_t u, mop_guard *sums, uint64_t seed)
{
    const int64_t units = t->kernel->units(&t->inst), c = t->inst.out.c;
    const size_t image = t->n_out / (size_t)t->inst.out.n;
    const int64_t own = u / (units / t->inst.out.n);
    const float *out = t->out.data, *row = (float *)sums->data + u * c;
    mop_poison_fill(sums->data, (size_t)(units * c));
    mop_trial_run(t, u, u + 1);
    expect(mop_guard_intact(sums, MOP_TRIAL_FILL), "written in front of the sums", t, seed);
    for (int64_t i = 0; i < units * c; i++)
        expect(mop_is_poison((float *)sums->data + i) == (i / c != u), "the wrong row", t, seed);
    for (size_t i = 0; i < t->n_out; i++)
        expect(mop_is_poison(&out[i]) || (int64_t)(i / image) == own, "another image", t, seed);
    for (int64_t i = 0; i < c; i++) {
        double sum, size;
        const int64_t n = written(t, i, &sum, &size);
        expect(fabs((double)row[i] - sum) <= (double)n * (double)FLT_EPSILON * size,
               "the sums are not those of what was written", t, seed);
    }
}

static void hold_case(const mop_cpu_kernel *kernel, size_t i, uint64_t seed)
{
    mop_rng rng;
    mop_rng_init(&rng, seed, i);
    const mop_op_inst inst = mop_kernel_case(kernel, i, &rng);
    mop_trial t = mop_trial_make(kernel, &inst, &rng);
    const int64_t units = kernel->units(&inst), c = inst.out.c;
    const size_t bytes = (size_t)(units * c) * sizeof(float);
    mop_guard sums = mop_guard_alloc(bytes, sizeof(float), MOP_TRIAL_FILL);
    float *alone = mop_calloc((size_t)(units * c), sizeof(float), NULL);
    assert_non_null(alone);
    expect(units % inst.out.n == 0, "not as many units for each image", &t, seed);
    mop_trial_run(&t, 0, units);
    memcpy(t.merged, t.out.data, t.n_out * sizeof(float));
    t.sums = sums.data;
    for (int64_t u = units - 1; u >= 0; u--) {
        hold_unit(&t, u, &sums, seed);
        memcpy(alone + u * c, t.sums + u * c, (size_t)c * sizeof(float));
    }
    mop_trial_run(&t, 0, units);
    expect(memcmp(t.merged, t.out.data, t.n_out * sizeof(float)) == 0,
           "gathering changes the output", &t, seed);
    expect(memcmp(alone, t.sums, bytes) == 0, "units alone and the whole differ", &t, seed);
    free(alone);
    mop_guard_free(&sums);
    mop_trial_free(&t);
}

static void units_gather_the_sums_of_what_they_write(void **state)
{
    const uint64_t seed = seed_of_run();
    size_t n, gathering = 0;
    const mop_cpu_kernel *const *kernels = mop_cpu_kernels(&n);
    (void)state;
    printf("seed %llu\n", (unsigned long long)seed);
    for (size_t k = 0; k < n; k++) {
        if (!kernels[k]->gathers || (mop_isa_detect() & 1u << kernels[k]->isa) == 0)
            continue;
        gathering++;
        for (size_t i = 0; i < mop_kernel_cases(kernels[k]); i += 2)
            hold_case(kernels[k], i, seed);
    }
    assert_true(gathering > 0);
}

/* finish() of `rows` gathered rows against the mean of the rows in float64. */
static void hold_finish(const mop_cpu_kernel *k, mop_op_inst inst, int64_t rows, mop_rng *rng)
{
    const int64_t c = inst.in[0].c, images = inst.in[0].n, n = images * rows * c;
    const double pixels = (double)inst.in[0].h * (double)inst.in[0].w;
    mop_guard sums = mop_guard_alloc((size_t)n * sizeof(float), sizeof(float), MOP_TRIAL_FILL);
    mop_guard out =
        mop_guard_alloc((size_t)(images * c) * sizeof(float), sizeof(float), MOP_TRIAL_FILL);
    mop_args args = {.inst = &inst, .sums = sums.data, .out = out.data};
    for (int64_t i = 0; i < n; i++)
        args.sums[i] = (float)mop_rng_normal(rng);
    for (int64_t u = k->units(&inst) - 1; u >= 0; u--) {
        args.begin = u;
        args.end = u + 1;
        k->finish(&args, rows);
    }
    assert_true(mop_guard_intact(&out, MOP_TRIAL_FILL));
    for (int64_t i = 0; i < images * c; i++) {
        double sum = 0, size = 0;
        for (int64_t r = 0; r < rows; r++) {
            const double x = (double)args.sums[(i / c * rows + r) * c + i % c];
            sum += x;
            size += fabs(x);
        }
        /* rows - 1 additions, the reciprocal, the product: each eps / 2 */
        assert_true(fabs((double)args.out[i] - sum / pixels) <=
                    (double)(rows + 1) * (double)FLT_EPSILON * size / pixels);
    }
    mop_guard_free(&sums);
    mop_guard_free(&out);
}

static void pooling_ends_from_gathered_rows(void **state)
{
    size_t n, finishing = 0;
    mop_rng rng;
    const mop_cpu_kernel *const *kernels = mop_cpu_kernels(&n);
    (void)state;
    mop_rng_init(&rng, seed_of_run(), 0);
    for (size_t k = 0; k < n; k++) {
        if (kernels[k]->finish == NULL || (mop_isa_detect() & 1u << kernels[k]->isa) == 0)
            continue;
        finishing++;
        for (size_t i = 0; i < mop_kernel_cases(kernels[k]); i++)
            hold_finish(kernels[k], mop_kernel_case(kernels[k], i, &rng),
                        1 + (int64_t)mop_rng_below(&rng, 9), &rng);
    }
    assert_true(finishing > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_gather_the_sums_of_what_they_write),
        cmocka_unit_test(pooling_ends_from_gathered_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
