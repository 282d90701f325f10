/* Winograd convolution F(m x m, 3 x 3) (Winograd 1980; Lavin, Gray 2016, "Fast Algorithms for
 * Convolutional Neural Networks"): the body of conv_wino2.c, conv_wino4.c and conv_wino6.c, each of
 * which gives WINO_M = m.
 *
 * An m x m tile of outputs comes from n x n inputs, n = m + 2, by one product per channel pair at
 * each of n^2 points instead of 9 m^2: with V = B^T d B and U = G g G^T, the tile is
 * A^T (sum over channels of U V) A. The tile grid of an image starts at output (0, 0); outputs of
 * the last tiles that lie outside are not stored. The points are 0, infinity and pairs +-a, which
 * let even and odd powers be shared (WINO_PAIRS); all constants are exact in float32.
 *
 * Work: blocks of tiles. The inputs of a block go to scratch as [point][tile][cin]; then, point
 * by point, a matrix product with that point's weights, which are used for all tiles of the block
 * while they stream by; then the way back with bias, residual and clamp. Transforms run over
 * channels, so that no lane is shuffled.
 *
 * Error. Let c = cin + 8 (m / 2) + 13 and eps = 2^-23. A value of V comes from its row of B^T by
 * at most m + 2 roundings in each direction, the sum over channels takes cin + 1, the way back
 * m + 3 in each direction, the weights (transformed in float64) and the bias one each: c together.
 * Even and odd parts are sums over disjoint inputs, so every intermediate value lies below the same
 * sum with absolute values, and (Higham 2002, ch. 3)
 *     |err| <= c eps (|A^T| (sum over channels of (|G| |g| |G^T|) (|B^T| |d| |B|)) |A| + |bias|),
 * of which half is room for the second order and for the rounding of float64 weights. Barabasz,
 * Anderson, Soodhalter, Gregg 2020, "Error Analysis and Improving the Accuracy of Winograd
 * Convolution for Deep Neural Networks" have the same form. Observed (AVX2, 28 x 28, 64 -> 64
 * channels, normal inputs, relative 2-norm): direct 4.2e-7, m = 2: 2.6e-7, 4: 7.7e-7, 6: 3.2e-6;
 * the worst of all kernel tests reaches 0.04 of the bound. */
#ifndef KERNELS_CPU_CONV_WINO_H
#define KERNELS_CPU_CONV_WINO_H

#include "kernels/cpu/conv_wino_plan.h"

/* --- shapes ---------------------------------------------------------------------------------- */

/* A block's scratch holds as many tiles as keep it near the second-level cache, and enough of them
 * that a panel of weights is worth its way from the third. */
enum { WINO_SCRATCH = 786432, WINO_LEAST = 16 };

typedef struct wino_geometry {
    int32_t cin, cout;
    int32_t tiles_y, tiles_x;
    int64_t tiles, blocks;      /* over all images */
    int32_t panels;             /* of WINO_PANEL output channels */
    size_t in_ld, out_ld;       /* floats from tile to tile of scratch */
    size_t in_point, out_point; /* from point to point: odd in lines, so that the points of a tile
                                   do not meet in one set of a cache */
} wino_geometry;

