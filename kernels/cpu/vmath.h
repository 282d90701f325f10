/* Activations on vectors, and the exponential they need.
 *
 * Stated errors against the exact value, over all finite arguments (held by
 * tests/kernels/test_cpu_kernels.c, which sweeps them): vf_exp 2 ulp where the result is normal;
 * sigmoid 4 eps relative; gelu, gelu-tanh and silu 3 eps |x| absolute; the others as the operator's
 * bound allows, see kernels/op.h. Polynomials and rational functions are fitted by this project:
 * exp at Chebyshev nodes, degree 6 on |r| <= ln 2 / 2, relative error 2.5e-9; the others by least
 * squares reweighted to an even absolute error, which is stated beside each. */
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

/* x g(x), where g(x) - 1/2 is odd: g = 1/2 + u P(u^2) / Q(u^2) with u = x cut to [-end, end],
 * beyond which g is 0 or 1 to less than eps. Short chains and one division: faster than an
 * exponential with a polynomial behind it (gelu 2.6 times, silu 1.25 times on Zen 3). */
typedef struct vf_gate_constants {
    float end, p[6], q[4]; /* lowest power first; q[0] is that of the power 1, before it stands 1 */
} vf_gate_constants;

MOP_INLINE vf vf_gated(vf x, const vf_gate_constants k)
{
    const vf u = vf_min(vf_set1(k.end), vf_max(vf_set1(-k.end), x));
    const vf s = u * u;
    vf p = vf_set1(k.p[5]);
    vf q = vf_set1(k.q[3]);
    p = p * s + k.p[4];
    q = q * s + k.q[2];
    p = p * s + k.p[3];
    q = q * s + k.q[1];
    p = p * s + k.p[2];
    q = q * s + k.q[0];
    p = p * s + k.p[1];
    q = q * s + 1.0f;
    p = p * s + k.p[0];
    return x * (u * p / q + 0.5f);
}

/* g = Phi, the normal distribution; of the fit 9.5e-8 absolute. */
MOP_INLINE vf vf_gelu(vf x)
{
    const vf_gate_constants k = {5.25f,
                                 {0.3989416753f, 0.06263342883f, 0.006243656081f, 4.368551135e-4f,
                                  5.675431956e-6f, -1.683003395e-8f},
                                 {0.323655418f, 0.04461167873f, 0.003399411253f, 1.468567431e-4f}};
    return vf_gated(x, k);
}

/* g = (1 + tanh v) / 2, v = sqrt(2 / pi) (x + 0.044715 x^3); of the fit 4.5e-8 absolute. */
MOP_INLINE vf vf_gelu_tanh(vf x)
{
    const vf_gate_constants k = {4.9f,
                                 {0.3989419984f, 0.0383904616f, 0.003614821807f, 1.66774099e-4f,
                                  3.128566083e-6f, -1.199214705e-8f},
                                 {0.263717816f, 0.02766781588f, 0.001417990364f, 6.719131957e-5f}};
    return vf_gated(x, k);
}

/* g = 1 / (1 + exp(-x)); of the fit 3.9e-9 absolute. */
MOP_INLINE vf vf_silu(vf x)
{
    const vf_gate_constants k = {
        16.5f,
        {0.2499999898f, 0.008388957539f, 5.539232957e-5f, 8.377875335e-8f, 1.423310428e-11f, 0.0f},
        {0.1168891217f, 0.001629008633f, 5.26180354e-6f, 3.227579777e-9f}};
    return vf_gated(x, k);
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
        return vf_silu(x);
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
