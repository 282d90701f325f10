#include "variants/linear.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"

/* What analysis knows of one node. */
typedef struct form {
    bool is_conv;     /* the node's value is the convolution `conv` of src */
    bool is_identity; /* the node is a BatchNorm straight over src */
    bool is_absorbed; /* part of a later node's form: not written out itself */
    uint32_t src;
    uint32_t named_by;
    mop_conv_params conv;
} form;

typedef struct rewrite {
    const mop_graph *g;
    form *form;        /* [n_nodes] */
    uint32_t *readers; /* [n_nodes]: how many inputs of other nodes a node is */
    uint32_t *origin;  /* [n_nodes]: node of g that a new node was made of */
} rewrite;

/* --- analysis --------------------------------------------------------------------------------- */

/* Whether `small` fits inside `big` so that both see the same input under the same output. Equal
 * output shapes are given (they are added), so the bottom and right edges follow from top, left. */
static bool fits_inside(const mop_conv_params *small, const mop_conv_params *big)
{
    int32_t top = big->pad_top - small->pad_top;
    int32_t left = big->pad_left - small->pad_left;
    if (small->stride != big->stride || small->groups != big->groups ||
        small->dilation != big->dilation || small->cout != big->cout)
        return false;
    return top >= 0 && left >= 0 && top % big->dilation == 0 && left % big->dilation == 0 &&
           top / big->dilation + small->kh <= big->kh &&
           left / big->dilation + small->kw <= big->kw;
}

/* The identity as a convolution next to `other`. */
static mop_conv_params identity_beside(const mop_conv_params *other, int32_t channels)
{
    return (mop_conv_params){.cout = channels,
                             .kh = 1,
                             .kw = 1,
                             .stride = 1,
                             .dilation = other->dilation,
                             .groups = other->groups};
}

static bool merge_forms(const rewrite *r, uint32_t a, uint32_t b, form *out)
{
    form fa = r->form[a], fb = r->form[b];
    bool b_holds_a;
    if (a == b || r->readers[a] != 1 || r->readers[b] != 1)
        return false;
    if (!(fa.is_conv || fa.is_identity) || !(fb.is_conv || fb.is_identity))
        return false;
    if (fa.src != fb.src || (fa.is_identity && fb.is_identity) ||
        !mop_shape_equal(r->g->nodes[a].inst.out, r->g->nodes[b].inst.out))
        return false;
    if (fa.is_identity) {
        fa.conv = identity_beside(&fb.conv, r->g->nodes[a].inst.out.c);
        fa.named_by = fb.named_by;
    }
    if (fb.is_identity) {
        fb.conv = identity_beside(&fa.conv, r->g->nodes[b].inst.out.c);
        fb.named_by = fa.named_by;
    }
    b_holds_a = !fits_inside(&fb.conv, &fa.conv);
    if (b_holds_a && !fits_inside(&fa.conv, &fb.conv))
        return false;
    *out = b_holds_a ? fb : fa;
    out->is_conv = true;
    out->is_identity = false;
    out->conv.has_bias = fa.conv.has_bias || fb.conv.has_bias || fa.is_identity || fb.is_identity;
    return true;
}

static bool has_epilogue(const mop_node *node)
{
    return node->inst.params.has_residual || node->inst.params.act != MOP_ACT_NONE;
}

static void analyse_node(rewrite *r, uint32_t i, bool merge_branches)
{
    const mop_node *node = &r->g->nodes[i];
    form *f = &r->form[i];
    uint32_t a = node->in[0];
    if (has_epilogue(node))
        return;
    if (node->inst.op == MOP_OP_CONV2D) {
        *f = (form){.is_conv = true, .src = a, .named_by = i, .conv = node->inst.params.u.conv};
    } else if (node->inst.op == MOP_OP_BATCHNORM && r->form[a].is_conv && r->readers[a] == 1) {
        *f = r->form[a];
        f->conv.has_bias = true;
        r->form[a].is_absorbed = true;
    } else if (node->inst.op == MOP_OP_BATCHNORM) {
        *f = (form){.is_identity = true, .src = a};
    } else if (node->inst.op == MOP_OP_ADD && merge_branches && merge_forms(r, a, node->in[1], f)) {
        r->form[a].is_absorbed = true;
        r->form[node->in[1]].is_absorbed = true;
    }
}

static mop_status analyse(rewrite *r, bool merge_branches, mop_err *err)
{
    uint32_t n = r->g->n_nodes;
    r->form = mop_calloc(n, sizeof *r->form, err);
    r->readers = mop_calloc(n, sizeof *r->readers, err);
    r->origin = mop_calloc(n, sizeof *r->origin, err);
    if (r->form == NULL || r->readers == NULL || r->origin == NULL)
        return MOP_ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < r->g->nodes[i].inst.n_in; k++)
            r->readers[r->g->nodes[i].in[k]]++;
    for (uint32_t i = 1; i < n; i++)
        analyse_node(r, i, merge_branches);
    return MOP_OK;
}

