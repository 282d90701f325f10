/* What conv_wino.h needs before it runs: its constants and, in float64, its matrices, the transform
 * of weights, the bound of its error and what it is chosen by. */
#ifndef KERNELS_CPU_CONV_WINO_PLAN_H
#define KERNELS_CPU_CONV_WINO_PLAN_H

#include "kernels/cpu/vmath.h"

/* WINO_PAIRS: a of +-a, those whose error is least among multiples of 1/8. With q = a^2, WINO_WHOLE
 * has the coefficients of prod (x^2 - q) by powers of x^2, WINO_OTHERS for each pair those of the
 * product over the other pairs, WINO_POWERS a^i. WINO_GROWTH is g of profiler/engine/check.h. */
#if WINO_M == 2
#define WINO_TEXT   "conv_wino2"
#define WINO_GROWTH 1.7
#define WINO_PAIRS                                                                                 \
    {                                                                                              \
        1                                                                                          \
    }
#define WINO_WHOLE                                                                                 \
    {                                                                                              \
        -1, 1                                                                                      \
    }
#define WINO_OTHERS                                                                                \
    {                                                                                              \
        {                                                                                          \
            1                                                                                      \
        }                                                                                          \
    }
#define WINO_POWERS                                                                                \
    {                                                                                              \
        {                                                                                          \
            1, 1                                                                                   \
        }                                                                                          \
    }
#elif WINO_M == 4
#define WINO_TEXT   "conv_wino4"
#define WINO_GROWTH 4.8
#define WINO_PAIRS                                                                                 \
    {                                                                                              \
        0.625f, 1.5f                                                                               \
    }
#define WINO_WHOLE                                                                                 \
    {                                                                                              \
        0.87890625f, -2.640625f, 1                                                                 \
    }
#define WINO_OTHERS                                                                                \
    {                                                                                              \
        {-2.25f, 1},                                                                               \
        {                                                                                          \
            -0.390625f, 1                                                                          \
        }                                                                                          \
    }
#define WINO_POWERS                                                                                \
    {                                                                                              \
        {1, 0.625f, 0.390625f, 0.244140625f},                                                      \
        {                                                                                          \
            1, 1.5f, 2.25f, 3.375f                                                                 \
        }                                                                                          \
    }
#else
#define WINO_TEXT   "conv_wino6"
#define WINO_GROWTH 21.0
#define WINO_PAIRS                                                                                 \
    {                                                                                              \
        1, 2, 0.5f                                                                                 \
    }
#define WINO_WHOLE                                                                                 \
    {                                                                                              \
        -1, 5.25f, -5.25f, 1                                                                       \
    }
#define WINO_OTHERS                                                                                \
    {                                                                                              \
        {1, -4.25f, 1}, {0.25f, -1.25f, 1},                                                        \
        {                                                                                          \
            4, -5, 1                                                                               \
        }                                                                                          \
    }
#define WINO_POWERS                                                                                \
    {                                                                                              \
        {1, 1, 1, 1, 1, 1}, {1, 2, 4, 8, 16, 32},                                                  \
        {                                                                                          \
            1, 0.5f, 0.25f, 0.125f, 0.0625f, 0.03125f                                              \
        }                                                                                          \
    }
#endif

enum {
    WINO_K = WINO_M / 2,
    WINO_N = WINO_M + 2,
    WINO_POINTS = WINO_N * WINO_N,
    WINO_PANEL = 2 * MOP_VL,
    WINO_LINE = 16 /* floats */
};

static const float wino_pairs[WINO_K] = WINO_PAIRS;
static const float wino_whole[WINO_K + 1] = WINO_WHOLE;
static const float wino_others[WINO_K][WINO_K] = WINO_OTHERS;
static const float wino_powers[WINO_K][WINO_M] = WINO_POWERS;

/* G [n][3], B^T [n][n], A^T [m][n]. */
typedef struct wino_matrices {
    bool is_absolute;
    double g[WINO_N][3], b[WINO_N][WINO_N], a[WINO_M][WINO_N];
} wino_matrices;

/* The matrices behind the transforms above; magnitudes of their elements if is_absolute.
 * With M(x) = x prod (x^2 - q) the row of a point p is M(x) / (x - p) in B^T, (1, p, p^2) / M'(p)
 * in G and its column (p^i) in A^T. */
