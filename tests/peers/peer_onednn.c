/* oneDNN (Debian libdnnl-dev, OpenMP) through its C interface. Each operator of the fused network
 * is a primitive that picks its own layouts; a value is reordered only where the next primitive
 * wants another one. Activations are post-operations of convolutions and fully connected layers, a
 * residual is the "sum" post-operation, in place in the buffer of the residual where nobody else
 * reads that. */
#include "tests/peers/peer.h"

#ifdef MOP_PEER_ONEDNN
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "tests/peers/onednn_net.h"

/* A network on its way into primitives. */
typedef struct lowering {
    mop_peer_net *net;
    const mop_model *model;
    mop_dnn_value *values; /* [n_nodes] */
    uint32_t *readers;     /* [n_nodes] that are still to come */
    mop_err *err;
} lowering;

static const dnnl_memory_desc_t *layout(const_dnnl_primitive_desc_t pd, dnnl_query_t what,
                                        int index)
{
    return dnnl_primitive_desc_query_md(pd, what, index);
}

/* Where the output goes: the residual's own buffer where this is its last reader, else a copy of
 * it. */
static mop_dnn_value output_over(lowering *l, uint32_t residual, const dnnl_memory_desc_t *md)
{
    mop_dnn_value *r = &l->values[residual];
    mop_dnn_value v;
    if (l->readers[residual] == 1 && dnnl_memory_desc_equal(&r->md, md) != 0) {
        v = *r;
        r->buffer = MOP_DNN_NO_BUFFER; /* taken over */
        return v;
    }
    v = mop_dnn_value_new(l->net, md);
    mop_dnn_copy(l->net, *r, v);
    return v;
}

/* Convolution or fully connected layer: the same steps once the primitive is described. */
static mop_dnn_value add_weighted(lowering *l, uint32_t i, const void *desc,
                                  const dnnl_memory_desc_t *weights_md, bool has_bias)
{
    const mop_node *node = &l->model->graph->nodes[i];
    const mop_op_inst *inst = &node->inst;
    const bool has_residual = inst->params.has_residual;
    const dnnl_memory_desc_t bias_md = mop_dnn_vector(inst->out.c);
    dnnl_primitive_attr_t attr = mop_dnn_epilogue(has_residual, inst->params.act);
    dnnl_primitive_desc_t pd = mop_dnn_describe(l->net, desc, attr);
    mop_dnn_value x, y = {.buffer = MOP_DNN_NO_BUFFER};
    bool is_copy;
    (void)dnnl_primitive_attr_destroy(attr);
    if (pd == NULL)
        return y;
    x = mop_dnn_as(l->net, l->values[node->in[0]], layout(pd, dnnl_query_src_md, 0), &is_copy);
    if (has_residual)
        y = output_over(l, node->in[inst->n_in - 1], layout(pd, dnnl_query_dst_md, 0));
    else
        y = mop_dnn_value_new(l->net, layout(pd, dnnl_query_dst_md, 0));
    const dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC, mop_dnn_memory(l->net, x)},
        {DNNL_ARG_WEIGHTS, mop_dnn_constant(l->net, weights_md, mop_model_w(l->model, i, 0),
                                            layout(pd, dnnl_query_weights_md, 0))},
        {DNNL_ARG_DST, mop_dnn_memory(l->net, y)},
        {DNNL_ARG_BIAS,
         has_bias ? mop_dnn_constant(l->net, &bias_md, mop_model_w(l->model, i, 1), &bias_md)
                  : NULL}};
    mop_dnn_add(l->net, pd, args, has_bias ? 4 : 3);
    if (is_copy)
        mop_dnn_value_free(l->net, x);
    (void)dnnl_primitive_desc_destroy(pd);
    return y;
}

