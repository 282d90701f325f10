/* Attention scores: for each head and panel of keys, the keys are transposed into scratch with
 * their scale, and all queries pass over them. Units: images x heads x panels of keys. */
#include "kernels/cpu/matmul.h"

static int64_t panels_of(const mop_op_inst *inst)
{
    return (inst->out.c + MATMUL_PANEL - 1) / MATMUL_PANEL;
}

/* panel[width][MATMUL_PANEL] of the keys at k, `columns` of them; the others are zero. */
static void transpose(const float *k, ptrdiff_t step, ptrdiff_t width, int columns, float *panel)
{
    const float scale = 1.0f / sqrtf((float)width);
    for (ptrdiff_t i = 0; i < width; i++, panel += MATMUL_PANEL)
        for (int j = 0; j < MATMUL_PANEL; j++)
            panel[j] = j < columns ? k[j * step + i] * scale : 0.0f;
}

static void run(const mop_args *args)
{
    const mop_shape s = args->inst->out;
    const ptrdiff_t c = args->inst->in[0].c, width = c / 3 / s.h;
    const int64_t panels = panels_of(args->inst);
    for (int64_t u = args->begin; u < args->end; u++) {
        const int64_t key = u % panels * MATMUL_PANEL, head = u / panels % s.h;
        const int64_t image = u / panels / s.h;
        const float *q = args->in[0] + image * s.w * c + head * width;
        const int columns = s.c - key < MATMUL_PANEL ? (int)(s.c - key) : MATMUL_PANEL;
        const mop_matmul m = {.a = q,
                              .panel = args->scratch,
                              .out = args->out + (image * s.h + head) * s.w * s.c + key,
                              .rows = s.w,
                              .depth = width,
                              .lda = c,
                              .ldo = s.c,
                              .columns = columns};
        transpose(q + c / 3 + key * c, c, width, columns, args->scratch);
        mop_matmul_run(&m);
    }
}

static bool fits(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_ATTN_QK;
}

static size_t scratch_bytes(const mop_op_inst *inst)
{
    return (size_t)(inst->in[0].c / 3 / inst->out.h) * MATMUL_PANEL * sizeof(float);
}

static int64_t units(const mop_op_inst *inst)
{
    return (int64_t)inst->out.n * inst->out.h * panels_of(inst);
}

const mop_cpu_kernel MOP_KERNEL_SYM(attn_qk) = {
    .name = "attn_qk",
    .op = MOP_OP_ATTN_QK,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .scratch_bytes = scratch_bytes,
    .units = units,
    .run = run,
    .tile = {1, 1, MATMUL_ROWS, MATMUL_PANEL},
};
