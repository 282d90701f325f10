#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tests/support/op_cases.h"

static int32_t pick(mop_rng *rng, int32_t lo, int32_t hi)
{
    return lo + (int32_t)mop_rng_below(rng, (uint64_t)(hi - lo + 1));
}

static void random_conv(mop_op_inst *inst, mop_rng *rng)
{
    mop_conv_params *p = &inst->params.u.conv;
    mop_shape *in = &inst->in[0];
    int32_t kind = pick(rng, 0, 3);
    *p = (mop_conv_params){.kh = pick(rng, 1, 4), .kw = pick(rng, 1, 4)};
    p->stride = pick(rng, 1, 3);
    p->dilation = pick(rng, 1, 2);
    p->groups = kind == 0 ? 1 : kind == 1 ? in->c : pick(rng, 1, 3);
    in->c = kind == 1 ? in->c : p->groups * pick(rng, 1, 5);
    p->cout = p->groups * (kind == 1 && pick(rng, 0, 1) ? 1 : pick(rng, 1, 6));
    p->pad_top = pick(rng, 0, 3);
    p->pad_left = pick(rng, 0, 3);
    p->pad_bottom = pick(rng, 0, 3);
    p->pad_right = pick(rng, 0, 3);
    p->has_bias = pick(rng, 0, 1) == 1;
    in->h += p->dilation * (p->kh - 1); /* so that the window fits */
    in->w += p->dilation * (p->kw - 1);
}

static void random_dynamic(mop_op_inst *inst, mop_rng *rng)
{
    mop_dy_params *p = &inst->params.u.dy;
    mop_shape *in = &inst->in[0];
    *p = (mop_dy_params){.pieces = pick(rng, 1, 3), .shifts = 1, .groups = 1};
    if (inst->op == MOP_OP_DYRELU) {
        p->per_channel = pick(rng, 0, 1) == 1;
        inst->in[1].c = 2 * p->pieces * (p->per_channel ? in->c : 1);
    } else {
        p->shifts = pick(rng, 1, 3);
        p->groups = pick(rng, 1, 4);
        in->c *= p->groups;
        inst->in[1].c = p->pieces * p->shifts * in->c;
    }
}

/* in[0] of attn_av are its weights, of a shape that its queries, keys and values decide. */
static void random_attention(mop_op_inst *inst, mop_rng *rng)
{
    mop_shape *qkv = &inst->in[inst->op == MOP_OP_ATTN_AV ? 1 : 0];
    const int32_t heads = pick(rng, 1, 3);
    inst->params.u.attn.heads = heads;
    *qkv = inst->in[0];
    qkv->c = 3 * heads * pick(rng, 1, 9);
    if (inst->op == MOP_OP_ATTN_AV)
        inst->in[0] = (mop_shape){qkv->n, heads, qkv->h * qkv->w, qkv->h * qkv->w};
}

/* The operator's own parameters and what they ask of the shapes. */
static void random_params(mop_op_inst *inst, mop_rng *rng)
{
    mop_params *p = &inst->params;
    switch (inst->op) {
    case MOP_OP_CONV2D:
        random_conv(inst, rng);
        break;
    case MOP_OP_BATCHNORM:
        p->u.bn.eps = 1e-5f;
        break;
    case MOP_OP_ACT:
        p->act = (mop_act)pick(rng, 1, MOP_ACT_COUNT - 1);
        break;
    case MOP_OP_ADD:
    case MOP_OP_MUL:
        if (pick(rng, 0, 1))
            inst->in[1] = inst->in[0];
        break;
    case MOP_OP_POOL:
        p->u.pool = (mop_pool_params){.kind = (mop_pool_kind)pick(rng, 0, 1),
                                      .k = pick(rng, 1, 4),
                                      .stride = pick(rng, 1, 3)};
        p->u.pool.pad = pick(rng, 0, p->u.pool.k - 1);
        inst->in[0].h += 3;
        inst->in[0].w += 3;
        break;
    case MOP_OP_FC:
        p->u.fc = (mop_fc_params){.cout = pick(rng, 1, 40), .has_bias = pick(rng, 0, 1) == 1};
        inst->in[0].h = inst->in[0].w = 1;
        inst->in[0].c = pick(rng, 1, 200);
        break;
    case MOP_OP_DYRELU:
    case MOP_OP_DYSHIFTMAX:
        random_dynamic(inst, rng);
        break;
    case MOP_OP_LAYERNORM:
        p->u.bn.eps = 1e-6f;
        inst->in[0].c = pick(rng, 4, 60);
        break;
    case MOP_OP_ATTN_QK:
    case MOP_OP_ATTN_AV:
        random_attention(inst, rng);
        break;
    default:
        break;
    }
}

