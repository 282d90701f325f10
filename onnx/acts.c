/* Activations. Where ONNX 17 has no operator of its own, as for GELU, the function is written as
 * PyTorch's exporter writes it: engines know that pattern and put it together again. */
#include "onnx/ops.h"

const char *mop_onnx_act_relu(mop_onnx_emit *e, const char *x)
{
    return mop_onnx_unary(e, "Relu", x);
}

const char *mop_onnx_act_relu6(mop_onnx_emit *e, const char *x)
{
    const char *const in[] = {x, mop_onnx_scalar(e, "zero", 0), mop_onnx_scalar(e, "six", 6)};
    return mop_onnx_node(e, "Clip", in, 3);
}

/* x / 2 (1 + erf(x / sqrt 2)) */
const char *mop_onnx_act_gelu(mop_onnx_emit *e, const char *x)
{
    const char *root = mop_onnx_scalar(e, "sqrt_two", 1.41421356237309504880);
    const char *erf = mop_onnx_unary(e, "Erf", mop_onnx_binary(e, "Div", x, root));
    const char *sum = mop_onnx_binary(e, "Add", erf, mop_onnx_scalar(e, "one", 1));
    return mop_onnx_binary(e, "Mul", mop_onnx_binary(e, "Mul", x, sum),
                           mop_onnx_scalar(e, "half", 0.5));
}

/* x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
const char *mop_onnx_act_gelu_tanh(mop_onnx_emit *e, const char *x)
{
    const char *cube = mop_onnx_binary(e, "Pow", x, mop_onnx_scalar(e, "three", 3));
    const char *term = mop_onnx_binary(e, "Mul", cube, mop_onnx_scalar(e, "cubic", 0.044715));
    const char *sum = mop_onnx_binary(e, "Add", x, term);
    const char *root = mop_onnx_scalar(e, "sqrt_two_over_pi", 0.79788456080286535588);
    const char *tanh = mop_onnx_unary(e, "Tanh", mop_onnx_binary(e, "Mul", sum, root));
    const char *gate = mop_onnx_binary(e, "Add", tanh, mop_onnx_scalar(e, "one", 1));
    return mop_onnx_binary(e, "Mul", mop_onnx_binary(e, "Mul", x, mop_onnx_scalar(e, "half", 0.5)),
                           gate);
}

const char *mop_onnx_act_silu(mop_onnx_emit *e, const char *x)
{
    return mop_onnx_binary(e, "Mul", x, mop_onnx_unary(e, "Sigmoid", x));
}

const char *mop_onnx_act_hardswish(mop_onnx_emit *e, const char *x)
{
    return mop_onnx_unary(e, "HardSwish", x);
}

const char *mop_onnx_act_sigmoid(mop_onnx_emit *e, const char *x)
{
    return mop_onnx_unary(e, "Sigmoid", x);
}

/* ONNX's own slope is 0.2 */
const char *mop_onnx_act_hardsigmoid(mop_onnx_emit *e, const char *x)
{
    const char *y = mop_onnx_unary(e, "HardSigmoid", x);
    mop_onnx_float(e, "alpha", 1.0f / 6);
    mop_onnx_float(e, "beta", 0.5f);
    return y;
}
