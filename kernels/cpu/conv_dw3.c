/* Depthwise 3x3 at stride 1 or 2 with padding of at most one: the shape of almost every depthwise
 * layer.
 *
 * One pass computes a tile of up to four neighbouring output pixels of one row, or of two rows at
 * stride 1, for one vector of channels: each input value is loaded once and meets every output that
 * reads it, and the channels run innermost so that memory is read as it lies. Columns outside the
 * image at the left or right edge are left out at compile time (a tile function per edge), rows
 * above and below it are a strip of zeros: no test per tap anywhere.
 *
 * Packed: for each vector of channels bias[VL], w[3][3][VL], zero beyond the channels; then the
 * strip of zeros [DW_COLUMNS][c]. */
#include "kernels/cpu/gather.h"
#include "kernels/cpu/vmath.h"

enum {
    DW_PIXELS = 4,
    DW_ROWS = 2,
    DW_COLUMNS = 9, /* that four pixels read at stride 2 */
    DW_INPUT_ROWS = 4,
    DW_BLOCK_FLOATS = 10 * MOP_VL,
    DW_CHUNK = 1024 /* channels at a time: their weights stay in L1 */
};

typedef struct dw_tile {
    const float *rows[DW_INPUT_ROWS]; /* input rows at the first column inside the image */
    const float *packed;
    const float *residual; /* NULL: none; as out */
    float *out;
    size_t c, out_row; /* floats from pixel to pixel; from output row to output row */
    int32_t channels;  /* of this chunk */
    float lo, hi;
    bool is_plain; /* no residual and no upper end of the clamp */
} dw_tile;

/* What a tile function is made for; every member is a constant in it. */
typedef struct dw_shape {
    int rows, pixels, stride;
    int left, right; /* columns outside the image */
} dw_shape;

/* Adds what input row iy gives to the sums. */
MOP_INLINE void tile_row(const dw_tile *t, size_t c, const float *w, vf acc[DW_ROWS][DW_PIXELS],
                         const int iy, const int masked, const dw_shape d)
{
    const int columns = (d.pixels - 1) * d.stride + 3;
    const float *in = t->rows[iy] + c;
#pragma GCC unroll 9
    for (int j = d.left; j < columns - d.right; j++) {
        const float *pixel = in + (size_t)(j - d.left) * t->c;
        const vf x = masked > 0 ? vf_load_n(pixel, masked) : vf_load(pixel);
#pragma GCC unroll 2
        for (int r = 0; r < d.rows; r++) {
            const int ky = iy - r * d.stride;
#pragma GCC unroll 4
            for (int p = 0; p < d.pixels; p++) {
                const int kx = j - p * d.stride;
                if (ky >= 0 && ky < 3 && kx >= 0 && kx < 3)
                    acc[r][p] += x * vf_load(w + (ky * 3 + kx) * MOP_VL);
            }
        }
    }
}

/* One vector of channels at offset c; masked is 0, or how many channels the last vector has. */
MOP_INLINE void tile_vector(const dw_tile *t, size_t c, const float *packed, const int masked,
                            const dw_shape d)
{
    vf acc[DW_ROWS][DW_PIXELS];
#pragma GCC unroll 2
    for (int r = 0; r < d.rows; r++)
#pragma GCC unroll 4
        for (int p = 0; p < d.pixels; p++)
            acc[r][p] = vf_load(packed);
#pragma GCC unroll 4
    for (int iy = 0; iy < (d.rows - 1) * d.stride + 3; iy++)
        tile_row(t, c, packed + MOP_VL, acc, iy, masked, d);
#pragma GCC unroll 2
    for (int r = 0; r < d.rows; r++) {
#pragma GCC unroll 4
        for (int p = 0; p < d.pixels; p++) {
            const size_t at = (size_t)r * t->out_row + (size_t)p * t->c + c;
            vf y = acc[r][p];
            if (!t->is_plain) {
                if (t->residual != NULL)
                    y += masked > 0 ? vf_load_n(t->residual + at, masked)
                                    : vf_load(t->residual + at);
                y = vf_min(vf_set1(t->hi), y);
            }
            y = vf_max(vf_set1(t->lo), y);
            if (masked > 0)
                vf_store_n(t->out + at, y, masked);
            else
                vf_store(t->out + at, y);
        }
    }
}

