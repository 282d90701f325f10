#include "kernels/dtype.h"

#include <string.h>

#include "profiler/base/text.h"

static const char *const names[] = {
#define MOP_DTYPE_ROW(ID, name, what) [MOP_DTYPE_##ID] = name,
#include "kernels/dtype.def"
#undef MOP_DTYPE_ROW
};

static const char *const whats[] = {
#define MOP_DTYPE_ROW(ID, name, what) [MOP_DTYPE_##ID] = what,
#include "kernels/dtype.def"
#undef MOP_DTYPE_ROW
};

const char *mop_dtype_name(mop_dtype dtype)
{
    return names[dtype];
}

const char *mop_dtype_what(mop_dtype dtype)
{
    return whats[dtype];
}

mop_status mop_dtype_parse(const char *text, mop_dtype *dtype, mop_err *err)
{
    const char *nearest;
    for (size_t i = 0; i < MOP_DTYPE_COUNT; i++) {
        if (strcmp(names[i], text) == 0) {
            *dtype = (mop_dtype)i;
            return MOP_OK;
        }
    }
    nearest = mop_nearest(text, names, MOP_DTYPE_COUNT);
    return mop_fail(err, MOP_EINVAL, "there is no number type '%.40s'%s%s%s", text,
                    nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
                    nearest != NULL ? "'?" : "");
}

/* bits / 2^shift to nearest, ties to even; shift 1 to 31. */
static uint32_t round_shift(uint32_t bits, uint32_t shift)
{
    const uint32_t half = UINT32_C(1) << (shift - 1), rest = bits & (2 * half - 1);
    bits >>= shift;
    return bits + (rest > half || (rest == half && (bits & 1) != 0));
}

uint16_t mop_fp16_from(float x)
{
    uint32_t bits, magnitude, out;
    memcpy(&bits, &x, sizeof bits);
    magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) /* NaN */
        out = 0x7e00;
    else if (magnitude >= 0x477ff000) /* 65520, half way past the largest */
        out = 0x7c00;
    else if (magnitude >= 0x38800000) /* 2^-14: a carry out of the mantissa raises the exponent */
        out = round_shift(magnitude, 13) - ((127 - 15) << 10);
    else if (magnitude > 0x33000000) /* above 2^-25: subnormal, a multiple of 2^-24 */
        out = round_shift((magnitude & 0x7fffff) | 0x800000, 126 - (magnitude >> 23));
    else
        out = 0;
    return (uint16_t)(out | (bits >> 16 & 0x8000));
}

float mop_fp16_to(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, magnitude = half & 0x7fff;
    uint32_t bits = sign;
    float x;
    if (magnitude >= 0x7c00) /* infinity, NaN */
        bits |= 0x7f800000 | (magnitude & 0x3ff) << 13;
    else if (magnitude >= 0x400)
        bits |= (magnitude << 13) + ((127 - 15) << 23);
    memcpy(&x, &bits, sizeof x);
    if (magnitude < 0x400) /* a multiple of 2^-24, which float32 holds */
        x = (sign != 0 ? -0x1p-24f : 0x1p-24f) * (float)magnitude;
    return x;
}
