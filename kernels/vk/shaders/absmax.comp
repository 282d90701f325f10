#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// The largest magnitude in each of LANES parts of an image, in every component of a vec4: what
// quantise.comp finds its scale from. A workgroup for each part; its lanes stride over it.
layout(constant_id = 1) const uint SIZE = 1; // vec4s of an image

shared float most[LANES];

void main()
{
    const uint part = gl_WorkGroupID.x, image = gl_WorkGroupID.y, lane = gl_LocalInvocationID.x;
    vec4 top = vec4(0.0);
    for (uint i = part * LANES + lane; i < SIZE; i += LANES * LANES)
        top = max(top, abs(LOAD(src0, image * SIZE + i)));
    most[lane] = max(max(top.x, top.y), max(top.z, top.w));
    barrier();
    if (lane == 0) {
        float all = most[0];
        for (uint i = 1; i < LANES; i++)
            all = max(all, most[i]);
        STORE(image * LANES + part, vec4(all));
    }
}
