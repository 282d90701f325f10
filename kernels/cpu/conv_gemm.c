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
 * pass under it and, where the weights are too many for L2, the next panel is drawn into it. Bias
 * is what the sums start from; residual and clamp are applied before the store.
 *
 * Two ways to see the taps: (ky, kx) each with the group's channels, or, for few input channels
 * (stems), (ky) with kw * cin consecutive values of the image row; pixels whose row reaches over
 * the edge are copied with their zeros into scratch.
 *
 * Packed: for each group, for each panel: bias[width], w[taps * depth][width]; then the zero row.
 */
#include "kernels/cpu/vmath.h"

/* GEMM_UNROLL: products per turn of the inner loop, enough that the turn's end is hidden. */
#if MOP_WIDE
enum { GEMM_ROWS_1 = 14, GEMM_ROWS_2 = 14, GEMM_ROWS_3 = 9, GEMM_BLOCK = 112, GEMM_UNROLL = 2 };
#elif MOP_VL == 8
enum { GEMM_ROWS_1 = 8, GEMM_ROWS_2 = 6, GEMM_ROWS_3 = 4, GEMM_BLOCK = 96, GEMM_UNROLL = 4 };
#else
enum { GEMM_ROWS_1 = 4, GEMM_ROWS_2 = 4, GEMM_ROWS_3 = 3, GEMM_BLOCK = 32, GEMM_UNROLL = 4 };
#endif

enum {
    GEMM_PANEL = 2 * MOP_VL,
    GEMM_ROW_TAP_CHANNELS = 16,
    GEMM_STRETCH = 64,    /* products between two fetches */
    GEMM_LINE = 64,       /* bytes of a cache line */
    GEMM_FAR = 256 * 1024 /* more bytes of weights than this come from beyond L2 */
};

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

/* --- one tile ------------------------------------------------------------------------------ */

typedef struct gemm_tiles_job {
    int64_t count;
    const float *const *rows; /* [taps][block_rows], at the first tile's first row */
    int64_t block_rows;
    int32_t taps, depth;
    const float *panel;
    uintptr_t fetch;       /* weights to come, drawn into L2 meanwhile: */
    int32_t fetches;       /* so many lines for each stretch of a tile */
    const float *residual; /* NULL: none; as out */
    float *out;            /* first row, first channel of the panel */
    size_t ld;             /* floats from row to row of out and residual */
    int32_t last;          /* channels of the last vector */
    float lo, hi;
} gemm_tiles_job;

/* One product of the sums. */
MOP_INLINE void tile_step(vf acc[][3], const float *const *a, ptrdiff_t k, const float *w,
                          const int height, const int vectors)
{
    vf b[3];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        b[v] = vf_load(w + v * MOP_VL);
#pragma GCC unroll 16
    for (int r = 0; r < height; r++) {
        const vf x = vf_set1(a[r][k]);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            acc[r][v] += x * b[v];
    }
}

/* Clamps and stores; is_plain is true where all lanes are real and there is no upper end. */
MOP_INLINE void tile_store(const gemm_tiles_job *t, float *out, vf acc[][3], const int height,
                           const int vectors, const bool is_plain)
{
    const vf lo = vf_set1(t->lo), hi = vf_set1(t->hi);
#pragma GCC unroll 16
    for (int r = 0; r < height; r++, out += t->ld) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            const vf y = vf_max(lo, acc[r][v]);
            if (is_plain)
                vf_store(out + v * MOP_VL, y);
            else
                vf_store_part(out + v * MOP_VL, vf_min(hi, y), v < vectors - 1 ? MOP_VL : t->last);
        }
    }
}

/* t->count tiles of one height, one below the other. height and vectors are constants of each
 * caller, so that the sums live in registers. */
MOP_INLINE void tiles_run(const gemm_tiles_job *by_pointer, const int height, const int vectors)
{
    const gemm_tiles_job t = *by_pointer; /* a copy: stores to out cannot change it */
    const bool is_plain = t.last == MOP_VL && t.hi == INFINITY;
    const float *const *rows = t.rows;
    const float *residual = t.residual;
    float *out = t.out;
    uintptr_t fetch = t.fetch;
    for (int64_t i = 0; i < t.count; i++, rows += height, out += (size_t)height * t.ld) {
        vf acc[GEMM_ROWS_1][3];
        const float *w = t.panel;
#pragma GCC unroll 16
        for (int r = 0; r < height; r++) {
            /* the lines to be written are fetched meanwhile: the stores would wait in order */
            __builtin_prefetch(out + (size_t)r * t.ld, 1);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                acc[r][v] = vf_load(w + v * MOP_VL);
        }
        w += vectors * MOP_VL;
        for (int32_t tap = 0; tap < t.taps; tap++) {
            const float *a[GEMM_ROWS_1];
#pragma GCC unroll 16
            for (int r = 0; r < height; r++)
                a[r] = rows[tap * t.block_rows + r];
            for (ptrdiff_t k = 0; k < t.depth;) {
                const ptrdiff_t end =
                    t.fetches > 0 && t.depth - k > GEMM_STRETCH ? k + GEMM_STRETCH : t.depth;
                for (int32_t f = 0; f < t.fetches; f++, fetch += GEMM_LINE)
                    __builtin_prefetch((const void *)fetch, 0, 2);
#pragma GCC unroll GEMM_UNROLL
                for (; k < end; k++, w += vectors * MOP_VL)
                    tile_step(acc, a, k, w, height, vectors);
            }
        }
        if (residual != NULL) {
#pragma GCC unroll 16
            for (int r = 0; r < height; r++, residual += t.ld)
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++)
                    acc[r][v] +=
                        vf_load_part(residual + v * MOP_VL, v < vectors - 1 ? MOP_VL : t.last);
        }
        if (is_plain)
            tile_store(&t, out, acc, height, vectors, true);
        else
            tile_store(&t, out, acc, height, vectors, false);
    }
}

