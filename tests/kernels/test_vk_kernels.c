/* Every shader at sizes round its tile against the float64 reference under the derived bound, with
 * core and synchronization validation silent. A few of them again at subgroups of 4 and 16 lanes,
 * by running this program anew with lavapipe's vector width set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/onebyone.h"
#include "tests/support/vulkan.h"

#if defined(__SANITIZE_ADDRESS__)
enum { STEP = 4 }; /* every 4th case: shader compilation is slow under the sanitizers */
#else
enum { STEP = 1 };
#endif

enum { SEED = 20240607 };

static vulkan_fixture fixture;
static bool every_type;

static int open_device(void **state)
{
    (void)state;
    printf("seed %d\n", SEED);
    vulkan_fixture_open(&fixture, NULL);
    return 0;
}

static int close_device(void **state)
{
    (void)state;
    vulkan_fixture_close(&fixture);
    return 0;
}

/* Number types besides float32 take turns where compiling for all would take minutes. */
static bool is_turn(mop_dtype dtype)
{
    static unsigned turn;
    const unsigned others = MOP_DTYPE_COUNT - 1;
    if (dtype == MOP_DTYPE_FP32)
        turn++;
    return dtype == MOP_DTYPE_FP32 || every_type || turn % others == (unsigned)dtype - 1;
}

/* Runs net, checks every node, and that node `index` was done by the shader meant. */
static void check(obo_net *net, uint32_t index, const char *kernel, const char *what)
{
    mop_vk_task task;
    const mop_vk_kernel *k = mop_vk_kernel_choose(&fixture.device->vk->caps,
                                                  &net->nodes[index].inst, MOP_DTYPE_FP32, &task);
    assert_non_null(k);
    if (kernel != NULL)
        assert_string_equal(k->name, kernel);
    float *in = obo_input(net);
    for (mop_dtype t = 0; t < MOP_DTYPE_COUNT; t++) {
        if (!is_turn(t) || mop_backend_runs(&mop_backend_vulkan, fixture.device, t, NULL) != MOP_OK)
            continue;
        double worst = obo_worst_as(&mop_backend_vulkan, fixture.device, &net->model, t, in);
        if (!(worst <= 1))
            fail_msg("%s in %s: worst error is %g of its bound", what, mop_dtype_name(t), worst);
    }
    free(in);
    vulkan_expect_silence(&fixture);
}

struct conv_case {
    mop_shape in;
    int32_t cout, k, stride, dilation, groups, pad;
    mop_act act;
    bool residual, bias;
};

static void check_conv(const struct conv_case *c, const char *kernel)
{
    obo_net net;
    const uint32_t input = 0;
    char what[128];
    obo_init(&net, c->in, SEED);
    mop_params p = {.u.conv = {.cout = c->cout,
                               .kh = c->k,
                               .kw = c->k,
                               .stride = c->stride,
                               .dilation = c->dilation,
                               .groups = c->groups,
                               .pad_top = c->pad,
                               .pad_left = c->pad,
                               .pad_bottom = c->pad,
                               .pad_right = c->pad,
                               .has_bias = c->bias},
                    .act = c->act};
    uint32_t last = obo_add(&net, MOP_OP_CONV2D, &p, &input, 1);
    if (c->residual) {
        p.has_residual = true;
        last = obo_add(&net, MOP_OP_CONV2D, &p, (uint32_t[]){0, last}, 2);
    }
    (void)snprintf(what, sizeof what, "conv %dx%dx%dx%d to %d, k %d s %d d %d g %d pad %d", c->in.n,
                   c->in.h, c->in.w, c->in.c, c->cout, c->k, c->stride, c->dilation, c->groups,
                   c->pad);
    check(&net, last, kernel, what);
    obo_free(&net);
}

static void check_convs(const struct conv_case *cases, size_t n, const char *kernel)
{
    vulkan_need_device(&fixture);
    for (size_t i = 0; i < n; i += STEP)
        check_conv(&cases[i], kernel);
}

static const char *dense_kernel(void)
{
    return fixture.device != NULL && fixture.device->vk->caps.shuffle ? "conv" : "conv_plain";
}

