// What every shader shares. Tensors are NC4HW4: element (n, c, y, x) is component c % 4 of vec4
// ((n C4 + c / 4) H + y) W + x with C4 = ceil(C / 4); components past C are zero, always.
// constant_id 0 is the workgroup's size; the others are listed in each shader and filled by the C
// file of the same stem. LOAD(buffer, i) and STORE(i, v) hide how a vec4 is reached and held: through
// texel buffers (MOP_TEXEL) or storage buffers, in float32 or float16 (MOP_HALF).
#extension GL_EXT_control_flow_attributes : require

#ifdef MOP_HALF
// Two float16 to a word, packed by hand: no optional feature is needed to hold them. Rounded to
// nearest, ties to even, before the conversion, which a device may do by truncation; what would be
// subnormal is zero, because it may flush them where it reads.
#define HELD uvec2
uvec2 pack(vec4 v)
{
    uvec4 bits = floatBitsToUint(v);
    bits = (bits + 0xfff + (bits >> 13 & 1)) & 0xffffe000;
    v = mix(uintBitsToFloat(bits), vec4(0.0), lessThan(bits & 0x7fffffff, uvec4(0x38800000)));
    return uvec2(packHalf2x16(v.xy), packHalf2x16(v.zw));
}
vec4 unpack(uvec2 v)
{
    return vec4(unpackHalf2x16(v.x), unpackHalf2x16(v.y));
}
#else
#define HELD vec4
#define pack(v) (v)
#define unpack(v) (v)
#endif

layout(local_size_x_id = 0) in;
// A shader of integers says which of its bindings hold words: MOP_WORDS_OUT (dst) and MOP_WORDS_IN
// (src0, and uvec4 in weights), read by WORD and WORDS.
#ifdef MOP_WORDS_OUT
layout(set = 0, binding = 0) writeonly buffer Out { uint dst[]; };
#else
layout(set = 0, binding = 0) writeonly buffer Out { HELD dst[]; };
#define STORE(i, v) dst[i] = pack(v)
#endif
// Two vec4 side by side, the first at an even index.
#ifdef MOP_PAIRS
#define PER_STORE 2
#ifdef MOP_HALF
layout(set = 0, binding = 0) writeonly buffer OutPairs { uvec4 pairs[]; };
#define STORE_PAIR(i, a, b) pairs[(i) / 2] = uvec4(pack(a), pack(b))
#else
layout(set = 0, binding = 0) writeonly buffer OutPairs { u64vec4 pairs[]; };
uint64_t word(vec2 v)
{
    return packUint2x32(floatBitsToUint(v));
}
#define STORE_PAIR(i, a, b) pairs[(i) / 2] = u64vec4(word(a.xy), word(a.zw), word(b.xy), word(b.zw))
#endif
#else
#define PER_STORE 1
#endif
#ifdef MOP_TEXEL
#ifdef MOP_WORDS_IN
#define SAMPLER usamplerBuffer
#else
#define SAMPLER samplerBuffer
#endif
layout(set = 0, binding = 1) uniform SAMPLER src0;
layout(set = 0, binding = 2) uniform samplerBuffer src1;
layout(set = 0, binding = 3) uniform SAMPLER weights;
#define LOAD(from, i) texelFetch(from, int(i))
#define WORD(from, i) texelFetch(from, int(i)).x
#define WORDS(from, i) texelFetch(from, int(i))
#else
#ifdef MOP_WORDS_IN
#define IN_T uint
#define WEIGHTS_T uvec4
#else
#define IN_T HELD
#define WEIGHTS_T HELD
#endif
layout(set = 0, binding = 1) readonly buffer In0 { IN_T at[]; } src0;
layout(set = 0, binding = 2) readonly buffer In1 { HELD at[]; } src1;
layout(set = 0, binding = 3) readonly buffer Weights { WEIGHTS_T at[]; } weights;
#define LOAD(from, i) unpack(from.at[i])
#define WORD(from, i) from.at[i]
#define WORDS(from, i) from.at[i]
#endif

