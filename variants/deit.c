/* DeiT (Touvron et al. 2021, table 1), the vision transformer of Dosovitskiy et al. 2021 at the
 * sizes of mobile networks: 16x16 patches, a class token, 12 blocks of self-attention and a
 * perceptron of four times the width, each behind a layer normalisation and added to its input. No
 * distillation token. Linear layers over tokens are written as 1x1 convolutions, which they are.
 * Definition: timm vision_transformer.py, deit_tiny_patch16_224 and its siblings (layer
 * normalisation eps 1e-6). */
#include <stdio.h>

#include "variants/family.h"

enum { PATCH = 16, BLOCKS = 12, HEAD_WIDTH = 64, MLP_RATIO = 4 };

static uint32_t layer_norm(mop_net *net, uint32_t x, const char *name)
{
    mop_params p = {.u.bn = {.eps = 1e-6f}};
    return mop_graph_add(net->b, MOP_OP_LAYERNORM, &p, &x, 1, "%s", name);
}

/* A convolution with bias over windows that do not overlap; k = 1: a linear layer. */
static uint32_t linear(mop_net *net, uint32_t x, int32_t cout, int32_t k, const char *name)
{
    mop_params p = {.u.conv = {.cout = cout,
                               .kh = k,
                               .kw = k,
                               .stride = k,
                               .dilation = 1,
                               .groups = 1,
                               .has_bias = true}};
    return mop_graph_add(net->b, MOP_OP_CONV2D, &p, &x, 1, "%s", name);
}

static uint32_t attention(mop_net *net, uint32_t x, int32_t width, const char *name)
{
    mop_params p = {.u.attn = {.heads = width / HEAD_WIDTH}};
    uint32_t in[2];
    x = layer_norm(net, x, mop_part_of(name, "norm1").name);
    x = in[1] = linear(net, x, 3 * width, 1, mop_part_of(name, "qkv").name);
    x = mop_graph_add(net->b, MOP_OP_ATTN_QK, &p, &x, 1, "%s.qk", name);
    in[0] = mop_graph_add(net->b, MOP_OP_SOFTMAX, &(mop_params){0}, &x, 1, "%s.softmax", name);
    x = mop_graph_add(net->b, MOP_OP_ATTN_AV, &p, in, 2, "%s.av", name);
    return linear(net, x, width, 1, mop_part_of(name, "proj").name);
}

static uint32_t perceptron(mop_net *net, uint32_t x, int32_t width, const char *name)
{
    x = layer_norm(net, x, mop_part_of(name, "norm2").name);
    x = linear(net, x, MLP_RATIO * width, 1, mop_part_of(name, "fc1").name);
    x = mop_block_activation(net, x, mop_part_of(name, "act").name);
    return linear(net, x, width, 1, mop_part_of(name, "fc2").name);
}

uint32_t mop_family_deit(mop_net *net)
{
    static const int32_t heads[] = {3, 6, 12}; /* tiny, small, base */
    const int32_t width = heads[net->size_index] * HEAD_WIDTH;
    mop_params classify = {.u.fc = {.cout = MOP_CLASSES, .has_bias = true}};
    uint32_t x = linear(net, net->input, width, PATCH, "patch");
    x = mop_graph_add(net->b, MOP_OP_EMBED, &(mop_params){0}, &x, 1, "embed");
    for (int i = 1; i <= BLOCKS; i++) {
        char name[24];
        snprintf(name, sizeof name, "block%d", i);
        x = mop_block_add(net, x, attention(net, x, width, name), mop_part_of(name, "add1").name);
        x = mop_block_add(net, x, perceptron(net, x, width, name), mop_part_of(name, "add2").name);
    }
    x = layer_norm(net, x, "norm");
    x = mop_graph_add(net->b, MOP_OP_CLASS_TOKEN, &(mop_params){0}, &x, 1, "class");
    return mop_graph_add(net->b, MOP_OP_FC, &classify, &x, 1, "fc");
}
