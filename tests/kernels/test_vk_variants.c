/* Every variant of every kernel against the float64 reference under the derived bound, with
 * validation silent. The lists are walked as the kernels give them, so that a new tile is covered
 * by itself: convolutions at sizes round the variant's own tile, the others in small networks of
 * which every node takes its n-th choice in the n-th run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/onebyone.h"
#include "tests/support/pace.h"
#include "tests/support/vulkan.h"

enum { SEED = 20261122, CHOICES = 8 * MOP_VK_VARIANTS };

static vulkan_fixture fixture;

/* Names of the choices that the nodes of net are to take. */
typedef struct wishes {
    const obo_net *net;
    char name[OBO_NODES][MOP_VK_VARIANT_NAME];
} wishes;

static const char *wished(const void *ctx, const mop_op_inst *inst, mop_dtype dtype)
{
    (void)dtype;
    const wishes *w = ctx;
    for (uint32_t i = 1; i < w->net->graph.n_nodes; i++)
        if (inst == &w->net->nodes[i].inst)
            return w->name[i];
    return NULL;
}

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

static mop_vk_caps *caps(void)
{
    return &fixture.device->vk->caps;
}

/* Runs net as w says and checks every node, and that each was done by what w names. */
static void check(const obo_net *net, const wishes *w)
{
    const mop_vk_caps before = *caps();
    caps()->tuned = wished;
    caps()->tuned_ctx = w;
    for (uint32_t i = 1; i < net->graph.n_nodes; i++) {
        char name[MOP_VK_VARIANT_NAME];
        mop_vk_task task;
        const mop_vk_kernel *k =
            mop_vk_kernel_choose(caps(), &net->nodes[i].inst, MOP_DTYPE_FP32, &task);
        assert_non_null(k);
        if (w->name[i][0] != '\0')
            assert_string_equal(mop_vk_variant_name(k, &task.variant, name), w->name[i]);
    }
    float *in = obo_input(net);
    const double worst = obo_worst(&mop_backend_vulkan, fixture.device, &net->model, in);
    free(in);
    *caps() = before;
    if (!(worst <= 1))
        fail_msg("%s and others: worst error is %g of its bound", w->name[net->graph.n_nodes - 1],
                 worst);
    vulkan_expect_silence(&fixture);
}

/* The n-th of all choices for inst; false past the last. */
static bool nth_choice(const mop_op_inst *inst, size_t n, char name[MOP_VK_VARIANT_NAME])
{
    const mop_vk_kernel *kernel;
    for (size_t i = 0; (kernel = mop_vk_kernel_at(i)) != NULL; i++) {
        mop_vk_variant list[MOP_VK_VARIANTS];
        const size_t many = mop_vk_kernel_variants(kernel, caps(), inst, MOP_DTYPE_FP32, list);
        if (n < many) {
            (void)mop_vk_variant_name(kernel, &list[n], name);
            return true;
        }
        n -= many;
    }
    return false;
}

/* Runs net until every node has made every choice. */
static void check_every_choice(const obo_net *net)
{
    size_t count[OBO_NODES] = {0}, most = 0;
    wishes w = {.net = net};
    for (uint32_t i = 1; i < net->graph.n_nodes; i++) {
        while (nth_choice(&net->nodes[i].inst, count[i], w.name[i]))
            count[i]++;
        assert_true(count[i] > 0 && count[i] < CHOICES);
        most = count[i] > most ? count[i] : most;
    }
    for (size_t n = 0; n < most; n += mop_test_is_slow() ? 4 : 1) {
        for (uint32_t i = 1; i < net->graph.n_nodes; i++)
            assert_true(nth_choice(&net->nodes[i].inst, n % count[i], w.name[i]));
        check(net, &w);
    }
}

static mop_params conv_params(int32_t cout, int32_t k, int32_t stride, int32_t groups)
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
                                   .has_bias = true},
                        .act = MOP_ACT_RELU6};
}

/* Two convolutions of a kind on the same input, the second adding the first's output, both by
 * `variant` of `kernel` if it is on offer for them; returns whether it was for the second. */
