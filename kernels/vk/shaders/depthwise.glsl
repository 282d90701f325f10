// Depthwise convolution. A lane owns a tile of TX by TY output pixels of one group of four channels
// and walks the input rows that the tile needs, each loaded once.
// weights: for each group, one vec4 of bias, then [KH][KW] vec4.
#include "geometry.glsl"
layout(constant_id = 16) const uint TX = 4;
layout(constant_id = 17) const uint TY = 2;

const uint C4 = (C + 3) / 4;
const uint NX = (OW + TX - 1) / TX;
const uint NY = (OH + TY - 1) / TY;
const uint ROWS = (TY - 1) * STRIDE + (KH - 1) * DILATION + 1;
const uint COLS = (TX - 1) * STRIDE + (KW - 1) * DILATION + 1;

// Whether some tile's i-th row or column lies outside of the input.
#define MAY_BE_OUT(i, pad, last, size) ((i) < (pad) || (last) * STRIDE + (i) >= (size) + (pad))

vec4 finish(vec4 v, uint to, uint c4)
{
    if (RESIDUAL)
        v += LOAD(src1, to);
    return mask_tail(activate(v, ACT), c4, C);
}

void main()
{
    const uint id = gl_GlobalInvocationID.x;
    const uint plane = min(id / (NX * NY), IMAGES * C4 - 1);
    const uint ty0 = id / NX % NY * TY, tx0 = id % NX * TX;
    const uint c4 = plane % C4;
    const int y0 = int(ty0 * STRIDE) - int(PAD_TOP), x0 = int(tx0 * STRIDE) - int(PAD_LEFT);
    const int origin = int(plane * (IH * IW)) + y0 * int(IW) + x0;
    real4 w[KH * KW], acc[TX * TY];
    real4 bias = LOADR(weights, c4 * (KH * KW + 1));
    [[unroll]] for (uint i = 0; i < KH * KW; i++)
        w[i] = LOADR(weights, c4 * (KH * KW + 1) + 1 + i);
    [[unroll]] for (uint i = 0; i < TX * TY; i++)
        acc[i] = bias;
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
        real4 row[COLS];
        [[unroll]] for (uint c = 0; c < COLS; c++) {
            // only the rows and columns that the first or the last tile may have outside are asked
            const int y = y0 + int(r), x = x0 + int(c);
            const bool inside = !(MAY_BE_OUT(r, PAD_TOP, NY * TY - TY, IH) && uint(y) >= IH) &&
                                !(MAY_BE_OUT(c, PAD_LEFT, NX * TX - TX, IW) && uint(x) >= IW);
            const int at = origin + int(r * IW + c);
            if (MAY_BE_OUT(r, PAD_TOP, NY * TY - TY, IH) || MAY_BE_OUT(c, PAD_LEFT, NX * TX - TX, IW)) {
                const real4 v = LOADR(src0, inside ? at : 0);
                row[c] = inside ? v : real4(0.0);
            } else {
                row[c] = LOADR(src0, at);
            }
        }
        [[unroll]] for (uint ty = 0; ty < TY; ty++) {
            [[unroll]] for (uint ky = 0; ky < KH; ky++) {
                if (ty * STRIDE + ky * DILATION == r) {
                    [[unroll]] for (uint kx = 0; kx < KW; kx++)
                        [[unroll]] for (uint tx = 0; tx < TX; tx++)
                            acc[ty * TX + tx] += row[tx * STRIDE + kx * DILATION] * w[ky * KW + kx];
                }
            }
        }
    }
    if (id >= IMAGES * C4 * NX * NY)
        return;
    [[unroll]] for (uint ty = 0; ty < TY; ty++) {
        [[unroll]] for (uint tx = 0; tx < TX; tx += PER_STORE) {
            if ((OH % TY == 0 || ty0 + ty < OH) && (OW % TX == 0 || tx0 + tx < OW)) {
                const uint to = plane * (OH * OW) + (ty0 + ty) * OW + tx0 + tx;
                const vec4 v = finish(WIDE(acc[ty * TX + tx]), to, c4);
#ifdef MOP_PAIRS
                const vec4 next = finish(WIDE(acc[ty * TX + tx + 1]), to + 1, c4);
                STORE_PAIR(to, v, next);
#else
                STORE(to, v);
#endif
            }
        }
    }
}
