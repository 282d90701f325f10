/* Memory plan: where each node's output lies in one arena, by lifetime, before anything runs. */
#ifndef PROFILER_ENGINE_MEMPLAN_H
#define PROFILER_ENGINE_MEMPLAN_H

#include "variants/graph.h"

typedef struct mop_memplan {
    size_t *offset; /* [n_nodes], multiples of MOP_ALIGN; SIZE_MAX for nodes kept outside */
    size_t bytes;   /* of the arena */
} mop_memplan;

/* Places size[i] bytes for each node so that no two nodes that live at the same time overlap,
 * greedily by size (Pisarchyk, Lee 2020, "greedy by size"). A node lives from its own index to its
 * last reader's; size 0 keeps it outside. With keep_all nothing is reused. Release it. */
mop_status mop_memplan_init(mop_memplan *plan, const mop_graph *graph, const size_t *size,
                            bool keep_all, mop_err *err);
void mop_memplan_release(mop_memplan *plan); /* NULL is fine */

#endif
