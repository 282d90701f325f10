/* Depthwise 5x5 and 7x7 at stride 1 or 2.
 *
 * Such a window reads each input row up to seven times, and the pixels of a row lie a whole pixel
 * of channels apart: a stride that often maps all of them to a few sets of the L1 cache. So the
 * rows are taken one block of channels (a cache line) at a time, and each input row of a block is
 * copied once into a ring of as many rows as the window has, in scratch, close together and with
 * its zero columns: inside there are no edges, and every read but the first comes from L1. Rows
 * outside the image are a row of zeros. A tile is up to seven neighbouring output pixels of one row
 * for one vector of channels; maps of 7, 14, 28, 56 pixels have no remainder then.
 *
 * Packed: see conv_dw.h. Scratch: the rows of the ring, then the row of zeros, each
 * [columns][block].
 */
#include "kernels/cpu/conv_dw.h"

enum { RING_BLOCK = 16, RING_PIXELS = 7, RING_ROWS = 7 };

typedef struct ring_tile {
    const float *rows[RING_ROWS]; /* of the window, at the tile's first column */
    const float *packed;          /* of the block's first vector */
    const float *residual;        /* NULL: none; as out */
    float *out;
    size_t c;  /* floats from pixel to pixel of the output */
    int lanes; /* channels of the block */
    float lo, hi;
} ring_tile;

/* One vector of channels, v floats into the block, `lanes` of them real. k, stride and pixels are
 * constants of each caller. */
MOP_INLINE void tile_vector(const ring_tile *t, ptrdiff_t v, int lanes, const int k,
                            const int stride, const int pixels)
{
    const float *w = t->packed + v * (k * k + 1);
    vf acc[RING_PIXELS];
#pragma GCC unroll 7
    for (int p = 0; p < pixels; p++)
        acc[p] = vf_load(w);
    w += MOP_VL;
#pragma GCC unroll 1
    for (int ky = 0; ky < k; ky++, w += k * MOP_VL) {
        const float *in = t->rows[ky] + v;
#pragma GCC unroll 19
        for (int j = 0; j < (pixels - 1) * stride + k; j++) {
            const vf x = vf_load(in + j * RING_BLOCK);
#pragma GCC unroll 7
            for (int p = 0; p < pixels; p++) {
                const int kx = j - p * stride;
                if (kx >= 0 && kx < k)
                    acc[p] += x * vf_load(w + kx * MOP_VL);
            }
        }
    }
#pragma GCC unroll 7
    for (int p = 0; p < pixels; p++) {
        const size_t at = (size_t)p * t->c + (size_t)v;
        vf y = acc[p];
        if (t->residual != NULL)
            y += vf_load_part(t->residual + at, lanes);
        vf_store_part(t->out + at, vf_min(vf_set1(t->hi), vf_max(vf_set1(t->lo), y)), lanes);
    }
}

MOP_INLINE void tile_run(const ring_tile *by_pointer, const int k, const int stride,
                         const int pixels)
{
    const ring_tile t = *by_pointer; /* a copy: stores to out cannot change it */
    int v = 0;
    for (; v + MOP_VL <= t.lanes; v += MOP_VL)
        tile_vector(&t, v, MOP_VL, k, stride, pixels);
    if (v < t.lanes)
        tile_vector(&t, v, t.lanes - v, k, stride, pixels);
}

typedef void ring_tile_fn(const ring_tile *t);

#define RING_TILE(k, stride, pixels)                                                               \
    static void tile_##k##_##stride##_##pixels(const ring_tile *t)                                 \
    {                                                                                              \
        tile_run(t, k, stride, pixels);                                                            \
    }
#define RING_TILES(k, stride)                                                                      \
    RING_TILE(k, stride, 1)                                                                        \
    RING_TILE(k, stride, 2)                                                                        \
    RING_TILE(k, stride, 3)                                                                        \
    RING_TILE(k, stride, 4)                                                                        \
    RING_TILE(k, stride, 5)                                                                        \
    RING_TILE(k, stride, 6)                                                                        \
    RING_TILE(k, stride, 7)
#define RING_NAMES(k, stride)                                                                      \
    {                                                                                              \
        tile_##k##_##stride##_1, tile_##k##_##stride##_2, tile_##k##_##stride##_3,                 \
            tile_##k##_##stride##_4, tile_##k##_##stride##_5, tile_##k##_##stride##_6,             \
            tile_##k##_##stride##_7                                                                \
    }

RING_TILES(5, 1)
RING_TILES(5, 2)
RING_TILES(7, 1)
RING_TILES(7, 2)

/* [window 5 or 7][stride - 1][pixels - 1] */
static ring_tile_fn *const ring_tiles[2][2][RING_PIXELS] = {{RING_NAMES(5, 1), RING_NAMES(5, 2)},
                                                            {RING_NAMES(7, 1), RING_NAMES(7, 2)}};

/* Columns under the window as it goes along a row, padding included. */
static int32_t columns_of(const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    return (inst->out.w - 1) * p->stride + p->kw;
}

typedef struct ring {
    float *rows, *zeros;
    size_t row;   /* floats */
    int32_t next; /* input row to be copied next */
} ring;

/* One input row of a block: w pixels. */
static void copy_row(float *dst, const float *src, int32_t w, size_t c, int lanes)
{
    if (lanes == RING_BLOCK) {
        for (int32_t x = 0; x < w; x++, dst += RING_BLOCK, src += c)
#pragma GCC unroll 16
            for (int v = 0; v < RING_BLOCK; v += MOP_VL)
                vf_store(dst + v, vf_load(src + v));
        return;
    }
    for (int32_t x = 0; x < w; x++, dst += RING_BLOCK, src += c)
        for (int v = 0; v < lanes; v += MOP_VL)
            vf_store(dst + v, vf_load_part(src + v, lanes - v < MOP_VL ? lanes - v : MOP_VL));
}

