/* What is known of a Vulkan device before it is opened, for people: `moprof devices --long`. */
#ifndef PROFILER_ENGINE_VULKAN_FACTS_H
#define PROFILER_ENGINE_VULKAN_FACTS_H

#include "profiler/engine/backend.h"

/* mop_backend's facts: version, memory, limits, features as offered, switched off or not offered,
 * and the kernels that typical layers would get. */
mop_status mop_vulkan_facts(const mop_device_choice *choice, mop_fact_fn *tell, void *ctx,
                            mop_err *err);

#endif
