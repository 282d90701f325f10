/* Any convolution as an indirect matrix product (Dukhan 2019, "The Indirect Convolution
 * Algorithm").
 *
 * Output pixels are rows of a matrix (n oh ow rows), output channels its columns. A tile of up to
 * MOP_GEMM_ROWS rows x 1..3 vectors of channels is kept in registers; for each of its rows a table
 * gives the address of the input pixel under each tap, a row of zeros where the tap lies outside
 * the image. Columns go in panels of two vectors, the last of which is three vectors wide if their
 * number is odd, so a narrow leftover never runs alone (only its last vector is masked). Rows of a
 * block are cut in tiles of nearly equal height for the same reason: 49 pixels are 4 x 6 + 5 x 5.
 *
 * Order: blocks of rows x panels; a panel of weights stays in L1 while the block's rows, from L2,
 * pass under it. Bias is what the sums start from; residual and clamp are applied before the store.
 *
 * Two ways to see the taps: (ky, kx) each with the group's channels, or, for few input channels
 * (stems), (ky) with kw * cin consecutive values of the image row; pixels whose row reaches over
 * the edge are copied with their zeros into scratch.
 *
 * Packed: for each group, for each panel: bias[width], w[taps * depth][width]; then the zero row.
 */
#include "kernels/cpu/vmath.h"

#if MOP_VL == 16
enum { GEMM_ROWS_1 = 14, GEMM_ROWS_2 = 14, GEMM_ROWS_3 = 9, GEMM_BLOCK = 112 };
#elif MOP_VL == 8
enum { GEMM_ROWS_1 = 8, GEMM_ROWS_2 = 6, GEMM_ROWS_3 = 4, GEMM_BLOCK = 96 };
#else
enum { GEMM_ROWS_1 = 4, GEMM_ROWS_2 = 4, GEMM_ROWS_3 = 3, GEMM_BLOCK = 32 };
#endif

enum { GEMM_PANEL = 2 * MOP_VL, GEMM_ROW_TAP_CHANNELS = 16 };

/* What the shapes decide. */
typedef struct gemm_geometry {
    int32_t taps, depth; /* of a sum: taps * depth products */
    bool row_taps;       /* a tap is an image row of the window */
    int32_t cin, cout;   /* of one group */
    int32_t vectors;     /* of one group's output channels */
    int32_t panels;
    int64_t rows, blocks;
    size_t group_floats; /* packed, of one group */
} gemm_geometry;

static gemm_geometry geometry_of(const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    gemm_geometry g = {.cin = inst->in[0].c / p->groups, .cout = p->cout / p->groups};
    g.row_taps = p->groups == 1 && p->dilation == 1 && p->kw > 1 && g.cin <= GEMM_ROW_TAP_CHANNELS;
    g.taps = g.row_taps ? p->kh : p->kh * p->kw;
    g.depth = g.row_taps ? p->kw * g.cin : g.cin;
    g.vectors = (g.cout + MOP_VL - 1) / MOP_VL;
    g.panels = g.vectors == 1 ? 1 : g.vectors / 2;
    g.rows = (int64_t)inst->out.n * inst->out.h * inst->out.w;
    g.blocks = (g.rows + GEMM_BLOCK - 1) / GEMM_BLOCK;
    g.group_floats = (size_t)g.vectors * MOP_VL * ((size_t)g.taps * (size_t)g.depth + 1);
    return g;
}

static int32_t panel_vectors(const gemm_geometry *g, int32_t panel)
{
    return panel < g->panels - 1 ? 2 : g->vectors - 2 * (g->panels - 1);
}

static size_t panel_offset(const gemm_geometry *g, int32_t panel)
{
    return (size_t)panel * GEMM_PANEL * ((size_t)g->taps * (size_t)g->depth + 1);
}

/* --- one tile ------------------------------------------------------------------------------------
 */

typedef struct gemm_tile {
    const float *const *rows; /* [taps][block_rows], at the tile's first row */
    int64_t block_rows;
    int32_t taps, depth;
    const float *panel;
    const float *residual; /* NULL: none; as out */
    float *out;            /* first row, first channel of the panel */
    size_t ld;             /* floats from row to row of out and residual */
    int32_t last;          /* channels of the last vector */
    float lo, hi;
} gemm_tile;

