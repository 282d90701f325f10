/* Softmax: maximum, exponentials with their sum, and product with its reciprocal, in three walks
 * over the channels of a position, which stay in L1. Units: image rows. */
#include "kernels/cpu/rows.h"

static float maximum(const float *x, int64_t channels)
{
    float lane[MOP_VL], top = x[0];
    int64_t c = MOP_VL;
    if (channels >= MOP_VL) {
        vf best = vf_load(x);
        for (; c + MOP_VL <= channels; c += MOP_VL)
            best = vf_max(best, vf_load(x + c));
        vf_store(lane, vf_max(best, vf_load(x + channels - MOP_VL)));
        for (int i = 0; i < MOP_VL; i++)
            top = lane[i] > top ? lane[i] : top;
        return top;
    }
    for (c = 1; c < channels; c++)
        top = x[c] > top ? x[c] : top;
    return top;
}

static void position_run(const float *x, float *out, int64_t channels)
{
    const vf top = vf_set1(maximum(x, channels));
    vf sum = vf_zero(), scale;
    for (int64_t c = 0; c < channels; c += MOP_VL) {
        const int lanes = channels - c < MOP_VL ? (int)(channels - c) : MOP_VL;
        vf_store_part(out + c, vf_exp(vf_load_part(x + c, lanes) - top), lanes);
        sum += vf_load_part(out + c, lanes); /* with zeros past the end */
    }
    scale = vf_set1(1.0f / vf_sum(sum));
    for (int64_t c = 0; c < channels; c += MOP_VL) {
        const int lanes = channels - c < MOP_VL ? (int)(channels - c) : MOP_VL;
        vf_store_part(out + c, vf_load_part(out + c, lanes) * scale, lanes);
    }
}

static void run(const mop_args *args)
{
    const mop_shape s = args->inst->out;
    for (int64_t i = args->begin * s.w; i < args->end * s.w; i++)
        position_run(args->in[0] + i * s.c, args->out + i * s.c, s.c);
}

static bool fits(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_SOFTMAX;
}

const mop_cpu_kernel MOP_KERNEL_SYM(softmax) = {
    .name = "softmax",
    .op = MOP_OP_SOFTMAX,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .units = mop_rows_units,
    .run = run,
    .tile = {1, 1, 2, MOP_VL},
};
