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

/* Nearest multiple of 8, at least 8, and not below 0.9 v. */
static int32_t divisible(double v)
{
    int32_t r = (int32_t)(v + 4) / 8 * 8;
    if (r < 8)
        r = 8;
    return (double)r < 0.9 * v ? r + 8 : r;
}

static uint32_t bottleneck(mop_net *net, uint32_t x, int32_t expansion, mop_conv_shape out,
                           const char *name)
{
    int32_t cin = mop_graph_shape(net->b, x).c;
    uint32_t y = x;
    if (expansion > 1) {
        y = mop_block_conv_bn_act(net, y, (mop_conv_shape){expansion * cin, 1, 1, false},
                                  mop_part_of(name, "expand").name);
    }
    y = mop_block_conv_bn_act(net, y, (mop_conv_shape){expansion * cin, 3, out.stride, true},
                              mop_part_of(name, "dw").name);
    y = mop_block_conv_bn(net, y, (mop_conv_shape){out.cout, 1, 1, false},
                          mop_part_of(name, "project").name);
    if (out.stride != 1 || cin != out.cout)
        return y;
    return mop_block_add(net, x, y, mop_part_of(name, "add").name);
}

uint32_t mop_family_mobilenetv2(mop_net *net)
{
    double multiplier = strtod(net->spec->size, NULL);
    double last = multiplier > 1.0 ? 1280 * multiplier : 1280;
    uint32_t x = mop_block_conv_bn_act(
        net, net->input, (mop_conv_shape){divisible(32 * multiplier), 3, 2, false}, "stem");
    for (size_t s = 0; s < sizeof stages / sizeof stages[0]; s++) {
        for (int32_t i = 0; i < stages[s].repeats; i++) {
            char name[32];
            mop_conv_shape out = {divisible(stages[s].channels * multiplier), 1,
                                  i == 0 ? stages[s].stride : 1, false};
            snprintf(name, sizeof name, "stage%d.%d", (int)s + 1, (int)i + 1);
            x = bottleneck(net, x, stages[s].expansion, out, name);
        }
    }
    x = mop_block_conv_bn_act(net, x, (mop_conv_shape){divisible(last), 1, 1, false}, "last");
    return mop_block_head(net, x);
}
