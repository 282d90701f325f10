#include "tests/support/refnet.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static double *input_of(const mop_graph *g, uint64_t seed)
{
    mop_shape s = g->nodes[0].inst.out;
    size_t n = (size_t)mop_shape_elems(s);
    float *in = malloc(n * sizeof *in);
    double *wide = malloc(n * sizeof *wide);
    assert_non_null(in);
    assert_non_null(wide);
    mop_standard_input(s, seed, in);
    for (size_t i = 0; i < n; i++)
        wide[i] = (double)in[i];
    free(in);
    return wide;
}

double *refnet_run(const mop_model *model, uint64_t seed, size_t *n)
{
    const mop_graph *g = model->graph;
    uint32_t last = g->n_nodes - 1;
    double **value = calloc(g->n_nodes, sizeof *value);
    uint32_t *last_reader = calloc(g->n_nodes, sizeof *last_reader);
    double *out;
    assert_non_null(value);
    assert_non_null(last_reader);
    for (uint32_t i = 0; i < g->n_nodes; i++)
        for (uint32_t k = 0; k < g->nodes[i].inst.n_in; k++)
            last_reader[g->nodes[i].in[k]] = i;
    value[0] = input_of(g, seed);
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        const mop_node *node = &g->nodes[i];
        mop_ref_args args = {.inst = &node->inst};
        value[i] = malloc((size_t)mop_shape_elems(node->inst.out) * sizeof *value[i]);
        assert_non_null(value[i]);
        args.out = value[i];
        for (uint32_t k = 0; k < node->inst.n_in; k++)
            args.in[k] = value[node->in[k]];
        for (uint32_t s = 0; s < MOP_MAX_WEIGHTS; s++)
            args.w[s] = mop_model_w(model, i, s);
        mop_op_reference(&args);
        for (uint32_t k = 0; k < node->inst.n_in; k++) {
            if (last_reader[node->in[k]] == i) {
                free(value[node->in[k]]);
                value[node->in[k]] = NULL;
            }
        }
    }
    *n = (size_t)mop_shape_elems(g->nodes[last].inst.out);
    out = value[last];
    free(value);
    free(last_reader);
    return out;
}

double refnet_distance(const double *a, const double *b, size_t n)
{
    double diff = 0.0, norm = 0.0;
    for (size_t i = 0; i < n; i++) {
        diff += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
    }
    return sqrt(diff / norm);
}

double refnet_rms(const double *a, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * a[i];
    return sqrt(sum / (double)n);
}