/* height and vectors are constants of each caller, so that the sums live in registers. */
MOP_INLINE void tile_run(const gemm_tile *t, const int height, const int vectors)
{
    vf acc[GEMM_ROWS_1][3];
    const float *w = t->panel;
#pragma GCC unroll 16
    for (int r = 0; r < height; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            acc[r][v] = vf_load(w + v * MOP_VL);
    w += vectors * MOP_VL;
    for (int32_t tap = 0; tap < t->taps; tap++) {
        const float *a[GEMM_ROWS_1];
#pragma GCC unroll 16
        for (int r = 0; r < height; r++)
            a[r] = t->rows[tap * t->block_rows + r];
        for (ptrdiff_t k = 0; k < t->depth; k++) {
            vf b[3];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                b[v] = vf_load(w + v * MOP_VL);
#pragma GCC unroll 16
            for (int r = 0; r < height; r++) {
                vf x = vf_set1(a[r][k]);
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++)
                    acc[r][v] += x * b[v];
            }
            w += vectors * MOP_VL;
        }
    }
    /* copies: the stores below could otherwise change *t for all the compiler knows */
    const vf lo = vf_set1(t->lo), hi = vf_set1(t->hi);
    const float *residual = t->residual;
    float *out = t->out;
    const size_t ld = t->ld;
    const int last = t->last;
#pragma GCC unroll 16
    for (int r = 0; r < height; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            const int lanes = v < vectors - 1 ? MOP_VL : last;
            vf y = acc[r][v];
            if (residual != NULL)
                y += vf_load_part(residual + v * MOP_VL, lanes);
            vf_store_part(out + v * MOP_VL, vf_min(hi, vf_max(lo, y)), lanes);
        }
        out += ld;
        residual = residual != NULL ? residual + ld : NULL;
    }
}

typedef void gemm_tile_fn(const gemm_tile *t);

#define GEMM_TILE(height, vectors)                                                                 \
    static void tile_##height##x##vectors(const gemm_tile *t)                                      \
    {                                                                                              \
        tile_run(t, height, vectors);                                                              \
    }
#define GEMM_TILES_3(v) GEMM_TILE(1, v) GEMM_TILE(2, v) GEMM_TILE(3, v)
#define GEMM_TILES_4(v) GEMM_TILES_3(v) GEMM_TILE(4, v)
#define GEMM_TILES_6(v) GEMM_TILES_4(v) GEMM_TILE(5, v) GEMM_TILE(6, v)
#define GEMM_TILES_8(v) GEMM_TILES_6(v) GEMM_TILE(7, v) GEMM_TILE(8, v)
#define GEMM_TILES_9(v) GEMM_TILES_8(v) GEMM_TILE(9, v)
#define GEMM_TILES_14(v)                                                                           \
    GEMM_TILES_9(v)                                                                                \
    GEMM_TILE(10, v) GEMM_TILE(11, v) GEMM_TILE(12, v) GEMM_TILE(13, v) GEMM_TILE(14, v)
#define GEMM_ROW_3(v) tile_1x##v, tile_2x##v, tile_3x##v
#define GEMM_ROW_4(v) GEMM_ROW_3(v), tile_4x##v
#define GEMM_ROW_6(v) GEMM_ROW_4(v), tile_5x##v, tile_6x##v
#define GEMM_ROW_8(v) GEMM_ROW_6(v), tile_7x##v, tile_8x##v
#define GEMM_ROW_9(v) GEMM_ROW_8(v), tile_9x##v
#define GEMM_ROW_14(v)                                                                             \
    GEMM_ROW_9(v), tile_10x##v, tile_11x##v, tile_12x##v, tile_13x##v, tile_14x##v

#if MOP_VL == 16
GEMM_TILES_14(1)
GEMM_TILES_14(2)
GEMM_TILES_9(3)
#define GEMM_TABLE                                                                                 \
    {GEMM_ROW_14(1)}, {GEMM_ROW_14(2)},                                                            \
    {                                                                                              \
        GEMM_ROW_9(3)                                                                              \
    }
#elif MOP_VL == 8
GEMM_TILES_8(1)
GEMM_TILES_6(2)
GEMM_TILES_4(3)
#define GEMM_TABLE                                                                                 \
    {GEMM_ROW_8(1)}, {GEMM_ROW_6(2)},                                                              \
    {                                                                                              \
        GEMM_ROW_4(3)                                                                              \
    }
#else
GEMM_TILES_4(1)
GEMM_TILES_4(2)
GEMM_TILES_3(3)
#define GEMM_TABLE                                                                                 \
    {GEMM_ROW_4(1)}, {GEMM_ROW_4(2)},                                                              \
    {                                                                                              \
        GEMM_ROW_3(3)                                                                              \
    }
#endif

    /* [vectors - 1][height - 1] */
    static gemm_tile_fn *const gemm_tiles[3][GEMM_ROWS_1] = {GEMM_TABLE};

