/* The trust test of timer.h: find a length that takes the host some milliseconds, then rounds of
 * four submits: no work (what any dispatch costs, which is taken off) and lengths 1, 2 and 4. */
#include "kernels/vk/timer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kernels/vk/memory.h"
#include "kernels/vk/pipeline.h"
#include "profiler/base/clock.h"

enum {
    LENGTHS = 4,     /* 0, 1, 2, 4 */
    STEPS = 64,      /* of a round of spin.comp */
    LONGEST = 65535, /* rounds: lavapipe ends every loop there */
    LEAST_TRIES = 4, /* of each length */
    MOST_TRIES = 30, /* before other work is tried */
    SEED = 0x2545f491,
    WHY = sizeof((mop_vk_timer *)0)->why
};
#define ENOUGH_NS 2e6 /* of length 4 */
#define LATE_NS   UINT64_C(10000000000)
#define LINEAR    0.10 /* of what a length should take */
#define TOO_SHORT 0.75 /* of what the host saw of length 4 at best */
#define TOO_LONG  1.01 /* of what the host saw of one submit */

/* What each length took, by the device and by the host. */
struct times {
    double took[LENGTHS], wall[LENGTHS];
};

struct spin {
    mop_vk *vk;
    mop_vk_buffer buffer; /* the words of spin.comp */
    VkDescriptorPool descriptors;
    VkDescriptorSet set;
    VkCommandPool commands;
    VkCommandBuffer c;
    VkQueryPool queries;
    VkFence fence;
    uint32_t rounds; /* of length 1 */
};

double mop_vk_timer_range_ns(const mop_vk *vk)
{
    return ldexp((double)vk->limits.timestampPeriod, (int)vk->timestamp_bits);
}

double mop_vk_timer_ns(const mop_vk *vk, uint64_t from, uint64_t to)
{
    const uint64_t mask =
        vk->timestamp_bits >= 64 ? UINT64_MAX : (UINT64_C(1) << vk->timestamp_bits) - 1;
    return (double)((to - from) & mask) * (double)vk->limits.timestampPeriod;
}

static mop_status create_set(struct spin *s, mop_err *err)
{
    mop_vk *vk = s->vk;
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, MOP_VK_BINDINGS};
    const VkDescriptorPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = 1,
        .poolSizeCount = 1,
        .pPoolSizes = &size,
    };
    VkResult r = vk->fn.CreateDescriptorPool(vk->device, &pool, NULL, &s->descriptors);
    if (r != VK_SUCCESS)
        return mop_vk_fail(vk, r, "vkCreateDescriptorPool", err);
    const VkDescriptorSetAllocateInfo alloc = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = s->descriptors,
        .descriptorSetCount = 1,
        .pSetLayouts = &vk->set_layout[MOP_VK_BUFFER],
    };
    r = vk->fn.AllocateDescriptorSets(vk->device, &alloc, &s->set);
    if (r != VK_SUCCESS)
        return mop_vk_fail(vk, r, "vkAllocateDescriptorSets", err);
    const VkDescriptorBufferInfo words = {.buffer = s->buffer.handle, .range = VK_WHOLE_SIZE};
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = s->set,
        .dstBinding = MOP_VK_BIND_OUT,
        .descriptorCount = 1,
        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .pBufferInfo = &words,
    };
    vk->fn.UpdateDescriptorSets(vk->device, 1, &write, 0, NULL);
    return MOP_OK;
}

static mop_status create_rest(struct spin *s, mop_err *err)
{
    mop_vk *vk = s->vk;
    const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .queueFamilyIndex = vk->family};
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    const VkQueryPoolCreateInfo queries = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = 2,
    };
    VkResult r = vk->fn.CreateCommandPool(vk->device, &pool, NULL, &s->commands);
    if (r != VK_SUCCESS)
        return mop_vk_fail(vk, r, "vkCreateCommandPool", err);
    r = vk->fn.CreateFence(vk->device, &fence, NULL, &s->fence);
    if (r != VK_SUCCESS)
        return mop_vk_fail(vk, r, "vkCreateFence", err);
    r = vk->fn.CreateQueryPool(vk->device, &queries, NULL, &s->queries);
    if (r != VK_SUCCESS)
        return mop_vk_fail(vk, r, "vkCreateQueryPool", err);
    const VkCommandBufferAllocateInfo alloc = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = s->commands,
        .commandBufferCount = 1,
    };
    r = vk->fn.AllocateCommandBuffers(vk->device, &alloc, &s->c);
    return r == VK_SUCCESS ? MOP_OK : mop_vk_fail(vk, r, "vkAllocateCommandBuffers", err);
}

