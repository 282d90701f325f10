/* Fully connected layer. */
#include "kernels/cpu/fc.h"

static bool fits(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_FC;
}

const mop_cpu_kernel MOP_KERNEL_SYM(fc) = {
    .name = "fc",
    .op = MOP_OP_FC,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .packed_bytes = fc_packed_bytes,
    .pack = fc_pack,
    .units = fc_units,
    .run = fc_run,
    .tile = {1, 1, 1, FC_PANEL},
};
