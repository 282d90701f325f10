/* Sum and product of two tensors of one shape, or of a tensor and a vector per image: one body. */
#ifndef KERNELS_CPU_BINARY_H
#define KERNELS_CPU_BINARY_H

#include "kernels/cpu/rows.h"

typedef vf mop_binary_fn(vf a, vf b);

/* out[0..n) = clamp(f(a, b)) over contiguous values. */
MOP_INLINE void mop_binary_span(mop_binary_fn *f, const float *a, const float *b, float *out,
                                size_t n, mop_epilogue e)
{
    const vf lo = vf_set1(e.lo), hi = vf_set1(e.hi);
    size_t i = 0;
    for (; i + MOP_VL <= n; i += MOP_VL)
        vf_store(out + i, vf_min(hi, vf_max(lo, f(vf_load(a + i), vf_load(b + i)))));
    if (i < n) {
        const int lanes = (int)(n - i);
        const vf y = f(vf_load_n(a + i, lanes), vf_load_n(b + i, lanes));
        vf_store_n(out + i, vf_min(hi, vf_max(lo, y)), lanes);
    }
}

/* f is a constant of the caller and disappears into the loops. Units: image rows. */
MOP_INLINE void mop_binary_run(const mop_args *args, mop_binary_fn *f)
{
    const mop_shape s = args->inst->out;
    const mop_epilogue epilogue = mop_epilogue_of(args->inst->params.act);
    const bool is_full = mop_shape_equal(args->inst->in[1], s);
    const size_t pixel = (size_t)s.c, row = (size_t)s.w * pixel;
    for (int64_t u = args->begin; u < args->end; u++) {
        const size_t at = (size_t)u * row;
        const float *a = args->in[0] + at;
        float *out = args->out + at;
        if (is_full) {
            mop_binary_span(f, a, args->in[1] + at, out, row, epilogue);
        } else {
            const float *b = args->in[1] + (size_t)(u / s.h) * pixel;
            for (size_t i = 0; i < row; i += pixel)
                mop_binary_span(f, a + i, b, out + i, pixel, epilogue);
        }
        if (epilogue.span != MOP_ACT_NONE)
            vf_act_span(out, out, row, epilogue.span);
    }
}

#endif