static mop_status record(struct spin *s, VkPipeline pipeline, mop_err *err)
{
    const mop_vk_fn *fn = &s->vk->fn;
    const VkPipelineStageFlagBits end = VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT;
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    const VkMemoryBarrier done = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                  .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
                                  .dstAccessMask = VK_ACCESS_HOST_READ_BIT};
    VkResult r = fn->BeginCommandBuffer(s->c, &begin);
    if (r == VK_SUCCESS) {
        fn->CmdResetQueryPool(s->c, s->queries, 0, 2);
        fn->CmdBindPipeline(s->c, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
        fn->CmdBindDescriptorSets(s->c, VK_PIPELINE_BIND_POINT_COMPUTE,
                                  s->vk->layout[MOP_VK_BUFFER], 0, 1, &s->set, 0, NULL);
        fn->CmdWriteTimestamp(s->c, end, s->queries, 0);
        fn->CmdDispatch(s->c, 1, 1, 1);
        fn->CmdPipelineBarrier(s->c, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                               VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &done, 0, NULL, 0, NULL);
        fn->CmdWriteTimestamp(s->c, end, s->queries, 1);
        r = fn->EndCommandBuffer(s->c);
    }
    return r == VK_SUCCESS ? MOP_OK : mop_vk_fail(s->vk, r, "recording the spin kernel", err);
}

static mop_status prepare(struct spin *s, mop_err *err)
{
    const mop_vk_dispatch spin = {.shader = "spin",
                                  .source = MOP_VK_BUFFER,
                                  .dtype = MOP_DTYPE_FP32,
                                  .n_spec = 1,
                                  .spec = {s->vk->caps.lanes}};
    VkPipeline pipeline;
    mop_status st = mop_vk_pipeline_get(s->vk, &spin, &pipeline, err);
    if (st == MOP_OK)
        st = mop_vk_buffer_init(s->vk, &s->buffer, 3 * sizeof(uint32_t), MOP_VK_HOST, err);
    if (st == MOP_OK)
        st = create_set(s, err);
    if (st == MOP_OK)
        st = create_rest(s, err);
    return st == MOP_OK ? record(s, pipeline, err) : st;
}

static void release(struct spin *s)
{
    mop_vk *vk = s->vk;
    if (vk->is_lost)                             /* what was given up may still be at work */
        (void)vk->fn.DeviceWaitIdle(vk->device); /* a lost device has nothing left to report */
    /* null handles are fine */
    vk->fn.DestroyQueryPool(vk->device, s->queries, NULL);
    vk->fn.DestroyFence(vk->device, s->fence, NULL);
    vk->fn.DestroyCommandPool(vk->device, s->commands, NULL);
    vk->fn.DestroyDescriptorPool(vk->device, s->descriptors, NULL);
    mop_vk_buffer_release(vk, &s->buffer);
}

/* Runs `rounds` and writes what the host saw; the result is in the buffer. */
static mop_status run(struct spin *s, uint32_t rounds, double *wall, mop_err *err)
{
    const mop_clock clock = mop_clock_real();
    mop_vk *vk = s->vk;
    uint32_t *words = s->buffer.mapped;
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &s->c};
    words[0] = rounds;
    words[1] = SEED;
    mop_status st = mop_vk_buffer_flush(vk, &s->buffer, err);
    if (st != MOP_OK)
        return st;
    VkResult r = vk->fn.ResetFences(vk->device, 1, &s->fence);
    const uint64_t began = mop_now_ns(&clock);
    if (r == VK_SUCCESS)
        r = vk->fn.QueueSubmit(vk->queue, 1, &info, s->fence);
    if (r == VK_SUCCESS) {
        r = vk->fn.WaitForFences(vk->device, 1, &s->fence, VK_TRUE, LATE_NS);
        vk->is_lost = vk->is_lost || r != VK_SUCCESS; /* nobody knows when it ends */
    }
    *wall = (double)(mop_now_ns(&clock) - began);
    if (r != VK_SUCCESS)
        return mop_vk_fail(vk, r, "running the spin kernel", err);
    return mop_vk_buffer_invalidate(vk, &s->buffer, err);
}

