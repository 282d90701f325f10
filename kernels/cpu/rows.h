/* What the kernels that work image row by image row share. */
#ifndef KERNELS_CPU_ROWS_H
#define KERNELS_CPU_ROWS_H

#include "kernels/cpu/vmath.h"

/* Units of such a kernel: rows of the output, over all images. */
static inline __attribute__((unused)) int64_t mop_rows_units(const mop_op_inst *inst)
{
    return (int64_t)inst->out.n * inst->out.h;
}

#endif
