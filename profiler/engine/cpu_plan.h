/* Inside the CPU back end: what a plan is made of. cpu_plan.c makes it, cpu_run.c runs it, and
 * backend_cpu.c is the device and the table that the rest of the program knows. */
#ifndef PROFILER_ENGINE_CPU_PLAN_H
#define PROFILER_ENGINE_CPU_PLAN_H

#include "kernels/cpu/kernel.h"
#include "profiler/base/clock.h"
#include "profiler/engine/backend.h"
#include "profiler/engine/cpu_group.h"
#include "profiler/engine/cpu_memory.h"
#include "profiler/engine/cpu_pool.h"
#include "profiler/engine/memplan.h"
#include "profiler/engine/tune.h"

struct mop_device {
    mop_device_info info;
    unsigned isa_mask;
    mop_tune tune;     /* of this device and number of threads; empty: the shipped choices */
    mop_cpu_pool pool; /* zeroed with one thread */
};

enum { MOP_CPU_STEP_NAME = 64 };

/* What one node does. */
typedef struct mop_cpu_step {
    char name[MOP_CPU_STEP_NAME]; /* its kernel, or "conv_dw3+conv_gemm": what runs together */
    const mop_cpu_kernel *kernel; /* NULL: the input */
    size_t packed_offset;         /* in weights; SIZE_MAX: nothing packed */
    mop_cpu_group *group;         /* NULL: runs on its own */
    int64_t units;                /* of the kernel, or pieces of the group */
    size_t ranges;                /* that the units are cut into: 1 or the number of threads */
    bool gathers;                 /* sums up what it writes, for the node whose mean is taken */
    bool finishes;                /* a mean of what the node before it gathered */
} mop_cpu_step;

/* A thread's own memory: scratch of its kernel, then what a group's producer writes, then where its
 * time went in a profiled group: uint64_t ns[2], producer and consumer. */
typedef struct mop_cpu_scratch {
    size_t between, spent, stride; /* offsets, and bytes of all of it */
} mop_cpu_scratch;

struct mop_plan {
    mop_device *device;
    const mop_graph *graph;
    bool keep_all;
    mop_cpu_step *steps;   /* [n_nodes] */
    mop_cpu_group *groups; /* [n_groups] */
    size_t n_groups;
    mop_memplan memory; /* of 2 n_nodes: the nodes' outputs, then the sums that they gather */
    mop_block arena, weights, scratch; /* scratch: threads x own.stride */
    mop_cpu_scratch own;
    size_t weight_bytes;
    mop_plan_info info;
    mop_clock clock;
};

/* The back end's plan, plan_free and run (backend.h). */
mop_status mop_cpu_plan_create(mop_device *device, const mop_model *model,
                               const mop_plan_desc *desc, mop_plan **out, mop_err *err);
void mop_cpu_plan_free(mop_plan *plan);
mop_status mop_cpu_run(mop_plan *plan, const float *in, float *out, mop_profile *profile,
                       mop_err *err);

/* Where node's output lies, NULL if it has no memory in the arena, and its bytes. */
float *mop_cpu_output(const mop_plan *plan, uint32_t node);
size_t mop_cpu_output_bytes(const mop_plan *plan, uint32_t node);

/* Where the sums lie that node gathers; NULL if it gathers none. */
float *mop_cpu_sums(const mop_plan *plan, uint32_t node);

#endif
