/* MobileOne (Vasu et al. 2023, table 7; apple/ml-mobileone, mobileone.py). A dense 3x3 stem, then
 * blocks of a depthwise 3x3 and a pointwise 1x1 sub-block. In training form a sub-block sums k
 * convolutions, a 1x1 scale branch where its kernel is larger than that, and a BatchNorm skip where
 * the shapes agree. As in the released code, and unlike table 7: the stem is min(64, 64 a) wide and
 * has one convolution branch for every k. S4 has squeeze-and-excitation in both sub-blocks of its
 * last five blocks of stage 3 and of stage 4 (the paper's stages 5 and 6).
 *
 * +skip adds the input of a block to what comes out of its pointwise sub-block, before the
 * activation, where the shapes agree: the ablation of table 3, which does not say where. */
#include <stdio.h>

#include "variants/family.h"

enum { STAGES = 4, SE_BLOCKS = 5 };

typedef struct width {
    int32_t stem, stage[STAGES];
    bool has_se;
} width;

/* 64 a, 64 a, 128 a, 256 a, 512 a for the a of table 7, in the order of families.def. */
static const width widths[] = {
    {48, {48, 128, 256, 1024}, false}, {64, {96, 192, 512, 1280}, false},
    {64, {96, 256, 640, 2048}, false}, {64, {128, 320, 768, 2048}, false},
    {64, {192, 448, 896, 2048}, true},
};

static const int32_t blocks[STAGES] = {2, 8, 10, 1};

/* A sub-block; `skip` is added before the activation unless it is MOP_NODE_NONE. */
static uint32_t sub_block(mop_net *net, uint32_t x, mop_conv_shape c, uint32_t skip, bool has_se,
                          const char *name)
{
    uint32_t y = mop_block_multi_branch(net, x, c, net->branches, name);
    if (has_se)
        y = mop_block_se(net, y, mop_se_usual(net, y), name);
    if (skip != MOP_NODE_NONE) {
        y = mop_block_add(net, y, skip, mop_part_of(name, "residual").name);
    }
    return mop_block_activation(net, y, mop_part_of(name, "act").name);
}

static uint32_t block(mop_net *net, uint32_t x, int32_t cout, int32_t stride, bool has_se,
                      const char *name)
{
    int32_t cin = mop_graph_shape(net->b, x).c;
    bool has_skip = net->spec->skip && stride == 1 && cin == cout;
    mop_conv_shape dw = {cin, 3, stride, true}, pw = {cout, 1, 1, false};
    uint32_t y;
    y = sub_block(net, x, dw, MOP_NODE_NONE, has_se, mop_part_of(name, "dw").name);
    return sub_block(net, y, pw, has_skip ? x : MOP_NODE_NONE, has_se,
                     mop_part_of(name, "pw").name);
}

uint32_t mop_family_mobileone(mop_net *net)
{
    const width *w = &widths[net->size_index];
    mop_conv_shape stem = {w->stem, 3, 2, false};
    uint32_t x = mop_block_multi_branch(net, net->input, stem, 1, "stem");
    if (net->spec->se)
        x = mop_block_se(net, x, mop_se_usual(net, x), "stem");
    x = mop_block_activation(net, x, "stem.act");
    for (int s = 0; s < STAGES; s++) {
        for (int32_t i = 0; i < blocks[s]; i++) {
            char name[32];
            bool has_se = net->spec->se || (w->has_se && s >= 2 && i >= blocks[s] - SE_BLOCKS);
            snprintf(name, sizeof name, "stage%d.%d", s + 1, (int)i + 1);
            x = block(net, x, w->stage[s], i == 0 ? 2 : 1, has_se, name);
        }
    }
    return mop_block_head(net, x);
}
