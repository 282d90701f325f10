/* Windowed maximum and average, vectorised over channels. Padding takes no part: the window is cut
 * to the image first. */
#include "kernels/cpu/rows.h"

typedef struct pool_window {
    const float *in; /* first value inside the image */
    int64_t h, w;    /* values inside, at least one */
    int64_t row, c;  /* floats from row to row, from pixel to pixel */
} pool_window;

/* Maximum or sum of the h x w window's values at channel c. A NaN is lost in a maximum, and seen by
 * a comparison of its own: its mask, all bits set, is one. */
MOP_INLINE vf window_run(const pool_window *p, int64_t c, int lanes, const int64_t h,
                         const int64_t w, const mop_pool_kind kind)
{
    const float *in = p->in + c;
    vf acc = kind == MOP_POOL_MAX ? vf_set1(-INFINITY) : vf_zero();
    vi nan = vf_bits(vf_zero());
#pragma GCC unroll 3
    for (int64_t y = 0; y < h; y++) {
#pragma GCC unroll 3
        for (int64_t x = 0; x < w; x++) {
            const vf v = vf_load_part(in + y * p->row + x * p->c, lanes);
            if (kind == MOP_POOL_MAX) {
                acc = vf_max(v, acc);
                nan |= vf_nan(v);
            } else {
                acc += v;
            }
        }
    }
    return kind == MOP_POOL_MAX ? vf_from_bits(vf_bits(acc) | nan)
                                : acc * vf_set1(1.0f / (float)(h * w));
}

/* All channels of one output pixel. */
MOP_INLINE void pixel_run(const pool_window *p, float *out, const int64_t h, const int64_t w,
                          const mop_pool_kind kind)
{
    int64_t c = 0;
    for (; c + MOP_VL <= p->c; c += MOP_VL)
        vf_store(out + c, window_run(p, c, MOP_VL, h, w, kind));
    if (c < p->c)
        vf_store_n(out + c, window_run(p, c, (int)(p->c - c), h, w, kind), (int)(p->c - c));
}

/* Inputs [*lo, *lo + returned) under output position o of an axis with `size` values. */
static int64_t cut(const mop_pool_params *p, int64_t o, int64_t size, int64_t *lo)
{
    const int64_t begin = o * p->stride - p->pad, end = begin + p->k;
    *lo = begin > 0 ? begin : 0;
    return (end < size ? end : size) - *lo;
}

/* Units: output rows. */
static void run(const mop_args *args)
{
    const mop_pool_params *p = &args->inst->params.u.pool;
    const mop_shape s = args->inst->in[0], o = args->inst->out;
    pool_window win = {.row = (int64_t)s.w * s.c, .c = s.c};
    for (int64_t u = args->begin; u < args->end; u++) {
        int64_t y0, x0;
        win.h = cut(p, u % o.h, s.h, &y0);
        for (int64_t ox = 0; ox < o.w; ox++) {
            float *out = args->out + (u * o.w + ox) * o.c;
            win.w = cut(p, ox, s.w, &x0);
            win.in = args->in[0] + ((u / o.h * s.h + y0) * s.w + x0) * s.c;
            if (p->kind == MOP_POOL_MAX && win.h == 3 && win.w == 3)
                pixel_run(&win, out, 3, 3, MOP_POOL_MAX); /* the window of most networks */
            else
                pixel_run(&win, out, win.h, win.w, p->kind);
        }
    }
}

static bool fits(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_POOL;
}

const mop_cpu_kernel MOP_KERNEL_SYM(pool) = {
    .name = "pool",
    .op = MOP_OP_POOL,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .units = mop_rows_units,
    .run = run,
    .tile = {1, 1, 1, MOP_VL},
};