/* --- the new graph ---------------------------------------------------------------------------- */

/* Whether node i is written as a convolution other than itself. */
static bool is_folded(const rewrite *r, uint32_t i)
{
    return r->form[i].is_conv && r->g->nodes[i].inst.op != MOP_OP_CONV2D;
}

static uint32_t emit(const rewrite *r, mop_graph_builder *b, uint32_t i, const uint32_t *map)
{
    const mop_node *node = &r->g->nodes[i];
    uint32_t in[MOP_MAX_IN];
    if (is_folded(r, i)) {
        const form *f = &r->form[i];
        mop_params p = {.u.conv = f->conv};
        in[0] = map[f->src];
        return mop_graph_add(b, MOP_OP_CONV2D, &p, in, 1, "%s", r->g->nodes[f->named_by].name);
    }
    for (uint32_t k = 0; k < node->inst.n_in; k++)
        in[k] = map[node->in[k]];
    return mop_graph_add(b, node->inst.op, &node->inst.params, in, node->inst.n_in, "%s",
                         node->name);
}

/* Every node that is not absorbed reaches the output, so the sealed graph keeps these indices. */
static mop_status write_graph(rewrite *r, mop_graph **out, mop_err *err)
{
    uint32_t *map = mop_calloc(r->g->n_nodes, sizeof *map, err);
    mop_graph_builder *b = mop_graph_builder_create(r->g->nodes[0].inst.out, err);
    mop_status status = MOP_ENOMEM;
    if (map != NULL && b != NULL) {
        uint32_t last = 0;
        for (uint32_t i = 1; i < r->g->n_nodes && last != MOP_NODE_NONE; i++) {
            if (r->form[i].is_absorbed)
                continue;
            last = map[i] = emit(r, b, i, map);
            if (last != MOP_NODE_NONE)
                r->origin[last] = i;
        }
        status = mop_graph_seal(b, last, out, err);
        b = NULL;
    }
    mop_graph_builder_free(b);
    free(map);
    return status;
}

/* --- constants -------------------------------------------------------------------------------- */

enum { SLOT_KERNEL = 0, SLOT_BIAS = 1 };                      /* conv2d */
enum { SLOT_GAMMA = 0, SLOT_BETA, SLOT_MEAN, SLOT_VARIANCE }; /* batchnorm */

/* Where the sum of a form gathers. */
typedef struct gather {
    const rewrite *r;
    const mop_model *model;
    const mop_conv_params *conv;
    int32_t cin_group; /* input channels of one group */
    double *w;         /* [cout][kh][kw][cin_group] */
    double *bias;      /* [cout] */
} gather;

static size_t kernel_index(const gather *t, int32_t co, int32_t y, int32_t x)
{
    return (((size_t)co * (size_t)t->conv->kh + (size_t)y) * (size_t)t->conv->kw + (size_t)x) *
           (size_t)t->cin_group;
}

static void add_conv(gather *t, uint32_t i, const double *scale)
{
    const mop_conv_params *p = &t->r->g->nodes[i].inst.params.u.conv;
    const float *w = mop_model_w(t->model, i, SLOT_KERNEL);
    int32_t top = (t->conv->pad_top - p->pad_top) / p->dilation;
    int32_t left = (t->conv->pad_left - p->pad_left) / p->dilation;
    for (int32_t co = 0; co < p->cout; co++) {
        for (int32_t yx = 0; yx < p->kh * p->kw; yx++) {
            double *dst = t->w + kernel_index(t, co, top + yx / p->kw, left + yx % p->kw);
            for (int32_t ci = 0; ci < t->cin_group; ci++)
                dst[ci] += scale[co] * (double)*w++;
        }
        if (p->has_bias)
            t->bias[co] += scale[co] * (double)mop_model_w(t->model, i, SLOT_BIAS)[co];
    }
}

static void add_identity(gather *t, const double *scale)
{
    int32_t top = t->conv->pad_top / t->conv->dilation;
    int32_t left = t->conv->pad_left / t->conv->dilation;
    for (int32_t co = 0; co < t->conv->cout; co++)
        t->w[kernel_index(t, co, top, left) + (size_t)(co % t->cin_group)] += scale[co];
}

static mop_status add_form(gather *t, uint32_t i, const double *scale, mop_err *err);