static bool check_conv(const char *name, mop_shape in, const mop_params *params)
{
    obo_net net;
    wishes w = {.net = &net};
    mop_params p = *params;
    char other[MOP_VK_VARIANT_NAME];
    obo_init(&net, in, SEED);
    const uint32_t input = 0, first = obo_add(&net, MOP_OP_CONV2D, &p, &input, 1);
    p.has_residual = true;
    const uint32_t last = obo_add(&net, MOP_OP_CONV2D, &p, (uint32_t[]){0, first}, 2);
    for (size_t n = 0; nth_choice(&net.nodes[last].inst, n, other); n++)
        if (strcmp(other, name) == 0)
            (void)snprintf(w.name[last], sizeof w.name[last], "%s", name);
    const bool is_offered = w.name[last][0] != '\0';
    memcpy(w.name[first], w.name[last], sizeof w.name[first]);
    if (is_offered)
        check(&net, &w);
    obo_free(&net);
    return is_offered;
}

/* Every variant of the kernels that may do `probe`, at sizes of just a tile and of one more in each
 * direction: of lanes * x pixels or x by y, and 4 t output channels. */
static void check_tiles(const mop_op_inst *probe, bool is_depthwise)
{
    const mop_vk_kernel *kernel;
    size_t n_checked = 0;
    for (size_t i = 0; (kernel = mop_vk_kernel_at(i)) != NULL; i++) {
        mop_vk_variant list[MOP_VK_VARIANTS];
        const size_t n = mop_vk_kernel_variants(kernel, caps(), probe, MOP_DTYPE_FP32, list);
        for (size_t k = 0; k < n; k += mop_test_is_slow() ? 4 : 1) {
            const mop_vk_variant v = list[k];
            const int32_t lanes = is_depthwise ? 1 : (int32_t)caps()->lanes;
            const int32_t w = v.x > 0 ? v.x * lanes : 8, h = v.y > 0 ? v.y : 1;
            const int32_t t = v.t > 0 ? v.t : 2, u = v.u > 0 ? v.u : 1;
            char name[MOP_VK_VARIANT_NAME];
            (void)mop_vk_variant_name(kernel, &v, name);
            const mop_params exact = conv_params(is_depthwise ? 8 : 4 * t, is_depthwise ? 3 : 1, 1,
                                                 is_depthwise ? 8 : 1);
            const mop_params more = conv_params(is_depthwise ? 6 : 4 * t + 1, 3,
                                                is_depthwise ? 2 : 1, is_depthwise ? 6 : 1);
            const bool a = check_conv(name, (mop_shape){1, h, w, is_depthwise ? 8 : 4 * u}, &exact);
            const bool b = check_conv(name,
                                      is_depthwise ? (mop_shape){2, 2 * h + 1, 2 * w + 1, 6}
                                                   : (mop_shape){2, 1, w + 1, 4 * u + 1},
                                      &more);
            if (!a && !b && !check_conv(name, probe->in[0], &probe->params))
                fail_msg("%s was not run", name);
            n_checked++;
        }
    }
    assert_true(n_checked > 2);
}

static mop_op_inst infer(mop_shape in, const mop_params *p)
{
    mop_op_inst inst = {.op = MOP_OP_CONV2D, .params = *p, .n_in = 1, .in = {in}};
    assert_int_equal(mop_op_infer(&inst, NULL), MOP_OK);
    return inst;
}

static void every_tile_of_dense_convolution_is_right_round_itself(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    const mop_params p = conv_params(37, 3, 2, 1);
    const mop_op_inst probe = infer((mop_shape){1, 13, 11, 9}, &p);
    check_tiles(&probe, false);
}

static void every_tile_of_depthwise_convolution_is_right_round_itself(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    const mop_params p = conv_params(9, 3, 1, 9);
    const mop_op_inst probe = infer((mop_shape){1, 12, 15, 9}, &p);
    check_tiles(&probe, true);
}

static void every_choice_for_grouped_and_connected_layers_is_right(void **state)
{
    obo_net net;
    (void)state;
    vulkan_need_device(&fixture);
    const mop_params grouped = conv_params(18, 3, 1, 3), none = {0};
    const mop_params fc = {.u.fc = {.cout = 35, .has_bias = true}, .act = MOP_ACT_SIGMOID};
    const mop_params pool = {.u.pool = {MOP_POOL_AVG, 3, 2, 1}};
    obo_init(&net, (mop_shape){2, 6, 5, 12}, SEED);
    uint32_t x = obo_add(&net, MOP_OP_CONV2D, &grouped, (uint32_t[]){0}, 1);
    x = obo_add(&net, MOP_OP_POOL, &pool, &x, 1);
    x = obo_add(&net, MOP_OP_GAP, &none, &x, 1);
    (void)obo_add(&net, MOP_OP_FC, &fc, &x, 1);
    check_every_choice(&net);
    obo_free(&net);
}

