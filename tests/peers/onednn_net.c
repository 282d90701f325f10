#ifdef MOP_PEER_ONEDNN
#include "tests/peers/onednn_net.h"

#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"

dnnl_memory_desc_t mop_dnn_plain(mop_shape s)
{
    const dnnl_dims_t dims = {s.n, s.c, s.h, s.w};
    dnnl_memory_desc_t md;
    (void)dnnl_memory_desc_init_by_tag(&md, 4, dims, dnnl_f32, dnnl_nchw);
    return md;
}

dnnl_memory_desc_t mop_dnn_any(mop_shape s)
{
    const dnnl_dims_t dims = {s.n, s.c, s.h, s.w};
    dnnl_memory_desc_t md;
    (void)dnnl_memory_desc_init_by_tag(&md, 4, dims, dnnl_f32, dnnl_format_tag_any);
    return md;
}

dnnl_memory_desc_t mop_dnn_vector(int64_t n)
{
    const dnnl_dims_t dims = {n};
    dnnl_memory_desc_t md;
    (void)dnnl_memory_desc_init_by_tag(&md, 1, dims, dnnl_f32, dnnl_a);
    return md;
}

static void note(mop_peer_net *net, dnnl_status_t status)
{
    if (net->status == dnnl_success)
        net->status = status;
}

/* The smallest free buffer that is large enough, else a new one. */
static int find_buffer(mop_peer_net *net, size_t bytes)
{
    int best = MOP_DNN_NO_BUFFER;
    for (size_t i = 0; i < net->n_buffers; i++)
        if (!net->buffers[i].is_used && net->buffers[i].bytes >= bytes &&
            (best == MOP_DNN_NO_BUFFER || net->buffers[i].bytes < net->buffers[best].bytes))
            best = (int)i;
    if (best != MOP_DNN_NO_BUFFER)
        return best;
    mop_dnn_buffer *grown =
        mop_realloc(net->buffers, net->n_buffers + 1, sizeof *net->buffers, NULL);
    void *at = grown != NULL ? mop_alloc_aligned(bytes, NULL) : NULL;
    if (grown != NULL)
        net->buffers = grown;
    if (at == NULL) {
        note(net, dnnl_out_of_memory);
        return MOP_DNN_NO_BUFFER;
    }
    memset(at, 0, bytes); /* a blocked layout may have padding, which stays zero */
    net->buffers[net->n_buffers] = (mop_dnn_buffer){.at = at, .bytes = bytes};
    return (int)net->n_buffers++;
}

mop_dnn_value mop_dnn_value_new(mop_peer_net *net, const dnnl_memory_desc_t *md)
{
    mop_dnn_value v = {.md = *md, .buffer = MOP_DNN_NO_BUFFER};
    if (net->status == dnnl_success)
        v.buffer = find_buffer(net, dnnl_memory_desc_get_size(md));
    if (v.buffer != MOP_DNN_NO_BUFFER)
        net->buffers[v.buffer].is_used = true;
    return v;
}

void mop_dnn_value_free(mop_peer_net *net, mop_dnn_value v)
{
    if (v.buffer != MOP_DNN_NO_BUFFER)
        net->buffers[v.buffer].is_used = false;
}

static dnnl_memory_t remember(mop_peer_net *net, const dnnl_memory_desc_t *md, void *at)
{
    dnnl_memory_t m = NULL, *grown;
    if (net->status != dnnl_success)
        return NULL;
    grown = mop_realloc(net->memories, net->n_memories + 1, sizeof *grown, NULL);
    if (grown == NULL) {
        note(net, dnnl_out_of_memory);
        return NULL;
    }
    net->memories = grown;
    note(net, dnnl_memory_create(&m, md, net->engine, at));
    if (m != NULL)
        net->memories[net->n_memories++] = m;
    return m;
}

dnnl_memory_t mop_dnn_memory(mop_peer_net *net, mop_dnn_value v)
{
    return v.buffer != MOP_DNN_NO_BUFFER ? remember(net, &v.md, net->buffers[v.buffer].at) : NULL;
}

