/* Layer and device times of the Vulkan back end: by timestamps, by repetition, and where a run went
 * besides; what is missing or impossible is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/vk/timer.h"
#include "profiler/base/clock.h"
#include "tests/support/onebyone.h"
#include "tests/support/vulkan.h"

enum { SEED = 20240607, NODES = 5, OUT = 32 * 32 * 24 };

static const mop_backend *const vulkan = &mop_backend_vulkan;
static vulkan_fixture fixture;

/* A network of three convolutions and an activation, planned and with room for what it says. */
typedef struct subject {
    obo_net net;
    mop_plan *plan;
    float *x, y[OUT], want[OUT];
    uint64_t layer[NODES], begin[NODES];
    mop_profile profile;
} subject;

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

static void subject_open(subject *s, mop_device *device)
{
    const mop_params conv = {.u.conv = {.cout = 24,
                                        .kh = 3,
                                        .kw = 3,
                                        .stride = 1,
                                        .pad_top = 1,
                                        .pad_left = 1,
                                        .pad_bottom = 1,
                                        .pad_right = 1,
                                        .dilation = 1,
                                        .groups = 1}},
                     relu = {.act = MOP_ACT_RELU};
    const mop_plan_desc desc = {0};
    mop_err err = {0};
    memset(s, 0, sizeof *s);
    obo_init(&s->net, (mop_shape){1, 32, 32, 24}, SEED);
    uint32_t v = obo_add(&s->net, MOP_OP_CONV2D, &conv, (uint32_t[]){0}, 1);
    v = obo_add(&s->net, MOP_OP_CONV2D, &conv, &v, 1);
    v = obo_add(&s->net, MOP_OP_ACT, &relu, &v, 1);
    (void)obo_add(&s->net, MOP_OP_CONV2D, &conv, &v, 1);
    s->x = obo_input(&s->net);
    if (vulkan->plan(device, &s->net.model, &desc, &s->plan, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(vulkan->run(s->plan, s->x, s->want, NULL, &err), MOP_OK);
    s->profile = (mop_profile){.layer_ns = s->layer, .n_layers = NODES, .begin_ns = s->begin};
}

static void subject_close(subject *s)
{
    vulkan->plan_free(s->plan);
    free(s->x);
    obo_free(&s->net);
}

static void expect_layers(const subject *s)
{
    uint64_t sum = 0;
    assert_int_equal(s->profile.n_layers, NODES);
    for (int i = 0; i < NODES; i++)
        sum += s->layer[i];
    assert_true(sum > 0);
    assert_int_equal(sum, s->profile.total_ns);
}

/* The moments are in order, and the device's part fits between them and is all accounted for. */
static void expect_times(const mop_run_times *t, bool profiled)
{
    assert_true(t->begin <= t->packed && t->packed <= t->submitting);
    assert_true(t->submitting <= t->submitted && t->submitted <= t->finished);
    assert_true(t->finished <= t->readable && t->readable <= t->unpacking);
    assert_true(t->unpacking <= t->end);
    assert_true(t->device_ns > 0);
    assert_true((double)t->device_ns <= 1.01 * (double)(t->finished - t->submitting));
    if (profiled)
        assert_int_equal(t->device_ns, t->dispatch_ns + t->copy_ns + t->gap_ns);
    else
        assert_int_equal(t->dispatch_ns + t->copy_ns + t->gap_ns, 0);
}

static void a_profile_is_on_the_devices_clock_and_accounts_for_the_run(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    for (int staged = 0; staged < 2; staged++) {
        const mop_vk_options options = {.threads = 1, .switches = staged == 1 ? "staging" : NULL};
        vulkan_fixture own;
        subject s;
        mop_run_times t;
        vulkan_fixture_open(&own, &options);
        vulkan_need_device(&own);
        subject_open(&s, own.device);
        assert_true(vulkan->times(s.plan, &t));
        expect_times(&t, false);
        assert_int_equal(vulkan->run(s.plan, s.x, s.y, &s.profile, NULL), MOP_OK);
        assert_memory_equal(s.want, s.y, sizeof s.y);
        assert_string_equal(s.profile.clock_name, "device");
        expect_layers(&s);
        assert_true(vulkan->times(s.plan, &t));
        expect_times(&t, true);
        assert_int_equal(t.copy_ns > 0, staged);
        assert_int_equal(t.dispatch_ns, s.profile.total_ns - (staged ? s.layer[0] : 0));
        uint64_t ns;
        assert_false(vulkan->device_time(s.plan, &ns)); /* a profiled run is no sample */
        vulkan_expect_silence(&own);
        subject_close(&s);
        vulkan_fixture_close(&own);
    }
}

static void expect_placed(const subject *s, const mop_run_times *t)
{
    const uint64_t d = s->profile.deviation_ns;
    assert_true(s->begin[0] + d >= t->submitting);
    for (int i = 1; i < NODES; i++)
        assert_true(s->begin[i] >= s->begin[i - 1] + s->layer[i - 1]);
    assert_true(s->begin[NODES - 1] + s->layer[NODES - 1] <= t->finished + d);
}

static VkResult VKAPI_PTR far_away(VkDevice device, uint32_t n,
                                   const VkCalibratedTimestampInfoEXT *info, uint64_t *stamps,
                                   uint64_t *deviation)
{
    VkResult r =
        fixture.device->vk->fn.GetCalibratedTimestampsEXT != far_away
            ? VK_ERROR_UNKNOWN
            : ((PFN_vkGetCalibratedTimestampsEXT)fixture.device->vk->fn.GetDeviceProcAddr(
                  device, "vkGetCalibratedTimestampsEXT"))(device, n, info, stamps, deviation);
    stamps[0] += 1000000000; /* the device's clock, a second off */
    return r;
}

static void layers_lie_within_the_hosts_waiting(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    mop_vk *vk = fixture.device->vk;
    subject s;
    mop_run_times t;
    subject_open(&s, fixture.device);
    const mop_vk_fn real = vk->fn;
    const bool can = (vk->caps.features & MOP_VK_CAN_CALIBRATED) != 0;
    for (int how = 0; how < 3; how++) {
        if (how == 1)
            vk->fn.GetCalibratedTimestampsEXT = NULL;
        if (how == 2 && can)
            vk->fn.GetCalibratedTimestampsEXT = far_away;
        assert_int_equal(vulkan->run(s.plan, s.x, s.y, &s.profile, NULL), MOP_OK);
        assert_true(vulkan->times(s.plan, &t));
        printf("calibrated %d, at most %llu ns apart\n", s.profile.is_calibrated,
               (unsigned long long)s.profile.deviation_ns);
        expect_placed(&s, &t);
        assert_int_equal(s.profile.is_calibrated, how == 0 && can);
        vk->fn = real;
    }
    vulkan_expect_silence(&fixture);
    subject_close(&s);
}

static void a_plain_run_has_a_device_time_within_its_wall_time(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    mop_vk *vk = fixture.device->vk;
    const float period = vk->limits.timestampPeriod;
    const uint32_t bits = vk->timestamp_bits;
    subject s;
    mop_run_times t;
    uint64_t ns = 7;
    subject_open(&s, fixture.device);
    assert_true(vulkan->device_time(s.plan, &ns));
    assert_true(vulkan->times(s.plan, &t));
    assert_int_equal(ns, t.device_ns);
    vk->limits.timestampPeriod = 1e6f; /* every tick a millisecond: more than the host saw */
    assert_false(vulkan->device_time(s.plan, &ns));
    assert_true(vulkan->times(s.plan, &t));
    assert_int_equal(t.device_ns, 0);
    vk->limits.timestampPeriod = period;
    subject_close(&s);
    vk->timestamp_bits = 0; /* a queue without timestamps */
    subject_open(&s, fixture.device);
    assert_false(vulkan->device_time(s.plan, &ns));
    vk->timestamp_bits = bits;
    subject_close(&s);
    vulkan_expect_silence(&fixture);
}

static void before_a_run_nothing_is_known_of_one(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    const mop_plan_desc desc = {0};
    subject s;
    mop_run_times t;
    uint64_t ns = 7;
    subject_open(&s, fixture.device);
    vulkan->plan_free(s.plan);
    assert_int_equal(vulkan->plan(fixture.device, &s.net.model, &desc, &s.plan, NULL), MOP_OK);
    assert_false(vulkan->device_time(s.plan, &ns));
    assert_false(vulkan->times(s.plan, &t));
    assert_int_equal(ns, 7);
    subject_close(&s);
}

static void timestamps_that_are_missing_or_lie_are_refused(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    mop_vk *vk = fixture.device->vk;
    const uint32_t bits = vk->timestamp_bits;
    const float period = vk->limits.timestampPeriod;
    subject s;
    mop_err err = {0};
    subject_open(&s, fixture.device);
    vk->timestamp_bits = 0;
    vk->timer = (mop_vk_timer){0};
    assert_int_equal(vulkan->run(s.plan, s.x, s.y, &s.profile, &err), MOP_EUNSUPPORTED);
    assert_non_null(strstr(err.msg, "its queue has no timestamps"));
    vk->timestamp_bits = bits;
    vk->timer = (mop_vk_timer){0};
    assert_true(mop_vk_timer_is_trusted(vk));
    vk->limits.timestampPeriod = 1e6f; /* every tick a millisecond: more than the host saw */
    err = (mop_err){0};
    assert_int_equal(vulkan->run(s.plan, s.x, s.y, &s.profile, &err), MOP_EUNSUPPORTED);
    assert_non_null(strstr(err.msg, "cannot be trusted"));
    assert_null(s.profile.clock_name);
    vk->limits.timestampPeriod = period;
    s.profile.n_layers = 1;
    err = (mop_err){0};
    assert_int_equal(vulkan->run(s.plan, s.x, s.y, &s.profile, &err), MOP_EINVAL);
    err = (mop_err){0};
    assert_int_equal(vulkan->repeat(s.plan, &s.profile, &err), MOP_EINVAL);
    subject_close(&s);
}

/* Every kernel of the network by itself, without a timestamp, and the network is as it was. */
static void repetition_times_layers_by_the_hosts_clock(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    for (int staged = 0; staged < 2; staged++) {
        const mop_vk_options options = {.threads = 1, .switches = staged == 1 ? "staging" : NULL};
        const mop_clock clock = mop_clock_real();
        vulkan_fixture own;
        subject s;
        vulkan_fixture_open(&own, &options);
        vulkan_need_device(&own);
        own.device->vk->timestamp_bits = 0;
        subject_open(&s, own.device);
        for (int k = 0; k < 2; k++) {
            uint64_t sum = 0;
            const uint64_t began = mop_now_ns(&clock);
            assert_int_equal(vulkan->repeat(s.plan, &s.profile, NULL), MOP_OK);
            const uint64_t took = mop_now_ns(&clock) - began;
            assert_string_equal(s.profile.clock_name, "host");
            assert_int_equal(s.profile.n_layers, NODES);
            assert_int_equal(s.layer[0] > 0, staged);
            for (int i = 1; i < NODES; i++)
                assert_true(s.layer[i] > 0);
            for (int i = 0; i < NODES; i++)
                sum += s.layer[i];
            assert_int_equal(sum, s.profile.total_ns);
            assert_true(s.profile.most_repeats >= s.profile.least_repeats);
            assert_true(sum * s.profile.least_repeats <= took);
            printf("%u to %u repeats, %llu ns in all\n", s.profile.least_repeats,
                   s.profile.most_repeats, (unsigned long long)sum);
        }
        assert_int_equal(vulkan->run(s.plan, s.x, s.y, NULL, NULL), MOP_OK);
        assert_memory_equal(s.want, s.y, sizeof s.y);
        vulkan_expect_silence(&own);
        subject_close(&s);
        vulkan_fixture_close(&own);
    }
}

static void queries_are_reset_by_host_or_command(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    const mop_vk_options options = {.threads = 1, .switches = "no-host-reset,no-calibrated"};
    vulkan_fixture own;
    subject s;
    mop_run_times t;
    vulkan_fixture_open(&own, &options);
    vulkan_need_device(&own);
    assert_false(mop_vk_timer_resets_on_host(own.device->vk));
    subject_open(&s, own.device);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(vulkan->run(s.plan, s.x, s.y, &s.profile, NULL), MOP_OK);
        assert_false(s.profile.is_calibrated);
        assert_int_equal(vulkan->run(s.plan, s.x, s.y, NULL, NULL), MOP_OK);
        assert_true(vulkan->times(s.plan, &t));
        expect_times(&t, false);
    }
    vulkan_expect_silence(&own);
    subject_close(&s);
    vulkan_fixture_close(&own);
    printf("by the host where offered: %d\n", mop_vk_timer_resets_on_host(fixture.device->vk));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_profile_is_on_the_devices_clock_and_accounts_for_the_run),
        cmocka_unit_test(layers_lie_within_the_hosts_waiting),
        cmocka_unit_test(a_plain_run_has_a_device_time_within_its_wall_time),
        cmocka_unit_test(before_a_run_nothing_is_known_of_one),
        cmocka_unit_test(timestamps_that_are_missing_or_lie_are_refused),
        cmocka_unit_test(repetition_times_layers_by_the_hosts_clock),
        cmocka_unit_test(queries_are_reset_by_host_or_command),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