/* y = gamma (x - mean) / sqrt(var + eps) + beta, times scale. */
static mop_status add_batchnorm(gather *t, uint32_t i, const double *scale, mop_err *err)
{
    const mop_node *node = &t->r->g->nodes[i];
    const float *gamma = mop_model_w(t->model, i, SLOT_GAMMA);
    const float *beta = mop_model_w(t->model, i, SLOT_BETA);
    const float *mean = mop_model_w(t->model, i, SLOT_MEAN);
    const float *variance = mop_model_w(t->model, i, SLOT_VARIANCE);
    double *inner = mop_calloc((size_t)t->conv->cout, sizeof *inner, err);
    mop_status status = MOP_OK;
    if (inner == NULL)
        return MOP_ENOMEM;
    for (int32_t c = 0; c < t->conv->cout; c++) {
        double factor =
            (double)gamma[c] / sqrt((double)variance[c] + (double)node->inst.params.u.bn.eps);
        t->bias[c] += scale[c] * ((double)beta[c] - factor * (double)mean[c]);
        inner[c] = scale[c] * factor;
    }
    if (t->r->form[i].is_identity)
        add_identity(t, inner);
    else
        status = add_form(t, node->in[0], inner, err);
    free(inner);
    return status;
}

/* Adds scale[c] times the form of node i; its depth is that of the tree of branches. */
static mop_status add_form(gather *t, uint32_t i, const double *scale, mop_err *err)
{
    const mop_node *node = &t->r->g->nodes[i];
    mop_status status;
    if (node->inst.op == MOP_OP_CONV2D) {
        add_conv(t, i, scale);
        return MOP_OK;
    }
    if (node->inst.op == MOP_OP_BATCHNORM)
        return add_batchnorm(t, i, scale, err);
    status = add_form(t, node->in[0], scale, err);
    return status == MOP_OK ? add_form(t, node->in[1], scale, err) : status;
}

static mop_status fold_constants(const rewrite *r, const mop_model *model, mop_model *dst,
                                 uint32_t to, mop_err *err)
{
    uint32_t from = r->origin[to];
    const mop_conv_params *conv = &r->form[from].conv;
    gather t = {.r = r, .model = model, .conv = conv};
    size_t cout = (size_t)conv->cout, elems;
    double *ones = mop_calloc(cout, sizeof *ones, err);
    mop_status status = MOP_ENOMEM;
    t.cin_group = r->g->nodes[r->form[from].src].inst.out.c / conv->groups;
    elems = cout * (size_t)conv->kh * (size_t)conv->kw * (size_t)t.cin_group;
    t.w = mop_calloc(elems, sizeof *t.w, err);
    t.bias = mop_calloc(cout, sizeof *t.bias, err);
    if (ones != NULL && t.w != NULL && t.bias != NULL) {
        for (size_t c = 0; c < cout; c++)
            ones[c] = 1.0;
        status = add_form(&t, from, ones, err);
    }
    for (size_t k = 0; status == MOP_OK && k < elems; k++)
        mop_model_w(dst, to, SLOT_KERNEL)[k] = (float)t.w[k];
    for (size_t c = 0; status == MOP_OK && conv->has_bias && c < cout; c++)
        mop_model_w(dst, to, SLOT_BIAS)[c] = (float)t.bias[c];
    free(ones);
    free(t.w);
    free(t.bias);
    return status;
}

void mop_linear_copy_constants(const mop_model *src, uint32_t from, mop_model *dst, uint32_t to)
{
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    uint32_t n = mop_op_weights(&src->graph->nodes[from].inst, desc);
    for (uint32_t s = 0; s < n; s++)
        memcpy(mop_model_w(dst, to, s), mop_model_w(src, from, s),
               (size_t)desc[s].elems * sizeof(float));
}

static mop_status write_constants(const rewrite *r, const mop_model *model, mop_graph *graph,
                                  mop_model **out, mop_err *err)
{
    mop_model *dst;
    mop_status status = mop_model_create(graph, &dst, err);
    if (status != MOP_OK)
        return status;
    for (uint32_t i = 1; i < graph->n_nodes && status == MOP_OK; i++) {
        if (is_folded(r, r->origin[i]))
            status = fold_constants(r, model, dst, i, err);
        else
            mop_linear_copy_constants(model, r->origin[i], dst, i);
    }
    if (status == MOP_OK)
        *out = dst;
    else
        mop_model_free(dst);
    return status;
}

mop_status mop_linear_rewrite(const mop_graph *g, const mop_model *model, bool merge_branches,
                              mop_graph **out_graph, mop_model **out_model, mop_err *err)
{
    rewrite r = {.g = g};
    mop_graph *graph = NULL;
    mop_status status = analyse(&r, merge_branches, err);
    if (status == MOP_OK)
        status = write_graph(&r, &graph, err);
    if (status == MOP_OK && model != NULL)
        status = write_constants(&r, model, graph, out_model, err);
    else if (status == MOP_OK)
        *out_graph = graph;
    free(r.form);
    free(r.readers);
    free(r.origin);
    return status;
}
