#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/rng.h"
#include "profiler/engine/check.h"
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

/* The largest |error| / bound of link 1, infinity where it fails otherwise. */
static double worst_of_nodes(const mop_backend *backend, mop_plan *plan, const mop_model *model,
                             const float *in)
{
    mop_check check = {0};
    mop_err err = {0};
    if (mop_check_nodes(backend, plan, model, in, &check, &err) == MOP_OK)
        return check.worst_node;
    print_message("%s\n", err.msg);
    return check.worst_node > 1 ? check.worst_node : INFINITY;
}

double obo_worst_as(const mop_backend *backend, mop_device *device, const mop_model *model,
                    mop_dtype dtype, const float *in)
{
    const uint32_t last = model->graph->n_nodes - 1;
    const size_t n = (size_t)mop_shape_elems(model->graph->nodes[last].inst.out);
    const mop_plan_desc desc = {.keep_all = true, .dtype = dtype};
    mop_plan *plan = NULL;
    mop_err err = {0};
    float *out = malloc(n * sizeof(float)), *read = malloc(n * sizeof(float));
    assert_non_null(out);
    assert_non_null(read);
    memset(out, 0xff, n * sizeof(float));
    memset(read, 0xff, n * sizeof(float));
    if (backend->plan(device, model, &desc, &plan, &err) != MOP_OK ||
        backend->run(plan, in, out, NULL, &err) != MOP_OK ||
        backend->read(plan, last, read, n, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    double worst = worst_of_nodes(backend, plan, model, in);
    if (memcmp(out, read, n * sizeof(float)) != 0)
        worst = INFINITY;
    free(read);
    free(out);
    backend->plan_free(plan);
    return worst;
}

double obo_worst(const mop_backend *backend, mop_device *device, const mop_model *model,
                 const float *in)
{
    return obo_worst_as(backend, device, model, MOP_DTYPE_FP32, in);
}
