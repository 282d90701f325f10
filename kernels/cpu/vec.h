/* One vector type for every instruction set: the kernels' only view of the hardware.
 *
 * A kernel source is compiled once per instruction set with MOP_ISA and MOP_ISA_LEVEL given by the
 * build; MOP_VL is the number of float lanes of `vf` there. GCC and Clang vector extensions give
 * arithmetic (a * b + c becomes one FMA, contraction is on for kernels); what they cannot say
 * (masks, minimum, rounding) is a short intrinsic here. Names are short like intrinsics' because
 * they are used like them, and they are seen in kernels/cpu only. */
#ifndef KERNELS_CPU_VEC_H
#define KERNELS_CPU_VEC_H

#include <math.h>
#include <string.h>

#include "kernels/cpu/kernel.h"

/* MOP_WIDE: 32 registers, so the large tiles. MOP_VEC_EMULATED, given by a test, has them without
 * the hardware: four lanes, and what would be an intrinsic is a loop over them. */
#if defined(MOP_VEC_EMULATED)
#define MOP_VL   4
#define MOP_WIDE 1
#elif defined(__AVX512F__)
#include <immintrin.h>
#define MOP_VL     16
#define MOP_AVX512 1
#define MOP_WIDE   1
#elif defined(__AVX2__)
#include <immintrin.h>
#define MOP_VL   8
#define MOP_AVX2 1
#elif defined(MOP_NEON) /* given by the build: the scalar level of aarch64 has the intrinsics too  \
                         */
#include <arm_neon.h>
#define MOP_VL   4
#define MOP_WIDE 1
#else
#define MOP_VL 1
#endif

#define MOP_CAT_(a, b, c, d) a##b##c##d
#define MOP_CAT(a, b, c, d)  MOP_CAT_(a, b, c, d)

/* The symbol of kernel `name` for the instruction set being compiled: mop_cpu_<name>_<isa>. */
#define MOP_KERNEL_SYM(name) MOP_CAT(mop_cpu_, name, _, MOP_ISA)

#define MOP_INLINE static inline __attribute__((always_inline, unused))

/* The asm constraint of a register that holds a vf. */
#if defined(__x86_64__)
#define MOP_VECTOR_REGISTER "x"
#else
#define MOP_VECTOR_REGISTER "w"
#endif

#if MOP_VL == 1
typedef float vf;
typedef int32_t vi;
typedef uint32_t vu;
#else
typedef float vf __attribute__((vector_size(MOP_VL * 4)));
typedef int32_t vi __attribute__((vector_size(MOP_VL * 4)));
typedef uint32_t vu __attribute__((vector_size(MOP_VL * 4)));
typedef float vf_unaligned __attribute__((vector_size(MOP_VL * 4), aligned(4), may_alias));
#endif

/* --- loads and stores: no alignment is asked for ------------------------------------------- */

MOP_INLINE vf vf_load(const float *p)
{
#if MOP_VL == 1
    return *p;
#else
    return *(const vf_unaligned *)p;
#endif
}

MOP_INLINE void vf_store(float *p, vf v)
{
#if MOP_VL == 1
    *p = v;
#else
    *(vf_unaligned *)p = v;
#endif
}

MOP_INLINE vf vf_set1(float x)
{
#if defined(MOP_AVX512)
    return (vf)_mm512_set1_ps(x);
#elif defined(MOP_AVX2)
    return (vf)_mm256_set1_ps(x);
#elif defined(MOP_NEON)
    return (vf)vdupq_n_f32(x);
#elif MOP_VL == 1
    return x;
#else
    vf v;
    for (int i = 0; i < MOP_VL; i++)
        v[i] = x;
    return v;
#endif
}

MOP_INLINE vf vf_zero(void)
{
    return vf_set1(0.0f);
}

#if defined(MOP_AVX2)
MOP_INLINE __m256i vf_mask_(int n)
{
    static const int32_t ones_then_zeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(const void *)(ones_then_zeros + 8 - n));
}
#endif

/* The first n lanes (1 <= n < MOP_VL); the others are 0 and their memory is not touched. */
MOP_INLINE vf vf_load_n(const float *p, int n)
{
#if defined(MOP_AVX512)
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1u), p);
#elif defined(MOP_AVX2)
    return (vf)_mm256_maskload_ps(p, vf_mask_(n));
