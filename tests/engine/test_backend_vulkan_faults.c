/* What goes wrong with a Vulkan device, by entry points of its table replaced: a lost device, a
 * fence that never comes, and every call of planning failing in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/onebyone.h"
#include "tests/support/vulkan.h"

enum { SEED = 20240607 };

static const mop_backend *const vulkan = &mop_backend_vulkan;
static vulkan_fixture fixture;

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

static VkResult VKAPI_PTR lost_submit(VkQueue queue, uint32_t n, const VkSubmitInfo *info,
                                      VkFence fence)
{
    (void)queue;
    (void)n;
    (void)info;
    (void)fence;
    return VK_ERROR_DEVICE_LOST;
}

static VkResult VKAPI_PTR late_fence(VkDevice device, uint32_t n, const VkFence *fences,
                                     VkBool32 all, uint64_t timeout)
{
    (void)device;
    (void)n;
    (void)fences;
    (void)all;
    (void)timeout;
    return VK_TIMEOUT;
}

/* Runs a plan with one entry point replaced: the device is lost then and stays lost, and another
 * one can be opened. */
static void lose_device(bool by_timeout)
{
    vulkan_fixture own;
    vulkan_need_device(&fixture);
    vulkan_fixture_open(&own, NULL);
    vulkan_need_device(&own);
    obo_net net;
    vulkan_small_net(&net, SEED);
    const mop_plan_desc desc = {0};
    const float untouched[3] = {-7, -7, -7};
    float *x = obo_input(&net), y[3] = {-7, -7, -7};
    mop_plan *plan = NULL;
    mop_err err = {0};
    assert_int_equal(vulkan->plan(own.device, &net.model, &desc, &plan, &err), MOP_OK);
    mop_vk_fn *fn = &own.device->vk->fn;
    const mop_vk_fn real = *fn;
    if (by_timeout)
        fn->WaitForFences = late_fence;
    else
        fn->QueueSubmit = lost_submit;
    assert_int_equal(vulkan->run(plan, x, y, NULL, &err), MOP_ELOST);
    assert_non_null(strstr(err.msg, by_timeout ? "VK_TIMEOUT" : "VK_ERROR_DEVICE_LOST"));
    assert_memory_equal(untouched, y, sizeof y);
    *fn = real;
    err = (mop_err){0};
    assert_int_equal(vulkan->run(plan, x, y, NULL, &err), MOP_ELOST);
    vulkan->plan_free(plan);
    vulkan_fixture_close(&own);
    vulkan_fixture_open(&own, NULL);
    err = (mop_err){0};
    assert_int_equal(vulkan->plan(own.device, &net.model, &desc, &plan, &err), MOP_OK);
    assert_int_equal(vulkan->run(plan, x, y, NULL, &err), MOP_OK);
    vulkan->plan_free(plan);
    vulkan_fixture_close(&own);
    free(x);
    obo_free(&net);
}

static void a_lost_device_stays_lost_until_reopened(void **state)
{
    (void)state;
    lose_device(false);
}

static void a_fence_that_never_comes_loses_the_device(void **state)
{
    (void)state;
    lose_device(true);
}

/* Entry points that count, fail the call number `fail_at`, and keep the balance of live objects. */
static struct {
    mop_vk_fn real;
    int calls, fail_at, live;
} inject;

static bool fails(void)
{
    return ++inject.calls == inject.fail_at;
}

#define FAILING_CREATE(NAME, INFO, HANDLE)                                                         \
    static VkResult VKAPI_PTR inject_##NAME(VkDevice d, const INFO *i,                             \
                                            const VkAllocationCallbacks *a, HANDLE *h)             \
    {                                                                                              \
        VkResult r = fails() ? VK_ERROR_OUT_OF_DEVICE_MEMORY : inject.real.NAME(d, i, a, h);       \
        inject.live += r == VK_SUCCESS;                                                            \
        return r;                                                                                  \
    }
#define COUNTING_DESTROY(NAME, HANDLE)                                                             \
    static void VKAPI_PTR inject_##NAME(VkDevice d, HANDLE h, const VkAllocationCallbacks *a)      \
    {                                                                                              \
        inject.live -= h != VK_NULL_HANDLE;                                                        \
        inject.real.NAME(d, h, a);                                                                 \
    }
FAILING_CREATE(CreateBuffer, VkBufferCreateInfo, VkBuffer)
FAILING_CREATE(CreateBufferView, VkBufferViewCreateInfo, VkBufferView)
FAILING_CREATE(AllocateMemory, VkMemoryAllocateInfo, VkDeviceMemory)
FAILING_CREATE(CreateDescriptorPool, VkDescriptorPoolCreateInfo, VkDescriptorPool)
FAILING_CREATE(CreateCommandPool, VkCommandPoolCreateInfo, VkCommandPool)
FAILING_CREATE(CreateFence, VkFenceCreateInfo, VkFence)
FAILING_CREATE(CreateQueryPool, VkQueryPoolCreateInfo, VkQueryPool)
COUNTING_DESTROY(DestroyBuffer, VkBuffer)
COUNTING_DESTROY(DestroyBufferView, VkBufferView)
COUNTING_DESTROY(FreeMemory, VkDeviceMemory)
COUNTING_DESTROY(DestroyDescriptorPool, VkDescriptorPool)
COUNTING_DESTROY(DestroyCommandPool, VkCommandPool)
COUNTING_DESTROY(DestroyFence, VkFence)
COUNTING_DESTROY(DestroyQueryPool, VkQueryPool)

