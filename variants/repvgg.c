/* RepVGG (Ding et al. 2021, table 2; DingXiaoH/RepVGG, repvgg.py): dense 3x3 convolutions all the
 * way, each trained as the sum of itself, a 1x1 one and a BatchNorm skip. +se is that of RepVGG-SE,
 * before the activation. */
#include <stdio.h>

#include "variants/family.h"

enum { STAGES = 4 };

typedef struct depths {
    int32_t of[STAGES];
} depths;

static const depths a = {{2, 4, 14, 1}}, b = {{4, 6, 16, 1}};

/* In the order of families.def. */
static const struct {
    int32_t stem, stage[STAGES];
    const depths *repeats;
} sizes[] = {{48, {48, 96, 192, 1280}, &a},
             {64, {64, 128, 256, 1280}, &a},
             {64, {96, 192, 384, 1408}, &a},
             {64, {64, 128, 256, 1280}, &b},
             {64, {128, 256, 512, 2048}, &b}};

static uint32_t block(mop_net *net, uint32_t x, int32_t cout, int32_t stride, const char *name)
{
    mop_conv_shape c = {cout, 3, stride, false};
    x = mop_block_multi_branch(net, x, c, net->branches, name);
    if (net->spec->se)
        x = mop_block_se(net, x, mop_se_usual(net, x), name);
    return mop_block_activation(net, x, mop_part_of(name, "act").name);
}

uint32_t mop_family_repvgg(mop_net *net)
{
    const int32_t *repeats = sizes[net->size_index].repeats->of;
    uint32_t x = block(net, net->input, sizes[net->size_index].stem, 2, "stem");
    for (int s = 0; s < STAGES; s++) {
        for (int32_t i = 0; i < repeats[s]; i++) {
            char name[32];
            snprintf(name, sizeof name, "stage%d.%d", s + 1, (int)i + 1);
            x = block(net, x, sizes[net->size_index].stage[s], i == 0 ? 2 : 1, name);
        }
    }
    return mop_block_head(net, x);
}
