/* What a run of the Vulkan back end asks of the device: no barrier too few, none too many, and
 * few calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "kernels/vk/timer.h"
#include "tests/support/own_alloc.h"
#include "tests/support/vklayer.h"
#include "tests/support/vulkan.h"
#include "variants/passes.h"
#include "variants/variant.h"

enum { SEED = 20261122, MOST_BARRIERS = 64 };

static const mop_backend *const vulkan = &mop_backend_vulkan;

typedef void net_fn(obo_net *net);

/* Read after write three times; the gelu is placed where the relu was, which the gap still reads:
 * write after read. The input is read by two. */
static void reused_memory(obo_net *net)
{
    const mop_params relu = {.act = MOP_ACT_RELU}, gelu = {.act = MOP_ACT_GELU}, none = {0};
    obo_init(net, (mop_shape){1, 8, 8, 8}, SEED);
    uint32_t a = obo_add(net, MOP_OP_ACT, &relu, (uint32_t[]){0}, 1);
    uint32_t b = obo_add(net, MOP_OP_GAP, &none, &a, 1);
    uint32_t c = obo_add(net, MOP_OP_ACT, &gelu, (uint32_t[]){0}, 1);
    (void)obo_add(net, MOP_OP_MUL, &none, (uint32_t[]){c, b}, 2);
}

/* Two that have nothing to do with each other, and their sum. */
static void two_branches(obo_net *net)
{
    const mop_params relu = {.act = MOP_ACT_RELU}, gelu = {.act = MOP_ACT_GELU}, none = {0};
    obo_init(net, (mop_shape){1, 8, 8, 8}, SEED);
    uint32_t a = obo_add(net, MOP_OP_ACT, &relu, (uint32_t[]){0}, 1);
    uint32_t b = obo_add(net, MOP_OP_ACT, &gelu, (uint32_t[]){0}, 1);
    (void)obo_add(net, MOP_OP_ADD, &none, (uint32_t[]){a, b}, 2);
}

/* A chain, whose outputs take turns in two places. */
static void chain(obo_net *net)
{
    const mop_params relu = {.act = MOP_ACT_RELU}, gelu = {.act = MOP_ACT_GELU};
    uint32_t v = 0;
    obo_init(net, (mop_shape){1, 8, 8, 8}, SEED);
    for (int i = 0; i < 4; i++)
        v = obo_add(net, MOP_OP_ACT, i % 2 == 0 ? &relu : &gelu, &v, 1);
}

/* In 8-bit integers a convolution takes three dispatches, which wait for each other. */
static void three_steps(obo_net *net)
{
    const mop_params conv = {.u.conv = {.cout = 8,
                                        .kh = 3,
                                        .kw = 3,
                                        .stride = 1,
                                        .dilation = 1,
                                        .groups = 1,
                                        .pad_top = 1,
                                        .pad_left = 1,
                                        .pad_bottom = 1,
                                        .pad_right = 1}};
    obo_init(net, (mop_shape){1, 8, 8, 8}, SEED);
    (void)obo_add(net, MOP_OP_CONV2D, &conv, (uint32_t[]){0}, 1);
}

static bool open_layered(const char *switches, bool validate, mop_device **device)
{
    const mop_vk_options options = {
        .threads = 1, .validate = validate, .switches = switches, .entry = vklayer_entry};
    mop_err err = {0};
    vklayer_reset();
    if (mop_vulkan_open(&options, device, &err) == MOP_OK)
        return true;
    printf("skip: %s\n", err.msg);
    return false;
}