/* --- the table of input pixels -------------------------------------------------------------------
 */

typedef struct gemm_block {
    int64_t first, rows;
    const float **table; /* [taps][rows] */
    float *patches;      /* row taps only: [rows][taps][depth] */
} gemm_block;

static void table_tap(const mop_args *args, const gemm_block *b, int64_t r, const float *in,
                      const float *zeros, int64_t iy0, int64_t ix0)
{
    const mop_conv_params *p = &args->inst->params.u.conv;
    const mop_shape s = args->inst->in[0];
    int32_t tap = 0;
    for (int32_t ky = 0; ky < p->kh; ky++) {
        int64_t iy = iy0 + (int64_t)ky * p->dilation;
        bool row_inside = iy >= 0 && iy < s.h;
        for (int32_t kx = 0; kx < p->kw; kx++, tap++) {
            int64_t ix = ix0 + (int64_t)kx * p->dilation;
            bool inside = row_inside && ix >= 0 && ix < s.w;
            b->table[tap * b->rows + r] = inside ? in + (iy * s.w + ix) * s.c : zeros;
        }
    }
}

static void table_row_tap(const mop_args *args, const gemm_geometry *g, const gemm_block *b,
                          int64_t r, const float *in, const float *zeros, int64_t iy0, int64_t ix0)
{
    const mop_conv_params *p = &args->inst->params.u.conv;
    const mop_shape s = args->inst->in[0];
    const int64_t x_begin = ix0 < 0 ? 0 : ix0, x_end = ix0 + p->kw > s.w ? s.w : ix0 + p->kw;
    for (int32_t ky = 0; ky < p->kh; ky++) {
        const int64_t iy = iy0 + ky;
        const float **entry = &b->table[ky * b->rows + r];
        if (iy < 0 || iy >= s.h || x_begin >= x_end) {
            *entry = zeros;
        } else if (x_end - x_begin == p->kw) {
            *entry = in + (iy * s.w + ix0) * s.c;
        } else {
            float *patch = b->patches + (r * g->taps + ky) * g->depth;
            memset(patch, 0, (size_t)g->depth * sizeof(float));
            memcpy(patch + (x_begin - ix0) * s.c, in + (iy * s.w + x_begin) * s.c,
                   (size_t)(x_end - x_begin) * (size_t)s.c * sizeof(float));
            *entry = patch;
        }
    }
}

static void table_fill(const mop_args *args, const gemm_geometry *g, const gemm_block *b,
                       int32_t group, const float *zeros)
{
    const mop_conv_params *p = &args->inst->params.u.conv;
    const mop_shape s = args->inst->in[0], o = args->inst->out;
    const float *base = args->in[0] + (int64_t)group * g->cin;
    if (p->kh * p->kw == 1 && p->stride == 1 && s.h == o.h && s.w == o.w) {
        for (int64_t r = 0; r < b->rows; r++)
            b->table[r] = base + (b->first + r) * s.c;
        return;
    }
    for (int64_t r = 0; r < b->rows; r++) {
        int64_t pixel = b->first + r, line = pixel / o.w;
        int64_t ix0 = pixel % o.w * p->stride - p->pad_left;
        int64_t iy0 = line % o.h * p->stride - p->pad_top;
        const float *in = base + line / o.h * s.h * s.w * s.c;
        if (g->row_taps)
            table_row_tap(args, g, b, r, in, zeros, iy0, ix0);
        else
            table_tap(args, b, r, in, zeros, iy0, ix0);
    }
}

/* --- the kernel
 * ------------------------------------------------------------------------------------ */

