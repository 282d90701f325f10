#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// The operators of a vision transformer, an invocation for each vec4 of the output: class token and
// positions (EMBED), the class token alone (CLASS), products of queries and keys (QK), weighted
// values (AV). Heads are multiples of four channels wide. src0 and src1 as in kernels/ops.
#define EMBED 0
#define CLASS 1
#define QK 2
#define AV 3

layout(constant_id = 1) const uint KIND = 0;
layout(constant_id = 2) const uint IMAGES = 1;
layout(constant_id = 3) const uint C = 4;      // channels of the output
layout(constant_id = 4) const uint H = 1;      // rows of the output: QK heads
layout(constant_id = 5) const uint W = 1;      // QK: queries
layout(constant_id = 6) const uint TOKENS = 1; // positions of the input
layout(constant_id = 7) const uint HEAD4 = 1;  // vec4s of a head
layout(constant_id = 8) const uint D4 = 1;     // vec4s of queries, of keys, of values
layout(constant_id = 9) const float SCALE = 1.0;

const uint C4 = (C + 3) / 4;

vec4 embed(uint image, uint c4, uint at)
{
    vec4 position = LOAD(weights, (1 + at) * C4 + c4);
    if (at == 0)
        return LOAD(weights, c4) + position;
    return LOAD(src0, (image * C4 + c4) * TOKENS + at - 1) + position;
}

// Keys 4 c4 .. 4 c4 + 3 of a head for one query; those past the end are set to zero later.
vec4 qk(uint image, uint c4, uint head, uint query)
{
    vec4 sum = vec4(0.0);
    for (uint k = 0; k < HEAD4; k++) {
        const uint plane = image * 3 * D4 + head * HEAD4 + k;
        const vec4 q = LOAD(src0, plane * TOKENS + query);
        [[unroll]] for (uint i = 0; i < 4; i++) {
            const uint key = min(4 * c4 + i, TOKENS - 1);
            sum[i] += dot(q, LOAD(src0, (plane + D4) * TOKENS + key));
        }
    }
    return sum * SCALE;
}

// Weights lie in planes of [head][query] for each four keys.
vec4 av(uint image, uint c4, uint at)
{
    const uint head = c4 / HEAD4, heads = D4 / HEAD4, keys4 = (TOKENS + 3) / 4;
    const uint values = (image * 3 * D4 + 2 * D4 + c4) * TOKENS;
    vec4 sum = vec4(0.0);
    for (uint j = 0; j < keys4; j++) {
        const vec4 a =
            LOAD(src0, ((image * keys4 + j) * heads + head) * TOKENS + at);
        [[unroll]] for (uint i = 0; i < 4; i++)
            if (4 * j + i < TOKENS)
                sum += a[i] * LOAD(src1, values + 4 * j + i);
    }
    return sum;
}

void main()
{
    const uint id = gl_GlobalInvocationID.x, last = IMAGES * C4 * H * W - 1, i = min(id, last);
    const uint x = i % W, y = i / W % H, c4 = i / (W * H) % C4, image = i / (W * H * C4);
    vec4 v;
    if (KIND == EMBED)
        v = embed(image, c4, y);
    else if (KIND == CLASS)
        v = LOAD(src0, (image * C4 + c4) * TOKENS);
    else if (KIND == QK)
        v = qk(image, c4, y, x);
    else
        v = av(image, c4, y * W + x);
    if (id <= last)
        STORE(id, mask_tail(v, c4, C));
}
