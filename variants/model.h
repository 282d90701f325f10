/* A graph together with its constants: what a back end plans and what a pass turns into another. */
#ifndef VARIANTS_MODEL_H
#define VARIANTS_MODEL_H

#include "variants/graph.h"

typedef struct mop_model {
    mop_graph *graph;
    float **w; /* [n_nodes * MOP_MAX_WEIGHTS]; NULL where an operator has no such constant */
} mop_model;

/* Synthetic constants for graph: node i draws from stream i of seed, as its mop_weight_desc says,
 * BatchNorm's mean and variance in units of what its input has on the standard input of that seed
 * at no more than 112x112. So batch size, and size from there up, do not change the constants.
 * Kernels that feed a sigmoid directly (gates) are drawn at 1 / 32 of the deviation.
 * Takes over graph, also on failure. Free with mop_model_free. */
mop_status mop_model_synthesize(mop_graph *graph, uint64_t seed, mop_model **out, mop_err *err);

/* A model over graph with all constants allocated and zero. Takes over graph, also on failure. */
mop_status mop_model_create(mop_graph *graph, mop_model **out, mop_err *err);
void mop_model_free(mop_model *m); /* NULL is fine */

/* Frees the constants of node, whose memory goes back to the system: for what has taken them over
 * in a form of its own. mop_model_w() then gives NULL for them, and nothing may plan, pass or check
 * m again; its graph stays. */
void mop_model_drop(const mop_model *m, uint32_t node);

/* Constant `slot` of `node`, or NULL. Borrowed. */
static inline float *mop_model_w(const mop_model *m, uint32_t node, uint32_t slot)
{
    return m->w[(size_t)node * MOP_MAX_WEIGHTS + slot];
}

/* The standard input of shape s for a seed: normal deviates, NHWC. dst has mop_shape_elems(s). */
void mop_standard_input(mop_shape s, uint64_t seed, float *dst);

#endif
