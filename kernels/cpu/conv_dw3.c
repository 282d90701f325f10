/* Depthwise 3x3 at stride 1 or 2 with padding of at most one: the shape of almost every depthwise
 * layer.
 *
 * One pass computes up to four neighbouring output pixels for one vector of channels: each input
 * column is loaded once and meets every output that reads it, three weights at a time stay in
 * registers, and the channels run innermost so that memory is read as it lies. Columns that fall
 * outside at the left or right edge are left out at compile time (a tile function per edge), rows
 * at the top or bottom by the bounds of the row loop: no test per tap anywhere.
 *
 * Packed: for each vector of channels bias[VL], w[3][3][VL], zero beyond the channels. */
#include "kernels/cpu/vmath.h"

enum { DW_PIXELS = 4, DW_BLOCK_FLOATS = 10 * MOP_VL, DW_CHUNK = 256 };

typedef struct dw_tile {
    const float *in; /* first column inside the image of the first row inside it */
    const float *packed;
    const float *residual; /* NULL: none; as out */
    float *out;
    size_t row, c; /* floats from row to row of the input; from pixel to pixel */
    int32_t ky_begin, ky_end;
    int32_t channels; /* of this chunk */
    float lo, hi;
} dw_tile;

/* One vector of channels at offset c; lanes is MOP_VL but for the last. */
MOP_INLINE void tile_vector(const dw_tile *t, size_t c, const float *packed, const int lanes,
                            const int pixels, const int stride, const int left, const int right)
{
    vf acc[DW_PIXELS];
    const int columns = (pixels - 1) * stride + 3;
    const float *in = t->in + c;
    const float *w = packed + MOP_VL + (ptrdiff_t)t->ky_begin * 3 * MOP_VL;
#pragma GCC unroll 4
    for (int p = 0; p < pixels; p++)
        acc[p] = vf_load(packed);
    for (int32_t ky = t->ky_begin; ky < t->ky_end; ky++) {
        const vf w0 = vf_load(w), w1 = vf_load(w + MOP_VL), w2 = vf_load(w + 2 * MOP_VL);
#pragma GCC unroll 9
        for (int j = left; j < columns - right; j++) {
            const vf x = vf_load_part(in + (size_t)(j - left) * t->c, lanes);
#pragma GCC unroll 4
            for (int p = 0; p < pixels; p++) {
                if (j - p * stride == 0)
                    acc[p] += x * w0;
                if (j - p * stride == 1)
                    acc[p] += x * w1;
                if (j - p * stride == 2)
                    acc[p] += x * w2;
            }
        }
        in += t->row;
        w += 3 * MOP_VL;
    }
#pragma GCC unroll 4
    for (int p = 0; p < pixels; p++) {
        const size_t at = (size_t)p * t->c + c;
        if (t->residual != NULL)
            acc[p] += vf_load_part(t->residual + at, lanes);
        acc[p] = vf_min(vf_set1(t->hi), vf_max(vf_set1(t->lo), acc[p]));
        vf_store_part(t->out + at, acc[p], lanes);
    }
}

/* The last four are constants of each caller. */
MOP_INLINE void tile_run(const dw_tile *by_pointer, const int pixels, const int stride,
                         const int left, const int right)
{
    const dw_tile t = *by_pointer; /* a copy: stores to out cannot change it */
    const float *packed = t.packed;
    int32_t c = 0;
    for (; c + MOP_VL <= t.channels; c += MOP_VL, packed += DW_BLOCK_FLOATS)
        tile_vector(&t, (size_t)c, packed, MOP_VL, pixels, stride, left, right);
    if (c < t.channels)
        tile_vector(&t, (size_t)c, packed, t.channels - c, pixels, stride, left, right);
}

typedef void dw_tile_fn(const dw_tile *t);

#define DW_TILE(pixels, stride, left, right)                                                       \
    static void tile_##pixels##_##stride##_##left##right(const dw_tile *t)                         \
    {                                                                                              \
        tile_run(t, pixels, stride, left, right);                                                  \
    }
#define DW_EDGES(pixels, stride)                                                                   \
    DW_TILE(pixels, stride, 0, 0)                                                                  \
    DW_TILE(pixels, stride, 0, 1)                                                                  \
    DW_TILE(pixels, stride, 1, 0)                                                                  \
    DW_TILE(pixels, stride, 1, 1)
