/* Dynamic Shift-Max: the maximum over K sums of J shifted channels. Each pixel is first written
 * twice in a row into scratch, so that a circular shift is a plain offset.
 *
 * Scratch: coefficients [K][J][c] of the current image, then the doubled pixel [2 c]. */
#include "kernels/cpu/rows.h"

static void coefficients(const mop_args *args, int64_t image, float *dst)
{
    const mop_dy_params *p = &args->inst->params.u.dy;
    const int64_t c = args->inst->out.c, sets = (int64_t)p->pieces * p->shifts;
    const float *s = args->in[1] + image * sets * c;
    for (int64_t i = 0; i < sets * c; i++)
        dst[i] = (i < c ? 1.0f : 0.0f) + 4.0f * (s[i] - 0.5f);
}

/* x is the doubled pixel at this vector's first channel. */
MOP_INLINE vf vector_run(const mop_op_inst *inst, const float *coef, const float *x, int lanes)
{
    const mop_dy_params *p = &inst->params.u.dy;
    const int64_t c = inst->out.c, step = c / p->groups;
    vf y = vf_set1(-INFINITY);
    for (int32_t k = 0; k < p->pieces; k++) {
        vf sum = vf_zero();
        int64_t shift = 0;
        for (int32_t j = 0; j < p->shifts; j++, coef += c) {
            sum += vf_load_part(coef, lanes) * vf_load_part(x + shift, lanes);
            shift = shift + step < c ? shift + step : shift + step - c;
        }
        y = vf_max_nan(sum, y);
    }
    return y;
}

/* Units: image rows. */
static void run(const mop_args *args)
{
    const mop_op_inst *inst = args->inst;
    const mop_shape s = inst->out;
    const mop_dy_params *p = &inst->params.u.dy;
    float *coef = args->scratch, *x = coef + (int64_t)p->pieces * p->shifts * s.c;
    int64_t image = -1;
    for (int64_t u = args->begin; u < args->end; u++) {
        if (u / s.h != image) {
            image = u / s.h;
            coefficients(args, image, coef);
        }
        for (int64_t i = u * s.w * s.c; i < (u + 1) * s.w * s.c; i += s.c) {
            float *out = args->out + i;
            int64_t c = 0;
            memcpy(x, args->in[0] + i, (size_t)s.c * sizeof(float));
            memcpy(x + s.c, args->in[0] + i, (size_t)s.c * sizeof(float));
            for (; c + MOP_VL <= s.c; c += MOP_VL)
                vf_store(out + c, vector_run(inst, coef + c, x + c, MOP_VL));
            if (c < s.c) {
                const int lanes = (int)(s.c - c);
                vf_store_n(out + c, vector_run(inst, coef + c, x + c, lanes), lanes);
            }
        }
    }
}

static bool fits(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_DYSHIFTMAX;
}

static size_t scratch_bytes(const mop_op_inst *inst)
{
    const mop_dy_params *p = &inst->params.u.dy;
    const size_t sets = (size_t)p->pieces * (size_t)p->shifts;
    return (sets + 2) * (size_t)inst->out.c * sizeof(float);
}

const mop_cpu_kernel MOP_KERNEL_SYM(dyshiftmax) = {
    .name = "dyshiftmax",
    .op = MOP_OP_DYSHIFTMAX,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .scratch_bytes = scratch_bytes,
    .units = mop_rows_units,
    .run = run,
    .tile = {1, 1, 1, MOP_VL},
};
