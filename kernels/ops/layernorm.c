/* Layer normalisation over the channels of each position (Ba et al. 2016):
 * y = gamma (x - mean) / sqrt(var + eps) + beta. Constants in the order gamma, beta. */
#include <math.h>

#include "kernels/ops/ops.h"

static mop_status infer(mop_op_inst *inst, mop_err *err)
{
    double eps = (double)inst->params.u.bn.eps;
    if (!(eps > 0 && eps < 1))
        return mop_fail(err, MOP_EINVAL, "layernorm: eps %g, must be above 0 and below 1", eps);
    return mop_infer_same(inst, err);
}

static uint32_t weights(const mop_op_inst *inst, mop_weight_desc desc[MOP_MAX_WEIGHTS])
{
    int64_t c = inst->in[0].c;
    desc[0] = (mop_weight_desc){"gamma", c, 1, MOP_INIT_GAMMA};
    desc[1] = (mop_weight_desc){"beta", c, 1, MOP_INIT_BIAS};
    return 2;
}

/* Per value: a sum for the mean; a difference, a square and a sum for the variance; a product with
 * the reciprocal deviation, one with gamma, and beta. Per position: two quotients, eps, the root
 * and its reciprocal. */
static void cost(const mop_op_inst *inst, mop_cost *c)
{
    const mop_shape s = inst->out;
    c->elementwise += 7 * mop_shape_elems(s) + 5 * (int64_t)s.n * s.h * s.w;
}

/* What is known of one position. */
typedef struct position {
    double mean, inverse; /* 1 / sqrt(var + eps) */
    double mean_error, inverse_error;
} position;

/* In two passes, eps = MOP_EPS32: the mean errs by (c + 2) eps mean |x|; a difference d by that and
 * one rounding, together e; a square by 2 |d| e + e^2 and its rounding; the variance by the mean of
 * these and (c + 2) eps of itself. 1 / sqrt is monotonic, so its error is the larger of those at
 * the ends of the variance's interval, and four roundings (sum, root, quotient, a Newton step). */
static position look(const double *x, int64_t c, double eps)
{
    position p = {0};
    double sum = 0, magnitude = 0, var = 0, squares = 0, worst;
    for (int64_t i = 0; i < c; i++) {
        sum += x[i];
        magnitude += fabs(x[i]);
    }
    p.mean = sum / (double)c;
    p.mean_error = (double)(c + 2) * MOP_EPS32 * magnitude / (double)c;
    for (int64_t i = 0; i < c; i++) {
        const double d = x[i] - p.mean, e = p.mean_error + MOP_EPS32 * (fabs(x[i]) + fabs(p.mean));
        var += d * d;
        squares += 2 * fabs(d) * e + e * e + MOP_EPS32 * d * d;
    }
    var /= (double)c;
    worst = squares / (double)c + (double)(c + 2) * MOP_EPS32 * var;
    p.inverse = 1 / sqrt(var + eps);
    p.inverse_error = fmax(1 / sqrt(fmax(var - worst, 0) + eps) - p.inverse,
                           p.inverse - 1 / sqrt(var + worst + eps)) +
                      4 * MOP_EPS32 * p.inverse;
    return p;
}

static void reference(const mop_ref_args *args)
{
    const mop_shape s = args->inst->out;
    for (int64_t at = 0; at < mop_shape_elems(s); at += s.c) {
        const position p = look(args->in[0] + at, s.c, (double)args->inst->params.u.bn.eps);
        for (int64_t i = 0; i < s.c; i++) {
            const double gamma = (double)args->w[0][i], beta = (double)args->w[1][i];
            const double x = args->in[0][at + i], d = x - p.mean, y = d * p.inverse * gamma;
            args->out[at + i] = y + beta;
            if (args->bound != NULL) {
                const double e = p.mean_error + MOP_EPS32 * (fabs(x) + fabs(p.mean));
                args->bound[at + i] =
                    fabs(gamma) * (e * (p.inverse + p.inverse_error) + fabs(d) * p.inverse_error) +
                    3 * MOP_EPS32 * (fabs(y) + fabs(beta));
            }
        }
    }
}

const mop_op_spec mop_op_layernorm = {
    .name = "layernorm",
    .n_in = 1,
    .infer = infer,
    .weights = weights,
    .cost = cost,
    .reference = reference,
};
