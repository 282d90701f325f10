/* XNNPACK (Debian libxnnpack-dev, a snapshot of 2022-02-16) through its subgraph interface, NHWC.
 * The fused network of moprof becomes a subgraph: clamps go into the operator before them,
 * residuals are an add with a clamp, SiLU is a sigmoid and a product, hard sigmoid a clamped sum
 * and a product, a BatchNorm that folds into nothing a product and a sum. */
#include "tests/peers/peer.h"

#ifdef MOP_PEER_XNNPACK
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xnnpack.h>

#include "profiler/base/alloc.h"
#include "profiler/base/clock.h"
#include "profiler/engine/cpu_pool.h"

struct mop_peer_net {
    xnn_subgraph_t graph;
    xnn_runtime_t runtime;
    mop_cpu_pool pool;
    float *in, *out;
    float **constants; /* that the subgraph points to, [n_constants] */
    size_t n_constants;
    mop_clock clock;
};

enum { INPUT_ID, OUTPUT_ID, EXTERNAL_IDS };

/* A network on its way into a subgraph. status is sticky. */
typedef struct lowering {
    mop_peer_net *net;
    const mop_model *model;
    uint32_t *ids; /* [n_nodes] */
    enum xnn_status status;
    mop_err *err;
} lowering;

static void *padded(size_t elems, mop_err *err)
{
    return mop_alloc_aligned(elems * sizeof(float) + XNN_EXTRA_BYTES, err);
}

static uint32_t define(lowering *l, size_t n_dims, const size_t *dims, const void *data,
                       uint32_t external, uint32_t flags)
{
    uint32_t id = XNN_INVALID_VALUE_ID;
    if (l->status == xnn_status_success)
        l->status = xnn_define_tensor_value(l->net->graph, xnn_datatype_fp32, n_dims, dims, data,
                                            external, flags, &id);
    return id;
}

static uint32_t activation_value(lowering *l, mop_shape s, uint32_t external, uint32_t flags)
{
    const size_t dims[] = {(size_t)s.n, (size_t)s.h, (size_t)s.w, (size_t)s.c};
    return define(l, 4, dims, NULL, external, flags);
}

static uint32_t temporary(lowering *l, mop_shape s)
{
    return activation_value(l, s, XNN_INVALID_VALUE_ID, 0);
}

/* A vector of n values that lives as long as the net, for the caller to fill; NULL sets status. */
static float *keep(lowering *l, size_t n)
{
    float **grown = mop_realloc(l->net->constants, l->net->n_constants + 1, sizeof *grown, l->err);
    float *v = grown != NULL ? padded(n, l->err) : NULL;
    if (grown != NULL)
        l->net->constants = grown;
    if (v != NULL)
        l->net->constants[l->net->n_constants++] = v;
    else
        l->status = xnn_status_out_of_memory;
    return v;
}

static uint32_t vector(lowering *l, size_t n, const float *values)
{
    float *v = keep(l, n);
    if (v == NULL)
        return XNN_INVALID_VALUE_ID;
    memcpy(v, values, n * sizeof *v);
    return define(l, 1, &n, v, XNN_INVALID_VALUE_ID, 0);
}

static bool is_clamp(mop_act act)
{
    return act == MOP_ACT_NONE || act == MOP_ACT_RELU || act == MOP_ACT_RELU6;
}

static float lowest(mop_act act)
{
    return act == MOP_ACT_NONE ? -INFINITY : 0;
}

static float highest(mop_act act)
{
    return act == MOP_ACT_RELU6 ? 6 : INFINITY;
}

static mop_status unsupported(lowering *l, const char *what)
{
    return mop_fail(l->err, MOP_EUNSUPPORTED, "XNNPACK has no %s", what);
}

/* y = act(x) for one that is no clamp. */
static mop_status add_activation(lowering *l, mop_act act, mop_shape s, uint32_t x, uint32_t y)
{
    static const float three = 3, sixth = 1.0F / 6.0F;
    xnn_subgraph_t g = l->net->graph;
    uint32_t t, constant;
    if (act == MOP_ACT_HARDSWISH) {
        l->status = xnn_define_hardswish(g, x, y, 0);
    } else if (act == MOP_ACT_SIGMOID) {
        l->status = xnn_define_sigmoid(g, x, y, 0);
    } else if (act == MOP_ACT_SILU) {
        t = temporary(l, s);
        l->status = xnn_define_sigmoid(g, x, t, 0);
        if (l->status == xnn_status_success)
            l->status = xnn_define_multiply2(g, -INFINITY, INFINITY, x, t, y, 0);
    } else if (act == MOP_ACT_HARDSIGMOID) {
        t = temporary(l, s);
        constant = vector(l, 1, &three);
        if (l->status == xnn_status_success)
            l->status = xnn_define_add2(g, 0, 6, x, constant, t, 0);
        constant = vector(l, 1, &sixth);
        if (l->status == xnn_status_success)
            l->status = xnn_define_multiply2(g, -INFINITY, INFINITY, t, constant, y, 0);
    } else {
        return unsupported(l, mop_act_name(act));
    }
    return MOP_OK;
}

