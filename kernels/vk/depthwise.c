/* Host side of depthwise.comp. */
#include "kernels/vk/kernel.h"

static bool fits(const mop_vk_caps *caps, const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    (void)caps;
    return inst->op == MOP_OP_CONV2D && p->groups == inst->in[0].c && p->cout == p->groups &&
           p->groups > 1 && p->kh <= 11 && p->kw <= 11;
}

/* Tile of output pixels per lane: 4 by 4 where it divides or hardly overhangs, 4 by 2 otherwise,
 * less for wide windows. Larger ones gain a little on lavapipe and take seconds to compile. */
static void choose_tile(const mop_op_inst *inst, uint32_t *tx, uint32_t *ty)
{
    const mop_conv_params *p = &inst->params.u.conv;
    const mop_shape out = inst->out;
    *tx = out.w < 4 ? (uint32_t)out.w : 4;
    *ty = out.h % 4 == 0 || out.h >= 28 ? 4 : 2;
    if (p->kh * p->kw > 9 || out.h < 2)
        *ty = 1;
}

static size_t packed_vec4s(const mop_vk_caps *caps, const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    (void)caps;
    return mop_vk_c4(inst->out.c) * ((size_t)p->kh * (size_t)p->kw + 1);
}

static void pack(const mop_vk_caps *caps, const mop_op_inst *inst,
                 const float *const w[MOP_MAX_WEIGHTS], float *dst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    const size_t taps = (size_t)p->kh * (size_t)p->kw;
    (void)caps;
    for (size_t c = 0; c < (size_t)p->cout; c++) {
        float *group = dst + c / 4 * (taps + 1) * 4;
        if (p->has_bias)
            group[c % 4] = w[1][c];
        for (size_t tap = 0; tap < taps; tap++)
            group[(1 + tap) * 4 + c % 4] = w[0][c * taps + tap];
    }
}

static void dispatch(const mop_vk_caps *caps, const mop_op_inst *inst, mop_vk_dispatch *d)
{
    const mop_conv_params *p = &inst->params.u.conv;
    const mop_shape in = inst->in[0], out = inst->out;
    uint32_t tx, ty;
    choose_tile(inst, &tx, &ty);
    const uint32_t spec[] = {
        mop_vk_wide(caps),
        tx,
        ty,
        (uint32_t)in.n,
        (uint32_t)in.c,
        (uint32_t)in.h,
        (uint32_t)in.w,
        (uint32_t)out.h,
        (uint32_t)out.w,
        (uint32_t)p->kh,
        (uint32_t)p->kw,
        (uint32_t)p->stride,
        (uint32_t)p->dilation,
        (uint32_t)p->pad_top,
        (uint32_t)p->pad_left,
        (uint32_t)inst->params.act,
        inst->params.has_residual,
    };
    d->shader = "depthwise";
    mop_vk_set(d, spec, sizeof spec / sizeof spec[0]);
    mop_vk_set_groups(d, (size_t)in.n * mop_vk_c4(in.c) * mop_vk_div_up((size_t)out.w, tx) *
                             mop_vk_div_up((size_t)out.h, ty));
}

const mop_vk_kernel mop_vk_depthwise = {
    .name = "depthwise",
    .fits = fits,
    .packed_vec4s = packed_vec4s,
    .pack = pack,
    .dispatch = dispatch,
    .tile = {1, 2, 4, 4},
};
