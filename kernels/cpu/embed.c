/* Class token and position embeddings: one addition for each value. Packed: class token [c],
 * positions [tokens][c]. Units: tokens over all images. */
#include "kernels/cpu/rows.h"

static void run(const mop_args *args)
{
    const mop_shape s = args->inst->out;
    const float *class_token = args->packed, *positions = class_token + s.c;
    for (int64_t u = args->begin; u < args->end; u++) {
        const int64_t token = u % s.h, image = u / s.h;
        const float *in =
            token == 0 ? class_token : args->in[0] + (image * (s.h - 1) + token - 1) * s.c;
        const float *position = positions + token * s.c;
        float *out = args->out + u * s.c;
        for (int64_t c = 0; c < s.c; c += MOP_VL) {
            const int lanes = s.c - c < MOP_VL ? (int)(s.c - c) : MOP_VL;
            vf_store_part(out + c, vf_load_part(in + c, lanes) + vf_load_part(position + c, lanes),
                          lanes);
        }
    }
}

static bool fits(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_EMBED;
}

static size_t packed_bytes(const mop_op_inst *inst)
{
    return (size_t)(inst->out.h + 1) * (size_t)inst->out.c * sizeof(float);
}

static void pack(const mop_op_inst *inst, const float *const w[MOP_MAX_WEIGHTS], void *packed)
{
    const size_t c = (size_t)inst->out.c;
    memcpy(packed, w[0], c * sizeof(float));
    memcpy((float *)packed + c, w[1], (size_t)inst->out.h * c * sizeof(float));
}

const mop_cpu_kernel MOP_KERNEL_SYM(embed) = {
    .name = "embed",
    .op = MOP_OP_EMBED,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .units = mop_rows_units,
    .run = run,
    .tile = {1, 1, 1, MOP_VL},
};
