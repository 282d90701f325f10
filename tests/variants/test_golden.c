/* Counts of every row of golden.def, to the integer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "variants/variant.h"

typedef struct golden {
    const char *spec;
    int64_t params, bn_channels, macs, conv_macs, depthwise_macs, linear_macs, output_elems,
        conv_layers, linear_layers;
} golden;

static const golden rows[] = {
#define MOP_GOLDEN_ROW(...) {__VA_ARGS__},
#include "tests/variants/golden.def"
#undef MOP_GOLDEN_ROW
};

enum { N_ROWS = sizeof rows / sizeof rows[0] };

static mop_graph *graph_of(const char *text, int32_t batch)
{
    mop_err err = {0};
    mop_spec spec;
    mop_graph *g = NULL;
    if (mop_spec_parse(text, &spec, &err) != MOP_OK ||
        mop_variant_graph(&spec, batch, &g, &err) != MOP_OK)
        fail_msg("%s: %s", text, err.msg);
    return g;
}

/* Sums by kind of operator, from the nodes rather than from mop_graph_count(). */
static golden measure(const mop_graph *g)
{
    golden m = {0};
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        const mop_op_inst *inst = &g->nodes[i].inst;
        mop_cost cost;
        mop_op_cost(inst, &cost);
        m.params += cost.params;
        m.macs += cost.macs;
        if (inst->op == MOP_OP_CONV2D) {
            m.conv_layers++;
            m.conv_macs += cost.macs;
            m.output_elems += mop_shape_elems(inst->out);
            if (inst->in[0].c > 1 && inst->params.u.conv.groups == inst->in[0].c)
                m.depthwise_macs += cost.macs;
        } else if (inst->op == MOP_OP_FC) {
            m.linear_layers++;
            m.linear_macs += cost.macs;
            m.output_elems += mop_shape_elems(inst->out);
        } else if (inst->op == MOP_OP_BATCHNORM) {
            m.bn_channels += inst->out.c;
        }
    }
    return m;
}

static void counts_equal_the_golden_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        const golden *r = &rows[i];
        mop_graph *g = graph_of(r->spec, 1);
        golden m = measure(g);
        mop_graph_counts c;
        mop_graph_count(g, &c);
        print_message("%s\n", r->spec);
        assert_int_equal(c.params, r->params);
        assert_int_equal(c.macs, r->macs);
        assert_int_equal(c.buffers, 2 * r->bn_channels);
        assert_int_equal(c.flops, 2 * c.macs + c.elementwise);
        assert_int_equal(c.ops, g->n_nodes - 1);
        assert_int_equal(m.params, r->params);
        assert_int_equal(m.bn_channels, r->bn_channels);
        assert_int_equal(m.conv_macs, r->conv_macs);
        assert_int_equal(m.depthwise_macs, r->depthwise_macs);
        assert_int_equal(m.linear_macs, r->linear_macs);
        assert_int_equal(m.output_elems, r->output_elems);
        assert_int_equal(m.conv_layers, r->conv_layers);
        assert_int_equal(m.linear_layers, r->linear_layers);
        mop_graph_free(g);
    }
}

/* The input is a layer of every table, and must not make its columns more than the network. */
static void the_layers_sum_to_the_network(void **state)
{
    mop_graph *g = graph_of("mobileone-s0:train", 1);
    mop_graph_counts c, sum = {0};
    (void)state;
    mop_graph_count(g, &c);
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        mop_cost cost;
        mop_op_cost(&g->nodes[i].inst, &cost);
        sum.elementwise += cost.elementwise;
        sum.activations += cost.activations;
        sum.bytes += cost.bytes_read + cost.bytes_written;
    }
    assert_int_equal(sum.elementwise, c.elementwise);
    assert_int_equal(sum.activations, c.activations);
    assert_int_equal(sum.bytes, c.bytes);
    mop_graph_free(g);
}

static void work_grows_with_the_batch_and_parameters_do_not(void **state)
{
    mop_graph *one = graph_of("mobileone-s0", 1), *three = graph_of("mobileone-s0", 3);
    mop_graph_counts a, b;
    (void)state;
    mop_graph_count(one, &a);
    mop_graph_count(three, &b);
    assert_int_equal(b.macs, 3 * a.macs);
    assert_int_equal(b.activations, 3 * a.activations);
    assert_int_equal(b.params, a.params);
    mop_graph_free(one);
    mop_graph_free(three);
}

/* MobileOne table 7: the map halves five times. */
static void maps_have_the_sizes_of_the_paper(void **state)
{
    mop_graph *g = graph_of("mobileone-s0", 1);
    const mop_node *gap = &g->nodes[g->n_nodes - 2];
    (void)state;
    assert_int_equal(gap->inst.op, MOP_OP_GAP);
    assert_true(mop_shape_equal(gap->inst.in[0], (mop_shape){1, 7, 7, 1024}));
    assert_true(mop_shape_equal(g->nodes[g->n_nodes - 1].inst.out, (mop_shape){1, 1, 1, 1000}));
    assert_string_equal(g->nodes[1].name, "stem");
    mop_graph_free(g);
}

/* What the counts of golden.def cannot see: which functions there are, and what they are put on. */
typedef struct definition {
    const char *spec;
    mop_act act;
    size_t acts, sigmoids, adds; /* nodes of act, of sigmoid, sums */
    size_t adds_with_act;        /* sums that an activation reads: residuals before it */
    size_t relus, hardsigmoids;  /* where act is neither */
} definition;