static void every_choice_for_elementwise_operators_is_right(void **state)
{
    obo_net net;
    (void)state;
    vulkan_need_device(&fixture);
    const mop_params none = {0}, silu = {.act = MOP_ACT_SILU};
    const mop_params bn = {.u.bn.eps = 1e-5f, .act = MOP_ACT_RELU, .has_residual = true};
    obo_init(&net, (mop_shape){2, 5, 7, 6}, SEED);
    const uint32_t v = obo_add(&net, MOP_OP_GAP, &none, (uint32_t[]){0}, 1);
    const uint32_t m = obo_add(&net, MOP_OP_MUL, &none, (uint32_t[]){0, v}, 2);
    const uint32_t a = obo_add(&net, MOP_OP_ADD, &silu, (uint32_t[]){m, v}, 2);
    const uint32_t f = obo_add(&net, MOP_OP_ACT, &silu, &a, 1);
    (void)obo_add(&net, MOP_OP_BATCHNORM, &bn, (uint32_t[]){f, m}, 2);
    check_every_choice(&net);
    obo_free(&net);
}

static void every_choice_for_dynamic_activations_is_right(void **state)
{
    obo_net net;
    (void)state;
    vulkan_need_device(&fixture);
    const mop_params none = {0};
    const mop_params fc = {.u.fc = {.cout = 32, .has_bias = true}, .act = MOP_ACT_SIGMOID};
    const mop_params relu = {.u.dy = {2, 1, 1, true}}, shift = {.u.dy = {2, 2, 4, false}};
    obo_init(&net, (mop_shape){2, 5, 7, 8}, SEED);
    uint32_t v = obo_add(&net, MOP_OP_GAP, &none, (uint32_t[]){0}, 1);
    v = obo_add(&net, MOP_OP_FC, &fc, &v, 1);
    const uint32_t r = obo_add(&net, MOP_OP_DYRELU, &relu, (uint32_t[]){0, v}, 2);
    (void)obo_add(&net, MOP_OP_DYSHIFTMAX, &shift, (uint32_t[]){r, v}, 2);
    check_every_choice(&net);
    obo_free(&net);
}

static void every_choice_for_attention_is_right(void **state)
{
    obo_net net;
    (void)state;
    vulkan_need_device(&fixture);
    const mop_params none = {0}, norm = {.u.bn = {.eps = 1e-6f}}, qkv = conv_params(72, 1, 1, 1);
    const mop_params attn = {.u.attn = {.heads = 2}};
    obo_init(&net, (mop_shape){1, 4, 4, 24}, SEED);
    uint32_t x = obo_add(&net, MOP_OP_EMBED, &none, (uint32_t[]){0}, 1);
    x = obo_add(&net, MOP_OP_LAYERNORM, &norm, &x, 1);
    const uint32_t p = obo_add(&net, MOP_OP_CONV2D, &qkv, &x, 1);
    x = obo_add(&net, MOP_OP_ATTN_QK, &attn, &p, 1);
    x = obo_add(&net, MOP_OP_SOFTMAX, &none, &x, 1);
    x = obo_add(&net, MOP_OP_ATTN_AV, &attn, (uint32_t[]){x, p}, 2);
    (void)obo_add(&net, MOP_OP_CLASS_TOKEN, &none, &x, 1);
    check_every_choice(&net);
    obo_free(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tile_of_dense_convolution_is_right_round_itself),
        cmocka_unit_test(every_tile_of_depthwise_convolution_is_right_round_itself),
        cmocka_unit_test(every_choice_for_grouped_and_connected_layers_is_right),
        cmocka_unit_test(every_choice_for_elementwise_operators_is_right),
        cmocka_unit_test(every_choice_for_dynamic_activations_is_right),
        cmocka_unit_test(every_choice_for_attention_is_right),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
