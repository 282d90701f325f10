#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// Maximum or average over square windows, one output vec4 per lane. Padding neither wins nor counts.
layout(constant_id = 1) const uint KIND = 0; // 0 maximum, 1 average
layout(constant_id = 2) const uint PLANES = 1; // images times groups of four channels
layout(constant_id = 3) const uint IH = 1;
layout(constant_id = 4) const uint IW = 1;
layout(constant_id = 5) const uint OH = 1;
layout(constant_id = 6) const uint OW = 1;
layout(constant_id = 7) const uint K = 1;
layout(constant_id = 8) const uint STRIDE = 1;
layout(constant_id = 9) const uint PAD = 0;

void main()
{
    const uint id = gl_GlobalInvocationID.x;
    const uint at = min(id, PLANES * OH * OW - 1);
    const int base = int(at / (OH * OW) * (IH * IW));
    const int y0 = int(at / OW % OH * STRIDE) - int(PAD), x0 = int(at % OW * STRIDE) - int(PAD);
    vec4 best = vec4(-3.402823466e38), sum = vec4(0.0);
    float count = 0.0;
    for (uint ky = 0; ky < K; ky++) {
        for (uint kx = 0; kx < K; kx++) {
            const int y = y0 + int(ky), x = x0 + int(kx);
            const bool inside = uint(y) < IH && uint(x) < IW;
            vec4 v = LOAD(src0, inside ? base + y * int(IW) + x : 0);
            best = inside ? max(best, v) : best;
            sum += inside ? v : vec4(0.0);
            count += inside ? 1.0 : 0.0;
        }
    }
    if (id < PLANES * OH * OW)
        STORE(id, KIND == 0 ? best : sum / count);
}
