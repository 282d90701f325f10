#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "onnx/export.h"
#include "profiler/engine/check.h"
#include "tests/support/onnx_nets.h"
#include "tests/support/op_cases.h"

enum { INSTANCES = 24, SEED = 1 };

static bool is_vector_of(mop_shape s, mop_shape x)
{
    return s.n == x.n && s.h == 1 && s.w == 1;
}

/* The input of inst that is the network's own; the others are computed from it. */
static uint32_t given_of(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_ATTN_AV ? 1 : 0; /* the values; the weights come from them */
}

/* A node whose output has the shape of input k of inst, computed from the graph's input. */
static uint32_t add_operand(mop_graph_builder *b, const mop_op_inst *inst, uint32_t k)
{
    const mop_shape s = inst->in[k], x = inst->in[given_of(inst)];
    const bool is_residual = inst->params.has_residual && k == inst->n_in - 1;
    const mop_params sigmoid = {.act = MOP_ACT_SIGMOID};
    mop_params params = inst->params;
    uint32_t in = 0;
    if (is_residual) { /* the same operator with other constants */
        params.has_residual = false;
        params.act = MOP_ACT_NONE;
        return mop_graph_add(b, inst->op, &params, &in, 1, "residual");
    }
    if (inst->op == MOP_OP_ATTN_AV)
        return mop_graph_add(b, MOP_OP_ATTN_QK, &params, &in, 1, "weights");
    if (!mop_shape_equal(s, x)) {
        assert_true(is_vector_of(s, x)); /* other shapes: a case of their own, as above */
        params = (mop_params){.act = MOP_ACT_NONE};
        in = mop_graph_add(b, MOP_OP_GAP, &params, &in, 1, "pool%" PRIu32, k);
        params.u.fc = (mop_fc_params){.cout = s.c, .has_bias = true};
        in = mop_graph_add(b, MOP_OP_FC, &params, &in, 1, "fc%" PRIu32, k);
    }
    return mop_graph_add(b, MOP_OP_ACT, &sigmoid, &in, 1, "operand%" PRIu32, k);
}

/* The network that ends with inst. */
static mop_model *network_of(const mop_op_inst *inst)
{
    const uint32_t given = given_of(inst);
    mop_err err = {0};
    mop_graph_builder *b = mop_graph_builder_create(inst->in[given], &err);
    uint32_t in[MOP_MAX_IN] = {0}, out;
    mop_graph *g = NULL;
    mop_model *m = NULL;
    assert_non_null(b);
    for (uint32_t k = 0; k < inst->n_in; k++)
        in[k] = k == given ? 0 : add_operand(b, inst, k);
    out = mop_graph_add(b, inst->op, &inst->params, in, inst->n_in, "output");
    if (mop_graph_seal(b, out, &g, &err) != MOP_OK ||
        mop_model_synthesize(g, SEED, &m, &err) != MOP_OK)
        fail_msg("%s: %s", mop_op_get(inst->op)->name, err.msg);
    return m;
}

static void write_network(const mop_model *m, const char *name, const char *dir)
{
    const mop_graph *g = m->graph;
    const mop_shape in = g->nodes[0].inst.out;
    const size_t n_out = (size_t)mop_shape_elems(g->nodes[g->n_nodes - 1].inst.out);
    float *input = calloc((size_t)mop_shape_elems(in), sizeof *input);
    float *output = calloc(n_out, sizeof *output);
    double *reference = calloc(n_out, sizeof *reference);
    char bound[32], path[4096];
    const mop_onnx_prop prop = {"bound", bound};
    const mop_onnx_desc desc = {name, "test", "One operator.", &prop, 1, input, output};
    mop_err err = {0};
    assert_true(input != NULL && output != NULL && reference != NULL);
    mop_standard_input(in, SEED, input);
    if (mop_reference_run(m, input, reference, n_out, &err) != MOP_OK)
        fail_msg("%s: %s", name, err.msg);
    for (size_t i = 0; i < n_out; i++)
        output[i] = (float)reference[i];
    (void)snprintf(bound, sizeof bound, "%.6e", mop_network_bound(g, NULL, NULL));
    assert_true(snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_true(snprintf(path, sizeof path, "%s/%s/model.onnx", dir, name) < (int)sizeof path);
    if (mop_onnx_export(m, &desc, path, &err) != MOP_OK)
        fail_msg("%s: %s", name, err.msg);
    free(input);
    free(output);
    free(reference);
}

static void write_one(const mop_op_inst *inst, int number, const char *dir)
{
    mop_model *m = network_of(inst);
    char name[64];
    (void)snprintf(name, sizeof name, "%s-%d", mop_op_get(inst->op)->name, number);
    write_network(m, name, dir);
    mop_model_free(m);
}

void onnx_nets_write(const char *dir)
{
    mop_op_inst inst = {.op = MOP_OP_ACT, .n_in = 1, .in = {{2, 3, 5, 4}}};
    mop_rng rng;
    mop_rng_init(&rng, SEED, 0);
    for (int act = 1; act < MOP_ACT_COUNT; act++) {
        inst.params.act = (mop_act)act;
        write_one(&inst, act, dir);
    }
    for (int op = 1; op < MOP_OP_COUNT; op++) {
        for (int i = 0; op != MOP_OP_ACT && i < INSTANCES; i++) {
            mop_op_inst_random(&inst, (mop_op)op, &rng);
            if (mop_op_get((mop_op)op)->takes_act)
                inst.params.act = (mop_act)mop_rng_below(&rng, MOP_ACT_COUNT);
            write_one(&inst, i, dir);
        }
    }
}
