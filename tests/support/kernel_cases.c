#include "tests/support/kernel_cases.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/pace.h"

/* WIDE cases have more channels than any kernel takes in one piece. */
enum { SIZES = 7, WIDE = 3, WIDE_CHANNELS = 1030 };

static int32_t pick(mop_rng *rng, const int32_t *list, size_t n)
{
    return list[mop_rng_below(rng, n)];
}

#define PICK(rng, ...)                                                                             \
    pick((rng), (const int32_t[]){__VA_ARGS__},                                                    \
         sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

/* Sizes that straddle a tile of t. */
static int32_t size_round(int32_t t, size_t i)
{
    const int32_t sizes[SIZES] = {1, t - 1, t, t + 1, 2 * t, 3 * t + 5, 7};
    return sizes[i] < 1 ? 1 : sizes[i];
}

size_t mop_kernel_cases(const mop_cpu_kernel *kernel)
{
    (void)kernel; /* each has the same number */
    return (mop_test_is_slow() ? 1 : 6) * SIZES * SIZES + WIDE;
}

/* The window becomes the whole map, as over the vector of squeeze-and-excitation. */
static void whole_map(mop_op_inst *inst, mop_rng *rng)
{
    mop_conv_params *p = &inst->params.u.conv;
    inst->in[0].n = PICK(rng, 1, 1, 2, 3, 4, 14);
    if (mop_rng_below(rng, 2) == 0)
        inst->in[0].h = inst->in[0].w = 1;
    p->kh = inst->in[0].h;
    p->kw = inst->in[0].w;
    p->dilation = 1;
    p->pad_top = p->pad_left = p->pad_bottom = p->pad_right = 0;
}

static void draw_conv(mop_op_inst *inst, int32_t channels, mop_rng *rng)
{
    mop_conv_params *p = &inst->params.u.conv;
    const bool is_depthwise = mop_rng_below(rng, 2) == 0;
    const int32_t k = PICK(rng, 1, 2, 3, 3, 3, 5, 7);
    *p = (mop_conv_params){.cout = channels,
                           .kh = k,
                           .kw = PICK(rng, k, k, k, 1, 4),
                           .stride = PICK(rng, 1, 1, 2, 2, 3),
                           .dilation = PICK(rng, 1, 1, 1, 2),
                           .groups = 1,
                           .pad_top = PICK(rng, 0, 1, 1, 1, 2, 3),
                           .pad_left = PICK(rng, 0, 1, 1, 1, 2, 3),
                           .pad_bottom = PICK(rng, 0, 1, 1, 1, 2, 3),
                           .pad_right = PICK(rng, 0, 1, 1, 1, 2, 3),
                           .has_bias = mop_rng_below(rng, 4) != 0};
    if (mop_rng_below(rng, 8) == 0)
        whole_map(inst, rng);
    if (is_depthwise) {
        p->groups = inst->in[0].c = channels;
        return;
    }
    inst->in[0].c = PICK(rng, 1, 3, 3, 8, 16, 17, 31, 40, 97);
    if (mop_rng_below(rng, 4) == 0) {
        p->groups = PICK(rng, 2, 3, 4);
        inst->in[0].c *= p->groups;
        p->cout *= p->groups;
    }
}

static void draw_params(mop_op_inst *inst, int32_t channels, mop_rng *rng)
{
    mop_params *p = &inst->params;
    const mop_shape vector = {inst->in[0].n, 1, 1, channels};
    switch (inst->op) {
    case MOP_OP_CONV2D:
        draw_conv(inst, channels, rng);
        break;
    case MOP_OP_FC:
        inst->in[0] =
            (mop_shape){PICK(rng, 1, 1, 2, 3, 4, 5, 13, 31), 1, 1, PICK(rng, 1, 7, 64, 129, 515)};
        p->u.fc = (mop_fc_params){channels, mop_rng_below(rng, 2) == 0};
        break;
    case MOP_OP_POOL:
        p->u.pool = (mop_pool_params){.kind = (mop_pool_kind)PICK(rng, MOP_POOL_MAX, MOP_POOL_AVG),
                                      .k = PICK(rng, 1, 2, 3, 5),
                                      .stride = PICK(rng, 1, 2, 3)};
        p->u.pool.pad = p->u.pool.k > 1 ? PICK(rng, 0, 1) : 0;
        break;
    case MOP_OP_BATCHNORM:
        p->u.bn.eps = 1e-5f;
        break;
    case MOP_OP_ADD:
    case MOP_OP_MUL:
        inst->n_in = 2;
        inst->in[1] = mop_rng_below(rng, 2) == 0 ? vector : inst->in[0];
        break;
    case MOP_OP_DYRELU:
        p->u.dy = (mop_dy_params){PICK(rng, 1, 2, 3), 1, 1, mop_rng_below(rng, 2) == 0};
        inst->n_in = 2;
        inst->in[1] = vector;
        inst->in[1].c = 2 * p->u.dy.pieces * (p->u.dy.per_channel ? channels : 1);
        break;
    case MOP_OP_DYSHIFTMAX:
        p->u.dy = (mop_dy_params){PICK(rng, 1, 2), PICK(rng, 1, 2, 3, 5), 1, false};
        p->u.dy.groups = channels % 3 == 0 ? 3 : channels % 4 == 0 ? 4 : 1;
        inst->n_in = 2;
        inst->in[1] = vector;
        inst->in[1].c = p->u.dy.pieces * p->u.dy.shifts * channels;
        break;
    case MOP_OP_LAYERNORM:
        p->u.bn.eps = 1e-6f;
        break;
    case MOP_OP_ATTN_QK: /* w positions, c channels of a head */
        p->u.attn.heads = PICK(rng, 1, 2, 3);
        inst->in[0].h = PICK(rng, 1, 1, 3);
        inst->in[0].c = 3 * p->u.attn.heads * (channels < 200 ? channels : 200);
        break;
    case MOP_OP_ATTN_AV:
        p->u.attn.heads = PICK(rng, 1, 2, 3);
        inst->n_in = 2;
        inst->in[1] = inst->in[0];
        inst->in[1].h = PICK(rng, 1, 1, 3);
        inst->in[1].c = 3 * p->u.attn.heads * (channels < 200 ? channels : 200);
        inst->in[0].h = p->u.attn.heads;
        inst->in[0].w = inst->in[0].c = inst->in[1].h * inst->in[1].w;
        break;
    default:
        break;
    }
}

/* The epilogue; a residual has the shape of the output, known once it is inferred without. */
static bool draw_epilogue(mop_op_inst *inst, mop_rng *rng)
{
    const mop_op_spec *spec = mop_op_get(inst->op);
    mop_op_inst work = *inst;
    if (spec->takes_act)
        work.params.act = (mop_act)mop_rng_below(rng, MOP_ACT_COUNT);
    if (mop_op_infer(&work, NULL) != MOP_OK)
        return false;
    if (spec->takes_residual && mop_rng_below(rng, 2) == 0) {
        work.params.has_residual = true;
        work.in[work.n_in++] = work.out;
        if (mop_op_infer(&work, NULL) != MOP_OK)
            return false;
    }
    *inst = work;
    return true;
}

mop_op_inst mop_kernel_case(const mop_cpu_kernel *kernel, size_t i, mop_rng *rng)
{
    for (int tries = 0; tries < 100000; tries++) {
        mop_op_inst inst = {.op = kernel->op, .n_in = 1};
        int32_t w = size_round(kernel->tile.w, i % SIZES);
        int32_t c = size_round(kernel->tile.c, i / SIZES % SIZES);
        if (i >= SIZES * SIZES) {
            w = 1 + (int32_t)mop_rng_below(rng, (uint64_t)kernel->tile.w * 4 + 3);
            c = 1 + (int32_t)mop_rng_below(rng, (uint64_t)kernel->tile.c * 4 + 3);
        }
        if (i + WIDE >= mop_kernel_cases(kernel)) {
            w = 3;
            c = WIDE_CHANNELS + (int32_t)i % 2;
        }
        inst.in[0] = (mop_shape){PICK(rng, 1, 1, 2, 3), PICK(rng, 1, 2, 3, 5, 7, 12), w, c};
        draw_params(&inst, c, rng);
        if (draw_epilogue(&inst, rng) && kernel->fits(&inst))
            return inst;
    }
    printf("%s/%s: no instance fits\n", kernel->name, mop_isa_name(kernel->isa));
    exit(1);
}

void mop_kernel_case_name(const mop_op_inst *inst, char *text, size_t size)
{
    const mop_shape s = inst->in[0], o = inst->out;
    int n = snprintf(text, size, "%s %dx%dx%dx%d -> %dx%dx%dx%d act %s%s",
                     mop_op_get(inst->op)->name, s.n, s.h, s.w, s.c, o.n, o.h, o.w, o.c,
                     mop_act_name(inst->params.act), inst->params.has_residual ? " residual" : "");
    if (inst->op == MOP_OP_CONV2D && n > 0 && (size_t)n < size) {
        const mop_conv_params *p = &inst->params.u.conv;
        (void)snprintf(text + n, size - (size_t)n,
                       " kernel %dx%d stride %d dilation %d groups %d pad %d,%d,%d,%d bias %d",
                       p->kh, p->kw, p->stride, p->dilation, p->groups, p->pad_top, p->pad_left,
                       p->pad_bottom, p->pad_right, p->has_bias);
    }
}