/* The filter as moprof stores it, [cout][kh][kw][cin / groups], and as the primitive likes it. */
static void filter_layouts(const mop_op_inst *inst, dnnl_memory_desc_t *stored,
                           dnnl_memory_desc_t *any)
{
    const mop_conv_params *p = &inst->params.u.conv;
    const int64_t ic = inst->in[0].c / p->groups, oc = p->cout / p->groups, area = p->kh * p->kw;
    const int n = p->groups > 1 ? 5 : 4;
    dnnl_dims_t dims = {p->groups, oc, ic, p->kh, p->kw};
    dnnl_dims_t strides = {oc * area * ic, area * ic, 1, p->kw * ic, ic};
    if (n == 4) {
        memmove(dims, dims + 1, 4 * sizeof dims[0]);
        memmove(strides, strides + 1, 4 * sizeof strides[0]);
    }
    (void)dnnl_memory_desc_init_by_strides(stored, n, dims, dnnl_f32, strides);
    (void)dnnl_memory_desc_init_by_tag(any, n, dims, dnnl_f32, dnnl_format_tag_any);
}

static mop_dnn_value add_conv(lowering *l, uint32_t i)
{
    const mop_op_inst *inst = &l->model->graph->nodes[i].inst;
    const mop_conv_params *p = &inst->params.u.conv;
    const dnnl_memory_desc_t src = mop_dnn_any(inst->in[0]), dst = mop_dnn_any(inst->out);
    const dnnl_memory_desc_t bias = mop_dnn_vector(inst->out.c);
    const dnnl_dims_t stride = {p->stride, p->stride}, left = {p->pad_top, p->pad_left};
    const dnnl_dims_t dilation = {p->dilation - 1, p->dilation - 1};
    const dnnl_dims_t right = {p->pad_bottom, p->pad_right};
    dnnl_memory_desc_t stored, any;
    dnnl_convolution_desc_t desc;
    filter_layouts(inst, &stored, &any);
    dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
        &desc, dnnl_forward_inference, dnnl_convolution_direct, &src, &any,
        p->has_bias ? &bias : NULL, &dst, stride, dilation, left, right);
    if (l->net->status == dnnl_success)
        l->net->status = status;
    return add_weighted(l, i, &desc, &stored, p->has_bias);
}

static mop_dnn_value add_fc(lowering *l, uint32_t i)
{
    const mop_op_inst *inst = &l->model->graph->nodes[i].inst;
    const mop_fc_params *p = &inst->params.u.fc;
    const dnnl_memory_desc_t src = mop_dnn_any(inst->in[0]), bias = mop_dnn_vector(p->cout);
    const dnnl_dims_t out = {inst->out.n, p->cout};
    const mop_shape filter = {p->cout, 1, 1, inst->in[0].c};
    const dnnl_memory_desc_t stored = mop_dnn_plain(filter), any = mop_dnn_any(filter);
    const mop_dnn_value none = {.buffer = MOP_DNN_NO_BUFFER};
    dnnl_memory_desc_t dst, shaped;
    dnnl_inner_product_desc_t desc;
    dnnl_status_t status = dnnl_memory_desc_init_by_tag(&dst, 2, out, dnnl_f32, dnnl_ab);
    if (status == dnnl_success)
        status = dnnl_inner_product_forward_desc_init(&desc, dnnl_forward_inference, &src, &any,
                                                      p->has_bias ? &bias : NULL, &dst);
    if (l->net->status == dnnl_success)
        l->net->status = status;
    mop_dnn_value y =
        l->net->status == dnnl_success ? add_weighted(l, i, &desc, &stored, p->has_bias) : none;
    shaped = mop_dnn_plain(inst->out);
    y.md = shaped; /* [n][c] is the same memory as [n][c][1][1] */
    return y;
}

/* y = act(a op b), b of a's shape or one value for each channel. */
static mop_dnn_value add_binary(lowering *l, dnnl_alg_kind_t alg, mop_dnn_value a, mop_dnn_value b,
                                mop_act act)
{
    const bool is_full = memcmp(a.md.dims, b.md.dims, 4 * sizeof a.md.dims[0]) == 0;
    dnnl_primitive_attr_t attr = mop_dnn_epilogue(false, act);
    dnnl_binary_desc_t desc;
    bool is_copy = false;
    if (is_full)
        b = mop_dnn_as(l->net, b, &a.md, &is_copy);
    const mop_dnn_value y = mop_dnn_value_new(l->net, &a.md);
    dnnl_status_t status = dnnl_binary_desc_init(&desc, alg, &a.md, &b.md, &y.md);
    if (l->net->status == dnnl_success)
        l->net->status = status;
    dnnl_primitive_desc_t pd = mop_dnn_describe(l->net, &desc, attr);
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC_0, mop_dnn_memory(l->net, a)},
                                    {DNNL_ARG_SRC_1, mop_dnn_memory(l->net, b)},
                                    {DNNL_ARG_DST, mop_dnn_memory(l->net, y)}};
    mop_dnn_add(l->net, pd, args, 3);
    if (is_copy)
        mop_dnn_value_free(l->net, b);
    (void)dnnl_primitive_attr_destroy(attr);
    (void)dnnl_primitive_desc_destroy(pd);
    return y;
}

