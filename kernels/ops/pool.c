/* Maximum or average over square windows. Padding never wins a maximum and never counts in an
 * average: the divisor is the number of values in the window. A NaN in a window comes out. */
#include <math.h>

#include "kernels/ops/ops.h"

static mop_status infer(mop_op_inst *inst, mop_err *err)
{
    const mop_pool_params *p = &inst->params.u.pool;
    mop_shape in = inst->in[0];
    int64_t h, w;
    if (p->kind != MOP_POOL_MAX && p->kind != MOP_POOL_AVG)
        return mop_fail(err, MOP_EINVAL, "pool: there is no kind number %u", (unsigned)p->kind);
    if (p->k < 1 || p->k > INT16_MAX)
        return mop_fail(err, MOP_EINVAL, "pool: window %d, must be 1 to %d", p->k, INT16_MAX);
    if (p->stride < 1)
        return mop_fail(err, MOP_EINVAL, "pool: stride %d, must be at least 1", p->stride);
    if (p->pad < 0 || p->pad >= p->k)
        return mop_fail(err, MOP_EINVAL,
                        "pool: padding %d, must be at least 0 and below the window %d", p->pad,
                        p->k);
    h = mop_window_out(in.h, 2 * (int64_t)p->pad, p->k, 1, p->stride);
    w = mop_window_out(in.w, 2 * (int64_t)p->pad, p->k, 1, p->stride);
    if (h < 1 || w < 1)
        return mop_fail(err, MOP_EINVAL,
                        "pool: window %d does not fit the input %dx%d padded by %d", p->k, in.h,
                        in.w, p->pad);
    inst->out = (mop_shape){in.n, (int32_t)h, (int32_t)w, in.c};
    return MOP_OK;
}

static void cost(const mop_op_inst *inst, mop_cost *c)
{
    int64_t k = inst->params.u.pool.k;
    c->elementwise += mop_shape_elems(inst->out) * k * k;
}

/* Inputs [*lo, *hi) of output position o along an axis of n. */
static void window(const mop_pool_params *p, int64_t o, int64_t n, int64_t *lo, int64_t *hi)
{
    int64_t begin = o * p->stride - p->pad, end = begin + p->k;
    *lo = begin > 0 ? begin : 0;
    *hi = end < n ? end : n;
}

static void reference(const mop_ref_args *args)
{
    const mop_pool_params *p = &args->inst->params.u.pool;
    const mop_shape in = args->inst->in[0], s = args->inst->out;
    const int64_t n = mop_shape_elems(s);
    for (int64_t i = 0; i < n; i++) {
        const double *x = args->in[0] + i / s.c / s.w / s.h * in.h * in.w * in.c + i % s.c;
        int64_t h0, h1, w0, w1, count;
        double sum = 0, mag = 0, max = -INFINITY;
        window(p, i / s.c / s.w % s.h, in.h, &h0, &h1);
        window(p, i / s.c % s.w, in.w, &w0, &w1);
        count = (h1 - h0) * (w1 - w0);
        for (int64_t t = 0; t < count; t++) {
            double v = x[((h0 + t / (w1 - w0)) * in.w + w0 + t % (w1 - w0)) * in.c];
            sum += v;
            mag += fabs(v);
            max = v > max || isnan(v) ? v : max;
        }
        args->out[i] = p->kind == MOP_POOL_MAX ? max : sum / (double)count;
        if (args->bound != NULL)
            args->bound[i] =
                p->kind == MOP_POOL_MAX ? 0 : (double)(count + 2) * MOP_EPS32 * mag / (double)count;
    }
}

const mop_op_spec mop_op_pool = {
    .name = "pool",
    .n_in = 1,
    .infer = infer,
    .cost = cost,
    .reference = reference,
};