static VkResult VKAPI_PTR inject_AllocateDescriptorSets(VkDevice d,
                                                        const VkDescriptorSetAllocateInfo *i,
                                                        VkDescriptorSet *s)
{
    return fails() ? VK_ERROR_OUT_OF_DEVICE_MEMORY : inject.real.AllocateDescriptorSets(d, i, s);
}

static VkResult VKAPI_PTR inject_AllocateCommandBuffers(VkDevice d,
                                                        const VkCommandBufferAllocateInfo *i,
                                                        VkCommandBuffer *c)
{
    return fails() ? VK_ERROR_OUT_OF_DEVICE_MEMORY : inject.real.AllocateCommandBuffers(d, i, c);
}

static VkResult VKAPI_PTR inject_BindBufferMemory(VkDevice d, VkBuffer b, VkDeviceMemory m,
                                                  VkDeviceSize o)
{
    return fails() ? VK_ERROR_OUT_OF_DEVICE_MEMORY : inject.real.BindBufferMemory(d, b, m, o);
}

static VkResult VKAPI_PTR inject_MapMemory(VkDevice d, VkDeviceMemory m, VkDeviceSize o,
                                           VkDeviceSize n, VkMemoryMapFlags f, void **p)
{
    return fails() ? VK_ERROR_OUT_OF_HOST_MEMORY : inject.real.MapMemory(d, m, o, n, f, p);
}

static VkResult VKAPI_PTR inject_EndCommandBuffer(VkCommandBuffer c)
{
    VkResult r = inject.real.EndCommandBuffer(c);
    return fails() ? VK_ERROR_OUT_OF_HOST_MEMORY : r;
}

static VkResult VKAPI_PTR inject_CreateComputePipelines(VkDevice d, VkPipelineCache cache,
                                                        uint32_t n,
                                                        const VkComputePipelineCreateInfo *i,
                                                        const VkAllocationCallbacks *a,
                                                        VkPipeline *p)
{
    return fails() ? VK_ERROR_OUT_OF_HOST_MEMORY
                   : inject.real.CreateComputePipelines(d, cache, n, i, a, p);
}

static void patch(mop_vk_fn *fn)
{
    inject.real = *fn;
    fn->CreateBuffer = inject_CreateBuffer;
    fn->CreateBufferView = inject_CreateBufferView;
    fn->AllocateMemory = inject_AllocateMemory;
    fn->CreateDescriptorPool = inject_CreateDescriptorPool;
    fn->CreateCommandPool = inject_CreateCommandPool;
    fn->CreateFence = inject_CreateFence;
    fn->CreateQueryPool = inject_CreateQueryPool;
    fn->DestroyBuffer = inject_DestroyBuffer;
    fn->DestroyBufferView = inject_DestroyBufferView;
    fn->FreeMemory = inject_FreeMemory;
    fn->DestroyDescriptorPool = inject_DestroyDescriptorPool;
    fn->DestroyCommandPool = inject_DestroyCommandPool;
    fn->DestroyFence = inject_DestroyFence;
    fn->DestroyQueryPool = inject_DestroyQueryPool;
    fn->AllocateDescriptorSets = inject_AllocateDescriptorSets;
    fn->AllocateCommandBuffers = inject_AllocateCommandBuffers;
    fn->BindBufferMemory = inject_BindBufferMemory;
    fn->MapMemory = inject_MapMemory;
    fn->EndCommandBuffer = inject_EndCommandBuffer;
    fn->CreateComputePipelines = inject_CreateComputePipelines;
}

/* Every call of planning made to fail in turn: a sentence, nothing left alive, and the device goes
 * on working. Once with shared and once with staged memory. */
static void every_failing_call_of_planning_unwinds(void **state)
{
    (void)state;
    vulkan_need_device(&fixture);
    for (int staged = 0; staged < 2; staged++) {
        const mop_vk_options options = {.threads = 1, .switches = staged == 1 ? "staging" : NULL};
        vulkan_fixture own;
        vulkan_fixture_open(&own, &options);
        vulkan_need_device(&own);
        patch(&own.device->vk->fn);
        obo_net net;
        vulkan_small_net(&net, SEED);
        const mop_plan_desc desc = {0};
        mop_status s = MOP_EFAIL;
        int n = 0;
        while (s != MOP_OK && n < 200) {
            mop_plan *plan = NULL;
            mop_err err = {0};
            inject.calls = inject.live = 0;
            inject.fail_at = ++n;
            s = vulkan->plan(own.device, &net.model, &desc, &plan, &err);
            if (s != MOP_OK) {
                assert_int_equal(s, MOP_ENOMEM);
                assert_null(plan);
                assert_non_null(strstr(err.msg, "failed"));
            }
            vulkan->plan_free(plan);
            assert_int_equal(inject.live, 0);
        }
        assert_int_equal(s, MOP_OK);
        assert_true(n > 10);
        inject.fail_at = 0;
        float *x = obo_input(&net);
        assert_true(obo_worst(vulkan, own.device, &net.model, x) <= 1);
        vulkan_expect_silence(&own);
        free(x);
        obo_free(&net);
        vulkan_fixture_close(&own);
    }
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_device_stays_lost_until_reopened),
        cmocka_unit_test(a_fence_that_never_comes_loses_the_device),
        cmocka_unit_test(every_failing_call_of_planning_unwinds),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
