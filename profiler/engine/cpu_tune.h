/* The CPU back end's part in a tuning (profiler/engine/tuner.h). */
#ifndef PROFILER_ENGINE_CPU_TUNE_H
#define PROFILER_ENGINE_CPU_TUNE_H

#include "profiler/engine/tuner.h"

extern const mop_tuner mop_cpu_tuner;

/* Processor, level, number of threads and the kernels of this build. */
void mop_cpu_tune_key(const mop_device *device, mop_dtype dtype, char out[MOP_TUNE_KEY]);

#endif
