#version 450
#extension GL_GOOGLE_include_directive : require
#define MOP_WORDS_OUT
#include "common.glsl"

// A tensor as 8-bit integers, four channels to a word, lowest first: x = scale q with q from -127 to
// 127, and one scale for each image, so that images do not depend on each other. src1: what
// absmax.comp wrote. dst: the scale of each image, then a word for each vec4 of src0.
layout(constant_id = 1) const uint SIZE = 1; // vec4s of an image
layout(constant_id = 2) const uint IMAGES = 1;
layout(constant_id = 3) const uint E = 4; // vec4s of a lane

shared float most[LANES];

void main()
{
    const uint image = gl_WorkGroupID.y, lane = gl_LocalInvocationID.x;
    most[lane] = LOAD(src1, image * LANES + lane).x;
    barrier();
    float top = most[0];
    for (uint i = 1; i < LANES; i++)
        top = max(top, most[i]);
    const float up = top > 0.0 ? 127.0 / top : 0.0;
    if (gl_WorkGroupID.x == 0 && lane == 0)
        dst[image] = floatBitsToUint(top / 127.0);
    [[unroll]] for (uint e = 0; e < E; e++) {
        const uint i = (gl_WorkGroupID.x * E + e) * LANES + lane;
        const vec4 x = LOAD(src0, image * SIZE + min(i, SIZE - 1));
        const uvec4 q = uvec4(ivec4(clamp(roundEven(x * up), -127.0, 127.0))) & 0xff;
        if (i < SIZE)
            dst[IMAGES + image * SIZE + i] = q.x | q.y << 8 | q.z << 16 | q.w << 24;
    }
}
