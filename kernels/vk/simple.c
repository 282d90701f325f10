/* Host side of the shaders that work on one vec4 at a time: eltwise, dynamic, gap, pool, fc. */
#include <math.h>

#include "kernels/vk/kernel.h"

enum { ELTWISE_ACT, ELTWISE_ADD, ELTWISE_MUL, ELTWISE_BN, ELTWISE_PER_LANE = 4 };

static uint32_t pixels(mop_shape s)
{
    return (uint32_t)s.h * (uint32_t)s.w;
}

static bool fits_eltwise(const mop_vk_caps *caps, const mop_op_inst *inst)
{
    (void)caps;
    return inst->op == MOP_OP_ACT || inst->op == MOP_OP_ADD || inst->op == MOP_OP_MUL ||
           inst->op == MOP_OP_BATCHNORM;
}

static size_t eltwise_vec4s(const mop_vk_task *task)
{
    const mop_op_inst *inst = task->inst;
    return inst->op == MOP_OP_BATCHNORM ? 2 * (size_t)mop_vk_c4(inst->out.c) : 0;
}

/* Scale and shift in float64, rounded once. */
static void pack_eltwise(const mop_vk_task *task, const float *const w[MOP_MAX_WEIGHTS], float *dst)
{
    const mop_op_inst *inst = task->inst;
    if (inst->op != MOP_OP_BATCHNORM)
        return;
    for (size_t c = 0; c < (size_t)inst->out.c; c++) {
        double scale = (double)w[0][c] / sqrt((double)w[3][c] + (double)inst->params.u.bn.eps);
        dst[c / 4 * 8 + c % 4] = (float)scale;
        dst[c / 4 * 8 + 4 + c % 4] = (float)((double)w[1][c] - (double)w[2][c] * scale);
    }
}

static void dispatch_eltwise(const mop_vk_task *task, mop_vk_dispatch *d)
{
    const mop_op_inst *inst = task->inst;
    const mop_shape s = inst->out;
    const bool pair = inst->op == MOP_OP_ADD || inst->op == MOP_OP_MUL;
    const uint32_t kind = inst->op == MOP_OP_ADD         ? ELTWISE_ADD
                          : inst->op == MOP_OP_MUL       ? ELTWISE_MUL
                          : inst->op == MOP_OP_BATCHNORM ? ELTWISE_BN
                                                         : ELTWISE_ACT;
    const uint32_t spec[] = {
        mop_vk_wide(task->caps),
        kind,
        ELTWISE_PER_LANE,
        (uint32_t)s.n,
        (uint32_t)s.c,
        pixels(s),
        pair && !mop_shape_equal(inst->in[1], s),
        (uint32_t)inst->params.act,
        inst->params.has_residual,
    };
    d->shader = "eltwise";
    mop_vk_set(d, spec, sizeof spec / sizeof spec[0]);
    mop_vk_set_groups(d, mop_vk_div_up(mop_vk_vec4s(s), ELTWISE_PER_LANE));
}

static bool fits_dynamic(const mop_vk_caps *caps, const mop_op_inst *inst)
{
    (void)caps;
    return inst->op == MOP_OP_DYRELU || inst->op == MOP_OP_DYSHIFTMAX;
}

static void dispatch_dynamic(const mop_vk_task *task, mop_vk_dispatch *d)
{
    const mop_op_inst *inst = task->inst;
    const mop_dy_params *p = &inst->params.u.dy;
    const mop_shape s = inst->out;
    const bool shiftmax = inst->op == MOP_OP_DYSHIFTMAX;
    const uint32_t spec[] = {
        mop_vk_wide(task->caps),
        (uint32_t)s.n,
        (uint32_t)s.c,
        pixels(s),
        (uint32_t)p->pieces,
        shiftmax ? (uint32_t)p->shifts : 1,
        shiftmax ? (uint32_t)(s.c / p->groups) : 0,
        shiftmax         ? 2
        : p->per_channel ? 1
                         : 0,
        (uint32_t)inst->in[1].c,
    };
    d->shader = "dynamic";
    mop_vk_set(d, spec, sizeof spec / sizeof spec[0]);
    mop_vk_set_groups(d, mop_vk_vec4s(s));
}

static bool fits_gap(const mop_vk_caps *caps, const mop_op_inst *inst)
{
    (void)caps;
    return inst->op == MOP_OP_GAP;
}

static void dispatch_gap(const mop_vk_task *task, mop_vk_dispatch *d)
{
    const mop_op_inst *inst = task->inst;
    const uint32_t spec[] = {mop_vk_wide(task->caps), pixels(inst->in[0])};
    d->shader = "gap";
    mop_vk_set(d, spec, sizeof spec / sizeof spec[0]);
    d->groups[0] = (uint32_t)mop_vk_vec4s(inst->out);
    d->groups[1] = d->groups[2] = 1;
}