/* w[cout][kh][kw][1] as [1][kh][kw][cout] */
static const float *depthwise_filter(lowering *l, const mop_conv_params *p, const float *w)
{
    const size_t taps = (size_t)(p->kh * p->kw), c = (size_t)p->cout;
    float *v = keep(l, taps * c);
    for (size_t i = 0; v != NULL && i < taps * c; i++)
        v[i] = w[i % c * taps + i / c];
    return v;
}

static void add_conv(lowering *l, const mop_op_inst *inst, const float *const *w, mop_act act,
                     uint32_t x, uint32_t y)
{
    const mop_conv_params *p = &inst->params.u.conv;
    const uint32_t pad[] = {(uint32_t)p->pad_top, (uint32_t)p->pad_right, (uint32_t)p->pad_bottom,
                            (uint32_t)p->pad_left};
    const uint32_t stride = (uint32_t)p->stride, dilation = (uint32_t)p->dilation;
    const uint32_t kh = (uint32_t)p->kh, kw = (uint32_t)p->kw, groups = (uint32_t)p->groups;
    const size_t cin = (size_t)inst->in[0].c, cout = (size_t)p->cout;
    const bool is_depthwise = groups == cin && groups == cout && groups > 1;
    const size_t dims[] = {is_depthwise ? 1 : cout, kh, kw, is_depthwise ? cout : cin / groups};
    const float *data = is_depthwise ? depthwise_filter(l, p, w[0]) : w[0];
    const uint32_t filter = define(l, 4, dims, data, XNN_INVALID_VALUE_ID, 0);
    const uint32_t bias = p->has_bias ? vector(l, cout, w[1]) : XNN_INVALID_VALUE_ID;
    if (l->status != xnn_status_success)
        return;
    if (is_depthwise)
        l->status = xnn_define_depthwise_convolution_2d(
            l->net->graph, pad[0], pad[1], pad[2], pad[3], kh, kw, stride, stride, dilation,
            dilation, 1, cin, lowest(act), highest(act), x, filter, bias, y, 0);
    else
        l->status = xnn_define_convolution_2d(l->net->graph, pad[0], pad[1], pad[2], pad[3], kh, kw,
                                              stride, stride, dilation, dilation, groups,
                                              cin / groups, cout / groups, lowest(act),
                                              highest(act), x, filter, bias, y, 0);
}

static void add_fc(lowering *l, const mop_op_inst *inst, const float *const *w, mop_act act,
                   uint32_t x, uint32_t y)
{
    const mop_fc_params *p = &inst->params.u.fc;
    const size_t dims[] = {(size_t)p->cout, (size_t)inst->in[0].c};
    const uint32_t filter = define(l, 2, dims, w[0], XNN_INVALID_VALUE_ID, 0);
    const uint32_t bias = p->has_bias ? vector(l, dims[0], w[1]) : XNN_INVALID_VALUE_ID;
    if (l->status == xnn_status_success)
        l->status = xnn_define_fully_connected(l->net->graph, lowest(act), highest(act), x, filter,
                                               bias, y, 0);
}

static void add_batchnorm(lowering *l, const mop_op_inst *inst, const float *const *w, mop_act act,
                          uint32_t x, uint32_t y)
{
    const size_t c = (size_t)inst->out.c;
    const uint32_t t = temporary(l, inst->out);
    float *scale = keep(l, c), *shift = keep(l, c);
    uint32_t scale_id, shift_id;
    if (scale == NULL || shift == NULL)
        return;
    for (size_t i = 0; i < c; i++) {
        const double s = (double)w[0][i] / sqrt((double)w[3][i] + (double)inst->params.u.bn.eps);
        scale[i] = (float)s;
        shift[i] = (float)((double)w[1][i] - (double)w[2][i] * s);
    }
    scale_id = define(l, 1, &c, scale, XNN_INVALID_VALUE_ID, 0);
    shift_id = define(l, 1, &c, shift, XNN_INVALID_VALUE_ID, 0);
    if (l->status == xnn_status_success)
        l->status = xnn_define_multiply2(l->net->graph, -INFINITY, INFINITY, x, scale_id, t, 0);
    if (l->status == xnn_status_success)
        l->status = xnn_define_add2(l->net->graph, lowest(act), highest(act), t, shift_id, y, 0);
}

