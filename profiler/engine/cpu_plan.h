/* Inside the CPU back end: what a plan is made of. cpu_plan.c makes it, cpu_run.c runs it, and
 * backend_cpu.c is the device and the table that the rest of the program knows. */
#ifndef PROFILER_ENGINE_CPU_PLAN_H
#define PROFILER_ENGINE_CPU_PLAN_H

#include "kernels/cpu/kernel.h"
#include "profiler/base/clock.h"
#include "profiler/engine/backend.h"
#include "profiler/engine/cpu_memory.h"
#include "profiler/engine/cpu_pool.h"
#include "profiler/engine/memplan.h"

struct mop_device {
    mop_device_info info;
    unsigned isa_mask;
    mop_cpu_pool pool; /* zeroed with one thread */
};

/* What one node does. */
typedef struct mop_cpu_step {
    const mop_cpu_kernel *kernel; /* NULL: the input */
    size_t packed_offset;         /* in weights; SIZE_MAX: nothing packed */
    int64_t units;
    size_t ranges; /* that the units are cut into: 1 or the number of threads */
} mop_cpu_step;

struct mop_plan {
    mop_device *device;
    const mop_graph *graph;
    bool keep_all;
    mop_cpu_step *steps; /* [n_nodes] */
    mop_memplan memory;
    mop_block arena, weights, scratch; /* scratch: threads x scratch_stride */
    size_t weight_bytes, scratch_stride;
    mop_plan_info info;
    mop_clock clock;
};

/* The back end's plan, plan_free and run (backend.h). */
mop_status mop_cpu_plan_create(mop_device *device, const mop_model *model,
                               const mop_plan_desc *desc, mop_plan **out, mop_err *err);
void mop_cpu_plan_free(mop_plan *plan);
mop_status mop_cpu_run(mop_plan *plan, const float *in, float *out, mop_profile *profile,
                       mop_err *err);

/* Where node's output lies, and its bytes. */
float *mop_cpu_output(const mop_plan *plan, uint32_t node);
size_t mop_cpu_output_bytes(const mop_plan *plan, uint32_t node);

#endif
