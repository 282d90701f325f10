/* Who this processor is. */
#ifndef PROFILER_ENGINE_CPU_INFO_H
#define PROFILER_ENGINE_CPU_INFO_H

#include "profiler/engine/backend.h"

/* Processors that this process may run on; at least 1. */
int mop_cpu_processors(void);

/* Fills info: the model name as the operating system tells it (else cpuinfo's), the best level
 * within isa_mask, and a uuid that is a hash of vendor, family, model, name and stepping: the same
 * on every machine of one make. */
void mop_cpu_describe(mop_device_info *info, unsigned isa_mask, int threads);

#endif
