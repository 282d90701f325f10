/* Not an operator: loops that only move memory, for the bandwidth of a level of the memory
 * hierarchy. Reading folds by exclusive or, which more units can do than additions and which no
 * value slows down. */
#include "kernels/cpu/stream.h"

#include "kernels/cpu/vec.h"

enum { STREAM_CHAINS = 8 };

/* Makes the compiler forget what memory holds, so that each round does its work again. */
#define FORGET_MEMORY() __asm__ volatile("" ::: "memory")

static uint32_t read_all(const float *x, size_t n, int64_t rounds)
{
    vi acc[STREAM_CHAINS] = {0};
    int32_t lane[MOP_VL];
    uint32_t folded = 0;
    for (int64_t r = 0; r < rounds; r++) {
        for (size_t i = 0; i < n; i += (size_t)STREAM_CHAINS * MOP_VL) {
#pragma GCC unroll 8
            for (size_t k = 0; k < STREAM_CHAINS; k++)
                acc[k] ^= vf_bits(vf_load(x + i + k * MOP_VL));
        }
        FORGET_MEMORY();
    }
#pragma GCC unroll 8
    for (size_t k = 0; k < STREAM_CHAINS; k++) {
        memcpy(lane, &acc[k], sizeof lane);
        for (int i = 0; i < MOP_VL; i++)
            folded ^= (uint32_t)lane[i];
    }
    return folded;
}

static void copy_all(float *restrict dst, const float *restrict src, size_t n, int64_t rounds)
{
    for (int64_t r = 0; r < rounds; r++) {
        for (size_t i = 0; i < n; i += (size_t)STREAM_CHAINS * MOP_VL) {
#pragma GCC unroll 8
            for (size_t k = 0; k < STREAM_CHAINS; k++)
                vf_store(dst + i + k * MOP_VL, vf_load(src + i + k * MOP_VL));
        }
        FORGET_MEMORY();
    }
}

static void triad_all(float *restrict a, const float *restrict b, const float *restrict c, float s,
                      size_t n, int64_t rounds)
{
    const vf scale = vf_set1(s);
    for (int64_t r = 0; r < rounds; r++) {
        for (size_t i = 0; i < n; i += (size_t)STREAM_CHAINS * MOP_VL) {
#pragma GCC unroll 8
            for (size_t k = 0; k < STREAM_CHAINS; k++) {
                const size_t at = i + k * MOP_VL;
                vf_store(a + at, scale * vf_load(c + at) + vf_load(b + at));
            }
        }
        FORGET_MEMORY();
    }
}

_Static_assert(MOP_STREAM_STEP % (STREAM_CHAINS * MOP_VL) == 0, "a buffer is whole steps");

const mop_stream_kernel MOP_KERNEL_SYM(stream) = {
    .isa = MOP_ISA_LEVEL, .read = read_all, .copy = copy_all, .triad = triad_all};