/* The result of the last run against the host's own: a device that leaves the loop early would make
 * any clock look wrong. */
static bool is_right(const struct spin *s, uint32_t rounds)
{
    uint32_t x = SEED;
    for (uint32_t i = 0; i < rounds * STEPS; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
    }
    return ((const uint32_t *)s->buffer.mapped)[2] == x;
}

/* Time of the last run by the device; a sentence in `why` for what no clock may say. */
static mop_status read_time(struct spin *s, double wall, double *took, char *why, mop_err *err)
{
    mop_vk *vk = s->vk;
    uint64_t ticks[2] = {0};
    VkResult r = vk->fn.GetQueryPoolResults(vk->device, s->queries, 0, 2, sizeof ticks, ticks,
                                            sizeof ticks[0],
                                            VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT);
    if (r != VK_SUCCESS)
        return mop_vk_fail(vk, r, "vkGetQueryPoolResults", err);
    *took = mop_vk_timer_ns(vk, ticks[0], ticks[1]);
    if (*took > wall * TOO_LONG)
        (void)snprintf(why, WHY, "its timestamps say %.3g ms of what took the host %.3g ms",
                       *took / 1e6, wall / 1e6);
    return MOP_OK;
}

static uint32_t length(int i)
{
    return i == 0 ? 0 : UINT32_C(1) << (i - 1);
}

/* Whether the smallest times fit the lengths and the host's clock; the sentence if they do not. */
static bool fits(const struct times *best, char *why)
{
    double t[LENGTHS];
    const double took = best->took[LENGTHS - 1], wall = best->wall[LENGTHS - 1];
    for (int i = 0; i < LENGTHS; i++)
        t[i] = best->took[i] - best->took[0];
    *why = '\0';
    if (!(t[1] > 0 && t[2] > 0 && t[3] > 0))
        (void)snprintf(why, WHY, "its timestamps stand still over a kernel of %.1f ms", wall / 1e6);
    else if (fabs(t[2] / (2 * t[1]) - 1) > LINEAR || fabs(t[3] / (4 * t[1]) - 1) > LINEAR)
        (void)snprintf(why, WHY,
                       "by its timestamps a kernel of lengths 1, 2 and 4 takes %.3g, %.3g and "
                       "%.3g ms",
                       t[1] / 1e6, t[2] / 1e6, t[3] / 1e6);
    else if (took < wall * TOO_SHORT)
        (void)snprintf(why, WHY, "its timestamps say only %.3g ms of what took the host %.3g ms",
                       took / 1e6, wall / 1e6);
    return *why == '\0';
}

/* The least that the host sees of some runs. */
static mop_status least_wall(struct spin *s, uint32_t rounds, double *wall, mop_err *err)
{
    mop_status st = MOP_OK;
    *wall = HUGE_VAL;
    for (int i = 0; st == MOP_OK && i < LEAST_TRIES; i++) {
        double once = 0;
        st = run(s, rounds, &once, err);
        *wall = fmin(*wall, once);
    }
    return st;
}

/* Doubles the work until length 4 takes the host long enough beside no work at all. */
static mop_status find_rounds(struct spin *s, mop_err *err)
{
    double none = 0, wall = 0;
    mop_status st = run(s, s->rounds, &wall, err); /* may compile */
    if (st == MOP_OK)
        st = least_wall(s, 0, &none, err);
    for (wall = none; st == MOP_OK && wall - none < ENOUGH_NS && 8 * s->rounds <= LONGEST;) {
        s->rounds *= 2;
        st = least_wall(s, 4 * s->rounds, &wall, err);
    }
    return st;
}

/* Tries every length until the smallest times fit; leaves the reason in `why` if they do not.
 * *is_certain: more tries would not help. */
static mop_status measure(struct spin *s, char *why, bool *is_certain, mop_err *err)
{
    struct times best;
    for (int i = 0; i < LENGTHS; i++)
        best.took[i] = best.wall[i] = HUGE_VAL;
    for (int k = 0; k < MOST_TRIES; k++) {
        *why = '\0';
        for (int i = 0; i < LENGTHS; i++) {
            double wall = 0, took = 0;
            mop_status st = run(s, length(i) * s->rounds, &wall, err);
            if (st == MOP_OK)
                st = read_time(s, wall, &took, why, err);
            *is_certain = st != MOP_OK || *why != '\0';
            if (*is_certain)
                return st;
            best.took[i] = fmin(best.took[i], took);
            best.wall[i] = fmin(best.wall[i], wall);
        }
        if (k + 1 >= LEAST_TRIES && fits(&best, why))
            return MOP_OK;
    }
    return MOP_OK;
}

