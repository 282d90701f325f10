/* The loop that measures the arithmetic peak of one core, one per instruction set. */
#ifndef KERNELS_CPU_PEAK_H
#define KERNELS_CPU_PEAK_H

#include <stdint.h>

#include "kernels/cpu/isa.h"

typedef struct mop_peak_kernel {
    mop_isa isa;
    int flops_per_round, flops_per_round_f64;
    float (*run)(int64_t rounds); /* the result only keeps the work from being optimised away */
    double (*run_f64)(int64_t rounds); /* in double precision; likewise */
} mop_peak_kernel;

/* The loop of a level. Never NULL; run it only where the machine offers the level. */
const mop_peak_kernel *mop_cpu_peak(mop_isa isa);

#endif
