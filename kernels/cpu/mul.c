/* Product of two tensors, the second possibly one vector per image. */
#include "kernels/cpu/binary.h"

MOP_INLINE vf mul(vf a, vf b)
{
    return a * b;
}

static void run(const mop_args *args)
{
    mop_binary_run(args, mul);
}

static bool fits(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_MUL;
}

const mop_cpu_kernel MOP_KERNEL_SYM(mul) = {
    .name = "mul",
    .op = MOP_OP_MUL,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .units = mop_rows_units,
    .run = run,
    .tile = {1, 1, 1, MOP_VL},
};
