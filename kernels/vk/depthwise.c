/* Host side of depthwise.comp. */
#include "kernels/vk/kernel.h"

/* Of one lane, all of them unrolled: more than the own tile of 3x3 windows takes seconds to
 * compile. */
enum { MOST_PRODUCTS = 4 * 7 * 9 };

static bool fits(const mop_vk_caps *caps, const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    (void)caps;
    return inst->op == MOP_OP_CONV2D && p->groups == inst->in[0].c && p->cout == p->groups &&
           p->groups > 1 && p->kh <= 11 && p->kw <= 11;
}

/* Tile of output pixels per lane. Maps whose height is a multiple of 7, as all of a network for 224
 * pixels, are cut into 4 by 7, or 2 by 7: on lavapipe 15 to 35 % faster than 4 by 4, which is for
 * the others, or 4 by 2 where it would overhang. Less for wide windows; larger ones gain a little
 * and take seconds to compile. */
static mop_vk_variant choose_tile(const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    const mop_shape out = inst->out;
    mop_vk_variant v = {.x = out.w < 4 ? (uint8_t)out.w : 4,
                        .y = out.h % 4 == 0 || out.h >= 28 ? 4 : 2};
    if (p->kh * p->kw > 9 || out.h < 2)
        v.y = 1;
    else if (out.h % 7 == 0)
        v = (mop_vk_variant){.x = out.w % 4 == 0 ? 4 : 2, .y = 7};
    return v;
}

static size_t variants(const mop_vk_caps *caps, const mop_op_inst *inst, mop_vk_variant *list)
{
    static const uint8_t others[][2] = {{4, 4}, {4, 2}, {4, 7}, {2, 7},
                                        {4, 1}, {2, 2}, {2, 1}, {1, 1}};
    const mop_vk_variant own = choose_tile(inst);
    const bool is_even = inst->out.w % 2 == 0;
    const int taps = inst->params.u.conv.kh * inst->params.u.conv.kw;
    size_t n = mop_vk_offer(caps, own, is_even && own.x % 2 == 0, list, 0);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        const mop_vk_variant v = {.x = others[i][0], .y = others[i][1]};
        if ((v.x != own.x || v.y != own.y) && v.x * v.y * taps <= MOST_PRODUCTS)
            n = mop_vk_offer(caps, v, is_even && v.x % 2 == 0, list, n);
    }
    return n;
}

static size_t packed_vec4s(const mop_vk_task *task)
{
    const mop_op_inst *inst = task->inst;
    const mop_conv_params *p = &inst->params.u.conv;
    return mop_vk_c4(inst->out.c) * ((size_t)p->kh * (size_t)p->kw + 1);
}

static void pack(const mop_vk_task *task, const float *const w[MOP_MAX_WEIGHTS], float *dst)
{
    const mop_op_inst *inst = task->inst;
    const mop_conv_params *p = &inst->params.u.conv;
    const size_t taps = (size_t)p->kh * (size_t)p->kw;
    for (size_t c = 0; c < (size_t)p->cout; c++) {
        float *group = dst + c / 4 * (taps + 1) * 4;
        if (p->has_bias)
            group[c % 4] = w[1][c];
        for (size_t tap = 0; tap < taps; tap++)
            group[(1 + tap) * 4 + c % 4] = w[0][c * taps + tap];
    }
}

static void dispatch(const mop_vk_task *task, mop_vk_dispatch *d)
{
    const mop_op_inst *inst = task->inst;
    const mop_shape in = inst->in[0], out = inst->out;
    const uint32_t own[] = {task->variant.x, task->variant.y}; /* TX, TY */
    d->shader = task->variant.stores == MOP_VK_STORE_PAIRS ? "depthwise_pairs" : "depthwise";
    mop_vk_set_conv(d, inst, mop_vk_wide(task->caps), own, sizeof own / sizeof own[0]);
    mop_vk_set_groups(d, (size_t)in.n * mop_vk_c4(in.c) * mop_vk_div_up((size_t)out.w, own[0]) *
                             mop_vk_div_up((size_t)out.h, own[1]));
}

const mop_vk_kernel mop_vk_depthwise = {
    .name = "depthwise",
    .dtypes = MOP_VK_ALL_FLOATS,
    .fits = fits,
    .variants = variants,
    .packed_vec4s = packed_vec4s,
    .pack = pack,
    .dispatch = dispatch,
    .tile = {1, 2, 4, 4},
};
