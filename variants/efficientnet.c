/* EfficientNet (Tan and Le 2019, table 1; timm efficientnet.py, _gen_efficientnet): inverted
 * residuals whose squeeze-and-excitation is a quarter of the block's *input* wide. Widths are
 * rounded to multiples of 8, repeats up. Lite0 (_gen_efficientnet_lite) is B0 without
 * squeeze-and-excitation. The papers' inputs: B1 @240, B2 @260, the others @224. */
#include <math.h>
#include <stdio.h>

#include "variants/family.h"

static const struct {
    int32_t expansion, channels, repeats, stride, k;
} stages[] = {{1, 16, 1, 1, 3},  {6, 24, 2, 2, 3},  {6, 40, 2, 2, 5}, {6, 80, 3, 2, 3},
              {6, 112, 3, 1, 5}, {6, 192, 4, 2, 5}, {6, 320, 1, 1, 3}};

/* In the order of families.def. */
static const struct {
    double width, depth;
    bool has_se;
} sizes[] = {{1.0, 1.0, true}, {1.0, 1.1, true}, {1.1, 1.2, true}, {1.0, 1.0, false}};

uint32_t mop_family_efficientnet(mop_net *net)
{
    double width = sizes[net->size_index].width, depth = sizes[net->size_index].depth;
    uint32_t x = mop_block_conv_bn_act(
        net, net->input, (mop_conv_shape){mop_divisible(32 * width), 3, 2, false}, "stem");
    for (size_t s = 0; s < sizeof stages / sizeof stages[0]; s++) {
        int32_t repeats = (int32_t)ceil(stages[s].repeats * depth);
        for (int32_t i = 0; i < repeats; i++) {
            char name[32];
            int32_t cin = mop_graph_shape(net->b, x).c;
            mop_mbconv c = {.expanded = stages[s].expansion * cin,
                            .cout = mop_divisible(stages[s].channels * width),
                            .k = stages[s].k,
                            .stride = i == 0 ? stages[s].stride : 1};
            if (sizes[net->size_index].has_se)
                c.se = (mop_se_shape){cin / 4, net->act, MOP_ACT_SIGMOID};
            snprintf(name, sizeof name, "stage%d.%d", (int)s + 1, (int)i + 1);
            x = mop_block_mbconv(net, x, c, name);
        }
    }
    x = mop_block_conv_bn_act(net, x, (mop_conv_shape){mop_divisible(1280 * width), 1, 1, false},
                              "last");
    return mop_block_head(net, x);
}
