/* An activation that stands alone. */
#include "kernels/cpu/rows.h"

static void run(const mop_args *args)
{
    const mop_shape s = args->inst->out;
    const int64_t row = (int64_t)s.w * s.c;
    vf_act_span(args->out + args->begin * row, args->in[0] + args->begin * row,
                (size_t)((args->end - args->begin) * row), args->inst->params.act);
}

static bool fits(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_ACT;
}

const mop_cpu_kernel MOP_KERNEL_SYM(act) = {
    .name = "act",
    .op = MOP_OP_ACT,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .units = mop_rows_units,
    .run = run,
    .tile = {1, 1, 1, MOP_VL},
};
