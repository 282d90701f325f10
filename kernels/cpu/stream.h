/* Loops that do nothing but move memory: what bandwidth is measured by, one set per instruction
 * set. */
#ifndef KERNELS_CPU_STREAM_H
#define KERNELS_CPU_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/cpu/isa.h"

/* Buffers hold n floats, n a positive multiple of MOP_STREAM_STEP, and do not overlap. */
enum { MOP_STREAM_STEP = 128 };

typedef struct mop_stream_kernel {
    mop_isa isa;
    /* Reads x[n] in order, `rounds` times: 4 n bytes a round. The result is the exclusive or of
     * all bits, folded to 32, and only keeps the reads from being optimised away. */
    uint32_t (*read)(const float *x, size_t n, int64_t rounds);
    /* dst = src: 4 n bytes read and 4 n written a round; what the hardware reads of dst before it
     * writes is not counted. */
    void (*copy)(float *restrict dst, const float *restrict src, size_t n, int64_t rounds);
    /* a = b + s c (McCalpin's STREAM, 1995): 8 n bytes read and 4 n written a round. */
    void (*triad)(float *restrict a, const float *restrict b, const float *restrict c, float s,
                  size_t n, int64_t rounds);
} mop_stream_kernel;

/* The loops of a level. Never NULL; run them only where the machine offers the level. */
const mop_stream_kernel *mop_cpu_stream(mop_isa isa);

#endif