static const definition definitions[] = {
    {"mobilenetv1-1.0:train", MOP_ACT_RELU6, 27, 0, 0, 0, 0, 0},
    {"mobilenetv2-1.0:train", MOP_ACT_RELU6, 35, 0, 10, 0, 0, 0}, /* linear bottlenecks */
    /* stem, 9 blocks of two with hard-swish, two at the end; 6 of ReLU, the first with one, and
     * one in each squeeze-and-excitation */
    {"mobilenetv3-large", MOP_ACT_HARDSWISH, 1 + 18 + 2, 0, 10, 0, 11 + 8, 8},
    {"mobilenetv3-small", MOP_ACT_HARDSWISH, 1 + 16 + 2, 0, 6, 0, 5 + 9, 9},
    {"mobilenetv3-large-minimal", MOP_ACT_RELU, 1 + 29 + 2, 0, 10, 0, 0, 0},
    {"mobilenetv3-large+act=gelu", MOP_ACT_GELU, 32, 0, 10, 0, 8, 8},
    {"efficientnet-b0", MOP_ACT_SILU, 33 + 16, 16, 9, 0, 0,
     0}, /* SiLU in squeeze-and-excitation too */
    {"efficientnet-lite0", MOP_ACT_RELU6, 33, 0, 9, 0, 0, 0},
    {"repvgg-a0", MOP_ACT_RELU, 22, 0, 0, 0, 0, 0},
    {"repvgg-a0:train", MOP_ACT_RELU, 22, 0, 22 + 17, 22, 0, 0}, /* skips in all but five blocks */
    {"repvgg-a0+se", MOP_ACT_RELU, 22 + 22, 22, 0, 0, 0, 0},
    {"resnet18:train", MOP_ACT_RELU, 17, 0, 8, 8, 0, 0},
    {"cnn30:train", MOP_ACT_RELU, 30, 0, 0, 0, 0, 0},
    {"cnn30+skip", MOP_ACT_RELU, 30, 0, 25, 25, 0, 0}, /* all layers but the first of each stage */
    {"mobileone-s0", MOP_ACT_RELU, 43, 0, 0, 0, 0, 0},
    {"mobileone-s0+skip", MOP_ACT_RELU, 43, 0, 17, 17, 0, 0},
    {"mobileone-s0+se", MOP_ACT_RELU, 43 + 43, 43, 0, 0, 0, 0},
    {"mobileone-s4", MOP_ACT_RELU, 43 + 12, 12, 0, 0, 0, 0},
};

static void networks_activate_and_add_where_their_papers_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof definitions / sizeof definitions[0]; i++) {
        const definition *want = &definitions[i];
        mop_graph *g = graph_of(want->spec, 1);
        definition is = {.spec = want->spec, .act = want->act};
        size_t all = 0;
        for (uint32_t k = 1; k < g->n_nodes; k++) {
            const mop_node *node = &g->nodes[k];
            const mop_op_inst *inst = &node->inst;
            bool is_act = inst->op == MOP_OP_ACT;
            all += is_act;
            is.acts += is_act && inst->params.act == want->act;
            is.sigmoids += is_act && inst->params.act == MOP_ACT_SIGMOID;
            is.hardsigmoids += is_act && inst->params.act == MOP_ACT_HARDSIGMOID;
            is.relus += is_act && want->act != MOP_ACT_RELU && inst->params.act == MOP_ACT_RELU;
            is.adds += inst->op == MOP_OP_ADD;
            is.adds_with_act += is_act && g->nodes[node->in[0]].inst.op == MOP_OP_ADD;
            if (inst->op == MOP_OP_BATCHNORM)
                assert_true(inst->params.u.bn.eps == 1e-5f);
        }
        print_message("%s\n", want->spec);
        assert_int_equal(all, is.acts + is.sigmoids + is.relus + is.hardsigmoids);
        assert_int_equal(is.acts, want->acts);
        assert_int_equal(is.sigmoids, want->sigmoids);
        assert_int_equal(is.relus, want->relus);
        assert_int_equal(is.hardsigmoids, want->hardsigmoids);
        assert_int_equal(is.adds, want->adds);
        assert_int_equal(is.adds_with_act, want->adds_with_act);
        mop_graph_free(g);
    }
}

static void the_stem_of_resnet_takes_a_maximum(void **state)
{
    mop_graph *g = graph_of("resnet18", 1);
    const mop_op_inst *pool = &g->nodes[3].inst;
    (void)state;
    assert_int_equal(pool->op, MOP_OP_POOL);
    assert_int_equal(pool->params.u.pool.kind, MOP_POOL_MAX);
    assert_true(mop_shape_equal(pool->out, (mop_shape){1, 56, 56, 64}));
    mop_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_equal_the_golden_rows),
        cmocka_unit_test(the_layers_sum_to_the_network),
        cmocka_unit_test(work_grows_with_the_batch_and_parameters_do_not),
        cmocka_unit_test(maps_have_the_sizes_of_the_paper),
        cmocka_unit_test(networks_activate_and_add_where_their_papers_say),
        cmocka_unit_test(the_stem_of_resnet_takes_a_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
