#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "variants/graph.h"

static mop_graph_builder *builder(void)
{
    mop_graph_builder *b = mop_graph_builder_create((mop_shape){1, 8, 8, 4}, NULL);
    assert_non_null(b);
    return b;
}

static mop_params conv3(void)
{
    return (mop_params){.u.conv = {.cout = 4,
                                   .kh = 3,
                                   .kw = 3,
                                   .stride = 1,
                                   .dilation = 1,
                                   .groups = 1,
                                   .pad_top = 1,
                                   .pad_left = 1,
                                   .pad_bottom = 1,
                                   .pad_right = 1}};
}

static uint32_t add(mop_graph_builder *b, mop_op op, mop_params p, uint32_t x, const char *name)
{
    return mop_graph_add(b, op, &p, &x, 1, "%s", name);
}

static uint32_t add2(mop_graph_builder *b, mop_op op, mop_params p, uint32_t x, uint32_t y,
                     const char *name)
{
    uint32_t in[2] = {x, y};
    return mop_graph_add(b, op, &p, in, 2, "%s", name);
}

static mop_graph *seal(mop_graph_builder *b, uint32_t output)
{
    mop_err err = {0};
    mop_graph *g = NULL;
    if (mop_graph_seal(b, output, &g, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    return g;
}

/* Seals, which must fail with `sentence`, and leave the output alone. */
static void assert_seal_fails(mop_graph_builder *b, uint32_t output, const char *sentence)
{
    mop_err err = {0};
    mop_graph *g = NULL;
    assert_int_equal(mop_graph_seal(b, output, &g, &err), MOP_EINVAL);
    assert_string_equal(err.msg, sentence);
    assert_null(g);
}

/* --- building --------------------------------------------------------------------------------- */

static void the_first_failure_sticks(void **state)
{
    mop_graph_builder *b = builder();
    mop_params bad = conv3();
    uint32_t x, y;
    (void)state;
    bad.u.conv.groups = 3;
    x = add(b, MOP_OP_CONV2D, bad, 0, "first");
    assert_int_equal(x, MOP_NODE_NONE);
    bad.u.conv.groups = 0;
    y = add(b, MOP_OP_CONV2D, bad, 0, "second");
    assert_int_equal(y, MOP_NODE_NONE);
    assert_int_equal(add(b, MOP_OP_CONV2D, conv3(), 0, "valid"), MOP_NODE_NONE);
    assert_seal_fails(b, y, "first: conv2d: groups 3 does not divide 4 input channels");
}

static void a_missing_input_is_passed_on_silently(void **state)
{
    mop_graph_builder *b = builder();
    mop_shape none = mop_graph_shape(b, MOP_NODE_NONE);
    uint32_t x;
    (void)state;
    assert_true(mop_shape_equal(none, (mop_shape){0}));
    assert_int_equal(add(b, MOP_OP_GAP, (mop_params){0}, MOP_NODE_NONE, "gap"), MOP_NODE_NONE);
    x = add(b, MOP_OP_GAP, (mop_params){0}, 0, "gap"); /* nothing had failed */
    assert_true(mop_shape_equal(mop_graph_shape(b, x), (mop_shape){1, 1, 1, 4}));
    mop_graph_free(seal(b, x));
}

static void an_input_that_does_not_exist_yet_is_refused(void **state)
{
    mop_graph_builder *b = builder();
    uint32_t x = add(b, MOP_OP_GAP, (mop_params){0}, 7, "gap");
    (void)state;
    assert_seal_fails(b, x, "gap: input 0 is node 7 of only 1");
}

static void too_many_inputs_are_refused(void **state)
{
    mop_graph_builder *b = builder();
    uint32_t in[MOP_MAX_IN + 1] = {0};
    uint32_t x = mop_graph_add(b, MOP_OP_ADD, &(mop_params){0}, in, MOP_MAX_IN + 1, "sum");
    (void)state;
    assert_seal_fails(b, x, "sum: 4 inputs, an operator takes at most 3");
}

static void a_name_that_is_too_long_is_refused(void **state)
{
    mop_graph_builder *b = builder();
    uint32_t x =
        add(b, MOP_OP_GAP, (mop_params){0}, 0, "0123456789012345678901234567890123456789012345678");
    (void)state;
    assert_seal_fails(b, x,
                      "the node name '01234567890123456789012345678901234567890123456...' is "
                      "longer than 47 characters");
}

static void two_nodes_of_one_name_are_refused(void **state)
{
    mop_graph_builder *b = builder();
    uint32_t x = add(b, MOP_OP_CONV2D, conv3(), 0, "c");
    (void)state;
    x = add(b, MOP_OP_CONV2D, conv3(), x, "c");
    assert_seal_fails(b, x, "two nodes have the same name 'c'");
}

static void the_input_alone_is_no_network(void **state)
{
    (void)state;
    assert_seal_fails(builder(), 0, "the output must be an operator of the graph: node 0 of 1");
    assert_seal_fails(builder(), 5, "the output must be an operator of the graph: node 5 of 1");
}

static void an_input_without_elements_is_refused(void **state)
{
    mop_graph_builder *b = mop_graph_builder_create((mop_shape){1, 0, 8, 3}, NULL);
    mop_err err = {0};
    mop_graph *g = NULL;
    (void)state;
    assert_int_equal(add(b, MOP_OP_GAP, (mop_params){0}, 0, "gap"), MOP_NODE_NONE);
    assert_int_equal(mop_graph_seal(b, MOP_NODE_NONE, &g, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "the input"));
    mop_graph_builder_free(NULL);
    mop_graph_free(NULL);
}

static void more_nodes_than_the_first_allocation_fit(void **state)
{
    mop_graph_builder *b = builder();
    uint32_t x = 0;
    mop_graph *g;
    mop_graph_counts c;
    (void)state;
    for (int i = 0; i < 1000; i++)
        x = mop_graph_add(b, MOP_OP_ACT, &(mop_params){.act = MOP_ACT_RELU}, &x, 1, "act%d", i);
    g = seal(b, x);
    mop_graph_count(g, &c);
    assert_int_equal(g->n_nodes, 1001);
    assert_int_equal(c.depth, 1000);
    assert_string_equal(g->nodes[1000].name, "act999");
    mop_graph_free(g);
}

/* --- sealing ---------------------------------------------------------------------------------- */

static void dead_nodes_are_dropped_and_edges_follow(void **state)
{
    mop_graph_builder *b = builder();
    uint32_t dead = add(b, MOP_OP_CONV2D, conv3(), 0, "dead");
    uint32_t x = add(b, MOP_OP_CONV2D, conv3(), 0, "x"), y, sum;
    mop_graph *g;
    (void)state;
    (void)add(b, MOP_OP_GAP, (mop_params){0}, dead, "dead.gap");
    y = add(b, MOP_OP_CONV2D, conv3(), x, "y");
    sum = add2(b, MOP_OP_ADD, (mop_params){0}, x, y, "sum");
    (void)add(b, MOP_OP_CONV2D, conv3(), sum, "after");
    g = seal(b, sum);
    assert_int_equal(g->n_nodes, 4);
    assert_string_equal(g->nodes[1].name, "x");
    assert_string_equal(g->nodes[2].name, "y");
    assert_string_equal(g->nodes[3].name, "sum");
    assert_int_equal(g->nodes[2].in[0], 1);
    assert_int_equal(g->nodes[3].in[0], 1);
    assert_int_equal(g->nodes[3].in[1], 2);
    for (uint32_t i = 1; i < g->n_nodes; i++)
        for (uint32_t k = 0; k < g->nodes[i].inst.n_in; k++)
            assert_true(g->nodes[i].in[k] < i);
    mop_graph_free(g);
}

/* A network of every operator with parameters; `what` changes one of them. */
static uint64_t hash_of(int what)
{
    mop_graph_builder *b = mop_graph_builder_create((mop_shape){what == 1 ? 2 : 1, 8, 8, 4}, NULL);
    mop_params conv = conv3(), bn = {.u.bn = {.eps = what == 2 ? 1e-3f : 1e-5f}};
    mop_params pool = {.u.pool = {.kind = what == 3 ? MOP_POOL_MAX : MOP_POOL_AVG,
                                  .k = what == 4 ? 1 : 3,
                                  .stride = what == 5 ? 2 : 1,
                                  .pad = what == 4 ? 0 : 1}};
    mop_params act = {.act = what == 6 ? MOP_ACT_RELU6 : MOP_ACT_RELU};
    mop_params fc = {.u.fc = {.cout = what == 7 ? 9 : 8, .has_bias = what == 8}};
    uint32_t x, y;
    mop_graph *g;
    uint64_t hash;
    conv.u.conv.has_bias = what == 9;
    conv.u.conv.groups = what == 10 ? 2 : 1;
    conv.u.conv.dilation = what == 11 ? 2 : 1;
    conv.u.conv.kh = what == 12 ? 1 : 3;
    conv.u.conv.pad_top = what == 13 ? 2 : 1;
    conv.u.conv.pad_right = what == 14 ? 0 : 1;
    conv.act = what == 15 ? MOP_ACT_SILU : MOP_ACT_NONE;
    x = add(b, MOP_OP_CONV2D, conv, 0, what == 100 ? "another name" : "conv");
    y = add(b, what == 16 ? MOP_OP_ACT : MOP_OP_BATCHNORM, what == 16 ? act : bn, x, "bn");
    x = add(b, MOP_OP_POOL, pool, what == 17 ? x : y, "pool");
    x = add(b, MOP_OP_ACT, act, x, "act");
    if (what == 18)
        x = add(b, MOP_OP_ACT, act, x, "act2");
    x = add(b, MOP_OP_GAP, (mop_params){0}, x, "gap");
    x = add2(b, what == 19 ? MOP_OP_MUL : MOP_OP_ADD, (mop_params){0}, x, x, "twice");
    g = seal(b, add(b, MOP_OP_FC, fc, x, "fc"));
    hash = g->hash;
    mop_graph_free(g);
    return hash;
}

static void every_field_but_the_name_changes_the_hash(void **state)
{
    enum { KINDS = 20 };
    uint64_t hash[KINDS];
    (void)state;
    for (int i = 0; i < KINDS; i++) {
        hash[i] = hash_of(i);
        for (int k = 0; k < i; k++)
            assert_true(hash[i] != hash[k]);
    }
    assert_true(hash_of(100) == hash[0]);
}

static uint64_t hash_of_dynamic(mop_dy_params dy)
{
    mop_graph_builder *b = builder();
    mop_params fc = {.u.fc = {.cout = 16}};
    uint32_t s = add(b, MOP_OP_FC, fc, add(b, MOP_OP_GAP, (mop_params){0}, 0, "gap"), "fc");
    mop_graph *g =
        seal(b, add2(b, MOP_OP_DYSHIFTMAX, (mop_params){.u.dy = dy}, 0, s, "dyshiftmax"));
    uint64_t hash = g->hash;
    mop_graph_free(g);
    return hash;
}

static void parameters_of_dynamic_activations_are_hashed(void **state)
{
    uint64_t a = hash_of_dynamic((mop_dy_params){.pieces = 2, .shifts = 2, .groups = 2});
    (void)state;
    assert_true(a != hash_of_dynamic((mop_dy_params){.pieces = 4, .shifts = 1, .groups = 2}));
    assert_true(a != hash_of_dynamic((mop_dy_params){.pieces = 2, .shifts = 2, .groups = 4}));
}

/* Databases hold hashes: they must not change from build to build or machine to machine. */
static void the_hash_is_this_number(void **state)
{
    (void)state;
    assert_true(hash_of(0) == UINT64_C(0xfa47000ceb73aaeb));
}

/* --- counts ----------------------------------------------------------------------------------- */

static void counts_are_sums_over_the_operators(void **state)
{
    mop_graph_builder *b = builder();
    mop_params bias = conv3();
    uint32_t x, y, z;
    mop_graph *g;
    mop_graph_counts c;
    (void)state;
    bias.u.conv.has_bias = true;
    x = add(b, MOP_OP_CONV2D, bias, 0, "a");
    y = add(b, MOP_OP_BATCHNORM, (mop_params){.u.bn = {.eps = 1e-5f}}, x, "bn");
    z = add(b, MOP_OP_ACT, (mop_params){.act = MOP_ACT_RELU}, 0, "act");
    g = seal(b, add2(b, MOP_OP_ADD, (mop_params){0}, y, z, "sum"));
    mop_graph_count(g, &c);
    assert_int_equal(c.params, 9 * 16 + 4 + 8);
    assert_int_equal(c.buffers, 8);
    assert_int_equal(c.macs, 64 * 9 * 16);
    assert_int_equal(c.activations, 4 * 256);
    assert_int_equal(c.elementwise, 256 + 2 * 256 + 256 + 256); /* bias, BatchNorm, ReLU, add */
    assert_int_equal(c.flops, 2 * c.macs + c.elementwise);
    /* a: x, weights, out; bn: x, constants, out; act: x, out; sum: two, out */
    assert_int_equal(c.bytes, 4 * (512 + 148 + 512 + 16 + 512 + 768));
    assert_int_equal(c.ops, 4);
    assert_int_equal(c.depth, 3);
    mop_graph_free(g);
}

/* Each convolution has 2^31 outputs of 2^31 products: two of them leave 63 bits. */
static void counts_that_overflow_are_refused(void **state)
{
    mop_graph_builder *b = mop_graph_builder_create((mop_shape){1, 46339, 46339, 1}, NULL);
    mop_params p = conv3();
    uint32_t x;
    (void)state;
    p.u.conv.cout = 1;
    p.u.conv.kh = p.u.conv.kw = 46339;
    p.u.conv.pad_top = p.u.conv.pad_left = p.u.conv.pad_bottom = p.u.conv.pad_right = 23169;
    x = add(b, MOP_OP_CONV2D, p, 0, "a");
    x = add(b, MOP_OP_CONV2D, p, x, "b");
    x = add(b, MOP_OP_CONV2D, p, x, "c");
    assert_seal_fails(b, x, "the counts of a graph of 4 nodes do not fit in 63 bits");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_failure_sticks),
        cmocka_unit_test(a_missing_input_is_passed_on_silently),
        cmocka_unit_test(an_input_that_does_not_exist_yet_is_refused),
        cmocka_unit_test(too_many_inputs_are_refused),
        cmocka_unit_test(a_name_that_is_too_long_is_refused),
        cmocka_unit_test(two_nodes_of_one_name_are_refused),
        cmocka_unit_test(the_input_alone_is_no_network),
        cmocka_unit_test(an_input_without_elements_is_refused),
        cmocka_unit_test(more_nodes_than_the_first_allocation_fit),
        cmocka_unit_test(dead_nodes_are_dropped_and_edges_follow),
        cmocka_unit_test(every_field_but_the_name_changes_the_hash),
        cmocka_unit_test(parameters_of_dynamic_activations_are_hashed),
        cmocka_unit_test(the_hash_is_this_number),
        cmocka_unit_test(counts_are_sums_over_the_operators),
        cmocka_unit_test(counts_that_overflow_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
