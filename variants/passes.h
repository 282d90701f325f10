/* Passes: a model in, a new equivalent model out. The input model is only read. */
#ifndef VARIANTS_PASSES_H
#define VARIANTS_PASSES_H

#include "variants/model.h"

/* What an inference engine fuses. */
typedef enum mop_fuse {
    MOP_FUSE_NONE = 0,
    MOP_FUSE_BN = 1 << 0,  /* BatchNorm after a convolution folds into its weights and bias */
    MOP_FUSE_ACT = 1 << 1, /* an activation moves into its producer's epilogue */
    MOP_FUSE_ADD = 1 << 2, /* an add moves into its producing convolution as the residual */
    /* How a back end runs layers together, see mop_plan_desc; no pass changes the graph for them:
     */
    MOP_FUSE_SE = 1 << 3,   /* squeeze-excite: the mean is gathered where the values are made, the
                               scale applied block by block where they are read */
    MOP_FUSE_DWPW = 1 << 4, /* a depthwise convolution and the pointwise one after it, block of rows
                               by block of rows, in cache */
    MOP_FUSE_ALL = (1 << 5) - 1,
    MOP_FUSE_GRAPH = MOP_FUSE_BN | MOP_FUSE_ACT | MOP_FUSE_ADD /* what mop_pass_fuse looks at */
} mop_fuse;

/* Room for each name of a union, its end included. */
#define MOP_FUSE_TEXT 24

/* "none", "all", or the names of the bits in the order above joined by '+': "act+add". Either a
 * constant or written to out. */
const char *mop_fuse_name(unsigned flags, char out[MOP_FUSE_TEXT]);

/* The union that such a text stands for; its parts may come in any order and twice. MOP_EINVAL with
 * the nearest name for anything else, *flags is then as it was. */
mop_status mop_fuse_parse(const char *text, unsigned *flags, mop_err *err);

/* Training form -> deploy form, as MobileOne (sec. 3.2) and RepVGG (sec. 3.3) define it: BatchNorm
 * folding, kernels padded to the largest of parallel linear branches, branches (convolution or
 * identity BatchNorm over the same input) summed into one biased convolution. Arithmetic in
 * float64, stored as float32. A graph without BatchNorm and branches comes back unchanged. */
mop_status mop_pass_reparameterize(const mop_model *in, mop_model **out, mop_err *err);

/* The same on shapes alone, for counts: *out is a new graph. */
mop_status mop_pass_reparameterize_graph(const mop_graph *in, mop_graph **out, mop_err *err);

/* What an engine does with a network as given; `flags` is a union of mop_fuse. Never changes the
 * number of convolutions. */
mop_status mop_pass_fuse(const mop_model *in, unsigned flags, mop_model **out, mop_err *err);

#endif
