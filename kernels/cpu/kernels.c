#include "kernels/cpu/kernel.h"

#include <string.h>

#include "kernels/cpu/peak.h"
#include "kernels/cpu/stream.h"

#define MOP_KERNEL_ROW(name)                                                                       \
    extern const mop_cpu_kernel mop_cpu_##name##_scalar, mop_cpu_##name##_avx2,                    \
        mop_cpu_##name##_avx512;
#include "kernels/cpu/kernels.def"
#undef MOP_KERNEL_ROW

extern const mop_peak_kernel mop_cpu_peak_scalar, mop_cpu_peak_avx2, mop_cpu_peak_avx512;
extern const mop_stream_kernel mop_cpu_stream_scalar, mop_cpu_stream_avx2, mop_cpu_stream_avx512;

static const mop_cpu_kernel *const kernels[] = {
#define MOP_KERNEL_ROW(name) &mop_cpu_##name##_scalar,
#include "kernels/cpu/kernels.def"
#undef MOP_KERNEL_ROW
#define MOP_KERNEL_ROW(name) &mop_cpu_##name##_avx2,
#include "kernels/cpu/kernels.def"
#undef MOP_KERNEL_ROW
#define MOP_KERNEL_ROW(name) &mop_cpu_##name##_avx512,
#include "kernels/cpu/kernels.def"
#undef MOP_KERNEL_ROW
};

const mop_cpu_kernel *const *mop_cpu_kernels(size_t *n)
{
    *n = sizeof kernels / sizeof kernels[0];
    return kernels;
}

bool mop_cpu_kernel_allowed(const mop_cpu_kernel *kernel, const mop_op_inst *inst,
                            const mop_kernel_policy *policy)
{
    const unsigned usable = (mop_isa_detect() & policy->isa_mask) | 1u << MOP_ISA_SCALAR;
    return kernel->op == inst->op && (usable & 1u << kernel->isa) != 0 &&
           !(policy->no_winograd && kernel->is_winograd) && kernel->fits(inst);
}

const mop_cpu_kernel *mop_cpu_kernel_choose(const mop_op_inst *inst,
                                            const mop_kernel_policy *policy)
{
    const char *tuned = policy->tuned != NULL ? policy->tuned(policy->ctx, inst) : NULL;
    const mop_cpu_kernel *last = NULL, *best = NULL;
    for (size_t i = sizeof kernels / sizeof kernels[0]; i-- > 0;) {
        const mop_cpu_kernel *k = kernels[i];
        if ((last != NULL && k->isa != last->isa) || !mop_cpu_kernel_allowed(k, inst, policy))
            continue;
        if (tuned != NULL && strcmp(tuned, k->name) == 0)
            return k;
        if (best == NULL && (k->is_best == NULL || k->is_best(inst)))
            best = k;
        if (last == NULL)
            last = k;
    }
    return best != NULL ? best : last;
}

const mop_peak_kernel *mop_cpu_peak(mop_isa isa)
{
    static const mop_peak_kernel *const loops[MOP_ISA_COUNT] = {
        &mop_cpu_peak_scalar, &mop_cpu_peak_avx2, &mop_cpu_peak_avx512};
    return loops[isa];
}

const mop_stream_kernel *mop_cpu_stream(mop_isa isa)
{
    static const mop_stream_kernel *const loops[MOP_ISA_COUNT] = {
        &mop_cpu_stream_scalar, &mop_cpu_stream_avx2, &mop_cpu_stream_avx512};
    return loops[isa];
}
