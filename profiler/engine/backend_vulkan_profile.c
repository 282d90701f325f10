/* Device time out of a plan's timestamps, believed only after the device's clock has passed its
 * test (kernels/vk/timer.h), and even then never beyond what the host's clock saw of the same run.
 */
#include "kernels/vk/timer.h"
#include "profiler/base/alloc.h"
#include "profiler/engine/backend_vulkan.h"

/* Whether a span of device time fits into the host's time of the run that it belongs to. */
static bool is_possible(const mop_vk *vk, double ns, uint64_t wall_ns)
{
    return ns > 0 && ns <= (double)wall_ns * 1.01 && (double)wall_ns < mop_vk_timer_range_ns(vk);
}

mop_status mop_vulkan_profile_read(const mop_plan *plan, uint64_t wall_ns, mop_profile *profile,
                                   mop_err *err)
{
    mop_vk *vk = plan->vk;
    const uint32_t n = plan->graph->n_nodes;
    uint64_t *ticks = plan->ticks;
    VkResult r = vk->fn.GetQueryPoolResults(vk->device, plan->queries, 0, n + 1,
                                            (n + 1) * sizeof *ticks, ticks, sizeof *ticks,
                                            VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT);
    if (r != VK_SUCCESS)
        return mop_vk_fail(vk, r, "vkGetQueryPoolResults", err);
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += mop_vk_timer_ns(vk, ticks[i], ticks[i + 1]);
    if (!is_possible(vk, sum, wall_ns))
        return mop_fail(
            err, MOP_EUNSUPPORTED,
            "the timestamps of Vulkan device \"%.80s\" cannot be trusted: layers sum to "
            "%.0f ns, the run took %llu ns",
            vk->info.name, sum, (unsigned long long)wall_ns);
    profile->total_ns = 0;
    for (uint32_t i = 0; i < n; i++) {
        profile->layer_ns[i] = (uint64_t)mop_vk_timer_ns(vk, ticks[i], ticks[i + 1]);
        profile->total_ns += profile->layer_ns[i];
    }
    profile->n_layers = n;
    profile->clock_name = "device";
    return MOP_OK;
}

mop_status mop_vulkan_profile_prepare(mop_plan *plan, const mop_profile *profile, mop_err *err)
{
    mop_vk *vk = plan->vk;
    if (!mop_vk_timer_is_trusted(vk))
        return mop_fail(err, MOP_EUNSUPPORTED, "no device timestamps of \"%.60s\": %.170s",
                        vk->info.name, vk->timer.why);
    if (profile->n_layers < plan->graph->n_nodes)
        return mop_fail(err, MOP_EINVAL, "the profile holds %u layers, the graph has %u",
                        profile->n_layers, plan->graph->n_nodes);
    return plan->profiled == VK_NULL_HANDLE ? mop_vulkan_record(plan, true, err) : MOP_OK;
}

bool mop_vulkan_device_time(mop_plan *plan, uint64_t *ns)
{
    mop_vk *vk = plan->vk;
    uint64_t ticks[2];
    if (plan->ends == VK_NULL_HANDLE || plan->plain_wall_ns == 0 || vk->is_lost ||
        !mop_vk_timer_is_trusted(vk))
        return false;
    if (vk->fn.GetQueryPoolResults(vk->device, plan->ends, 0, 2, sizeof ticks, ticks, sizeof *ticks,
                                   VK_QUERY_RESULT_64_BIT) != VK_SUCCESS)
        return false;
    const double took = mop_vk_timer_ns(vk, ticks[0], ticks[1]);
    if (!is_possible(vk, took, plan->plain_wall_ns))
        return false;
    *ns = (uint64_t)took;
    return true;
}
