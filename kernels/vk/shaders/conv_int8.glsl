// Convolution with one group in 8-bit integers. A lane owns P output pixels and T groups of four
// output channels, as in conv.glsl; sums are exact, and become float32 at the end. src0: what
// quantise.comp wrote. weights, of uvec4: for each tile of T output groups, T of scales and T of
// biases (bits of float32), then [KH][KW][C4][T], each component four inputs of one output.
#define MOP_WORDS_IN
#include "common.glsl"
#include "dot.glsl"

#include "geometry.glsl"
layout(constant_id = 16) const uint P = 2;
layout(constant_id = 17) const uint T = 2;
layout(constant_id = 18) const bool CHECK = false; // a tap may fall outside the input

const uint C4 = (C + 3) / 4, O4 = (O + 3) / 4;
const uint PIXELS = IMAGES * OH * OW;
const uint TILE = 2 * T + KH * KW * C4 * T; // uvec4s of a tile

void main()
{
    const uint lane = gl_LocalInvocationID.x, tile = gl_WorkGroupID.y;
    const uint first = gl_WorkGroupID.x * (LANES * P) + lane;
    uint w = tile * TILE + 2 * T;
    ivec4 acc[P * T];
    [[unroll]] for (uint i = 0; i < P * T; i++)
        acc[i] = ivec4(0);
    int y0[P], x0[P], origin[P];
    [[unroll]] for (uint p = 0; p < P; p++) {
        const uint q = min(first + p * LANES, PIXELS - 1), r = q % (OH * OW);
        y0[p] = int(r / OW * STRIDE) - int(PAD_TOP);
        x0[p] = int(r % OW * STRIDE) - int(PAD_LEFT);
        origin[p] =
            int(IMAGES + q / (OH * OW) * (C4 * IH * IW)) + y0[p] * int(IW) + x0[p];
    }
    for (uint ky = 0; ky < KH; ky++) {
        for (uint kx = 0; kx < KW; kx++) {
            int at[P];
            bool inside[P];
            [[unroll]] for (uint p = 0; p < P; p++) {
                const int y = y0[p] + int(ky * DILATION), x = x0[p] + int(kx * DILATION);
                inside[p] = !CHECK || (uint(y) < IH && uint(x) < IW);
                at[p] = inside[p] ? origin[p] + int((ky * IW + kx) * DILATION) : 0;
            }
            for (uint k4 = 0; k4 < C4; k4++) {
                uint x[P];
                [[unroll]] for (uint p = 0; p < P; p++) {
                    x[p] = WORD(src0, at[p]);
                    x[p] = inside[p] ? x[p] : 0;
                    at[p] += int(IH * IW);
                }
                [[unroll]] for (uint t = 0; t < T; t++) {
                    const uvec4 v = WORDS(weights, w + t);
                    [[unroll]] for (uint p = 0; p < P; p++)
                        acc[p * T + t] = dot4(acc[p * T + t], x[p], v);
                }
                w += T;
            }
        }
    }
    [[unroll]] for (uint p = 0; p < P; p++) {
        const uint q = first + p * LANES;
        if (q < PIXELS) {
            const uint image = q / (OH * OW), at = image * (O4 * OH * OW) + q % (OH * OW);
            const float scale = uintBitsToFloat(WORD(src0, image));
            [[unroll]] for (uint t = 0; t < T; t++) {
                const uint o4 = tile * T + t;
                if (O4 % T == 0 || o4 < O4) {
                    const vec4 s = uintBitsToFloat(WORDS(weights, tile * TILE + t));
                    const vec4 bias = uintBitsToFloat(WORDS(weights, tile * TILE + T + t));
                    vec4 v = vec4(acc[p * T + t]) * (s * scale) + bias;
                    if (RESIDUAL)
                        v += LOAD(src1, at + o4 * (OH * OW));
                    STORE(at + o4 * (OH * OW), mask_tail(activate(v, ACT), o4, O));
                }
            }
        }
    }
}
