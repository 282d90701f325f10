#include "profiler/engine/cpu_memory.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "profiler/base/alloc.h"

#define SMALL_PAGE ((size_t)4096)
#define LARGE_PAGE ((size_t)2 << 20)

mop_status mop_block_reserve(mop_block *b, size_t bytes, size_t offset, mop_err *err)
{
    size_t used, room, size, large, skip; /* used: from base; large: of it, in large pages */
    unsigned char *p = MAP_FAILED;
    *b = (mop_block){0};
    if (!__builtin_add_overflow(bytes, offset, &used) &&
        !__builtin_add_overflow(used, 2 * LARGE_PAGE, &room))
        p = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return mop_fail(err, MOP_ENOMEM, "out of memory: %zu bytes", bytes);
    large = bytes >= LARGE_PAGE ? (used + LARGE_PAGE / 2) / LARGE_PAGE * LARGE_PAGE : 0;
    size = (used > 0 ? used - 1 : 0) / SMALL_PAGE * SMALL_PAGE + SMALL_PAGE;
    size = large > size ? large : size;
    skip = (LARGE_PAGE - (uintptr_t)p % LARGE_PAGE) % LARGE_PAGE;
    if (skip > 0)
        (void)munmap(p, skip);
    (void)munmap(p + skip + size, room - skip - size);
    p += skip;
    if (large > 0)
        (void)madvise(p, large, MADV_HUGEPAGE); /* a wish, not a need */
    *b = (mop_block){.at = p + offset, .bytes = bytes, .base = p, .reserved = size};
    return MOP_OK;
}

void mop_block_touch(const mop_block *b)
{
    memset(b->at, 0, b->bytes);
}

mop_status mop_block_init(mop_block *b, size_t bytes, size_t offset, mop_err *err)
{
    const mop_status status = mop_block_reserve(b, bytes, offset, err);
    if (status == MOP_OK)
        mop_block_touch(b);
    return status;
}

bool mop_block_lock(mop_block *b)
{
    b->is_locked = b->is_locked || mlock(b->base, b->reserved) == 0;
    return b->is_locked;
}

void mop_block_release(mop_block *b)
{
    if (b->base != NULL)
        (void)munmap(b->base, b->reserved); /* undoes the lock too */
    *b = (mop_block){0};
}