static dnnl_primitive_t reorder(mop_peer_net *net, const dnnl_memory_desc_t *from,
                                const dnnl_memory_desc_t *to)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t p = NULL;
    if (net->status == dnnl_success)
        note(net,
             dnnl_reorder_primitive_desc_create(&pd, from, net->engine, to, net->engine, NULL));
    if (net->status == dnnl_success)
        note(net, dnnl_primitive_create(&p, pd));
    (void)dnnl_primitive_desc_destroy(pd);
    return p;
}

dnnl_memory_t mop_dnn_constant(mop_peer_net *net, const dnnl_memory_desc_t *from, const float *data,
                               const dnnl_memory_desc_t *to)
{
    dnnl_memory_t kept = remember(net, to, DNNL_MEMORY_ALLOCATE), source = NULL;
    dnnl_primitive_t p = reorder(net, from, to);
    union {
        const float *read;
        void *handle;
    } at = {.read = data}; /* oneDNN takes no const; the reorder only reads it */
    if (net->status == dnnl_success)
        note(net, dnnl_memory_create(&source, from, net->engine, at.handle));
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, kept}};
    if (net->status == dnnl_success)
        note(net, dnnl_primitive_execute(p, net->stream, 2, args));
    if (net->status == dnnl_success)
        note(net, dnnl_stream_wait(net->stream));
    (void)dnnl_primitive_destroy(p);
    (void)dnnl_memory_destroy(source);
    return kept;
}

dnnl_primitive_desc_t mop_dnn_describe(mop_peer_net *net, const void *op_desc,
                                       const_dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t pd = NULL;
    if (net->status == dnnl_success)
        note(net, dnnl_primitive_desc_create(&pd, op_desc, attr, net->engine, NULL));
    return pd;
}

static void append(mop_peer_net *net, dnnl_primitive_t p, const dnnl_exec_arg_t *args, int n)
{
    mop_dnn_step *grown = mop_realloc(net->steps, net->n_steps + 1, sizeof *grown, NULL);
    if (grown == NULL) {
        (void)dnnl_primitive_destroy(p);
        note(net, dnnl_out_of_memory);
        return;
    }
    net->steps = grown;
    grown[net->n_steps] = (mop_dnn_step){.primitive = p, .n = n};
    memcpy(grown[net->n_steps++].args, args, (size_t)n * sizeof *args);
}

void mop_dnn_add(mop_peer_net *net, const_dnnl_primitive_desc_t pd, const dnnl_exec_arg_t *args,
                 int n)
{
    dnnl_primitive_t p = NULL;
    if (net->status == dnnl_success)
        note(net, dnnl_primitive_create(&p, pd));
    if (net->status == dnnl_success)
        append(net, p, args, n);
}

void mop_dnn_copy(mop_peer_net *net, mop_dnn_value v, mop_dnn_value to)
{
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, mop_dnn_memory(net, v)},
                                    {DNNL_ARG_TO, mop_dnn_memory(net, to)}};
    dnnl_primitive_t p = reorder(net, &v.md, &to.md);
    if (net->status == dnnl_success)
        append(net, p, args, 2);
}

mop_dnn_value mop_dnn_as(mop_peer_net *net, mop_dnn_value v, const dnnl_memory_desc_t *md,
                         bool *is_copy)
{
    *is_copy = net->status == dnnl_success && dnnl_memory_desc_equal(&v.md, md) == 0;
    if (!*is_copy)
        return v;
    mop_dnn_value copy = mop_dnn_value_new(net, md);
    mop_dnn_copy(net, v, copy);
    return copy;
}

typedef struct eltwise {
    dnnl_alg_kind_t alg;
    float alpha, beta;
} eltwise;

