/* Convolutions of one group and fully connected layers in 8-bit integers: host side of absmax.comp,
 * quantise.comp, conv_dot.comp and conv_int8.comp (one source, with and without the instruction for
 * dot products), fc_dot.comp and fc_int8.comp. The input's scale is found for each image at each
 * run, so that nothing has to be known of it before; an output channel's constants share one. */
#include "kernels/vk/types.h"

enum { QUANTISE_PER_LANE = 4, FIND_SCALE = 0, QUANTISE, MULTIPLY, STEPS };

/* Sums of so many products of 127 by 127 fit 31 bits. */
enum { MOST_TERMS = 133143 };

static size_t terms(const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    const size_t taps = inst->op == MOP_OP_FC ? 1 : (size_t)p->kh * (size_t)p->kw;
    return taps * (size_t)inst->in[0].c;
}

static bool fits_conv(const mop_vk_caps *caps, const mop_op_inst *inst)
{
    (void)caps;
    return inst->op == MOP_OP_CONV2D && inst->params.u.conv.groups == 1 &&
           terms(inst) <= MOST_TERMS;
}

static bool fits_fc(const mop_vk_caps *caps, const mop_op_inst *inst)
{
    (void)caps;
    return mop_vk_is_fc(inst) && terms(inst) <= MOST_TERMS;
}

/* Pixels and groups of four output channels of a lane. */
static size_t variants(const mop_vk_caps *caps, const mop_op_inst *inst, mop_vk_variant *list)
{
    static const uint8_t sides[][2] = {{4, 2}, {2, 2}, {4, 4}, {2, 4}, {4, 1}, {1, 1}};
    const bool is_narrow = inst->out.c <= 4;
    size_t n = 0;
    (void)caps;
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++)
        if (!is_narrow || sides[i][1] == 1)
            list[n++] = (mop_vk_variant){.x = sides[i][0], .t = sides[i][1]};
    return n;
}

static void scratch(const mop_vk_task *task, size_t bytes[MOP_VK_SCRATCH])
{
    const size_t images = (size_t)task->inst->in[0].n;
    bytes[MOP_VK_WORDS - MOP_VK_WORDS] = 4 * (images + mop_vk_vec4s(task->inst->in[0]));
    bytes[MOP_VK_PARTS - MOP_VK_WORDS] = 16 * images * mop_vk_wide(task->caps);
}

/* The steps before the product. */
static void dispatch_quantise(const mop_vk_task *task, mop_vk_dispatch d[STEPS])
{
    const uint32_t wide = mop_vk_wide(task->caps), images = (uint32_t)task->inst->in[0].n;
    const uint32_t size = (uint32_t)(mop_vk_vec4s(task->inst->in[0]) / images);
    const uint32_t spec[] = {wide, size, images, QUANTISE_PER_LANE};
    d[FIND_SCALE].shader = "absmax";
    mop_vk_set(&d[FIND_SCALE], spec, 2);
    d[FIND_SCALE].groups[0] = wide;
    d[FIND_SCALE].operand[MOP_VK_BIND_OUT] = MOP_VK_PARTS;
    d[QUANTISE].shader = "quantise";
    mop_vk_set(&d[QUANTISE], spec, 4);
    d[QUANTISE].groups[0] = mop_vk_div_up(size, wide * QUANTISE_PER_LANE);
    d[QUANTISE].operand[MOP_VK_BIND_OUT] = MOP_VK_WORDS;
    d[QUANTISE].operand[MOP_VK_BIND_IN + 1] = MOP_VK_PARTS;
    for (int i = 0; i < MULTIPLY; i++) {
        d[i].groups[1] = images;
        d[i].groups[2] = 1;
    }
    d[MULTIPLY].operand[MOP_VK_BIND_IN] = MOP_VK_WORDS;
}

static bool has_bias(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_FC ? inst->params.u.fc.has_bias : inst->params.u.conv.has_bias;
}

/* Sets byte `at` of dst, whatever the machine's order of bytes in a word. */
static void put(uint32_t *dst, size_t at, int q)
{
    dst[at / 4] |= ((uint32_t)q & 0xff) << at % 4 * 8;
}

/* Constants of tiles of t groups of four output channels: t scales, t biases, then [taps][C4][t].
 */
