/* The passes keep the function: whole networks in float64 before and after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "profiler/base/rng.h"
#include "tests/support/refnet.h"
#include "variants/passes.h"
#include "variants/variant.h"

enum { SEED = 20230617 };

/* Folding rounds each weight and bias once to float32, a relative perturbation of at most 2^-24,
 * independent from weight to weight. One layer then errs by about 2^-24 / sqrt(3) of its output's
 * norm, 45 layers by sqrt(45) times that, 2.3e-7, if each passes errors on as it passes signals.
 * The room above that is for layers that amplify errors more than the mean of their values. */
static const double fold_tolerance = 2e-6;

/* Fusion of activations and adds keeps every number, in another order of one add at most. */
static const double same_tolerance = 1e-12;

static mop_spec spec_of(const char *text)
{
    mop_err err = {0};
    mop_spec spec;
    if (mop_spec_parse(text, &spec, &err) != MOP_OK)
        fail_msg("%s: %s", text, err.msg);
    return spec;
}

static mop_model *model_of(const char *text)
{
    mop_err err = {0};
    mop_spec spec = spec_of(text);
    mop_model *m = NULL;
    if (mop_variant_model(&spec, 1, SEED, &m, &err) != MOP_OK)
        fail_msg("%s: %s", text, err.msg);
    return m;
}

static mop_model *fuse(const mop_model *m, unsigned flags)
{
    mop_err err = {0};
    mop_model *f = NULL;
    if (mop_pass_fuse(m, flags, &f, &err) != MOP_OK)
        fail_msg("fuse: %s", err.msg);
    return f;
}

static mop_model *reparameterize(const mop_model *m)
{
    mop_err err = {0};
    mop_model *r = NULL;
    if (mop_pass_reparameterize(m, &r, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    return r;
}

static size_t count_op(const mop_graph *g, mop_op op)
{
    size_t n = 0;
    for (uint32_t i = 0; i < g->n_nodes; i++)
        n += g->nodes[i].inst.op == op;
    return n;
}

/* Asserts that m computes y[n] up to the tolerance, and that these are values in range. */
static void assert_computes(const char *what, const mop_model *m, const double *y, size_t n,
                            double tolerance)
{
    size_t n_m;
    double *ym = refnet_run(m, SEED, &n_m);
    double distance = refnet_distance(ym, y, n), rms = refnet_rms(y, n);
    print_message("%s has distance %.3g, rms %.3g\n", what, distance, rms);
    assert_int_equal(n_m, n);
    assert_true(distance <= tolerance); /* false for a NaN */
    assert_true(rms >= 0.05 && rms <= 50.0);
    free(ym);
}

static void assert_same_function(const char *what, const mop_model *a, const mop_model *b,
                                 double tolerance)
{
    size_t n;
    double *y = refnet_run(b, SEED, &n);
    assert_computes(what, a, y, n, tolerance);
    free(y);
}

/* --- training form = deploy form -------------------------------------------------------------- */

static const char *const networks[] = {
    "mobileone-s0",
    "mobileone-s1",
    "mobileone-s2",
    "mobileone-s3",
    "mobileone-s4",
    "mobileone-s0+se",
    "mobileone-s0+skip",
    "mobileone-s0+act=gelu+branches=2",
    "mobileone-s1+act=silu+se+skip+branches=3",
    "cnn30",
    "cnn30+se",
    "cnn30+skip",
    "cnn30+branches=4",
    "cnn30+act=dyrelu-a",
    "cnn30+act=dyrelu-b",
    "cnn30+act=dyshiftmax",
    "cnn30+act=sigmoid",
    "mobilenetv1-0.25",
    "mobilenetv2-0.35",
    "mobilenetv2-1.0",
    "mobilenetv3-large",
    "efficientnet-b0",
    "repvgg-a0",
    "resnet18",
};

#ifdef __SANITIZE_ADDRESS__
#define SIDE "32"
enum { FLAG_STEP = MOP_FUSE_ALL }; /* nothing and everything */
#else
#define SIDE "64"
enum { FLAG_STEP = 1 };
#endif

static void deploy_form_computes_what_the_training_form_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++) {
        char text[128];
        mop_model *deploy, *train;
        int head = (int)strcspn(networks[i], "+");
        snprintf(text, sizeof text, "%.*s:train%s@" SIDE, head, networks[i], networks[i] + head);
        train = model_of(text);
        deploy = reparameterize(train);
        assert_int_equal(count_op(deploy->graph, MOP_OP_BATCHNORM), 0);
        assert_same_function(networks[i], deploy, train, fold_tolerance);
        mop_model_free(deploy);
        mop_model_free(train);
    }
}

