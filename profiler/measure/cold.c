#include "profiler/measure/cold.h"

#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"

#define UNKNOWN_BYTES ((size_t)64 << 20)

size_t mop_cold_size(size_t last_cache)
{
    return last_cache == 0 || last_cache > SIZE_MAX / 2 ? UNKNOWN_BYTES : 2 * last_cache;
}

mop_status mop_cold_open(mop_cold *c, size_t n, mop_err *err)
{
    unsigned char *bytes = mop_alloc_aligned(n, err);
    if (bytes == NULL)
        return MOP_ENOMEM;
    memset(bytes, 1, n); /* pages of its own, not many times the one of zeros */
    *c = (mop_cold){.bytes = bytes, .n = n};
    return MOP_OK;
}

void mop_cold_release(mop_cold *c)
{
    free(c->bytes);
    *c = (mop_cold){0};
}

void mop_cold_evict(mop_cold *c)
{
    for (size_t i = 0; i < c->n; i += MOP_ALIGN)
        ((volatile unsigned char *)c->bytes)[i]++;
}
