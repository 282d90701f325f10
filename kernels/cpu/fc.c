/* Fully connected layer, one row of inputs at a time: bound by how fast the weights stream in, so
 * they are packed in the order of use, and enough vectors of outputs are summed side by side that
 * the additions never wait for each other.
 *
 * Packed: panels of FC_VECTORS vectors (the last as many as are left): bias[width], w[cin][width].
 */
#include "kernels/cpu/vmath.h"

#if MOP_VL > 1
enum { FC_VECTORS = 8 };
#else
enum { FC_VECTORS = 4 };
#endif

enum { FC_PANEL = FC_VECTORS * MOP_VL };

typedef struct fc_row {
    const float *in, *panel;
    float *out;
    int32_t cin;
    int lanes; /* of the last vector */
    float lo, hi;
} fc_row;

/* vectors is a constant of each caller. */
MOP_INLINE void row_run(const fc_row *t, const int vectors)
{
    vf acc[FC_VECTORS];
    const float *w = t->panel;
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++)
        acc[v] = vf_load(w + v * MOP_VL);
    for (ptrdiff_t k = 0; k < t->cin; k++) {
        const vf x = vf_set1(t->in[k]);
        w += vectors * MOP_VL;
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            acc[v] += x * vf_load(w + v * MOP_VL);
    }
    const vf lo = vf_set1(t->lo), hi = vf_set1(t->hi);
    float *out = t->out;
    const int last = t->lanes;
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++)
        vf_store_part(out + v * MOP_VL, vf_min(hi, vf_max(lo, acc[v])),
                      v < vectors - 1 ? MOP_VL : last);
}

typedef void fc_row_fn(const fc_row *t);

#define FC_ROW(vectors)                                                                            \
    static void row_##vectors(const fc_row *t)                                                     \
    {                                                                                              \
        row_run(t, vectors);                                                                       \
    }
FC_ROW(1)
FC_ROW(2)
FC_ROW(3)
FC_ROW(4)
#if MOP_VL > 1
FC_ROW(5)
FC_ROW(6)
FC_ROW(7)
FC_ROW(8)
#endif

/* [vectors - 1] */
static fc_row_fn *const fc_rows[FC_VECTORS] = {
    row_1, row_2, row_3, row_4,
#if MOP_VL > 1
    row_5, row_6, row_7, row_8,
#endif
};

static int64_t panels_of(const mop_op_inst *inst)
{
    return (inst->out.c + FC_PANEL - 1) / FC_PANEL;
}

/* Units: panels x rows, the row fastest. */
static void run(const mop_args *args)
{
    const mop_epilogue epilogue = mop_epilogue_of(args->inst->params.act);
    const int32_t cin = args->inst->in[0].c, cout = args->inst->out.c, n = args->inst->out.n;
    for (int64_t u = args->begin; u < args->end; u++) {
        const int64_t panel = u / n, row = u % n, channel = panel * FC_PANEL;
        const int32_t left = cout - (int32_t)channel, width = left < FC_PANEL ? left : FC_PANEL;
        const int32_t vectors = (width + MOP_VL - 1) / MOP_VL;
        const fc_row t = {.in = args->in[0] + row * cin,
                          .panel = (const float *)args->packed + channel * (cin + 1),
                          .out = args->out + row * cout + channel,
                          .cin = cin,
                          .lanes = width - (vectors - 1) * MOP_VL,
                          .lo = epilogue.lo,
                          .hi = epilogue.hi};
        fc_rows[vectors - 1](&t);
        if (epilogue.span != MOP_ACT_NONE)
            vf_act_span(t.out, t.out, (size_t)width, epilogue.span);
    }
}

static bool fits(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_FC;
}

static size_t packed_bytes(const mop_op_inst *inst)
{
    const size_t vectors = ((size_t)inst->out.c + MOP_VL - 1) / MOP_VL;
    return vectors * MOP_VL * ((size_t)inst->in[0].c + 1) * sizeof(float);
}

static void pack(const mop_op_inst *inst, const float *const w[MOP_MAX_WEIGHTS], void *packed)
{
    const size_t cin = (size_t)inst->in[0].c, cout = (size_t)inst->out.c;
    float *dst = packed;
    memset(dst, 0, packed_bytes(inst));
    for (size_t c = 0; c < cout; c++) {
        const size_t first = c / FC_PANEL * FC_PANEL, left = cout - first;
        const size_t vectors = ((left < FC_PANEL ? left : FC_PANEL) + MOP_VL - 1) / MOP_VL;
        float *at = dst + first * (cin + 1) + (c - first);
        if (inst->params.u.fc.has_bias)
            at[0] = w[1][c];
        for (size_t k = 0; k < cin; k++)
            at[(k + 1) * vectors * MOP_VL] = w[0][c * cin + k];
    }
}

static int64_t units(const mop_op_inst *inst)
{
    return panels_of(inst) * inst->out.n;
}

const mop_cpu_kernel MOP_KERNEL_SYM(fc) = {
    .name = "fc",
    .op = MOP_OP_FC,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .units = units,
    .run = run,
    .tile = {1, 1, 1, FC_PANEL},
};
