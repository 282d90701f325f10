/* ResNet-18 (He et al. 2016, table 1; torchvision resnet.py): basic blocks, and a 1x1 convolution
 * with BatchNorm on the shortcut where the shape changes. */
#include <stdio.h>

#include "variants/family.h"

static uint32_t basic_block(mop_net *net, uint32_t x, int32_t cout, int32_t stride,
                            const char *name)
{
    uint32_t shortcut = x, y;
    if (stride != 1 || mop_graph_shape(net->b, x).c != cout) {
        shortcut = mop_block_conv_bn(net, x, (mop_conv_shape){cout, 1, stride, false},
                                     mop_part_of(name, "shortcut").name);
    }
    y = mop_block_conv_bn(net, x, (mop_conv_shape){cout, 3, stride, false},
                          mop_part_of(name, "conv1").name);
    y = mop_block_activation(net, y, mop_part_of(name, "act1").name);
    y = mop_block_conv_bn(net, y, (mop_conv_shape){cout, 3, 1, false},
                          mop_part_of(name, "conv2").name);
    y = mop_block_add(net, y, shortcut, mop_part_of(name, "add").name);
    return mop_block_activation(net, y, mop_part_of(name, "act2").name);
}

uint32_t mop_family_resnet18(mop_net *net)
{
    mop_params pool = {.u.pool = {.kind = MOP_POOL_MAX, .k = 3, .stride = 2, .pad = 1}};
    uint32_t x = mop_block_conv_bn(net, net->input, (mop_conv_shape){64, 7, 2, false}, "stem");
    x = mop_block_activation(net, x, "stem.act");
    x = mop_graph_add(net->b, MOP_OP_POOL, &pool, &x, 1, "stem.pool");
    for (int s = 0; s < 4; s++) {
        for (int i = 0; i < 2; i++) {
            char name[32];
            snprintf(name, sizeof name, "stage%d.%d", s + 1, i + 1);
            x = basic_block(net, x, 64 << s, s > 0 && i == 0 ? 2 : 1, name);
        }
    }
    return mop_block_head(net, x);
}
