/* Tensor shapes. Every tensor of moprof has four axes in the order n, h, w, c (batch, height,
 * width, channels); a vector per image is [n, 1, 1, c]. Elements are float32. */
#ifndef KERNELS_TENSOR_H
#define KERNELS_TENSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/base/status.h"

typedef struct mop_shape {
    int32_t n, h, w, c;
} mop_shape;

/* Elements of a valid shape (each axis >= 1 and the product below 2^31): never overflows then. */
static inline int64_t mop_shape_elems(mop_shape s)
{
    return (int64_t)s.n * s.h * s.w * s.c;
}

static inline bool mop_shape_equal(mop_shape a, mop_shape b)
{
    return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c;
}

/* MOP_EINVAL unless every axis is at least 1 and the number of elements is below 2^31. `what` names
 * the tensor in the sentence. */
mop_status mop_shape_check(mop_shape s, const char *what, mop_err *err);

#endif
