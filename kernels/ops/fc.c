/* Fully connected layer: y = W x + b on vectors [n, 1, 1, cin]. W is [cout][cin]. */
#include <math.h>

#include "kernels/ops/ops.h"

static mop_status infer(mop_op_inst *inst, mop_err *err)
{
    const mop_fc_params *p = &inst->params.u.fc;
    mop_shape in = inst->in[0];
    if (p->cout < 1)
        return mop_fail(err, MOP_EINVAL, "fc: %d output channels, must be at least 1", p->cout);
    if (in.h != 1 || in.w != 1)
        return mop_fail(err, MOP_EINVAL, "fc: input %dx%dx%dx%d is not a vector, pool it first",
                        in.n, in.h, in.w, in.c);
    if (mop_weights_check("fc", p->cout, in.c, 1, 1, err) != MOP_OK)
        return MOP_EINVAL;
    inst->out = (mop_shape){in.n, 1, 1, p->cout};
    return MOP_OK;
}

static uint32_t weights(const mop_op_inst *inst, mop_weight_desc desc[MOP_MAX_WEIGHTS])
{
    const mop_fc_params *p = &inst->params.u.fc;
    int64_t cin = inst->in[0].c;
    desc[0] = (mop_weight_desc){"w", cin * p->cout, cin, MOP_INIT_KERNEL};
    if (!p->has_bias)
        return 1;
    desc[1] = (mop_weight_desc){"bias", p->cout, cin, MOP_INIT_BIAS};
    return 2;
}

static void cost(const mop_op_inst *inst, mop_cost *c)
{
    int64_t out = mop_shape_elems(inst->out);
    c->macs += out * inst->in[0].c;
    c->elementwise += inst->params.u.fc.has_bias ? out : 0;
}

static void reference(const mop_ref_args *args)
{
    const mop_fc_params *p = &args->inst->params.u.fc;
    const int64_t cin = args->inst->in[0].c, n = args->inst->out.n;
    for (int64_t i = 0; i < n * p->cout; i++) {
        int64_t image = i / p->cout, co = i % p->cout;
        double bias = p->has_bias ? (double)args->w[1][co] : 0;
        double sum = bias, mag = fabs(bias);
        for (int64_t ci = 0; ci < cin; ci++) {
            double v = args->in[0][image * cin + ci] * (double)args->w[0][co * cin + ci];
            sum += v;
            mag += fabs(v);
        }
        args->out[i] = sum;
        if (args->bound != NULL)
            args->bound[i] = mop_sum_bound(args, cin + p->has_bias, mag);
    }
}

const mop_op_spec mop_op_fc = {
    .name = "fc",
    .n_in = 1,
    .takes_act = true,
    .infer = infer,
    .weights = weights,
    .cost = cost,
    .reference = reference,
};
