/* The reference network and the three links of a check, each broken on purpose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/rng.h"
#include "profiler/engine/check.h"
#include "profiler/engine/reference.h"
#include "tests/support/fake_backend.h"

enum { NODES = 6 };

/* input 2 x 9 x 7 x 8 -> conv 3x3/2 relu -> conv 1x1 + residual -> depthwise 3x3 -> gap -> fc 5 */
typedef struct net {
    mop_node nodes[NODES];
    mop_graph graph;
    float *w[NODES * MOP_MAX_WEIGHTS];
    mop_model model;
    float in[2 * 9 * 7 * 8], out[10];
    double reference[10];
} net;

static void add(net *t, mop_op op, mop_params params, const uint32_t *in, uint32_t n_in)
{
    static const char *const names[] = {"input", "stem", "mix", "dw", "pool", "head"};
    uint32_t i = t->graph.n_nodes++;
    mop_node *x = &t->nodes[i];
    mop_err err = {0};
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    mop_rng rng;
    *x = (mop_node){.inst = {.op = op, .params = params, .n_in = n_in}};
    (void)snprintf(x->name, sizeof x->name, "%s", names[i]);
    for (uint32_t j = 0; j < n_in; j++) {
        x->in[j] = in[j];
        x->inst.in[j] = t->nodes[in[j]].inst.out;
    }
    assert_int_equal(mop_op_infer(&x->inst, &err), MOP_OK);
    mop_rng_init(&rng, 42, i);
    uint32_t n = mop_op_weights(&x->inst, desc);
    for (uint32_t j = 0; j < n; j++) {
        float *w = calloc((size_t)desc[j].elems, sizeof *w);
        assert_non_null(w);
        for (int64_t k = 0; k < desc[j].elems; k++)
            w[k] = (float)(mop_rng_normal(&rng) * sqrt(2.0 / (double)desc[j].fan_in));
        t->w[i * MOP_MAX_WEIGHTS + j] = w;
    }
}

static mop_params conv(int32_t cout, int32_t k, int32_t stride, int32_t groups)
{
    return (mop_params){.u.conv = {.cout = cout,
                                   .kh = k,
                                   .kw = k,
                                   .stride = stride,
                                   .dilation = 1,
                                   .groups = groups,
                                   .pad_top = k / 2,
                                   .pad_left = k / 2,
                                   .pad_bottom = k / 2,
                                   .pad_right = k / 2,
                                   .has_bias = true}};
}

static net *new_net(void)
{
    net *t = calloc(1, sizeof *t);
    mop_params p;
    mop_rng rng;
    mop_err err = {0};
    assert_non_null(t);
    t->graph.nodes = t->nodes;
    t->model = (mop_model){.graph = &t->graph, .w = t->w};
    t->nodes[0].inst = (mop_op_inst){.op = MOP_OP_INPUT, .out = {2, 9, 7, 8}};
    (void)snprintf(t->nodes[0].name, sizeof t->nodes[0].name, "input");
    t->graph.n_nodes = 1;
    p = conv(16, 3, 2, 1);
    p.act = MOP_ACT_RELU;
    add(t, MOP_OP_CONV2D, p, (uint32_t[]){0}, 1);
    p = conv(16, 1, 1, 1);
    p.has_residual = true;
    add(t, MOP_OP_CONV2D, p, (uint32_t[]){1, 1}, 2);
    add(t, MOP_OP_CONV2D, conv(16, 3, 1, 16), (uint32_t[]){2}, 1);
    add(t, MOP_OP_GAP, (mop_params){0}, (uint32_t[]){3}, 1);
    add(t, MOP_OP_FC, (mop_params){.u.fc = {.cout = 5, .has_bias = true}}, (uint32_t[]){4}, 1);
    mop_rng_init(&rng, 9, 0);
    for (size_t i = 0; i < sizeof t->in / sizeof t->in[0]; i++)
        t->in[i] = (float)mop_rng_normal(&rng);
    assert_int_equal(mop_reference_run(&t->model, t->in, t->reference, 10, &err), MOP_OK);
    return t;
}

static void free_net(net *t)
{
    for (int i = 0; i < NODES * MOP_MAX_WEIGHTS; i++)
        free(t->w[i]);
    free(t);
}

