/* BatchNorm at inference as one multiply-add per value; the constants are folded in float64.
 *
 * Packed: for each vector of channels scale[VL], shift[VL], zero beyond the channels. */
#include "kernels/cpu/rows.h"

typedef struct bn_pixel {
    const float *in, *residual, *packed;
    float *out;
    vf lo, hi;
} bn_pixel;

MOP_INLINE void vector_run(const bn_pixel *t, size_t c, int lanes)
{
    const float *k = t->packed + 2 * c;
    vf y = vf_load_part(t->in + c, lanes) * vf_load(k) + vf_load(k + MOP_VL);
    if (t->residual != NULL)
        y += vf_load_part(t->residual + c, lanes);
    vf_store_part(t->out + c, vf_min(t->hi, vf_max(t->lo, y)), lanes);
}

static void run(const mop_args *args)
{
    const mop_shape s = args->inst->out;
    const mop_params *params = &args->inst->params;
    const mop_epilogue epilogue = mop_epilogue_of(params->act);
    const size_t pixel = (size_t)s.c, row = (size_t)s.w * pixel;
    for (size_t i = (size_t)args->begin * row; i < (size_t)args->end * row; i += pixel) {
        const bn_pixel t = {.in = args->in[0] + i,
                            .residual = params->has_residual ? args->in[1] + i : NULL,
                            .packed = args->packed,
                            .out = args->out + i,
                            .lo = vf_set1(epilogue.lo),
                            .hi = vf_set1(epilogue.hi)};
        size_t c = 0;
        for (; c + MOP_VL <= pixel; c += MOP_VL)
            vector_run(&t, c, MOP_VL);
        if (c < pixel)
            vector_run(&t, c, (int)(pixel - c));
        if (epilogue.span != MOP_ACT_NONE)
            vf_act_span(t.out, t.out, pixel, epilogue.span);
    }
}

static bool fits(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_BATCHNORM;
}

static size_t packed_bytes(const mop_op_inst *inst)
{
    return ((size_t)inst->in[0].c + MOP_VL - 1) / MOP_VL * 2 * MOP_VL * sizeof(float);
}

static void pack(const mop_op_inst *inst, const float *const w[MOP_MAX_WEIGHTS], void *packed)
{
    const double eps = (double)inst->params.u.bn.eps;
    float *dst = packed;
    memset(dst, 0, packed_bytes(inst));
    for (size_t c = 0; c < (size_t)inst->in[0].c; c++) {
        const double scale = (double)w[0][c] / sqrt((double)w[3][c] + eps);
        float *at = dst + c / MOP_VL * 2 * MOP_VL + c % MOP_VL;
        at[0] = (float)scale;
        at[MOP_VL] = (float)((double)w[1][c] - (double)w[2][c] * scale);
    }
}

const mop_cpu_kernel MOP_KERNEL_SYM(batchnorm) = {
    .name = "batchnorm",
    .op = MOP_OP_BATCHNORM,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .units = mop_rows_units,
    .run = run,
    .tile = {1, 1, 1, MOP_VL},
};
