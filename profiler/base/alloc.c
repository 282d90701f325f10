#include "profiler/base/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *mop_calloc(size_t n, size_t size, mop_err *err)
{
    size_t bytes;
    void *p = NULL;
    if (mop_mul_size(n, size, &bytes))
        p = calloc(bytes > 0 ? bytes : 1, 1);
    if (p == NULL)
        (void)mop_fail(err, MOP_ENOMEM, "out of memory: %zu elements of %zu bytes", n, size);
    return p;
}

void *mop_realloc(void *p, size_t n, size_t size, mop_err *err)
{
    size_t bytes;
    void *q = NULL;
    if (mop_mul_size(n, size, &bytes))
        q = realloc(p, bytes > 0 ? bytes : 1);
    if (q == NULL)
        (void)mop_fail(err, MOP_ENOMEM, "out of memory: %zu elements of %zu bytes", n, size);
    return q;
}

void *mop_alloc_aligned(size_t bytes, mop_err *err)
{
    void *p = NULL;
    if (bytes <= SIZE_MAX - MOP_ALIGN) {
        size_t rounded = (bytes + MOP_ALIGN - 1) / MOP_ALIGN * MOP_ALIGN;
        p = aligned_alloc(MOP_ALIGN, rounded > 0 ? rounded : MOP_ALIGN);
    }
    if (p == NULL)
        (void)mop_fail(err, MOP_ENOMEM, "out of memory: %zu aligned bytes", bytes);
    return p;
}

void mop_free_pages(void *p, size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t skip = (page - (uintptr_t)p % page) % page;
    if (p != NULL && bytes >= skip + page) /* what is around them is the heap's */
        (void)madvise((char *)p + skip, (bytes - skip) / page * page, MADV_DONTNEED);
    free(p);
}

char *mop_strdup(const char *s, mop_err *err)
{
    size_t n = strlen(s) + 1;
    char *p = mop_calloc(n, 1, err);
    if (p != NULL)
        memcpy(p, s, n);
    return p;
}
