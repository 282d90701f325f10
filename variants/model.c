/* Synthetic constants. Every value comes from the stream of its node, as its mop_weight_desc says,
 * and one rule keeps the values of a network in range whatever its depth, its activations and the
 * number of branches that it sums: BatchNorm's running mean and variance are drawn around the mean
 * and variance that its input really has, as training would have left them. They are measured over
 * all positions and channels, on the standard input in float64, while the constants are drawn from
 * the first node to the last. An input larger than 112x112 is measured at 112x112: a quarter of the
 * work at 224x224 for nearly the same statistics. Cost: one inference by the references.
 *
 * Means and variances are those of the whole layer, not of each channel: BatchNorm by channel makes
 * a deep network with random weights amplify every perturbation, 1.2 times a layer with ReLU (Yang
 * et al. 2019, "A mean field theory of batch normalization"), rounding errors too.
 *
 * A second rule keeps networks with gates (squeeze-and-excitation, dynamic activations) from
 * amplifying rounding errors from layer to layer, which no bound on a whole network could then tell
 * from wrong results: the kernel of an operator that feeds a sigmoid, hard or not, is 1 / 32 of the
 * usual one, so that gates lie about their middle, as they do when training starts. */
#include "variants/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/rng.h"

enum { MEASURED_SIDE = 112 };

static const double gate_scale = 0.03125;

typedef struct moments {
    double mean, variance;
} moments;

static moments measure(const double *x, int64_t n)
{
    double sum = 0.0, squares = 0.0;
    moments m;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    m.mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        squares += (x[i] - m.mean) * (x[i] - m.mean);
    m.variance = squares / (double)n;
    if (m.variance < 1e-6)
        m.variance = 1e-6; /* a constant input must not be divided by nothing */
    return m;
}

/* What a node's constants are scaled by. */
typedef struct drawing {
    moments x;     /* of the node's first input, for BatchNorm */
    double kernel; /* factor of a kernel's deviation */
} drawing;

static void draw_slot(mop_rng *rng, const mop_weight_desc *desc, const drawing *d, float *w)
{
    double kernel_sd = d->kernel * sqrt(2.0 / (double)(desc->fan_in > 0 ? desc->fan_in : 1));
    for (int64_t i = 0; i < desc->elems; i++) {
        double v = 0.0;
        switch (desc->init) {
        case MOP_INIT_KERNEL:
            v = kernel_sd * mop_rng_normal(rng);
            break;
        case MOP_INIT_BIAS:
            v = 0.1 * mop_rng_normal(rng);
            break;
        case MOP_INIT_GAMMA:
            v = 0.5 + mop_rng_uniform(rng);
            break;
        case MOP_INIT_MEAN:
            v = d->x.mean + sqrt(d->x.variance) * 0.2 * mop_rng_normal(rng);
            break;
        case MOP_INIT_VARIANCE:
            v = d->x.variance * (0.5 + mop_rng_uniform(rng));
            break;
        }
        w[i] = (float)v;
    }
}

static mop_status allocate_node(const mop_node *node, float **w, mop_err *err)
{
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    uint32_t n = mop_op_weights(&node->inst, desc);
    for (uint32_t s = 0; s < n; s++) {
        size_t bytes;
        if (desc[s].elems < 0 || !mop_mul_size((size_t)desc[s].elems, sizeof(float), &bytes))
            return mop_fail(err, MOP_ENOMEM, "%s: the constant '%s' is too large", node->name,
                            desc[s].role);
        w[s] = mop_alloc_aligned(bytes, err);
        if (w[s] == NULL)
            return MOP_ENOMEM;
        memset(w[s], 0, bytes);
    }
    return MOP_OK;
}

mop_status mop_model_create(mop_graph *graph, mop_model **out, mop_err *err)
{
    mop_model *m = mop_calloc(1, sizeof *m, err);
    mop_status status = MOP_OK;
    if (m == NULL) {
        mop_graph_free(graph);
        return MOP_ENOMEM;
    }
    m->graph = graph;
    m->w = mop_calloc((size_t)graph->n_nodes * MOP_MAX_WEIGHTS, sizeof *m->w, err);
    if (m->w == NULL)
        status = MOP_ENOMEM;
    for (uint32_t i = 1; i < graph->n_nodes && status == MOP_OK; i++)
        status = allocate_node(&graph->nodes[i], m->w + (size_t)i * MOP_MAX_WEIGHTS, err);
    if (status != MOP_OK) {
        mop_model_free(m);
        return status;
    }
    *out = m;
    return MOP_OK;
}

void mop_model_drop(const mop_model *m, uint32_t node)
{
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    const uint32_t n = mop_op_weights(&m->graph->nodes[node].inst, desc);
    float **w = m->w + (size_t)node * MOP_MAX_WEIGHTS;
    for (uint32_t s = 0; s < n; s++) {
        mop_free_pages(w[s], (size_t)desc[s].elems * sizeof **w);
        w[s] = NULL;
    }
}

void mop_model_free(mop_model *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; m->w != NULL && i < (size_t)m->graph->n_nodes * MOP_MAX_WEIGHTS; i++)
        free(m->w[i]);
    free(m->w);
    mop_graph_free(m->graph);
    free(m);
}

