/* The operators of vision transformers. Tokens are the rows of an image of width one,
 * [n, c, tokens, 1]; heads are cut out of the channels by a reshape, because a head's channels
 * follow each other. */
#include "onnx/ops.h"

#include <math.h>

static mop_onnx_value image(const char *name)
{
    return (mop_onnx_value){.name = name};
}

static const char *reshape(mop_onnx_emit *e, const char *x, const char *part, const int64_t *dims)
{
    return mop_onnx_binary(e, "Reshape", x, mop_onnx_indices(e, part, dims, 4));
}

static const char *transpose(mop_onnx_emit *e, const char *x, const int64_t axes[4])
{
    const char *y = mop_onnx_unary(e, "Transpose", x);
    mop_onnx_ints(e, "perm", axes, 4);
    return y;
}

/* The class token for each image in front of the positions, then the sum with their embedding. */
mop_onnx_value mop_onnx_embed(mop_onnx_emit *e, const mop_op_inst *inst)
{
    const mop_shape s = inst->out;
    const int64_t tokens[] = {s.n, s.c, s.h - 1, 1}, one[] = {s.n, s.c, 1, 1};
    const int64_t all[] = {1, s.c, s.h, 1};
    const float *class_token = mop_model_w(e->model, e->node, 0);
    const char *in[2], *positions;
    float *room = mop_onnx_room(e, "class", one, 4, &in[0]);
    for (int64_t i = 0; room != NULL && i < (int64_t)s.n * s.c; i++)
        room[i] = class_token[i % s.c];
    room = mop_onnx_room(e, "position", all, 4, &positions);
    if (room != NULL)
        mop_onnx_transpose((mop_shape){1, s.h, 1, s.c}, mop_model_w(e->model, e->node, 1), room);
    in[1] = reshape(e, mop_onnx_image(e, 0), "tokens", tokens);
    in[0] = mop_onnx_node(e, "Concat", in, 2);
    mop_onnx_int(e, "axis", 2);
    return image(mop_onnx_binary(e, "Add", in[0], positions));
}

/* Row 0, which holds position 0 whatever the width of its image: the width is one. */
mop_onnx_value mop_onnx_class_token(mop_onnx_emit *e, const mop_op_inst *inst)
{
    const int64_t dims[] = {inst->in[0].n, inst->in[0].c, (int64_t)inst->in[0].h * inst->in[0].w,
                            1};
    const int64_t first = 0;
    const char *x = reshape(e, mop_onnx_image(e, 0), "rows", dims);
    const char *y = mop_onnx_binary(e, "Gather", x, mop_onnx_indices(e, "first", &first, 1));
    mop_onnx_int(e, "axis", 2);
    return image(y);
}

/* ONNX normalises over the last axes. */
mop_onnx_value mop_onnx_layernorm(mop_onnx_emit *e, const mop_op_inst *inst)
{
    const int64_t channels_last[] = {0, 2, 3, 1}, channels_first[] = {0, 3, 1, 2};
    const int64_t dims[] = {inst->in[0].c};
    const char *in[3] = {transpose(e, mop_onnx_image(e, 0), channels_last)}, *y;
    in[1] = mop_onnx_weight(e, 0, dims, 1);
    in[2] = mop_onnx_weight(e, 1, dims, 1);
    y = mop_onnx_node(e, "LayerNormalization", in, 3);
    mop_onnx_int(e, "axis", -1);
    mop_onnx_float(e, "epsilon", inst->params.u.bn.eps);
    return image(transpose(e, y, channels_first));
}

mop_onnx_value mop_onnx_softmax(mop_onnx_emit *e, const mop_op_inst *inst)
{
    const char *y = mop_onnx_unary(e, "Softmax", mop_onnx_image(e, 0));
    (void)inst;
    mop_onnx_int(e, "axis", 1);
    return image(y);
}

/* Queries, keys and values of input k as [n, heads, width, positions] each. */
static void project(mop_onnx_emit *e, const mop_op_inst *inst, uint32_t k, const char *out[3])
{
    const mop_shape s = inst->in[k];
    const int64_t heads = inst->params.u.attn.heads;
    const int64_t dims[] = {s.n, 3 * heads, s.c / 3 / heads, (int64_t)s.h * s.w};
    mop_onnx_split(e, reshape(e, mop_onnx_image(e, k), "heads", dims), out, 3);
}

/* q^T k is [n, heads, queries, keys]; as an image the keys are its channels. */
mop_onnx_value mop_onnx_attn_qk(mop_onnx_emit *e, const mop_op_inst *inst)
{
    const int64_t rows[] = {0, 1, 3, 2}, keys_first[] = {0, 3, 1, 2};
    const double width = inst->in[0].c / 3.0 / inst->params.u.attn.heads;
    const char *part[3], *y;
    project(e, inst, 0, part);
    y = mop_onnx_binary(e, "MatMul", transpose(e, part[0], rows), part[1]);
    y = mop_onnx_binary(e, "Div", y, mop_onnx_scalar(e, "root", sqrt(width)));
    return image(transpose(e, y, keys_first));
}

/* v [n, heads, width, keys] times the weights as [n, heads, keys, queries] */
mop_onnx_value mop_onnx_attn_av(mop_onnx_emit *e, const mop_op_inst *inst)
{
    const mop_shape s = inst->out;
    const int64_t heads_first[] = {0, 2, 1, 3}, dims[] = {s.n, s.c, s.h, s.w};
    const char *part[3], *y;
    project(e, inst, 1, part);
    y = mop_onnx_binary(e, "MatMul", part[2], transpose(e, mop_onnx_image(e, 0), heads_first));
    return image(reshape(e, y, "image", dims));
}
