/* Host side of conv.comp, conv_plain.comp, conv_grouped.comp: tiles, constants, packing. */
#include "kernels/vk/kernel.h"

/* The size from `sizes` that covers `total` with the least waste; an earlier one is only left for
 * one that saves a tenth. */
static uint32_t least_waste(size_t total, uint32_t unit, const uint32_t *sizes, size_t n)
{
    uint32_t best = sizes[0];
    for (size_t i = 1; i < n; i++) {
        const size_t now = (size_t)mop_vk_div_up(total, unit * best) * best;
        const size_t then = (size_t)mop_vk_div_up(total, unit * sizes[i]) * sizes[i];
        if (then * 10 <= now * 9)
            best = sizes[i];
    }
    return best;
}

void mop_vk_set_conv(mop_vk_dispatch *d, const mop_op_inst *inst, uint32_t lanes,
                     const uint32_t *own, size_t n)
{
    const mop_conv_params *p = &inst->params.u.conv;
    const mop_shape in = inst->in[0], out = inst->out;
    const uint32_t geometry[] = {
        lanes,
        (uint32_t)in.n,
        (uint32_t)in.c,
        (uint32_t)in.h,
        (uint32_t)in.w,
        (uint32_t)out.c,
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
    mop_vk_set(d, geometry, sizeof geometry / sizeof geometry[0]);
    memcpy(d->spec + d->n_spec, own, n * sizeof own[0]);
    d->n_spec += (uint32_t)n;
}

/* 4 or 5 pixels by 4 vec4s runs within a tenth of anything larger on lavapipe and compiles in half
 * the time, but 4 by 8, which loads least for its products; tiles beyond 512 products a step fall
 * out of a processor's cache of decoded instructions. An input of up to 4 channels, where stores
 * outweigh products, prefers 2. */
static mop_vk_variant choose_tile(const mop_vk_caps *caps, const mop_op_inst *inst)
{
    static const uint32_t pixel_sizes[] = {4, 5, 7, 3, 2, 1}, group_sizes[] = {4, 5, 3, 2, 1};
    const mop_shape out = inst->out;
    const size_t pixels = (size_t)out.n * (size_t)out.h * (size_t)out.w;
    const bool shallow = inst->in[0].c <= 4;
    mop_vk_variant v = {
        .x = (uint8_t)least_waste(pixels, caps->lanes, pixel_sizes + (shallow ? 4 : 0),
                                  shallow ? 2 : 6),
        .t = (uint8_t)least_waste(mop_vk_c4(out.c), 1, group_sizes, 5),
        .u = 1,
    };
    if (v.x == 4 && v.t == 4 && mop_vk_c4(out.c) % 8 == 0)
        v.t = 8;
    return v;
}

/* Sides x, t and u in the terms of conv.glsl: P, T and U. A pair of pixels must not part where an
 * image's map ends. */
static size_t offer(const mop_vk_caps *caps, const mop_op_inst *inst, bool has_pairs,
                    mop_vk_variant *list)
{
    static const uint8_t others[][2] = {{4, 4}, {2, 4}, {4, 2}, {1, 4}, {4, 8}, {2, 2}, {1, 1}};
    const mop_vk_variant own = choose_tile(caps, inst);
    const bool is_even = has_pairs && inst->out.h * inst->out.w % 2 == 0;
    size_t n = mop_vk_offer(caps, own, is_even && own.x % 2 == 0, list, 0);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        const mop_vk_variant v = {.x = others[i][0], .t = others[i][1], .u = 1};
        if (v.x != own.x || v.t != own.t)
            n = mop_vk_offer(caps, v, is_even && v.x % 2 == 0, list, n);
    }
    return n;
}

static size_t variants_plain(const mop_vk_caps *caps, const mop_op_inst *inst, mop_vk_variant *list)
{
    return offer(caps, inst, false, list);
}

static size_t variants_shuffle(const mop_vk_caps *caps, const mop_op_inst *inst,
                               mop_vk_variant *list)
{
    return offer(caps, inst, true, list);
}

static bool is_conv(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_CONV2D;
}

static bool fits_plain(const mop_vk_caps *caps, const mop_op_inst *inst)
{
    (void)caps;
    return is_conv(inst) && inst->params.u.conv.groups == 1;
}

static bool fits_shuffle(const mop_vk_caps *caps, const mop_op_inst *inst)
{
    return fits_plain(caps, inst) && caps->shuffle;
}

static bool fits_grouped(const mop_vk_caps *caps, const mop_op_inst *inst)
{
    (void)caps;
    return is_conv(inst);
}

/* vec4s of one tile of output groups: the bias, then every tap. */
static size_t tile_vec4s(const mop_op_inst *inst, mop_vk_variant t)
{
    const mop_conv_params *p = &inst->params.u.conv;
    return t.t + (size_t)p->kh * (size_t)p->kw * mop_vk_c4(inst->in[0].c) * 4 * t.t;
}

static size_t packed_vec4s(const mop_vk_task *task)
{
    const mop_op_inst *inst = task->inst;
    const mop_vk_variant t = task->variant;
    /* lanes past the last weight of a step load up to a subgroup further */
    return mop_vk_div_up(mop_vk_c4(inst->out.c), t.t) * tile_vec4s(inst, t) + task->caps->lanes;
}

