#include "variants/variant.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "variants/family.h"
#include "variants/passes.h"

static const mop_family families[] = {
#define MOP_FAMILY_ROW(id, sizes, def, branches, acts, mods, what)                                 \
    {#id, sizes, def, branches, acts, mods, mop_family_##id, what},
#include "variants/families.def"
#undef MOP_FAMILY_ROW
};

static const char *const variants[] = {
#define MOP_VARIANT_ROW(spec) spec,
#include "variants/variants.def"
#undef MOP_VARIANT_ROW
};

enum { N_VARIANTS = sizeof variants / sizeof variants[0] };

const mop_family *mop_family_at(size_t i)
{
    return i < sizeof families / sizeof families[0] ? &families[i] : NULL;
}

const mop_family *mop_family_find(const char *id)
{
    for (size_t i = 0; mop_family_at(i) != NULL; i++)
        if (strcmp(families[i].id, id) == 0)
            return &families[i];
    return NULL;
}

const char *mop_variant_at(size_t i)
{
    return i < N_VARIANTS ? variants[i] : NULL;
}

const char *mop_form_name(mop_form form)
{
    return form == MOP_FORM_TRAIN ? "train" : "deploy";
}

/* --- building --------------------------------------------------------------------------------- */

/* The graph of the training form. */
static mop_status train_graph(const mop_spec *spec, int32_t batch, mop_graph **out, mop_err *err)
{
    const mop_family *family = mop_family_find(spec->family);
    mop_net net = {.spec = spec, .input = 0};
    int size_index;
    if (family == NULL)
        return mop_fail(err, MOP_EINVAL, "there is no family '%s'", spec->family);
    if (batch < 1)
        return mop_fail(err, MOP_EINVAL, "batch size %d, must be at least 1", batch);
    size_index = mop_list_find(family->sizes, spec->size);
    net.size_index = size_index < 0 ? 0 : (size_t)size_index;
    net.act = mop_spec_act(spec);
    net.branches = mop_spec_branches(spec);
    net.b = mop_graph_builder_create((mop_shape){batch, spec->height, spec->width, 3}, err);
    if (net.b == NULL)
        return MOP_ENOMEM;
    return mop_graph_seal(net.b, family->build(&net), out, err);
}

mop_status mop_variant_graph(const mop_spec *spec, int32_t batch, mop_graph **out, mop_err *err)
{
    mop_graph *train = NULL;
    mop_status status = train_graph(spec, batch, &train, err);
    if (status != MOP_OK)
        return status;
    if (spec->form == MOP_FORM_TRAIN) {
        *out = train;
        return MOP_OK;
    }
    status = mop_pass_reparameterize_graph(train, out, err);
    mop_graph_free(train);
    return status;
}

mop_status mop_variant_model(const mop_spec *spec, int32_t batch, uint64_t seed, mop_model **out,
                             mop_err *err)
{
    mop_graph *graph = NULL;
    mop_model *train = NULL;
    mop_status status = train_graph(spec, batch, &graph, err);
    if (status == MOP_OK)
        status = mop_model_synthesize(graph, seed, &train, err);
    if (status != MOP_OK)
        return status;
    if (spec->form == MOP_FORM_TRAIN) {
        *out = train;
        return MOP_OK;
    }
    status = mop_pass_reparameterize(train, out, err);
    mop_model_free(train);
    return status;
}

/* --- lists of specs --------------------------------------------------------------------------- */

typedef struct picked {
    bool row[N_VARIANTS];
    mop_strlist others; /* specs that are no row, as written */
} picked;

static mop_status pick_spec(const char *item, picked *p, mop_err *err)
{
    mop_spec spec;
    mop_status status = mop_spec_parse(item, &spec, err);
    if (status != MOP_OK)
        return status;
    for (size_t i = 0; i < N_VARIANTS; i++) {
        if (strcmp(variants[i], spec.text) == 0) {
            p->row[i] = true;
            return MOP_OK;
        }
    }
    return mop_strlist_has(&p->others, spec.text) ? MOP_OK
                                                  : mop_strlist_add(&p->others, spec.text, err);
}

static mop_status pick(const char *item, picked *p, mop_err *err)
{
    bool is_all = strcmp(item, "all") == 0;
    bool found = false;
    if (!is_all && strpbrk(item, "*?[") == NULL)
        return pick_spec(item, p, err);
    for (size_t i = 0; i < N_VARIANTS; i++) {
        if (is_all || fnmatch(item, variants[i], 0) == 0)
            p->row[i] = found = true;
    }
    if (!found)
        return mop_fail(err, MOP_EINVAL,
                        "the pattern '%s' matches no variant ('moprof list' shows them)", item);
    return MOP_OK;
}

mop_status mop_specs_expand(const char *text, mop_strlist *out, mop_err *err)
{
    mop_strlist items = {0}, result = {0};
    picked p = {0};
    mop_status status = mop_expand(text, &items, err);
    for (size_t i = 0; i < items.n && status == MOP_OK; i++)
        status = pick(items.items[i], &p, err);
    for (size_t i = 0; i < N_VARIANTS && status == MOP_OK; i++)
        if (p.row[i] && !mop_strlist_has(out, variants[i]))
            status = mop_strlist_add(&result, variants[i], err);
    for (size_t i = 0; i < p.others.n && status == MOP_OK; i++)
        if (!mop_strlist_has(out, p.others.items[i]))
            status = mop_strlist_add(&result, p.others.items[i], err);
    for (size_t i = 0; i < result.n && status == MOP_OK; i++)
        status = mop_strlist_add(out, result.items[i], err);
    mop_strlist_release(&items);
    mop_strlist_release(&p.others);
    mop_strlist_release(&result);
    return status;
}
