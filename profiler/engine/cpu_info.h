/* Who this processor is. */
#ifndef PROFILER_ENGINE_CPU_INFO_H
#define PROFILER_ENGINE_CPU_INFO_H

#include <sched.h>

#include "profiler/engine/backend.h"

/* Processors that this process may run on; at least 1. */
int mop_cpu_processors(void);

/* Fills cpu[0..n) with the numbers of distinct processors of that set, one of each physical core
 * before the second of any, n at most mop_cpu_processors(). Returns how many were filled. */
int mop_cpu_pick(int *cpu, int n);

/* The same for the processors of `allowed` on a machine whose files lie under root ("" for this
 * one), which says in thread_siblings_list who shares a core. */
int mop_cpu_order(const char *root, const cpu_set_t *allowed, int *cpu, int n);

/* Physical cores that `allowed` has a processor of. */
int mop_cpu_cores(const char *root, const cpu_set_t *allowed);

/* Processors' worth of time that the control group of this process and those above it leave it:
 * 1.5 is one and a half. 0: no limit. */
double mop_cpu_quota(const char *root);

/* Bytes of one last-level cache; 0 if unknown. */
size_t mop_cpu_last_cache(void);

enum { MOP_CPU_CACHES = 3 };

/* Bytes of the first processor's data caches, level 1 first; 0 for a level that is not there or
 * that the machine does not tell. */
void mop_cpu_caches(uint64_t bytes[MOP_CPU_CACHES]);

/* Fills info: the model name as the operating system tells it (else cpuinfo's), the best level
 * within isa_mask, and a uuid that is a hash of vendor, family, model, name and stepping: the same
 * on every machine of one make. */
void mop_cpu_describe(mop_device_info *info, unsigned isa_mask, int threads);

/* mop_backend's facts: processors, cores, instruction sets, caches. */
mop_status mop_cpu_facts(const mop_device_choice *choice, mop_fact_fn *tell, void *ctx,
                         mop_err *err);

#endif
