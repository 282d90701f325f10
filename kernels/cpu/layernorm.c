/* Layer normalisation: mean, variance and result in three walks over the channels of a position,
 * which stay in L1. Packed: gamma [c], beta [c]. Units: image rows. */
#include "kernels/cpu/rows.h"

enum { LN_SUMS = 4 }; /* additions side by side, so that none waits for the one before */

/* Sum of x - shift, or of its square, over the channels of one position. */
MOP_INLINE float sum_run(const float *x, int64_t channels, float shift, const bool is_square)
{
    const vf by = vf_set1(shift);
    vf sum[LN_SUMS];
    float rest = 0.0f;
    int64_t c = 0;
#pragma GCC unroll 4
    for (int i = 0; i < LN_SUMS; i++)
        sum[i] = vf_zero();
    for (; c + LN_SUMS * MOP_VL <= channels; c += LN_SUMS * MOP_VL) {
#pragma GCC unroll 4
        for (int i = 0; i < LN_SUMS; i++) {
            const vf d = vf_load(x + c + i * MOP_VL) - by;
            sum[i] += is_square ? d * d : d;
        }
    }
    for (; c + MOP_VL <= channels; c += MOP_VL) {
        const vf d = vf_load(x + c) - by;
        sum[0] += is_square ? d * d : d;
    }
    for (; c < channels; c++)
        rest += is_square ? (x[c] - shift) * (x[c] - shift) : x[c] - shift;
    return vf_sum((sum[0] + sum[1]) + (sum[2] + sum[3])) + rest;
}

static void position_run(const float *x, const float *packed, float *out, int64_t channels,
                         float eps)
{
    const float mean = sum_run(x, channels, 0.0f, false) / (float)channels;
    const float variance = sum_run(x, channels, mean, true) / (float)channels;
    const vf scale = vf_set1(1.0f / sqrtf(variance + eps)), by = vf_set1(mean);
    for (int64_t c = 0; c < channels; c += MOP_VL) {
        const int lanes = channels - c < MOP_VL ? (int)(channels - c) : MOP_VL;
        const vf gamma = vf_load_part(packed + c, lanes);
        const vf beta = vf_load_part(packed + channels + c, lanes);
        vf_store_part(out + c, (vf_load_part(x + c, lanes) - by) * scale * gamma + beta, lanes);
    }
}

static void run(const mop_args *args)
{
    const mop_shape s = args->inst->out;
    for (int64_t i = args->begin * s.w; i < args->end * s.w; i++)
        position_run(args->in[0] + i * s.c, args->packed, args->out + i * s.c, s.c,
                     args->inst->params.u.bn.eps);
}

static bool fits(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_LAYERNORM;
}

static size_t packed_bytes(const mop_op_inst *inst)
{
    return 2 * (size_t)inst->out.c * sizeof(float);
}

static void pack(const mop_op_inst *inst, const float *const w[MOP_MAX_WEIGHTS], void *packed)
{
    const size_t c = (size_t)inst->out.c;
    memcpy(packed, w[0], c * sizeof(float));
    memcpy((float *)packed + c, w[1], c * sizeof(float));
}

const mop_cpu_kernel MOP_KERNEL_SYM(layernorm) = {
    .name = "layernorm",
    .op = MOP_OP_LAYERNORM,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .units = mop_rows_units,
    .run = run,
    .tile = {1, 1, 2, LN_SUMS *MOP_VL},
};