static mop_dnn_value add_batchnorm(lowering *l, uint32_t i)
{
    const mop_node *node = &l->model->graph->nodes[i];
    const mop_op_inst *inst = &node->inst;
    const mop_dnn_value x = l->values[node->in[0]];
    const int64_t c = inst->out.c;
    const dnnl_dims_t dims = {2, c};
    const dnnl_memory_desc_t one = mop_dnn_vector(c);
    dnnl_memory_desc_t two;
    dnnl_batch_normalization_desc_t desc;
    float *scale_shift = mop_calloc(2 * (size_t)c, sizeof *scale_shift, l->err);
    if (scale_shift == NULL) {
        l->net->status = dnnl_out_of_memory;
        return x;
    }
    memcpy(scale_shift, mop_model_w(l->model, i, 0), (size_t)c * sizeof *scale_shift);
    memcpy(scale_shift + c, mop_model_w(l->model, i, 1), (size_t)c * sizeof *scale_shift);
    (void)dnnl_memory_desc_init_by_tag(&two, 2, dims, dnnl_f32, dnnl_nc);
    dnnl_status_t status = dnnl_batch_normalization_forward_desc_init(
        &desc, dnnl_forward_inference, &x.md, inst->params.u.bn.eps,
        dnnl_use_global_stats | dnnl_use_scaleshift);
    if (l->net->status == dnnl_success)
        l->net->status = status;
    mop_dnn_value y = mop_dnn_value_new(l->net, &x.md);
    dnnl_primitive_desc_t pd = mop_dnn_describe(l->net, &desc, NULL);
    const dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC, mop_dnn_memory(l->net, x)},
        {DNNL_ARG_DST, mop_dnn_memory(l->net, y)},
        {DNNL_ARG_MEAN, mop_dnn_constant(l->net, &one, mop_model_w(l->model, i, 2), &one)},
        {DNNL_ARG_VARIANCE, mop_dnn_constant(l->net, &one, mop_model_w(l->model, i, 3), &one)},
        {DNNL_ARG_SCALE_SHIFT, mop_dnn_constant(l->net, &two, scale_shift, &two)}};
    mop_dnn_add(l->net, pd, args, 5);
    (void)dnnl_primitive_desc_destroy(pd);
    free(scale_shift);
    if (inst->params.has_residual) {
        const mop_dnn_value sum = add_binary(l, dnnl_binary_add, y,
                                             l->values[node->in[inst->n_in - 1]], inst->params.act);
        mop_dnn_value_free(l->net, y);
        return sum;
    }
    mop_dnn_activate(l->net, inst->params.act, y);
    return y;
}

