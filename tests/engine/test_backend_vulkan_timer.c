/* The trust test of device timers: clocks that lie in each way known, by the entry point that reads
 * them replaced, and what the back end then says of device time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/vk/timer.h"
#include "profiler/base/clock.h"
#include "tests/support/onebyone.h"
#include "tests/support/vulkan.h"

enum { SEED = 20240607 };

static const mop_backend *const vulkan = &mop_backend_vulkan;
static vulkan_fixture fixture;
static PFN_vkGetQueryPoolResults real_results;

static int open_device(void **state)
{
    (void)state;
    printf("seed %d\n", SEED);
    vulkan_fixture_open(&fixture, NULL);
    if (fixture.device != NULL)
        real_results = fixture.device->vk->fn.GetQueryPoolResults;
    return 0;
}

static int close_device(void **state)
{
    (void)state;
    vulkan_fixture_close(&fixture);
    return 0;
}

/* What a lying clock makes of the ticks of one query pool, the oldest first. */
typedef void lie_fn(uint64_t *ticks, uint32_t n);
static lie_fn *lie;

static VkResult VKAPI_PTR lying_results(VkDevice d, VkQueryPool pool, uint32_t first, uint32_t n,
                                        size_t size, void *data, VkDeviceSize stride,
                                        VkQueryResultFlags flags)
{
    VkResult r = real_results(d, pool, first, n, size, data, stride, flags);
    assert_int_equal(stride, sizeof(uint64_t));
    if (r == VK_SUCCESS)
        lie(data, n);
    return r;
}

static void zero(uint64_t *ticks, uint32_t n)
{
    memset(ticks, 0, n * sizeof *ticks);
}

static void constant(uint64_t *ticks, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        ticks[i] = ticks[0];
}

static void backwards(uint64_t *ticks, uint32_t n)
{
    for (uint32_t i = 0; i < n / 2; i++) {
        const uint64_t t = ticks[i];
        ticks[i] = ticks[n - 1 - i];
        ticks[n - 1 - i] = t;
    }
}

/* Four times the work looks like twice as much. */
static void by_the_square_root(uint64_t *ticks, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        ticks[i] = ticks[0] + (uint64_t)(sqrt((double)(ticks[i] - ticks[0])) * 100);
}

static void at_double_rate(uint64_t *ticks, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        ticks[i] *= 2;
}

static void at_half_rate(uint64_t *ticks, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        ticks[i] /= 2;
}

/* 32 valid bits that pass zero amid the first span, and rubbish above them. */
static void wrapping(uint64_t *ticks, uint32_t n)
{
    const uint64_t first = ticks[0], half = (ticks[1] - ticks[0]) / 2;
    for (uint32_t i = 0; i < n; i++)
        ticks[i] =
            ((ticks[i] - first - half) & UINT32_MAX) | UINT64_C(0xabcd) << 48 | i % 2ULL << 40;
}

/* Tests the timer anew with `with` between the device and the program; NULL: nothing. */
static bool is_trusted_with(lie_fn *with)
{
    mop_vk *vk = fixture.device->vk;
    lie = with;
    vk->fn.GetQueryPoolResults = with != NULL ? lying_results : real_results;
    vk->timer = (mop_vk_timer){0};
    const bool trusted = mop_vk_timer_is_trusted(vk);
    printf("%s\n", trusted ? "trusted" : vk->timer.why);
    assert_int_equal(trusted, *vk->timer.why == '\0');
    return trusted;
}

static void expect_reason(const char *part)
{
    assert_non_null(strstr(fixture.device->vk->timer.why, part));
}

static void an_honest_clock_is_trusted_and_tested_once(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    assert_true(is_trusted_with(NULL));
    lie = zero; /* nobody asks again */
    fixture.device->vk->fn.GetQueryPoolResults = lying_results;
    assert_true(mop_vk_timer_is_trusted(fixture.device->vk));
    fixture.device->vk->fn.GetQueryPoolResults = real_results;
    vulkan_expect_silence(&fixture);
}

static void clocks_that_lie_are_found_out(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    assert_false(is_trusted_with(zero));
    expect_reason("stand still");
    assert_false(is_trusted_with(constant));
    expect_reason("stand still");
    assert_false(is_trusted_with(backwards));
    expect_reason("of what took the host");
    assert_false(is_trusted_with(by_the_square_root));
    expect_reason("lengths 1, 2 and 4");
    assert_false(is_trusted_with(at_double_rate));
    expect_reason("of what took the host");
    assert_false(is_trusted_with(at_half_rate));
    expect_reason("say only");
    assert_true(is_trusted_with(NULL));
}

