/* Memory whose end lies against an inaccessible page, so that one value read or written past it is
 * a fault at the very instruction. */
#ifndef TESTS_SUPPORT_GUARD_H
#define TESTS_SUPPORT_GUARD_H

#include <stdbool.h>
#include <stddef.h>

typedef struct mop_guard {
    void *data;   /* `bytes` bytes, ending at the inaccessible page */
    size_t bytes; /* as asked for, rounded up to the alignment asked for */
    void *map;    /* the whole mapping: page before (inaccessible), slack, data, page after */
    size_t map_bytes;
} mop_guard;

/* data is aligned to `align` (a power of two up to a page) and filled with `fill`, as is the slack
 * before it. Ends the test program if there is no memory. */
mop_guard mop_guard_alloc(size_t bytes, size_t align, unsigned char fill);

/* Whether the slack before data still holds its fill: false after a write in front of data. */
bool mop_guard_intact(const mop_guard *g, unsigned char fill);

void mop_guard_free(mop_guard *g);

#endif