/* The same operators over one image of at most MEASURED_SIDE. */
static mop_status small_graph(const mop_graph *g, mop_graph **out, mop_err *err)
{
    mop_shape s = g->nodes[0].inst.out;
    mop_graph_builder *b;
    s.n = 1;
    s.h = s.h < MEASURED_SIDE ? s.h : MEASURED_SIDE;
    s.w = s.w < MEASURED_SIDE ? s.w : MEASURED_SIDE;
    b = mop_graph_builder_create(s, err);
    if (b == NULL)
        return MOP_ENOMEM;
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        const mop_node *node = &g->nodes[i];
        (void)mop_graph_add(b, node->inst.op, &node->inst.params, node->in, node->inst.n_in, "%s",
                            node->name); /* seal reports what fails */
    }
    return mop_graph_seal(b, g->n_nodes - 1, out, err);
}

/* Values of the small graph while the constants are drawn. */
typedef struct values {
    const mop_graph *g;
    double **of;        /* [n_nodes], NULL before and after it is needed */
    uint32_t *last_use; /* [n_nodes] */
} values;

static mop_status begin_values(values *v, uint64_t seed, mop_err *err)
{
    mop_shape s = v->g->nodes[0].inst.out;
    size_t n = (size_t)mop_shape_elems(s);
    float *in = mop_calloc(n, sizeof *in, err);
    v->of = mop_calloc(v->g->n_nodes, sizeof *v->of, err);
    v->last_use = mop_calloc(v->g->n_nodes, sizeof *v->last_use, err);
    if (v->of != NULL)
        v->of[0] = mop_calloc(n, sizeof **v->of, err);
    if (in == NULL || v->last_use == NULL || v->of == NULL || v->of[0] == NULL) {
        free(in);
        return MOP_ENOMEM;
    }
    mop_standard_input(s, seed, in);
    for (size_t i = 0; i < n; i++)
        v->of[0][i] = (double)in[i];
    free(in);
    for (uint32_t i = 0; i < v->g->n_nodes; i++)
        for (uint32_t k = 0; k < v->g->nodes[i].inst.n_in; k++)
            v->last_use[v->g->nodes[i].in[k]] = i;
    return MOP_OK;
}

static void end_values(values *v)
{
    for (uint32_t i = 0; v->of != NULL && i < v->g->n_nodes; i++)
        free(v->of[i]);
    free(v->of);
    free(v->last_use);
}

static mop_status run_node(values *v, const mop_model *m, uint32_t i, mop_err *err)
{
    const mop_node *node = &v->g->nodes[i];
    mop_ref_args args = {.inst = &node->inst};
    v->of[i] = mop_calloc((size_t)mop_shape_elems(node->inst.out), sizeof **v->of, err);
    if (v->of[i] == NULL)
        return MOP_ENOMEM;
    args.out = v->of[i];
    for (uint32_t k = 0; k < node->inst.n_in; k++)
        args.in[k] = v->of[node->in[k]];
    for (uint32_t s = 0; s < MOP_MAX_WEIGHTS; s++)
        args.w[s] = mop_model_w(m, i, s);
    mop_op_reference(&args);
    for (uint32_t k = 0; k < node->inst.n_in; k++) {
        if (v->last_use[node->in[k]] == i) {
            free(v->of[node->in[k]]);
            v->of[node->in[k]] = NULL;
        }
    }
    return MOP_OK;
}

/* Whether node i feeds the function of a gate. */
static bool is_gate(const values *v, uint32_t i)
{
    const mop_op_inst *reader = &v->g->nodes[v->last_use[i]].inst;
    return reader->op == MOP_OP_ACT &&
           (reader->params.act == MOP_ACT_SIGMOID || reader->params.act == MOP_ACT_HARDSIGMOID);
}

static mop_status draw_node(values *v, mop_model *m, uint64_t seed, uint32_t i, mop_err *err)
{
    const mop_node *node = &v->g->nodes[i];
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    uint32_t n = mop_op_weights(&node->inst, desc);
    drawing d = {.kernel = is_gate(v, i) ? gate_scale : 1.0};
    mop_rng rng;
    mop_rng_init(&rng, seed, i);
    if (node->inst.op == MOP_OP_BATCHNORM)
        d.x = measure(v->of[node->in[0]], mop_shape_elems(node->inst.in[0]));
    for (uint32_t s = 0; s < n; s++)
        draw_slot(&rng, &desc[s], &d, mop_model_w(m, i, s));
    return run_node(v, m, i, err);
}

static mop_status draw_all(mop_model *m, uint64_t seed, mop_err *err)
{
    mop_graph *small = NULL;
    values v = {0};
    mop_status status = small_graph(m->graph, &small, err);
    if (status != MOP_OK)
        return status;
    v.g = small;
    status = begin_values(&v, seed, err);
    for (uint32_t i = 1; i < small->n_nodes && status == MOP_OK; i++)
        status = draw_node(&v, m, seed, i, err);
    end_values(&v);
    mop_graph_free(small);
    return status;
}

mop_status mop_model_synthesize(mop_graph *graph, uint64_t seed, mop_model **out, mop_err *err)
{
    mop_model *m;
    mop_status status = mop_model_create(graph, &m, err);
    if (status == MOP_OK) {
        status = draw_all(m, seed, err);
        if (status == MOP_OK)
            *out = m;
        else
            mop_model_free(m);
    }
    return status;
}

void mop_standard_input(mop_shape s, uint64_t seed, float *dst)
{
    int64_t n = mop_shape_elems(s);
    mop_rng rng;
    mop_rng_init(&rng, seed, 0); /* stream 0: node 0 is the input */
    for (int64_t i = 0; i < n; i++)
        dst[i] = (float)mop_rng_normal(&rng);
}
