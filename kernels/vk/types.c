#include "kernels/vk/types.h"

#include <math.h>

/* Below it float16 is subnormal. */
#define LEAST_NORMAL 0x1p-14f

/* Half a step of integers -127 to 127, as a share of the largest magnitude. */
#define INT8_SHARE (1.0 / 254)

mop_status mop_vk_runs(const mop_vk_caps *caps, mop_dtype dtype, mop_err *err)
{
    if (dtype != MOP_DTYPE_FP16 || (caps->features & MOP_VK_CAN_FP16) != 0)
        return MOP_OK;
    return mop_fail(
        err, MOP_EUNSUPPORTED,
        "fp16 needs a Vulkan device that computes in float16 (shaderFloat16), which this "
        "one %s",
        (caps->has & MOP_VK_CAN_FP16) != 0 ? "is told not to" : "does not");
}

static uint16_t half_of(float x)
{
    const uint16_t h = mop_fp16_from(x);
    return (h & 0x7fff) < 0x400 ? 0 : h;
}

void mop_vk_encode(mop_dtype dtype, const float *src, void *dst, size_t n)
{
    uint16_t *half = dst;
    if (!mop_vk_is_half(dtype)) {
        memcpy(dst, src, n * sizeof *src);
        return;
    }
    for (size_t i = 0; i < n; i++)
        half[i] = half_of(src[i]);
}

void mop_vk_decode(mop_dtype dtype, const void *src, float *dst, size_t n)
{
    const uint16_t *half = src;
    if (!mop_vk_is_half(dtype)) {
        memcpy(dst, src, n * sizeof *dst);
        return;
    }
    for (size_t i = 0; i < n; i++)
        dst[i] = mop_fp16_to(half[i]);
}

float mop_vk_int8_scale(const float *w, size_t n)
{
    float top = 0;
    for (size_t i = 0; i < n; i++)
        top = fmaxf(top, fabsf(w[i]));
    return top / 127;
}

int mop_vk_int8_of(float w, float scale)
{
    const long q = scale > 0 ? lrintf(w / scale) : 0;
    return (int)(q < -127 ? -127 : q > 127 ? 127 : q);
}

/* Terms that shaders sum in float16 before float32 takes over (FLUSH in common.glsl): eight steps
 * of u vec4s of input, or a row of taps where there is one vec4. A depthwise window, 0, is one sum.
 */
static int32_t block_of(const mop_vk_task *task)
{
    const mop_op_inst *inst = task->inst;
    const mop_conv_params *p = &inst->params.u.conv;
    const int32_t u = task->variant.u > 0 ? task->variant.u : 1;
    if (inst->op == MOP_OP_CONV2D && p->groups > 1)
        return 0;
    return inst->op == MOP_OP_CONV2D && inst->in[0].c <= 4 ? p->kw * inst->in[0].c : 32 * u;
}

/* In 8-bit integers inputs are rounded too. The node's own bound has that; for the network's, which
 * looks at constants alone, `constants` stands for both, in quadrature. */
void mop_vk_precision(const mop_vk_task *task, mop_precision *out)
{
    *out = (mop_precision){0};
    if (mop_vk_is_half(task->dtype))
        *out = (mop_precision){
            .stored = MOP_ROUNDOFF_FP16,
            .constants = MOP_ROUNDOFF_FP16,
            .tiny = (double)LEAST_NORMAL,
            .largest = MOP_FP16_MAX,
        };
    if (task->dtype == MOP_DTYPE_FP16) {
        out->sums = MOP_ROUNDOFF_FP16;
        out->block = block_of(task);
    }
    if (task->dtype == MOP_DTYPE_INT8)
        *out = (mop_precision){.constants = 1.4143 * INT8_SHARE, .is_scaled = true};
}

static void hold_int8(float *w, size_t n)
{
    const float scale = mop_vk_int8_scale(w, n);
    for (size_t i = 0; i < n; i++)
        w[i] = (float)mop_vk_int8_of(w[i], scale) * scale;
}

/* BatchNorm's constants are not held themselves: see its bound. In 8-bit integers constant 0 is
 * the weights, channel after channel, and 1 the bias, which stays float32. */
void mop_vk_hold(const mop_vk_task *task, uint32_t j, float *w, size_t n)
{
    const size_t channels = (size_t)task->inst->out.c;
    for (size_t o = 0; o < channels && task->dtype == MOP_DTYPE_INT8 && j == 0; o++)
        hold_int8(w + o * (n / channels), n / channels);
    if (!mop_vk_is_half(task->dtype) || task->inst->op == MOP_OP_BATCHNORM)
        return;
    for (size_t i = 0; i < n; i++)
        w[i] = mop_fp16_to(half_of(w[i]));
}

/* What is held are scale and shift of a channel, each rounded to float16: that much is added to the
 * operator's own bound, which stands in args->bound. */
static void batchnorm_bound(const mop_ref_args *args)
{
    const mop_op_inst *inst = args->inst;
    const size_t c = (size_t)inst->out.c, n = (size_t)mop_shape_elems(inst->out);
    for (size_t i = 0; i < n; i++) {
        const size_t k = i % c;
        const double x = fabs(args->in[0][i]);
        const double scale =
            (double)args->w[0][k] / sqrt((double)args->w[3][k] + (double)inst->params.u.bn.eps);
        const double shift = (double)args->w[1][k] - (double)args->w[2][k] * scale;
        args->bound[i] += 1.001 * MOP_ROUNDOFF_FP16 * (x * fabs(scale) + fabs(shift)) +
                          (double)LEAST_NORMAL * (x + 1);
    }
}

/* Inputs are read as scale q within (1/2 + 1e-4) scale: rounding to an integer, and what divisions
 * and products of float32 add to it. The sum of products is exact; at most 8 roundings make it
 * float32, scale it and add the bias. */
static void int8_bound(const mop_ref_args *args)
{
    const mop_op_inst *inst = args->inst;
    const bool has_bias =
        inst->op == MOP_OP_FC ? inst->params.u.fc.has_bias : inst->params.u.conv.has_bias;
    const size_t c = (size_t)inst->out.c, pixels = (size_t)inst->out.h * (size_t)inst->out.w;
    const size_t size = (size_t)mop_shape_elems(inst->in[0]) / (size_t)inst->in[0].n;
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    (void)mop_op_weights(inst, desc);
    const size_t terms = (size_t)desc[0].elems / c;
    for (size_t image = 0; image < (size_t)inst->in[0].n; image++) {
        double top = 0;
        for (size_t i = 0; i < size; i++)
            top = fmax(top, fabs(args->in[0][image * size + i]));
        for (size_t o = 0; o < c; o++) {
            const double bias = has_bias ? (double)args->w[1][o] : 0;
            double sum = 0;
            for (size_t i = 0; i < terms; i++)
                sum += fabs((double)args->w[0][o * terms + i]);
            const double read = 0.5001 / 127 * top * sum;
            for (size_t p = 0; p < pixels; p++) {
                const size_t at = (image * pixels + p) * c + o;
                args->bound[at] = read + 16 * MOP_ROUNDOFF_FP32 *
                                             (fabs(args->out[at] - bias) + read + fabs(bias));
            }
        }
    }
}

mop_bound_fn *mop_vk_bound(const mop_vk_task *task)
{
    if (mop_vk_is_half(task->dtype) && task->inst->op == MOP_OP_BATCHNORM)
        return batchnorm_bound;
    return task->dtype == MOP_DTYPE_INT8 ? int8_bound : NULL;
}
