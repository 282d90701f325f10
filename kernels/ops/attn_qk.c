/* Attention scores (Vaswani et al. 2017, 3.2.1): of queries and keys [n, h, w, 3 d] (see
 * mop_attn_params; the values are not read) the products q k / sqrt(d / heads) as
 * [n, heads, N, N] with N = h w: head, query, key. */
#include <math.h>

#include "kernels/ops/ops.h"

static mop_status infer(mop_op_inst *inst, mop_err *err)
{
    const mop_shape s = inst->in[0];
    const int32_t heads = inst->params.u.attn.heads;
    const int64_t tokens = (int64_t)s.h * s.w;
    if (heads < 1 || s.c % 3 != 0 || s.c / 3 % heads != 0)
        return mop_fail(err, MOP_EINVAL,
                        "attn_qk: %d channels are not queries, keys and values of %d heads", s.c,
                        heads);
    if (tokens > INT16_MAX)
        return mop_fail(err, MOP_EINVAL, "attn_qk: %lld positions, must be at most %d",
                        (long long)tokens, INT16_MAX);
    inst->out = (mop_shape){s.n, heads, (int32_t)tokens, (int32_t)tokens};
    return MOP_OK;
}

static void cost(const mop_op_inst *inst, mop_cost *c)
{
    const int64_t out = mop_shape_elems(inst->out);
    c->macs += out * (inst->in[0].c / 3 / inst->params.u.attn.heads);
    c->elementwise += out; /* the scale */
}

static void reference(const mop_ref_args *args)
{
    const mop_shape s = args->inst->out;
    const int64_t c = args->inst->in[0].c, d = c / 3, width = d / s.h;
    const double scale = 1 / sqrt((double)width);
    for (int64_t i = 0; i < mop_shape_elems(s); i++) {
        const int64_t key = i % s.c, query = i / s.c % s.w, head = i / s.c / s.w % s.h;
        const double *image = args->in[0] + i / s.c / s.w / s.h * s.w * c;
        const double *q = image + query * c + head * width, *k = image + key * c + d + head * width;
        double sum = 0, magnitude = 0;
        for (int64_t j = 0; j < width; j++) {
            sum += q[j] * k[j];
            magnitude += fabs(q[j] * k[j]);
        }
        args->out[i] = sum * scale;
        if (args->bound != NULL)
            args->bound[i] = mop_sum_bound(args, width + 3, magnitude * scale);
    }
}

const mop_op_spec mop_op_attn_qk = {
    .name = "attn_qk",
    .n_in = 1,
    .infer = infer,
    .cost = cost,
    .reference = reference,
};