/* Brings the rows under output row oy into the ring; image is at the block's first channel. */
static void window_rows(const mop_op_inst *inst, ring *r, ring_tile *t, const float *image,
                        int32_t oy)
{
    const mop_conv_params *p = &inst->params.u.conv;
    const mop_shape s = inst->in[0];
    const int32_t first = oy * p->stride - p->pad_top, room = columns_of(inst) - p->pad_left;
    for (int32_t ky = 0; ky < p->kh; ky++) {
        const int32_t y = first + ky;
        float *row = r->rows + (size_t)(y < 0 ? 0 : y % p->kh) * r->row;
        t->rows[ky] = y >= 0 && y < s.h ? row : r->zeros;
        if (y < r->next || y < 0 || y >= s.h)
            continue;
        copy_row(row + (ptrdiff_t)p->pad_left * RING_BLOCK, image + (int64_t)y * s.w * s.c,
                 s.w < room ? s.w : room, (size_t)s.c, t->lanes);
        r->next = y + 1;
    }
}

/* One output row of a block whose input rows t holds; at: offset of its first value in out. */
static void output_row(const mop_args *args, ring_tile *t, int64_t at)
{
    const mop_params *params = &args->inst->params;
    const mop_conv_params *p = &params->u.conv;
    const int32_t w = args->inst->out.w, tiles = (w + RING_PIXELS - 1) / RING_PIXELS;
    ring_tile_fn *const *by_pixels = ring_tiles[p->kh == 7][p->stride - 1];
    for (int32_t i = 0, x = 0; i < tiles; i++) {
        const int32_t n = (int32_t)((int64_t)w * (i + 1) / tiles) - x;
        t->out = args->out + at + (int64_t)x * args->inst->out.c;
        t->residual =
            params->has_residual ? args->in[1] + at + (int64_t)x * args->inst->out.c : NULL;
        by_pixels[n - 1](t);
        for (int32_t ky = 0; ky < p->kh; ky++)
            t->rows[ky] += (ptrdiff_t)n * p->stride * RING_BLOCK;
        x += n;
    }
}

/* Channels [c0, c0 + lanes) of output rows [begin, end), units of one image. */
static void block_run(const mop_args *args, ring *r, int32_t c0, int64_t begin, int64_t end)
{
    const mop_op_inst *inst = args->inst;
    const mop_shape s = inst->in[0], o = inst->out;
    const mop_conv_params *p = &inst->params.u.conv;
    const mop_epilogue epilogue = mop_epilogue_of(inst->params.act);
    const float *image = args->in[0] + begin / o.h * s.h * s.w * s.c + c0;
    ring_tile t = {.packed = (const float *)args->packed + (ptrdiff_t)c0 * (p->kh * p->kw + 1),
                   .c = (size_t)o.c,
                   .lanes = s.c - c0 < RING_BLOCK ? s.c - c0 : RING_BLOCK,
                   .lo = epilogue.lo,
                   .hi = epilogue.hi};
    const size_t lanes = (size_t)t.lanes;
    r->next = 0;
    for (int64_t u = begin; u < end; u++) {
        const int64_t at = u * o.w * o.c + c0;
        float *out = args->out + at;
        window_rows(inst, r, &t, image, (int32_t)(u % o.h));
        output_row(args, &t, at);
        if (epilogue.span != MOP_ACT_NONE)
            vf_act_pixels(out, o.w, t.c, lanes, epilogue.span);
        if (args->sums != NULL)
            mop_gather_pixels(out, o.w, t.c, lanes, args->sums + u * o.c + c0);
    }
}

/* Units: output rows. */
static void run(const mop_args *args)
{
    const mop_op_inst *inst = args->inst;
    const int32_t k = inst->params.u.conv.kh, h = inst->out.h;
    ring r = {.rows = args->scratch, .row = (size_t)columns_of(inst) * RING_BLOCK};
    r.zeros = r.rows + (size_t)k * r.row;
    memset(args->scratch, 0, (size_t)(k + 1) * r.row * sizeof(float));
    for (int64_t u = args->begin, end; u < args->end; u = end) {
        end = (u / h + 1) * h < args->end ? (u / h + 1) * h : args->end;
        for (int32_t c0 = 0; c0 < inst->out.c; c0 += RING_BLOCK)
            block_run(args, &r, c0, u, end);
    }
}

static bool fits(const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    return mop_dw_is(inst) && p->kh == p->kw && (p->kh == 5 || p->kh == 7) && p->stride <= 2 &&
           p->dilation == 1 && p->pad_left < p->kw;
}

static size_t scratch_bytes(const mop_op_inst *inst)
{
    return (size_t)(inst->params.u.conv.kh + 1) * (size_t)columns_of(inst) * RING_BLOCK *
           sizeof(float);
}

const mop_cpu_kernel MOP_KERNEL_SYM(conv_dw_ring) = {
    .name = "conv_dw_ring",
    .op = MOP_OP_CONV2D,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .gathers = true,
    .packed_bytes = mop_dw_packed_bytes,
    .pack = mop_dw_pack,
    .scratch_bytes = scratch_bytes,
    .units = mop_rows_units,
    .run = run,
    .tile = {1, 1, RING_PIXELS, RING_BLOCK},
};