static mop_plan *plan_of(mop_device *device, const mop_model *model, mop_dtype dtype)
{
    const mop_plan_desc desc = {.dtype = dtype};
    mop_plan *plan = NULL;
    mop_err err = {0};
    if (vulkan->plan(device, model, &desc, &plan, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    return plan;
}

static bool overlap(const mop_plan *p, uint32_t a, uint32_t b)
{
    const size_t x = p->memory.offset[a], y = p->memory.offset[b];
    return x < y + p->nodes[b].bytes && y < x + p->nodes[a].bytes;
}

/* The hazards between a node and an earlier one. */
static bool writes_what_it_reads(const mop_plan *p, uint32_t writer, uint32_t reader)
{
    const mop_node *n = &p->graph->nodes[reader];
    for (uint32_t k = 0; k < n->inst.n_in; k++)
        if (overlap(p, writer, n->in[k]))
            return true;
    return false;
}

/* How few barriers keep all pairs apart that share memory of which one is written: each as late as
 * it can be. */
static int fewest_barriers(const mop_plan *p)
{
    int n = 0;
    for (uint32_t i = 2, since = 1; i < p->graph->n_nodes; i++) {
        bool is_clash = false;
        for (uint32_t k = since; k < i; k++)
            is_clash = is_clash || overlap(p, k, i) || writes_what_it_reads(p, k, i) ||
                       writes_what_it_reads(p, i, k);
        if (is_clash) {
            since = i;
            n++;
        }
    }
    return n;
}

/* Records net with barrier k left out and runs it; 0 if there is no barrier k, else its two stages.
 * *messages is what validation had to say. -1 without a device. */
static int run_without(net_fn *build, const char *switches, int k, uint32_t *messages)
{
    mop_device *device;
    obo_net net;
    float y[8 * 8 * 8];
    if (!open_layered(switches, true, &device))
        return -1;
    build(&net);
    float *x = obo_input(&net);
    vklayer_now.drop_at = k;
    mop_plan *plan =
        plan_of(device, &net.model, build == three_steps ? MOP_DTYPE_INT8 : MOP_DTYPE_FP32);
    const int stages = (int)(vklayer_now.dropped_from << 16 | vklayer_now.dropped_to);
    assert_int_equal(vulkan->run(plan, x, y, NULL, NULL), MOP_OK);
    *messages = vulkan->validation_messages(device);
    vulkan->plan_free(plan);
    vulkan->close(device);
    obo_free(&net);
    free(x);
    return stages;
}

/* Every barrier in turn; *seen gets the stages of those left out. */
static bool remove_each(net_fn *build, const char *name, const char *switches, uint32_t *seen)
{
    const int to_host = VK_PIPELINE_STAGE_HOST_BIT;
    int n = 0, unseen = 0;
    for (int k = 0; k < MOST_BARRIERS; k++) {
        uint32_t messages = 0;
        const int stages = run_without(build, switches, k, &messages);
        if (stages < 0)
            return false;
        if (k == 0 || stages == 0) { /* all barriers are there */
            assert_int_equal(messages, 0);
            if (k > 0)
                break;
            continue;
        }
        n++;
        if ((stages & 0xffff) == to_host) { /* no layer sees what the host reads */
            unseen++;
            continue;
        }
        if (messages == 0)
            fail_msg("%s: nobody missed barrier %d", name, k);
        seen[stages >> 16 == VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT] |= (uint32_t)stages & 0xffff;
    }
    printf("%s%s%s: %d barriers left out, %d of them only for the host\n", name,
           switches != NULL ? ", " : "", switches != NULL ? switches : "", n, unseen);
    assert_true(n - unseen >= 2);
    assert_int_equal(unseen, 1);
    return true;
}

static void a_barrier_left_out_is_reported_by_validation(void **state)
{
    static const struct {
        const char *name;
        net_fn *build;
    } nets[] = {{"reused memory", reused_memory},
                {"two branches", two_branches},
                {"chain", chain},
                {"three steps", three_steps}};
    uint32_t seen[2] = {0}; /* second stages of barriers after copies, and after shaders */
    (void)state;
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++)
        for (int staged = 0; staged < 2; staged++)
            if ((staged == 1 || nets[i].build != two_branches) &&
                !remove_each(nets[i].build, nets[i].name, staged == 1 ? "staging" : NULL, seen))
                skip();
    assert_true((seen[0] & VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT) != 0); /* upload to shader */
    assert_true((seen[1] & VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT) != 0); /* shader to shader */
    assert_true((seen[1] & VK_PIPELINE_STAGE_TRANSFER_BIT) != 0);       /* shader to readback */
}

static int barriers_of(const mop_model *model, mop_device *device, int *fewest, bool *reuses)
{
    vklayer_reset();
    mop_plan *plan = plan_of(device, model, MOP_DTYPE_FP32);
    const int n = vklayer_now.barriers - 1; /* the last one is for the host */
    *fewest = fewest_barriers(plan);
    *reuses = false;
    for (uint32_t i = 1; i < plan->graph->n_nodes; i++)
        for (uint32_t k = i + 1; k < plan->graph->n_nodes; k++)
            *reuses =
                *reuses || (!writes_what_it_reads(plan, i, k) && writes_what_it_reads(plan, k, i));
    vulkan->plan_free(plan);
    return n;
}

static void there_are_as_few_barriers_as_keep_hazards_apart(void **state)
{
    static net_fn *const builds[] = {reused_memory, two_branches, chain};
    static const int want[] = {3, 1, 3};
    mop_device *device;
    mop_spec spec;
    mop_model *model = NULL, *fused = NULL;
    mop_err err = {0};
    int fewest;
    bool reuses;
    (void)state;
    if (!open_layered(NULL, false, &device))
        skip();
    for (size_t i = 0; i < 3; i++) {
        obo_net net;
        builds[i](&net);
        assert_int_equal(barriers_of(&net.model, device, &fewest, &reuses), want[i]);
        assert_int_equal(fewest, want[i]);
        assert_true(reuses || builds[i] != reused_memory); /* or it would not show what it is for */
        obo_free(&net);
    }
    assert_int_equal(mop_spec_parse("mobileone-s0@64", &spec, &err), MOP_OK);
    assert_int_equal(mop_variant_model(&spec, 1, SEED, &model, &err), MOP_OK);
    assert_int_equal(mop_pass_fuse(model, MOP_FUSE_ALL, &fused, &err), MOP_OK);
    const int n = barriers_of(fused, device, &fewest, &reuses);
    printf("mobileone-s0: %d barriers between %u dispatches\n", n, fused->graph->n_nodes - 1);
    assert_int_equal(n, fewest);
    mop_model_free(model);
    mop_model_free(fused);
    vulkan->close(device);
}

/* One network on one device, planned and run once. */
typedef struct stage {
    mop_device *device;
    mop_plan *plan;
    obo_net net;
    float *x, y[8 * 8 * 8], want[8 * 8 * 8];
} stage;

static bool set_up(stage *st, const char *switches)
{
    memset(st, 0, sizeof *st);
    if (!open_layered(switches, false, &st->device))
        return false;
    reused_memory(&st->net);
    st->x = obo_input(&st->net);
    st->plan = plan_of(st->device, &st->net.model, MOP_DTYPE_FP32);
    assert_int_equal(vulkan->run(st->plan, st->x, st->want, NULL, NULL), MOP_OK);
    return true;
}

static void tear_down(stage *st)
{
    vulkan->plan_free(st->plan);
    vulkan->close(st->device);
    obo_free(&st->net);
    free(st->x);
    assert_int_equal(vklayer_now.live, 0);
}

static mop_status run(stage *st)
{
    mop_err err = {0};
    memset(st->y, 0xff, sizeof st->y);
    mop_status s = vulkan->run(st->plan, st->x, st->y, NULL, &err);
    if (s == MOP_OK)
        assert_memory_equal(st->y, st->want, sizeof st->y);
    return s;
}

static void a_run_resets_submits_and_waits_and_makes_nothing(void **state)
{
    stage st;
    (void)state;
    for (int flushed = 0; flushed < 2; flushed++) {
        if (!set_up(&st, flushed == 1 ? "staging,flush" : NULL))
            skip();
        for (int i = 0; i < 3; i++) {
            vklayer_reset();
            own_alloc_calls = 0;
            assert_int_equal(run(&st), MOP_OK);
            assert_int_equal(own_alloc_calls, 0);
            assert_int_equal(vklayer_now.seen[VKLAYER_ResetFences], 1);
            assert_int_equal(vklayer_now.seen[VKLAYER_QueueSubmit], 1);
            assert_int_equal(vklayer_now.seen[VKLAYER_WaitForFences], 1);
            assert_int_equal(vklayer_now.seen[VKLAYER_FlushMappedMemoryRanges], flushed);
            assert_int_equal(vklayer_now.seen[VKLAYER_InvalidateMappedMemoryRanges], flushed);
            /* its timestamps, where the host may reset them */
            const int timed = vklayer_now.seen[VKLAYER_ResetQueryPool];
            assert_int_equal(timed, mop_vk_timer_resets_on_host(st.device->vk));
            assert_int_equal(vklayer_total(), 3 + 2 * flushed + timed); /* nothing else */
        }
        tear_down(&st);
    }
}

/* As many submits as keep each but those of one node under the limit. */
static int fewest_submits(const mop_graph *g, uint64_t limit)
{
    uint64_t macs = 0;
    int n = 1;
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        mop_cost cost;
        mop_op_cost(&g->nodes[i].inst, &cost);
        if (macs > 0 && macs + (uint64_t)cost.macs > limit) {
            macs = 0;
            n++;
        }
        macs += (uint64_t)cost.macs;
    }
    return n;
}