static bool fits_pool(const mop_vk_caps *caps, const mop_op_inst *inst)
{
    (void)caps;
    return inst->op == MOP_OP_POOL;
}

static void dispatch_pool(const mop_vk_task *task, mop_vk_dispatch *d)
{
    const mop_op_inst *inst = task->inst;
    const mop_pool_params *p = &inst->params.u.pool;
    const mop_shape in = inst->in[0], out = inst->out;
    const uint32_t spec[] = {
        mop_vk_wide(task->caps), p->kind == MOP_POOL_AVG, (uint32_t)in.n * mop_vk_c4(in.c),
        (uint32_t)in.h,          (uint32_t)in.w,          (uint32_t)out.h,
        (uint32_t)out.w,         (uint32_t)p->k,          (uint32_t)p->stride,
        (uint32_t)p->pad,
    };
    d->shader = "pool";
    mop_vk_set(d, spec, sizeof spec / sizeof spec[0]);
    mop_vk_set_groups(d, mop_vk_vec4s(out));
}

/* A 1x1 convolution of a 1x1 map has the weights of a fully connected layer. */
bool mop_vk_is_fc(const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    if (inst->op == MOP_OP_FC)
        return true;
    return inst->op == MOP_OP_CONV2D && p->groups == 1 && p->kh == 1 && p->kw == 1 &&
           pixels(inst->in[0]) == 1 && pixels(inst->out) == 1 && p->pad_top == 0 &&
           p->pad_left == 0;
}

static bool fits_fc(const mop_vk_caps *caps, const mop_op_inst *inst)
{
    (void)caps;
    return mop_vk_is_fc(inst);
}

static size_t fc_vec4s(const mop_vk_task *task)
{
    const mop_op_inst *inst = task->inst;
    return mop_vk_c4(inst->out.c) * (4 * (size_t)mop_vk_c4(inst->in[0].c) + 1);
}

static void pack_fc(const mop_vk_task *task, const float *const w[MOP_MAX_WEIGHTS], float *dst)
{
    const mop_op_inst *inst = task->inst;
    const size_t cin = (size_t)inst->in[0].c, o4 = mop_vk_c4(inst->out.c);
    const bool has_bias =
        inst->op == MOP_OP_FC ? inst->params.u.fc.has_bias : inst->params.u.conv.has_bias;
    for (size_t o = 0; o < (size_t)inst->out.c; o++) {
        if (has_bias)
            dst[o] = w[1][o];
        for (size_t c = 0; c < cin; c++)
            dst[(1 + c) * o4 * 4 + o] = w[0][o * cin + c];
    }
}

static void dispatch_fc(const mop_vk_task *task, mop_vk_dispatch *d)
{
    const mop_op_inst *inst = task->inst;
    const uint32_t spec[] = {
        mop_vk_wide(task->caps),    (uint32_t)inst->in[0].c,   (uint32_t)inst->out.c,
        (uint32_t)inst->params.act, inst->params.has_residual,
    };
    d->shader = "fc";
    mop_vk_set(d, spec, sizeof spec / sizeof spec[0]);
    mop_vk_set_groups(d, mop_vk_c4(inst->out.c));
    d->groups[1] = (uint32_t)inst->out.n;
}

const mop_vk_kernel mop_vk_eltwise = {
    .name = "eltwise",
    .fits = fits_eltwise,
    .packed_vec4s = eltwise_vec4s,
    .pack = pack_eltwise,
    .dispatch = dispatch_eltwise,
    .tile = {1, 1, 32, 4},
};

const mop_vk_kernel mop_vk_dynamic = {
    .name = "dynamic",
    .fits = fits_dynamic,
    .dispatch = dispatch_dynamic,
    .tile = {1, 1, 8, 4},
};

const mop_vk_kernel mop_vk_gap = {
    .name = "gap",
    .fits = fits_gap,
    .dispatch = dispatch_gap,
    .tile = {1, 1, 8, 4},
};

const mop_vk_kernel mop_vk_pool = {
    .name = "pool",
    .fits = fits_pool,
    .dispatch = dispatch_pool,
    .tile = {1, 1, 8, 4},
};

const mop_vk_kernel mop_vk_fc = {
    .name = "fc",
    .dtypes = MOP_VK_ALL_FLOATS,
    .fits = fits_fc,
    .packed_vec4s = fc_vec4s,
    .pack = pack_fc,
    .dispatch = dispatch_fc,
    .tile = {1, 1, 1, 32},
};
