/* MobileNetV3 (Howard et al. 2019, tables 1 and 2; timm mobilenetv3.py, _gen_mobilenet_v3):
 * inverted residuals, ReLU in the wide maps and hard-swish after them, and after pooling a 1x1
 * convolution with bias before the classifier. Minimal (tensorflow/models,
 * slim/nets/mobilenet/README.md) has neither squeeze-and-excitation nor hard-swish, and 3x3 kernels
 * only. +act puts one function everywhere. */
#include <stdio.h>

#include "variants/family.h"

/* A row of the paper's tables. */
typedef struct row {
    int32_t k, expanded, cout;
    bool has_se, has_hard_swish;
    int32_t stride;
} row;

static const row large[] = {
    {3, 16, 16, 0, 0, 1},   {3, 64, 24, 0, 0, 2},   {3, 72, 24, 0, 0, 1},   {5, 72, 40, 1, 0, 2},
    {5, 120, 40, 1, 0, 1},  {5, 120, 40, 1, 0, 1},  {3, 240, 80, 0, 1, 2},  {3, 200, 80, 0, 1, 1},
    {3, 184, 80, 0, 1, 1},  {3, 184, 80, 0, 1, 1},  {3, 480, 112, 1, 1, 1}, {3, 672, 112, 1, 1, 1},
    {5, 672, 160, 1, 1, 2}, {5, 960, 160, 1, 1, 1}, {5, 960, 160, 1, 1, 1}, {0}};

static const row small[] = {{3, 16, 16, 1, 0, 2},  {3, 72, 24, 0, 0, 2},  {3, 88, 24, 0, 0, 1},
                            {5, 96, 40, 1, 1, 2},  {5, 240, 40, 1, 1, 1}, {5, 240, 40, 1, 1, 1},
                            {5, 120, 48, 1, 1, 1}, {5, 144, 48, 1, 1, 1}, {5, 288, 96, 1, 1, 2},
                            {5, 576, 96, 1, 1, 1}, {5, 576, 96, 1, 1, 1}, {0}};

/* In the order of families.def. */
static const struct {
    const row *rows;
    int32_t last, hidden;
    bool is_minimal;
} sizes[] = {{large, 960, 1280, false},
             {small, 576, 1024, false},
             {large, 960, 1280, true},
             {small, 576, 1024, true}};

uint32_t mop_family_mobilenetv3(mop_net *net)
{
    bool is_minimal = sizes[net->size_index].is_minimal;
    mop_act one = net->act; /* of every layer, unless it is none */
    uint32_t x;
    if (one == MOP_ACT_NONE)
        net->act = MOP_ACT_HARDSWISH;
    x = mop_block_conv_bn_act(net, net->input, (mop_conv_shape){16, 3, 2, false}, "stem");
    for (const row *r = sizes[net->size_index].rows; r->k != 0; r++) {
        char name[32];
        mop_mbconv c = {r->expanded, r->cout, is_minimal ? 3 : r->k, r->stride, .se = {0}};
        if (r->has_se && !is_minimal)
            c.se =
                (mop_se_shape){mop_divisible(r->expanded / 4.0), MOP_ACT_RELU, MOP_ACT_HARDSIGMOID};
        if (one == MOP_ACT_NONE)
            net->act = r->has_hard_swish ? MOP_ACT_HARDSWISH : MOP_ACT_RELU;
        snprintf(name, sizeof name, "block%d", (int)(r - sizes[net->size_index].rows) + 1);
        x = mop_block_mbconv(net, x, c, name);
    }
    x = mop_block_conv_bn_act(net, x, (mop_conv_shape){sizes[net->size_index].last, 1, 1, false},
                              "last");
    x = mop_block_pool(net, x);
    x = mop_block_pointwise(net, x, sizes[net->size_index].hidden, "hidden");
    x = mop_block_activation(net, x, "hidden.act");
    return mop_block_classifier(net, x);
}
