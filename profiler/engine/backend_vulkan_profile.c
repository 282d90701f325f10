/* Device time out of a plan's timestamps, believed only after the device's clock has passed its
 * test (kernels/vk/timer.h), and even then never beyond what the host's clock saw of the same run;
 * and layer times without timestamps, by repetition. */
#include <stdlib.h>

#include "kernels/vk/timer.h"
#include "profiler/base/alloc.h"
#include "profiler/base/clock.h"
#include "profiler/base/stats.h"
#include "profiler/engine/backend_vulkan.h"

enum { MOST_REPEATS = 4096, EMPTY_SUBMITS = 15 };
#define ENOUGH_NS UINT64_C(3000000) /* that the repeats of one node take */

/* What the host saw of the device's part of a run. */
static uint64_t seen(const mop_run_times *t)
{
    return t->finished - t->submitting;
}

/* Whether a span of device time fits into the host's time of the run that it belongs to. */
static bool is_possible(const mop_plan *plan, double ns)
{
    const double wall = (double)seen(&plan->times);
    return ns > 0 && ns <= wall * 1.01 && wall < mop_vk_timer_range_ns(plan->vk);
}

/* Where the first stamp of a run lies on the host's clock: out of a reading of both clocks now, if
 * there is one that does not contradict the run; otherwise the device's work is put in the middle
 * of the host's waiting for it. */
static uint64_t place(const mop_plan *plan, double span_ns, mop_profile *profile)
{
    const mop_run_times *t = &plan->times;
    const uint64_t middle = t->submitting + (seen(t) - (uint64_t)span_ns) / 2;
    uint64_t tick, now, deviation;
    profile->is_calibrated = false;
    profile->deviation_ns = 0;
    if (!mop_vk_timer_read_both(plan->vk, &tick, &now, &deviation))
        return middle;
    const uint64_t began = now - (uint64_t)mop_vk_timer_ns(plan->vk, plan->ticks[0], tick);
    if (began + deviation < t->submitting || began + (uint64_t)span_ns > t->finished + deviation)
        return middle;
    profile->is_calibrated = true;
    profile->deviation_ns = deviation;
    return began;
}

mop_status mop_vulkan_profile_read(mop_plan *plan, mop_profile *profile, mop_err *err)
{
    mop_vk *vk = plan->vk;
    const uint32_t n = plan->graph->n_nodes, last = mop_vulkan_n_stamps(plan) - 1;
    uint64_t *ticks = plan->ticks;
    mop_run_times *t = &plan->times;
    VkResult r = vk->fn.GetQueryPoolResults(vk->device, plan->queries, 0, last + 1,
                                            (last + 1) * sizeof *ticks, ticks, sizeof *ticks,
                                            VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT);
    if (r != VK_SUCCESS)
        return mop_vk_fail(vk, r, "vkGetQueryPoolResults", err);
    double sum = 0;
    for (uint32_t i = 0; i < last; i++)
        sum += mop_vk_timer_ns(vk, ticks[i], ticks[i + 1]);
    if (!is_possible(plan, sum))
        return mop_fail(
            err, MOP_EUNSUPPORTED,
            "the timestamps of Vulkan device \"%.80s\" cannot be trusted: layers sum to "
            "%.0f ns, the run took %llu ns",
            vk->info.name, sum, (unsigned long long)seen(t));
    const uint64_t began = profile->begin_ns != NULL ? place(plan, sum, profile) : 0;
    profile->total_ns = 0;
    for (uint32_t i = 0; i < n; i++) {
        profile->layer_ns[i] = (uint64_t)mop_vk_timer_ns(vk, ticks[2 * i], ticks[2 * i + 1]);
        profile->total_ns += profile->layer_ns[i];
        if (profile->begin_ns != NULL)
            profile->begin_ns[i] = began + (uint64_t)mop_vk_timer_ns(vk, ticks[0], ticks[2 * i]);
    }
    profile->n_layers = n;
    profile->clock_name = "device";
    t->device_ns = (uint64_t)sum;
    t->dispatch_ns = profile->total_ns;
    if (plan->upload.handle != VK_NULL_HANDLE) {
        t->dispatch_ns -= profile->layer_ns[0];
        t->copy_ns =
            profile->layer_ns[0] + (uint64_t)mop_vk_timer_ns(vk, ticks[last - 1], ticks[last]);
    }
    t->gap_ns = t->device_ns - t->dispatch_ns - t->copy_ns;
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
    if (plan->ends == VK_NULL_HANDLE || plan->times.end == 0 || plan->was_profiled || vk->is_lost ||
        !mop_vk_timer_is_trusted(vk))
        return false;
    if (vk->fn.GetQueryPoolResults(vk->device, plan->ends, 0, 2, sizeof ticks, ticks, sizeof *ticks,
                                   VK_QUERY_RESULT_64_BIT) != VK_SUCCESS)
        return false;
    const double took = mop_vk_timer_ns(vk, ticks[0], ticks[1]);
    if (!is_possible(plan, took))
        return false;
    *ns = (uint64_t)took;
    return true;
}

