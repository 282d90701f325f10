/* Trees of linear operators that are one convolution: what both passes that fold are made of.
 *
 * A node is a linear form of an earlier node `src` if its value is one convolution of src: the
 * convolution itself, a BatchNorm over a linear form that nobody else reads, or (merging) an add of
 * two linear forms of the same src. A BatchNorm straight over src is the identity branch of RepVGG
 * (sec. 3.2): a 1x1 kernel that is diagonal. A plain skip, without BatchNorm, is no branch: it is
 * architecture, and stays an add. */
#ifndef VARIANTS_LINEAR_H
#define VARIANTS_LINEAR_H

#include "variants/model.h"

/* Writes the graph in which every largest linear form is one convolution with bias, named like the
 * convolution with the largest kernel in it, at the place of the form's last node; other nodes are
 * copied. merge_branches lets adds merge; without it only BatchNorms fold. If model is not NULL
 * (its graph is g) *out_model also receives the constants, computed in float64 and rounded once;
 * else *out_graph receives the graph alone. */
mop_status mop_linear_rewrite(const mop_graph *g, const mop_model *model, bool merge_branches,
                              mop_graph **out_graph, mop_model **out_model, mop_err *err);

/* Copies the constants of node `from` of a model to node `to` of another, where both have the same
 * operator. */
void mop_linear_copy_constants(const mop_model *src, uint32_t from, mop_model *dst, uint32_t to);

#endif
