#include <stdio.h>

#include "variants/family.h"

static const float bn_eps = 1e-5f; /* PyTorch's, which the released MobileOne weights use */

int32_t mop_divisible(double v)
{
    int32_t r = (int32_t)(v + 4) / 8 * 8;
    if (r < 8)
        r = 8;
    return (double)r < 0.9 * v ? r + 8 : r;
}

mop_part mop_part_of(const char *name, const char *part)
{
    mop_part p;
    snprintf(p.name, sizeof p.name, "%.44s.%.18s", name, part);
    return p;
}

uint32_t mop_block_bn(mop_net *net, uint32_t x, const char *name)
{
    mop_params p = {.u.bn = {.eps = bn_eps}};
    return mop_graph_add(net->b, MOP_OP_BATCHNORM, &p, &x, 1, "%s.bn", name);
}

uint32_t mop_block_conv_bn(mop_net *net, uint32_t x, mop_conv_shape c, const char *name)
{
    int32_t pad = c.k / 2;
    mop_params p = {.u.conv = {.cout = c.cout,
                               .kh = c.k,
                               .kw = c.k,
                               .stride = c.stride,
                               .dilation = 1,
                               .groups = c.is_depthwise ? c.cout : 1,
                               .pad_top = pad,
                               .pad_left = pad,
                               .pad_bottom = pad,
                               .pad_right = pad}};
    x = mop_graph_add(net->b, MOP_OP_CONV2D, &p, &x, 1, "%s", name);
    return mop_block_bn(net, x, name);
}

uint32_t mop_block_conv_bn_act(mop_net *net, uint32_t x, mop_conv_shape c, const char *name)
{
    x = mop_block_conv_bn(net, x, c, name);
    return mop_block_activation(net, x, mop_part_of(name, "act").name);
}

uint32_t mop_block_add(mop_net *net, uint32_t a, uint32_t b, const char *name)
{
    uint32_t in[2] = {a, b};
    return mop_graph_add(net->b, MOP_OP_ADD, &(mop_params){0}, in, 2, "%s", name);
}

uint32_t mop_block_branches(mop_net *net, uint32_t x, uint32_t sum, mop_conv_shape c, int32_t n,
                            const char *name)
{
    for (int32_t i = 0; i < n; i++) {
        mop_part branch;
        uint32_t y;
        snprintf(branch.name, sizeof branch.name, i == 0 ? "%.44s" : "%.44s.k%d", name, (int)i);
        y = mop_block_conv_bn(net, x, c, branch.name);
        sum = sum == MOP_NODE_NONE
                  ? y
                  : mop_block_add(net, sum, y, mop_part_of(branch.name, "add").name);
    }
    return sum;
}

uint32_t mop_block_multi_branch(mop_net *net, uint32_t x, mop_conv_shape c, int32_t n,
                                const char *name)
{
    uint32_t sum = MOP_NODE_NONE;
    if (c.stride == 1 && mop_graph_shape(net->b, x).c == c.cout) {
        sum = mop_block_bn(net, x, mop_part_of(name, "skip").name);
    }
    if (c.k > 1) {
        mop_conv_shape one = {c.cout, 1, c.stride, c.is_depthwise};
        sum = mop_block_branches(net, x, sum, one, 1, mop_part_of(name, "scale").name);
    }
    return mop_block_branches(net, x, sum, c, n, name);
}

uint32_t mop_block_pointwise(mop_net *net, uint32_t x, int32_t cout, const char *name)
{
    mop_params p = {.u.conv = {.cout = cout,
                               .kh = 1,
                               .kw = 1,
                               .stride = 1,
                               .dilation = 1,
                               .groups = 1,
                               .has_bias = true}};
    return mop_graph_add(net->b, MOP_OP_CONV2D, &p, &x, 1, "%s", name);
}

uint32_t mop_block_plain_act(mop_net *net, uint32_t x, mop_act act, const char *name)
{
    return mop_graph_add(net->b, MOP_OP_ACT, &(mop_params){.act = act}, &x, 1, "%s", name);
}

static int32_t at_least(int32_t v, int32_t min)
{
    return v < min ? min : v;
}

mop_se_shape mop_se_usual(const mop_net *net, uint32_t x)
{
    int32_t c = mop_graph_shape(net->b, x).c;
    return (mop_se_shape){at_least(c / 16, 1), MOP_ACT_RELU, MOP_ACT_SIGMOID};
}