static mop_status add_pool(lowering *l, const mop_op_inst *inst, uint32_t x, uint32_t y)
{
    const mop_pool_params *p = &inst->params.u.pool;
    const uint32_t pad = (uint32_t)p->pad, k = (uint32_t)p->k, stride = (uint32_t)p->stride;
    if (p->kind != MOP_POOL_MAX)
        return unsupported(l, "average that leaves the padding out");
    l->status = xnn_define_max_pooling_2d(l->net->graph, pad, pad, pad, pad, k, k, stride, stride,
                                          1, 1, -INFINITY, INFINITY, x, y, 0);
    return MOP_OK;
}

/* Node i up to its residual and activation, or with the latter where it is a clamp. */
static mop_status add_operator(lowering *l, uint32_t i, mop_act act, uint32_t y)
{
    const mop_node *node = &l->model->graph->nodes[i];
    const mop_op_inst *inst = &node->inst;
    const uint32_t x = l->ids[node->in[0]];
    const uint32_t x2 = inst->n_in > 1 ? l->ids[node->in[1]] : XNN_INVALID_VALUE_ID;
    const float *const w[MOP_MAX_WEIGHTS] = {
        mop_model_w(l->model, i, 0), mop_model_w(l->model, i, 1), mop_model_w(l->model, i, 2),
        mop_model_w(l->model, i, 3)};
    xnn_subgraph_t g = l->net->graph;
    switch (inst->op) {
    case MOP_OP_CONV2D:
        add_conv(l, inst, w, act, x, y);
        return MOP_OK;
    case MOP_OP_FC:
        add_fc(l, inst, w, act, x, y);
        return MOP_OK;
    case MOP_OP_BATCHNORM:
        add_batchnorm(l, inst, w, act, x, y);
        return MOP_OK;
    case MOP_OP_GAP:
        l->status = xnn_define_global_average_pooling_2d(g, -INFINITY, INFINITY, x, y, 0);
        return MOP_OK;
    case MOP_OP_POOL:
        return add_pool(l, inst, x, y);
    case MOP_OP_ADD:
        l->status = xnn_define_add2(g, lowest(act), highest(act), x, x2, y, 0);
        return MOP_OK;
    case MOP_OP_MUL:
        l->status = xnn_define_multiply2(g, lowest(act), highest(act), x, x2, y, 0);
        return MOP_OK;
    case MOP_OP_ACT:
        if (!is_clamp(inst->params.act))
            return add_activation(l, inst->params.act, inst->out, x, y);
        l->status = xnn_define_clamp(g, lowest(act), highest(act), x, y, 0);
        return MOP_OK;
    default:
        return unsupported(l, mop_op_get(inst->op)->name);
    }
}

/* Operator, residual and activation write temporaries but for the last of them. */
static mop_status add_node(lowering *l, uint32_t i)
{
    const mop_graph *g = l->model->graph;
    const mop_node *node = &g->nodes[i];
    const mop_op_inst *inst = &node->inst;
    const mop_act act = inst->params.act;
    const bool is_act_apart = inst->op != MOP_OP_ACT && !is_clamp(act);
    const bool has_residual = inst->params.has_residual;
    const mop_act clamp = is_clamp(act) ? act : MOP_ACT_NONE;
    const bool is_output = i + 1 == g->n_nodes;
    uint32_t y = activation_value(l, inst->out, is_output ? OUTPUT_ID : XNN_INVALID_VALUE_ID,
                                  is_output ? XNN_VALUE_FLAG_EXTERNAL_OUTPUT : 0);
    uint32_t t = has_residual || is_act_apart ? temporary(l, inst->out) : y;
    mop_status status = add_operator(l, i, has_residual ? MOP_ACT_NONE : clamp, t);
    if (status == MOP_OK && has_residual && l->status == xnn_status_success) {
        const uint32_t sum = is_act_apart ? temporary(l, inst->out) : y;
        l->status = xnn_define_add2(l->net->graph, lowest(clamp), highest(clamp), t,
                                    l->ids[node->in[inst->n_in - 1]], sum, 0);
        t = sum;
    }
    if (status == MOP_OK && is_act_apart && l->status == xnn_status_success)
        status = add_activation(l, act, inst->out, t, y);
    l->ids[i] = y;
    if (status == MOP_OK && l->status != xnn_status_success)
        status = mop_fail(l->err, MOP_EUNSUPPORTED, "XNNPACK refuses %s '%s' (status %d)",
                          mop_op_get(inst->op)->name, node->name, (int)l->status);
    return status;
}

