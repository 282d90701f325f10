#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// Elementwise operators, E vec4 per lane: activation, sum and product (of equal shapes or with a
// vector per image), BatchNorm as scale and shift (weights: [C4] of {scale, shift}).
layout(constant_id = 1) const uint KIND = 0; // 0 activation, 1 sum, 2 product, 3 BatchNorm
layout(constant_id = 2) const uint E = 4;
layout(constant_id = 3) const uint IMAGES = 1;
layout(constant_id = 4) const uint C = 4;
layout(constant_id = 5) const uint HW = 1;
layout(constant_id = 6) const bool VECTOR = false; // src1 is one value per image and channel
layout(constant_id = 7) const uint ACT = 0;
layout(constant_id = 8) const bool RESIDUAL = false; // src1, BatchNorm only

const uint C4 = (C + 3) / 4, COUNT = IMAGES * C4 * HW;

void main()
{
    const uint first = gl_WorkGroupID.x * (LANES * E) + gl_LocalInvocationID.x;
    [[unroll]] for (uint e = 0; e < E; e++) {
        const uint id = first + e * LANES, at = min(id, COUNT - 1);
        const uint c4 = at / HW % C4;
        vec4 v = LOAD(src0, at);
        if (KIND == 1)
            v += LOAD(src1, VECTOR ? at / HW : at);
        if (KIND == 2)
            v *= LOAD(src1, VECTOR ? at / HW : at);
        if (KIND == 3)
            v = v * LOAD(weights, 2 * c4) + LOAD(weights, 2 * c4 + 1);
        if (RESIDUAL)
            v += LOAD(src1, at);
        if (id < COUNT)
            STORE(id, mask_tail(activate(v, ACT), c4, C));
    }
}
