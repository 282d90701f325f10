/* Attention's weighted values (Vaswani et al. 2017, 3.2.1): weights [n, heads, N, N] over the keys
 * and the values of [n, h, w, 3 d], N = h w, give [n, h, w, d]. */
#include <math.h>

#include "kernels/ops/ops.h"

static mop_status infer(mop_op_inst *inst, mop_err *err)
{
    const mop_shape a = inst->in[0], s = inst->in[1];
    const int32_t heads = inst->params.u.attn.heads;
    const int64_t tokens = (int64_t)s.h * s.w;
    if (heads < 1 || s.c % 3 != 0 || s.c / 3 % heads != 0)
        return mop_fail(err, MOP_EINVAL,
                        "attn_av: %d channels are not queries, keys and values of %d heads", s.c,
                        heads);
    if (a.n != s.n || a.h != heads || a.w != tokens || a.c != tokens)
        return mop_fail(
            err, MOP_EINVAL,
            "attn_av: weights %dx%dx%dx%d are not those of %d heads over %lld positions", a.n, a.h,
            a.w, a.c, heads, (long long)tokens);
    inst->out = (mop_shape){s.n, s.h, s.w, s.c / 3};
    return MOP_OK;
}

static void cost(const mop_op_inst *inst, mop_cost *c)
{
    c->macs += mop_shape_elems(inst->out) * inst->in[0].c;
}

static void reference(const mop_ref_args *args)
{
    const mop_shape s = args->inst->out;
    const int64_t tokens = args->inst->in[0].c, heads = args->inst->params.u.attn.heads;
    const int64_t width = s.c / heads;
    for (int64_t i = 0; i < mop_shape_elems(s); i++) {
        const int64_t c = i % s.c, at = i / s.c % tokens, n = i / s.c / tokens;
        const double *a = args->in[0] + ((n * heads + c / width) * tokens + at) * tokens;
        const double *v = args->in[1] + n * tokens * 3 * s.c + 2 * s.c + c;
        double sum = 0, magnitude = 0;
        for (int64_t j = 0; j < tokens; j++) {
            sum += a[j] * v[j * 3 * s.c];
            magnitude += fabs(a[j] * v[j * 3 * s.c]);
        }
        args->out[i] = sum;
        if (args->bound != NULL)
            args->bound[i] = mop_sum_bound(args, tokens, magnitude);
    }
}

const mop_op_spec mop_op_attn_av = {
    .name = "attn_av",
    .n_in = 2,
    .infer = infer,
    .cost = cost,
    .reference = reference,
};
