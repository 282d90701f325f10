/* cnn30: 30 dense 3x3 convolutions, each with BatchNorm and activation, for ablations of
 * activations, skips and squeeze-and-excitation. MobileOne's tables 2 and 3 use "a 30 layer
 * convolutional neural network" that the paper does not define further: these layers are this
 * project's own choice (0.78 GMACs at 224x224, halving the map as the width doubles), so only
 * ratios between its variants can be held against the paper's.
 *
 * +se puts squeeze-and-excitation before each activation; +skip makes a layer act(conv(x) + x)
 * wherever the shapes agree; +branches=k sums k convolutions in the training form. */
#include <stdio.h>

#include "variants/family.h"

/* Layers of one width; the first of each stage halves the map. */
static const struct {
    int32_t layers, channels;
} stages[] = {{1, 16}, {5, 32}, {8, 64}, {10, 128}, {6, 256}};

static uint32_t layer(mop_net *net, uint32_t x, int32_t cout, int32_t stride, int index)
{
    char name[32];
    mop_conv_shape c = {cout, 3, stride, false};
    bool has_skip = net->spec->skip && stride == 1 && mop_graph_shape(net->b, x).c == cout;
    uint32_t y;
    snprintf(name, sizeof name, "conv%d", index);
    y = mop_block_branches(net, x, MOP_NODE_NONE, c, net->branches, name);
    if (net->spec->se)
        y = mop_block_se(net, y, mop_se_usual(net, y), name);
    if (has_skip) {
        y = mop_block_add(net, y, x, mop_part_of(name, "residual").name);
    }
    return mop_block_activation(net, y, mop_part_of(name, "act").name);
}

uint32_t mop_family_cnn30(mop_net *net)
{
    uint32_t x = net->input;
    int index = 1;
    for (size_t s = 0; s < sizeof stages / sizeof stages[0]; s++)
        for (int32_t i = 0; i < stages[s].layers; i++)
            x = layer(net, x, stages[s].channels, i == 0 ? 2 : 1, index++);
    return mop_block_head(net, x);
}
