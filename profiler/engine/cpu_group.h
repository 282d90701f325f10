/* Layers of a CPU plan that run together: a producer and the pointwise convolution that alone reads
 * it, block of output rows by block of output rows, so that what is between them never leaves the
 * cache. Both keep their kernels and give the same bits as one after the other. */
#ifndef PROFILER_ENGINE_CPU_GROUP_H
#define PROFILER_ENGINE_CPU_GROUP_H

#include "kernels/cpu/kernel.h"
#include "variants/graph.h"

/* A block of rows: the two layers' instances for it, with all their units, and how many floats
 * after the beginning of each tensor it lies. */
typedef struct mop_cpu_piece {
    mop_op_inst producer, consumer;
    int64_t producer_units, consumer_units;
    int64_t in[MOP_MAX_IN]; /* of the producer */
    int64_t between;        /* the producer's output */
    int64_t out;            /* the consumer's output and residual */
} mop_cpu_piece;

typedef struct mop_cpu_group {
    uint32_t producer, consumer; /* nodes; it runs where the consumer stands */
    size_t n_pieces;
    mop_cpu_piece *pieces;
    size_t between_bytes; /* of the largest piece */
    size_t scratch_bytes; /* of either kernel for any piece */
} mop_cpu_group;

/* The node that consumer may run together with under `fuse` (of mop_fuse), or MOP_NODE_NONE.
 * readers[i] is how often node i is read. */
uint32_t mop_cpu_group_producer(const mop_graph *graph, uint32_t consumer, const uint32_t *readers,
                                unsigned fuse);

/* Cuts producer and consumer into pieces for `threads` threads, run by kernels[0] and [1], which
 * were chosen for the whole layers. *formed is false, and nothing is kept, where the kernels cannot
 * work on rows or where it would not pay. Release it. */
mop_status mop_cpu_group_init(mop_cpu_group *group, const mop_graph *graph, const uint32_t nodes[2],
                              const mop_cpu_kernel *const kernels[2], int threads, bool *formed,
                              mop_err *err);
void mop_cpu_group_release(mop_cpu_group *group); /* {0} is fine */

#endif