/* Opens, plans, checks, frees; the counters of `fake` tell leaks. */
static mop_status check(const net *t, mop_check *c, mop_err *err)
{
    const mop_backend *b = &fake_backend_a;
    const mop_device_choice choice = {.threads = 1};
    const mop_plan_desc desc = {0};
    mop_device *device = NULL;
    mop_plan *plan = NULL;
    assert_int_equal(b->open(&choice, &device, err), MOP_OK);
    assert_int_equal(b->plan(device, &t->model, &desc, &plan, err), MOP_OK);
    mop_status st =
        mop_check_plan(b, device, plan, &desc, &t->model, t->in, t->reference, 10, c, err);
    b->plan_free(plan);
    b->close(device);
    assert_int_equal(fake.planned, fake.freed);
    assert_int_equal(fake.planned, 2);
    return st;
}

static void the_reference_network_is_its_operators_in_order(void **state)
{
    net *t = new_net();
    double *v[NODES] = {0};
    (void)state;
    for (uint32_t i = 0; i < NODES; i++) {
        const mop_op_inst *inst = &t->nodes[i].inst;
        size_t n = (size_t)mop_shape_elems(inst->out);
        v[i] = calloc(n, sizeof(double));
        assert_non_null(v[i]);
        mop_ref_args a = {.inst = inst, .out = v[i]};
        for (uint32_t j = 0; j < inst->n_in; j++)
            a.in[j] = v[t->nodes[i].in[j]];
        for (uint32_t j = 0; j < MOP_MAX_WEIGHTS; j++)
            a.w[j] = t->w[i * MOP_MAX_WEIGHTS + j];
        if (i > 0)
            mop_op_reference(&a);
        for (size_t k = 0; i == 0 && k < n; k++)
            v[0][k] = t->in[k];
    }
    assert_memory_equal(v[NODES - 1], t->reference, sizeof t->reference);
    for (int i = 0; i < NODES; i++)
        free(v[i]);
    free_net(t);
}

static void a_wrong_number_of_outputs_is_refused(void **state)
{
    net *t = new_net();
    double out[12];
    mop_err err = {0};
    (void)state;
    assert_int_equal(mop_reference_run(&t->model, t->in, out, 12, &err), MOP_EINVAL);
    assert_string_equal(err.msg, "the output has 10 elements, not 12");
    free_net(t);
}

/* Random convolutions, large enough to be cut, cut in every number of parts. */
static void cutting_a_convolution_changes_no_bit(void **state)
{
    const uint64_t seed = 20260131;
    mop_rng rng;
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    mop_rng_init(&rng, seed, 0);
    for (int round = 0; round < 12; round++) {
        int32_t k = 1 + 2 * (int32_t)mop_rng_below(&rng, 3);
        mop_params p = conv(32, k, 1 + (int32_t)mop_rng_below(&rng, 2), round % 3 == 0 ? 4 : 1);
        mop_op_inst inst = {.op = MOP_OP_CONV2D, .n_in = 1};
        mop_err err = {0};
        p.u.conv.dilation = 1 + (int32_t)mop_rng_below(&rng, 2);
        p.u.conv.pad_bottom = (int32_t)mop_rng_below(&rng, (uint64_t)k);
        p.has_residual = round % 2 == 1;
        inst.params = p;
        inst.in[0] = (mop_shape){2, 31 + round, 29, 64};
        inst.params.has_residual = false;
        assert_int_equal(mop_op_infer(&inst, &err), MOP_OK);
        inst.params.has_residual = p.has_residual;
        inst.n_in += p.has_residual;
        inst.in[1] = p.has_residual ? inst.out : (mop_shape){0};
        size_t n = (size_t)mop_shape_elems(inst.out), n_in = (size_t)mop_shape_elems(inst.in[0]);
        double *in = calloc(n_in, sizeof *in), *res = calloc(n, sizeof *res);
        double *a = calloc(4 * n, sizeof *a);
        float *w = calloc((size_t)(k * k * 64 * 32), sizeof *w), bias[32] = {0.5f};
        assert_true(in && res && a && w);
        for (size_t i = 0; i < n_in; i++)
            in[i] = mop_rng_normal(&rng);
        for (size_t i = 0; i < n; i++)
            res[i] = mop_rng_normal(&rng);
        for (int i = 0; i < k * k * 64 * 32; i++)
            w[i] = (float)mop_rng_normal(&rng);
        mop_ref_args args = {
            .inst = &inst, .in = {in, res}, .w = {w, bias}, .out = a, .bound = a + n};
        mop_op_reference(&args);
        args.out = a + 2 * n;
        args.bound = a + 3 * n;
        mop_reference_op(&args, NULL, 2 + round % 5);
        assert_memory_equal(a, a + 2 * n, 2 * n * sizeof *a);
        free(in);
        free(res);
        free(a);
        free(w);
    }
}

