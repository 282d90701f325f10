/* Not an operator: nothing but multiply-adds in registers, the yardstick of profiler/engine/peak.h.
 */
#include "kernels/cpu/peak.h"

#include "kernels/cpu/vec.h"

enum { PEAK_CHAINS = 12 };

#if MOP_VL == 1
enum { PEAK_VL64 = 1 };
typedef double vd;
#else
enum { PEAK_VL64 = MOP_VL / 2 };
typedef double vd __attribute__((vector_size(MOP_VL * 4)));
#endif

/* A multiply-add. That of NEON writes over its addend: a chain through a factor would be copied
 * twice a round. */
MOP_INLINE vf step(vf acc, vf x, vf y)
{
#if defined(MOP_NEON)
    return (vf)vfmaq_f32((float32x4_t)acc, (float32x4_t)x, (float32x4_t)y);
#else
    return acc * x + y;
#endif
}

MOP_INLINE vd step_f64(vd acc, vd x, vd y)
{
#if defined(MOP_NEON)
    return (vd)vfmaq_f64((float64x2_t)acc, (float64x2_t)x, (float64x2_t)y);
#else
    return acc * x + y;
#endif
}

/* Chains enough to hide the latency of an FMA (4 or 5 cycles) on two units. */
static float run(int64_t rounds)
{
    vf acc[PEAK_CHAINS], x = vf_set1(0.999f), y = vf_set1(1e-3f), sum = vf_zero();
#pragma GCC unroll 12
    for (int i = 0; i < PEAK_CHAINS; i++)
        acc[i] = vf_set1((float)i);
    for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < PEAK_CHAINS; i++) {
            acc[i] = step(acc[i], x, y);
            __asm__(""
                    : "+" MOP_VECTOR_REGISTER(acc[i])); /* keeps each multiply-add of each round */
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < PEAK_CHAINS; i++)
        sum += acc[i];
    return vf_sum(sum);
}

MOP_INLINE vd vd_set1(double x)
{
#if MOP_VL == 1
    return x;
#else
    double lane[PEAK_VL64];
    vd v;
    for (int i = 0; i < PEAK_VL64; i++)
        lane[i] = x;
    memcpy(&v, lane, sizeof v);
    return v;
#endif
}

#define EACH_CHAIN(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#define BEGIN(i)       vd acc##i = vd_set1(i);
#define ADD_UP(i)      sum += acc##i;
#define STEP(i)                                                                                    \
    acc##i = step_f64(acc##i, x, y);                                                               \
    __asm__("" : "+" MOP_VECTOR_REGISTER(acc##i));

/* The same in double precision. Chains have names, because gcc 12 keeps an array of them in memory
 * here, which costs three quarters of the rate. */
static double run_f64(int64_t rounds)
{
    const vd x = vd_set1(0.999), y = vd_set1(1e-3);
    vd sum = vd_set1(0);
    double lane[PEAK_VL64], total = 0;
    EACH_CHAIN(BEGIN)
    for (int64_t r = 0; r < rounds; r++) {
        EACH_CHAIN(STEP)
    }
    EACH_CHAIN(ADD_UP)
    memcpy(lane, &sum, sizeof lane);
    for (int i = 0; i < PEAK_VL64; i++)
        total += lane[i];
    return total;
}

const mop_peak_kernel MOP_KERNEL_SYM(peak) = {.isa = MOP_ISA_LEVEL,
                                              .flops_per_round = 2 * PEAK_CHAINS * MOP_VL,
                                              .flops_per_round_f64 = 2 * PEAK_CHAINS * PEAK_VL64,
                                              .run = run,
                                              .run_f64 = run_f64};