bool mop_vulkan_times(mop_plan *plan, mop_run_times *times)
{
    if (plan->times.end == 0)
        return false;
    *times = plan->times;
    if (!plan->was_profiled)
        (void)mop_vulkan_device_time(plan, &times->device_ns); /* else it stays 0: not known */
    return true;
}

/* Host time of a submit of `c`. */
static mop_status time_submit(mop_plan *plan, VkCommandBuffer c, double *ns, mop_err *err)
{
    mop_status s = mop_vulkan_submit(plan, c, err);
    *ns = (double)seen(&plan->times);
    return s;
}

/* What a submit costs that does nothing: the median of some. */
static mop_status time_empty(mop_plan *plan, double *ns, mop_err *err)
{
    double each[EMPTY_SUBMITS];
    VkCommandBuffer c = VK_NULL_HANDLE;
    mop_status s = mop_vulkan_record_repeat(plan, 0, 0, &c, err);
    for (int i = 0; s == MOP_OK && i < EMPTY_SUBMITS; i++)
        s = time_submit(plan, c, &each[i], err);
    mop_vulkan_drop(plan, c);
    if (s != MOP_OK)
        return s;
    mop_sort_f64(each, EMPTY_SUBMITS);
    *ns = mop_quantile(each, EMPTY_SUBMITS, 0.5);
    return MOP_OK;
}

/* Finds how often a node has to be dispatched to take long enough, and records that. */
static mop_status find_repeats(mop_plan *plan, uint32_t node, double empty, mop_err *err)
{
    mop_vulkan_repeat *r = &plan->repeats[node];
    double ns = 0;
    mop_status s = MOP_OK;
    for (uint32_t n = 1; s == MOP_OK; n = n * 4 < MOST_REPEATS ? n * 4 : MOST_REPEATS) {
        VkCommandBuffer c = VK_NULL_HANDLE;
        s = mop_vulkan_record_repeat(plan, node, n, &c, err);
        if (s == MOP_OK)
            s = time_submit(plan, c, &ns, err); /* what is compiled or paged in is not counted */
        if (s == MOP_OK)
            s = time_submit(plan, c, &ns, err);
        if (s == MOP_OK && (ns - empty >= (double)ENOUGH_NS || n == MOST_REPEATS)) {
            *r = (mop_vulkan_repeat){.commands = c, .n = n};
            return MOP_OK;
        }
        mop_vulkan_drop(plan, c);
    }
    return s;
}

/* Prepares what the first call needs, one list for all nodes. */
static mop_status prepare_repeats(mop_plan *plan, double empty, mop_err *err)
{
    const uint32_t first = plan->upload.handle != VK_NULL_HANDLE ? 0 : 1;
    mop_status s = MOP_OK;
    if (plan->repeats == NULL)
        plan->repeats = mop_calloc(plan->graph->n_nodes, sizeof *plan->repeats, err);
    if (plan->repeats == NULL)
        return MOP_ENOMEM;
    for (uint32_t i = first; s == MOP_OK && i < plan->graph->n_nodes; i++)
        if (plan->repeats[i].n == 0)
            s = find_repeats(plan, i, empty, err);
    return s;
}

/* Layers read and write the arena as always. What they find there is left of other layers, which
 * changes no time: no shader branches on values. */
mop_status mop_vulkan_repeat_run(mop_plan *plan, mop_profile *profile, mop_err *err)
{
    const uint32_t n = plan->graph->n_nodes;
    double empty = 0, ns = 0;
    if (profile->n_layers < n)
        return mop_fail(err, MOP_EINVAL, "the profile holds %u layers, the graph has %u",
                        profile->n_layers, n);
    mop_status s = time_empty(plan, &empty, err);
    if (s == MOP_OK)
        s = prepare_repeats(plan, empty, err);
    plan->times.end = 0; /* no run is known any more */
    if (s != MOP_OK)
        return s;
    profile->total_ns = 0;
    profile->least_repeats = MOST_REPEATS;
    profile->most_repeats = 0;
    for (uint32_t i = 0; i < n; i++) {
        const mop_vulkan_repeat *r = &plan->repeats[i];
        profile->layer_ns[i] = 0;
        if (r->n == 0)
            continue; /* no upload */
        s = time_submit(plan, r->commands, &ns, err);
        if (s != MOP_OK)
            return s;
        profile->layer_ns[i] = ns > empty ? (uint64_t)((ns - empty) / r->n) : 0;
        profile->total_ns += profile->layer_ns[i];
        profile->least_repeats = r->n < profile->least_repeats ? r->n : profile->least_repeats;
        profile->most_repeats = r->n > profile->most_repeats ? r->n : profile->most_repeats;
    }
    profile->n_layers = n;
    profile->clock_name = "host";
    return MOP_OK;
}
