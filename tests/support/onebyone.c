#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/rng.h"
#include "tests/support/onebyone.h"

void obo_init(obo_net *net, mop_shape input, uint64_t seed)
{
    memset(net, 0, sizeof *net);
    net->nodes[0].inst = (mop_op_inst){.op = MOP_OP_INPUT, .out = input};
    net->graph = (mop_graph){.n_nodes = 1, .nodes = net->nodes};
    net->model = (mop_model){.graph = &net->graph, .w = net->w};
    net->seed = seed;
}

static double draw(mop_rng *rng, const mop_weight_desc *d)
{
    switch (d->init) {
    case MOP_INIT_KERNEL:
        return mop_rng_normal(rng) * sqrt(2.0 / (double)d->fan_in);
    case MOP_INIT_BIAS:
        return mop_rng_normal(rng);
    case MOP_INIT_MEAN:
        return 0.2 * mop_rng_normal(rng);
    default:
        return 0.5 + mop_rng_uniform(rng);
    }
}

uint32_t obo_add(obo_net *net, mop_op op, const mop_params *params, const uint32_t *in,
                 uint32_t n_in)
{
    const uint32_t index = net->graph.n_nodes;
    assert_true(index < OBO_NODES);
    mop_node *node = &net->nodes[index];
    mop_err err = {0};
    node->inst = (mop_op_inst){.op = op, .params = *params, .n_in = n_in};
    for (uint32_t i = 0; i < n_in; i++) {
        node->in[i] = in[i];
        node->inst.in[i] = net->nodes[in[i]].inst.out;
    }
    if (mop_op_infer(&node->inst, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    uint32_t n = mop_op_weights(&node->inst, desc);
    mop_rng rng;
    mop_rng_init(&rng, net->seed, index);
    for (uint32_t k = 0; k < n; k++) {
        float *w = malloc((size_t)desc[k].elems * sizeof(float));
        assert_non_null(w);
        for (int64_t i = 0; i < desc[k].elems; i++)
            w[i] = (float)draw(&rng, &desc[k]);
        net->w[index * MOP_MAX_WEIGHTS + k] = w;
    }
    net->graph.n_nodes++;
    return index;
}

void obo_free(obo_net *net)
{
    for (size_t i = 0; i < sizeof net->w / sizeof net->w[0]; i++)
        free(net->w[i]);
    memset(net, 0, sizeof *net);
}

float *obo_input(const obo_net *net)
{
    const size_t n = (size_t)mop_shape_elems(net->nodes[0].inst.out);
    float *x = malloc(n * sizeof(float));
    mop_rng rng;
    assert_non_null(x);
    mop_rng_init(&rng, net->seed, UINT64_C(1) << 40);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)mop_rng_normal(&rng);
    return x;
}

static double *read_double(const mop_backend *backend, mop_plan *plan, uint32_t node, size_t n)
{
    float *f = malloc(n * sizeof(float));
    double *d = malloc(n * sizeof(double));
    mop_err err = {0};
    assert_non_null(f);
    assert_non_null(d);
    memset(f, 0xff, n * sizeof(float));
    if (backend->read(plan, node, f, n, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < n; i++)
        d[i] = (double)f[i];
    free(f);
    return d;
}

static double worst_of_node(const mop_backend *backend, mop_plan *plan, const mop_model *model,
                            uint32_t index)
{
    const mop_node *node = &model->graph->nodes[index];
    const size_t n = (size_t)mop_shape_elems(node->inst.out);
    double *in[MOP_MAX_IN] = {NULL};
    mop_ref_args args = {.inst = &node->inst};
    for (uint32_t k = 0; k < node->inst.n_in; k++)
        args.in[k] = in[k] =
            read_double(backend, plan, node->in[k], (size_t)mop_shape_elems(node->inst.in[k]));
    for (uint32_t k = 0; k < MOP_MAX_WEIGHTS; k++)
        args.w[k] = mop_model_w(model, index, k);
    double *got = read_double(backend, plan, index, n);
    args.out = malloc(n * sizeof(double));
    args.bound = malloc(n * sizeof(double));
    assert_non_null(args.out);
    assert_non_null(args.bound);
    mop_op_reference(&args);
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double e = fabs(got[i] - args.out[i]);
        double ratio = e == 0 ? 0 : e / args.bound[i];
        if (!(ratio <= worst))
            worst = isnan(ratio) ? INFINITY : ratio;
    }
    free(args.out);
    free(args.bound);
    free(got);
    for (uint32_t k = 0; k < MOP_MAX_IN; k++)
        free(in[k]);
    return worst;
}

double obo_worst(const mop_backend *backend, mop_device *device, const mop_model *model,
                 const float *in)
{
    const uint32_t last = model->graph->n_nodes - 1;
    const size_t n = (size_t)mop_shape_elems(model->graph->nodes[last].inst.out);
    const mop_plan_desc desc = {.keep_all = true};
    mop_plan *plan = NULL;
    mop_err err = {0};
    float *out = malloc(n * sizeof(float));
    assert_non_null(out);
    memset(out, 0xff, n * sizeof(float));
    if (backend->plan(device, model, &desc, &plan, &err) != MOP_OK ||
        backend->run(plan, in, out, NULL, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    double worst = 0;
    for (uint32_t i = 1; i <= last; i++) {
        double w = worst_of_node(backend, plan, model, i);
        worst = w > worst ? w : worst;
    }
    double *read = read_double(backend, plan, last, n);
    for (size_t i = 0; i < n; i++)
        if (!((double)out[i] == read[i]))
            worst = INFINITY;
    free(read);
    free(out);
    backend->plan_free(plan);
    return worst;
}
