/* 64-bit FNV-1a, incremental: identity of graphs, plans and outputs (not a defence against malice).
 * Source: Fowler, Noll, Vo; constants of the 64-bit variant. */
#ifndef PROFILER_BASE_HASH_H
#define PROFILER_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define MOP_HASH_INIT UINT64_C(0xcbf29ce484222325)

/* Continues hash h over `bytes` bytes of data and returns the new hash. */
static inline uint64_t mop_hash(uint64_t h, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < bytes; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* Continues h over one integer, independent of the machine's byte order. */
static inline uint64_t mop_hash_u64(uint64_t h, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        h = (h ^ (v >> (8 * i) & 0xff)) * UINT64_C(0x100000001b3);
    return h;
}

#endif
