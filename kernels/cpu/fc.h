/* Product of a matrix of weights with few rows of inputs, for the fully connected layer and for the
 * convolution that is one. It is bound by how fast the weights stream in: they are packed in the
 * order of use and up to FC_ROWS rows are done in one pass over them. A row alone reads FC_STREAMS
 * parts of its panel side by side, since one stream does not fill the way from memory (hardware
 * fetches ahead in each of them). Where the outputs of a tile are too few to hide the latency of
 * an addition, each is the sum of several sums.
 *
 * Packed: panels of FC_VECTORS vectors (the last as many as are left): bias[width], w[cin][width].
 */
#ifndef KERNELS_CPU_FC_H
#define KERNELS_CPU_FC_H

#include "kernels/cpu/vmath.h"

/* FC_ROWS x FC_VECTORS sums, the rows' inputs and a vector of weights fill the registers. */
#if MOP_WIDE
enum { FC_VECTORS = 8 };
#else
enum { FC_VECTORS = 4 };
#endif

enum {
    FC_PANEL = FC_VECTORS * MOP_VL,
    FC_ROWS = 3,
    FC_GROUP = 4 * FC_ROWS, /* rows of a unit: its panel is drawn into the cache once for them */
    FC_SUMS = 8,            /* additions that are under way at a time */
    FC_STREAMS = 4,
    FC_LONG = 128 /* inputs from which the streams pay */
};

/* out[rows][cout] = in[rows][cin] w^T + bias (+ residual[rows][cout]). */
typedef struct fc_product {
    int64_t rows;
    ptrdiff_t cin;
    int32_t cout;
} fc_product;

static fc_product fc_product_of(const mop_op_inst *inst)
{
    const mop_shape in = inst->in[0];
    return (fc_product){in.n, (ptrdiff_t)in.h * in.w * in.c, inst->out.c};
}

/* One panel under neighbouring rows. */
typedef struct fc_tile {
    const float *in, *panel, *residual; /* residual: NULL, or as out */
    float *out;
    ptrdiff_t cin, cout;
    int last; /* lanes of the last vector */
    float lo, hi;
} fc_tile;

/* The sums of a tile over whole steps of `parts` products each, into `chains` sums for each output;
 * rows, vectors, chains and parts are constants of each caller. Product k of part p is number
 * p * part + k, so the parts are that many streams. Returns how many products are done. */
MOP_INLINE ptrdiff_t fc_sum(const fc_tile *t, vf *sum, const int rows, const int vectors,
                            const int chains, const int parts)
{
    const ptrdiff_t part = t->cin / parts, step = part * vectors * MOP_VL;
    const float *x = t->in, *w = t->panel + vectors * MOP_VL;
    for (ptrdiff_t k = 0; k < part; k++, x++, w += vectors * MOP_VL) {
#pragma GCC unroll 8
        for (int p = 0; p < parts; p++) {
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) {
                const vf weight = vf_load(w + p * step + v * MOP_VL);
#pragma GCC unroll 4
                for (int r = 0; r < rows; r++)
                    sum[(p % chains * rows + r) * vectors + v] +=
                        vf_set1(x[r * t->cin + p * part]) * weight;
            }
        }
    }
    return parts * part;
}

/* rows and vectors are constants of each caller. */
MOP_INLINE void fc_tile_run(const fc_tile *t, const int rows, const int vectors)
{
    enum { MOST = FC_SUMS > FC_ROWS * FC_VECTORS ? FC_SUMS : FC_ROWS * FC_VECTORS };
    const int tile = rows * vectors, wanted = tile < FC_SUMS ? FC_SUMS / tile : 1;
    const int chains = wanted < FC_STREAMS ? wanted : FC_STREAMS;
    vf sum[MOST];
#pragma GCC unroll 32
    for (int i = 0; i < chains * tile; i++)
        sum[i] = i < tile ? vf_load(t->panel + i % vectors * MOP_VL) : vf_zero();
    ptrdiff_t k = rows == 1 && t->cin >= FC_LONG ? fc_sum(t, sum, rows, vectors, chains, FC_STREAMS)
                                                 : fc_sum(t, sum, rows, vectors, chains, chains);
    for (; k < t->cin; k++) {
        const float *w = t->panel + (k + 1) * vectors * MOP_VL;
#pragma GCC unroll 32
        for (int i = 0; i < tile; i++)
            sum[i] += vf_set1(t->in[i / vectors * t->cin + k]) * vf_load(w + i % vectors * MOP_VL);
    }
#pragma GCC unroll 4
    for (int c = 1; c < chains; c++) {
#pragma GCC unroll 32
        for (int i = 0; i < tile; i++)
            sum[i] += sum[c * tile + i];
    }
    const vf lo = vf_set1(t->lo), hi = vf_set1(t->hi);
#pragma GCC unroll 32
    for (int i = 0; i < tile; i++) {
        const int lanes = i % vectors < vectors - 1 ? MOP_VL : t->last;
        const ptrdiff_t at = i / vectors * t->cout + i % vectors * MOP_VL;
        if (t->residual != NULL)
            sum[i] += vf_load_part(t->residual + at, lanes);
        vf_store_part(t->out + at, vf_min(hi, vf_max(lo, sum[i])), lanes);
    }
}

typedef void fc_tile_fn(const fc_tile *t);