static void a_deploy_spec_gives_the_reparameterized_training_spec(void **state)
{
    mop_model *train = model_of("mobileone-s0:train@32"), *deploy = model_of("mobileone-s0@32");
    mop_model *merged = reparameterize(train);
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    (void)state;
    assert_int_equal(merged->graph->hash, deploy->graph->hash);
    for (uint32_t i = 1; i < merged->graph->n_nodes; i++) {
        uint32_t n = mop_op_weights(&merged->graph->nodes[i].inst, desc);
        for (uint32_t s = 0; s < n; s++)
            assert_memory_equal(mop_model_w(merged, i, s), mop_model_w(deploy, i, s),
                                (size_t)desc[s].elems * sizeof(float));
    }
    mop_model_free(train);
    mop_model_free(deploy);
    mop_model_free(merged);
}

static void deploy_graph_alone_equals_the_deploy_model(void **state)
{
    mop_err err = {0};
    mop_spec spec = spec_of("mobileone-s4+skip@64");
    mop_model *m = model_of("mobileone-s4+skip@64");
    mop_graph *g = NULL;
    (void)state;
    assert_int_equal(mop_variant_graph(&spec, 1, &g, &err), MOP_OK);
    assert_int_equal(g->hash, m->graph->hash);
    mop_graph_free(g);
    mop_model_free(m);
}

static void deploy_form_adds_only_skips(void **state)
{
    mop_model *plain = model_of("mobileone-s0@64"), *skip = model_of("mobileone-s0+skip@64");
    (void)state;
    assert_int_equal(count_op(plain->graph, MOP_OP_ADD), 0);
    /* 2, 8, 10, 1 blocks, of which the first halves the map; the fifth "stage" of stride 1 is
     * part of the third here */
    assert_int_equal(count_op(skip->graph, MOP_OP_ADD), 1 + 7 + 9);
    assert_int_equal(count_op(plain->graph, MOP_OP_CONV2D), 43);
    assert_string_equal(plain->graph->nodes[1].name, "stem");
    assert_string_equal(plain->graph->nodes[3].name, "stage1.1.dw");
    mop_model_free(plain);
    mop_model_free(skip);
}

static void reparameterizing_twice_changes_nothing(void **state)
{
    mop_err err = {0};
    mop_model *once = model_of("mobileone-s0@32"), *twice = NULL;
    (void)state;
    assert_int_equal(mop_pass_reparameterize(once, &twice, &err), MOP_OK);
    assert_int_equal(once->graph->hash, twice->graph->hash);
    assert_memory_equal(mop_model_w(once, 1, 0), mop_model_w(twice, 1, 0), 48 * 27 * sizeof(float));
    mop_model_free(once);
    mop_model_free(twice);
}

/* --- small graphs of branches ----------------------------------------------------------------- */

static mop_params conv(int32_t cout, int32_t kh, int32_t kw, int32_t stride, int32_t groups)
{
    mop_params p = {.u.conv = {.cout = cout,
                               .kh = kh,
                               .kw = kw,
                               .stride = stride,
                               .dilation = 1,
                               .groups = groups,
                               .pad_top = kh / 2,
                               .pad_left = kw / 2,
                               .pad_bottom = kh / 2,
                               .pad_right = kw / 2}};
    return p;
}

