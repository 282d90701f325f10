#include "kernels/cpu/kernel.h"

#include <string.h>

#include "kernels/cpu/peak.h"
#include "kernels/cpu/stream.h"

#define MOP_DECLARE(ID, isa, name) extern const mop_cpu_kernel mop_cpu_##name##_##isa;
#define MOP_KERNEL_ROW(name)       MOP_ISAS(MOP_DECLARE, name)
#include "kernels/cpu/kernels.def"
#undef MOP_KERNEL_ROW

#define MOP_DECLARE_LOOPS(ID, isa, x)                                                              \
    extern const mop_peak_kernel mop_cpu_peak_##isa;                                               \
    extern const mop_stream_kernel mop_cpu_stream_##isa;
MOP_ISAS(MOP_DECLARE_LOOPS, )

enum {
#define MOP_KERNEL_ROW(name) ROW_##name,
#include "kernels/cpu/kernels.def"
#undef MOP_KERNEL_ROW
    N_ROWS
};

/* Level by level. */
static const mop_cpu_kernel *const kernels[MOP_ISA_COUNT * N_ROWS] = {
#define MOP_ENTRY(ID, isa, name) [MOP_ISA_##ID * N_ROWS + ROW_##name] = &mop_cpu_##name##_##isa,
#define MOP_KERNEL_ROW(name)     MOP_ISAS(MOP_ENTRY, name)
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
#define MOP_PEAK(ID, isa, x) [MOP_ISA_##ID] = &mop_cpu_peak_##isa,
    static const mop_peak_kernel *const loops[MOP_ISA_COUNT] = {MOP_ISAS(MOP_PEAK, )};
    return loops[isa];
}

const mop_stream_kernel *mop_cpu_stream(mop_isa isa)
{
#define MOP_STREAM(ID, isa, x) [MOP_ISA_##ID] = &mop_cpu_stream_##isa,
    static const mop_stream_kernel *const loops[MOP_ISA_COUNT] = {MOP_ISAS(MOP_STREAM, )};
    return loops[isa];
}
