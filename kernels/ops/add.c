/* Sum of two tensors of one shape, or of a tensor [n, h, w, c] and a vector [n, 1, 1, c]. */
#include <math.h>

#include "kernels/ops/ops.h"

static void cost(const mop_op_inst *inst, mop_cost *c)
{
    c->elementwise += mop_shape_elems(inst->out);
}

static void reference(const mop_ref_args *args)
{
    const mop_shape s = args->inst->out;
    const int64_t image = (int64_t)s.h * s.w * s.c, n = mop_shape_elems(s);
    const bool is_full = mop_shape_equal(args->inst->in[1], s);
    for (int64_t i = 0; i < n; i++) {
        double y = args->in[1][is_full ? i : i / image * s.c + i % s.c];
        args->out[i] = args->in[0][i] + y;
        if (args->bound != NULL)
            args->bound[i] = MOP_EPS32 * fabs(args->out[i]);
    }
}

const mop_op_spec mop_op_add = {
    .name = "add",
    .n_in = 2,
    .takes_act = true,
    .infer = mop_infer_pair,
    .cost = cost,
    .reference = reference,
};
