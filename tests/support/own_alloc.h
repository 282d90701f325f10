/* An allocator in place of profiler/base/alloc.c that counts its calls and makes one of them fail.
 * For one source of a test program, which defines all of alloc.c by including it. */
#ifndef TESTS_SUPPORT_OWN_ALLOC_H
#define TESTS_SUPPORT_OWN_ALLOC_H

#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"

static size_t own_alloc_calls, own_alloc_fails; /* the call that fails, 1 the first; 0: none */

static int own_alloc_goes_on(mop_err *err)
{
    own_alloc_calls++;
    if (own_alloc_calls == own_alloc_fails)
        (void)mop_fail(err, MOP_ENOMEM, "out of memory, as the test wants");
    return own_alloc_calls != own_alloc_fails;
}

void *mop_calloc(size_t n, size_t size, mop_err *err)
{
    return own_alloc_goes_on(err) ? calloc(n > 0 ? n : 1, size) : NULL;
}

void *mop_realloc(void *p, size_t n, size_t size, mop_err *err)
{
    return own_alloc_goes_on(err) ? realloc(p, n * size) : NULL;
}

void *mop_alloc_aligned(size_t bytes, mop_err *err)
{
    return own_alloc_goes_on(err) ? aligned_alloc(MOP_ALIGN, (bytes / MOP_ALIGN + 1) * MOP_ALIGN)
                                  : NULL;
}

void mop_free_pages(void *p, size_t bytes)
{
    (void)bytes; /* only the heap would know better */
    free(p);
}

char *mop_strdup(const char *s, mop_err *err)
{
    return own_alloc_goes_on(err) ? strdup(s) : NULL;
}

#endif