static size_t wino_round(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static wino_geometry wino_geometry_of(const mop_op_inst *inst)
{
    wino_geometry g = {.cin = inst->in[0].c, .cout = inst->out.c};
    int64_t most;
    g.tiles_y = (inst->out.h - 1) / WINO_M + 1;
    g.tiles_x = (inst->out.w - 1) / WINO_M + 1;
    g.tiles = (int64_t)inst->out.n * g.tiles_y * g.tiles_x;
    g.panels = (g.cout - 1) / WINO_PANEL + 1;
    g.in_ld = wino_round((size_t)g.cin, WINO_LINE);
    g.out_ld = wino_round((size_t)g.panels * WINO_PANEL, WINO_LINE);
    most = (int64_t)(WINO_SCRATCH / sizeof(float) / WINO_POINTS / (g.in_ld + g.out_ld));
    most = most < WINO_LEAST ? WINO_LEAST : most;
    g.blocks = (g.tiles - 1) / most + 1;
    most = (g.tiles - 1) / g.blocks + 1;
    g.in_point = ((size_t)most * g.in_ld / WINO_LINE | 1) * WINO_LINE;
    g.out_point = ((size_t)most * g.out_ld / WINO_LINE | 1) * WINO_LINE;
    return g;
}

/* Where a tile lies. */
typedef struct wino_place {
    int64_t image;
    int32_t y, x; /* its first output */
} wino_place;

static wino_place wino_place_of(const wino_geometry *g, int64_t tile)
{
    return (wino_place){tile / g->tiles_x / g->tiles_y,
                        (int32_t)(tile / g->tiles_x % g->tiles_y) * WINO_M,
                        (int32_t)(tile % g->tiles_x) * WINO_M};
}

/* --- inputs ---------------------------------------------------------------------------------- */

/* v = B^T d along one direction; values are `step` apart. */
MOP_INLINE void wino_input_line(const vf *d, vf *v, const int step)
{
    vf zero = d[0] * wino_whole[0], infinite = d[step] * wino_whole[0];
#pragma GCC unroll 4
    for (int j = 1; j <= WINO_K; j++) {
        zero += d[2 * j * step] * wino_whole[j];
        infinite += d[(2 * j + 1) * step] * wino_whole[j];
    }
    v[0] = zero;
#pragma GCC unroll 4
    for (int k = 0; k < WINO_K; k++) {
        vf odd = d[step] * wino_others[k][0], even = d[2 * step] * wino_others[k][0];
#pragma GCC unroll 4
        for (int j = 1; j < WINO_K; j++) {
            odd += d[(2 * j + 1) * step] * wino_others[k][j];
            even += d[(2 * j + 2) * step] * wino_others[k][j];
        }
        v[(2 * k + 1) * step] = even + odd * wino_pairs[k];
        v[(2 * k + 2) * step] = even - odd * wino_pairs[k];
    }
    v[(WINO_N - 1) * step] = infinite;
}

/* One vector of channels of one tile: pixel[i] + channel to out + i point. */
MOP_INLINE void wino_input_vector(const float *const *pixel, size_t channel, int lanes, float *out,
                                  size_t point)
{
    vf d[WINO_POINTS], v[WINO_POINTS];
#pragma GCC unroll 8
    for (int x = 0; x < WINO_N; x++) {
#pragma GCC unroll 8
        for (int y = 0; y < WINO_N; y++)
            d[y * WINO_N + x] = vf_load_part(pixel[y * WINO_N + x] + channel, lanes);
        wino_input_line(d + x, v + x, WINO_N);
    }
#pragma GCC unroll 8
    for (int y = 0; y < WINO_N; y++) {
        wino_input_line(v + (ptrdiff_t)y * WINO_N, d + (ptrdiff_t)y * WINO_N, 1);
#pragma GCC unroll 8
        for (int x = 0; x < WINO_N; x++) {
            float *to = out + (size_t)(y * WINO_N + x) * point;
            __builtin_prefetch(to + WINO_LINE, 1); /* stores wait for their line in order */
            vf_store(to, d[y * WINO_N + x]);
        }
    }
}

/* The inputs of tile; zeros where they lie outside the image. */
static void wino_pixels(const mop_args *args, const wino_geometry *g, int64_t tile,
                        const float *zeros, const float *pixel[WINO_POINTS])
{
    const mop_conv_params *p = &args->inst->params.u.conv;
    const mop_shape in = args->inst->in[0];
    const wino_place at = wino_place_of(g, tile);
    for (int i = 0; i < WINO_POINTS; i++) {
        const int64_t y = (int64_t)at.y - p->pad_top + i / WINO_N;
        const int64_t x = (int64_t)at.x - p->pad_left + i % WINO_N;
        const bool is_inside = y >= 0 && y < in.h && x >= 0 && x < in.w;
        pixel[i] =
            is_inside ? args->in[0] + ((at.image * in.h + y) * in.w + x) * (int64_t)in.c : zeros;
    }
}

static void wino_input(const mop_args *args, const wino_geometry *g, int64_t first, int64_t past,
                       const float *zeros)
{
    const size_t cin = (size_t)g->cin;
    float *out = args->scratch;
    for (int64_t tile = first; tile < past; tile++, out += g->in_ld) {
        const float *pixel[WINO_POINTS];
        size_t c = 0;
        wino_pixels(args, g, tile, zeros, pixel);
        for (; c + MOP_VL <= cin; c += MOP_VL)
            wino_input_vector(pixel, c, MOP_VL, out + c, g->in_point);
        if (c < cin)
            wino_input_vector(pixel, c, (int)(cin - c), out + c, g->in_point);
    }
}

/* --- products -------------------------------------------------------------------------------- */

#if MOP_WIDE
enum { WINO_ROWS = 14, WINO_UNROLL = 2 };
#elif MOP_VL == 8
enum { WINO_ROWS = 6, WINO_UNROLL = 4 };
#else
enum { WINO_ROWS = 4, WINO_UNROLL = 4 };
#endif

typedef struct wino_job {
    const float *a, *w; /* tiles' inputs; the panel [depth][WINO_PANEL] */
    float *out;
    size_t a_ld, out_ld;
    ptrdiff_t depth;
    int64_t count;
} wino_job;

/* job->count tiles of `height` rows, one below the other. */
MOP_INLINE void wino_rows(const wino_job *job, const int height)
{
    const wino_job t = *job; /* a copy: stores to out cannot change it */
    const float *at = t.a;
    float *out = t.out;
    const ptrdiff_t ahead = t.depth * WINO_PANEL;
    for (int64_t i = 0; i < t.count; i++) {
        const float *w = t.w, *a[WINO_ROWS];
        vf acc[WINO_ROWS][2];
#pragma GCC unroll 16
        for (int r = 0; r < height; r++, at += t.a_ld) {
            __builtin_prefetch(out + (size_t)r * t.out_ld, 1);
            a[r] = at;
            acc[r][0] = acc[r][1] = vf_zero();
        }
#pragma GCC unroll WINO_UNROLL
        for (ptrdiff_t k = 0; k < t.depth; k++, w += WINO_PANEL) {
            const vf b0 = vf_load(w), b1 = vf_load(w + MOP_VL);
            __builtin_prefetch(w + ahead);
#pragma GCC unroll 16
            for (int r = 0; r < height; r++) {
                const vf x = vf_set1(a[r][k]);
                acc[r][0] += x * b0;
                acc[r][1] += x * b1;
            }
        }
#pragma GCC unroll 16
        for (int r = 0; r < height; r++, out += t.out_ld) {
            vf_store(out, acc[r][0]);
            vf_store(out + MOP_VL, acc[r][1]);
        }
    }
}

typedef void wino_rows_fn(const wino_job *job);

#define WINO_HEIGHT(height)                                                                        \
    static void wino_rows_##height(const wino_job *job)                                            \
    {                                                                                              \
        wino_rows(job, height);                                                                    \
    }
WINO_HEIGHT(1)
WINO_HEIGHT(2)
WINO_HEIGHT(3)
WINO_HEIGHT(4)
#if MOP_VL >= 8 || MOP_WIDE
WINO_HEIGHT(5)
WINO_HEIGHT(6)
#endif
#if MOP_WIDE
WINO_HEIGHT(7)
WINO_HEIGHT(8)
WINO_HEIGHT(9)
WINO_HEIGHT(10)
WINO_HEIGHT(11)
WINO_HEIGHT(12)
WINO_HEIGHT(13)
WINO_HEIGHT(14)
#endif

/* [height - 1] */
static wino_rows_fn *const wino_by_height[WINO_ROWS] = {
    wino_rows_1,  wino_rows_2,  wino_rows_3,  wino_rows_4,
#if MOP_VL >= 8 || MOP_WIDE
    wino_rows_5,  wino_rows_6,
#endif
#if MOP_WIDE
    wino_rows_7,  wino_rows_8,  wino_rows_9,  wino_rows_10,
    wino_rows_11, wino_rows_12, wino_rows_13, wino_rows_14,
#endif
};

/* All rows of one point and one panel, in tiles of nearly equal height. */
static void wino_product(wino_job job, int64_t rows)
{
    const int64_t tiles = (rows + WINO_ROWS - 1) / WINO_ROWS;
    const int64_t low = rows / tiles, higher = rows % tiles;
    job.count = higher;
    if (higher > 0)
        wino_by_height[low](&job);
    job.a += (size_t)(higher * (low + 1)) * job.a_ld;
    job.out += (size_t)(higher * (low + 1)) * job.out_ld;
    job.count = tiles - higher;
    wino_by_height[low - 1](&job);
}

/* --- outputs --------------------------------------------------------------------------------- */

/* y = A^T u along one direction: n values `step` apart to m values `out_step` apart. */
MOP_INLINE void wino_output_line(const vf *u, const int step, vf *y, const int out_step)
{
    vf sum[WINO_K], difference[WINO_K];
#pragma GCC unroll 4
    for (int k = 0; k < WINO_K; k++) {
        sum[k] = u[(2 * k + 1) * step] + u[(2 * k + 2) * step];
        difference[k] = u[(2 * k + 1) * step] - u[(2 * k + 2) * step];
    }
#pragma GCC unroll 8
    for (int i = 0; i < WINO_M; i++) {
        vf s = (i % 2 == 0 ? sum[0] : difference[0]) * wino_powers[0][i];
#pragma GCC unroll 4
        for (int k = 1; k < WINO_K; k++)
            s += (i % 2 == 0 ? sum[k] : difference[k]) * wino_powers[k][i];
        if (i == 0)
            s += u[0];
        if (i == WINO_M - 1)
            s += u[(WINO_N - 1) * step];
        y[i * out_step] = s;
    }
}

/* Where a vector of results goes. */
typedef struct wino_target {
    float *out;            /* the tile's first pixel and first channel */
    const float *residual; /* NULL: none; as out */
    size_t row, pixel;     /* floats from row to row, pixel to pixel */
    int32_t height, width; /* that lie inside the image */
    float lo, hi;
} wino_target;

MOP_INLINE void wino_output_vector(const float *in, size_t point, const float *bias,
                                   const wino_target *to, size_t channel, int lanes)
{
    const vf lo = vf_set1(to->lo), hi = vf_set1(to->hi), b = vf_load(bias + channel);
    vf u[WINO_POINTS], y[WINO_M * WINO_N], line[WINO_M];
#pragma GCC unroll 8
    for (int j = 0; j < WINO_N; j++) {
#pragma GCC unroll 8
        for (int i = 0; i < WINO_N; i++) {
            const float *from = in + (size_t)(i * WINO_N + j) * point + channel;
            __builtin_prefetch(from + WINO_LINE);
            u[i * WINO_N + j] = vf_load(from);
        }
        wino_output_line(u + j, WINO_N, y + j, WINO_N);
    }
#pragma GCC unroll 8
    for (int i = 0; i < WINO_M; i++) {
        const size_t at = (size_t)i * to->row + channel;
        if (i >= to->height)
            break;
        wino_output_line(y + (ptrdiff_t)i * WINO_N, 1, line, 1);
#pragma GCC unroll 8
        for (int j = 0; j < WINO_M; j++) {
            const size_t pixel = at + (size_t)j * to->pixel;
            vf x = line[j] + b;
            if (j >= to->width)
                break;
            if (to->residual != NULL)
                x += vf_load_part(to->residual + pixel, lanes);
            vf_store_part(to->out + pixel, vf_min(hi, vf_max(lo, x)), lanes);
        }
    }
}

/* Channels [begin, end) of tiles [first, past). */
static void wino_output(const mop_args *args, const wino_geometry *g, int64_t first, int64_t past,
                        size_t begin, size_t end, const float *bias)
{
    const mop_shape o = args->inst->out;
    const mop_params *params = &args->inst->params;
    const mop_epilogue e = mop_epilogue_of(params->act);
    const float *in = (const float *)args->scratch + WINO_POINTS * g->in_point;
    for (int64_t tile = first; tile < past; tile++, in += g->out_ld) {
        const wino_place at = wino_place_of(g, tile);
        const size_t pixel = (size_t)(((at.image * o.h + at.y) * o.w + at.x) * (int64_t)o.c);
        const wino_target to = {.out = args->out + pixel,
                                .residual = params->has_residual ? args->in[1] + pixel : NULL,
                                .row = (size_t)o.w * (size_t)o.c,
                                .pixel = (size_t)o.c,
                                .height = o.h - at.y < WINO_M ? o.h - at.y : WINO_M,
                                .width = o.w - at.x < WINO_M ? o.w - at.x : WINO_M,
                                .lo = e.lo,
                                .hi = e.hi};
        size_t c = begin;
        for (; c + MOP_VL <= end; c += MOP_VL)
            wino_output_vector(in, g->out_point, bias, &to, c, MOP_VL);
        if (c < end)
            wino_output_vector(in, g->out_point, bias, &to, c, (int)(end - c));
        for (int32_t y = 0; e.span != MOP_ACT_NONE && y < to.height; y++)
            for (int32_t x = 0; x < to.width; x++) {
                float *p = to.out + (size_t)y * to.row + (size_t)x * to.pixel + begin;
                vf_act_span(p, p, end - begin, e.span);
            }
    }
}

/* --- the kernel ------------------------------------------------------------------------------ */

static size_t wino_weights(const wino_geometry *g)
{
    return (size_t)WINO_POINTS * (size_t)g->panels * WINO_PANEL * (size_t)g->cin;
}

/* Units: blocks x panels, the panel fastest. Those of one block that come in one call are done
 * together; the inputs are transformed once for them. */
static void run(const mop_args *args)
{
    const wino_geometry g = wino_geometry_of(args->inst);
    const float *weights = args->packed, *bias = weights + wino_weights(&g);
    const size_t panel_floats = (size_t)g.cin * WINO_PANEL;
    int64_t count;
    for (int64_t u = args->begin; u < args->end; u += count) {
        const int64_t block = u / g.panels, panel = u % g.panels;
        const int64_t first = g.tiles * block / g.blocks, past = g.tiles * (block + 1) / g.blocks;
        const size_t begin = (size_t)panel * WINO_PANEL;
        size_t end;
        count = args->end - u < g.panels - panel ? args->end - u : g.panels - panel;
        end = (size_t)(panel + count) * WINO_PANEL;
        end = end < (size_t)g.cout ? end : (size_t)g.cout;
        wino_input(args, &g, first, past, bias + (size_t)g.panels * WINO_PANEL);
        for (size_t point = 0; point < WINO_POINTS; point++) {
            wino_job job = {.a = (const float *)args->scratch + point * g.in_point,
                            .w =
                                weights + (point * (size_t)g.panels + (size_t)panel) * panel_floats,
                            .out = (float *)args->scratch + WINO_POINTS * g.in_point +
                                   point * g.out_point + begin,
                            .a_ld = g.in_ld,
                            .out_ld = g.out_ld,
                            .depth = g.cin};
            for (int64_t i = 0; i < count; i++, job.w += panel_floats, job.out += WINO_PANEL)
                wino_product(job, past - first);
        }
        wino_output(args, &g, first, past, begin, end, bias);
    }
}

static bool fits(const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    return inst->op == MOP_OP_CONV2D && p->kh == 3 && p->kw == 3 && p->stride == 1 &&
           p->dilation == 1 && p->groups == 1;
}

/* Packed: weights [point][panel][cin][WINO_PANEL], bias of all panels, a pixel of zeros. */
static size_t packed_bytes(const mop_op_inst *inst)
{
    const wino_geometry g = wino_geometry_of(inst);
    return (wino_weights(&g) + (size_t)g.panels * WINO_PANEL + (size_t)g.cin) * sizeof(float);
}

static size_t scratch_bytes(const mop_op_inst *inst)
{
    const wino_geometry g = wino_geometry_of(inst);
    return WINO_POINTS * (g.in_point + g.out_point) * sizeof(float);
}

static int64_t units(const mop_op_inst *inst)
{
    const wino_geometry g = wino_geometry_of(inst);
    return g.blocks * g.panels;
}

static void pack(const mop_op_inst *inst, const float *const w[MOP_MAX_WEIGHTS], void *packed)
{
    const wino_geometry g = wino_geometry_of(inst);
    const wino_matrices t = wino_matrices_of(false);
    const size_t point_floats = (size_t)g.panels * WINO_PANEL * (size_t)g.cin;
    float *bias = (float *)packed + wino_weights(&g);
    for (int32_t panel = 0; panel < g.panels; panel++)
        for (int32_t ci = 0; ci < g.cin; ci++)
            for (int32_t i = 0; i < WINO_PANEL; i++) {
                const int32_t co = panel * WINO_PANEL + i;
                float *dst = (float *)packed +
                             ((size_t)panel * (size_t)g.cin + (size_t)ci) * WINO_PANEL + (size_t)i;
                double u[WINO_POINTS] = {0};
                if (co < g.cout)
                    wino_weight(&t, inst, w[0], co, ci, u);
                for (size_t point = 0; point < WINO_POINTS; point++)
                    dst[point * point_floats] = (float)u[point];
            }
    for (int32_t co = 0; co < g.panels * WINO_PANEL; co++)
        bias[co] = inst->params.u.conv.has_bias && co < g.cout ? w[1][co] : 0.0f;
    memset(bias + (size_t)g.panels * WINO_PANEL, 0, (size_t)g.cin * sizeof(float));
}

const mop_cpu_kernel MOP_KERNEL_SYM(WINO_NAME) = {
    .name = WINO_TEXT,
    .op = MOP_OP_CONV2D,
    .isa = MOP_ISA_LEVEL,
    .fits = fits,
    .is_best = is_best,
    .is_winograd = true,
    .bound = bound,
    .error_growth = WINO_GROWTH,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .units = units,
    .run = run,
    .tile = {1, 1, WINO_M, WINO_PANEL},
};

#endif