uint32_t mop_block_se(mop_net *net, uint32_t x, mop_se_shape se, const char *name)
{
    int32_t c = mop_graph_shape(net->b, x).c;
    uint32_t in[2] = {x, x}, s;
    mop_part inner, gate;
    if (se.hidden == 0)
        return x;
    snprintf(inner.name, sizeof inner.name, "%.44s.se.%s", name, mop_act_name(se.inner));
    snprintf(gate.name, sizeof gate.name, "%.44s.se.%s", name, mop_act_name(se.gate));
    s = mop_graph_add(net->b, MOP_OP_GAP, &(mop_params){0}, &x, 1, "%s.se.squeeze", name);
    s = mop_block_pointwise(net, s, se.hidden, mop_part_of(name, "se.reduce").name);
    s = mop_block_plain_act(net, s, se.inner, inner.name);
    s = mop_block_pointwise(net, s, c, mop_part_of(name, "se.expand").name);
    in[1] = mop_block_plain_act(net, s, se.gate, gate.name);
    return mop_graph_add(net->b, MOP_OP_MUL, &(mop_params){0}, in, 2, "%s.se.scale", name);
}

uint32_t mop_block_mbconv(mop_net *net, uint32_t x, mop_mbconv c, const char *name)
{
    int32_t cin = mop_graph_shape(net->b, x).c;
    uint32_t y = x;
    if (c.expanded != cin) {
        y = mop_block_conv_bn_act(net, y, (mop_conv_shape){c.expanded, 1, 1, false},
                                  mop_part_of(name, "expand").name);
    }
    y = mop_block_conv_bn_act(net, y, (mop_conv_shape){c.expanded, c.k, c.stride, true},
                              mop_part_of(name, "dw").name);
    y = mop_block_se(net, y, c.se, name);
    y = mop_block_conv_bn(net, y, (mop_conv_shape){c.cout, 1, 1, false},
                          mop_part_of(name, "project").name);
    if (c.stride != 1 || cin != c.cout)
        return y;
    return mop_block_add(net, x, y, mop_part_of(name, "add").name);
}

static uint32_t linear(mop_net *net, uint32_t x, int32_t cout, const char *name)
{
    mop_params p = {.u.fc = {.cout = cout, .has_bias = true}};
    return mop_graph_add(net->b, MOP_OP_FC, &p, &x, 1, "%s", name);
}

static uint32_t dynamic_act(mop_net *net, uint32_t x, const char *name)
{
    mop_block_act kind = net->spec->act;
    int32_t c = mop_graph_shape(net->b, x).c;
    bool shift_max = kind == MOP_BLOCK_ACT_DYSHIFTMAX;
    mop_params p = {.u.dy = {.pieces = 2,
                             .shifts = shift_max ? 2 : 1,
                             .groups = shift_max ? 2 : 1,
                             .per_channel = kind == MOP_BLOCK_ACT_DYRELU_B}};
    int32_t coefficients = kind == MOP_BLOCK_ACT_DYRELU_A ? 2 * 2 : 2 * 2 * c;
    uint32_t in[2] = {x, x}, s;
    s = mop_graph_add(net->b, MOP_OP_GAP, &(mop_params){0}, &x, 1, "%s.squeeze", name);
    s = linear(net, s, at_least(c / 8, 4), mop_part_of(name, "reduce").name);
    s = mop_block_plain_act(net, s, MOP_ACT_RELU, mop_part_of(name, "relu").name);
    s = linear(net, s, coefficients, mop_part_of(name, "expand").name);
    in[1] = mop_block_plain_act(net, s, MOP_ACT_SIGMOID, mop_part_of(name, "sigmoid").name);
    return mop_graph_add(net->b, shift_max ? MOP_OP_DYSHIFTMAX : MOP_OP_DYRELU, &p, in, 2, "%s",
                         name);
}

uint32_t mop_block_activation(mop_net *net, uint32_t x, const char *name)
{
    if (net->spec->act == MOP_BLOCK_ACT_DEFAULT || net->spec->act == MOP_BLOCK_ACT_PLAIN)
        return mop_block_plain_act(net, x, net->act, name);
    return dynamic_act(net, x, name);
}

uint32_t mop_block_pool(mop_net *net, uint32_t x)
{
    return mop_graph_add(net->b, MOP_OP_GAP, &(mop_params){0}, &x, 1, "pool");
}

uint32_t mop_block_classifier(mop_net *net, uint32_t x)
{
    return linear(net, x, MOP_CLASSES, "fc");
}

uint32_t mop_block_head(mop_net *net, uint32_t x)
{
    return mop_block_classifier(net, mop_block_pool(net, x));
}
