/* Cold mode: what empties the caches between two runs. */
#ifndef PROFILER_MEASURE_COLD_H
#define PROFILER_MEASURE_COLD_H

#include <stddef.h>

#include "profiler/base/status.h"

typedef struct mop_cold {
    unsigned char *bytes; /* NULL: not open */
    size_t n;
} mop_cold;

/* Bytes to stream through so that nothing older stays: twice the last-level cache, whose size is
 * `last_cache` (mop_cpu_last_cache), 64 MiB where that is 0. */
size_t mop_cold_size(size_t last_cache);

/* Allocates and touches n bytes once. Release it; MOP_ENOMEM leaves it zeroed. */
mop_status mop_cold_open(mop_cold *c, size_t n, mop_err *err);
void mop_cold_release(mop_cold *c); /* a zeroed one is fine */

/* Reads and writes every cache line of the buffer. The caches that the calling thread's processor
 * uses hold the buffer afterwards; a private cache of another core keeps what the buffer never
 * pushed out of it. */
void mop_cold_evict(mop_cold *c);

#endif