static void pack(const mop_vk_task *task, const float *const w[MOP_MAX_WEIGHTS], float *dst)
{
    const mop_op_inst *inst = task->inst;
    const mop_conv_params *p = &inst->params.u.conv;
    const mop_vk_variant t = task->variant;
    const size_t taps = (size_t)p->kh * (size_t)p->kw, cin = (size_t)inst->in[0].c;
    const size_t c4 = mop_vk_c4(inst->in[0].c), block = tile_vec4s(inst, t) * 4;
    for (size_t o = 0; o < (size_t)p->cout; o++) {
        float *tile = dst + o / (4 * t.t) * block;
        const size_t lane = o % (4 * t.t); /* vec4 and component inside the tile */
        if (p->has_bias)
            tile[lane] = w[1][o];
        for (size_t tap = 0; tap < taps; tap++)
            for (size_t c = 0; c < cin; c++)
                tile[(t.t + ((tap * c4 + c / 4) * 4 + c % 4) * t.t) * 4 + lane] =
                    w[0][(o * taps + tap) * cin + c];
    }
}

bool mop_vk_falls_outside(const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    const mop_shape in = inst->in[0], out = inst->out;
    return p->pad_top > 0 || p->pad_left > 0 ||
           (out.h - 1) * p->stride + (p->kh - 1) * p->dilation >= in.h ||
           (out.w - 1) * p->stride + (p->kw - 1) * p->dilation >= in.w;
}

static void dispatch_tiled(const mop_vk_task *task, mop_vk_dispatch *d)
{
    const mop_op_inst *inst = task->inst;
    const mop_vk_variant t = task->variant;
    const mop_shape out = inst->out;
    const size_t pixels = (size_t)out.n * (size_t)out.h * (size_t)out.w;
    const uint32_t own[] = {t.x, t.t, t.u, mop_vk_falls_outside(inst)};
    mop_vk_set_conv(d, inst, task->caps->lanes, own, sizeof own / sizeof own[0]);
    d->groups[0] = mop_vk_div_up(pixels, task->caps->lanes * t.x);
    d->groups[1] = mop_vk_div_up(mop_vk_c4(out.c), t.t);
    d->groups[2] = 1;
}

static void dispatch_plain(const mop_vk_task *task, mop_vk_dispatch *d)
{
    d->shader = "conv_plain";
    dispatch_tiled(task, d);
}

static void dispatch_shuffle(const mop_vk_task *task, mop_vk_dispatch *d)
{
    d->shader = task->variant.stores == MOP_VK_STORE_PAIRS ? "conv_pairs" : "conv";
    dispatch_tiled(task, d);
}

static size_t grouped_vec4s(const mop_vk_task *task)
{
    const mop_op_inst *inst = task->inst;
    const mop_conv_params *p = &inst->params.u.conv;
    const size_t taps = (size_t)p->kh * (size_t)p->kw;
    return mop_vk_c4(inst->out.c) * ((size_t)(inst->in[0].c / p->groups) * taps + 1);
}

static void pack_grouped(const mop_vk_task *task, const float *const w[MOP_MAX_WEIGHTS], float *dst)
{
    const mop_op_inst *inst = task->inst;
    const mop_conv_params *p = &inst->params.u.conv;
    const size_t taps = (size_t)p->kh * (size_t)p->kw;
    const size_t cg = (size_t)(inst->in[0].c / p->groups);
    for (size_t o = 0; o < (size_t)p->cout; o++) {
        float *group = dst + o / 4 * (cg * taps + 1) * 4;
        if (p->has_bias)
            group[o % 4] = w[1][o];
        for (size_t c = 0; c < cg; c++)
            for (size_t tap = 0; tap < taps; tap++)
                group[(1 + c * taps + tap) * 4 + o % 4] = w[0][(o * taps + tap) * cg + c];
    }
}

static void dispatch_grouped(const mop_vk_task *task, mop_vk_dispatch *d)
{
    const mop_op_inst *inst = task->inst;
    const uint32_t groups = (uint32_t)inst->params.u.conv.groups;
    d->shader = "conv_grouped";
    mop_vk_set_conv(d, inst, mop_vk_wide(task->caps), &groups, 1);
    mop_vk_set_groups(d, mop_vk_vec4s(inst->out));
}

const mop_vk_kernel mop_vk_conv_grouped = {
    .name = "conv_grouped",
    .fits = fits_grouped,
    .packed_vec4s = grouped_vec4s,
    .pack = pack_grouped,
    .dispatch = dispatch_grouped,
    .tile = {1, 1, 8, 4},
};

const mop_vk_kernel mop_vk_conv_plain = {
    .name = "conv_plain",
    .dtypes = MOP_VK_ALL_FLOATS,
    .fits = fits_plain,
    .variants = variants_plain,
    .packed_vec4s = packed_vec4s,
    .pack = pack,
    .dispatch = dispatch_plain,
    .tile = {1, 1, 32, 16},
};

const mop_vk_kernel mop_vk_conv = {
    .name = "conv",
    .dtypes = MOP_VK_ALL_FLOATS,
    .fits = fits_shuffle,
    .variants = variants_shuffle,
    .packed_vec4s = packed_vec4s,
    .pack = pack,
    .dispatch = dispatch_shuffle,
    .tile = {1, 1, 32, 16},
};