#define DW_EDGE_ROW(pixels, stride)                                                                \
    {                                                                                              \
        {tile_##pixels##_##stride##_00, tile_##pixels##_##stride##_01},                            \
        {                                                                                          \
            tile_##pixels##_##stride##_10, tile_##pixels##_##stride##_11                           \
        }                                                                                          \
    }
#define DW_STRIDE(stride)                                                                          \
    DW_EDGES(1, stride) DW_EDGES(2, stride) DW_EDGES(3, stride) DW_EDGES(4, stride)

DW_STRIDE(1)
DW_STRIDE(2)

/* [stride - 1][pixels - 1][left][right] */
static dw_tile_fn *const dw_tiles[2][DW_PIXELS][2][2] = {
    {DW_EDGE_ROW(1, 1), DW_EDGE_ROW(2, 1), DW_EDGE_ROW(3, 1), DW_EDGE_ROW(4, 1)},
    {DW_EDGE_ROW(1, 2), DW_EDGE_ROW(2, 2), DW_EDGE_ROW(3, 2), DW_EDGE_ROW(4, 2)},
};

static int32_t chunks_of(const mop_op_inst *inst)
{
    return (inst->in[0].c + DW_CHUNK - 1) / DW_CHUNK;
}

/* One output row of the channels of one chunk. */
static void run_row(const mop_args *args, int64_t image, int32_t chunk, int32_t oy)
{
    const mop_params *params = &args->inst->params;
    const mop_conv_params *p = &params->u.conv;
    const mop_shape s = args->inst->in[0], o = args->inst->out;
    const mop_epilogue epilogue = mop_epilogue_of(params->act);
    const int32_t tiles = (o.w + DW_PIXELS - 1) / DW_PIXELS, c0 = chunk * DW_CHUNK;
    const int32_t iy0 = oy * p->stride - p->pad_top;
    const int64_t out_row = (image * o.h + oy) * o.w;
    dw_tile t = {.packed = (const float *)args->packed + (ptrdiff_t)(c0 / MOP_VL) * DW_BLOCK_FLOATS,
                 .row = (size_t)s.w * (size_t)s.c,
                 .c = (size_t)s.c,
                 .ky_begin = iy0 < 0 ? -iy0 : 0,
                 .ky_end = iy0 + 3 > s.h ? s.h - iy0 : 3,
                 .channels = s.c - c0 < DW_CHUNK ? s.c - c0 : DW_CHUNK,
                 .lo = epilogue.lo,
                 .hi = epilogue.hi};
    const float *in = args->in[0] + (image * s.h + iy0 + t.ky_begin) * s.w * s.c + c0;
    for (int32_t i = 0; i < tiles; i++) {
        const int32_t ox = (int32_t)((int64_t)o.w * i / tiles);
        const int32_t pixels = (int32_t)((int64_t)o.w * (i + 1) / tiles) - ox;
        const int32_t ix0 = ox * p->stride - p->pad_left;
        const int left = ix0 < 0, right = ix0 + (pixels - 1) * p->stride + 2 >= s.w;
        const int64_t at = (out_row + ox) * o.c + c0;
        t.in = in + (int64_t)(ix0 + left) * s.c;
        t.out = args->out + at;
        t.residual = params->has_residual ? args->in[1] + at : NULL;
        dw_tiles[p->stride - 1][pixels - 1][left][right](&t);
        if (epilogue.span != MOP_ACT_NONE)
            for (int32_t x = 0; x < pixels; x++)
                vf_act_span(t.out + (int64_t)x * o.c, t.out + (int64_t)x * o.c, (size_t)t.channels,
                            epilogue.span);
    }
}

/* Units: images x chunks of channels x output rows, the row fastest. */
static void run(const mop_args *args)
{
    const int32_t h = args->inst->out.h, chunks = chunks_of(args->inst);
    for (int64_t u = args->begin; u < args->end; u++)
        run_row(args, u / h / chunks, (int32_t)(u / h % chunks), (int32_t)(u % h));
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
    const size_t vectors = ((size_t)inst->in[0].c + MOP_VL - 1) / MOP_VL;
    return vectors * DW_BLOCK_FLOATS * sizeof(float);
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
    return (int64_t)inst->out.n * chunks_of(inst) * inst->out.h;
}

const mop_cpu_kernel MOP_KERNEL_SYM(conv_dw3) = {
    .name = "conv_dw3",
    .op = MOP_OP_CONV2D,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .units = units,
    .run = run,
    .tile = {1, 1, DW_PIXELS, MOP_VL},
};