static void a_long_network_goes_in_several_submits_under_one_fence(void **state)
{
    static const uint64_t limits[] = {MOP_VK_MACS_PER_SUBMIT, 2000000, 1};
    mop_device *device;
    mop_spec spec;
    mop_model *model = NULL, *fused = NULL;
    mop_err err = {0};
    float *y[3] = {NULL};
    int n[3];
    (void)state;
    if (!open_layered("staging", false, &device))
        skip();
    device->vk->timer.is_tested = device->vk->timer.is_trusted = true;
    assert_int_equal(mop_spec_parse("mobileone-s0@32", &spec, &err), MOP_OK);
    assert_int_equal(mop_variant_model(&spec, 1, SEED, &model, &err), MOP_OK);
    assert_int_equal(mop_pass_fuse(model, MOP_FUSE_ALL, &fused, &err), MOP_OK);
    const mop_node *nodes = fused->graph->nodes;
    const mop_shape in = nodes[0].inst.out, out = nodes[fused->graph->n_nodes - 1].inst.out;
    const size_t n_out = (size_t)mop_shape_elems(out);
    float *x = malloc((size_t)mop_shape_elems(in) * sizeof *x);
    uint64_t *layers = malloc(fused->graph->n_nodes * sizeof *layers);
    assert_true(x != NULL && layers != NULL);
    mop_standard_input(in, SEED, x);
    for (int i = 0; i < 3; i++) {
        mop_profile profile = {.layer_ns = layers, .n_layers = fused->graph->n_nodes};
        device->vk->macs_per_submit = limits[i];
        mop_plan *plan = plan_of(device, fused, MOP_DTYPE_FP32);
        y[i] = malloc(n_out * sizeof **y);
        assert_non_null(y[i]);
        vklayer_reset();
        assert_int_equal(vulkan->run(plan, x, y[i], NULL, &err), MOP_OK);
        n[i] = vklayer_now.seen[VKLAYER_QueueSubmit];
        assert_int_equal(n[i], fewest_submits(fused->graph, limits[i]));
        assert_int_equal(vklayer_now.with_fence, 1);
        assert_int_equal(vklayer_now.seen[VKLAYER_WaitForFences], 1);
        assert_memory_equal(y[i], y[0], n_out * sizeof **y);
        (void)vulkan->run(plan, x, y[i], &profile, &err); /* a busy machine's clock may not fit */
        vklayer_reset();
        memset(y[i], 0xff, n_out * sizeof **y);
        assert_int_equal(vulkan->run(plan, x, y[i], NULL, &err), MOP_OK);
        assert_int_equal(vklayer_now.seen[VKLAYER_QueueSubmit], n[i]);
        assert_memory_equal(y[i], y[0], n_out * sizeof **y);
        vulkan->plan_free(plan);
    }
    printf("submits: %d, %d, %d\n", n[0], n[1], n[2]);
    assert_true(n[0] == 1 && n[1] > 1 && n[2] > n[1]);
    for (int i = 0; i < 3; i++)
        free(y[i]);
    free(x);
    free(layers);
    mop_model_free(model);
    mop_model_free(fused);
    vulkan->close(device);
    assert_int_equal(vklayer_now.live, 0);
}

