#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// Fully connected layer, or a 1x1 convolution of a 1x1 map: a lane owns four outputs, neighbouring
// lanes read neighbouring weights. weights: O4 vec4 of bias, then [C4][4 inputs][O4] vec4.
layout(constant_id = 1) const uint C = 4;
layout(constant_id = 2) const uint O = 4;
layout(constant_id = 3) const uint ACT = 0;
layout(constant_id = 4) const bool RESIDUAL = false; // src1

const uint C4 = (C + 3) / 4, O4 = (O + 3) / 4;

void main()
{
    const uint o4 = min(gl_GlobalInvocationID.x, O4 - 1);
    const uint image = gl_WorkGroupID.y;
    vec4 acc[1];
    PARTS(1)
    acc[0] = LOAD(weights, o4);
    uint w = O4 + o4;
    for (uint k4 = 0; k4 < C4; k4++) {
        real4 x = LOADR(src0, image * C4 + k4);
        PART[0] += LOADR(weights, w) * x.x;
        PART[0] += LOADR(weights, w + O4) * x.y;
        PART[0] += LOADR(weights, w + 2 * O4) * x.z;
        PART[0] += LOADR(weights, w + 3 * O4) * x.w;
        w += 4 * O4;
        FLUSH_AFTER(k4, 1)
    }
    FLUSH(1)
    if (gl_GlobalInvocationID.x >= O4)
        return;
    if (RESIDUAL)
        acc[0] += LOAD(src1, image * O4 + o4);
    STORE(image * O4 + o4, mask_tail(activate(acc[0], ACT), o4, O));
}
