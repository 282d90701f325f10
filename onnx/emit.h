/* An ONNX graph under construction: nodes and constants appended one after another, the first
 * failure sticks, so that operators read as straight lines. Text and tensors are the graph's. */
#ifndef ONNX_EMIT_H
#define ONNX_EMIT_H

#include <stddef.h>

#include <onnx/onnx.pb-c.h>

#include "variants/model.h"

enum { MOP_ONNX_MAX_RANK = 4 };

/* A tensor of the ONNX graph by name; NULL after a failure. Vectors are [n, c] between fully
 * connected layers and [n, c, 1, 1] elsewhere. */
typedef struct mop_onnx_value {
    const char *name;
    bool is_vector;
} mop_onnx_value;

typedef struct mop_onnx_emit {
    Onnx__GraphProto *graph;
    const mop_model *model;
    uint32_t node;         /* the operator being written */
    uint32_t parts;        /* ONNX nodes of it so far */
    mop_onnx_value *value; /* [n_nodes] outputs of the operators before it */
    size_t node_cap, constant_cap;
    mop_err err; /* the first failure */
} mop_onnx_emit;

/* Starts graph, which stays the caller's to free. */
mop_status mop_onnx_emit_init(mop_onnx_emit *e, Onnx__GraphProto *graph, const mop_model *model,
                              mop_err *err);
void mop_onnx_emit_release(mop_onnx_emit *e);

/* --- inputs and constants ----------------------------------------------------------------------*/

/* Input k of the operator as [n, c, h, w], or a vector as [n, c]; reshaped if it is not. */
const char *mop_onnx_image(mop_onnx_emit *e, uint32_t k);
const char *mop_onnx_vector(mop_onnx_emit *e, uint32_t k);

/* A float32 constant named NODE/part, shape dims[rank]; returns room to write its values to, NULL
 * after a failure. */
float *mop_onnx_room(mop_onnx_emit *e, const char *part, const int64_t *dims, size_t rank,
                     const char **name);
/* The operator's own constant `slot` of one axis or two, as it lies in memory. */
const char *mop_onnx_weight(mop_onnx_emit *e, uint32_t slot, const int64_t *dims, size_t rank);
const char *mop_onnx_scalar(mop_onnx_emit *e, const char *part, double value);
/* int64 of one axis */
const char *mop_onnx_indices(mop_onnx_emit *e, const char *part, const int64_t *v, size_t n);

/* --- nodes ------------------------------------------------------------------------------------ */

/* Appends `op` over in[0..n) with one output. */
const char *mop_onnx_node(mop_onnx_emit *e, const char *op, const char *const *in, size_t n);
const char *mop_onnx_unary(mop_onnx_emit *e, const char *op, const char *x);
const char *mop_onnx_binary(mop_onnx_emit *e, const char *op, const char *a, const char *b);
/* Cuts x along its channels into n parts of one size. */
void mop_onnx_split(mop_onnx_emit *e, const char *x, const char **out, size_t n);

/* Attributes of the node appended last. */
void mop_onnx_int(mop_onnx_emit *e, const char *name, int64_t v);
void mop_onnx_float(mop_onnx_emit *e, const char *name, float v);
void mop_onnx_ints(mop_onnx_emit *e, const char *name, const int64_t *v, size_t n);

/* The operator is complete with `value`: the node appended last and its output get the operator's
 * own name. An operator without nodes, the input, names nothing. */
void mop_onnx_done(mop_onnx_emit *e, mop_onnx_value value);

/* --- pieces ----------------------------------------------------------------------------------- */

/* dims of a value of shape s; returns its rank. */
size_t mop_onnx_dims(mop_shape s, bool is_vector, int64_t dims[MOP_ONNX_MAX_RANK]);

/* A float32 tensor; its raw_data are there to be written, dims[rank] elements. NULL if out of
 * memory. */
Onnx__TensorProto *mop_onnx_tensor(const char *name, int32_t type, const int64_t *dims, size_t rank,
                                   mop_err *err);

/* Name, shape and type of a tensor. NULL if out of memory. */
Onnx__ValueInfoProto *mop_onnx_info(const char *name, const int64_t *dims, size_t rank,
                                    mop_err *err);

/* dst[n][c][h][w] = src[n][h][w][c] */
void mop_onnx_transpose(mop_shape s, const float *src, float *dst);

#endif
