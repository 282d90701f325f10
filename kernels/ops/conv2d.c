/* Two-dimensional convolution (cross-correlation, as every framework has it) with groups.
 * The reference has two loop orders: over output channels by fours with contiguous input channels
 * inside, and for depthwise layers over channels inside. On one Zen 3 core, bound
 * included, they do 2 to 3 and 0.6 to 1 GMAC/s. */
#include <math.h>
#include <string.h>

#include "kernels/ops/ops.h"

static mop_status check_numbers(const mop_conv_params *p, mop_err *err)
{
    if (p->cout < 1)
        return mop_fail(err, MOP_EINVAL, "conv2d: %d output channels, must be at least 1", p->cout);
    if (p->kh < 1 || p->kw < 1)
        return mop_fail(err, MOP_EINVAL, "conv2d: kernel %dx%d, both sides must be at least 1",
                        p->kh, p->kw);
    if (p->stride < 1)
        return mop_fail(err, MOP_EINVAL, "conv2d: stride %d, must be at least 1", p->stride);
    if (p->dilation < 1)
        return mop_fail(err, MOP_EINVAL, "conv2d: dilation %d, must be at least 1", p->dilation);
    if (p->groups < 1)
        return mop_fail(err, MOP_EINVAL, "conv2d: groups %d, must be at least 1", p->groups);
    if (p->pad_top < 0 || p->pad_left < 0 || p->pad_bottom < 0 || p->pad_right < 0)
        return mop_fail(
            err, MOP_EINVAL,
            "conv2d: padding %d,%d,%d,%d (top, left, bottom, right) must not be negative",
            p->pad_top, p->pad_left, p->pad_bottom, p->pad_right);
    return MOP_OK;
}

static mop_status infer(mop_op_inst *inst, mop_err *err)
{
    const mop_conv_params *p = &inst->params.u.conv;
    mop_shape in = inst->in[0];
    int64_t h, w;
    if (check_numbers(p, err) != MOP_OK)
        return MOP_EINVAL;
    if (in.c % p->groups != 0)
        return mop_fail(err, MOP_EINVAL, "conv2d: groups %d does not divide %d input channels",
                        p->groups, in.c);
    if (p->cout % p->groups != 0)
        return mop_fail(err, MOP_EINVAL, "conv2d: groups %d does not divide %d output channels",
                        p->groups, p->cout);
    if (mop_weights_check("conv2d", p->cout, p->kh, p->kw, in.c / p->groups, err) != MOP_OK)
        return MOP_EINVAL;
    h = mop_window_out(in.h, (int64_t)p->pad_top + p->pad_bottom, p->kh, p->dilation, p->stride);
    w = mop_window_out(in.w, (int64_t)p->pad_left + p->pad_right, p->kw, p->dilation, p->stride);
    if (h < 1 || w < 1)
        return mop_fail(err, MOP_EINVAL,
                        "conv2d: kernel %dx%d at dilation %d does not fit the padded input "
                        "%lldx%lld",
                        p->kh, p->kw, p->dilation, (long long)in.h + p->pad_top + p->pad_bottom,
                        (long long)in.w + p->pad_left + p->pad_right);
    if (h > INT32_MAX || w > INT32_MAX)
        return mop_fail(err, MOP_EINVAL, "conv2d: output %lldx%lld is too large", (long long)h,
                        (long long)w);
    inst->out = (mop_shape){in.n, (int32_t)h, (int32_t)w, p->cout};
    return MOP_OK;
}

/* Weights of one output channel. */
static int64_t taps_of(const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    return (int64_t)p->kh * p->kw * (inst->in[0].c / p->groups);
}

static uint32_t weights(const mop_op_inst *inst, mop_weight_desc desc[MOP_MAX_WEIGHTS])
{
    const mop_conv_params *p = &inst->params.u.conv;
    int64_t fan_in = taps_of(inst);
    desc[0] = (mop_weight_desc){"w", fan_in * p->cout, fan_in, MOP_INIT_KERNEL};
    if (!p->has_bias)
        return 1;
    desc[1] = (mop_weight_desc){"bias", p->cout, fan_in, MOP_INIT_BIAS};
    return 2;
}

static void cost(const mop_op_inst *inst, mop_cost *c)
{
    int64_t out = mop_shape_elems(inst->out);
    c->macs += out * taps_of(inst);
    c->elementwise += inst->params.u.conv.has_bias ? out : 0;
}

/* Pixel (oh, ow) of image n. */
struct pixel {
    int64_t n, oh, ow;
};

/* The input pixel under tap (kh, kw), or NULL in the padding. */
static const double *tap(const mop_ref_args *args, struct pixel px, int32_t kh, int32_t kw)
{
    const mop_conv_params *p = &args->inst->params.u.conv;
    mop_shape in = args->inst->in[0];
    int64_t ih = px.oh * p->stride - p->pad_top + (int64_t)kh * p->dilation;
    int64_t iw = px.ow * p->stride - p->pad_left + (int64_t)kw * p->dilation;
    if (ih < 0 || ih >= in.h || iw < 0 || iw >= in.w)
        return NULL;
    return args->in[0] + ((px.n * in.h + ih) * in.w + iw) * in.c;
}

/* Two doubles: the width every 64-bit machine has. */
typedef double v2d __attribute__((vector_size(16)));
typedef int64_t v2i __attribute__((vector_size(16)));

static inline v2d v2_abs(v2d a)
{
    return (v2d)((v2i)a & INT64_MAX);
}

static inline v2d v2_weights(const float *w)
{
    return (v2d){(double)w[0], (double)w[1]};
}

static inline v2d v2_load(const double *x)
{
    v2d v;
    memcpy(&v, x, sizeof v);
    return v;
}

