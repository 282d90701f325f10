#include <stdio.h>

#include "variants/family.h"

static const float bn_eps = 1e-5f; /* PyTorch's, which the released MobileOne weights use */

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

/* A 1x1 convolution with bias. */
static uint32_t pointwise(mop_net *net, uint32_t x, int32_t cout, const char *name,
                          const char *part)
{
    mop_params p = {.u.conv = {.cout = cout,
                               .kh = 1,
                               .kw = 1,
                               .stride = 1,
                               .dilation = 1,
                               .groups = 1,
                               .has_bias = true}};
    return mop_graph_add(net->b, MOP_OP_CONV2D, &p, &x, 1, "%s.%s", name, part);
}

uint32_t mop_block_plain_act(mop_net *net, uint32_t x, mop_act act, const char *name)
{
    return mop_graph_add(net->b, MOP_OP_ACT, &(mop_params){.act = act}, &x, 1, "%s", name);
}

static int32_t at_least(int32_t v, int32_t min)
{
    return v < min ? min : v;
}

uint32_t mop_block_se(mop_net *net, uint32_t x, const char *name)
{
    int32_t c = mop_graph_shape(net->b, x).c;
    uint32_t in[2] = {x, x}, s;
    s = mop_graph_add(net->b, MOP_OP_GAP, &(mop_params){0}, &x, 1, "%s.se.squeeze", name);
    s = pointwise(net, s, at_least(c / 16, 1), name, "se.reduce");
    s = mop_block_plain_act(net, s, MOP_ACT_RELU, mop_part_of(name, "se.relu").name);
    s = pointwise(net, s, c, name, "se.expand");
    in[1] = mop_block_plain_act(net, s, MOP_ACT_SIGMOID, mop_part_of(name, "se.sigmoid").name);
    return mop_graph_add(net->b, MOP_OP_MUL, &(mop_params){0}, in, 2, "%s.se.scale", name);
}

static uint32_t linear(mop_net *net, uint32_t x, int32_t cout, const char *name, const char *part)
{
    mop_params p = {.u.fc = {.cout = cout, .has_bias = true}};
    return mop_graph_add(net->b, MOP_OP_FC, &p, &x, 1, "%s.%s", name, part);
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
    s = linear(net, s, at_least(c / 8, 4), name, "reduce");
    s = mop_block_plain_act(net, s, MOP_ACT_RELU, mop_part_of(name, "relu").name);
    s = linear(net, s, coefficients, name, "expand");
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

uint32_t mop_block_head(mop_net *net, uint32_t x)
{
    mop_params p = {.u.fc = {.cout = MOP_CLASSES, .has_bias = true}};
    x = mop_graph_add(net->b, MOP_OP_GAP, &(mop_params){0}, &x, 1, "pool");
    return mop_graph_add(net->b, MOP_OP_FC, &p, &x, 1, "fc");
}