static uint32_t add_conv(mop_graph_builder *b, uint32_t x, mop_params p, const char *name)
{
    return mop_graph_add(b, MOP_OP_CONV2D, &p, &x, 1, "%s", name);
}

static uint32_t add_bn(mop_graph_builder *b, uint32_t x, const char *name)
{
    mop_params p = {.u.bn = {.eps = 1e-3f}};
    return mop_graph_add(b, MOP_OP_BATCHNORM, &p, &x, 1, "%s", name);
}

static uint32_t add_add(mop_graph_builder *b, uint32_t x, uint32_t y, const char *name)
{
    uint32_t in[2] = {x, y};
    return mop_graph_add(b, MOP_OP_ADD, &(mop_params){0}, in, 2, "%s", name);
}

static uint32_t add_act(mop_graph_builder *b, uint32_t x, mop_act act, const char *name)
{
    return mop_graph_add(b, MOP_OP_ACT, &(mop_params){.act = act}, &x, 1, "%s", name);
}

static mop_graph_builder *builder(int32_t h, int32_t c)
{
    mop_graph_builder *b = mop_graph_builder_create((mop_shape){2, h, h + 1, c}, NULL);
    assert_non_null(b);
    return b;
}

static mop_model *seal_model(mop_graph_builder *b, uint32_t output)
{
    mop_err err = {0};
    mop_graph *g = NULL;
    mop_model *m = NULL;
    if (mop_graph_seal(b, output, &g, &err) != MOP_OK ||
        mop_model_synthesize(g, SEED, &m, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    return m;
}

/* Kernels of several sizes, groups and the identity, all over one node. */
static void branches_of_any_kernel_merge_into_the_largest(void **state)
{
    static const int32_t groups[] = {1, 2, 4, 8};
    (void)state;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        mop_graph_builder *b = builder(7, 8);
        mop_params k5 = conv(8, 5, 5, 1, groups[i]), k3 = conv(8, 3, 3, 1, groups[i]);
        mop_params k13 = conv(8, 1, 3, 1, groups[i]), k1 = conv(8, 1, 1, 1, groups[i]);
        uint32_t x = add_act(b, 0, MOP_ACT_RELU, "x"), sum;
        mop_model *m, *r;
        k3.u.conv.has_bias = true;
        sum = add_add(b, add_bn(b, x, "id"), add_conv(b, x, k1, "k1"), "s1");
        sum = add_add(b, sum, add_bn(b, add_conv(b, x, k13, "k13"), "k13bn"), "s2");
        sum = add_add(b, add_conv(b, x, k5, "k5"), sum, "s3");
        sum = add_add(b, sum, add_bn(b, add_conv(b, x, k3, "k3"), "k3bn"), "s4");
        m = seal_model(b, add_bn(b, sum, "last"));
        r = reparameterize(m);
        assert_int_equal(r->graph->n_nodes, 3);
        assert_string_equal(r->graph->nodes[2].name, "k5");
        assert_same_function("branches", r, m, fold_tolerance);
        mop_model_free(m);
        mop_model_free(r);
    }
}

static void strided_branches_merge(void **state)
{
    mop_graph_builder *b = builder(9, 6);
    uint32_t y = add_bn(b, add_conv(b, 0, conv(12, 3, 3, 2, 2), "k3"), "bn3");
    mop_model *m, *r;
    (void)state;
    y = add_add(b, y, add_bn(b, add_conv(b, 0, conv(12, 1, 1, 2, 2), "k1"), "bn1"), "sum");
    m = seal_model(b, y);
    r = reparameterize(m);
    assert_int_equal(r->graph->n_nodes, 2);
    assert_same_function("strided", r, m, fold_tolerance);
    mop_model_free(m);
    mop_model_free(r);
}

/* Each graph has an add that is architecture: it must survive, and so must the function. */
static void what_is_no_branch_stays(void **state)
{
    (void)state;
    for (int kind = 0; kind < 7; kind++) {
        mop_graph_builder *b = builder(8, 4);
        uint32_t x = add_act(b, 0, MOP_ACT_SILU, "x"), y = MOP_NODE_NONE;
        uint32_t c = add_bn(b, add_conv(b, x, conv(4, 3, 3, 1, 1), "c"), "cbn");
        mop_model *m, *r;
        if (kind == 0) /* a plain skip */
            y = add_add(b, c, x, "sum");
        else if (kind == 1) /* other groups */
            y = add_add(b, c, add_conv(b, x, conv(4, 1, 1, 1, 4), "d"), "sum");
        else if (kind == 2) /* another source */
            y = add_add(b, c, add_conv(b, 0, conv(4, 1, 1, 1, 1), "d"), "sum");
        else if (kind == 3) /* a branch that somebody else reads */
            y = add_add(b, add_add(b, c, add_bn(b, x, "id"), "sum"),
                        add_act(b, c, MOP_ACT_RELU, "r"), "sum2");
        else if (kind == 4) { /* another stride, though padding gives it the same shape */
            mop_params p = conv(4, 3, 3, 2, 1);
            p.u.conv.pad_bottom = 8;
            p.u.conv.pad_right = 9;
            y = add_add(b, add_conv(b, x, p, "d"), add_conv(b, x, conv(4, 1, 1, 1, 1), "e"), "sum");
            y = add_add(b, y, c, "sum2");
        } else if (kind == 5) { /* another dilation, likewise */
            mop_params p = conv(4, 4, 4, 1, 1), q = conv(4, 3, 3, 1, 1);
            p.u.conv.dilation = 2;
            q.u.conv.pad_top = q.u.conv.pad_left = q.u.conv.pad_bottom = q.u.conv.pad_right = 0;
            y = add_add(b, add_conv(b, x, p, "d"), add_conv(b, x, q, "e"), "sum");
        } else { /* kernels that do not lie inside each other */
            uint32_t d = add_conv(b, x, conv(4, 1, 5, 1, 1), "d");
            y = add_add(b, c, d, "sum");
        }
        m = seal_model(b, y);
        r = reparameterize(m);
        assert_int_equal(count_op(r->graph, MOP_OP_ADD), count_op(m->graph, MOP_OP_ADD));
        assert_same_function("architecture", r, m, fold_tolerance);
        mop_model_free(m);
        mop_model_free(r);
    }
}

/* --- fusion ----------------------------------------------------------------------------------- */

static void fusing_keeps_the_function_and_the_convolutions(void **state)
{
    static const char *const specs[] = {
        "mobileone-s0:train@32", "mobileone-s4@32",           "cnn30:train+skip+se+branches=3@32",
        "cnn30+act=dyrelu-b@32", "mobilenetv2-0.35:train@32", "resnet18:train@32"};
    (void)state;
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        mop_model *m = model_of(specs[i]);
        size_t n;
        double *y = refnet_run(m, SEED, &n);
        for (unsigned flags = MOP_FUSE_NONE; flags <= MOP_FUSE_ALL; flags += FLAG_STEP) {
            mop_model *f = fuse(m, flags);
            bool folds = (flags & MOP_FUSE_BN) != 0;
            assert_int_equal(count_op(f->graph, MOP_OP_CONV2D), count_op(m->graph, MOP_OP_CONV2D));
            assert_int_equal(count_op(f->graph, MOP_OP_FC), count_op(m->graph, MOP_OP_FC));
            assert_computes(specs[i], f, y, n, folds ? fold_tolerance : same_tolerance);
            mop_model_free(f);
        }
        free(y);
        mop_model_free(m);
    }
}

