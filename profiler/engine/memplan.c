/* Greedy by size (Pisarchyk, Lee 2020, section 5.2): tensors from the largest to the smallest, each
 * at the lowest offset where it fits between the placed ones that live at the same time. O(n^2 log
 * n) in the number of nodes at worst, a few hundred here. */
#include "profiler/engine/memplan.h"

#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"

/* One node's memory: lives while nodes first..last are computed. */
typedef struct block {
    uint32_t node, first, last;
    size_t size, offset;
} block;

/* size rounded up to whole cache lines, 0 if that overflows. */
static size_t rounded(size_t size)
{
    return size > SIZE_MAX - MOP_ALIGN ? 0 : (size + MOP_ALIGN - 1) / MOP_ALIGN * MOP_ALIGN;
}

static int larger_first(const void *a, const void *b)
{
    const block *x = a, *y = b;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return x->node < y->node ? -1 : x->node > y->node;
}

static bool live_together(const block *a, const block *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Puts `b` among placed[0..n), which stay sorted by offset. False if the arena would overflow. */
static bool place(block *placed, size_t n, block b)
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
    if (at > SIZE_MAX - b.size)
        return false;
    b.offset = at;
    for (i = n; i > 0 && placed[i - 1].offset > at; i--)
        placed[i] = placed[i - 1];
    placed[i] = b;
    return true;
}

/* Blocks of the nodes that have a size, with their lifetimes; returns how many, SIZE_MAX if a size
 * is beyond reason. The output lives to the end; with keep_all everything does, from the start. */
static size_t make_blocks(const mop_graph *g, const size_t *size, bool keep_all, block *blocks)
{
    size_t n = 0;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        block b = {.node = i, .first = i, .last = i, .size = rounded(size[i])};
        if (size[i] == 0)
            continue;
        if (b.size == 0)
            return SIZE_MAX;
        for (uint32_t j = i + 1; j < g->n_nodes; j++)
            for (uint32_t k = 0; k < g->nodes[j].inst.n_in; k++)
                b.last = g->nodes[j].in[k] == i ? j : b.last;
        if (keep_all)
            b.first = 0;
        if (keep_all || i == g->n_nodes - 1)
            b.last = g->n_nodes - 1;
        blocks[n++] = b;
    }
    return n;
}

mop_status mop_memplan_init(mop_memplan *plan, const mop_graph *graph, const size_t *size,
                            bool keep_all, mop_err *err)
{
    mop_memplan made = {.offset = mop_calloc(graph->n_nodes, sizeof(size_t), err)};
    block *blocks = mop_calloc(graph->n_nodes, sizeof(block), err);
    block *placed = mop_calloc(graph->n_nodes, sizeof(block), err);
    mop_status status = MOP_ENOMEM;
    size_t n;
    if (made.offset == NULL || blocks == NULL || placed == NULL)
        goto done;
    n = make_blocks(graph, size, keep_all, blocks);
    if (n != SIZE_MAX)
        qsort(blocks, n, sizeof(block), larger_first);
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        made.offset[i] = SIZE_MAX;
    for (size_t i = 0; n != SIZE_MAX && i < n; i++)
        n = place(placed, i, blocks[i]) ? n : SIZE_MAX;
    if (n == SIZE_MAX) {
        (void)mop_fail(err, MOP_ENOMEM,
                       "out of memory: the tensors of %u nodes exceed the "
                       "address space",
                       graph->n_nodes);
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        const size_t end = placed[i].offset + placed[i].size;
        made.offset[placed[i].node] = placed[i].offset;
        made.bytes = end > made.bytes ? end : made.bytes;
    }
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
