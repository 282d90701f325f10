/* The loops that only move memory do what their names say at every level, and nothing outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/cpu/peak.h"
#include "kernels/cpu/stream.h"
#include "profiler/base/rng.h"

enum { SEED = 3, N = 3 * MOP_STREAM_STEP };

static float a[N + 1], b[N + 1], c[N + 1];

static void fill(uint64_t stream)
{
    mop_rng rng;
    mop_rng_init(&rng, SEED, stream);
    for (int i = 0; i <= N; i++) {
        a[i] = (float)mop_rng_uniform(&rng);
        b[i] = (float)mop_rng_uniform(&rng);
        c[i] = (float)mop_rng_uniform(&rng);
    }
}

static int has(int level)
{
    return (mop_isa_detect() & 1u << level) != 0;
}

static void reading_sees_every_bit_of_every_element(void **state)
{
    (void)state;
    for (int level = 0; level < MOP_ISA_COUNT; level++) {
        const mop_stream_kernel *k = mop_cpu_stream((mop_isa)level);
        uint32_t want = 0;
        assert_int_equal(k->isa, level);
        if (!has(level))
            continue;
        fill(1);
        for (int i = 0; i < N; i++) {
            uint32_t bits;
            memcpy(&bits, &a[i], sizeof bits);
            want ^= bits;
        }
        assert_int_equal(k->read(a, N, 1), want);
        assert_int_equal(k->read(a, N, 2), 0); /* the second round takes the first back */
        for (int i = 0; i < N; i++) {
            const float kept = a[i];
            a[i] = -a[i];
            assert_int_equal(k->read(a, N, 1), want ^ UINT32_C(0x80000000));
            a[i] = kept;
        }
    }
}

static void copy_and_triad_write_every_element_and_no_other(void **state)
{
    (void)state;
    for (int level = 0; level < MOP_ISA_COUNT; level++) {
        const mop_stream_kernel *k = mop_cpu_stream((mop_isa)level);
        if (!has(level))
            continue;
        fill(2);
        const float end = a[N];
        k->copy(a, b, N, 2);
        assert_memory_equal(a, b, N * sizeof(float));
        assert_true(a[N] == end);
        k->triad(a, b, c, 0.5f, N, 2);
        for (int i = 0; i < N; i++) {
            /* halving is exact, so one rounding is left whether or not it is fused */
            assert_true(a[i] == b[i] + 0.5f * c[i]);
        }
        assert_true(a[N] == end);
    }
}

/* Each of 12 chains starts at its number. acc * 0.999 + 0.001 goes from there towards 1, and NEON's
 * acc + 0.999 * 0.001 grows with the rounds: after many of them the mean over chains and lanes is
 * known. Sums of that size are rounded by 2e-6 in float32, always the same way at worst. */
static void the_peak_loops_do_the_multiply_adds_they_count(void **state)
{
    const int64_t rounds = 40000;
    (void)state;
    for (int level = 0; level < MOP_ISA_COUNT; level++) {
        const mop_peak_kernel *k = mop_cpu_peak((mop_isa)level);
        if (!has(level))
            continue;
        assert_int_equal(k->flops_per_round % 24, 0);
        assert_true(k->flops_per_round == k->flops_per_round_f64 * (level == 0 ? 1 : 2));
        const bool grows = strcmp(mop_isa_name((mop_isa)level), "neon") == 0;
        const double mean = grows ? 5.5 + (double)rounds * 0.999e-3 : 1;
        const double allowed = grows ? (double)rounds * 2e-6 : 2e-3;
        assert_true(fabs(2 * (double)k->run(rounds) / k->flops_per_round - mean) < allowed);
        assert_true(fabs(2 * k->run_f64(rounds) / k->flops_per_round_f64 - mean) < 1e-8);
    }
}

static int say_seed(void **state)
{
    (void)state;
    printf("seed %d\n", SEED);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_sees_every_bit_of_every_element),
        cmocka_unit_test(copy_and_triad_write_every_element_and_no_other),
        cmocka_unit_test(the_peak_loops_do_the_multiply_adds_they_count),
    };
    return cmocka_run_group_tests(tests, say_seed, NULL);
}
