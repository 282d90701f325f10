/* The Vulkan back end's part in a tuning (profiler/engine/tuner.h). */
#ifndef PROFILER_ENGINE_VULKAN_TUNE_H
#define PROFILER_ENGINE_VULKAN_TUNE_H

#include "profiler/engine/tuner.h"

extern const mop_tuner mop_vulkan_tuner;

/* Device, driver with its version and what is switched off there, shaders and variants of this
 * build, number type, and the threads of a software device. */
void mop_vulkan_tune_key(const mop_device *device, mop_dtype dtype, char out[MOP_TUNE_KEY]);

/* Lets device go by what path has for it; NULL: nothing. */
void mop_vulkan_tune_take(mop_device *device, const char *path);

#endif
