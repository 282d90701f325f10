/* Greedy by size (Pisarchyk, Lee 2020, section 5.2): spans from the largest to the smallest, each
 * at the lowest offset where it fits between the placed ones that are in use at the same time.
 * O(n^2 log n) in the number of spans at worst, a few hundred here. */
#include "profiler/engine/memplan.h"

#include <stdlib.h>

#include "profiler/base/alloc.h"

typedef struct block {
    size_t span; /* index */
    uint32_t first, last;
    size_t size, offset;
} block;

static int larger_first(const void *a, const void *b)
{
    const block *x = a, *y = b;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return x->span < y->span ? -1 : x->span > y->span;
}

static bool live_together(const block *a, const block *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Puts `b` among placed[0..n), which stay sorted by offset. */
static void place(block *placed, size_t n, block b)
{
    size_t at = 0, i;
    for (i = 0; i < n; i++) {
        if (!live_together(&placed[i], &b))
            continue;
        if (placed[i].offset >= at && placed[i].offset - at >= b.size)
            break;
        if (placed[i].offset + placed[i].size > at)
            at = placed[i].offset + placed[i].size;
    }
    b.offset = at;
    for (i = n; i > 0 && placed[i - 1].offset > at; i--)
        placed[i] = placed[i - 1];
    placed[i] = b;
}

/* Blocks of the spans that have a size, in whole cache lines; *n receives how many. False if they
 * exceed the address space, so that no sum of them overflows later. */
static bool make_blocks(const mop_memspan *spans, size_t n_spans, block *blocks, size_t *n)
{
    size_t sum = 0;
    *n = 0;
    for (size_t i = 0; i < n_spans; i++) {
        block b = {.span = i, .first = spans[i].first, .last = spans[i].last};
        if (spans[i].bytes == 0)
            continue;
        if (__builtin_add_overflow(spans[i].bytes, (size_t)MOP_ALIGN - 1, &b.size))
            return false;
        b.size = b.size / MOP_ALIGN * MOP_ALIGN;
        if (__builtin_add_overflow(sum, b.size, &sum))
            return false;
        blocks[(*n)++] = b;
    }
    return true;
}

/* The sum of the blocks in use at the step that needs most: some block's first. */
static size_t largest_live(const block *blocks, size_t n)
{
    size_t most = 0;
    for (size_t i = 0; i < n; i++) {
        size_t live = 0;
        for (size_t j = 0; j < n; j++)
            if (blocks[j].first <= blocks[i].first && blocks[i].first <= blocks[j].last)
                live += blocks[j].size;
        most = live > most ? live : most;
    }
    return most;
}

void mop_memplan_lifetimes(const mop_graph *g, bool keep_all, mop_memspan *spans)
{
    const uint32_t end = g->n_nodes - 1;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const bool is_last = keep_all || i == end;
        spans[i].first = keep_all ? 0 : i;
        spans[i].last = is_last ? end : i;
        for (uint32_t k = 0; k < g->nodes[i].inst.n_in; k++) {
            mop_memspan *in = &spans[g->nodes[i].in[k]];
            in->last = in->last > i ? in->last : i;
        }
    }
}

mop_status mop_memplan_init(mop_memplan *plan, const mop_memspan *spans, size_t n_spans,
                            mop_err *err)
{
    mop_memplan made = {.offset = mop_calloc(n_spans, sizeof(size_t), err)};
    block *blocks = mop_calloc(n_spans, sizeof(block), err);
    block *placed = mop_calloc(n_spans, sizeof(block), err);
    mop_status status = MOP_ENOMEM;
    size_t n;
    if (made.offset == NULL || blocks == NULL || placed == NULL)
        goto done;
    if (!make_blocks(spans, n_spans, blocks, &n)) {
        (void)mop_fail(err, MOP_ENOMEM, "out of memory: %zu tensors exceed the address space",
                       n_spans);
        goto done;
    }
    qsort(blocks, n, sizeof(block), larger_first);
    for (size_t i = 0; i < n_spans; i++)
        made.offset[i] = SIZE_MAX;
    for (size_t i = 0; i < n; i++)
        place(placed, i, blocks[i]);
    for (size_t i = 0; i < n; i++) {
        const size_t end = placed[i].offset + placed[i].size;
        made.offset[placed[i].span] = placed[i].offset;
        made.bytes = end > made.bytes ? end : made.bytes;
    }
    made.live_bytes = largest_live(blocks, n);
    *plan = made;
    made.offset = NULL;
    status = MOP_OK;
done:
    free(made.offset);
    free(blocks);
    free(placed);
    return status;
}

void mop_memplan_release(mop_memplan *plan)
{
    if (plan == NULL)
        return;
    free(plan->offset);
    *plan = (mop_memplan){0};
}