/* The elementwise operations that make up an activation; returns how many. */
static int activation(mop_act act, eltwise e[2])
{
    switch (act) {
    case MOP_ACT_RELU:
        e[0] = (eltwise){dnnl_eltwise_relu, 0, 0};
        return 1;
    case MOP_ACT_RELU6:
        e[0] = (eltwise){dnnl_eltwise_clip, 0, 6};
        return 1;
    case MOP_ACT_GELU:
        e[0] = (eltwise){dnnl_eltwise_gelu_erf, 0, 0};
        return 1;
    case MOP_ACT_GELU_TANH:
        e[0] = (eltwise){dnnl_eltwise_gelu_tanh, 0, 0};
        return 1;
    case MOP_ACT_SILU:
        e[0] = (eltwise){dnnl_eltwise_swish, 1, 0};
        return 1;
    case MOP_ACT_HARDSWISH:
        e[0] = (eltwise){dnnl_eltwise_hardswish, 0, 0};
        return 1;
    case MOP_ACT_SIGMOID:
        e[0] = (eltwise){dnnl_eltwise_logistic, 0, 0};
        return 1;
    case MOP_ACT_HARDSIGMOID:
        e[0] = (eltwise){dnnl_eltwise_linear, 1.0F / 6.0F, 0.5F};
        e[1] = (eltwise){dnnl_eltwise_clip, 0, 1};
        return 2;
    default:
        return 0;
    }
}

dnnl_primitive_attr_t mop_dnn_epilogue(bool sum, mop_act act)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t ops = NULL;
    eltwise e[2];
    const int n = activation(act, e);
    if (dnnl_primitive_attr_create(&attr) != dnnl_success ||
        dnnl_post_ops_create(&ops) != dnnl_success)
        return attr;
    if (sum)
        (void)dnnl_post_ops_append_sum(ops, 1);
    for (int i = 0; i < n; i++)
        (void)dnnl_post_ops_append_eltwise(ops, 1, e[i].alg, e[i].alpha, e[i].beta);
    (void)dnnl_primitive_attr_set_post_ops(attr, ops);
    (void)dnnl_post_ops_destroy(ops);
    return attr;
}

void mop_dnn_activate(mop_peer_net *net, mop_act act, mop_dnn_value v)
{
    eltwise e[2];
    const int n = activation(act, e);
    for (int k = 0; k < n && net->status == dnnl_success; k++) {
        dnnl_eltwise_desc_t desc;
        net->status = dnnl_eltwise_forward_desc_init(&desc, dnnl_forward_inference, e[k].alg, &v.md,
                                                     e[k].alpha, e[k].beta);
        dnnl_primitive_desc_t pd = mop_dnn_describe(net, &desc, NULL);
        const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, mop_dnn_memory(net, v)},
                                        {DNNL_ARG_DST, mop_dnn_memory(net, v)}};
        mop_dnn_add(net, pd, args, 2);
        (void)dnnl_primitive_desc_destroy(pd);
    }
}

mop_status mop_dnn_start(mop_peer_net *net, int threads, mop_err *err)
{
    net->clock = mop_clock_real();
    net->threads = threads;
    omp_set_num_threads(threads);
    note(net, dnnl_engine_create(&net->engine, dnnl_cpu, 0));
    if (net->status == dnnl_success)
        note(net, dnnl_stream_create(&net->stream, net->engine, dnnl_stream_default_flags));
    return net->status == dnnl_success
               ? MOP_OK
               : mop_fail(err, MOP_EUNSUPPORTED, "oneDNN does not start (status %d)",
                          (int)net->status);
}

dnnl_status_t mop_dnn_run(mop_peer_net *net)
{
    dnnl_status_t status = dnnl_success;
    for (size_t i = 0; i < net->n_steps && status == dnnl_success; i++)
        status = dnnl_primitive_execute(net->steps[i].primitive, net->stream, net->steps[i].n,
                                        net->steps[i].args);
    return status == dnnl_success ? dnnl_stream_wait(net->stream) : status;
}

void mop_dnn_release(mop_peer_net *net)
{
    for (size_t i = 0; i < net->n_steps; i++)
        (void)dnnl_primitive_destroy(net->steps[i].primitive);
    for (size_t i = 0; i < net->n_memories; i++)
        (void)dnnl_memory_destroy(net->memories[i]);
    for (size_t i = 0; i < net->n_buffers; i++)
        free(net->buffers[i].at);
    free(net->steps);
    free(net->memories);
    free(net->buffers);
    (void)dnnl_stream_destroy(net->stream);
    (void)dnnl_engine_destroy(net->engine);
}
#else
typedef int mop_no_onednn; /* a translation unit is not empty */
#endif
