/* BatchNorm at inference (Ioffe, Szegedy 2015, algorithm 2):
 * y = gamma (x - mean) / sqrt(var + eps) + beta. Constants in the order gamma, beta, mean, var. */
#include <math.h>

#include "kernels/ops/ops.h"

static mop_status infer(mop_op_inst *inst, mop_err *err)
{
    double eps = (double)inst->params.u.bn.eps;
    if (!(eps > 0 && eps < 1))
        return mop_fail(err, MOP_EINVAL, "batchnorm: eps %g, must be above 0 and below 1", eps);
    return mop_infer_same(inst, err);
}

static uint32_t weights(const mop_op_inst *inst, mop_weight_desc desc[MOP_MAX_WEIGHTS])
{
    int64_t c = inst->in[0].c;
    desc[0] = (mop_weight_desc){"gamma", c, 1, MOP_INIT_GAMMA};
    desc[1] = (mop_weight_desc){"beta", c, 1, MOP_INIT_BIAS};
    desc[2] = (mop_weight_desc){"mean", c, 1, MOP_INIT_MEAN};
    desc[3] = (mop_weight_desc){"var", c, 1, MOP_INIT_VARIANCE};
    return 4;
}

/* One multiplication and one addition: the constants fold into a scale and a shift. */
static void cost(const mop_op_inst *inst, mop_cost *c)
{
    c->elementwise += 2 * mop_shape_elems(inst->out);
}

/* Bound: the scale takes at most 4 roundings (sum, root, quotient, its storing), the shift 3 more,
 * the result 2: 8 eps = 16 roundings cover every way of folding. */
static void reference(const mop_ref_args *args)
{
    const mop_shape s = args->inst->out;
    const float *const *w = args->w;
    const double eps = (double)args->inst->params.u.bn.eps;
    const int64_t pixels = (int64_t)s.n * s.h * s.w;
    for (int64_t c = 0; c < s.c; c++) {
        double scale = (double)w[0][c] / sqrt((double)w[3][c] + eps);
        double beta = (double)w[1][c], mean = (double)w[2][c];
        for (int64_t i = c; i < pixels * s.c; i += s.c) {
            double x = args->in[0][i];
            args->out[i] = (x - mean) * scale + beta;
            if (args->bound != NULL)
                args->bound[i] =
                    8 * MOP_EPS32 * ((fabs(x) + fabs(mean)) * fabs(scale) + fabs(beta));
        }
    }
}

const mop_op_spec mop_op_batchnorm = {
    .name = "batchnorm",
    .n_in = 1,
    .takes_act = true,
    .takes_residual = true,
    .infer = infer,
    .weights = weights,
    .cost = cost,
    .reference = reference,
};