static void nothing_to_fuse_gives_the_same_graph(void **state)
{
    mop_model *m = model_of("cnn30:train@32"), *f = fuse(m, MOP_FUSE_NONE);
    (void)state;
    assert_int_equal(m->graph->hash, f->graph->hash);
    mop_model_free(m);
    mop_model_free(f);
}

static void deploy_networks_fuse_to_convolutions_and_the_head(void **state)
{
    mop_model *m = model_of("mobileone-s0@32"), *f = fuse(m, MOP_FUSE_ALL);
    (void)state;
    assert_int_equal(f->graph->n_nodes, 1 + 43 + 2);
    assert_int_equal(f->graph->nodes[1].inst.params.act, MOP_ACT_RELU);
    assert_string_equal(f->graph->nodes[2].name, "stage1.1.dw");
    mop_model_free(m);
    mop_model_free(f);
}

/* A k-branch sum becomes a chain of residuals; skips of a residual network too. */
static void sums_of_branches_fuse_into_residuals(void **state)
{
    static const char *const specs[] = {"cnn30:train+branches=4@32", "resnet18:train@32",
                                        "cnn30+skip@32", "mobilenetv2-0.35@32"};
    (void)state;
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        mop_model *m = model_of(specs[i]), *f = fuse(m, MOP_FUSE_ALL);
        size_t residuals = 0;
        for (uint32_t k = 0; k < f->graph->n_nodes; k++)
            residuals += f->graph->nodes[k].inst.params.has_residual;
        assert_int_equal(residuals, count_op(m->graph, MOP_OP_ADD));
        assert_int_equal(count_op(f->graph, MOP_OP_ADD), 0);
        assert_int_equal(count_op(f->graph, MOP_OP_ACT), 0);
        mop_model_free(m);
        mop_model_free(f);
    }
}