#define FC_TILE(rows, vectors)                                                                     \
    static void fc_tile_##rows##x##vectors(const fc_tile *t)                                       \
    {                                                                                              \
        fc_tile_run(t, rows, vectors);                                                             \
    }
#define FC_TILES(vectors) FC_TILE(1, vectors) FC_TILE(2, vectors) FC_TILE(3, vectors)
#define FC_OF_WIDTH(vectors)                                                                       \
    {                                                                                              \
        fc_tile_1x##vectors, fc_tile_2x##vectors, fc_tile_3x##vectors                              \
    }

FC_TILES(1)
FC_TILES(2)
FC_TILES(3)
FC_TILES(4)
#if MOP_WIDE
FC_TILES(5)
FC_TILES(6)
FC_TILES(7)
FC_TILES(8)
#endif

/* [vectors - 1][rows - 1] */
static fc_tile_fn *const fc_tiles[FC_VECTORS][FC_ROWS] = {
    FC_OF_WIDTH(1), FC_OF_WIDTH(2), FC_OF_WIDTH(3), FC_OF_WIDTH(4),
#if MOP_WIDE
    FC_OF_WIDTH(5), FC_OF_WIDTH(6), FC_OF_WIDTH(7), FC_OF_WIDTH(8),
#endif
};

static int64_t fc_groups(const fc_product *f)
{
    return (f->rows + FC_GROUP - 1) / FC_GROUP;
}

/* Rows [begin, end) under the panel that begins at channel; t has what all panels share. */
static void fc_panel(const mop_args *args, const fc_product *f, fc_tile *t, int32_t channel,
                     int64_t begin, int64_t end)
{
    const mop_act span = mop_epilogue_of(args->inst->params.act).span;
    const int32_t left = f->cout - channel, width = left < FC_PANEL ? left : FC_PANEL;
    const int32_t vectors = (width + MOP_VL - 1) / MOP_VL;
    t->panel = (const float *)args->packed + channel * (f->cin + 1);
    t->last = width - (vectors - 1) * MOP_VL;
    for (int64_t row = begin, rows; row < end; row += rows) {
        const int64_t at = row * f->cout + channel;
        rows = end - row < FC_ROWS ? end - row : FC_ROWS;
        rows = end - row == FC_ROWS + 1 ? FC_ROWS - 1 : rows; /* no row alone */
        t->in = args->in[0] + row * f->cin;
        t->residual = args->inst->params.has_residual ? args->in[1] + at : NULL;
        t->out = args->out + at;
        fc_tiles[vectors - 1][rows - 1](t);
        for (int64_t r = 0; r < rows && span != MOP_ACT_NONE; r++)
            vf_act_span(t->out + r * f->cout, t->out + r * f->cout, (size_t)width, span);
    }
}

/* --- what a kernel needs ------------------------------------------------------------------- */

static void fc_run(const mop_args *args)
{
    const fc_product f = fc_product_of(args->inst);
    const mop_epilogue epilogue = mop_epilogue_of(args->inst->params.act);
    const int64_t groups = fc_groups(&f);
    fc_tile t = {.cin = f.cin, .cout = f.cout, .lo = epilogue.lo, .hi = epilogue.hi};
    int64_t panel = args->begin / groups, group = args->begin % groups;
    for (int64_t u = args->begin; u < args->end; u++) {
        const int64_t begin = group * FC_GROUP, left = f.rows - begin;
        fc_panel(args, &f, &t, (int32_t)panel * FC_PANEL, begin,
                 begin + (left < FC_GROUP ? left : FC_GROUP));
        group = group + 1 < groups ? group + 1 : 0;
        panel += group == 0;
    }
}

/* Panels x groups of rows, the group fastest. */
static int64_t fc_units(const mop_op_inst *inst)
{
    const fc_product f = fc_product_of(inst);
    return (f.cout + FC_PANEL - 1) / FC_PANEL * fc_groups(&f);
}

static size_t fc_packed_bytes(const mop_op_inst *inst)
{
    const fc_product f = fc_product_of(inst);
    const size_t vectors = ((size_t)f.cout + MOP_VL - 1) / MOP_VL;
    return vectors * MOP_VL * ((size_t)f.cin + 1) * sizeof(float);
}

static void fc_pack(const mop_op_inst *inst, const float *const w[MOP_MAX_WEIGHTS], void *packed)
{
    const mop_params *p = &inst->params;
    const bool has_bias = inst->op == MOP_OP_FC ? p->u.fc.has_bias : p->u.conv.has_bias;
    const fc_product f = fc_product_of(inst);
    const size_t cin = (size_t)f.cin, cout = (size_t)f.cout;
    float *dst = packed;
    memset(dst, 0, fc_packed_bytes(inst));
    for (size_t c = 0; c < cout; c++) {
        const size_t first = c / FC_PANEL * FC_PANEL, left = cout - first;
        const size_t vectors = ((left < FC_PANEL ? left : FC_PANEL) + MOP_VL - 1) / MOP_VL;
        float *at = dst + first * (cin + 1) + (c - first);
        if (has_bias)
            at[0] = w[1][c];
        for (size_t k = 0; k < cin; k++)
            at[(k + 1) * vectors * MOP_VL] = w[0][c * cin + k];
    }
}

#endif
