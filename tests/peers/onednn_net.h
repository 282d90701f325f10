/* A network as a list of oneDNN primitives over buffers that are used again: what peer_onednn.c
 * puts its operators into. Include it only where there is a dnnl.h (MOP_PEER_ONEDNN). */
#ifndef TESTS_PEERS_ONEDNN_NET_H
#define TESTS_PEERS_ONEDNN_NET_H

#include <dnnl.h>

#include "profiler/base/clock.h"
#include "tests/peers/peer.h"

/* OpenMP's own, whose header is the compiler's and not always there; oneDNN brings the library. */
void omp_set_num_threads(int n);

enum { MOP_DNN_ARGS = 8, MOP_DNN_NO_BUFFER = -1 };

typedef struct mop_dnn_step {
    dnnl_primitive_t primitive;
    int n;
    dnnl_exec_arg_t args[MOP_DNN_ARGS];
} mop_dnn_step;

typedef struct mop_dnn_buffer {
    void *at;
    size_t bytes;
    bool is_used;
} mop_dnn_buffer;

/* A tensor on its way through the network: logical axes n, c, h, w in any layout. */
typedef struct mop_dnn_value {
    dnnl_memory_desc_t md;
    int buffer;
} mop_dnn_value;

struct mop_peer_net {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_status_t status; /* the first failure; everything below does nothing after it */
    mop_dnn_step *steps;
    size_t n_steps;
    mop_dnn_buffer *buffers;
    size_t n_buffers;
    dnnl_memory_t *memories;
    size_t n_memories;
    const void *output; /* NHWC */
    int threads;
    mop_clock clock;
};

dnnl_memory_desc_t mop_dnn_plain(mop_shape s); /* nchw */
dnnl_memory_desc_t mop_dnn_any(mop_shape s);   /* as the primitive likes it */
dnnl_memory_desc_t mop_dnn_vector(int64_t n);  /* one axis */

/* A value of that layout in a free buffer. */
mop_dnn_value mop_dnn_value_new(mop_peer_net *net, const dnnl_memory_desc_t *md);
void mop_dnn_value_free(mop_peer_net *net, mop_dnn_value v); /* its buffer may be used again */

/* A memory object over v, owned by the net. */
dnnl_memory_t mop_dnn_memory(mop_peer_net *net, mop_dnn_value v);

/* Constants in the layout `to`, out of data in the layout `from`. */
dnnl_memory_t mop_dnn_constant(mop_peer_net *net, const dnnl_memory_desc_t *from, const float *data,
                               const dnnl_memory_desc_t *to);

/* Creates the primitive of an operation's description; pd is the caller's to destroy, NULL on
 * failure. */
dnnl_primitive_desc_t mop_dnn_describe(mop_peer_net *net, const void *op_desc,
                                       const_dnnl_primitive_attr_t attr);

/* Appends a primitive with n pairs of argument and memory. */
void mop_dnn_add(mop_peer_net *net, const_dnnl_primitive_desc_t pd, const dnnl_exec_arg_t *args,
                 int n);

/* v in the layout md: itself, or a copy that a step makes; is_copy tells. */
mop_dnn_value mop_dnn_as(mop_peer_net *net, mop_dnn_value v, const dnnl_memory_desc_t *md,
                         bool *is_copy);

/* Copies v into `to`, which has the same shape. */
void mop_dnn_copy(mop_peer_net *net, mop_dnn_value v, mop_dnn_value to);

/* Post-operations for the caller to destroy: the sum with what is in the output already, then act.
 */
dnnl_primitive_attr_t mop_dnn_epilogue(bool sum, mop_act act);

/* v = act(v) by steps of its own. */
void mop_dnn_activate(mop_peer_net *net, mop_act act, mop_dnn_value v);

mop_status mop_dnn_start(mop_peer_net *net, int threads, mop_err *err);
dnnl_status_t mop_dnn_run(mop_peer_net *net);
void mop_dnn_release(mop_peer_net *net);

#endif
