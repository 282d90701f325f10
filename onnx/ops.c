/* The operators of convolutional networks. */
#include "onnx/ops.h"

#include <string.h>

mop_onnx_op_fn *mop_onnx_of(mop_op op)
{
    static mop_onnx_op_fn *const rows[MOP_OP_COUNT] = {
#define MOP_ONNX_ROW(ID, id) [MOP_OP_##ID] = mop_onnx_##id,
#include "onnx/exports.def"
#undef MOP_ONNX_ROW
    };
    return rows[op];
}

mop_onnx_act_fn *mop_onnx_of_act(mop_act act)
{
    static mop_onnx_act_fn *const rows[MOP_ACT_COUNT] = {
#define MOP_ONNX_ACT_ROW(ID, id) [MOP_ACT_##ID] = mop_onnx_act_##id,
#include "onnx/acts.def"
#undef MOP_ONNX_ACT_ROW
    };
    return rows[act];
}

static mop_onnx_value image(const char *name)
{
    return (mop_onnx_value){.name = name};
}

/* The graph's input: a name and no node. */
mop_onnx_value mop_onnx_input(mop_onnx_emit *e, const mop_op_inst *inst)
{
    (void)inst;
    return image(e->model->graph->nodes[e->node].name);
}

/* The epilogue is the function. */
mop_onnx_value mop_onnx_act(mop_onnx_emit *e, const mop_op_inst *inst)
{
    (void)inst;
    return e->value[e->model->graph->nodes[e->node].in[0]];
}

mop_onnx_value mop_onnx_conv2d(mop_onnx_emit *e, const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    const mop_shape w = {p->cout, p->kh, p->kw, inst->in[0].c / p->groups};
    const int64_t dims[] = {w.n, w.c, w.h, w.w};
    const int64_t pads[] = {p->pad_top, p->pad_left, p->pad_bottom, p->pad_right};
    const int64_t strides[] = {p->stride, p->stride}, dilations[] = {p->dilation, p->dilation};
    const char *in[3] = {mop_onnx_image(e, 0)}, *out;
    float *room = mop_onnx_room(e, "w", dims, 4, &in[1]);
    if (room != NULL)
        mop_onnx_transpose(w, mop_model_w(e->model, e->node, 0), room);
    if (p->has_bias)
        in[2] = mop_onnx_weight(e, 1, dims, 1);
    out = mop_onnx_node(e, "Conv", in, p->has_bias ? 3 : 2);
    mop_onnx_ints(e, "kernel_shape", dims + 2, 2);
    mop_onnx_ints(e, "strides", strides, 2);
    mop_onnx_ints(e, "dilations", dilations, 2);
    mop_onnx_ints(e, "pads", pads, 4);
    mop_onnx_int(e, "group", p->groups);
    return image(out);
}

mop_onnx_value mop_onnx_batchnorm(mop_onnx_emit *e, const mop_op_inst *inst)
{
    const int64_t dims[] = {inst->in[0].c};
    const char *in[5] = {mop_onnx_image(e, 0)}, *out;
    for (uint32_t slot = 0; slot < 4; slot++) /* gamma, beta, mean, variance: ONNX's order too */
        in[slot + 1] = mop_onnx_weight(e, slot, dims, 1);
    out = mop_onnx_node(e, "BatchNormalization", in, 5);
    mop_onnx_float(e, "epsilon", inst->params.u.bn.eps);
    return image(out);
}

/* Vectors meet as vectors, everything else as images, over which a vector's [n, c, 1, 1] spreads.
 */
static mop_onnx_value pair(mop_onnx_emit *e, const char *op)
{
    const mop_node *node = &e->model->graph->nodes[e->node];
    mop_onnx_value out = {.is_vector =
                              e->value[node->in[0]].is_vector && e->value[node->in[1]].is_vector};
    const char *a = out.is_vector ? mop_onnx_vector(e, 0) : mop_onnx_image(e, 0);
    const char *b = out.is_vector ? mop_onnx_vector(e, 1) : mop_onnx_image(e, 1);
    out.name = mop_onnx_binary(e, op, a, b);
    return out;
}

mop_onnx_value mop_onnx_add(mop_onnx_emit *e, const mop_op_inst *inst)
{
    (void)inst;
    return pair(e, "Add");
}

mop_onnx_value mop_onnx_mul(mop_onnx_emit *e, const mop_op_inst *inst)
{
    (void)inst;
    return pair(e, "Mul");
}

mop_onnx_value mop_onnx_gap(mop_onnx_emit *e, const mop_op_inst *inst)
{
    (void)inst;
    return image(mop_onnx_unary(e, "GlobalAveragePool", mop_onnx_image(e, 0)));
}

/* Extents round down in both; padding counts in neither average. */
mop_onnx_value mop_onnx_pool(mop_onnx_emit *e, const mop_op_inst *inst)
{
    const mop_pool_params *p = &inst->params.u.pool;
    const bool is_max = p->kind == MOP_POOL_MAX;
    const int64_t k[] = {p->k, p->k}, strides[] = {p->stride, p->stride};
    const int64_t pads[] = {p->pad, p->pad, p->pad, p->pad};
    const char *out = mop_onnx_unary(e, is_max ? "MaxPool" : "AveragePool", mop_onnx_image(e, 0));
    mop_onnx_ints(e, "kernel_shape", k, 2);
    mop_onnx_ints(e, "strides", strides, 2);
    mop_onnx_ints(e, "pads", pads, 4);
    if (!is_max)
        mop_onnx_int(e, "count_include_pad", 0);
    return image(out);
}

/* Vectors have one pixel, so their order is the same in both layouts. */
mop_onnx_value mop_onnx_fc(mop_onnx_emit *e, const mop_op_inst *inst)
{
    const mop_fc_params *p = &inst->params.u.fc;
    const int64_t dims[] = {p->cout, inst->in[0].c};
    const char *in[3] = {mop_onnx_vector(e, 0), mop_onnx_weight(e, 0, dims, 2)};
    mop_onnx_value out = {.is_vector = true};
    if (p->has_bias)
        in[2] = mop_onnx_weight(e, 1, dims, 1);
    out.name = mop_onnx_node(e, "Gemm", in, p->has_bias ? 3 : 2);
    mop_onnx_int(e, "transB", 1);
    return out;
}
