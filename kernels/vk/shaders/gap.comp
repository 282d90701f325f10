#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// Global average: one workgroup per image and group of four channels; lanes stride over the pixels
// and their sums meet in shared memory.
layout(constant_id = 1) const uint HW = 1;

shared vec4 part[LANES];

void main()
{
    const uint plane = gl_WorkGroupID.x, lane = gl_LocalInvocationID.x;
    vec4 sum = vec4(0.0);
    for (uint p = lane; p < HW; p += LANES)
        sum += LOAD(src0, plane * HW + p);
    part[lane] = sum;
    barrier();
    if (lane == 0) {
        for (uint i = 1; i < LANES; i++)
            sum += part[i];
        STORE(plane, sum / float(HW));
    }
}