/* Dot products of x[0..n) with four rows of weights at once: sum[r] += sum_i x_i w[r][i] and
 * mag[r] += sum_i |x_i w[r][i]|. Four rows share each load of x. */
static void dot4(const double *x, const float *const w[4], int64_t n, double sum[4], double mag[4])
{
    const float *w0 = w[0], *w1 = w[1], *w2 = w[2], *w3 = w[3];
    v2d s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0}, m0 = {0}, m1 = {0}, m2 = {0}, m3 = {0};
    int64_t i = 0;
    for (; i + 2 <= n; i += 2) {
        v2d v = v2_load(x + i);
        v2d p0 = v * v2_weights(w0 + i), p1 = v * v2_weights(w1 + i);
        v2d p2 = v * v2_weights(w2 + i), p3 = v * v2_weights(w3 + i);
        s0 += p0, m0 += v2_abs(p0);
        s1 += p1, m1 += v2_abs(p1);
        s2 += p2, m2 += v2_abs(p2);
        s3 += p3, m3 += v2_abs(p3);
    }
    sum[0] += s0[0] + s0[1], mag[0] += m0[0] + m0[1];
    sum[1] += s1[0] + s1[1], mag[1] += m1[0] + m1[1];
    sum[2] += s2[0] + s2[1], mag[2] += m2[0] + m2[1];
    sum[3] += s3[0] + s3[1], mag[3] += m3[0] + m3[1];
    for (; i < n; i++) {
        for (int r = 0; r < 4; r++) {
            double p = x[i] * (double)w[r][i];
            sum[r] += p;
            mag[r] += fabs(p);
        }
    }
}

/* Output channels [co, co + m), m <= 4, of one group at one pixel. */
static void dense_pixel(const mop_ref_args *args, struct pixel px, int32_t co, int32_t m)
{
    const mop_conv_params *p = &args->inst->params.u.conv;
    const mop_shape in = args->inst->in[0], out = args->inst->out;
    const int64_t cg = in.c / p->groups, taps = taps_of(args->inst);
    const int64_t first = co / (p->cout / p->groups) * cg;
    const int64_t at = ((px.n * out.h + px.oh) * out.w + px.ow) * out.c + co;
    /* neighbouring taps lie side by side in the input as in the weights */
    const bool rows_join = p->dilation == 1 && p->groups == 1;
    double sum[4] = {0}, mag[4] = {0};
    for (int32_t kh = 0; kh < p->kh; kh++) {
        for (int32_t kw = 0, run; kw < p->kw; kw += run) {
            const double *x = tap(args, px, kh, kw);
            const float *w[4];
            run = 1;
            if (x == NULL)
                continue;
            while (rows_join && kw + run < p->kw && tap(args, px, kh, kw + run) != NULL)
                run++;
            for (int32_t r = 0; r < 4; r++) /* a missing row repeats the last one */
                w[r] = args->w[0] + (co + (r < m ? r : m - 1)) * taps + (kh * p->kw + kw) * cg;
            dot4(x + first, w, run * cg, sum, mag);
        }
    }
    for (int32_t r = 0; r < m; r++) {
        double bias = p->has_bias ? (double)args->w[1][co + r] : 0;
        args->out[at + r] = sum[r] + bias;
        if (args->bound != NULL)
            args->bound[at + r] = mop_sum_bound(args, taps + p->has_bias, mag[r] + fabs(bias));
    }
}

/* One pixel of a depthwise layer, all channels. */
static void depthwise_pixel(const mop_ref_args *args, struct pixel px)
{
    const mop_conv_params *p = &args->inst->params.u.conv;
    const mop_shape s = args->inst->out;
    const int64_t taps = taps_of(args->inst);
    double *out = args->out + ((px.n * s.h + px.oh) * s.w + px.ow) * s.c;
    double *bound = args->bound != NULL ? args->bound + (out - args->out) : NULL;
    for (int32_t c = 0; c < s.c; c++) {
        out[c] = p->has_bias ? (double)args->w[1][c] : 0;
        if (bound != NULL)
            bound[c] = fabs(out[c]);
    }
    for (int32_t t = 0; t < taps; t++) {
        const double *x = tap(args, px, t / p->kw, t % p->kw);
        const float *w = args->w[0] + t;
        for (int32_t c = 0; c < s.c && x != NULL; c++) {
            double v = x[c] * (double)w[c * taps];
            out[c] += v;
            if (bound != NULL)
                bound[c] += fabs(v);
        }
    }
    for (int32_t c = 0; c < s.c && bound != NULL; c++)
        bound[c] = mop_sum_bound(args, taps + p->has_bias, bound[c]);
}

static void reference(const mop_ref_args *args)
{
    const mop_conv_params *p = &args->inst->params.u.conv;
    const mop_shape s = args->inst->out;
    const bool is_depthwise = p->groups == args->inst->in[0].c && p->groups == p->cout;
    const int32_t per_group = p->cout / p->groups;
    const int64_t pixels = (int64_t)s.n * s.h * s.w;
    for (int64_t i = 0; i < pixels && is_depthwise; i++)
        depthwise_pixel(args, (struct pixel){i / s.w / s.h, i / s.w % s.h, i % s.w});
    for (int32_t co = 0, m; co < p->cout && !is_depthwise; co += m) {
        int32_t left = per_group - co % per_group;
        m = left < 4 ? left : 4;
        for (int64_t i = 0; i < pixels; i++)
            dense_pixel(args, (struct pixel){i / s.w / s.h, i / s.w % s.h, i % s.w}, co, m);
    }
}

const mop_op_spec mop_op_conv2d = {
    .name = "conv2d",
    .n_in = 1,
    .takes_act = true,
    .takes_residual = true,
    .infer = infer,
    .weights = weights,
    .cost = cost,
    .reference = reference,
};
