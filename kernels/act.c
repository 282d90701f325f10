#include <math.h>
#include <string.h>

#include "kernels/op.h"
#include "kernels/ops/ops.h"

static const struct row {
    const char *name;
    int ops;
    double lipschitz;
} rows[] = {
#define MOP_ACT_ROW(ID, name, ops, lip) [MOP_ACT_##ID] = {name, ops, lip},
#include "kernels/act.def"
#undef MOP_ACT_ROW
};

const char *mop_act_name(mop_act act)
{
    return rows[act].name;
}

bool mop_act_find(const char *name, mop_act *act)
{
    for (size_t i = 0; i < MOP_ACT_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            *act = (mop_act)i;
            return true;
        }
    }
    return false;
}

double mop_act_lipschitz(mop_act act)
{
    return rows[act].lipschitz;
}

int mop_act_ops(mop_act act)
{
    return rows[act].ops;
}

static double clamp(double x, double lo, double hi)
{
    return x < lo ? lo : x > hi ? hi : x; /* NaN stays NaN */
}

double mop_act_eval(mop_act act, double x)
{
    switch (act) {
    case MOP_ACT_RELU:
        return x < 0 ? 0 : x;
    case MOP_ACT_RELU6:
        return clamp(x, 0, 6);
    case MOP_ACT_GELU: /* 1 + erf(t) = erfc(-t), without the cancellation */
        return 0.5 * x * erfc(-x * 0.70710678118654752440);
    case MOP_ACT_GELU_TANH: /* the constant is sqrt(2 / pi) */
        return 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case MOP_ACT_SILU:
        return x / (1 + exp(-x));
    case MOP_ACT_HARDSWISH:
        return x * clamp(x + 3, 0, 6) / 6;
    case MOP_ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case MOP_ACT_HARDSIGMOID:
        return clamp(x + 3, 0, 6) / 6;
    case MOP_ACT_NONE:
    case MOP_ACT_COUNT:
        break;
    }
    return x;
}

double mop_act_allowance(mop_act act, double x)
{
    switch (act) {
    case MOP_ACT_NONE:
    case MOP_ACT_RELU:
    case MOP_ACT_RELU6:
        return 0;
    case MOP_ACT_SIGMOID:
    case MOP_ACT_HARDSIGMOID:
        return 16 * MOP_EPS32;
    default:
        return 16 * MOP_EPS32 * fmax(fabs(x), 1);
    }
}
