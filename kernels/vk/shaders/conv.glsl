// Convolution with one group as an implicit matrix product. A lane owns P output pixels and T groups
// of four output channels; a workgroup is LANES * P pixels by 4 T channels. Per step the lane loads
// its pixels' input for U groups of four input channels, and the workgroup's weights are spread over
// the lanes, one vec4 each, and handed round by shuffles with constant indices (conv.comp), or loaded
// by every lane from the same address (conv_plain.comp).
// weights: for each tile of T output groups, T vec4 of bias, then [KH][KW][C4][4 inputs][T] vec4.
#include "geometry.glsl"
layout(constant_id = 16) const uint P = 2;
layout(constant_id = 17) const uint T = 4;
layout(constant_id = 18) const uint U = 1; // divides C4
layout(constant_id = 19) const bool CHECK = false; // a tap may fall outside the input

const uint C4 = (C + 3) / 4, O4 = (O + 3) / 4;
const uint KC = C < 4 ? C : 4;                 // channels of a group that are not padding
const uint PIXELS = IMAGES * OH * OW;
// pixels of output and input correspond one to one
const bool SAME = KH * KW == 1 && STRIDE == 1 && IH == OH && IW == OW && PAD_TOP + PAD_LEFT == 0;
const uint NW = 4 * T * U;                     // weight vec4s of a step
const uint TILE = T + KH * KW * C4 * 4 * T;    // vec4s of a tile

#ifdef MOP_SHUFFLE
#define HOLD(at, n)                                                                                \
    HANDED held[((n) + LANES - 1) / LANES];                                                        \
    [[unroll]] for (uint i = 0; i < ((n) + LANES - 1) / LANES; i++)                                \
        held[i] = HAND(LOADR(weights, (at) + i * LANES + gl_LocalInvocationID.x));
#define WEIGHT(at, i) TAKE(subgroupShuffle(held[(i) / LANES], (i) % LANES))
#else
#define HOLD(at, n)
#define WEIGHT(at, i) LOADR(weights, (at) + (i))
#endif

// Where tap (ky, kx) of each pixel lies in the input's first group of channels.
#define AIM(kx)                                                                                    \
    int at[P];                                                                                     \
    bool inside[P];                                                                                \
    [[unroll]] for (uint p = 0; p < P; p++) {                                                      \
        int y = y0[p] + int(ky * DILATION), x = x0[p] + int(kx * DILATION);                        \
        inside[p] = !CHECK || (uint(y) < IH && uint(x) < IW);                                      \
        at[p] = origin[p] + int(ky * DILATION * IW + kx * DILATION);                               \
        if (CHECK)                                                                                 \
            at[p] = inside[p] ? at[p] : 0;                                                         \
    }

// U groups of input channels of one tap.
#define STEP                                                                                       \
    {                                                                                              \
        HOLD(w, NW)                                                                                \
        [[unroll]] for (uint u = 0; u < U; u++) {                                                  \
            real4 x[P];                                                                            \
            [[unroll]] for (uint p = 0; p < P; p++) {                                              \
                x[p] = LOADR(src0, at[p]);                                                    \
                if (CHECK)                                                                         \
                    x[p] = inside[p] ? x[p] : real4(0.0);                                          \
                at[p] += int(IH * IW);                                                             \
            }                                                                                      \
            [[unroll]] for (uint t = 0; t < T; t++) {                                              \
                [[unroll]] for (uint k = 0; k < KC; k++) {                                         \
                    real4 v = WEIGHT(w, (u * 4 + k) * T + t);                                      \
                    [[unroll]] for (uint p = 0; p < P; p++)                                        \
                        PART[p * T + t] += v * x[p][k];                                            \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        w += NW;                                                                                   \
    }

// Which pixel is the lane's p-th: lanes lie side by side, by pixels or by pairs of them.
#define PIXEL(p)                                                                                   \
    (first + (p) / PER_STORE * PER_STORE * LANES + PER_STORE * lane + (p) % PER_STORE)

vec4 finish(vec4 v, uint to, uint o4)
{
    if (RESIDUAL)
        v += LOAD(src1, to);
    return mask_tail(activate(v, ACT), o4, O);
}

void main()
{
    const uint lane = gl_LocalInvocationID.x;
    const uint tile = gl_WorkGroupID.y;
    const uint first = gl_WorkGroupID.x * (LANES * P);
    uint w = tile * TILE + T;
    vec4 acc[P * T];
    PARTS(P * T)
    {
        HOLD(tile * TILE, T)
        [[unroll]] for (uint t = 0; t < T; t++) {
            const vec4 bias = WIDE(WEIGHT(tile * TILE, t));
            [[unroll]] for (uint p = 0; p < P; p++)
                acc[p * T + t] = bias;
        }
    }
    int y0[P], x0[P], origin[P];
    [[unroll]] for (uint p = 0; p < P; p++) {
        const uint q = min(PIXEL(p), PIXELS - 1), r = IMAGES == 1 ? q : q % (OH * OW);
        y0[p] = int(r / OW * STRIDE) - int(PAD_TOP);
        x0[p] = int(r % OW * STRIDE) - int(PAD_LEFT);
        origin[p] = SAME ? int(r) : y0[p] * int(IW) + x0[p];
        if (IMAGES > 1)
            origin[p] += int(q / (OH * OW) * (C4 * IH * IW));
    }
    for (uint ky = 0; ky < KH; ky++) {
        if (C4 == 1) { // too little work in one tap for a turn of a loop
            [[unroll]] for (uint kx = 0; kx < KW; kx++) {
                AIM(kx)
                STEP
            }
            FLUSH(P * T)
        } else {
            for (uint kx = 0; kx < KW; kx++) {
                AIM(kx)
                for (uint k4 = 0; k4 < C4; k4 += U) {
                    STEP
                    FLUSH_AFTER(k4 / U, P * T)
                }
                FLUSH(P * T)
            }
        }
    }
    [[unroll]] for (uint p = 0; p < P; p += PER_STORE) {
        uint q = PIXEL(p);
        if (q < PIXELS) {
            uint at = IMAGES == 1 ? q : q / (OH * OW) * (O4 * OH * OW) + q % (OH * OW);
            [[unroll]] for (uint t = 0; t < T; t++) {
                uint o4 = tile * T + t;
                if (O4 % T == 0 || o4 < O4) {
                    const uint to = at + o4 * (OH * OW);
                    const vec4 v = finish(acc[p * T + t], to, o4);
#ifdef MOP_PAIRS
                    const vec4 next = finish(acc[(p + 1) * T + t], to + 1, o4);
                    STORE_PAIR(to, v, next);
#else
                    STORE(to, v);
#endif
                }
            }
        }
    }
}
