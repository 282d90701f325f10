/* What the operator files share among themselves; everybody else goes through kernels/op.h. */
#ifndef KERNELS_OPS_OPS_H
#define KERNELS_OPS_OPS_H

#include "kernels/op.h"

/* Spacing of float32 at 1, twice the unit roundoff: the eps of every bound. */
#define MOP_EPS32 0x1p-23

#define MOP_OP_ROW(ID, id) extern const mop_op_spec mop_op_##id;
#include "kernels/op.def"
#undef MOP_OP_ROW

/* Output extent of a window of `taps` taps `dilation` apart: floor((in + pad - span) / stride) + 1
 * with span = dilation (taps - 1) + 1; 0 where the span does not fit. */
static inline int64_t mop_window_out(int64_t in, int64_t pad, int64_t taps, int64_t dilation,
                                     int64_t stride)
{
    int64_t room = in + pad - (dilation * (taps - 1) + 1);
    return room < 0 ? 0 : room / stride + 1;
}

/* Infers for operators whose output has the shape of the first input. */
mop_status mop_infer_same(mop_op_inst *inst, mop_err *err);

/* The same, where the second input must be the first's shape [n, h, w, c] or a vector [n, 1, 1, c].
 */
mop_status mop_infer_pair(mop_op_inst *inst, mop_err *err);

/* MOP_EINVAL unless a b c d weights (all factors positive) are fewer than 2^31. */
mop_status mop_weights_check(const char *name, int64_t a, int64_t b, int64_t c, int64_t d,
                             mop_err *err);

#endif