MOP_INLINE void tile_run(const dw_tile *by_pointer, const dw_shape d)
{
    const dw_tile t = *by_pointer; /* a copy: stores to out cannot change it */
    const float *packed = t.packed;
    int32_t c = 0;
    for (; c + MOP_VL <= t.channels; c += MOP_VL, packed += DW_BLOCK_FLOATS)
        tile_vector(&t, (size_t)c, packed, 0, d);
    if (c < t.channels)
        tile_vector(&t, (size_t)c, packed, t.channels - c, d);
}

typedef void dw_tile_fn(const dw_tile *t);

#define DW_TILE(rows, pixels, stride, left, right)                                                 \
    static void tile_##rows##_##pixels##_##stride##_##left##right(const dw_tile *t)                \
    {                                                                                              \
        const dw_shape d = {rows, pixels, stride, left, right};                                    \
        tile_run(t, d);                                                                            \
    }
#define DW_EDGES(rows, pixels, stride)                                                             \
    DW_TILE(rows, pixels, stride, 0, 0)                                                            \
    DW_TILE(rows, pixels, stride, 0, 1)                                                            \
    DW_TILE(rows, pixels, stride, 1, 0)                                                            \
    DW_TILE(rows, pixels, stride, 1, 1)
#define DW_WIDTHS(rows, stride)                                                                    \
    DW_EDGES(rows, 1, stride)                                                                      \
    DW_EDGES(rows, 2, stride)                                                                      \
    DW_EDGES(rows, 3, stride)                                                                      \
    DW_EDGES(rows, 4, stride)

DW_WIDTHS(1, 1)
DW_WIDTHS(2, 1)
DW_WIDTHS(1, 2)

#define DW_NAMES(rows, pixels, stride)                                                             \
    {                                                                                              \
        tile_##rows##_##pixels##_##stride##_00, tile_##rows##_##pixels##_##stride##_01,            \
            tile_##rows##_##pixels##_##stride##_10, tile_##rows##_##pixels##_##stride##_11         \
    }
#define DW_ALL_NAMES(rows, stride)                                                                 \
    {                                                                                              \
        DW_NAMES(rows, 1, stride), DW_NAMES(rows, 2, stride), DW_NAMES(rows, 3, stride),           \
            DW_NAMES(rows, 4, stride)                                                              \
    }

/* [stride 1 with one row, stride 1 with two rows, stride 2][pixels - 1][2 left + right] */
static dw_tile_fn *const dw_tiles[3][DW_PIXELS][4] = {DW_ALL_NAMES(1, 1), DW_ALL_NAMES(2, 1),
                                                      DW_ALL_NAMES(1, 2)};

static int32_t chunks_of(const mop_op_inst *inst)
{
    return (inst->in[0].c + DW_CHUNK - 1) / DW_CHUNK;
}

/* Output rows computed together. */
static int32_t rows_of(const mop_op_inst *inst)
{
    return inst->params.u.conv.stride == 1 ? DW_ROWS : 1;
}

static int32_t bands_of(const mop_op_inst *inst)
{
    return (inst->out.h + rows_of(inst) - 1) / rows_of(inst);
}

static size_t weight_floats(const mop_op_inst *inst)
{
    return ((size_t)inst->in[0].c + MOP_VL - 1) / MOP_VL * DW_BLOCK_FLOATS;
}

