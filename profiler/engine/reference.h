/* The float64 reference of one operator, faster than one thread would be. */
#ifndef PROFILER_ENGINE_REFERENCE_H
#define PROFILER_ENGINE_REFERENCE_H

#include "kernels/op.h"

/* mop_op_reference_bounded(args, bound); without a bound of its own with large convolutions cut by
 * output rows over up to `threads` threads; the values are the same ones, because no sum is cut.
 * Never fails: a thread that cannot start is done without. */
void mop_reference_op(const mop_ref_args *args, mop_bound_fn *bound, int threads);

/* CPUs that this process may use, 1 to 16. */
int mop_reference_threads(void);

#endif
