/* Dynamic Shift-Max (Li et al. 2021, "MicroNet", equations 5 to 7).
 *
 * Inputs: x [n, h, w, c] and s [n, 1, 1, K J c], (hard-)sigmoid outputs in [0, 1], index
 * (k J + j) c + channel. With G groups and the circular shift of j c / G channels,
 *   y_i = max over k of sum over j of a(k, j, i) x[(i + j c / G) mod c],
 *   a(k, j, i) = alpha(k, j) + 2 lambda (s - 0.5), lambda = 2,
 * alpha(0, 0) = 1 and 0 otherwise: layout, range and start of the authors' code
 * (liyunsheng13/micronet, backbone/activation.py: act_max 2, init_a 1 and 0, init_b 0). The shift
 * is the paper's; the code moves one channel further within the group. */
#include <math.h>

#include "kernels/ops/ops.h"

static const double lambda = 2;

static mop_status infer(mop_op_inst *inst, mop_err *err)
{
    const mop_dy_params *p = &inst->params.u.dy;
    mop_shape x = inst->in[0], s = inst->in[1];
    int64_t want;
    if (p->pieces < 1 || p->pieces > 16)
        return mop_fail(err, MOP_EINVAL, "dyshiftmax: %d pieces, must be 1 to 16", p->pieces);
    if (p->shifts < 1 || p->shifts > 16)
        return mop_fail(err, MOP_EINVAL, "dyshiftmax: %d shifts, must be 1 to 16", p->shifts);
    if (p->groups < 1 || x.c % p->groups != 0)
        return mop_fail(err, MOP_EINVAL, "dyshiftmax: groups %d does not divide %d channels",
                        p->groups, x.c);
    want = (int64_t)p->pieces * p->shifts * x.c;
    if (s.n != x.n || s.h != 1 || s.w != 1 || s.c != want)
        return mop_fail(err, MOP_EINVAL,
                        "dyshiftmax: coefficients %dx%dx%dx%d, %d pieces of %d shifts over %d "
                        "channels need %dx1x1x%lld",
                        s.n, s.h, s.w, s.c, p->pieces, p->shifts, x.c, x.n, (long long)want);
    return mop_infer_same(inst, err);
}

/* Per element K J products, K (J - 1) sums, K - 1 maxima; 3 operations per coefficient. */
static void cost(const mop_op_inst *inst, mop_cost *c)
{
    const mop_dy_params *p = &inst->params.u.dy;
    c->elementwise += mop_shape_elems(inst->out) * (2 * p->pieces * p->shifts - 1);
    c->elementwise += 3 * mop_shape_elems(inst->in[1]);
}

/* Bound: 3 roundings to a coefficient, one product, J - 1 sums, magnitudes before cancellation;
 * J + 4 eps is more than twice that. The maximum errs by no more than its worst piece. */
static void reference(const mop_ref_args *args)
{
    const mop_dy_params *p = &args->inst->params.u.dy;
    const mop_shape shape = args->inst->out;
    const int64_t image = (int64_t)shape.h * shape.w * shape.c, n = mop_shape_elems(shape);
    const int64_t c = shape.c, step = c / p->groups;
    for (int64_t i = 0; i < n; i++) {
        const double *s = args->in[1] + i / image * p->pieces * p->shifts * c + i % c;
        const double *x = args->in[0] + i - i % c;
        double y = -INFINITY, worst = 0;
        for (int64_t k = 0; k < p->pieces; k++) {
            double sum = 0, mag = 0;
            for (int64_t j = 0; j < p->shifts; j++) {
                double v = x[(i % c + j * step) % c], t = s[(k * p->shifts + j) * c];
                double alpha = k == 0 && j == 0 ? 1 : 0;
                sum += (alpha + 2 * lambda * (t - 0.5)) * v;
                mag += (alpha + 2 * lambda * (fabs(t) + 0.5)) * fabs(v);
            }
            y = sum > y || isnan(sum) ? sum : y;
            worst = mag > worst ? mag : worst;
        }
        args->out[i] = y;
        if (args->bound != NULL)
            args->bound[i] = (p->shifts + 4) * MOP_EPS32 * worst;
    }
}

const mop_op_spec mop_op_dyshiftmax = {
    .name = "dyshiftmax",
    .n_in = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
};