static void missing_bits_and_a_period_of_zero_are_named(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    mop_vk *vk = fixture.device->vk;
    const uint32_t bits = vk->timestamp_bits;
    const float period = vk->limits.timestampPeriod;
    vk->timestamp_bits = 0;
    assert_false(is_trusted_with(NULL));
    expect_reason("no timestamps");
    vk->timestamp_bits = bits;
    vk->limits.timestampPeriod = 0;
    assert_false(is_trusted_with(NULL));
    expect_reason("a period of 0 ns");
    vk->limits.timestampPeriod = period;
    assert_true(is_trusted_with(NULL));
}

static void a_counter_of_32_bits_may_wrap_round(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    mop_vk *vk = fixture.device->vk;
    const uint32_t bits = vk->timestamp_bits;
    vk->timestamp_bits = 32;
    assert_true(mop_vk_timer_ns(vk, UINT32_MAX - 4, 5) == 10 * (double)vk->limits.timestampPeriod);
    assert_true(is_trusted_with(wrapping));
    vk->timestamp_bits = bits;
    assert_false(is_trusted_with(wrapping)); /* the same ticks taken for 64 bits */
    assert_true(is_trusted_with(NULL));
}

static VkResult VKAPI_PTR no_results(VkDevice d, VkQueryPool pool, uint32_t first, uint32_t n,
                                     size_t size, void *data, VkDeviceSize stride,
                                     VkQueryResultFlags flags)
{
    (void)d;
    (void)pool;
    (void)first;
    (void)n;
    (void)size;
    (void)data;
    (void)stride;
    (void)flags;
    return VK_ERROR_OUT_OF_HOST_MEMORY;
}

static VkResult VKAPI_PTR no_fence(VkDevice d, const VkFenceCreateInfo *info,
                                   const VkAllocationCallbacks *a, VkFence *fence)
{
    (void)d;
    (void)info;
    (void)a;
    (void)fence;
    return VK_ERROR_OUT_OF_HOST_MEMORY;
}

static void a_test_that_cannot_be_made_trusts_nothing(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    mop_vk *vk = fixture.device->vk;
    const mop_vk_fn real = vk->fn;
    vk->fn.GetQueryPoolResults = no_results;
    vk->timer = (mop_vk_timer){0};
    assert_false(mop_vk_timer_is_trusted(vk));
    expect_reason("vkGetQueryPoolResults");
    vk->fn = real;
    vk->fn.CreateFence = no_fence;
    vk->timer = (mop_vk_timer){0};
    assert_false(mop_vk_timer_is_trusted(vk));
    expect_reason("vkCreateFence");
    vk->fn = real;
    assert_true(is_trusted_with(NULL));
    vulkan_expect_silence(&fixture);
}

/* A fully connected layer. */
static void small_net(obo_net *net)
{
    const mop_params fc = {.u.fc = {.cout = 3, .has_bias = true}};
    obo_init(net, (mop_shape){1, 1, 1, 5}, SEED);
    (void)obo_add(net, MOP_OP_FC, &fc, (uint32_t[]){0}, 1);
}

static void an_untrusted_clock_gives_no_device_time(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    const mop_plan_desc desc = {0};
    obo_net net;
    small_net(&net);
    float *x = obo_input(&net), y[3];
    uint64_t ns = 7, layers[2] = {7, 7};
    mop_profile profile = {.layer_ns = layers, .n_layers = 2};
    mop_plan *plan = NULL;
    mop_err err = {0};
    assert_int_equal(vulkan->plan(fixture.device, &net.model, &desc, &plan, &err), MOP_OK);
    assert_int_equal(vulkan->run(plan, x, y, NULL, &err), MOP_OK);
    assert_false(is_trusted_with(at_half_rate)); /* one that no single run could refuse */
    assert_false(vulkan->device_time(plan, &ns));
    assert_int_equal(ns, 7);
    assert_int_equal(vulkan->run(plan, x, y, &profile, &err), MOP_EUNSUPPORTED);
    assert_non_null(strstr(err.msg, "no device timestamps"));
    assert_non_null(strstr(err.msg, fixture.device->vk->timer.why));
    assert_int_equal(layers[1], 7);
    assert_true(is_trusted_with(NULL));
    assert_int_equal(vulkan->run(plan, x, y, NULL, NULL), MOP_OK);
    assert_true(vulkan->device_time(plan, &ns));
    vulkan->plan_free(plan);
    free(x);
    obo_free(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_clock_is_trusted_and_tested_once),
        cmocka_unit_test(clocks_that_lie_are_found_out),
        cmocka_unit_test(missing_bits_and_a_period_of_zero_are_named),
        cmocka_unit_test(a_counter_of_32_bits_may_wrap_round),
        cmocka_unit_test(a_test_that_cannot_be_made_trusts_nothing),
        cmocka_unit_test(an_untrusted_clock_gives_no_device_time),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
