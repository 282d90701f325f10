/* Who this processor is. */
#ifndef PROFILER_ENGINE_CPU_INFO_H
#define PROFILER_ENGINE_CPU_INFO_H

#include "profiler/engine/backend.h"

/* Processors that this process may run on; at least 1. */
int mop_cpu_processors(void);

/* Fills cpu[0..n) with the numbers of distinct processors of that set, one of each physical core
 * before the second of any, n at most mop_cpu_processors(). Returns how many were filled. */
int mop_cpu_pick(int *cpu, int n);

/* Fills info: the model name as the operating system tells it (else cpuinfo's), the best level
 * within isa_mask, and a uuid that is a hash of vendor, family, model, name and stepping: the same
 * on every machine of one make. */
void mop_cpu_describe(mop_device_info *info, unsigned isa_mask, int threads);

#endif
