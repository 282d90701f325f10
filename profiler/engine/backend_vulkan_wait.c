/* Waiting for the fence of a submit.
 *
 * A device that is the CPU needs the processor for itself: the thread blocks. On a GPU a blocked
 * thread is woken late, by tens of microseconds and more, which would be counted as the network's
 * time: the thread blocks until shortly before the plan's usual end and asks from then on. What
 * takes longer than twice the usual is blocked on again.
 *
 * A wait that fails, by time or otherwise, leaves work that nobody knows the end of, so the device
 * counts as lost. */
#include "profiler/base/clock.h"
#include "profiler/engine/backend_vulkan.h"

/* Before the usual end by this much, or an eighth of it if that is more, blocking ends. */
#define EARLY_NS UINT64_C(200000)

static VkResult block(const mop_plan *plan, uint64_t ns)
{
    return plan->vk->fn.WaitForFences(plan->vk->device, 1, &plan->fence, VK_TRUE, ns);
}

/* VK_TIMEOUT if it is not over when it should be. */
static VkResult block_then_spin(const mop_plan *plan, const mop_clock *clock, uint64_t began)
{
    const mop_vk *vk = plan->vk;
    const uint64_t usual = plan->usual_ns;
    const uint64_t early = usual / 8 > EARLY_NS ? usual / 8 : EARLY_NS;
    VkResult r = usual > early ? block(plan, usual - early) : VK_TIMEOUT;
    if (r != VK_TIMEOUT)
        return r;
    do {
        r = vk->fn.GetFenceStatus(vk->device, plan->fence);
    } while (r == VK_NOT_READY && mop_now_ns(clock) - began < 2 * usual + EARLY_NS);
    return r == VK_NOT_READY ? VK_TIMEOUT : r;
}

/* Falls at once and rises slowly, because the device's own time is the shortest seen. */
static void learn(mop_plan *plan, uint64_t took)
{
    if (plan->usual_ns == 0 || took < plan->usual_ns)
        plan->usual_ns = took > 0 ? took : 1;
    else
        plan->usual_ns += (took - plan->usual_ns) / 8;
}

mop_status mop_vulkan_wait(mop_plan *plan, bool is_plain, mop_err *err)
{
    const mop_clock clock = mop_clock_real();
    const uint64_t began = mop_now_ns(&clock);
    mop_vk *vk = plan->vk;
    VkResult r = VK_TIMEOUT;
    if (is_plain && vk->spins && plan->usual_ns > 0)
        r = block_then_spin(plan, &clock, began);
    if (r == VK_TIMEOUT)
        r = block(plan, plan->timeout_ns + (plan->usual_ns == 0 ? plan->compile_ns : 0));
    if (r != VK_SUCCESS) {
        vk->is_lost = true;
        return mop_fail(err, MOP_ELOST, "waiting for Vulkan device \"%.80s\" failed: %s (%d)",
                        vk->info.name, mop_vk_result_name(r), (int)r);
    }
    if (is_plain)
        learn(plan, mop_now_ns(&clock) - began);
    return MOP_OK;
}
