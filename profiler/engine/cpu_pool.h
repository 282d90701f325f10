/* A thread pool whose threads have a processor each. */
#ifndef PROFILER_ENGINE_CPU_POOL_H
#define PROFILER_ENGINE_CPU_POOL_H

#include <pthreadpool.h>
#include <sched.h>
#include <stdbool.h>

#include "profiler/base/status.h"

/* A zeroed one has no threads but the caller. */
typedef struct mop_cpu_pool {
    pthreadpool_t pool;
    int threads;
    int *cpus;      /* [threads] as mop_cpu_pick gives them, the calling thread's first */
    bool is_pinned; /* the pool's own threads are tied to cpus[1..threads) */
} mop_cpu_pool;

/* Starts threads - 1 threads beside the caller, who is one of them and not tied down here. Two
 * threads of a pool on one processor, which a scheduler may think fit while another process runs,
 * wait a time slice for each other at every layer: 340 ms for an inference of 22. Where there are
 * fewer processors than threads nothing is pinned. Close it even after MOP_ENOMEM. */
mop_status mop_cpu_pool_open(mop_cpu_pool *pool, int threads, mop_err *err);
void mop_cpu_pool_close(mop_cpu_pool *pool);

/* Ties the calling thread to its processor while it works with the pool; false if it stays as it
 * was. *before receives what mop_cpu_pool_leave gives back. */
bool mop_cpu_pool_enter(const mop_cpu_pool *pool, cpu_set_t *before);
void mop_cpu_pool_leave(const cpu_set_t *before);

#endif
