/* Variants by name: spec strings, families, and the graph a spec stands for.
 *
 *   family[-size][:form][+modifier...][@HxW]
 *   mobileone-s0    mobileone-s0:train    cnn30+act=gelu+se    cnn30@96x160
 *
 * form is deploy (the default, not spelled) or train. Modifiers in canonical order: +act=NAME +se
 * +skip +branches=K. @H or @HxW sets the input (default 224x224). */
#ifndef VARIANTS_VARIANT_H
#define VARIANTS_VARIANT_H

#include "profiler/base/text.h"
#include "variants/model.h"

typedef enum mop_form { MOP_FORM_DEPLOY, MOP_FORM_TRAIN } mop_form;

enum { MOP_SPEC_MAX = 96 };

/* Activation of a block: a function of one value, or one of the dynamic ones. */
typedef enum mop_block_act {
    MOP_BLOCK_ACT_DEFAULT, /* the family's own */
    MOP_BLOCK_ACT_PLAIN,   /* mop_spec.plain_act */
    MOP_BLOCK_ACT_DYRELU_A,
    MOP_BLOCK_ACT_DYRELU_B,
    MOP_BLOCK_ACT_DYSHIFTMAX
} mop_block_act;

typedef struct mop_spec {
    char text[MOP_SPEC_MAX]; /* canonical spelling, what the database stores */
    char family[24];         /* "mobileone" */
    char size[16];           /* "s0", "" where a family has one size */
    mop_form form;
    mop_block_act act;
    mop_act plain_act;
    bool se, skip;
    int32_t branches; /* 0: the family's own */
    int32_t height, width;
} mop_spec;

/* Parses one spec. MOP_EINVAL with the nearest valid spelling for an unknown family, size, form,
 * modifier or activation, a modifier the family does not offer, or a number out of range. */
mop_status mop_spec_parse(const char *text, mop_spec *spec, mop_err *err);

/* Expands names, globs, brace lists and "all", separated by commas, into canonical specs without
 * duplicates in the order of variants.def, then as written. A glob matches the rows of
 * variants.def. MOP_EINVAL if an item matches nothing. */
mop_status mop_specs_expand(const char *text, mop_strlist *out, mop_err *err);

/* Row i of variants.def as a canonical spec, or NULL past the end. */
const char *mop_variant_at(size_t i);

/* The graph of a spec at batch size `batch`, in the spec's form. */
mop_status mop_variant_graph(const mop_spec *spec, int32_t batch, mop_graph **out, mop_err *err);

/* The model of a spec: training-form constants from seed, then mop_pass_reparameterize for the
 * deploy form, so that both forms of one seed compute the same function. */
mop_status mop_variant_model(const mop_spec *spec, int32_t batch, uint64_t seed, mop_model **out,
                             mop_err *err);

const char *mop_form_name(mop_form form);

#endif
