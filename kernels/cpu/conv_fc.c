/* A convolution whose window is the whole map, without padding, is a fully connected layer over the
 * map's values in their order: the 1x1 layers of squeeze-and-excitation above all. */
#include "kernels/cpu/fc.h"

static bool fits(const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    return inst->op == MOP_OP_CONV2D && p->groups == 1 && p->kh == inst->in[0].h &&
           p->kw == inst->in[0].w && (p->pad_top | p->pad_bottom | p->pad_left | p->pad_right) == 0;
}

/* For more rows the tiles of conv_gemm, which are higher, share more of the weights. */
static bool is_best(const mop_op_inst *inst)
{
    enum { FEW = 4 };
    return inst->out.n <= FEW;
}

const mop_cpu_kernel MOP_KERNEL_SYM(conv_fc) = {
    .name = "conv_fc",
    .op = MOP_OP_CONV2D,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .is_best = is_best,
    .packed_bytes = fc_packed_bytes,
    .pack = fc_pack,
    .units = fc_units,
    .run = fc_run,
    .tile = {1, 1, 1, FC_PANEL},
};
