/* Number types that a network can be run in, and how finely a node keeps its values in one. */
#ifndef KERNELS_DTYPE_H
#define KERNELS_DTYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/base/status.h"

typedef enum mop_dtype {
#define MOP_DTYPE_ROW(ID, name, what) MOP_DTYPE_##ID,
#include "kernels/dtype.def"
#undef MOP_DTYPE_ROW
    MOP_DTYPE_COUNT
} mop_dtype;

/* Room for any name, the end included. */
#define MOP_DTYPE_TEXT 8

const char *mop_dtype_name(mop_dtype dtype);
const char *mop_dtype_what(mop_dtype dtype);
/* MOP_EINVAL with the nearest name; *dtype is then as it was. */
mop_status mop_dtype_parse(const char *text, mop_dtype *dtype, mop_err *err);

/* Unit roundoffs: half the spacing of values at 1. */
#define MOP_ROUNDOFF_FP32 0x1p-24
#define MOP_ROUNDOFF_FP16 0x1p-11

#define MOP_FP16_MAX 65504.0

/* float32 to float16 (IEEE 754 binary16), to nearest, ties to even; 65520 and above is infinity, a
 * NaN stays one. And back, which is exact. */
uint16_t mop_fp16_from(float x);
float mop_fp16_to(uint16_t half);

/* How finely one node of a plan keeps its values. Zeroed, it is float32 throughout: exact
 * constants, and sums and outputs under the operator's own bound. Whatever is not said here, the
 * epilogue included, is computed in float32. Its users: mop_ref_args and profiler/engine/check.h.
 */
typedef struct mop_precision {
    double stored;    /* unit roundoff of each output as it is written, after the epilogue */
    double constants; /* of each constant as the plan holds it */
    bool is_scaled;   /* these two are shares of the largest magnitude in the tensor and in the
                         constants of an output channel, not of the value itself: 1 / 254 for 8-bit
                         integers -127..127 */
    double sums;      /* of the products and partial sums of conv2d, fc, attn_qk and attn_av */
    int32_t block;    /* terms summed so before float32 adds up such blocks; 0: all of them */
    double tiny;      /* absolute error of what is rounded near zero: 2^-25 where float16 has its
                         subnormals, 2^-14 where they are flushed */
    double largest;   /* magnitude that can be held, MOP_FP16_MAX; 0: float32's */
} mop_precision;

#endif