static wino_matrices wino_matrices_of(bool is_absolute)
{
    wino_matrices t = {.is_absolute = is_absolute};
    const double flip = is_absolute ? 1 : -1;
    for (int j = 0; j <= WINO_K; j++) {
        const double c = (double)wino_whole[j];
        t.b[0][2 * j] = t.b[WINO_N - 1][2 * j + 1] = is_absolute ? fabs(c) : c;
    }
    t.g[0][0] = 1 / (double)wino_whole[0];
    t.g[0][0] = is_absolute ? fabs(t.g[0][0]) : t.g[0][0];
    t.g[WINO_N - 1][2] = t.a[0][0] = t.a[WINO_M - 1][WINO_N - 1] = 1;
    for (int k = 0; k < WINO_K; k++) {
        const double p = (double)wino_pairs[k];
        const int plus = 2 * k + 1, minus = 2 * k + 2;
        double slope = 0;
        for (int j = 0; j < WINO_K; j++) {
            const double c = (double)wino_others[k][j], x = is_absolute ? fabs(c) : c;
            t.b[plus][2 * j + 2] = t.b[minus][2 * j + 2] = x;
            t.b[plus][2 * j + 1] = p * x;
            t.b[minus][2 * j + 1] = flip * p * x;
            slope += 2 * p * p * c * pow(p, 2 * j);
        }
        slope = is_absolute ? fabs(slope) : slope;
        for (int i = 0; i < 3; i++) {
            t.g[plus][i] = pow(p, i) / slope;
            t.g[minus][i] = pow(flip * p, i) / slope;
        }
        for (int i = 0; i < WINO_M; i++) {
            t.a[i][plus] = pow(p, i);
            t.a[i][minus] = pow(flip * p, i);
        }
    }
    return t;
}

/* u = G g G^T of one pair of channels; of magnitudes if t is. */
static void wino_weight(const wino_matrices *t, const mop_op_inst *inst, const float *w, int32_t co,
                        int32_t ci, double u[WINO_POINTS])
{
    const int32_t cin = inst->in[0].c;
    double half[3][WINO_N];
    for (int ky = 0; ky < 3; ky++) {
        double g[3];
        for (int kx = 0; kx < 3; kx++)
            g[kx] = (double)
                w[(((size_t)co * 3 + (size_t)ky) * 3 + (size_t)kx) * (size_t)cin + (size_t)ci];
        if (t->is_absolute)
            for (int kx = 0; kx < 3; kx++)
                g[kx] = fabs(g[kx]);
        for (int j = 0; j < WINO_N; j++)
            half[ky][j] = t->g[j][0] * g[0] + t->g[j][1] * g[1] + t->g[j][2] * g[2];
    }
    for (int i = 0; i < WINO_N; i++)
        for (int j = 0; j < WINO_N; j++)
            u[i * WINO_N + j] =
                t->g[i][0] * half[0][j] + t->g[i][1] * half[1][j] + t->g[i][2] * half[2][j];
}

/* --- bound ----------------------------------------------------------------------------------- */

/* A batch of tiles over some input channels is held at once. */
enum { WINO_BATCH = 16, WINO_CHANNELS = 16 };

typedef struct wino_batch {
    int32_t tiles_y, tiles_x;
    int64_t first, tiles;
    int32_t channel, channels;
    double v[WINO_BATCH][WINO_POINTS][WINO_CHANNELS];
} wino_batch;

/* v = |B^T| |d| |B| of one tile and channel. */
static void wino_magnitude(const mop_ref_args *args, const wino_matrices *t, wino_batch *b,
                           int64_t i, int32_t c)
{
    const mop_conv_params *p = &args->inst->params.u.conv;
    const mop_shape in = args->inst->in[0];
    const int64_t tile = b->first + i, image = tile / b->tiles_x / b->tiles_y;
    const int64_t y0 = tile / b->tiles_x % b->tiles_y * WINO_M - p->pad_top;
    const int64_t x0 = tile % b->tiles_x * WINO_M - p->pad_left;
    double half[WINO_N][WINO_N] = {{0}};
    for (int y = 0; y < WINO_N; y++)
        for (int x = 0; x < WINO_N; x++) {
            const bool is_inside = y0 + y >= 0 && y0 + y < in.h && x0 + x >= 0 && x0 + x < in.w;
            const double d =
                is_inside ? fabs(args->in[0][((image * in.h + y0 + y) * in.w + x0 + x) * in.c +
                                             b->channel + c])
                          : 0;
            for (int j = 0; is_inside && j < WINO_N; j++)
                half[y][j] += d * t->b[j][x];
        }
    for (int k = 0; k < WINO_N; k++)
        for (int j = 0; j < WINO_N; j++) {
            double s = 0;
            for (int y = 0; y < WINO_N; y++)
                s += t->b[k][y] * half[y][j];
            b->v[i][k * WINO_N + j][c] = s;
        }
}

