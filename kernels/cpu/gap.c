/* Global average pooling: vectors of channels, four side by side, over the pixels of an image. */
#include "kernels/cpu/gather.h"
#include "kernels/cpu/vmath.h"

enum { GAP_VECTORS = 4, GAP_CHANNELS = GAP_VECTORS * MOP_VL };

/* vectors is a constant of each caller; lanes belongs to the last of them. */
MOP_INLINE void sum_run(const float *in, float *out, mop_shape s, const int vectors, int lanes)
{
    const int64_t pixels = (int64_t)s.h * s.w;
    const vf scale = vf_set1(1.0f / (float)pixels);
    vf acc[GAP_VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        acc[v] = vf_zero();
    for (int64_t p = 0; p < pixels; p++, in += s.c) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            acc[v] += vf_load_part(in + v * MOP_VL, v < vectors - 1 ? MOP_VL : lanes);
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        vf_store_part(out + v * MOP_VL, acc[v] * scale, v < vectors - 1 ? MOP_VL : lanes);
}

static int64_t chunks_of(const mop_op_inst *inst)
{
    return (inst->out.c + GAP_CHANNELS - 1) / GAP_CHANNELS;
}

/* Units: images x chunks of channels. */
static void run(const mop_args *args)
{
    const mop_shape s = args->inst->in[0];
    const int64_t chunks = chunks_of(args->inst);
    for (int64_t u = args->begin; u < args->end; u++) {
        const int64_t image = u / chunks, first = u % chunks * GAP_CHANNELS;
        const int64_t end = s.c - first < GAP_CHANNELS ? s.c : first + GAP_CHANNELS;
        const float *in = args->in[0] + image * s.h * s.w * s.c;
        float *out = args->out + image * s.c;
        if (end - first == GAP_CHANNELS) {
            sum_run(in + first, out + first, s, GAP_VECTORS, MOP_VL);
            continue;
        }
        for (int64_t c = first; c < end; c += MOP_VL)
            sum_run(in + c, out + c, s, 1, end - c < MOP_VL ? (int)(end - c) : MOP_VL);
    }
}

/* Units as in run(); the sums of a producer are `rows` rows of all channels for each image. */
static void finish(const mop_args *args, int64_t rows)
{
    const mop_shape s = args->inst->in[0];
    const vf scale = vf_set1(1.0f / (float)((int64_t)s.h * s.w));
    const int64_t chunks = chunks_of(args->inst);
    for (int64_t u = args->begin; u < args->end; u++) {
        const int64_t image = u / chunks, first = u % chunks * GAP_CHANNELS;
        const int64_t n = s.c - first < GAP_CHANNELS ? s.c - first : GAP_CHANNELS;
        float *out = args->out + image * s.c + first;
        mop_gather_pixels(args->sums + image * rows * s.c + first, rows, (size_t)s.c, (size_t)n,
                          out);
        for (int64_t c = 0; c < n; c += MOP_VL) {
            const int lanes = n - c < MOP_VL ? (int)(n - c) : MOP_VL;
            vf_store_part(out + c, vf_load_part(out + c, lanes) * scale, lanes);
        }
    }
}

static bool fits(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_GAP;
}

static int64_t units(const mop_op_inst *inst)
{
    return inst->out.n * chunks_of(inst);
}

const mop_cpu_kernel MOP_KERNEL_SYM(gap) = {
    .name = "gap",
    .op = MOP_OP_GAP,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .units = units,
    .run = run,
    .finish = finish,
    .tile = {1, 1, 1, GAP_CHANNELS},
};
