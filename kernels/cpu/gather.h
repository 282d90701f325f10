/* Channel sums of what a unit has just written, for a kernel that gathers (mop_args.sums). */
#ifndef KERNELS_CPU_GATHER_H
#define KERNELS_CPU_GATHER_H

#include "kernels/cpu/vec.h"

/* sums[c] = sum over p of x[p * step + c], p < pixels, c < channels, in the order of p. */
static inline __attribute__((unused)) void
mop_gather_pixels(const float *x, int64_t pixels, size_t step, size_t channels, float *sums)
{
    enum { VECTORS = 4 }; /* side by side, so that the additions do not wait for each other */
    size_t c = 0;
    for (; c + VECTORS * MOP_VL <= channels; c += VECTORS * MOP_VL) {
        vf acc[VECTORS] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
        for (int64_t p = 0; p < pixels; p++)
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++)
                acc[v] += vf_load(x + (size_t)p * step + c + (size_t)v * MOP_VL);
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++)
            vf_store(sums + c + (size_t)v * MOP_VL, acc[v]);
    }
    for (; c < channels; c += MOP_VL) {
        const int lanes = channels - c < MOP_VL ? (int)(channels - c) : MOP_VL;
        vf acc = vf_zero();
        for (int64_t p = 0; p < pixels; p++)
            acc += vf_load_part(x + (size_t)p * step + c, lanes);
        vf_store_part(sums + c, acc, lanes);
    }
}

#endif