static void panel_run(const mop_args *args, const gemm_geometry *g, const gemm_block *b,
                      int32_t group, int32_t panel)
{
    static const int32_t most[3] = {GEMM_ROWS_1, GEMM_ROWS_2, GEMM_ROWS_3};
    const mop_params *params = &args->inst->params;
    const mop_epilogue epilogue = mop_epilogue_of(params->act);
    const int32_t vectors = panel_vectors(g, panel);
    const int32_t channel = panel * GEMM_PANEL;
    const int32_t width =
        g->cout - channel < vectors * MOP_VL ? g->cout - channel : vectors * MOP_VL;
    const int64_t tiles = (b->rows + most[vectors - 1] - 1) / most[vectors - 1];
    const size_t ld = (size_t)args->inst->out.c;
    const size_t at = (size_t)b->first * ld + (size_t)group * (size_t)g->cout + (size_t)channel;
    const float *residual = params->has_residual ? args->in[1] + at : NULL;
    gemm_tile t = {.block_rows = b->rows,
                   .taps = g->taps,
                   .depth = g->depth,
                   .panel = (const float *)args->packed + (size_t)group * g->group_floats +
                            panel_offset(g, panel),
                   .ld = ld,
                   .last = width - (vectors - 1) * MOP_VL,
                   .lo = epilogue.lo,
                   .hi = epilogue.hi};
    for (int64_t i = 0; i < tiles; i++) {
        const int64_t row = b->rows * i / tiles, end = b->rows * (i + 1) / tiles;
        t.rows = b->table + row;
        t.out = args->out + at + (size_t)row * ld;
        t.residual = residual != NULL ? residual + (size_t)row * ld : NULL;
        gemm_tiles[vectors - 1][end - row - 1](&t);
        if (epilogue.span != MOP_ACT_NONE)
            for (int64_t r = 0; r < end - row; r++)
                vf_act_span(t.out + (size_t)r * ld, t.out + (size_t)r * ld, (size_t)width,
                            epilogue.span);
    }
}

/* Units: groups x blocks of rows x panels, the panel fastest. */
static void run(const mop_args *args)
{
    const gemm_geometry g = geometry_of(args->inst);
    const int32_t groups = args->inst->params.u.conv.groups;
    const float *zeros = (const float *)args->packed + (size_t)groups * g.group_floats;
    gemm_block b = {.first = -1, .table = args->scratch};
    int32_t group_of_table = -1;
    b.patches = (float *)args->scratch +
                (size_t)GEMM_BLOCK * (size_t)g.taps * sizeof(float *) / sizeof(float);
    for (int64_t u = args->begin; u < args->end; u++) {
        const int32_t panel = (int32_t)(u % g.panels);
        const int64_t block = u / g.panels % g.blocks;
        const int32_t group = (int32_t)(u / g.panels / g.blocks);
        const int64_t first = g.rows * block / g.blocks;
        if (first != b.first || group != group_of_table) {
            b.first = first;
            b.rows = g.rows * (block + 1) / g.blocks - first;
            group_of_table = group;
            table_fill(args, &g, &b, group, zeros);
        }
        panel_run(args, &g, &b, group, panel);
    }
}

static bool fits(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_CONV2D;
}

static size_t packed_bytes(const mop_op_inst *inst)
{
    const gemm_geometry g = geometry_of(inst);
    return ((size_t)inst->params.u.conv.groups * g.group_floats + (size_t)g.depth) * sizeof(float);
}

static void pack(const mop_op_inst *inst, const float *const w[MOP_MAX_WEIGHTS], void *packed)
{
    const mop_conv_params *p = &inst->params.u.conv;
    const gemm_geometry g = geometry_of(inst);
    const size_t products = (size_t)g.taps * (size_t)g.depth;
    float *dst = packed;
    for (int32_t group = 0; group < p->groups; group++)
        for (int32_t panel = 0; panel < g.panels; panel++) {
            const int32_t width = panel_vectors(&g, panel) * MOP_VL;
            for (int32_t i = 0; i < width; i++) {
                const int32_t channel = panel * GEMM_PANEL + i;
                const size_t c = (size_t)group * (size_t)g.cout + (size_t)channel;
                const bool real = channel < g.cout;
                dst[i] = real && p->has_bias ? w[1][c] : 0.0f;
                for (size_t k = 0; k < products; k++)
                    dst[(k + 1) * (size_t)width + (size_t)i] = real ? w[0][c * products + k] : 0.0f;
            }
            dst += (size_t)width * (products + 1);
        }
    memset(dst, 0, (size_t)g.depth * sizeof(float));
}

static size_t scratch_bytes(const mop_op_inst *inst)
{
    const gemm_geometry g = geometry_of(inst);
    size_t bytes = (size_t)GEMM_BLOCK * (size_t)g.taps * sizeof(float *);
    if (g.row_taps)
        bytes += (size_t)GEMM_BLOCK * (size_t)g.taps * (size_t)g.depth * sizeof(float);
    return bytes;
}

static int64_t units(const mop_op_inst *inst)
{
    const gemm_geometry g = geometry_of(inst);
    return inst->params.u.conv.groups * g.blocks * g.panels;
}

const mop_cpu_kernel MOP_KERNEL_SYM(conv_gemm) = {
    .name = "conv_gemm",
    .op = MOP_OP_CONV2D,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .units = units,
    .run = run,
    .tile = {1, 1, GEMM_ROWS_2, GEMM_PANEL},
};
