/* The class token of each image, copied. Units: images. */
#include "kernels/cpu/rows.h"

static void run(const mop_args *args)
{
    const mop_shape s = args->inst->in[0];
    for (int64_t u = args->begin; u < args->end; u++)
        memcpy(args->out + u * s.c, args->in[0] + u * s.h * s.w * s.c, (size_t)s.c * sizeof(float));
}

static bool fits(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_CLASS_TOKEN;
}

const mop_cpu_kernel MOP_KERNEL_SYM(class_token) = {
    .name = "class_token",
    .op = MOP_OP_CLASS_TOKEN,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .units = mop_rows_units,
    .run = run,
    .tile = {1, 1, 1, MOP_VL},
};
