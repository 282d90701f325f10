/* A network as an immutable list of operators in execution order. Built with a builder whose first
 * failure sticks, sealed once, then only read. */
#ifndef VARIANTS_GRAPH_H
#define VARIANTS_GRAPH_H

#include "kernels/op.h"

#define MOP_NODE_NONE UINT32_MAX

enum { MOP_NAME_MAX = 48 };

/* in[i] is smaller than the node's own index: a cycle cannot be written down. */
typedef struct mop_node {
    mop_op_inst inst;
    uint32_t in[MOP_MAX_IN]; /* node indices, inst.n_in of them */
    char name[MOP_NAME_MAX]; /* "stage3.1.dw", unique in its graph */
} mop_node;

typedef struct mop_graph {
    uint32_t n_nodes;
    const mop_node *nodes; /* node 0 is the input; the last node is the output */
    uint64_t hash;         /* of operators, parameters, shapes and edges; names do not count */
} mop_graph;

/* Whole-network counts: sums of mop_cost over the nodes. */
typedef struct mop_graph_counts {
    int64_t params, buffers, macs, elementwise;
    int64_t flops;       /* 2 macs + elementwise */
    int64_t activations; /* output elements of every operator, the input not counted */
    int64_t bytes;       /* read + written by every operator */
    int32_t ops;         /* operators, the input not counted */
    int32_t depth;       /* operators on the longest path */
} mop_graph_counts;

typedef struct mop_graph_builder mop_graph_builder;

/* Starts a graph whose node 0 is the input of the given shape. NULL only if out of memory. */
mop_graph_builder *mop_graph_builder_create(mop_shape input, mop_err *err);
void mop_graph_builder_free(mop_graph_builder *b); /* NULL is fine */

/* Appends op(params) over in[0..n_in) (the residual last when params->has_residual), named by the
 * format. Returns its index, or MOP_NODE_NONE once anything has failed (MOP_NODE_NONE as an input
 * is passed on silently, so families read as straight lines). */
uint32_t mop_graph_add(mop_graph_builder *b, mop_op op, const mop_params *params,
                       const uint32_t *in, uint32_t n_in, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/* Shape of a node of an unfinished graph; {0} for MOP_NODE_NONE. */
mop_shape mop_graph_shape(const mop_graph_builder *b, uint32_t node);

/* Ends the building: drops nodes that the output does not need, hashes, and hands the immutable
 * graph over in *out (free with mop_graph_free). `output` becomes the last node. Frees b in every
 * case. Reports the builder's first failure. */
mop_status mop_graph_seal(mop_graph_builder *b, uint32_t output, mop_graph **out, mop_err *err);
void mop_graph_free(mop_graph *g); /* NULL is fine */

void mop_graph_count(const mop_graph *g, mop_graph_counts *counts);

#endif
