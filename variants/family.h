/* Families of networks and the blocks they are written with. One row of families.def and one file
 * variants/<family>.c make a family. A family builds its training form only; the deploy form is
 * mop_pass_reparameterize of it. */
#ifndef VARIANTS_FAMILY_H
#define VARIANTS_FAMILY_H

#include "variants/variant.h"

enum { MOP_CLASSES = 1000 }; /* ImageNet-1k, as in every table this project compares with */

/* Modifiers that a family offers, a union. */
enum { MOP_MOD_ACT = 1, MOP_MOD_SE = 2, MOP_MOD_SKIP = 4, MOP_MOD_BRANCHES = 8 };

/* A network under construction: handed to the family and to every block. */
typedef struct mop_net {
    mop_graph_builder *b;
    const mop_spec *spec;
    mop_act act;       /* the plain activation: the spec's or the family's; MOP_ACT_NONE: several */
    int32_t branches;  /* parallel convolutions: the spec's or the family's */
    size_t size_index; /* of the spec's size in the family's sizes */
    uint32_t input;
} mop_net;

typedef struct mop_family {
    const char *id;
    const char *sizes;        /* separated by blanks; "" if there is only one */
    const char *default_size; /* meant where none is written; "" if one must be */
    /* Lists over the sizes; a shorter one goes on with its last word. */
    const char *branches; /* its own number of parallel convolutions */
    const char *acts;     /* its own activation; "none" where it is more than one function */
    unsigned modifiers;
    uint32_t (*build)(mop_net *net); /* returns the output node */
    const char *what;                /* one line for people */
} mop_family;

/* Row i of families.def, or NULL past the end. */
const mop_family *mop_family_at(size_t i);

/* By name, or NULL. */
const mop_family *mop_family_find(const char *id);

/* Copies entry i of a blank-separated list to word[size]; false past the end. */
bool mop_list_word(const char *list, size_t i, char *word, size_t size);

/* Index of word in a blank-separated list, -1 if absent. */
int mop_list_find(const char *list, const char *word);

/* Parallel convolutions of a parsed spec: its own, or the family's for its size. */
int32_t mop_spec_branches(const mop_spec *spec);

/* The plain activation of a parsed spec: its own, or the family's for its size. */
mop_act mop_spec_act(const mop_spec *spec);

/* Nearest multiple of 8, at least 8, and not below 0.9 v: how the mobile families round widths. */
int32_t mop_divisible(double v);

/* The name of a part of a block: "name.part". */
typedef struct mop_part {
    char name[64]; /* longer than a node's may be, so that mop_graph_add() sees what is too long */
} mop_part;

mop_part mop_part_of(const char *name, const char *part);

/* --- blocks: every one takes and returns node indices, MOP_NODE_NONE passes through ------------
 */

/* A square convolution with "same" padding k / 2. */
typedef struct mop_conv_shape {
    int32_t cout, k, stride;
    bool is_depthwise; /* groups = input channels = cout */
} mop_conv_shape;

/* Convolution without bias named `name`, and BatchNorm (eps 1e-5) named name.bn. */
uint32_t mop_block_conv_bn(mop_net *net, uint32_t x, mop_conv_shape c, const char *name);

/* The same with the spec's activation, named name.act. */
uint32_t mop_block_conv_bn_act(mop_net *net, uint32_t x, mop_conv_shape c, const char *name);

/* BatchNorm alone, named name.bn. */
uint32_t mop_block_bn(mop_net *net, uint32_t x, const char *name);

/* Adds to `sum` (MOP_NODE_NONE: nothing yet) n parallel conv_bn of the same shape, called name,
 * name.k1, name.k2, ... */
uint32_t mop_block_branches(mop_net *net, uint32_t x, uint32_t sum, mop_conv_shape c, int32_t n,
                            const char *name);

/* Sum of two nodes. */
uint32_t mop_block_add(mop_net *net, uint32_t a, uint32_t b, const char *name);

/* Squeeze-and-excitation: its hidden width, and the functions after it and of the gate. */
typedef struct mop_se_shape {
    int32_t hidden; /* 0: there is none, and x passes */
    mop_act inner, gate;
} mop_se_shape;

/* The usual one (Hu et al. 2018): ReLU, sigmoid, and C / 16 hidden, at least 1
 * (apple/ml-mobileone: int(C * 0.0625); DingXiaoH/RepVGG: C // 16). */
mop_se_shape mop_se_usual(const mop_net *net, uint32_t x);

/* x * gate(W2 inner(W1 mean(x))), W as 1x1 convolutions with bias. */
uint32_t mop_block_se(mop_net *net, uint32_t x, mop_se_shape se, const char *name);

/* Inverted residual (Sandler et al. 2018): 1x1 to `expanded` where x is narrower, depthwise,
 * squeeze-and-excitation, linear 1x1 to cout, and x added where the shapes agree. */
typedef struct mop_mbconv {
    int32_t expanded, cout, k, stride;
    mop_se_shape se;
} mop_mbconv;

uint32_t mop_block_mbconv(mop_net *net, uint32_t x, mop_mbconv c, const char *name);

/* Re-parameterisable convolution (Ding et al. 2021): the sum of a BatchNorm skip where the shapes
 * agree, a 1x1 branch where the kernel is larger than that, and n convolutions of the shape. */
uint32_t mop_block_multi_branch(mop_net *net, uint32_t x, mop_conv_shape c, int32_t n,
                                const char *name);

/* 1x1 convolution with bias and no BatchNorm, named `name`. */
uint32_t mop_block_pointwise(mop_net *net, uint32_t x, int32_t cout, const char *name);

/* The activation of the spec, plain or dynamic. Dynamic ones get their coefficients from mean,
 * linear, ReLU, linear, sigmoid, with K = 2 pieces as in both papers. The hidden width C / 8, at
 * least 4, is our choice. Dynamic shift-max mixes J = 2 channels, i and i + C / 2: MicroNet shifts
 * by the groups of the convolution before, which is one here and would mix nothing, so 2 is our
 * choice too. */
uint32_t mop_block_activation(mop_net *net, uint32_t x, const char *name);

/* Plain activation `act`, whatever the spec says. */
uint32_t mop_block_plain_act(mop_net *net, uint32_t x, mop_act act, const char *name);

/* Global average pooling "pool". */
uint32_t mop_block_pool(mop_net *net, uint32_t x);

/* The classifier "fc" with bias. */
uint32_t mop_block_classifier(mop_net *net, uint32_t x);

/* Both. */
uint32_t mop_block_head(mop_net *net, uint32_t x);

#define MOP_FAMILY_ROW(id, sizes, def, branches, acts, mods, what)                                 \
    uint32_t mop_family_##id(mop_net *net);
#include "variants/families.def"
#undef MOP_FAMILY_ROW

#endif
