#include "profiler/engine/cpu_memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "profiler/base/alloc.h"

#define SMALL_PAGE ((size_t)4096)
#define LARGE_PAGE ((size_t)2 << 20)

mop_status mop_block_init(mop_block *b, size_t bytes, size_t offset, mop_err *err)
{
    const size_t page = bytes >= LARGE_PAGE ? LARGE_PAGE : SMALL_PAGE;
    size_t size;
    void *p = NULL;
    *b = (mop_block){0};
    if (!__builtin_add_overflow(bytes, offset + page, &size)) {
        size = (size - 1) / page * page; /* whole pages: a lock never covers a stranger's */
        p = aligned_alloc(page, size > 0 ? size : page);
    }
    if (p == NULL)
        return mop_fail(err, MOP_ENOMEM, "out of memory: %zu bytes", bytes);
    if (page == LARGE_PAGE)
        (void)madvise(p, size, MADV_HUGEPAGE); /* a wish, not a need */
    memset(p, 0, size);
    *b = (mop_block){.at = (unsigned char *)p + offset, .base = p, .reserved = size};
    return MOP_OK;
}

bool mop_block_lock(mop_block *b)
{
    b->is_locked = b->is_locked || mlock(b->base, b->reserved) == 0;
    return b->is_locked;
}

void mop_block_release(mop_block *b)
{
    if (b->is_locked)
        (void)munlock(b->base, b->reserved); /* the heap may give these pages to others */
    free(b->base);
    *b = (mop_block){0};
}
