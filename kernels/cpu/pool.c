/* Windowed maximum and average, vectorised over channels. Padding takes no part: the window is cut
 * to the image first. */
#include "kernels/cpu/rows.h"

typedef struct pool_window {
    const float *in; /* first value inside the image */
    int64_t h, w;    /* values inside, at least one */
    int64_t row, c;  /* floats from row to row, from pixel to pixel */
    mop_pool_kind kind;
} pool_window;

MOP_INLINE vf window_run(const pool_window *p, int64_t c, int lanes)
{
    vf acc = p->kind == MOP_POOL_MAX ? vf_set1(-INFINITY) : vf_zero();
    for (int64_t y = 0; y < p->h; y++) {
        for (int64_t x = 0; x < p->w; x++) {
            const vf v = vf_load_part(p->in + y * p->row + x * p->c + c, lanes);
            acc = p->kind == MOP_POOL_MAX ? vf_max_nan(v, acc) : acc + v;
        }
    }
    return p->kind == MOP_POOL_MAX ? acc : acc * vf_set1(1.0f / (float)(p->h * p->w));
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
    pool_window win = {.row = (int64_t)s.w * s.c, .c = s.c, .kind = p->kind};
    for (int64_t u = args->begin; u < args->end; u++) {
        int64_t y0, x0;
        win.h = cut(p, u % o.h, s.h, &y0);
        for (int64_t ox = 0; ox < o.w; ox++) {
            float *out = args->out + (u * o.w + ox) * o.c;
            int64_t c = 0;
            win.w = cut(p, ox, s.w, &x0);
            win.in = args->in[0] + ((u / o.h * s.h + y0) * s.w + x0) * s.c;
            for (; c + MOP_VL <= o.c; c += MOP_VL)
                vf_store(out + c, window_run(&win, c, MOP_VL));
            if (c < o.c)
                vf_store_n(out + c, window_run(&win, c, (int)(o.c - c)), (int)(o.c - c));
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
