/* Small random instances of every operator, with inputs, constants and reference results. */
#ifndef TESTS_SUPPORT_OP_CASES_H
#define TESTS_SUPPORT_OP_CASES_H

#include "kernels/op.h"
#include "profiler/base/rng.h"

/* An inferred instance and its buffers; in[] holds the same float32 values twice. */
typedef struct mop_op_case {
    mop_op_inst inst;
    float *in[MOP_MAX_IN];
    double *in64[MOP_MAX_IN];
    float *w[MOP_MAX_WEIGHTS];
    double *out, *bound; /* of mop_op_reference() */
} mop_op_case;

/* A random valid instance of op, a few hundred outputs, without activation; with a residual now and
 * then where the operator takes one. inst->out is not inferred for MOP_OP_INPUT. */
void mop_op_inst_random(mop_op_inst *inst, mop_op op, mop_rng *rng);

/* Fills buffers for an inferred instance and runs the reference. Fails the test when out of memory.
 */
void mop_op_case_init(mop_op_case *c, const mop_op_inst *inst, mop_rng *rng);
void mop_op_case_release(mop_op_case *c);

#endif