static void convolution_is_right_round_its_tile(void **state)
{
    (void)state;
    static const struct conv_case cases[] = {
        {{1, 1, 2, 1}, 1, 1, 1, 1, 1, 0, MOP_ACT_NONE, false, true},
        {{1, 4, 8, 4}, 32, 1, 1, 1, 1, 0, MOP_ACT_RELU, false, true},
        {{1, 3, 11, 5}, 33, 1, 1, 1, 1, 0, MOP_ACT_SIGMOID, true, true},
        {{2, 5, 7, 36}, 31, 1, 1, 1, 1, 0, MOP_ACT_GELU, false, false},
        {{3, 7, 19, 17}, 101, 1, 1, 1, 1, 0, MOP_ACT_RELU6, true, true},
        {{1, 9, 9, 8}, 64, 1, 2, 1, 1, 0, MOP_ACT_NONE, false, true},
        {{1, 13, 9, 3}, 48, 3, 2, 1, 1, 1, MOP_ACT_RELU, false, true},
        {{2, 6, 5, 6}, 12, 3, 1, 1, 1, 1, MOP_ACT_HARDSWISH, true, true},
        {{1, 6, 6, 4}, 7, 3, 1, 1, 1, 0, MOP_ACT_SILU, false, true},
        {{1, 9, 9, 5}, 9, 3, 2, 2, 1, 2, MOP_ACT_NONE, false, true},
        {{1, 12, 12, 3}, 20, 7, 2, 1, 1, 3, MOP_ACT_RELU, false, false},
        {{1, 5, 5, 2}, 6, 5, 1, 1, 1, 2, MOP_ACT_GELU_TANH, false, true},
        {{1, 1, 1, 12}, 8, 3, 1, 1, 1, 1, MOP_ACT_NONE, false, true},
        {{1, 17, 4, 24}, 132, 1, 1, 1, 1, 0, MOP_ACT_NONE, false, true},
    };
    check_convs(cases, sizeof cases / sizeof cases[0], dense_kernel());
}

static void depthwise_is_right_round_its_tile(void **state)
{
    (void)state;
    static const struct conv_case cases[] = {
        {{1, 7, 7, 8}, 8, 3, 1, 1, 8, 1, MOP_ACT_RELU, false, true},
        {{2, 5, 9, 6}, 6, 3, 1, 1, 6, 1, MOP_ACT_SIGMOID, true, true},
        {{1, 8, 8, 12}, 12, 3, 2, 1, 12, 1, MOP_ACT_NONE, false, true},
        {{1, 11, 13, 5}, 5, 3, 2, 1, 5, 1, MOP_ACT_HARDSIGMOID, false, false},
        {{1, 3, 3, 4}, 4, 3, 1, 1, 4, 0, MOP_ACT_NONE, false, true},
        {{1, 1, 1, 7}, 7, 3, 1, 1, 7, 1, MOP_ACT_NONE, false, true},
        {{1, 10, 6, 9}, 9, 5, 1, 1, 9, 2, MOP_ACT_RELU6, false, true},
        {{1, 9, 9, 4}, 4, 3, 1, 2, 4, 2, MOP_ACT_NONE, false, true},
        {{1, 14, 14, 4}, 4, 7, 2, 1, 4, 3, MOP_ACT_NONE, false, true},
        {{1, 6, 6, 8}, 8, 1, 1, 1, 8, 0, MOP_ACT_NONE, false, true},
    };
    check_convs(cases, sizeof cases / sizeof cases[0], "depthwise");
}

static void grouped_convolution_is_right(void **state)
{
    (void)state;
    static const struct conv_case cases[] = {
        {{1, 6, 5, 12}, 18, 3, 1, 1, 3, 1, MOP_ACT_RELU, true, true},
        {{2, 5, 5, 8}, 16, 3, 2, 1, 8, 1, MOP_ACT_SIGMOID, false, true},
        {{1, 4, 4, 10}, 5, 1, 1, 1, 5, 0, MOP_ACT_NONE, false, false},
    };
    check_convs(cases, sizeof cases / sizeof cases[0], "conv_grouped");
}

static void fully_connected_is_right(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    const int32_t sizes[][3] = {{1, 1, 1}, {2, 5, 31}, {1, 64, 33}, {3, 19, 100}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i += STEP) {
        obo_net net;
        const uint32_t input = 0;
        obo_init(&net, (mop_shape){sizes[i][0], 1, 1, sizes[i][1]}, SEED);
        const mop_params p = {.u.fc = {.cout = sizes[i][2], .has_bias = i % 2 == 0}};
        uint32_t last = obo_add(&net, MOP_OP_FC, &p, &input, 1);
        check(&net, last, "fc", "fc");
        obo_free(&net);
    }
    /* squeeze-and-excitation: 1x1 convolutions of a 1x1 map */
    const struct conv_case c = {{2, 1, 1, 13}, 6, 1, 1, 1, 1, 0, MOP_ACT_SIGMOID, true, true};
    check_conv(&c, "fc");
}

