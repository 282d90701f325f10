/* What an operator is: parameters, shape rule, weights, cost and float64 reference. */
#ifndef KERNELS_OP_H
#define KERNELS_OP_H

#include <stddef.h>

#include "kernels/dtype.h"
#include "kernels/tensor.h"

enum { MOP_MAX_IN = 3, MOP_MAX_WEIGHTS = 4 };

typedef enum mop_op {
#define MOP_OP_ROW(ID, id) MOP_OP_##ID,
#include "kernels/op.def"
#undef MOP_OP_ROW
    MOP_OP_COUNT
} mop_op;

typedef enum mop_act {
#define MOP_ACT_ROW(ID, name, ops, lip) MOP_ACT_##ID,
#include "kernels/act.def"
#undef MOP_ACT_ROW
    MOP_ACT_COUNT
} mop_act;

typedef enum mop_pool_kind { MOP_POOL_MAX, MOP_POOL_AVG } mop_pool_kind;

/* Convolution. Zero padding; w is [cout][kh][kw][cin / groups]. */
typedef struct mop_conv_params {
    int32_t cout, kh, kw;
    int32_t stride, dilation, groups; /* the same stride and dilation in both directions */
    int32_t pad_top, pad_left, pad_bottom, pad_right;
    bool has_bias;
} mop_conv_params;

/* A square window; padding never wins a maximum and never counts in an average. */
typedef struct mop_pool_params {
    mop_pool_kind kind;
    int32_t k, stride, pad;
} mop_pool_params;

typedef struct mop_fc_params {
    int32_t cout;
    bool has_bias;
} mop_fc_params;

/* BatchNorm and layer normalisation. */
typedef struct mop_bn_params {
    float eps;
} mop_bn_params;

/* Self-attention over the positions of an image: a tensor of queries, keys and values has 3 d
 * channels in this order, each cut into heads of d / heads channels that follow each other. */
typedef struct mop_attn_params {
    int32_t heads;
} mop_attn_params;

/* Dynamic activations: the second input holds sigmoid outputs in [0, 1], see dyrelu.c and
 * dyshiftmax.c for how they become coefficients. */
typedef struct mop_dy_params {
    int32_t pieces;   /* K: the maximum is over K linear pieces (2 in both papers) */
    int32_t shifts;   /* J: channels mixed per piece (dynamic shift-max: 2; dynamic ReLU: 1) */
    int32_t groups;   /* dynamic shift-max: channel i meets channel (i + j C / groups) mod C */
    bool per_channel; /* dynamic ReLU: B (own coefficients for each channel) instead of A */
} mop_dy_params;

/* Parameters of one operator. Beside the operator's own part every operator that allows it ends
 * with the epilogue out = act(op(in...) + residual), applied elementwise. */
typedef struct mop_params {
    union {
        mop_conv_params conv;
        mop_pool_params pool;
        mop_fc_params fc;
        mop_bn_params bn;
        mop_dy_params dy;
        mop_attn_params attn;
    } u;
    mop_act act;       /* epilogue, or the function itself for MOP_OP_ACT */
    bool has_residual; /* the last input is added before act; shape of the output */
} mop_params;

/* An operator applied to given shapes: all a kernel or a shader needs to know. */
typedef struct mop_op_inst {
    mop_op op;
    mop_params params;
    uint32_t n_in; /* residual included */
    mop_shape in[MOP_MAX_IN];
    mop_shape out;
} mop_op_inst;

/* Work of one operator, each part its own number; nothing is silently zero. */
typedef struct mop_cost {
    int64_t params;      /* trainable values: convolution, linear, BatchNorm weight and bias */
    int64_t buffers;     /* stored but not trained: BatchNorm running mean and variance */
    int64_t macs;        /* multiply-accumulates of convolution, linear, matmul; nothing else */
    int64_t elementwise; /* operations outside MACs: bias, BatchNorm, activations, pooling, adds */
    int64_t activations; /* output elements */
    int64_t bytes_read;  /* inputs and weights, each once */
    int64_t bytes_written; /* output */
} mop_cost;

typedef enum mop_weight_init {
    MOP_INIT_KERNEL,  /* normal, variance 2 / fan_in (He et al. 2015) */
    MOP_INIT_BIAS,    /* normal, sd 0.1 */
    MOP_INIT_GAMMA,   /* uniform [0.5, 1.5]: BatchNorm statistics must be non-trivial */
    MOP_INIT_MEAN,    /* normal, sd 0.2 */
    MOP_INIT_VARIANCE /* uniform [0.5, 1.5] */
} mop_weight_init;

/* One stored constant of an operator. */
typedef struct mop_weight_desc {
    const char *role; /* "w", "bias", "gamma", "beta", "mean", "var" */
    int64_t elems;
    int64_t fan_in;
    mop_weight_init init;
} mop_weight_desc;

