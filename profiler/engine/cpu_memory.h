/* Blocks of a CPU plan's own memory: mapped, touched and locked before the first run, so that no
 * run waits for a page. */
#ifndef PROFILER_ENGINE_CPU_MEMORY_H
#define PROFILER_ENGINE_CPU_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "profiler/base/status.h"

typedef struct mop_block {
    unsigned char *at; /* the first byte to use, MOP_ALIGN-aligned */
    size_t bytes;      /* to use */
    void *base;
    size_t reserved; /* bytes from base */
    bool is_locked;
} mop_block;

/* `bytes` zeroed bytes that begin `offset` bytes, a multiple of MOP_ALIGN, past the start of a
 * page. They take no memory before they are written: fill or touch them before anything is timed.
 * Blocks from 2 MiB on ask for large pages: an inference reads every weight once, and with 4 KiB
 * pages it waits for address translation (1000-way classifier on Zen 3: 262 us, with large pages
 * 190 us). A large page is there as a whole, so a block's last one is large from 1 MiB in use on.
 * Release it; MOP_ENOMEM leaves *b {0}. */
mop_status mop_block_reserve(mop_block *b, size_t bytes, size_t offset, mop_err *err);
/* Zeroes them, so that each of their pages is there. */
void mop_block_touch(const mop_block *b);
/* Both. */
mop_status mop_block_init(mop_block *b, size_t bytes, size_t offset, mop_err *err);
void mop_block_release(mop_block *b); /* {0} is fine */

/* Keeps the block's pages in memory; false where the system refuses (RLIMIT_MEMLOCK), which leaves
 * the block as it was. */
bool mop_block_lock(mop_block *b);

#endif