static void the_network_bound_grows_with_the_root_of_each_sum(void **state)
{
    net *t = new_net();
    (void)state;
    /* conv 3x3x8, conv 1x1x16, depthwise 3x3, mean of 5x4, fc 16 */
    double want =
        8 * 0x1p-24 * (sqrt(72 + 2) + sqrt(16 + 2) + sqrt(9 + 2) + sqrt(20 + 2) + sqrt(16 + 2));
    assert_float_equal(mop_network_bound(&t->graph, NULL, NULL), want, 1e-18);
    free_net(t);
}

static void an_honest_plan_passes_with_its_errors_and_checksum(void **state)
{
    net *t = new_net();
    mop_check c, again;
    mop_err err = {0};
    (void)state;
    fake = (fake_config){0};
    assert_int_equal(check(t, &c, &err), MOP_OK);
    assert_true(c.worst_node > 0 && c.worst_node < 1);
    assert_true(c.end_to_end > 0 && c.end_to_end < c.end_bound);
    fake = (fake_config){0};
    assert_int_equal(check(t, &again, &err), MOP_OK);
    assert_true(c.checksum == again.checksum && c.checksum != 0);
    free_net(t);
}

/* Whatever node goes wrong by twice its bound, the sentence names it with all values. */
static void twice_the_bound_is_caught_in_every_node(void **state)
{
    static const char *const names[] = {"", "stem", "mix", "dw", "pool", "head"};
    net *t = new_net();
    (void)state;
    for (uint32_t node = 1; node < NODES; node++) {
        mop_check c;
        mop_err err = {0};
        char want[64];
        fake = (fake_config){.fault = FAKE_TWICE_BOUND, .fault_node = node};
        assert_int_equal(check(t, &c, &err), MOP_ECHECK);
        (void)snprintf(want, sizeof want, "fake-a: node %u %s (", node, names[node]);
        assert_memory_equal(err.msg, want, strlen(want));
        assert_non_null(strstr(err.msg, "by fake_kernel) element "));
        assert_non_null(strstr(err.msg, ": got "));
        assert_non_null(strstr(err.msg, ", want "));
        assert_non_null(strstr(err.msg, ", bound "));
        assert_int_equal(c.worst_index, node);
        assert_true(c.worst_node > 1.5 && c.worst_node < 3);
    }
    free_net(t);
}

static void not_a_number_is_caught_and_named(void **state)
{
    net *t = new_net();
    mop_check c;
    mop_err err = {0};
    (void)state;
    fake = (fake_config){.fault = FAKE_NAN, .fault_node = 3};
    assert_int_equal(check(t, &c, &err), MOP_ECHECK);
    assert_non_null(strstr(err.msg, "node 3 dw (conv2d by fake_kernel) element 3 "
                                    "[h 0, w 0, c 3]: got "));
    assert_non_null(strstr(err.msg, "got nan") != NULL ? strstr(err.msg, "got nan")
                                                       : strstr(err.msg, "got -nan"));
    assert_true(isinf(c.worst_node));
    free_net(t);
}

static void a_timed_plan_that_differs_by_one_bit_is_caught(void **state)
{
    net *t = new_net();
    mop_check c;
    mop_err err = {0};
    (void)state;
    fake = (fake_config){.fault = FAKE_ARENA, .fault_node = NODES - 1};
    assert_int_equal(check(t, &c, &err), MOP_ECHECK);
    assert_non_null(strstr(err.msg, "the timed plan gives "));
    assert_true(c.worst_node <= 1); /* every node of the other plan was right */
    free_net(t);
}

static void a_network_that_is_another_one_fails_end_to_end(void **state)
{
    net *t = new_net();
    mop_check c;
    mop_err err = {0};
    (void)state;
    fake = (fake_config){0};
    for (int i = 0; i < 10; i++)
        t->reference[i] *= 1.001; /* every node agrees, the network as a whole does not */
    assert_int_equal(check(t, &c, &err), MOP_ECHECK);
    assert_non_null(strstr(err.msg, "the output is off the float64 network by 0.000999"));
    assert_true(c.worst_node <= 1);
    free_net(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_network_is_its_operators_in_order),
        cmocka_unit_test(a_wrong_number_of_outputs_is_refused),
        cmocka_unit_test(cutting_a_convolution_changes_no_bit),
        cmocka_unit_test(the_network_bound_grows_with_the_root_of_each_sum),
        cmocka_unit_test(an_honest_plan_passes_with_its_errors_and_checksum),
        cmocka_unit_test(twice_the_bound_is_caught_in_every_node),
        cmocka_unit_test(not_a_number_is_caught_and_named),
        cmocka_unit_test(a_timed_plan_that_differs_by_one_bit_is_caught),
        cmocka_unit_test(a_network_that_is_another_one_fails_end_to_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
