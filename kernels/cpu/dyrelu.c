/* Dynamic ReLU: the maximum of K lines per value; their coefficients, one set per image, are made
 * from the second input once per image and run and lie in scratch as [K][slope, intercept][c]. */
#include "kernels/cpu/rows.h"

static void coefficients(const mop_args *args, int64_t image, float *dst)
{
    const mop_dy_params *p = &args->inst->params.u.dy;
    const int64_t c = args->inst->out.c;
    const float *s = args->in[1] + image * args->inst->in[1].c;
    for (int64_t k = 0; k < p->pieces; k++) {
        for (int64_t i = 0; i < c; i++) {
            const float sa = s[p->per_channel ? 2 * k * c + i : 2 * k];
            const float sb = s[p->per_channel ? (2 * k + 1) * c + i : 2 * k + 1];
            dst[2 * k * c + i] = (k == 0 ? 1.0f : 0.0f) + (2.0f * sa - 1.0f);
            dst[(2 * k + 1) * c + i] = sb - 0.5f;
        }
    }
}

MOP_INLINE vf vector_run(const float *coef, int32_t pieces, int64_t c, vf x, int lanes)
{
    vf y = vf_set1(-INFINITY);
    for (int32_t k = 0; k < pieces; k++, coef += 2 * c)
        y = vf_max_nan(vf_load_part(coef, lanes) * x + vf_load_part(coef + c, lanes), y);
    return y;
}

/* Units: image rows. */
static void run(const mop_args *args)
{
    const mop_shape s = args->inst->out;
    const int32_t pieces = args->inst->params.u.dy.pieces;
    float *coef = args->scratch;
    int64_t image = -1;
    for (int64_t u = args->begin; u < args->end; u++) {
        if (u / s.h != image) {
            image = u / s.h;
            coefficients(args, image, coef);
        }
        for (int64_t i = u * s.w * s.c; i < (u + 1) * s.w * s.c; i += s.c) {
            const float *in = args->in[0] + i;
            float *out = args->out + i;
            int64_t c = 0;
            for (; c + MOP_VL <= s.c; c += MOP_VL)
                vf_store(out + c, vector_run(coef + c, pieces, s.c, vf_load(in + c), MOP_VL));
            if (c < s.c) {
                const int lanes = (int)(s.c - c);
                const vf x = vf_load_n(in + c, lanes);
                vf_store_n(out + c, vector_run(coef + c, pieces, s.c, x, lanes), lanes);
            }
        }
    }
}

static bool fits(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_DYRELU;
}

static size_t scratch_bytes(const mop_op_inst *inst)
{
    return 2 * (size_t)inst->params.u.dy.pieces * (size_t)inst->out.c * sizeof(float);
}

const mop_cpu_kernel MOP_KERNEL_SYM(dyrelu) = {
    .name = "dyrelu",
    .op = MOP_OP_DYRELU,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .scratch_bytes = scratch_bytes,
    .units = mop_rows_units,
    .run = run,
    .tile = {1, 1, 1, MOP_VL},
};
