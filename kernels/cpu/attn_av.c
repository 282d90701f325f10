/* Attention's weighted values: for each head and panel of its channels, the values are copied side
 * by side into scratch, and all rows of weights pass over them. Units: images x heads x panels. */
#include "kernels/cpu/matmul.h"

static int64_t width_of(const mop_op_inst *inst)
{
    return inst->out.c / inst->params.u.attn.heads;
}

static int64_t panels_of(const mop_op_inst *inst)
{
    return (width_of(inst) + MATMUL_PANEL - 1) / MATMUL_PANEL;
}

static void run(const mop_args *args)
{
    const mop_op_inst *inst = args->inst;
    const ptrdiff_t d = inst->out.c, tokens = inst->in[0].c, width = width_of(inst);
    const int64_t panels = panels_of(inst), heads = inst->params.u.attn.heads;
    for (int64_t u = args->begin; u < args->end; u++) {
        const int64_t first = u % panels * MATMUL_PANEL, head = u / panels % heads;
        const int64_t image = u / panels / heads, channel = head * width + first;
        const float *v = args->in[1] + image * tokens * 3 * d + 2 * d + channel;
        const int columns = width - first < MATMUL_PANEL ? (int)(width - first) : MATMUL_PANEL;
        float *panel = args->scratch;
        const mop_matmul m = {.a = args->in[0] + (image * heads + head) * tokens * tokens,
                              .panel = panel,
                              .out = args->out + image * tokens * d + channel,
                              .rows = tokens,
                              .depth = tokens,
                              .lda = tokens,
                              .ldo = d,
                              .columns = columns};
        memset(panel, 0, (size_t)tokens * MATMUL_PANEL * sizeof(float));
        for (ptrdiff_t j = 0; j < tokens; j++)
            memcpy(panel + j * MATMUL_PANEL, v + j * 3 * d, (size_t)columns * sizeof(float));
        mop_matmul_run(&m);
    }
}

static bool fits(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_ATTN_AV;
}

static size_t scratch_bytes(const mop_op_inst *inst)
{
    return (size_t)inst->in[0].c * MATMUL_PANEL * sizeof(float);
}

static int64_t units(const mop_op_inst *inst)
{
    return inst->out.n * inst->params.u.attn.heads * panels_of(inst);
}

const mop_cpu_kernel MOP_KERNEL_SYM(attn_av) = {
    .name = "attn_av",
    .op = MOP_OP_ATTN_AV,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .scratch_bytes = scratch_bytes,
    .units = units,
    .run = run,
    .tile = {1, 1, MATMUL_ROWS, MATMUL_PANEL},
};