#elif defined(MOP_NEON)
    float32x4_t v = vdupq_n_f32(0.0f);
    if ((n & 2) == 0)
        return (vf)vld1q_lane_f32(p, v, 0);
    v = vcombine_f32(vld1_f32(p), vdup_n_f32(0.0f));
    return (vf)((n & 1) != 0 ? vld1q_lane_f32(p + 2, v, 2) : v);
#elif MOP_VL == 1
    (void)n;
    return *p;
#else
    vf v = vf_zero();
    for (int i = 0; i < n; i++)
        v[i] = p[i];
    return v;
#endif
}

MOP_INLINE void vf_store_n(float *p, vf v, int n)
{
#if defined(MOP_AVX512)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1u), (__m512)v);
#elif defined(MOP_AVX2)
    /* halves: a masked store is microcode on some processors (AMD up to Zen 4) */
    __m128 x = _mm256_castps256_ps128((__m256)v);
    if (n & 4) {
        _mm_storeu_ps(p, x);
        x = _mm256_extractf128_ps((__m256)v, 1);
        p += 4;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)(void *)p, x);
        x = _mm_movehl_ps(x, x);
        p += 2;
    }
    if (n & 1)
        _mm_store_ss(p, x);
#elif defined(MOP_NEON)
    float32x2_t x = vget_low_f32((float32x4_t)v);
    if ((n & 2) != 0) {
        vst1_f32(p, x);
        x = vget_high_f32((float32x4_t)v);
        p += 2;
    }
    if ((n & 1) != 0)
        vst1_lane_f32(p, x, 0);
#elif MOP_VL == 1
    (void)n;
    *p = v;
#else
    for (int i = 0; i < n; i++)
        p[i] = v[i];
#endif
}

/* The same for 1 <= n <= MOP_VL where n is mostly MOP_VL. */
MOP_INLINE vf vf_load_part(const float *p, int n)
{
    return n == MOP_VL ? vf_load(p) : vf_load_n(p, n);
}

MOP_INLINE void vf_store_part(float *p, vf v, int n)
{
    if (n == MOP_VL)
        vf_store(p, v);
    else
        vf_store_n(p, v, n);
}

/* --- what the extensions cannot say -------------------------------------------------------- */

/* Both give b where an operand is NaN, so a NaN in b passes. */
MOP_INLINE vf vf_max(vf a, vf b)
{
#if defined(MOP_AVX512)
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(MOP_AVX2)
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(MOP_NEON) /* the one instruction would give NaN where either is */
    return (vf)vbslq_f32(vcgtq_f32((float32x4_t)a, (float32x4_t)b), (float32x4_t)a, (float32x4_t)b);
#elif MOP_VL == 1
    return a > b ? a : b;
#else
    for (int i = 0; i < MOP_VL; i++)
        b[i] = a[i] > b[i] ? a[i] : b[i];
    return b;
#endif
}

MOP_INLINE vf vf_min(vf a, vf b)
{
#if defined(MOP_AVX512)
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(MOP_AVX2)
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(MOP_NEON)
    return (vf)vbslq_f32(vcltq_f32((float32x4_t)a, (float32x4_t)b), (float32x4_t)a, (float32x4_t)b);
#elif MOP_VL == 1
    return a < b ? a : b;
#else
    for (int i = 0; i < MOP_VL; i++)
        b[i] = a[i] < b[i] ? a[i] : b[i];
    return b;
#endif
}

MOP_INLINE vi vf_bits(vf a)
{
    vi r;
    memcpy(&r, &a, sizeof(r));
    return r;
}

MOP_INLINE vf vf_from_bits(vi a)
{
    vf r;
    memcpy(&r, &a, sizeof(r));
    return r;
}

/* The larger, NaN where either is: for maxima over data, which must not lose one. */
MOP_INLINE vf vf_max_nan(vf a, vf b)
{
#if MOP_VL == 1
    return a > b || a != a ? a : b;
#else
    const vi mask = (vi)(a > b) | (vi)(a != a);
    return vf_from_bits((vf_bits(a) & mask) | (vf_bits(b) & ~mask));
#endif
}

/* All bits set in the lanes that are NaN: itself a NaN there. */
MOP_INLINE vi vf_nan(vf a)
{
#if MOP_VL == 1
    return a != a ? -1 : 0;
#else
    return (vi)(a != a);
#endif
}

MOP_INLINE float vf_sum(vf a)
{
#if MOP_VL == 1
    return a;
#else
    float lane[MOP_VL], s = 0.0f;
    memcpy(lane, &a, sizeof(lane));
    for (int i = 0; i < MOP_VL; i++)
        s += lane[i];
    return s;
#endif
}

#endif