typedef void gemm_tile_fn(const gemm_tiles_job *t);

#define GEMM_TILE(height, vectors)                                                                 \
    static void tile_##height##x##vectors(const gemm_tiles_job *t)                                 \
    {                                                                                              \
        tiles_run(t, height, vectors);                                                             \
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

/* [vectors - 1][height - 1] */
#if MOP_WIDE
GEMM_TILES_14(1)
GEMM_TILES_14(2)
GEMM_TILES_9(3)
static gemm_tile_fn *const gemm_tiles[3][GEMM_ROWS_1] = {
    {GEMM_ROW_14(1)}, {GEMM_ROW_14(2)}, {GEMM_ROW_9(3)}};
#elif MOP_VL == 8
GEMM_TILES_8(1)
GEMM_TILES_6(2)
GEMM_TILES_4(3)
static gemm_tile_fn *const gemm_tiles[3][GEMM_ROWS_1] = {
    {GEMM_ROW_8(1)}, {GEMM_ROW_6(2)}, {GEMM_ROW_4(3)}};
#else
GEMM_TILES_4(1)
GEMM_TILES_4(2)
GEMM_TILES_3(3)
static gemm_tile_fn *const gemm_tiles[3][GEMM_ROWS_1] = {
    {GEMM_ROW_4(1)}, {GEMM_ROW_4(2)}, {GEMM_ROW_3(3)}};
#endif

/* --- the table of input pixels ------------------------------------------------------------- */

typedef struct gemm_block {
    int64_t first, rows;
    const float **table; /* [taps][rows] */
    float *patches;      /* row taps only: [rows][taps][depth] */
} gemm_block;

/* Neighbouring pixels of one output row: entries [at, at + count) of each tap. */
typedef struct gemm_segment {
    int64_t at, count;
    int64_t iy0, ix0;   /* input position of the first pixel's first tap, may lie outside */
    const float *image; /* at the group's first channel */
    const float *zeros;
} gemm_segment;

/* Pixels [*begin, *end) of the segment whose inputs x .. x + width, x = ix + i stride, all lie in a
 * row of `size`. */
static void segment_inside(const gemm_segment *s, int64_t ix, int64_t width, int64_t stride,
                           int64_t size, int64_t *begin, int64_t *end)
{
    const int64_t room = size - width - ix;
    const int64_t first = ix < 0 ? (-ix + stride - 1) / stride : 0;
    const int64_t last = room < 0 ? 0 : room / stride + 1;
    *begin = first < s->count ? first : s->count;
    *end = last < s->count ? last : s->count;
    *end = *end < *begin ? *begin : *end;
}

/* Entries of one tap (ky, kx). */
static void segment_tap(const mop_op_inst *inst, const gemm_segment *s, int64_t ky, int64_t kx,
                        const float **entry)
{
    const mop_conv_params *p = &inst->params.u.conv;
    const mop_shape in = inst->in[0];
    const int64_t iy = s->iy0 + ky * p->dilation, ix = s->ix0 + kx * p->dilation;
    const bool is_inside = iy >= 0 && iy < in.h;
    const float *row = s->image + (is_inside ? iy : 0) * in.w * in.c;
    int64_t i = 0, begin, end;
    segment_inside(s, ix, 1, p->stride, in.w, &begin, &end);
    for (; i < (is_inside ? begin : s->count); i++)
        entry[i] = s->zeros;
    for (; i < end; i++)
        entry[i] = row + (ix + i * p->stride) * in.c;
    for (; i < s->count; i++)
        entry[i] = s->zeros;
}

/* The entry of a window [x, x + kw) that reaches over an edge of the row: what is inside, with its
 * zeros, in the pixel's own place `copy`. */
static const float *edge_window(const mop_op_inst *inst, const gemm_segment *s, const float *row,
                                int64_t x, float *copy)
{
    const int32_t kw = inst->params.u.conv.kw;
    const mop_shape in = inst->in[0];
    const int64_t begin = x < 0 ? 0 : x, end = x + kw > in.w ? in.w : x + kw;
    if (begin >= end)
        return s->zeros;
    memset(copy, 0, (size_t)kw * (size_t)in.c * sizeof(float));
    memcpy(copy + (begin - x) * in.c, row + begin * in.c,
           (size_t)(end - begin) * (size_t)in.c * sizeof(float));
    return copy;
}

/* Entries of one row of taps ky; pixel i's own place for a copy is patch + i * step. */
static void segment_row_tap(const mop_op_inst *inst, const gemm_segment *s, int64_t ky,
                            const float **entry, float *patch, int64_t step)
{
    const mop_conv_params *p = &inst->params.u.conv;
    const mop_shape in = inst->in[0];
    const int64_t iy = s->iy0 + ky, stride = p->stride;
    const bool is_inside = iy >= 0 && iy < in.h;
    const float *row = s->image + (is_inside ? iy : 0) * in.w * in.c;
    int64_t i = 0, begin, end;
    segment_inside(s, s->ix0, p->kw, stride, in.w, &begin, &end);
    if (!is_inside) {
        for (; i < s->count; i++)
            entry[i] = s->zeros;
        return;
    }
    for (; i < begin; i++)
        entry[i] = edge_window(inst, s, row, s->ix0 + i * stride, patch + i * step);
    for (; i < end; i++)
        entry[i] = row + (s->ix0 + i * stride) * in.c;
    for (; i < s->count; i++)
        entry[i] = edge_window(inst, s, row, s->ix0 + i * stride, patch + i * step);
}

static void table_fill(const mop_args *args, const gemm_geometry *g, const gemm_block *b,
                       int32_t group, const float *zeros)
{
    const mop_conv_params *p = &args->inst->params.u.conv;
    const mop_shape in = args->inst->in[0], o = args->inst->out;
    const float *base = args->in[0] + (int64_t)group * g->cin;
    gemm_segment s = {.zeros = zeros};
    if (p->kh * p->kw == 1 && p->stride == 1 && in.h == o.h && in.w == o.w) {
        for (int64_t r = 0; r < b->rows; r++)
            b->table[r] = base + (b->first + r) * in.c;
        return;
    }
    for (; s.at < b->rows; s.at += s.count) {
        const int64_t line = (b->first + s.at) / o.w, x = (b->first + s.at) % o.w;
        s.count = o.w - x < b->rows - s.at ? o.w - x : b->rows - s.at;
        s.image = base + line / o.h * in.h * in.w * in.c;
        s.iy0 = line % o.h * p->stride - p->pad_top;
        s.ix0 = x * p->stride - p->pad_left;
        for (int32_t tap = 0; tap < g->taps; tap++) {
            const float **entry = b->table + tap * b->rows + s.at;
            if (g->row_taps)
                segment_row_tap(args->inst, &s, tap, entry,
                                b->patches + (s.at * g->taps + tap) * g->depth,
                                (int64_t)g->taps * g->depth);
            else
                segment_tap(args->inst, &s, tap / p->kw, tap % p->kw, entry);
        }
    }
}

/* Lines of the next panel that each stretch of a tile draws into L2, so that weights which lie
 * farther away stream in at the pace of the arithmetic and not during the first tile of their
 * panel. */
static int32_t fetches_of(const gemm_geometry *g, int64_t tiles, int32_t vectors)
{
    const int64_t stretches = tiles * g->taps * ((g->depth + GEMM_STRETCH - 1) / GEMM_STRETCH);
    const int64_t bytes = (int64_t)g->taps * g->depth * vectors * MOP_VL * (int64_t)sizeof(float);
    if (g->group_floats * sizeof(float) <= GEMM_FAR)
        return 0;
    return (int32_t)((bytes / GEMM_LINE + stretches - 1) / stretches);
}

/* --- the kernel -------------------------------------------------------------------------- */

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
    gemm_tiles_job t = {.block_rows = b->rows,
                        .taps = g->taps,
                        .depth = g->depth,
                        .panel = (const float *)args->packed + (size_t)group * g->group_floats +
                                 panel_offset(g, panel),
                        .ld = ld,
                        .last = width - (vectors - 1) * MOP_VL,
                        .lo = epilogue.lo,
                        .hi = epilogue.hi};
    gemm_tile_fn *const *const by_height = gemm_tiles[vectors - 1];
    const int64_t low = b->rows / tiles, higher = b->rows % tiles;
    t.rows = b->table;
    t.out = args->out + at;
    t.residual = params->has_residual ? args->in[1] + at : NULL;
    t.fetches = fetches_of(g, tiles, vectors);
    t.fetch =
        (uintptr_t)(t.panel + (size_t)vectors * MOP_VL * ((size_t)g->taps * (size_t)g->depth + 1));
    t.count = higher;
    if (higher > 0)
        by_height[low](&t);
    t.rows += higher * (low + 1);
    t.out += (size_t)(higher * (low + 1)) * ld;
    t.residual = t.residual != NULL ? t.residual + (size_t)(higher * (low + 1)) * ld : NULL;
    t.fetch += (uintptr_t)(higher * g->taps * ((g->depth + GEMM_STRETCH - 1) / GEMM_STRETCH) *
                           t.fetches * GEMM_LINE);
    t.count = tiles - higher;
    by_height[low - 1](&t);
    if (epilogue.span != MOP_ACT_NONE)
        vf_act_pixels(args->out + at, b->rows, ld, (size_t)width, epilogue.span);
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