static void the_first_run_may_compile_and_later_ones_may_not(void **state)
{
    stage st;
    (void)state;
    if (!set_up(&st, NULL))
        skip();
    const uint64_t first = vklayer_now.first_wait_ns;
    vklayer_reset();
    assert_int_equal(run(&st), MOP_OK);
    assert_true(vklayer_now.first_wait_ns >= UINT64_C(10000000000));
    assert_true(vklayer_now.first_wait_ns < UINT64_C(10100000000)); /* a network of a few MACs */
    assert_int_equal(first, vklayer_now.first_wait_ns + UINT64_C(5000000000));
    tear_down(&st);
}

/* What a GPU gets, on whatever device there is. */
static void a_gpu_is_asked_when_its_time_is_nearly_over(void **state)
{
    stage st;
    (void)state;
    if (!set_up(&st, NULL))
        skip();
    assert_int_equal(st.device->vk->spins, st.device->vk->info.type != VK_PHYSICAL_DEVICE_TYPE_CPU);
    st.device->vk->spins = true;
    st.plan->usual_ns = UINT64_C(80000000000); /* a run that ends long before is not asked for */
    vklayer_reset();
    assert_int_equal(run(&st), MOP_OK);
    assert_int_equal(vklayer_now.first_wait_ns, UINT64_C(70000000000));
    assert_int_equal(vklayer_now.seen[VKLAYER_WaitForFences], 1);
    assert_int_equal(vklayer_now.seen[VKLAYER_GetFenceStatus], 0);
    assert_true(st.plan->usual_ns < UINT64_C(10000000000)); /* learned */
    st.plan->usual_ns = 150000;                             /* too short to sleep at all */
    vklayer_reset();
    vklayer_now.not_ready = 2;
    assert_int_equal(run(&st), MOP_OK);
    assert_true(vklayer_now.seen[VKLAYER_GetFenceStatus] >= 1);
    assert_true(vklayer_now.seen[VKLAYER_WaitForFences] <= 1); /* if it took over 500 us */
    st.plan->usual_ns = 150000;
    vklayer_reset();
    vklayer_now.not_ready = -1; /* far beyond its time: it is blocked on again */
    assert_int_equal(run(&st), MOP_OK);
    assert_int_equal(vklayer_now.seen[VKLAYER_WaitForFences], 1);
    assert_int_equal(vklayer_now.first_wait_ns, st.plan->timeout_ns);
    st.plan->usual_ns = 150000;
    vklayer_reset();
    vklayer_now = (vklayer){.live = vklayer_now.live,
                            .fail_at = 1,
                            .fails_only = VKLAYER_GetFenceStatus,
                            .with = VK_ERROR_DEVICE_LOST};
    assert_int_equal(run(&st), MOP_ELOST);
    vklayer_reset();
    assert_int_equal(run(&st), MOP_ELOST);
    tear_down(&st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_barrier_left_out_is_reported_by_validation),
        cmocka_unit_test(there_are_as_few_barriers_as_keep_hazards_apart),
        cmocka_unit_test(a_run_resets_submits_and_waits_and_makes_nothing),
        cmocka_unit_test(a_long_network_goes_in_several_submits_under_one_fence),
        cmocka_unit_test(the_first_run_may_compile_and_later_ones_may_not),
        cmocka_unit_test(a_gpu_is_asked_when_its_time_is_nearly_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