/* Adds |A^T| m |A| of one tile to its outputs of channel co. */
static void wino_spread(const mop_ref_args *args, const wino_matrices *t, const wino_batch *b,
                        int64_t i, int32_t co, const double m[WINO_POINTS])
{
    const mop_shape o = args->inst->out;
    const int64_t tile = b->first + i, image = tile / b->tiles_x / b->tiles_y;
    const int64_t y0 = tile / b->tiles_x % b->tiles_y * WINO_M, x0 = tile % b->tiles_x * WINO_M;
    double half[WINO_M][WINO_N] = {{0}};
    for (int y = 0; y < WINO_M; y++)
        for (int k = 0; k < WINO_N; k++)
            for (int j = 0; j < WINO_N; j++)
                half[y][j] += t->a[y][k] * m[k * WINO_N + j];
    for (int y = 0; y < WINO_M && y0 + y < o.h; y++)
        for (int x = 0; x < WINO_M && x0 + x < o.w; x++) {
            double s = 0;
            for (int j = 0; j < WINO_N; j++)
                s += half[y][j] * t->a[x][j];
            args->bound[((image * o.h + y0 + y) * o.w + x0 + x) * o.c + co] += s;
        }
}

/* One batch's share of the sums, for all output channels. */
static void wino_bound_batch(const mop_ref_args *args, const wino_matrices *t, wino_batch *b)
{
    for (int64_t i = 0; i < b->tiles; i++)
        for (int32_t c = 0; c < b->channels; c++)
            wino_magnitude(args, t, b, i, c);
    for (int32_t co = 0; co < args->inst->out.c; co++) {
        double u[WINO_CHANNELS][WINO_POINTS];
        for (int32_t c = 0; c < b->channels; c++)
            wino_weight(t, args->inst, args->w[0], co, b->channel + c, u[c]);
        for (int64_t i = 0; i < b->tiles; i++) {
            double m[WINO_POINTS] = {0};
            for (int point = 0; point < WINO_POINTS; point++)
                for (int32_t c = 0; c < b->channels; c++)
                    m[point] += u[c][point] * b->v[i][point][c];
            wino_spread(args, t, b, i, co, m);
        }
    }
}

/* mop_bound_fn, see conv_wino.h. */
static void bound(const mop_ref_args *args)
{
    const wino_matrices t = wino_matrices_of(true);
    const mop_shape in = args->inst->in[0], o = args->inst->out;
    const int64_t elems = mop_shape_elems(o);
    const double steps = in.c + 8 * WINO_K + 13;
    wino_batch b = {.tiles_y = (o.h - 1) / WINO_M + 1, .tiles_x = (o.w - 1) / WINO_M + 1};
    const int64_t tiles = (int64_t)o.n * b.tiles_y * b.tiles_x;
    for (int64_t i = 0; i < elems; i++)
        args->bound[i] = args->inst->params.u.conv.has_bias ? fabs((double)args->w[1][i % o.c]) : 0;
    for (; b.first < tiles; b.first += b.tiles) {
        b.tiles = tiles - b.first < WINO_BATCH ? tiles - b.first : WINO_BATCH;
        for (b.channel = 0; b.channel < in.c; b.channel += b.channels) {
            b.channels = in.c - b.channel < WINO_CHANNELS ? in.c - b.channel : WINO_CHANNELS;
            wino_bound_batch(args, &t, &b);
        }
    }
    for (int64_t i = 0; i < elems; i++)
        args->bound[i] *= steps * 0x1p-23;
}

/* --- choice ---------------------------------------------------------------------------------- */

/* Cycles of F(m x m) on inst, m = 0: of the sum as it is written. A model fitted to measurements on
 * Zen 3 (AVX2, weights not in a cache): two FMA per cycle and 5 bytes of weights per cycle,
 * whichever takes longer, and the two transforms. A larger tile has a larger error, so it must win
 * clearly. */
static double wino_cycles(const mop_op_inst *inst, int m)
{
    static const double transforms[4][2] = {{0, 0}, {58, 41}, {165, 100}, {370, 275}};
    static const double clearly[4] = {1, 1.03, 1.06, 1.2};
    const double cin = inst->in[0].c;
    const double cout = ((inst->out.c - 1) / WINO_PANEL + 1) * (double)WINO_PANEL;
    const double side = m == 0 ? 1 : m;
    const double points = m == 0 ? 9.5 : (side + 2) * (side + 2);
    const double tiles = inst->out.n * ceil(inst->out.h / side) * ceil(inst->out.w / side);
    const double weights = points * cin * cout;
    const double products = fmax(tiles * weights / (2 * MOP_VL), weights * sizeof(float) / 5);
    const double *t = transforms[m / 2];
    return clearly[m / 2] * (products + tiles * (t[0] * cin + t[1] * cout) / MOP_VL);
}

static bool is_best(const mop_op_inst *inst)
{
    const double own = wino_cycles(inst, WINO_M);
    for (int m = 0; m <= 6; m += 2)
        if (m != WINO_M && wino_cycles(inst, m) <= own)
            return false;
    return true;
}

#endif
