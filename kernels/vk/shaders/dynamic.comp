#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// Dynamic ReLU and dynamic shift-max: the maximum over K pieces of a sum over J shifted channels of
// coefficient times value, plus the piece's intercept (dynamic ReLU only). src0 is x, src1 the
// sigmoid outputs s; kernels/ops/dyrelu.c and dyshiftmax.c define the indices and ranges.
layout(constant_id = 1) const uint IMAGES = 1;
layout(constant_id = 2) const uint C = 4;
layout(constant_id = 3) const uint HW = 1;
layout(constant_id = 4) const uint K = 2;
layout(constant_id = 5) const uint J = 1;
layout(constant_id = 6) const uint SHIFT = 0;     // channels
layout(constant_id = 7) const uint KIND = 0;      // 0 dynamic ReLU A, 1 dynamic ReLU B, 2 shift-max
layout(constant_id = 8) const uint COEFFS = 4;    // channels of src1

const uint C4 = (C + 3) / 4, S4 = (COEFFS + 3) / 4;

// Channels c..c+3 of the coefficients of an image.
vec4 coeff(uint image, uint c)
{
    if (KIND != 0 && C % 4 == 0)
        return LOAD(src1, image * S4 + c / 4);
    vec4 v;
    [[unroll]] for (uint i = 0; i < 4; i++) {
        uint k = KIND == 0 ? c : min(c + i, COEFFS - 1);
        v[i] = LOAD(src1, image * S4 + k / 4)[k % 4];
    }
    return v;
}

// Channels c..c+3, each modulo C, of pixel p of an image.
vec4 value(uint image, uint c, uint p)
{
    if (C % 4 == 0 && SHIFT % 4 == 0)
        return LOAD(src0, (image * C4 + c % C / 4) * HW + p);
    vec4 v;
    [[unroll]] for (uint i = 0; i < 4; i++) {
        uint k = (c + i) % C;
        v[i] = LOAD(src0, (image * C4 + k / 4) * HW + p)[k % 4];
    }
    return v;
}

void main()
{
    const uint id = gl_GlobalInvocationID.x, at = min(id, IMAGES * C4 * HW - 1);
    const uint p = at % HW, c4 = at / HW % C4, image = at / (HW * C4);
    vec4 best = vec4(0.0);
    [[unroll]] for (uint k = 0; k < K; k++) {
        vec4 sum = vec4(0.0);
        [[unroll]] for (uint j = 0; j < J; j++) {
            float alpha = k == 0 && j == 0 ? 1.0 : 0.0;
            vec4 a;
            if (KIND == 2)
                a = alpha + 4.0 * (coeff(image, (k * J + j) * C + c4 * 4) - 0.5);
            else
                a = alpha + (2.0 * coeff(image, 2 * k * (KIND == 1 ? C : 1) + (KIND == 1 ? c4 * 4 : 0)) - 1.0);
            sum += a * value(image, c4 * 4 + j * SHIFT, p);
        }
        if (KIND != 2)
            sum += 0.5 * (2.0 * coeff(image, (2 * k + 1) * (KIND == 1 ? C : 1) + (KIND == 1 ? c4 * 4 : 0)) - 1.0);
        best = k == 0 ? sum : max(best, sum);
    }
    if (id < IMAGES * C4 * HW)
        STORE(id, mask_tail(best, c4, C));
}
