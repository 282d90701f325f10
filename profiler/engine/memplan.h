/* Memory plan: where each of some pieces of memory lies in one arena, by lifetime, before anything
 * runs. */
#ifndef PROFILER_ENGINE_MEMPLAN_H
#define PROFILER_ENGINE_MEMPLAN_H

#include "variants/graph.h"

/* A piece of memory that is in use while steps first..last run. */
typedef struct mop_memspan {
    uint32_t first, last;
    size_t bytes; /* 0: kept elsewhere */
} mop_memspan;

typedef struct mop_memplan {
    size_t *offset;    /* [n], multiples of MOP_ALIGN; SIZE_MAX for spans of 0 bytes */
    size_t bytes;      /* of the arena */
    size_t live_bytes; /* of the spans in use at the step that needs most: no arena is smaller */
} mop_memplan;

/* first and last of spans[n_nodes] for the outputs of graph's nodes, node i computed at step i:
 * from its own step to its last reader's, the output node to the end; with keep_all all of them
 * from the first step to the last. */
void mop_memplan_lifetimes(const mop_graph *graph, bool keep_all, mop_memspan *spans);

/* Places n spans so that no two in use at the same step overlap. Release it. */
mop_status mop_memplan_init(mop_memplan *plan, const mop_memspan *spans, size_t n, mop_err *err);
void mop_memplan_release(mop_memplan *plan); /* NULL is fine */

#endif