/* Leaves the reason in `why`, or nothing. On a busy machine a scheduler may cut into every run of
 * 2 ms but not of 0.5 ms, or may have made short work look long to find_rounds(): what does not fit
 * is tried with more and with less work before it counts. */
static mop_status judge(struct spin *s, char *why, mop_err *err)
{
    static const int shifts[] = {0, 2, 4, -1, -2};
    bool is_certain = false;
    mop_status st = find_rounds(s, err);
    const uint32_t rounds = s->rounds;
    if (st == MOP_OK && !is_right(s, 4 * rounds)) {
        (void)snprintf(why, WHY, "the kernel that tests its timestamps gives a wrong result");
        return MOP_OK;
    }
    for (size_t i = 0; st == MOP_OK && !is_certain && i < sizeof shifts / sizeof shifts[0]; i++) {
        char again[WHY] = "";
        s->rounds = shifts[i] >= 0 ? rounds << shifts[i] : rounds >> -shifts[i];
        if (4 * s->rounds > LONGEST)
            continue;
        st = measure(s, again, &is_certain, err);
        if (i == 0 || is_certain || *again == '\0')
            memcpy(why, again, WHY);
        if (*again == '\0')
            break;
    }
    return st;
}

static void test(mop_vk *vk, char *why)
{
    mop_err err = {0};
    struct spin s = {.vk = vk, .rounds = 16};
    if (vk->timestamp_bits == 0) {
        (void)snprintf(why, WHY, "its queue has no timestamps");
        return;
    }
    if (!(vk->limits.timestampPeriod > 0)) {
        (void)snprintf(why, WHY, "it gives a period of 0 ns for its timestamps");
        return;
    }
    mop_status st = prepare(&s, &err);
    if (st == MOP_OK)
        st = judge(&s, why, &err);
    if (st != MOP_OK)
        (void)snprintf(why, WHY, "its timestamps could not be tested: %.150s", err.msg);
    release(&s);
}

bool mop_vk_timer_is_trusted(mop_vk *vk)
{
    mop_vk_timer *t = &vk->timer;
    if (!t->is_tested && !vk->is_lost) {
        *t = (mop_vk_timer){.is_tested = true};
        test(vk, t->why);
        t->is_trusted = *t->why == '\0';
    }
    return t->is_trusted;
}

bool mop_vk_timer_resets_on_host(const mop_vk *vk)
{
    return (vk->caps.features & MOP_VK_CAN_HOST_RESET) != 0 && vk->fn.ResetQueryPool != NULL;
}

/* The clock that devices are calibrated against is not the one that all else here is timed by: both
 * are read as well. */
bool mop_vk_timer_read_both(const mop_vk *vk, uint64_t *tick, uint64_t *host_ns,
                            uint64_t *deviation_ns)
{
    const mop_clock clock = mop_clock_real();
    const VkCalibratedTimestampInfoEXT info[] = {
        {.sType = VK_STRUCTURE_TYPE_CALIBRATED_TIMESTAMP_INFO_EXT,
         .timeDomain = VK_TIME_DOMAIN_DEVICE_EXT},
        {.sType = VK_STRUCTURE_TYPE_CALIBRATED_TIMESTAMP_INFO_EXT,
         .timeDomain = VK_TIME_DOMAIN_CLOCK_MONOTONIC_EXT},
    };
    uint64_t both[2], deviation;
    struct timespec t;
    if ((vk->caps.features & MOP_VK_CAN_CALIBRATED) == 0 ||
        vk->fn.GetCalibratedTimestampsEXT == NULL ||
        vk->fn.GetCalibratedTimestampsEXT(vk->device, 2, info, both, &deviation) != VK_SUCCESS)
        return false;
    const uint64_t before = mop_now_ns(&clock);
    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
        return false;
    const uint64_t after = mop_now_ns(&clock);
    const uint64_t monotonic = (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
    *tick = both[0];
    *host_ns = before + (after - before) / 2 - (monotonic - both[1]);
    *deviation_ns = deviation + (after - before);
    return true;
}
