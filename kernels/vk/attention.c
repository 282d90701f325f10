/* Host side of the shaders of vision transformers: attention, and what normalises the channels of a
 * position. */
#include <math.h>

#include "kernels/vk/kernel.h"

enum { KIND_EMBED, KIND_CLASS, KIND_QK, KIND_AV };
enum { KIND_LAYERNORM, KIND_SOFTMAX };

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Queries, keys and values, of which a head is whole vec4s; NULL for the other operators. */
static const mop_shape *projections(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_ATTN_QK   ? &inst->in[0]
           : inst->op == MOP_OP_ATTN_AV ? &inst->in[1]
                                        : NULL;
}

static bool fits_attention(const mop_vk_caps *caps, const mop_op_inst *inst)
{
    const mop_shape *qkv = projections(inst);
    (void)caps;
    if (qkv != NULL)
        return qkv->c / 3 % (4 * inst->params.u.attn.heads) == 0;
    return inst->op == MOP_OP_EMBED || inst->op == MOP_OP_CLASS_TOKEN;
}

static size_t attention_vec4s(const mop_vk_task *task)
{
    const mop_op_inst *inst = task->inst;
    return inst->op == MOP_OP_EMBED ? (1 + (size_t)inst->out.h) * mop_vk_c4(inst->out.c) : 0;
}

/* The class token, then the positions, each with its tail. */
static void pack_attention(const mop_vk_task *task, const float *const w[MOP_MAX_WEIGHTS],
                           float *dst)
{
    const mop_op_inst *inst = task->inst;
    const size_t c = (size_t)inst->out.c, step = 4 * (size_t)mop_vk_c4(inst->out.c);
    if (inst->op != MOP_OP_EMBED)
        return;
    memcpy(dst, w[0], c * sizeof(float));
    for (size_t i = 0; i < (size_t)inst->out.h; i++)
        memcpy(dst + (1 + i) * step, w[1] + i * c, c * sizeof(float));
}

static void dispatch_attention(const mop_vk_task *task, mop_vk_dispatch *d)
{
    const mop_op_inst *inst = task->inst;
    const mop_shape s = inst->out, *qkv = projections(inst);
    const mop_shape *in = qkv != NULL ? qkv : &inst->in[0];
    const uint32_t width = qkv != NULL ? (uint32_t)(qkv->c / 3 / inst->params.u.attn.heads) : 4;
    const uint32_t spec[] = {
        mop_vk_wide(task->caps),
        inst->op == MOP_OP_EMBED         ? KIND_EMBED
        : inst->op == MOP_OP_CLASS_TOKEN ? KIND_CLASS
        : inst->op == MOP_OP_ATTN_QK     ? KIND_QK
                                         : KIND_AV,
        (uint32_t)s.n,
        (uint32_t)s.c,
        (uint32_t)s.h,
        (uint32_t)s.w,
        (uint32_t)in->h * (uint32_t)in->w,
        width / 4,
        (uint32_t)in->c / 12,
        bits_of(1 / sqrtf((float)width)),
    };
    d->shader = "attention";
    mop_vk_set(d, spec, sizeof spec / sizeof spec[0]);
    mop_vk_set_groups(d, mop_vk_vec4s(s));
}

static bool fits_channels(const mop_vk_caps *caps, const mop_op_inst *inst)
{
    (void)caps;
    return inst->op == MOP_OP_LAYERNORM || inst->op == MOP_OP_SOFTMAX;
}

static size_t channels_vec4s(const mop_vk_task *task)
{
    const mop_op_inst *inst = task->inst;
    return inst->op == MOP_OP_LAYERNORM ? 2 * (size_t)mop_vk_c4(inst->out.c) : 0;
}

static void pack_channels(const mop_vk_task *task, const float *const w[MOP_MAX_WEIGHTS],
                          float *dst)
{
    const mop_op_inst *inst = task->inst;
    for (size_t c = 0; c < (size_t)inst->out.c && inst->op == MOP_OP_LAYERNORM; c++) {
        dst[c / 4 * 8 + c % 4] = w[0][c];
        dst[c / 4 * 8 + 4 + c % 4] = w[1][c];
    }
}

static void dispatch_channels(const mop_vk_task *task, mop_vk_dispatch *d)
{
    const mop_op_inst *inst = task->inst;
    const mop_shape s = inst->out;
    const bool is_norm = inst->op == MOP_OP_LAYERNORM;
    const uint32_t spec[] = {
        mop_vk_wide(task->caps),       is_norm ? KIND_LAYERNORM : KIND_SOFTMAX,      (uint32_t)s.c,
        (uint32_t)s.h * (uint32_t)s.w, bits_of(is_norm ? inst->params.u.bn.eps : 0),
    };
    d->shader = "channels";
    mop_vk_set(d, spec, sizeof spec / sizeof spec[0]);
    d->groups[0] = (uint32_t)s.n * (uint32_t)s.h * (uint32_t)s.w;
    d->groups[1] = d->groups[2] = 1;
}

const mop_vk_kernel mop_vk_attention = {
    .name = "attention",
    .fits = fits_attention,
    .packed_vec4s = attention_vec4s,
    .pack = pack_attention,
    .dispatch = dispatch_attention,
    .tile = {1, 1, 8, 4},
};

const mop_vk_kernel mop_vk_channels = {
    .name = "channels",
    .fits = fits_channels,
    .packed_vec4s = channels_vec4s,
    .pack = pack_channels,
    .dispatch = dispatch_channels,
    .tile = {1, 1, 1, 32},
};
