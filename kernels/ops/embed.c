/* Tokens of a vision transformer (Dosovitskiy et al. 2021, equation 1): the positions of
 * [n, h, w, c] become [n, h w + 1, 1, c], with a learned class token in front and a learned
 * position embedding added to all. Constants: class token [c], positions [h w + 1][c]. */
#include <math.h>

#include "kernels/ops/ops.h"

static mop_status infer(mop_op_inst *inst, mop_err *err)
{
    const mop_shape s = inst->in[0];
    const int64_t tokens = (int64_t)s.h * s.w + 1;
    if (mop_weights_check("embed", tokens, s.c, 1, 1, err) != MOP_OK)
        return MOP_EINVAL;
    inst->out = (mop_shape){s.n, (int32_t)tokens, 1, s.c};
    return MOP_OK;
}

static uint32_t weights(const mop_op_inst *inst, mop_weight_desc desc[MOP_MAX_WEIGHTS])
{
    const mop_shape s = inst->out;
    desc[0] = (mop_weight_desc){"class", s.c, 1, MOP_INIT_BIAS};
    desc[1] = (mop_weight_desc){"position", (int64_t)s.h * s.c, 1, MOP_INIT_BIAS};
    return 2;
}

static void cost(const mop_op_inst *inst, mop_cost *c)
{
    c->elementwise += mop_shape_elems(inst->out);
}

static void reference(const mop_ref_args *args)
{
    const mop_shape s = args->inst->out;
    const int64_t image = (int64_t)s.h * s.c;
    for (int64_t i = 0; i < s.n * image; i++) {
        const int64_t n = i / image, at = i % image;
        const double x =
            at < s.c ? (double)args->w[0][at] : args->in[0][n * (image - s.c) + at - s.c];
        const double p = (double)args->w[1][at];
        args->out[i] = x + p;
        if (args->bound != NULL)
            args->bound[i] = MOP_EPS32 * (fabs(x) + fabs(p));
    }
}

const mop_op_spec mop_op_embed = {
    .name = "embed",
    .n_in = 1,
    .infer = infer,
    .weights = weights,
    .cost = cost,
    .reference = reference,
};