void mop_op_inst_random(mop_op_inst *inst, mop_op op, mop_rng *rng)
{
    const mop_op_spec *spec = mop_op_get(op);
    mop_op_inst trial;
    mop_err err = {0};
    *inst = (mop_op_inst){.op = op, .n_in = spec->n_in};
    if (spec->n_in == 0)
        return;
    inst->in[0] = (mop_shape){pick(rng, 1, 3), pick(rng, 1, 6), pick(rng, 1, 6), pick(rng, 1, 9)};
    inst->in[1] = (mop_shape){inst->in[0].n, 1, 1, inst->in[0].c};
    random_params(inst, rng);
    trial = *inst;
    if (!spec->takes_residual || pick(rng, 0, 1) == 0)
        return;
    assert_int_equal(mop_op_infer(&trial, &err), MOP_OK);
    inst->params.has_residual = true;
    inst->in[inst->n_in++] = trial.out;
}

static void *block(int64_t n, size_t size)
{
    void *p = calloc((size_t)n, size);
    assert_non_null(p);
    return p;
}

static float draw(mop_weight_init init, int64_t fan_in, mop_rng *rng)
{
    switch (init) {
    case MOP_INIT_GAMMA:
    case MOP_INIT_VARIANCE:
        return (float)(0.5 + mop_rng_uniform(rng));
    case MOP_INIT_KERNEL:
        return (float)(mop_rng_normal(rng) / (double)(fan_in > 4 ? fan_in / 4 : 1));
    default:
        return (float)(0.2 * mop_rng_normal(rng));
    }
}

void mop_op_case_init(mop_op_case *c, const mop_op_inst *inst, mop_rng *rng)
{
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    uint32_t n_w = mop_op_weights(inst, desc);
    bool is_dynamic = inst->op == MOP_OP_DYRELU || inst->op == MOP_OP_DYSHIFTMAX;
    mop_ref_args args = {.inst = &c->inst};
    *c = (mop_op_case){.inst = *inst};
    for (uint32_t i = 0; i < inst->n_in; i++) {
        int64_t n = mop_shape_elems(inst->in[i]);
        c->in[i] = block(n, sizeof(float));
        c->in64[i] = block(n, sizeof(double));
        for (int64_t e = 0; e < n; e++) {
            double v = is_dynamic && i == 1 ? mop_rng_uniform(rng) : 3 * mop_rng_normal(rng);
            c->in[i][e] = (float)v;
            c->in64[i][e] = (double)c->in[i][e];
        }
        args.in[i] = c->in64[i];
    }
    for (uint32_t i = 0; i < n_w; i++) {
        c->w[i] = block(desc[i].elems, sizeof(float));
        for (int64_t e = 0; e < desc[i].elems; e++)
            c->w[i][e] = draw(desc[i].init, desc[i].fan_in, rng);
        args.w[i] = c->w[i];
    }
    c->out = block(mop_shape_elems(inst->out), sizeof(double));
    c->bound = block(mop_shape_elems(inst->out), sizeof(double));
    args.out = c->out;
    args.bound = c->bound;
    mop_op_reference(&args);
}

void mop_op_case_release(mop_op_case *c)
{
    for (int i = 0; i < MOP_MAX_IN; i++) {
        free(c->in[i]);
        free(c->in64[i]);
    }
    for (int i = 0; i < MOP_MAX_WEIGHTS; i++)
        free(c->w[i]);
    free(c->out);
    free(c->bound);
}
