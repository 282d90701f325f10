/* Not an operator: nothing but multiply-adds in registers, the yardstick of profiler/engine/peak.h.
 */
#include "kernels/cpu/peak.h"

#include "kernels/cpu/vec.h"

enum { PEAK_CHAINS = 12 };

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
            acc[i] = acc[i] * x + y;
            __asm__("" : "+x"(acc[i])); /* keeps each multiply-add of each round */
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < PEAK_CHAINS; i++)
        sum += acc[i];
    return vf_sum(sum);
}

const mop_peak_kernel MOP_KERNEL_SYM(peak) = {
    .isa = MOP_ISA_LEVEL, .flops_per_round = 2 * PEAK_CHAINS * MOP_VL, .run = run};
