/* Softmax over the channels of each position: y_i = exp(x_i - max) / sum of exp(x_j - max). */
#include <float.h>
#include <math.h>

#include "kernels/ops/ops.h"

/* Per value: maximum, difference, exponential, sum, product with the reciprocal of the sum. */
static void cost(const mop_op_inst *inst, mop_cost *c)
{
    const mop_shape s = inst->out;
    c->elementwise += 5 * mop_shape_elems(s) + (int64_t)s.n * s.h * s.w;
}

/* With t = x - max: the rounding of t moves exp(t) by eps |t| of itself, exp itself is good to
 * 4 eps, so the sum errs by eps (mean of |t| under the result + c + 4) of itself, and reciprocal
 * and product by 4 eps. What a float32 exp flushes is below FLT_MIN. */
static void position(const double *x, double *y, double *bound, int64_t c)
{
    double top = -INFINITY, sum = 0, drift = 0;
    for (int64_t i = 0; i < c; i++)
        top = x[i] > top ? x[i] : top;
    for (int64_t i = 0; i < c; i++) {
        y[i] = exp(x[i] - top);
        sum += y[i];
        drift += y[i] * (top - x[i]);
    }
    for (int64_t i = 0; i < c; i++) {
        y[i] /= sum;
        if (bound != NULL)
            bound[i] =
                MOP_EPS32 * y[i] * (top - x[i] + drift / sum + (double)c + 12) + (double)FLT_MIN;
    }
}

static void reference(const mop_ref_args *args)
{
    const mop_shape s = args->inst->out;
    for (int64_t at = 0; at < mop_shape_elems(s); at += s.c)
        position(args->in[0] + at, args->out + at, args->bound != NULL ? args->bound + at : NULL,
                 s.c);
}

const mop_op_spec mop_op_softmax = {
    .name = "softmax",
    .n_in = 1,
    .infer = mop_infer_same,
    .cost = cost,
    .reference = reference,
};