static mop_dnn_value add_pool(lowering *l, uint32_t i)
{
    const mop_node *node = &l->model->graph->nodes[i];
    const mop_op_inst *inst = &node->inst;
    const mop_dnn_value x = l->values[node->in[0]];
    const mop_pool_params *p = &inst->params.u.pool;
    const bool is_global = inst->op == MOP_OP_GAP;
    const dnnl_alg_kind_t alg =
        is_global || p->kind == MOP_POOL_AVG ? dnnl_pooling_avg_exclude_padding : dnnl_pooling_max;
    const dnnl_dims_t window = {is_global ? inst->in[0].h : p->k, is_global ? inst->in[0].w : p->k};
    const dnnl_dims_t stride = {is_global ? 1 : p->stride, is_global ? 1 : p->stride};
    const dnnl_dims_t pad = {is_global ? 0 : p->pad, is_global ? 0 : p->pad};
    const dnnl_memory_desc_t any = mop_dnn_any(inst->out);
    dnnl_pooling_desc_t desc;
    dnnl_status_t status = dnnl_pooling_forward_desc_init(&desc, dnnl_forward_inference, alg, &x.md,
                                                          &any, stride, window, pad, pad);
    if (l->net->status == dnnl_success)
        l->net->status = status;
    dnnl_primitive_desc_t pd = mop_dnn_describe(l->net, &desc, NULL);
    if (pd == NULL)
        return x;
    const mop_dnn_value y = mop_dnn_value_new(l->net, layout(pd, dnnl_query_dst_md, 0));
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, mop_dnn_memory(l->net, x)},
                                    {DNNL_ARG_DST, mop_dnn_memory(l->net, y)}};
    mop_dnn_add(l->net, pd, args, 2);
    (void)dnnl_primitive_desc_destroy(pd);
    return y;
}

static mop_dnn_value add_act(lowering *l, uint32_t i)
{
    const mop_node *node = &l->model->graph->nodes[i];
    const mop_dnn_value x = l->values[node->in[0]], y = mop_dnn_value_new(l->net, &x.md);
    mop_dnn_copy(l->net, x, y);
    mop_dnn_activate(l->net, node->inst.params.act, y);
    return y;
}

static mop_status add_node(lowering *l, uint32_t i)
{
    const mop_node *node = &l->model->graph->nodes[i];
    const mop_op_inst *inst = &node->inst;
    const mop_dnn_value a = l->values[node->in[0]];
    const mop_dnn_value b = l->values[node->in[inst->n_in > 1 ? 1 : 0]];
    mop_dnn_value *y = &l->values[i];
    switch (inst->op) {
    case MOP_OP_CONV2D:
        *y = add_conv(l, i);
        break;
    case MOP_OP_FC:
        *y = add_fc(l, i);
        break;
    case MOP_OP_BATCHNORM:
        *y = add_batchnorm(l, i);
        break;
    case MOP_OP_GAP:
    case MOP_OP_POOL:
        *y = add_pool(l, i);
        break;
    case MOP_OP_ADD:
        *y = add_binary(l, dnnl_binary_add, a, b, inst->params.act);
        break;
    case MOP_OP_MUL:
        *y = add_binary(l, dnnl_binary_mul, a, b, inst->params.act);
        break;
    case MOP_OP_ACT:
        *y = add_act(l, i);
        break;
    default:
        return mop_fail(l->err, MOP_EUNSUPPORTED, "oneDNN has no %s", mop_op_get(inst->op)->name);
    }
    for (uint32_t k = 0; k < inst->n_in; k++)
        if (--l->readers[node->in[k]] == 0)
            mop_dnn_value_free(l->net, l->values[node->in[k]]);
    return l->net->status == dnnl_success
               ? MOP_OK
               : mop_fail(l->err, MOP_EUNSUPPORTED, "oneDNN refuses %s '%s' (status %d)",
                          mop_op_get(inst->op)->name, node->name, (int)l->net->status);
}

/* The input in the layout of the interface that oneDNN's users feed, nchw. */
static void put_input(lowering *l, const float *input)
{
    const mop_shape s = l->model->graph->nodes[0].inst.out;
    const dnnl_memory_desc_t md = mop_dnn_plain(s);
    float *to;
    l->values[0] = mop_dnn_value_new(l->net, &md);
    l->readers[0]++; /* its buffer is never used again: the next run starts from it */
    if (l->values[0].buffer == MOP_DNN_NO_BUFFER)
        return;
    to = l->net->buffers[l->values[0].buffer].at;
    const int64_t pixels = (int64_t)s.h * s.w, image = pixels * s.c;
    for (int64_t i = 0; i < mop_shape_elems(s); i++)
        to[i / image * image + i % s.c * pixels + i % image / s.c] = input[i];
}

