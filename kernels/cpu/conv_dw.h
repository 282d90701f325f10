/* What the depthwise kernels share.
 *
 * Packed: for each vector of channels bias[VL], w[kh * kw][VL], zero beyond the channels. */
#ifndef KERNELS_CPU_CONV_DW_H
#define KERNELS_CPU_CONV_DW_H

#include "kernels/cpu/gather.h"
#include "kernels/cpu/rows.h"

static inline bool mop_dw_is(const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    return inst->op == MOP_OP_CONV2D && p->groups == inst->in[0].c && p->cout == p->groups;
}

static inline size_t mop_dw_packed_bytes(const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    const size_t vectors = ((size_t)p->cout + MOP_VL - 1) / MOP_VL;
    return vectors * MOP_VL * ((size_t)p->kh * (size_t)p->kw + 1) * sizeof(float);
}

static inline void mop_dw_pack(const mop_op_inst *inst, const float *const w[MOP_MAX_WEIGHTS],
                               void *packed)
{
    const mop_conv_params *p = &inst->params.u.conv;
    const size_t taps = (size_t)p->kh * (size_t)p->kw;
    float *dst = packed;
    memset(dst, 0, mop_dw_packed_bytes(inst));
    for (size_t c = 0; c < (size_t)p->cout; c++) {
        float *block = dst + c / MOP_VL * (taps + 1) * MOP_VL + c % MOP_VL;
        if (p->has_bias)
            block[0] = w[1][c];
        for (size_t k = 0; k < taps; k++)
            block[(k + 1) * MOP_VL] = w[0][c * taps + k];
    }
}

#endif