/* `rows` output rows from oy on, of the channels of one chunk. */
static void run_band(const mop_args *args, int64_t image, int32_t chunk, int32_t oy, int32_t rows)
{
    const mop_params *params = &args->inst->params;
    const mop_conv_params *p = &params->u.conv;
    const mop_shape s = args->inst->in[0], o = args->inst->out;
    const mop_epilogue epilogue = mop_epilogue_of(params->act);
    const float *packed = args->packed;
    const float *zeros = packed + weight_floats(args->inst);
    const int32_t tiles = (o.w + DW_PIXELS - 1) / DW_PIXELS, c0 = chunk * DW_CHUNK;
    dw_tile t = {.packed = packed + (ptrdiff_t)(c0 / MOP_VL) * DW_BLOCK_FLOATS,
                 .c = (size_t)s.c,
                 .out_row = (size_t)o.w * (size_t)o.c,
                 .channels = s.c - c0 < DW_CHUNK ? s.c - c0 : DW_CHUNK,
                 .lo = epilogue.lo,
                 .hi = epilogue.hi,
                 .is_plain = !params->has_residual && epilogue.hi == INFINITY};
    for (int32_t i = 0; i < tiles; i++) {
        const int32_t ox = (int32_t)((int64_t)o.w * i / tiles);
        const int32_t pixels = (int32_t)((int64_t)o.w * (i + 1) / tiles) - ox;
        const int32_t ix0 = ox * p->stride - p->pad_left;
        const int left = ix0 < 0, right = ix0 + (pixels - 1) * p->stride + 2 >= s.w;
        const int64_t at = ((image * o.h + oy) * o.w + ox) * o.c + c0;
        for (int32_t y = 0; y < (rows - 1) * p->stride + 3; y++) {
            const int32_t iy = oy * p->stride - p->pad_top + y;
            t.rows[y] = iy >= 0 && iy < s.h
                            ? args->in[0] + ((image * s.h + iy) * s.w + ix0 + left) * s.c + c0
                            : zeros;
        }
        t.out = args->out + at;
        t.residual = params->has_residual ? args->in[1] + at : NULL;
        dw_tiles[p->stride == 2 ? 2 : rows - 1][pixels - 1][2 * left + right](&t);
    }
}

/* Units: images x bands of output rows, each over all channels. */
static void run(const mop_args *args)
{
    const int32_t rows = rows_of(args->inst), bands = bands_of(args->inst);
    const int32_t chunks = chunks_of(args->inst), h = args->inst->out.h;
    const size_t c = (size_t)args->inst->out.c, row = (size_t)args->inst->out.w * c;
    const mop_epilogue epilogue = mop_epilogue_of(args->inst->params.act);
    for (int64_t u = args->begin; u < args->end; u++) {
        const int32_t oy = (int32_t)(u % bands) * rows, n = h - oy < rows ? h - oy : rows;
        float *out = args->out + (size_t)(u / bands * h + oy) * row;
        for (int32_t chunk = 0; chunk < chunks; chunk++)
            run_band(args, u / bands, chunk, oy, n);
        if (epilogue.span != MOP_ACT_NONE)
            vf_act_span(out, out, (size_t)n * row, epilogue.span);
        if (args->sums != NULL)
            mop_gather_pixels(out, (int64_t)n * args->inst->out.w, c, c,
                              args->sums + (size_t)u * c);
    }
}

static bool is_unit_pad(int32_t pad)
{
    return pad >= 0 && pad <= 1;
}

static bool fits(const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    return inst->op == MOP_OP_CONV2D && p->groups == inst->in[0].c && p->cout == p->groups &&
           p->kh == 3 && p->kw == 3 && (p->stride == 1 || p->stride == 2) && p->dilation == 1 &&
           is_unit_pad(p->pad_top) && is_unit_pad(p->pad_left) && is_unit_pad(p->pad_bottom) &&
           is_unit_pad(p->pad_right);
}

static size_t packed_bytes(const mop_op_inst *inst)
{
    return (weight_floats(inst) + DW_COLUMNS * (size_t)inst->in[0].c) * sizeof(float);
}

static void pack(const mop_op_inst *inst, const float *const w[MOP_MAX_WEIGHTS], void *packed)
{
    const int32_t channels = inst->in[0].c;
    float *dst = packed;
    memset(dst, 0, packed_bytes(inst));
    for (int32_t c = 0; c < channels; c++) {
        float *block = dst + (ptrdiff_t)(c / MOP_VL) * DW_BLOCK_FLOATS + c % MOP_VL;
        if (inst->params.u.conv.has_bias)
            block[0] = w[1][c];
        for (int32_t k = 0; k < 9; k++)
            block[(k + 1) * MOP_VL] = w[0][(int64_t)c * 9 + k];
    }
}

static int64_t units(const mop_op_inst *inst)
{
    return (int64_t)inst->out.n * bands_of(inst);
}

const mop_cpu_kernel MOP_KERNEL_SYM(conv_dw3) = {
    .name = "conv_dw3",
    .op = MOP_OP_CONV2D,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .gathers = true,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .units = units,
    .run = run,
    .tile = {1, DW_ROWS, DW_PIXELS, MOP_VL},
};