/* The last value in nhwc. */
static void take_output(lowering *l, mop_dnn_value v)
{
    const mop_graph *g = l->model->graph;
    const mop_shape s = g->nodes[g->n_nodes - 1].inst.out;
    const dnnl_dims_t dims = {s.n, s.c, s.h, s.w};
    dnnl_memory_desc_t md;
    bool is_copy;
    (void)dnnl_memory_desc_init_by_tag(&md, 4, dims, dnnl_f32, dnnl_nhwc);
    if (s.h == 1 && s.w == 1) /* the same memory as nchw, which a fully connected layer writes */
        md = mop_dnn_plain(s);
    v = mop_dnn_as(l->net, v, &md, &is_copy);
    if (l->net->status == dnnl_success)
        l->net->output = l->net->buffers[v.buffer].at;
}

static mop_status lower(mop_peer_net *net, const mop_subject_model *m, mop_err *err)
{
    const mop_graph *g = m->fused->graph;
    lowering l = {.net = net, .model = m->fused, .err = err};
    mop_status status = MOP_ENOMEM;
    l.values = mop_calloc(g->n_nodes, sizeof *l.values, err);
    l.readers = mop_calloc(g->n_nodes, sizeof *l.readers, err);
    if (l.values != NULL && l.readers != NULL) {
        status = MOP_OK;
        for (uint32_t i = 1; i < g->n_nodes; i++)
            for (uint32_t k = 0; k < g->nodes[i].inst.n_in; k++)
                l.readers[g->nodes[i].in[k]]++;
        put_input(&l, m->input);
    }
    for (uint32_t i = 1; i < g->n_nodes && status == MOP_OK; i++)
        status = add_node(&l, i);
    if (status == MOP_OK)
        take_output(&l, l.values[g->n_nodes - 1]);
    free(l.values);
    free(l.readers);
    return status;
}

static void onednn_close(mop_peer_net *net)
{
    if (net == NULL)
        return;
    mop_dnn_release(net);
    free(net);
}

static mop_status onednn_open(const mop_peer_task *task, mop_peer_net **out, mop_err *err)
{
    mop_peer_net *net = mop_calloc(1, sizeof *net, err);
    mop_status status;
    if (net == NULL)
        return MOP_ENOMEM;
    status = mop_dnn_start(net, task->threads, err);
    if (status == MOP_OK)
        status = lower(net, task->subject, err);
    if (status == MOP_OK && net->status != dnnl_success)
        status = mop_fail(err, MOP_EFAIL, "oneDNN failed with status %d", (int)net->status);
    if (status != MOP_OK) {
        onednn_close(net);
        return status;
    }
    *out = net;
    return MOP_OK;
}

static mop_status onednn_run(mop_peer_net *net, int times, uint64_t *ns, mop_err *err)
{
    dnnl_status_t status = dnnl_success;
    omp_set_num_threads(net->threads);
    for (int i = 0; i < times && status == dnnl_success; i++) {
        const uint64_t began = mop_now_ns(&net->clock);
        status = mop_dnn_run(net);
        ns[i] = mop_now_ns(&net->clock) - began;
    }
    return status == dnnl_success
               ? MOP_OK
               : mop_fail(err, MOP_EFAIL, "oneDNN failed with status %d", (int)status);
}

static mop_status onednn_output(mop_peer_net *net, float *out, size_t n, mop_err *err)
{
    (void)err;
    memcpy(out, net->output, n * sizeof *out);
    return MOP_OK;
}

static mop_status onednn_version(char *text, size_t size, mop_err *err)
{
    const dnnl_version_t *v = dnnl_version();
    (void)err;
    (void)snprintf(text, size, "oneDNN %d.%d.%d, CPU runtime %s", v->major, v->minor, v->patch,
                   v->cpu_runtime == DNNL_RUNTIME_OMP ? "OpenMP" : "other than OpenMP");
    return MOP_OK;
}
#else
static mop_status onednn_version(char *text, size_t size, mop_err *err)
{
    (void)text;
    (void)size;
    return mop_fail(err, MOP_ENODEV, "there is no dnnl.h");
}
#endif

const mop_peer mop_peer_onednn = {
    .name = "onednn",
    .install = "Debian package libdnnl-dev",
    .version = onednn_version,
#ifdef MOP_PEER_ONEDNN
    .open = onednn_open,
    .close = onednn_close,
    .run = onednn_run,
    .output = onednn_output,
#endif
};