static mop_status lower(mop_peer_net *net, const mop_model *model, mop_err *err)
{
    lowering l = {.net = net, .model = model, .err = err};
    mop_status status = MOP_OK;
    l.ids = mop_calloc(model->graph->n_nodes, sizeof *l.ids, err);
    if (l.ids == NULL)
        return MOP_ENOMEM;
    l.status = xnn_create_subgraph(EXTERNAL_IDS, 0, &net->graph);
    l.ids[0] = activation_value(&l, model->graph->nodes[0].inst.out, INPUT_ID,
                                XNN_VALUE_FLAG_EXTERNAL_INPUT);
    for (uint32_t i = 1; i < model->graph->n_nodes && status == MOP_OK; i++)
        status = add_node(&l, i);
    free(l.ids);
    return status;
}

static void xnnpack_close(mop_peer_net *net)
{
    if (net == NULL)
        return;
    (void)xnn_delete_runtime(net->runtime); /* NULL is fine for both */
    (void)xnn_delete_subgraph(net->graph);
    mop_cpu_pool_close(&net->pool);
    for (size_t i = 0; i < net->n_constants; i++)
        free(net->constants[i]);
    free(net->constants);
    free(net->in);
    free(net->out);
    free(net);
}

static mop_status start(mop_peer_net *net, const mop_peer_task *task, mop_err *err)
{
    const mop_subject_model *subject = task->subject;
    const size_t n_in = (size_t)mop_shape_elems(subject->model->graph->nodes[0].inst.out);
    enum xnn_status xnn;
    net->in = padded(n_in, err);
    net->out = padded(subject->n_out, err);
    if (net->in == NULL || net->out == NULL)
        return MOP_ENOMEM;
    memcpy(net->in, subject->input, n_in * sizeof *net->in);
    if (task->threads > 1 && mop_cpu_pool_open(&net->pool, task->threads, err) != MOP_OK)
        return err->code;
    const struct xnn_external_value values[] = {{INPUT_ID, net->in}, {OUTPUT_ID, net->out}};
    xnn = xnn_create_runtime_v2(net->graph, net->pool.pool, 0, &net->runtime);
    if (xnn == xnn_status_success)
        xnn = xnn_setup_runtime(net->runtime, EXTERNAL_IDS, values);
    return xnn == xnn_status_success
               ? MOP_OK
               : mop_fail(err, MOP_EUNSUPPORTED, "XNNPACK makes no runtime (status %d)", (int)xnn);
}

static mop_status xnnpack_open(const mop_peer_task *task, mop_peer_net **out, mop_err *err)
{
    mop_peer_net *net;
    mop_status status;
    if (xnn_initialize(NULL) != xnn_status_success)
        return mop_fail(err, MOP_EUNSUPPORTED, "XNNPACK does not run on this processor");
    net = mop_calloc(1, sizeof *net, err);
    if (net == NULL)
        return MOP_ENOMEM;
    net->clock = mop_clock_real();
    status = lower(net, task->subject->fused, err);
    if (status == MOP_OK)
        status = start(net, task, err);
    if (status != MOP_OK) {
        xnnpack_close(net);
        return status;
    }
    *out = net;
    return MOP_OK;
}

static mop_status xnnpack_run(mop_peer_net *net, int times, uint64_t *ns, mop_err *err)
{
    cpu_set_t before;
    const bool is_tied = net->pool.pool != NULL && mop_cpu_pool_enter(&net->pool, &before);
    enum xnn_status xnn = xnn_status_success;
    for (int i = 0; i < times && xnn == xnn_status_success; i++) {
        const uint64_t began = mop_now_ns(&net->clock);
        xnn = xnn_invoke_runtime(net->runtime);
        ns[i] = mop_now_ns(&net->clock) - began;
    }
    if (is_tied)
        mop_cpu_pool_leave(&before);
    return xnn == xnn_status_success
               ? MOP_OK
               : mop_fail(err, MOP_EFAIL, "XNNPACK failed with status %d", (int)xnn);
}

static mop_status xnnpack_output(mop_peer_net *net, float *out, size_t n, mop_err *err)
{
    (void)err;
    memcpy(out, net->out, n * sizeof *out);
    return MOP_OK;
}

/* The library does not tell its version, the package does. */
static mop_status xnnpack_version(char *text, size_t size, mop_err *err)
{
    (void)err;
    int n = snprintf(text, size, "XNNPACK ");
    mop_peer_package_version("libxnnpack0", text + n, size - (size_t)n);
    return MOP_OK;
}
#else
static mop_status xnnpack_version(char *text, size_t size, mop_err *err)
{
    (void)text;
    (void)size;
    return mop_fail(err, MOP_ENODEV, "there is no xnnpack.h");
}
#endif

const mop_peer mop_peer_xnnpack = {
    .name = "xnnpack",
    .install = "Debian package libxnnpack-dev",
    .version = xnnpack_version,
#ifdef MOP_PEER_XNNPACK
    .open = xnnpack_open,
    .close = xnnpack_close,
    .run = xnnpack_run,
    .output = xnnpack_output,
#endif
};