/* Arguments of a reference: values in float64, weights as stored (float32).
 * If bound is not NULL it receives for each output element a derived bound on the error of a
 * float32 evaluation in any order, |err| <= (k + 2) eps sum |a_i b_i| (twice Higham 2002,
 * sec. 3.1); inputs are taken as exact. The epilogue is in it: Lipschitz constant of act times
 * (bound + eps
 * (|y| + |residual|)) plus mop_act_allowance(). eps = 2^-23. precision, unless NULL, says how much
 * coarser the products are summed (mop_sum_bound); the constants are those that are held, and how
 * the output is stored is the caller's. Buffers do not overlap. For MOP_OP_INPUT the caller has put
 * the values into out. */
typedef struct mop_ref_args {
    const mop_op_inst *inst;
    const double *in[MOP_MAX_IN];
    const float *w[MOP_MAX_WEIGHTS];
    double *out;
    double *bound;
    const mop_precision *precision;
} mop_ref_args;

/* One operator's meaning; defined in kernels/ops/<id>.c, reached through mop_op_get(). */
typedef struct mop_op_spec {
    const char *name;
    uint32_t n_in;       /* inputs without the residual */
    bool takes_act;      /* the activation of the epilogue is allowed */
    bool takes_residual; /* the residual of the epilogue is allowed */
    /* Checks params and inst->in[] and writes inst->out. */
    mop_status (*infer)(mop_op_inst *inst, mop_err *err);
    /* Fills desc[] and returns how many constants the operator has (0 if NULL). */
    uint32_t (*weights)(const mop_op_inst *inst, mop_weight_desc desc[MOP_MAX_WEIGHTS]);
    /* Adds the operator's own macs and elementwise work (epilogue, params, bytes are common). */
    void (*cost)(const mop_op_inst *inst, mop_cost *cost);
    /* Writes out (and bound) before the epilogue. Readable first; no speed. Never fails. */
    void (*reference)(const mop_ref_args *args);
} mop_op_spec;

/* Never NULL for op < MOP_OP_COUNT. */
const mop_op_spec *mop_op_get(mop_op op);

/* Checks inst (op, n_in, epilogue, shapes) and writes inst->out. MOP_EINVAL with a sentence such as
 * "conv2d: groups 3 does not divide 64 input channels". inst->out is untouched on failure. */
mop_status mop_op_infer(mop_op_inst *inst, mop_err *err);

/* Number of constants and their description; desc has MOP_MAX_WEIGHTS entries. */
uint32_t mop_op_weights(const mop_op_inst *inst, mop_weight_desc desc[MOP_MAX_WEIGHTS]);

/* All counts of an inferred instance, epilogue included; all 0 for MOP_OP_INPUT, which does
 * nothing: the operators of a network, input or not, sum to the network. */
void mop_op_cost(const mop_op_inst *inst, mop_cost *cost);

/* The operator with its epilogue in float64. */
void mop_op_reference(const mop_ref_args *args);

/* Writes args->bound for what comes before the epilogue, where a kernel does not add up the
 * operator's own sums; args->out holds the reference's values. */
typedef void mop_bound_fn(const mop_ref_args *args);

/* What k products, biases included, that sum to `magnitude` without their signs may err by when
 * they are summed: (k + 2) eps magnitude in float32. With sums of roundoff u in blocks of m terms,
 * m = k without blocks: 2 (m + 2) u magnitude more, as a block is such a sum of m and float32 adds
 * at most k blocks; and 2 k tiny, as each product and each sum of two may be rounded near zero. */
double mop_sum_bound(const mop_ref_args *args, int64_t k, double magnitude);

/* mop_op_reference with the bound of such a kernel; NULL: the operator's own. */
void mop_op_reference_bounded(const mop_ref_args *args, mop_bound_fn *bound);

/* The convolution that computes output rows [begin, end) of one image of inst from the input rows
 * that they touch, of which the first is *row: the same weights, in[0] beginning at that row, and
 * out and the residual at row begin. Every output row must touch the input. */
mop_op_inst mop_op_rows(const mop_op_inst *inst, int32_t begin, int32_t end, int32_t *row);

/* Activation table. */
const char *mop_act_name(mop_act act);
bool mop_act_find(const char *name, mop_act *act); /* false if unknown, *act untouched */
double mop_act_eval(mop_act act, double x);
double mop_act_lipschitz(mop_act act);

/* Error a float32 evaluation of act at an exact x may add, absolute, the rounding of the result
 * included: 0 for none, relu, relu6; 16 eps for the sigmoids; 16 eps max(|x|, 1) for the others,
 * eps = 2^-23. Room for exp, erf and tanh good to about 4 ulp, and for SPIR-V's exp. */
double mop_act_allowance(mop_act act, double x);
int mop_act_ops(mop_act act);

#endif