static void every_activation_is_right(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    for (int act = 1; act < MOP_ACT_COUNT; act += STEP) {
        obo_net net;
        const uint32_t input = 0;
        obo_init(&net, (mop_shape){1, 5, 9, 6}, SEED + (uint64_t)act);
        const mop_params p = {.act = (mop_act)act};
        (void)obo_add(&net, MOP_OP_ACT, &p, &input, 1);
        float *in = obo_input(&net);
        for (int i = 0; i < 45 * 6; i++)
            in[i] *= i % 7 == 0 ? 30 : i % 3 == 0 ? 5 : 1;
        in[0] = 0;
        in[1] = -200; /* where a careless exp() overflows */
        in[2] = 200;
        double worst = obo_worst(&mop_backend_vulkan, fixture.device, &net.model, in);
        free(in);
        if (!(worst <= 1))
            fail_msg("%s: worst error is %g of its bound", mop_act_name((mop_act)act), worst);
        obo_free(&net);
    }
    vulkan_expect_silence(&fixture);
}

static void elementwise_operators_are_right(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    const mop_shape shapes[] = {{1, 1, 1, 1}, {2, 5, 7, 6}, {1, 4, 8, 4}, {1, 9, 11, 13}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i += STEP) {
        obo_net net;
        obo_init(&net, shapes[i], SEED);
        const mop_params none = {0}, silu = {.act = MOP_ACT_SILU};
        const mop_params bn = {.u.bn.eps = 1e-5f, .act = MOP_ACT_RELU, .has_residual = true};
        uint32_t v = obo_add(&net, MOP_OP_GAP, &none, (uint32_t[]){0}, 1);
        uint32_t m = obo_add(&net, MOP_OP_MUL, &none, (uint32_t[]){0, v}, 2);
        uint32_t a = obo_add(&net, MOP_OP_ADD, &silu, (uint32_t[]){m, v}, 2);
        uint32_t f = obo_add(&net, MOP_OP_MUL, &silu, (uint32_t[]){a, m}, 2);
        uint32_t s = obo_add(&net, MOP_OP_ADD, &none, (uint32_t[]){f, a}, 2);
        uint32_t b = obo_add(&net, MOP_OP_BATCHNORM, &bn, (uint32_t[]){s, m}, 2);
        check(&net, b, "eltwise", "elementwise");
        obo_free(&net);
    }
}

static void pooling_is_right(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    const mop_pool_params pools[] = {{MOP_POOL_MAX, 3, 2, 1},
                                     {MOP_POOL_AVG, 3, 2, 1},
                                     {MOP_POOL_MAX, 2, 2, 0},
                                     {MOP_POOL_AVG, 5, 1, 2}};
    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i += STEP) {
        obo_net net;
        const uint32_t input = 0;
        obo_init(&net, (mop_shape){2, 9, 7, 6}, SEED);
        const mop_params p = {.u.pool = pools[i]};
        uint32_t last = obo_add(&net, MOP_OP_POOL, &p, &input, 1);
        check(&net, last, "pool", "pool");
        obo_free(&net);
    }
    obo_net net;
    const mop_params none = {0};
    obo_init(&net, (mop_shape){2, 13, 17, 10}, SEED);
    uint32_t last = obo_add(&net, MOP_OP_GAP, &none, (uint32_t[]){0}, 1);
    check(&net, last, "gap", "gap");
    obo_free(&net);
}

/* Coefficients: global average, fully connected, sigmoid, as the papers' hyper functions end. */
static void dynamic_activations_are_right(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    const struct {
        mop_op op;
        mop_dy_params dy;
        int32_t c, coeffs;
    } cases[] = {
        {MOP_OP_DYRELU, {2, 1, 1, false}, 8, 4},      {MOP_OP_DYRELU, {3, 1, 1, false}, 5, 6},
        {MOP_OP_DYRELU, {2, 1, 1, true}, 8, 32},      {MOP_OP_DYRELU, {2, 1, 1, true}, 7, 28},
        {MOP_OP_DYSHIFTMAX, {2, 2, 2, false}, 8, 32}, {MOP_OP_DYSHIFTMAX, {2, 2, 4, false}, 8, 32},
        {MOP_OP_DYSHIFTMAX, {1, 3, 3, false}, 9, 27},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i += STEP) {
        obo_net net;
        const mop_params none = {0}, sigmoid = {.act = MOP_ACT_SIGMOID};
        const mop_params fc = {.u.fc = {.cout = cases[i].coeffs, .has_bias = true}};
        const mop_params dy = {.u.dy = cases[i].dy};
        obo_init(&net, (mop_shape){2, 5, 7, cases[i].c}, SEED);
        uint32_t v = obo_add(&net, MOP_OP_GAP, &none, (uint32_t[]){0}, 1);
        v = obo_add(&net, MOP_OP_FC, &fc, &v, 1);
        v = obo_add(&net, MOP_OP_ACT, &sigmoid, &v, 1);
        uint32_t last = obo_add(&net, cases[i].op, &dy, (uint32_t[]){0, v}, 2);
        check(&net, last, "dynamic", "dynamic activation");
        obo_free(&net);
    }
}

