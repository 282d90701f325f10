/* Depthwise convolution with any window, stride, padding and dilation: vectors of channels, the
 * taps inside the image by loop bounds, four vectors at a time so that the sums do not wait for
 * each other.
 * Packed: see conv_dw.h. */
#include "kernels/cpu/conv_dw.h"

enum { DW_VECTORS = 4 };

/* Taps [begin, end) of one axis whose inputs first + tap * dilation lie in [0, size). */
typedef struct dw_taps {
    int64_t begin, end, first;
} dw_taps;

static dw_taps taps_inside(int64_t first, int64_t taps, int64_t dilation, int64_t size)
{
    dw_taps t = {.first = first};
    t.begin = first < 0 ? (-first + dilation - 1) / dilation : 0;
    t.end = first >= size ? 0 : (size - first + dilation - 1) / dilation;
    if (t.end > taps)
        t.end = taps;
    if (t.begin > t.end)
        t.begin = t.end;
    return t;
}

typedef struct dw_pixel {
    const mop_conv_params *conv;
    const float *in; /* image */
    const float *residual;
    float *out;
    dw_taps y, x;
    size_t row, c; /* floats from row to row of the input, from pixel to pixel */
    size_t block;  /* packed floats of one vector of channels */
    vf lo, hi;
} dw_pixel;

/* vectors is a constant of each caller; lanes belongs to the last of them. */
MOP_INLINE void pixel_vectors(const dw_pixel *d, size_t c, const float *packed, const int vectors,
                              const int lanes)
{
    vf acc[DW_VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        acc[v] = vf_load(packed + (size_t)v * d->block);
    for (int64_t ky = d->y.begin; ky < d->y.end; ky++) {
        const float *row = d->in + (size_t)(d->y.first + ky * d->conv->dilation) * d->row + c;
        for (int64_t kx = d->x.begin; kx < d->x.end; kx++) {
            const float *in = row + (size_t)(d->x.first + kx * d->conv->dilation) * d->c;
            const float *w = packed + (1 + ky * d->conv->kw + kx) * MOP_VL;
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                acc[v] += vf_load_part(in + v * MOP_VL, v < vectors - 1 ? MOP_VL : lanes) *
                          vf_load(w + (size_t)v * d->block);
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
        const int n = v < vectors - 1 ? MOP_VL : lanes;
        const size_t at = c + (size_t)v * MOP_VL;
        if (d->residual != NULL)
            acc[v] += vf_load_part(d->residual + at, n);
        vf_store_part(d->out + at, vf_min(d->hi, vf_max(d->lo, acc[v])), n);
    }
}

static void pixel_run(const dw_pixel *by_pointer, const float *packed)
{
    const dw_pixel d = *by_pointer; /* a copy: stores to out cannot change it */
    size_t c = 0;
    for (; c + DW_VECTORS * MOP_VL <= d.c; c += DW_VECTORS * MOP_VL) {
        pixel_vectors(&d, c, packed, DW_VECTORS, MOP_VL);
        packed += DW_VECTORS * d.block;
    }
    for (; c < d.c; c += MOP_VL, packed += d.block)
        pixel_vectors(&d, c, packed, 1, d.c - c < MOP_VL ? (int)(d.c - c) : MOP_VL);
}

/* Units: output rows. */
static void run(const mop_args *args)
{
    const mop_params *params = &args->inst->params;
    const mop_conv_params *p = &params->u.conv;
    const mop_shape s = args->inst->in[0], o = args->inst->out;
    const mop_epilogue epilogue = mop_epilogue_of(params->act);
    dw_pixel d = {.conv = p,
                  .row = (size_t)s.w * (size_t)s.c,
                  .c = (size_t)s.c,
                  .block = ((size_t)p->kh * (size_t)p->kw + 1) * MOP_VL,
                  .lo = vf_set1(epilogue.lo),
                  .hi = vf_set1(epilogue.hi)};
    for (int64_t u = args->begin; u < args->end; u++) {
        const int64_t at = u * o.w * o.c;
        d.in = args->in[0] + u / o.h * s.h * s.w * s.c;
        d.y = taps_inside(u % o.h * p->stride - p->pad_top, p->kh, p->dilation, s.h);
        for (int64_t ox = 0; ox < o.w; ox++) {
            d.x = taps_inside(ox * p->stride - p->pad_left, p->kw, p->dilation, s.w);
            d.out = args->out + at + ox * o.c;
            d.residual = params->has_residual ? args->in[1] + at + ox * o.c : NULL;
            pixel_run(&d, args->packed);
        }
        if (epilogue.span != MOP_ACT_NONE)
            vf_act_span(args->out + at, args->out + at, (size_t)o.w * (size_t)o.c, epilogue.span);
        if (args->sums != NULL)
            mop_gather_pixels(args->out + at, o.w, d.c, d.c, args->sums + (size_t)u * d.c);
    }
}

static bool fits(const mop_op_inst *inst)
{
    return mop_dw_is(inst);
}

const mop_cpu_kernel MOP_KERNEL_SYM(conv_dw) = {
    .name = "conv_dw",
    .op = MOP_OP_CONV2D,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .gathers = true,
    .packed_bytes = mop_dw_packed_bytes,
    .pack = mop_dw_pack,
    .units = mop_rows_units,
    .run = run,
    .tile = {1, 1, 1, DW_VECTORS *MOP_VL},
};
