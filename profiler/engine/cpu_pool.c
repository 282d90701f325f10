#include "profiler/engine/cpu_pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "profiler/base/alloc.h"
#include "profiler/engine/cpu_info.h"

static void pin_to(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    (void)sched_setaffinity(0, sizeof set, &set); /* slower without, not wrong */
}

/* The pool's first job: one item for each thread, because nobody ends his before all have begun. */
typedef struct pinning {
    const mop_cpu_pool *pool;
    pthread_t caller;
    atomic_int begun, workers;
} pinning;

static void pin_worker(void *context, size_t item)
{
    pinning *p = context;
    (void)item;
    if (!pthread_equal(pthread_self(), p->caller))
        pin_to(p->pool->cpus[1 + atomic_fetch_add(&p->workers, 1)]);
    atomic_fetch_add(&p->begun, 1);
    while (atomic_load(&p->begun) < p->pool->threads)
        (void)sched_yield(); /* cannot fail */
}

mop_status mop_cpu_pool_open(mop_cpu_pool *pool, int threads, mop_err *err)
{
    pinning p = {.pool = pool, .caller = pthread_self()};
    *pool = (mop_cpu_pool){.threads = threads};
    pool->cpus = mop_calloc((size_t)threads, sizeof *pool->cpus, err);
    if (pool->cpus == NULL)
        return MOP_ENOMEM;
    pool->pool = pthreadpool_create((size_t)threads);
    if (pool->pool == NULL)
        return mop_fail(err, MOP_ENOMEM, "cpu: %d threads could not be started", threads);
    pool->is_pinned = threads > 1 && mop_cpu_pick(pool->cpus, threads) == threads;
    if (pool->is_pinned)
        pthreadpool_parallelize_1d(pool->pool, pin_worker, &p, (size_t)threads, 0);
    return MOP_OK;
}

void mop_cpu_pool_close(mop_cpu_pool *pool)
{
    if (pool->pool != NULL)
        pthreadpool_destroy(pool->pool);
    free(pool->cpus);
    *pool = (mop_cpu_pool){0};
}

bool mop_cpu_pool_enter(const mop_cpu_pool *pool, cpu_set_t *before)
{
    if (!pool->is_pinned || sched_getaffinity(0, sizeof *before, before) != 0)
        return false;
    pin_to(pool->cpus[0]);
    return true;
}

void mop_cpu_pool_leave(const cpu_set_t *before)
{
    (void)sched_setaffinity(0, sizeof *before, before); /* they were allowed before */
}