static void pack_tiles(const mop_vk_task *task, uint32_t t, const float *const w[MOP_MAX_WEIGHTS],
                       float *dst)
{
    const mop_op_inst *inst = task->inst;
    const size_t cin = (size_t)inst->in[0].c, c4 = mop_vk_c4(inst->in[0].c), n = terms(inst);
    const size_t block = 4 * t * (2 + n / cin * c4);
    for (size_t o = 0; o < (size_t)inst->out.c; o++) {
        float *tile = dst + o / (4 * t) * block;
        const size_t lane = o % (4 * t);
        const float *row = w[0] + o * n, scale = mop_vk_int8_scale(row, n);
        tile[lane] = scale;
        tile[4 * t + lane] = has_bias(inst) ? w[1][o] : 0;
        for (size_t i = 0; i < n; i++) {
            const size_t group = i / cin * c4 + i % cin / 4;
            uint32_t *word = (uint32_t *)(void *)tile + (2 + group) * 4 * t + lane;
            put(word, i % cin % 4, mop_vk_int8_of(row[i], scale));
        }
    }
}

static size_t conv_vec4s(const mop_vk_task *task)
{
    const mop_op_inst *inst = task->inst;
    const uint32_t t = task->variant.t;
    const size_t groups = terms(inst) / (size_t)inst->in[0].c * mop_vk_c4(inst->in[0].c);
    return mop_vk_div_up(mop_vk_c4(inst->out.c), t) * t * (2 + groups);
}

static void pack_conv(const mop_vk_task *task, const float *const w[MOP_MAX_WEIGHTS], float *dst)
{
    pack_tiles(task, task->variant.t, w, dst);
}

static void dispatch_conv(const mop_vk_task *task, mop_vk_dispatch *d)
{
    const mop_op_inst *inst = task->inst;
    const mop_shape out = inst->out;
    const mop_vk_variant v = task->variant;
    const uint32_t wide = mop_vk_wide(task->caps);
    const uint32_t own[] = {v.x, v.t, mop_vk_falls_outside(inst)};
    dispatch_quantise(task, d);
    d += MULTIPLY;
    d->shader = (task->caps->features & MOP_VK_CAN_DOT) != 0 ? "conv_dot" : "conv_int8";
    mop_vk_set_conv(d, inst, wide, own, sizeof own / sizeof own[0]);
    d->groups[0] = mop_vk_div_up((size_t)out.n * (size_t)out.h * (size_t)out.w, wide * v.x);
    d->groups[1] = mop_vk_div_up(mop_vk_c4(out.c), v.t);
    d->groups[2] = 1;
}

static size_t fc_vec4s(const mop_vk_task *task)
{
    return (size_t)mop_vk_c4(task->inst->out.c) * (2 + mop_vk_c4(task->inst->in[0].c));
}

static void pack_fc(const mop_vk_task *task, const float *const w[MOP_MAX_WEIGHTS], float *dst)
{
    pack_tiles(task, mop_vk_c4(task->inst->out.c), w, dst);
}

static void dispatch_fc(const mop_vk_task *task, mop_vk_dispatch *d)
{
    const mop_op_inst *inst = task->inst;
    const uint32_t spec[] = {
        mop_vk_wide(task->caps), (uint32_t)inst->in[0].n,    (uint32_t)inst->in[0].c,
        (uint32_t)inst->out.c,   (uint32_t)inst->params.act, inst->params.has_residual,
    };
    dispatch_quantise(task, d);
    d += MULTIPLY;
    d->shader = (task->caps->features & MOP_VK_CAN_DOT) != 0 ? "fc_dot" : "fc_int8";
    mop_vk_set(d, spec, sizeof spec / sizeof spec[0]);
    mop_vk_set_groups(d, mop_vk_c4(inst->out.c));
    d->groups[1] = (uint32_t)inst->out.n;
}

const mop_vk_kernel mop_vk_conv_int8 = {
    .name = "conv_int8",
    .dtypes = 1u << MOP_DTYPE_INT8,
    .n_steps = STEPS,
    .fits = fits_conv,
    .variants = variants,
    .packed_vec4s = conv_vec4s,
    .pack = pack_conv,
    .scratch = scratch,
    .dispatch = dispatch_conv,
    .tile = {1, 1, 32, 8},
};

const mop_vk_kernel mop_vk_fc_int8 = {
    .name = "fc_int8",
    .dtypes = 1u << MOP_DTYPE_INT8,
    .n_steps = STEPS,
    .fits = fits_fc,
    .packed_vec4s = fc_vec4s,
    .pack = pack_fc,
    .scratch = scratch,
    .dispatch = dispatch_fc,
    .tile = {1, 1, 1, 32},
};
