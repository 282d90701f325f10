#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// Convolution with any number of groups, one output vec4 per lane, input channels one by one: the
// path for shapes that no faster shader takes.
// weights: for each output group of four, one vec4 of bias, then [CG][KH][KW] vec4 over the four
// outputs, CG the input channels of a group.
#include "geometry.glsl"
layout(constant_id = 16) const uint GROUPS = 1;

const uint C4 = (C + 3) / 4, O4 = (O + 3) / 4, CG = C / GROUPS, OG = O / GROUPS;

float value(uint image, uint channel, int at)
{
    return LOAD(src0, int((image * C4 + channel / 4) * (IH * IW)) + at)[channel % 4];
}

void main()
{
    const uint id = gl_GlobalInvocationID.x;
    const uint at = min(id, IMAGES * O4 * OH * OW - 1);
    const uint o4 = at / (OH * OW) % O4, image = at / (OH * OW * O4);
    const int y0 = int(at / OW % OH * STRIDE) - int(PAD_TOP);
    const int x0 = int(at % OW * STRIDE) - int(PAD_LEFT);
    const uvec4 first = min(o4 * 4 + uvec4(0, 1, 2, 3), uvec4(O - 1)) / OG * CG;
    uint w = o4 * (CG * KH * KW + 1);
    vec4 acc = LOAD(weights, w++);
    for (uint c = 0; c < CG; c++) {
        for (uint ky = 0; ky < KH; ky++) {
            for (uint kx = 0; kx < KW; kx++) {
                const int y = y0 + int(ky * DILATION), x = x0 + int(kx * DILATION);
                const bool inside = uint(y) < IH && uint(x) < IW;
                const int p = inside ? y * int(IW) + x : 0;
                vec4 v = vec4(value(image, first.x + c, p), value(image, first.y + c, p),
                              value(image, first.z + c, p), value(image, first.w + c, p));
                acc += LOAD(weights, w++) * (inside ? v : vec4(0.0));
            }
        }
    }
    if (id >= IMAGES * O4 * OH * OW)
        return;
    if (RESIDUAL)
        acc += LOAD(src1, at);
    STORE(at, mask_tail(activate(acc, ACT), o4, O));
}
