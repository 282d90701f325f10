/* Allocation with checked sizes: a product is checked before it reaches the allocator. */
#ifndef PROFILER_BASE_ALLOC_H
#define PROFILER_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include "profiler/base/status.h"

#define MOP_ALIGN 64 /* one cache line, one AVX-512 vector */

/* *out = a * b; false on overflow, *out untouched. */
static inline int mop_mul_size(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return 0;
    *out = r;
    return 1;
}

/* *out = a * b for non-negative signed factors; false on overflow. */
static inline int mop_mul_i64(int64_t a, int64_t b, int64_t *out)
{
    int64_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return 0;
    *out = r;
    return 1;
}

/* Zeroed array of n elements of size bytes; free() it. NULL with MOP_ENOMEM in err on failure or
 * overflow. n == 0 gives a valid pointer. */
void *mop_calloc(size_t n, size_t size, mop_err *err);

/* Grows p to n elements of size bytes (contents kept, new part not zeroed); NULL on failure, p
 * still valid. */
void *mop_realloc(void *p, size_t n, size_t size, mop_err *err);

/* Uninitialised, MOP_ALIGN-aligned block of at least `bytes`; free() it. NULL on failure. */
void *mop_alloc_aligned(size_t bytes, mop_err *err);

/* free(p) of `bytes`, whose whole pages go back to the system at once: a heap may keep what it is
 * given back, resident, and all the more of it the larger the blocks were that it has seen. */
void mop_free_pages(void *p, size_t bytes);

/* A copy of s in its own allocation; free() it. NULL on failure. */
char *mop_strdup(const char *s, mop_err *err);

#endif
