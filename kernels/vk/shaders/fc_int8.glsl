// Fully connected layer in 8-bit integers: a lane owns four outputs. src0: what quantise.comp wrote.
// weights, of uvec4: O4 of scales, O4 of biases (bits of float32), then [C4][O4], each component
// four inputs of one output.
#define MOP_WORDS_IN
#include "common.glsl"
#include "dot.glsl"

layout(constant_id = 1) const uint IMAGES = 1;
layout(constant_id = 2) const uint C = 4;
layout(constant_id = 3) const uint O = 4;
layout(constant_id = 4) const uint ACT = 0;
layout(constant_id = 5) const bool RESIDUAL = false; // src1

const uint C4 = (C + 3) / 4, O4 = (O + 3) / 4;

void main()
{
    const uint o4 = min(gl_GlobalInvocationID.x, O4 - 1), image = gl_WorkGroupID.y;
    ivec4 acc = ivec4(0);
    for (uint k4 = 0; k4 < C4; k4++)
        acc = dot4(acc, WORD(src0, IMAGES + image * C4 + k4), WORDS(weights, (2 + k4) * O4 + o4));
    if (gl_GlobalInvocationID.x >= O4)
        return;
    const vec4 scale =
        uintBitsToFloat(WORDS(weights, o4)) * uintBitsToFloat(WORD(src0, image));
    vec4 v = vec4(acc) * scale + uintBitsToFloat(WORDS(weights, O4 + o4));
    if (RESIDUAL)
        v += LOAD(src1, image * O4 + o4);
    STORE(image * O4 + o4, mask_tail(activate(v, ACT), o4, O));
}
