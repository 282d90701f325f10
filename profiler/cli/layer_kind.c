#include "profiler/cli/layer_kind.h"

#include <stdio.h>

void mop_layer_kind(const mop_op_inst *inst, char *text, size_t size)
{
    const mop_conv_params *c = &inst->params.u.conv;
    char groups[24] = "";
    if (inst->op != MOP_OP_CONV2D) {
        (void)snprintf(text, size, "%s%s%s", mop_op_get(inst->op)->name,
                       inst->op == MOP_OP_ACT ? " " : "",
                       inst->op == MOP_OP_ACT ? mop_act_name(inst->params.act) : "");
        return;
    }
    if (c->groups > 1 && !(c->groups == inst->in[0].c && c->cout == c->groups))
        (void)snprintf(groups, sizeof groups, " g%d", c->groups);
    (void)snprintf(text, size, "%sconv%dx%d%s%s", c->groups > 1 && *groups == '\0' ? "dw" : "",
                   c->kh, c->kw,
                   c->stride == 2  ? " s2"
                   : c->stride > 2 ? " s>2"
                                   : "",
                   groups);
}
