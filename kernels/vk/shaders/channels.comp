#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// Layer normalisation and softmax over the channels of a position: a workgroup for each position,
// lanes stride over the groups of four channels and meet in shared memory. weights: gamma and beta
// of each four channels side by side.
#define LAYERNORM 0
#define SOFTMAX 1

layout(constant_id = 1) const uint KIND = 0;
layout(constant_id = 2) const uint C = 4;
layout(constant_id = 3) const uint HW = 1;
layout(constant_id = 4) const float EPS = 1e-6;

const uint C4 = (C + 3) / 4;

shared float part[LANES];

// The sum, or the maximum, of what each lane has.
float meet(float mine, const bool is_max)
{
    const uint lane = gl_LocalInvocationID.x;
    barrier();
    part[lane] = mine;
    barrier();
    float all = part[0];
    for (uint i = 1; i < LANES; i++)
        all = is_max ? max(all, part[i]) : all + part[i];
    return all;
}

float total(vec4 v)
{
    return (v.x + v.y) + (v.z + v.w);
}

// Channels past the end take no part.
vec4 real(vec4 v, uint c4, float other)
{
    return mix(vec4(other), v, lessThan(c4 * 4 + uvec4(0, 1, 2, 3), uvec4(C)));
}

void main()
{
    const uint position = gl_WorkGroupID.x, lane = gl_LocalInvocationID.x;
    const uint base = position / HW * C4 * HW + position % HW;
    float sum = 0.0, top = -3.4e38, mean = 0.0;
    if (KIND == LAYERNORM) {
        for (uint c = lane; c < C4; c += LANES)
            sum += total(LOAD(src0, base + c * HW));
        mean = meet(sum, false) / float(C);
        sum = 0.0;
        for (uint c = lane; c < C4; c += LANES) {
            const vec4 d = real(LOAD(src0, base + c * HW) - mean, c, 0.0);
            sum += total(d * d);
        }
        const float scale = 1.0 / sqrt(meet(sum, false) / float(C) + EPS);
        for (uint c = lane; c < C4; c += LANES) {
            const vec4 y = (LOAD(src0, base + c * HW) - mean) * scale;
            const vec4 v = y * LOAD(weights, 2 * c) + LOAD(weights, 2 * c + 1);
            STORE(base + c * HW, mask_tail(v, c, C));
        }
        return;
    }
    for (uint c = lane; c < C4; c += LANES) {
        const vec4 x = real(LOAD(src0, base + c * HW), c, -3.4e38);
        top = max(top, max(max(x.x, x.y), max(x.z, x.w)));
    }
    top = meet(top, true);
    for (uint c = lane; c < C4; c += LANES)
        sum += total(real(exp(LOAD(src0, base + c * HW) - top), c, 0.0));
    const float scale = 1.0 / meet(sum, false);
    for (uint c = lane; c < C4; c += LANES)
        STORE(base + c * HW, mask_tail(exp(LOAD(src0, base + c * HW) - top) * scale, c, C));
}
