/* An activation that stands alone: the identity whose epilogue is the function, params.act. Its
 * work and its error are those of the epilogue. */
#include "kernels/ops/ops.h"

static mop_status infer(mop_op_inst *inst, mop_err *err)
{
    if (inst->params.act == MOP_ACT_NONE)
        return mop_fail(err, MOP_EINVAL, "act: the function is %s, which computes nothing",
                        mop_act_name(MOP_ACT_NONE));
    return mop_infer_same(inst, err);
}

static void reference(const mop_ref_args *args)
{
    int64_t n = mop_shape_elems(args->inst->out);
    for (int64_t i = 0; i < n; i++) {
        args->out[i] = args->in[0][i];
        if (args->bound != NULL)
            args->bound[i] = 0;
    }
}

const mop_op_spec mop_op_act = {
    .name = "act",
    .n_in = 1,
    .takes_act = true,
    .infer = infer,
    .reference = reference,
};