// What products are made in, real4, read by LOADR, and how their sums are kept. In float32 and where
// only memory holds float16 that is vec4, and PART is acc itself. With MOP_FP16 it is f16vec4, and
// PART holds the sum of a block, which FLUSH(n) adds to acc[n] in float32: FLUSH_AFTER after every
// eighth step. HAND and TAKE are for values that go round a subgroup, as whole words, because float16
// would need one more feature of the device.
#ifdef MOP_FP16
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#define real4 f16vec4
#define WIDE(v) vec4(v)
#define HANDED uvec2
#define HAND(v) uvec2(packFloat2x16((v).xy), packFloat2x16((v).zw))
f16vec4 TAKE(uvec2 v)
{
    return f16vec4(unpackFloat2x16(v.x), unpackFloat2x16(v.y));
}
#ifdef MOP_TEXEL
#define LOADR(from, i) f16vec4(LOAD(from, i))
#else
#define LOADR(from, i) TAKE(from.at[i])
#endif
#define PART part
#define PARTS(n)                                                                                   \
    f16vec4 part[n];                                                                               \
    [[unroll]] for (uint i = 0; i < n; i++)                                                        \
        part[i] = f16vec4(0.0);
#define FLUSH(n)                                                                                   \
    [[unroll]] for (uint i = 0; i < n; i++) {                                                      \
        acc[i] += vec4(part[i]);                                                                   \
        part[i] = f16vec4(0.0);                                                                    \
    }
#define FLUSH_AFTER(step, n)                                                                       \
    if ((step) % 8 == 7) {                                                                         \
        FLUSH(n)                                                                                   \
    }
#else
#define real4 vec4
#define WIDE(v) (v)
#define HANDED vec4
#define HAND(v) (v)
#define TAKE(v) (v)
#define LOADR LOAD
#define PART acc
#define PARTS(n)
#define FLUSH(n)
#define FLUSH_AFTER(step, n)
#endif

const uint LANES = gl_WorkGroupSize.x;

#define MOP_ACT_NONE 0
#define MOP_ACT_RELU 1
#define MOP_ACT_RELU6 2
#define MOP_ACT_GELU 3
#define MOP_ACT_GELU_TANH 4
#define MOP_ACT_SILU 5
#define MOP_ACT_HARDSWISH 6
#define MOP_ACT_SIGMOID 7
#define MOP_ACT_HARDSIGMOID 8

// |error| <= 1.5e-7: Abramowitz, Stegun 1964, 7.1.26.
vec4 erf4(vec4 x)
{
    vec4 a = abs(x);
    vec4 t = 1.0 / (1.0 + 0.3275911 * a);
    vec4 p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t +
              0.254829592) * t;
    return sign(x) * (1.0 - p * exp(-a * a));
}

vec4 sigmoid4(vec4 x)
{
    return 1.0 / (1.0 + exp(-x));
}

// act is a specialisation constant wherever this is called: one case survives.
vec4 activate(vec4 x, uint act)
{
    switch (act) {
    case MOP_ACT_RELU:
        return max(x, 0.0);
    case MOP_ACT_RELU6:
        return clamp(x, 0.0, 6.0);
    case MOP_ACT_GELU:
        return 0.5 * x * (1.0 + erf4(x * 0.70710678118654752));
    case MOP_ACT_GELU_TANH: // (1 + tanh u) / 2 = sigmoid(2 u)
        return x * sigmoid4(1.5957691216057308 * (x + 0.044715 * x * x * x));
    case MOP_ACT_SILU:
        return x * sigmoid4(x);
    case MOP_ACT_HARDSWISH:
        return x * clamp(x + 3.0, 0.0, 6.0) * (1.0 / 6.0);
    case MOP_ACT_SIGMOID:
        return sigmoid4(x);
    case MOP_ACT_HARDSIGMOID:
        return clamp(x + 3.0, 0.0, 6.0) * (1.0 / 6.0);
    }
    return x;
}

// Zeroes the components of group c4 that lie past `channels` channels.
vec4 mask_tail(vec4 v, uint c4, uint channels)
{
    if (channels % 4 == 0)
        return v;
    return mix(vec4(0.0), v, lessThan(c4 * 4 + uvec4(0, 1, 2, 3), uvec4(channels)));
}
