/* MobileNetV2 (Sandler et al. 2018, table 2; tensorflow/models,
 * slim/nets/mobilenet/mobilenet_v2.py): inverted residuals with a linear bottleneck. Widths are
 * rounded to multiples of 8; the last convolution is never narrower than 1280. */
#include <stdio.h>
#include <stdlib.h>

#include "variants/family.h"

/* Table 2: expansion, channels, repeats, stride of the first. */
static const struct {
    int32_t expansion, channels, repeats, stride;
} stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
              {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

uint32_t mop_family_mobilenetv2(mop_net *net)
{
    double multiplier = strtod(net->spec->size, NULL);
    double last = multiplier > 1.0 ? 1280 * multiplier : 1280;
    uint32_t x = mop_block_conv_bn_act(
        net, net->input, (mop_conv_shape){mop_divisible(32 * multiplier), 3, 2, false}, "stem");
    for (size_t s = 0; s < sizeof stages / sizeof stages[0]; s++) {
        for (int32_t i = 0; i < stages[s].repeats; i++) {
            char name[32];
            mop_mbconv c = {.expanded = stages[s].expansion * mop_graph_shape(net->b, x).c,
                            .cout = mop_divisible(stages[s].channels * multiplier),
                            .k = 3,
                            .stride = i == 0 ? stages[s].stride : 1};
            snprintf(name, sizeof name, "stage%d.%d", (int)s + 1, (int)i + 1);
            x = mop_block_mbconv(net, x, c, name);
        }
    }
    x = mop_block_conv_bn_act(net, x, (mop_conv_shape){mop_divisible(last), 1, 1, false}, "last");
    return mop_block_head(net, x);
}
