/* MobileNetV1 (Howard et al. 2017, table 1; tensorflow/models, slim/nets/mobilenet_v1.py):
 * BatchNorm and ReLU6 after both convolutions of a depthwise-separable block. The multipliers need
 * no rounding. */
#include <stdio.h>
#include <stdlib.h>

#include "variants/family.h"

static const struct {
    int32_t channels, stride;
} blocks[] = {{64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2}, {512, 1},
              {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}};

uint32_t mop_family_mobilenetv1(mop_net *net)
{
    double multiplier = strtod(net->spec->size, NULL);
    mop_conv_shape stem = {(int32_t)(32 * multiplier), 3, 2, false};
    uint32_t x = mop_block_conv_bn_act(net, net->input, stem, "stem");
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        char name[32];
        int32_t cin = mop_graph_shape(net->b, x).c;
        int32_t cout = (int32_t)(blocks[i].channels * multiplier);
        snprintf(name, sizeof name, "block%d.dw", (int)i + 1);
        x = mop_block_conv_bn_act(net, x, (mop_conv_shape){cin, 3, blocks[i].stride, true}, name);
        snprintf(name, sizeof name, "block%d.pw", (int)i + 1);
        x = mop_block_conv_bn_act(net, x, (mop_conv_shape){cout, 1, 1, false}, name);
    }
    return mop_block_head(net, x);
}
