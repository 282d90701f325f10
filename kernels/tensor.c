#include "kernels/tensor.h"

mop_status mop_shape_check(mop_shape s, const char *what, mop_err *err)
{
    const int32_t axis[4] = {s.n, s.h, s.w, s.c};
    int64_t elems = 1;
    for (int i = 0; i < 4; i++) {
        if (axis[i] < 1)
            return mop_fail(err, MOP_EINVAL, "%s: axis %c of shape %dx%dx%dx%d is below 1", what,
                            "nhwc"[i], s.n, s.h, s.w, s.c);
        elems *= axis[i]; /* both factors are below 2^31 */
        if (elems > INT32_MAX)
            return mop_fail(err, MOP_EINVAL, "%s: shape %dx%dx%dx%d has 2^31 elements or more",
                            what, s.n, s.h, s.w, s.c);
    }
    return MOP_OK;
}