/* act(conv(x)) + x: the epilogue adds before it activates, so this add stays. */
static void an_add_after_the_activation_stays(void **state)
{
    mop_graph_builder *b = builder(6, 4);
    uint32_t y = add_act(b, add_conv(b, 0, conv(4, 3, 3, 1, 1), "c"), MOP_ACT_RELU, "a");
    mop_model *m = seal_model(b, add_add(b, 0, y, "sum")), *f = fuse(m, MOP_FUSE_ALL);
    (void)state;
    assert_int_equal(f->graph->n_nodes, 3);
    assert_int_equal(f->graph->nodes[2].inst.op, MOP_OP_ADD);
    assert_same_function("act then add", f, m, same_tolerance);
    mop_model_free(m);
    mop_model_free(f);
}

static void a_value_that_two_read_keeps_its_operator(void **state)
{
    mop_graph_builder *b = builder(6, 4);
    uint32_t c = add_conv(b, 0, conv(4, 3, 3, 1, 1), "c");
    uint32_t y = add_add(b, add_act(b, c, MOP_ACT_RELU, "r"), add_bn(b, c, "bn"), "sum");
    mop_model *m = seal_model(b, add_act(b, y, MOP_ACT_SILU, "s")), *f = fuse(m, MOP_FUSE_ALL);
    (void)state;
    assert_int_equal(count_op(f->graph, MOP_OP_BATCHNORM), 1);
    assert_same_function("two readers", f, m, same_tolerance);
    mop_model_free(m);
    mop_model_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deploy_form_computes_what_the_training_form_does),
        cmocka_unit_test(deploy_graph_alone_equals_the_deploy_model),
        cmocka_unit_test(deploy_form_adds_only_skips),
        cmocka_unit_test(a_deploy_spec_gives_the_reparameterized_training_spec),
        cmocka_unit_test(reparameterizing_twice_changes_nothing),
        cmocka_unit_test(branches_of_any_kernel_merge_into_the_largest),
        cmocka_unit_test(strided_branches_merge),
        cmocka_unit_test(what_is_no_branch_stays),
        cmocka_unit_test(fusing_keeps_the_function_and_the_convolutions),
        cmocka_unit_test(nothing_to_fuse_gives_the_same_graph),
        cmocka_unit_test(deploy_networks_fuse_to_convolutions_and_the_head),
        cmocka_unit_test(sums_of_branches_fuse_into_residuals),
        cmocka_unit_test(an_add_after_the_activation_stays),
        cmocka_unit_test(a_value_that_two_read_keeps_its_operator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
