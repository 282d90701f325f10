/* Operator instances to try a CPU kernel on: sizes round its own tile, and seeded random ones. */
#ifndef TESTS_SUPPORT_KERNEL_CASES_H
#define TESTS_SUPPORT_KERNEL_CASES_H

#include "kernels/cpu/kernel.h"
#include "profiler/base/rng.h"

/* Instances made of one kernel: the product of sizes round the tile in pixels and channels, then
 * five times as many seeded ones (none where tests run slowly, tests/support/pace.h), then some
 * with over a thousand channels. */
size_t mop_kernel_cases(const mop_cpu_kernel *kernel);

/* Instance i of mop_kernel_cases: inferred, and one that the kernel fits. Everything not given by i
 * (window, stride, padding, groups, epilogue, batch) is drawn from rng. */
mop_op_inst mop_kernel_case(const mop_cpu_kernel *kernel, size_t i, mop_rng *rng);

/* One line naming the instance, into text. */
void mop_kernel_case_name(const mop_op_inst *inst, char *text, size_t size);

#endif
