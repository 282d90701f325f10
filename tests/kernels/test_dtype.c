/* Number types: their names, and float16 against what IEEE 754 says of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "kernels/op.h"
#include "profiler/base/rng.h"

static void every_name_reads_back(void **state)
{
    (void)state;
    for (int i = 0; i < MOP_DTYPE_COUNT; i++) {
        mop_dtype read = MOP_DTYPE_COUNT;
        assert_int_equal(mop_dtype_parse(mop_dtype_name((mop_dtype)i), &read, NULL), MOP_OK);
        assert_int_equal(read, i);
        assert_true(strlen(mop_dtype_name((mop_dtype)i)) < MOP_DTYPE_TEXT);
        assert_true(strlen(mop_dtype_what((mop_dtype)i)) > 0);
    }
    assert_int_equal(MOP_DTYPE_FP32, 0);
}

static void what_is_no_number_type_is_refused_with_the_nearest(void **state)
{
    mop_dtype d = MOP_DTYPE_INT8;
    mop_err err = {0};
    (void)state;
    assert_int_equal(mop_dtype_parse("fp61", &d, &err), MOP_EINVAL);
    assert_string_equal(err.msg, "there is no number type 'fp61'; did you mean 'fp16'?");
    assert_int_equal(mop_dtype_parse("", &d, &err), MOP_EINVAL);
    assert_int_equal(d, MOP_DTYPE_INT8);
}

/* The value of a finite half from its fields, in double. */
static double value_of(uint16_t h)
{
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    double v = exponent == 0 ? ldexp(mantissa, -24) : ldexp(1024 + mantissa, exponent - 25);
    return h & 0x8000 ? -v : v;
}

static void every_float16_reads_as_its_fields_say_and_back(void **state)
{
    (void)state;
    for (uint32_t h = 0; h <= UINT16_MAX; h++) {
        float x = mop_fp16_to((uint16_t)h);
        bool is_special = (h & 0x7c00) == 0x7c00;
        if (is_special && (h & 0x3ff) != 0) {
            assert_true(isnan(x));
            assert_true(isnan(mop_fp16_to(mop_fp16_from(x))));
            continue;
        }
        if (is_special)
            assert_true(isinf(x) && (x < 0) == (h >= 0x8000));
        else
            assert_true((double)x == value_of((uint16_t)h));
        assert_int_equal(mop_fp16_from(x), h);
    }
    assert_true((double)mop_fp16_to(0x7bff) == MOP_FP16_MAX);
}

/* Between each two neighbours: just below the middle, the middle, and just above it. */
static void rounding_is_to_nearest_and_ties_to_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        double low = value_of((uint16_t)h);
        double high = h == 0x7bff ? 65536 : value_of((uint16_t)(h + 1));
        float middle = (float)((low + high) / 2); /* float32 holds it */
        uint32_t even = h % 2 == 0 ? h : h + 1;
        assert_int_equal(mop_fp16_from(nextafterf(middle, 0)), h);
        assert_int_equal(mop_fp16_from(middle), even);
        assert_int_equal(mop_fp16_from(nextafterf(middle, INFINITY)), h + 1);
        assert_int_equal(mop_fp16_from(-middle), even | 0x8000);
    }
    assert_int_equal(mop_fp16_from(INFINITY), 0x7c00);
    assert_int_equal(mop_fp16_from(1e30f), 0x7c00);
    assert_int_equal(mop_fp16_from(-0.0f), 0x8000);
    assert_int_equal(mop_fp16_from(1e-45f), 0);
}

static float half(float x)
{
    return mop_fp16_to(mop_fp16_from(x));
}

/* One output of a fully connected layer with products and sums in float16, blocks of m summed in
 * float32. */
static float half_dot(const float *x, const float *w, size_t n, size_t m)
{
    float total = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum = half(sum + half(x[i] * w[i]));
        if ((i + 1) % m == 0 || i + 1 == n) {
            total += sum;
            sum = 0;
        }
    }
    return total;
}

/* Software float16 sums stay under the bound for their block, in its order of magnitude, and the
 * float32 bound refuses them. */
static void sums_in_float16_are_held_by_the_bound_of_their_block(void **state)
{
    enum { N = 300, OUT = 64 };
    static const int32_t blocks[] = {1, 4, 16, 32, 0};
    static float x[N], w[OUT * N];
    double in[N], out[OUT], bound[OUT], fine[OUT];
    mop_op_inst inst = {.op = MOP_OP_FC, .n_in = 1, .in = {{1, 1, 1, N}}};
    mop_rng rng;
    (void)state;
    inst.params.u.fc = (mop_fc_params){.cout = OUT};
    assert_int_equal(mop_op_infer(&inst, NULL), MOP_OK);
    mop_rng_init(&rng, 11, 0);
    for (int i = 0; i < N; i++)
        in[i] = (double)(x[i] = half((float)mop_rng_normal(&rng)));
    for (int i = 0; i < OUT * N; i++)
        w[i] = half((float)mop_rng_normal(&rng));
    for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; b++) {
        const mop_precision p = {.sums = MOP_ROUNDOFF_FP16, .block = blocks[b], .tiny = 0x1p-25};
        const size_t m = blocks[b] > 0 ? (size_t)blocks[b] : N;
        mop_ref_args args = {.inst = &inst, .in = {in}, .w = {w}, .out = out, .bound = fine};
        double worst = 0, beyond = 0;
        mop_op_reference(&args);
        args.bound = bound;
        args.precision = &p;
        mop_op_reference(&args);
        for (int i = 0; i < OUT; i++) {
            double error = fabs((double)half_dot(x, w + i * N, N, m) - out[i]);
            worst = fmax(worst, error / bound[i]);
            beyond = fmax(beyond, error / fine[i]);
        }
        assert_true(worst <= 1 && worst > (blocks[b] == 0 ? 0.0005 : 0.005));
        assert_true(beyond > 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_reads_back),
        cmocka_unit_test(what_is_no_number_type_is_refused_with_the_nearest),
        cmocka_unit_test(every_float16_reads_as_its_fields_say_and_back),
        cmocka_unit_test(sums_in_float16_are_held_by_the_bound_of_their_block),
        cmocka_unit_test(rounding_is_to_nearest_and_ties_to_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
