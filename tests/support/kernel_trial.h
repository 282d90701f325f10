/* One CPU kernel on one operator instance with random inputs, every buffer against a guard page. */
#ifndef TESTS_SUPPORT_KERNEL_TRIAL_H
#define TESTS_SUPPORT_KERNEL_TRIAL_H

#include "kernels/cpu/kernel.h"
#include "profiler/base/rng.h"
#include "tests/support/guard.h"

enum { MOP_TRIAL_FILL = 0xa5 };

typedef struct mop_trial {
    const mop_cpu_kernel *kernel;
    mop_op_inst inst;
    char name[256];
    mop_guard in[MOP_MAX_IN], w[MOP_MAX_WEIGHTS], packed, scratch, out;
    float *merged; /* poisoned: for what several runs wrote together */
    size_t n_out;
    float *sums; /* NULL, or where the kernel is told to gather */
} mop_trial;

/* Poison is a NaN with a payload that arithmetic does not make. */
void mop_poison_fill(float *p, size_t n);
bool mop_is_poison(const float *p);

/* Draws inputs and constants and packs them. Ends the test where there is no memory. */
mop_trial mop_trial_make(const mop_cpu_kernel *kernel, const mop_op_inst *inst, mop_rng *rng);
void mop_trial_free(mop_trial *t);

/* Units [begin, end) on a poisoned output and with foreign scratch. */
void mop_trial_run(mop_trial *t, int64_t begin, int64_t end);

#endif