/* Tokens, attention with whole and broken vec4s of keys, and both normalisations; channels round a
 * workgroup's lanes. */
static void attention_is_right(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    static const struct {
        mop_shape in;
        int32_t heads;
    } cases[] = {{{1, 1, 1, 4}, 1}, {{2, 2, 3, 8}, 2}, {{1, 4, 4, 24}, 2}, {{1, 3, 5, 68}, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i += STEP) {
        const mop_params none = {0}, norm = {.u.bn = {.eps = 1e-6f}};
        const mop_params attn = {.u.attn = {.heads = cases[i].heads}};
        const mop_params qkv = {.u.conv = {.cout = 3 * cases[i].in.c,
                                           .kh = 1,
                                           .kw = 1,
                                           .stride = 1,
                                           .dilation = 1,
                                           .groups = 1,
                                           .has_bias = true}};
        obo_net net;
        obo_init(&net, cases[i].in, SEED);
        uint32_t x = obo_add(&net, MOP_OP_EMBED, &none, (uint32_t[]){0}, 1);
        x = obo_add(&net, MOP_OP_LAYERNORM, &norm, &x, 1);
        const uint32_t p = obo_add(&net, MOP_OP_CONV2D, &qkv, &x, 1);
        x = obo_add(&net, MOP_OP_ATTN_QK, &attn, &p, 1);
        x = obo_add(&net, MOP_OP_SOFTMAX, &none, &x, 1);
        x = obo_add(&net, MOP_OP_ATTN_AV, &attn, (uint32_t[]){x, p}, 2);
        x = obo_add(&net, MOP_OP_CLASS_TOKEN, &none, &x, 1);
        check(&net, x, "attention", "attention");
        obo_free(&net);
    }
}

/* The path of devices without usable subgroups, forced by taking the capability away. */
static void convolution_without_subgroups_is_right(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    mop_vk_caps *caps = &fixture.device->vk->caps;
    const mop_vk_caps before = *caps;
    static const struct conv_case cases[] = {
        {{1, 7, 11, 9}, 18, 1, 1, 1, 1, 0, MOP_ACT_RELU, true, true},
        {{1, 9, 5, 3}, 8, 3, 2, 1, 1, 1, MOP_ACT_NONE, false, true},
    };
    caps->shuffle = false;
    check_convs(cases, sizeof cases / sizeof cases[0], "conv_plain");
    *caps = before;
}

/* Inputs and constants through storage buffers in every number type, by taking texel buffers away.
 */
static void every_type_is_right_through_storage_buffers(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    mop_vk_caps *caps = &fixture.device->vk->caps;
    const mop_vk_caps before = *caps;
    static const struct conv_case cases[] = {
        {{2, 7, 11, 9}, 18, 3, 2, 1, 1, 1, MOP_ACT_RELU, true, true},
        {{1, 7, 9, 6}, 6, 3, 1, 1, 6, 1, MOP_ACT_SILU, false, true},
        {{1, 6, 5, 12}, 18, 3, 1, 1, 3, 1, MOP_ACT_RELU, true, true},
        {{2, 1, 1, 13}, 6, 1, 1, 1, 1, 0, MOP_ACT_SIGMOID, true, true},
    };
    caps->max_texels = 0;
    every_type = true;
    check_convs(cases, sizeof cases / sizeof cases[0], NULL);
    every_type = false;
    *caps = before;
}

/* The same integers from shifts and products as from the instruction for dot products. */
static void integers_without_dot_products_are_right(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    mop_vk_caps *caps = &fixture.device->vk->caps;
    const mop_vk_caps before = *caps;
    static const struct conv_case cases[] = {
        {{2, 7, 11, 9}, 18, 3, 2, 1, 1, 1, MOP_ACT_RELU, true, true},
        {{2, 1, 1, 13}, 6, 1, 1, 1, 1, 0, MOP_ACT_SIGMOID, true, true},
    };
    caps->features &= ~(uint32_t)MOP_VK_CAN_DOT;
    every_type = true;
    check_convs(cases, sizeof cases / sizeof cases[0], NULL);
    every_type = false;
    *caps = before;
}

/* Runs this program again with the given vector width: 32 bits times the lanes of a subgroup. */
static void run_at_width(const char *width, uint32_t lanes)
{
    char command[160];
    vulkan_need_device(&fixture);
    if (strstr(fixture.device->vk->info.name, "llvmpipe") == NULL) {
        printf("skip: only lavapipe can be told its subgroup size\n");
        skip();
    }
    (void)snprintf(command, sizeof command,
                   "LP_NATIVE_VECTOR_WIDTH=%s /proc/%ld/exe --lanes %u >/dev/null 2>&1", width,
                   (long)getpid(), lanes);
    assert_int_equal(system(command), 0);
}

static void subgroups_of_4_lanes_are_right(void **state)
{
    (void)state;
    run_at_width("128", 4);
}

static void subgroups_of_8_lanes_are_right(void **state)
{
    (void)state;
    run_at_width("256", 8);
}

static void subgroups_of_16_lanes_are_right(void **state)
{
    (void)state;
    run_at_width("512", 16);
}

static unsigned long wanted_lanes;

static void a_few_of_each_shader_are_right(void **state)
{
    (void)state;
    static const struct conv_case dense[] = {
        {{1, 5, 7, 9}, 37, 1, 1, 1, 1, 0, MOP_ACT_GELU, false, true},
        {{1, 9, 9, 3}, 12, 3, 2, 1, 1, 1, MOP_ACT_RELU, false, true},
    };
    static const struct conv_case depthwise[] = {
        {{1, 6, 9, 6}, 6, 3, 1, 1, 6, 1, MOP_ACT_RELU, false, true},
    };
    assert_non_null(fixture.device);
    assert_int_equal(fixture.device->vk->caps.lanes, wanted_lanes);
    for (size_t i = 0; i < sizeof dense / sizeof dense[0]; i++)
        check_conv(&dense[i], dense_kernel());
    check_convs(depthwise, 1, "depthwise");
    obo_net net;
    obo_init(&net, (mop_shape){1, 7, 5, 6}, SEED);
    const mop_params none = {0}, sigmoid = {.act = MOP_ACT_SIGMOID};
    const mop_params fc = {.u.fc = {.cout = 24, .has_bias = true}};
    const mop_params dy = {.u.dy = {2, 1, 1, true}};
    uint32_t v = obo_add(&net, MOP_OP_GAP, &none, (uint32_t[]){0}, 1);
    v = obo_add(&net, MOP_OP_FC, &fc, &v, 1);
    v = obo_add(&net, MOP_OP_ACT, &sigmoid, &v, 1);
    v = obo_add(&net, MOP_OP_DYRELU, &dy, (uint32_t[]){0, v}, 2);
    check(&net, v, "dynamic", "dynamic activation");
    obo_free(&net);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolution_is_right_round_its_tile),
        cmocka_unit_test(depthwise_is_right_round_its_tile),
        cmocka_unit_test(grouped_convolution_is_right),
        cmocka_unit_test(fully_connected_is_right),
        cmocka_unit_test(every_activation_is_right),
        cmocka_unit_test(elementwise_operators_are_right),
        cmocka_unit_test(pooling_is_right),
        cmocka_unit_test(dynamic_activations_are_right),
        cmocka_unit_test(attention_is_right),
        cmocka_unit_test(convolution_without_subgroups_is_right),
        cmocka_unit_test(every_type_is_right_through_storage_buffers),
        cmocka_unit_test(integers_without_dot_products_are_right),
        cmocka_unit_test(subgroups_of_4_lanes_are_right),
        cmocka_unit_test(subgroups_of_8_lanes_are_right),
        cmocka_unit_test(subgroups_of_16_lanes_are_right),
    };
    const struct CMUnitTest few[] = {cmocka_unit_test(a_few_of_each_shader_are_right)};
    if (argc == 3 && strcmp(argv[1], "--lanes") == 0) {
        wanted_lanes = strtoul(argv[2], NULL, 10);
        return cmocka_run_group_tests(few, open_device, close_device);
    }
    return cmocka_run_group_tests(tests, open_device, close_device);
}
