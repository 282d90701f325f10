/* Activations on vectors, and the exponential and error function they need.
 *
 * Stated errors against the exact value, over all finite arguments (held by
 * tests/kernels/test_cpu_kernels.c, which sweeps them): vf_exp 2 ulp where the result is normal;
 * sigmoid 4 eps relative; the others as the operator's bound allows, see kernels/op.h. Polynomials
 * are interpolated at Chebyshev nodes by this project: exp degree 6 on |r| <= ln 2 / 2, relative
 * error 2.5e-9; erfcx(z) / t degree 9 in t = 3 / (3 + z) on 0 <= z <= 9.5, relative error 3.7e-9.
 */
#ifndef KERNELS_CPU_VMATH_H
#define KERNELS_CPU_VMATH_H

#include "kernels/cpu/vec.h"

/* exp(x). Below -87.3 the result is that of -87.3 (1.2e-38), above 88.3 that of 88.3 (2.2e38): a
 * sigmoid made of it is then off by less than the smallest normal number. NaN passes.
 * Method: x = n ln 2 + r (Cody, Waite 1980), 2^n by the exponent bits. */
MOP_INLINE vf vf_exp(vf x)
{
    const vf round = vf_set1(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
    x = vf_min(vf_set1(88.3f), vf_max(vf_set1(-87.3f), x));
    vf t = x * vf_set1(1.44269504f) + round;
    vf n = t - round;
    vf r = x - n * vf_set1(0.693359375f) + n * vf_set1(2.12194440e-4f);
    vf p = vf_set1(1.3941213e-3f);
    p = p * r + 8.3752102e-3f;
    p = p * r + 4.1666352e-2f;
    p = p * r + 1.6666414e-1f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    /* the low bits of t hold n: moved into the exponent field, they make 2^n (-126 <= n <= 127) */
    return p * vf_from_bits((vi)(((vu)vf_bits(t) - (0x4b400000u - 127u)) << 23));
}

MOP_INLINE vf vf_sigmoid(vf x)
{
    return 1.0f / (1.0f + vf_exp(-x));
}

/* x Phi(x), with Phi(-|x|) = erfc(|x| / sqrt 2) / 2 = exp(-x^2 / 2) erfcx(|x| / sqrt 2) / 2, which
 * has no cancellation in either tail. */
MOP_INLINE vf vf_gelu(vf x)
{
    vf z = vf_min(vf_set1(9.5f), vf_abs(x) * vf_set1(0.70710678f));
    vf t = 3.0f / (3.0f + z);
    vf p = vf_set1(0.05717581873538842f);
    p = p * t - 0.3001949517170911f;
    p = p * t + 0.5550142389756267f;
    p = p * t - 0.4674943210430949f;
    p = p * t + 0.4260060043140786f;
    p = p * t - 0.014394661744598103f;
    p = p * t + 0.19662570031260063f;
    p = p * t + 0.1704195245738252f;
    p = p * t + 0.18881389354202124f;
    p = p * t + 0.18802875563133745f;
    vf tail = 0.5f * t * p * vf_exp(-z * z); /* Phi(-|x|) */
    return x * vf_pick_negative(x, tail, 1.0f - tail);
}

/* x/2 (1 + tanh u) = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3) */
MOP_INLINE vf vf_gelu_tanh(vf x)
{
    return x * vf_sigmoid(x * (1.5957691216f + 0.0713548162726f * x * x));
}

MOP_INLINE vf vf_hardsigmoid(vf x)
{
    return vf_min(vf_set1(6.0f), vf_max(vf_zero(), x + 3.0f)) * vf_set1(1.0f / 6.0f);
}

/* One vector through act; act is best a constant of the loop around. */
MOP_INLINE vf vf_act(vf x, mop_act act)
{
    switch (act) {
    case MOP_ACT_RELU:
        return vf_max(vf_zero(), x);
    case MOP_ACT_RELU6:
        return vf_min(vf_set1(6.0f), vf_max(vf_zero(), x));
    case MOP_ACT_GELU:
        return vf_gelu(x);
    case MOP_ACT_GELU_TANH:
        return vf_gelu_tanh(x);
    case MOP_ACT_SILU:
        return x * vf_sigmoid(x);
    case MOP_ACT_HARDSWISH:
        return x * vf_hardsigmoid(x);
    case MOP_ACT_SIGMOID:
        return vf_sigmoid(x);
    case MOP_ACT_HARDSIGMOID:
        return vf_hardsigmoid(x);
    case MOP_ACT_NONE:
    case MOP_ACT_COUNT:
        break;
    }
    return x;
}

MOP_INLINE void vf_act_loop_(float *y, const float *x, size_t n, mop_act act)
{
    size_t i = 0;
    for (; i + MOP_VL <= n; i += MOP_VL)
        vf_store(y + i, vf_act(vf_load(x + i), act));
    if (i < n)
        vf_store_n(y + i, vf_act(vf_load_n(x + i, (int)(n - i)), act), (int)(n - i));
}

/* y[i] = act(x[i]) for n values; y may be x. The choice of act is made once, outside the loops. */
static inline __attribute__((unused)) void vf_act_span(float *y, const float *x, size_t n,
                                                       mop_act act)
{
    switch (act) {
#define MOP_ACT_ROW(ID, name, ops, lip)                                                            \
    case MOP_ACT_##ID:                                                                             \
        vf_act_loop_(y, x, n, MOP_ACT_##ID);                                                       \
        break;
#include "kernels/act.def"
#undef MOP_ACT_ROW
    case MOP_ACT_COUNT:
        break;
    }
}

/* The same in place for `channels` values of each of `pixels` pixels, `step` floats apart. */
static inline __attribute__((unused)) void vf_act_pixels(float *y, int64_t pixels, size_t step,
                                                         size_t channels, mop_act act)
{
    switch (act) {
#define MOP_ACT_ROW(ID, name, ops, lip)                                                            \
    case MOP_ACT_##ID:                                                                             \
        for (int64_t p = 0; p < pixels; p++, y += step)                                            \
            vf_act_loop_(y, y, channels, MOP_ACT_##ID);                                            \
        break;
#include "kernels/act.def"
#undef MOP_ACT_ROW
    case MOP_ACT_COUNT:
        break;
    }
}

/* An activation as a clamp in registers and, where it is none, a pass over what was just stored. */
typedef struct mop_epilogue {
    float lo, hi;
    mop_act span; /* MOP_ACT_NONE: the clamp was all */
} mop_epilogue;

MOP_INLINE mop_epilogue mop_epilogue_of(mop_act act)
{
    mop_epilogue e = {-INFINITY, INFINITY, MOP_ACT_NONE};
    if (act == MOP_ACT_RELU || act == MOP_ACT_RELU6)
        e.lo = 0.0f;
    if (act == MOP_ACT_RELU6)
        e.hi = 6.0f;
    if (act != MOP_ACT_RELU && act != MOP_ACT_RELU6)
        e.span = act;
    return e;
}

#endif
