#include "tests/support/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

mop_guard mop_guard_alloc(size_t bytes, size_t align, unsigned char fill)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t rounded = (bytes + align - 1) / align * align;
    const size_t inner = (rounded + page - 1) / page * page;
    mop_guard g = {.bytes = rounded, .map_bytes = inner + 2 * page};
    unsigned char *map = mmap(NULL, g.map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || (inner > 0 && mprotect(map + page, inner, PROT_READ | PROT_WRITE))) {
        perror("guarded memory");
        exit(1);
    }
    memset(map + page, fill, inner);
    g.map = map;
    g.data = map + page + inner - rounded;
    return g;
}

bool mop_guard_intact(const mop_guard *g, unsigned char fill)
{
    const unsigned char *at = (const unsigned char *)g->map + sysconf(_SC_PAGESIZE);
    for (; at < (const unsigned char *)g->data; at++)
        if (*at != fill)
            return false;
    return true;
}

void mop_guard_free(mop_guard *g)
{
    munmap(g->map, g->map_bytes);
    *g = (mop_guard){0};
}
