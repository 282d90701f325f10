/* Global average pooling: [n, h, w, c] to [n, 1, 1, c]. */
#include <math.h>

#include "kernels/ops/ops.h"

static mop_status infer(mop_op_inst *inst, mop_err *err)
{
    (void)err; /* every valid shape can be averaged */
    inst->out = (mop_shape){inst->in[0].n, 1, 1, inst->in[0].c};
    return MOP_OK;
}

/* h w - 1 additions and a division per output. */
static void cost(const mop_op_inst *inst, mop_cost *c)
{
    c->elementwise += mop_shape_elems(inst->in[0]);
}

static void reference(const mop_ref_args *args)
{
    const mop_shape s = args->inst->in[0];
    const int64_t pixels = (int64_t)s.h * s.w;
    for (int64_t i = 0; i < (int64_t)s.n * s.c; i++) {
        const double *x = args->in[0] + i / s.c * pixels * s.c + i % s.c;
        double sum = 0, mag = 0;
        for (int64_t p = 0; p < pixels; p++) {
            sum += x[p * s.c];
            mag += fabs(x[p * s.c]);
        }
        args->out[i] = sum / (double)pixels;
        if (args->bound != NULL)
            args->bound[i] = (double)(pixels + 2) * MOP_EPS32 * mag / (double)pixels;
    }
}

const mop_op_spec mop_op_gap = {
    .name = "gap",
    .n_in = 1,
    .infer = infer,
    .cost = cost,
    .reference = reference,
};
