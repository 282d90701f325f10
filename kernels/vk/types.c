#include "kernels/vk/types.h"

#include <math.h>

/* Below it float16 is subnormal. */
#define LEAST_NORMAL 0x1p-14f

mop_status mop_vk_runs(const mop_vk_caps *caps, mop_dtype dtype, mop_err *err)
{
    (void)caps;
    if (dtype == MOP_DTYPE_FP32 || dtype == MOP_DTYPE_FP16S)
        return MOP_OK;
    return mop_fail(err, MOP_EUNSUPPORTED, "back end vulkan has no shaders for %s",
                    mop_dtype_name(dtype));
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
}

/* BatchNorm's constants are not held themselves: see its bound. */
void mop_vk_hold(const mop_vk_task *task, uint32_t j, float *w, size_t n)
{
    (void)j;
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

mop_bound_fn *mop_vk_bound(const mop_vk_task *task)
{
    if (mop_vk_is_half(task->dtype) && task->inst->op == MOP_OP_BATCHNORM)
        return batchnorm_bound;
    return NULL;
}
