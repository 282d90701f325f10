/* Dynamic ReLU (Chen et al. 2020, "Dynamic ReLU", equations 3 and 4).
 *
 * Inputs: x [n, h, w, c] and s, sigmoid outputs in [0, 1] from the hyper function:
 *   A, coefficients shared by all channels: s is [n, 1, 1, 2 K], index 2 k + t;
 *   B, own coefficients for each channel:   s is [n, 1, 1, 2 K c], index (2 k + t) c + channel;
 * t = 0 is the slope's value, t = 1 the intercept's. With theta = 2 s - 1,
 *   a_k = alpha_k + lambda_a theta, b_k = lambda_b theta, y = max over k of (a_k x + b_k),
 * alpha = (1, 0, 0, ...), lambda_a = 1, lambda_b = 0.5 (section 3.3 of the paper). */
#include <math.h>

#include "kernels/ops/ops.h"

static const double lambda_a = 1, lambda_b = 0.5;

static mop_status infer(mop_op_inst *inst, mop_err *err)
{
    const mop_dy_params *p = &inst->params.u.dy;
    mop_shape x = inst->in[0], s = inst->in[1];
    int64_t want;
    if (p->pieces < 1 || p->pieces > 16)
        return mop_fail(err, MOP_EINVAL, "dyrelu: %d pieces, must be 1 to 16", p->pieces);
    if (p->shifts != 1 || p->groups != 1)
        return mop_fail(err, MOP_EINVAL,
                        "dyrelu: mixes no channels, but shifts is %d and groups %d", p->shifts,
                        p->groups);
    want = 2 * (int64_t)p->pieces * (p->per_channel ? x.c : 1);
    if (s.n != x.n || s.h != 1 || s.w != 1 || s.c != want)
        return mop_fail(err, MOP_EINVAL,
                        "dyrelu: coefficients %dx%dx%dx%d, %d pieces over %d channels (%s) need "
                        "%dx1x1x%lld",
                        s.n, s.h, s.w, s.c, p->pieces, x.c, p->per_channel ? "B" : "A", x.n,
                        (long long)want);
    return mop_infer_same(inst, err);
}

/* Per element K products, K sums, K - 1 maxima; per coefficient 2 s - 1 and lambda or alpha. */
static void cost(const mop_op_inst *inst, mop_cost *c)
{
    c->elementwise += mop_shape_elems(inst->out) * (3 * inst->params.u.dy.pieces - 1);
    c->elementwise += 3 * mop_shape_elems(inst->in[1]);
}

/* Bound: at most 5 roundings on the way of each term, magnitudes before cancellation; 6 eps = 12.
 * The maximum errs by no more than its worst piece. */
static void reference(const mop_ref_args *args)
{
    const mop_dy_params *p = &args->inst->params.u.dy;
    const mop_shape shape = args->inst->out;
    const int64_t image = (int64_t)shape.h * shape.w * shape.c, n = mop_shape_elems(shape);
    const int64_t channels = p->per_channel ? shape.c : 1;
    for (int64_t i = 0; i < n; i++) {
        const double *s = args->in[1] + i / image * 2 * p->pieces * channels;
        double x = args->in[0][i], y = -INFINITY, worst = 0;
        s += p->per_channel ? i % shape.c : 0;
        for (int64_t k = 0; k < p->pieces; k++) {
            double sa = s[2 * k * channels], sb = s[(2 * k + 1) * channels];
            double alpha = k == 0 ? 1 : 0;
            double v = (alpha + lambda_a * (2 * sa - 1)) * x + lambda_b * (2 * sb - 1);
            double mag =
                (alpha + lambda_a * (2 * fabs(sa) + 1)) * fabs(x) + lambda_b * (2 * fabs(sb) + 1);
            y = v > y || isnan(v) ? v : y;
            worst = mag > worst ? mag : worst;
        }
        args->out[i] = y;
        if (args->bound != NULL)
            args->bound[i] = 6 * MOP_EPS32 * worst;
    }
}

const mop_op_spec mop_op_dyrelu = {
    .name = "dyrelu",
    .n_in = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
};
