/* One inference of a CPU plan: only calls kernels. Layers with enough work are cut into one range
 * of units per thread, the others stay on the calling thread, where their inputs are. */
#include <pthreadpool.h>
#include <sched.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "profiler/engine/cpu_plan.h"

#if defined(__x86_64__)
/* Denormals as zero, in and out: a layer whose activations fade must not slow down a hundredfold.
 */
static unsigned flush_denormals(void)
{
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040u); /* FTZ, DAZ */
    return before;
}

static void restore_denormals(unsigned before)
{
    _mm_setcsr((before & 0x8040u) | (_mm_getcsr() & ~0x8040u));
}
#else
static unsigned flush_denormals(void)
{
    return 0;
}

static void restore_denormals(unsigned before)
{
    (void)before;
}
#endif

/* What a run changes about the calling thread, to be undone. */
typedef struct caller_state {
    unsigned denormals;
    bool is_pinned;
    cpu_set_t cpus;
} caller_state;

static caller_state enter(const mop_device *device)
{
    caller_state s = {.denormals = flush_denormals()};
    s.is_pinned = mop_cpu_pool_enter(&device->pool, &s.cpus);
    return s;
}

static void leave(const caller_state *s)
{
    if (s->is_pinned)
        mop_cpu_pool_leave(&s->cpus);
    restore_denormals(s->denormals);
}

typedef struct layer_job {
    const mop_plan *plan;
    const mop_cpu_step *step;
    mop_args args;
} layer_job;

/* Range i of a layer; each range has its own scratch. */
static void run_range(void *context, size_t i)
{
    const layer_job *job = context;
    const int64_t units = job->step->units, n = (int64_t)job->step->ranges;
    mop_args args = job->args;
    args.begin = units * (int64_t)i / n;
    args.end = units * (int64_t)(i + 1) / n;
    args.scratch = job->plan->scratch.at + i * job->plan->scratch_stride;
    job->step->kernel->run(&args);
}

float *mop_cpu_output(const mop_plan *plan, uint32_t node)
{
    return (float *)(void *)(plan->arena.at + plan->memory.offset[node]);
}

static void run_node(const mop_plan *plan, uint32_t node, const float *in)
{
    const mop_node *n = &plan->graph->nodes[node];
    const mop_cpu_step *s = &plan->steps[node];
    layer_job job = {.plan = plan, .step = s, .args = {.inst = &n->inst}};
    for (uint32_t i = 0; i < n->inst.n_in; i++)
        job.args.in[i] = n->in[i] == 0 ? in : mop_cpu_output(plan, n->in[i]);
    job.args.out = mop_cpu_output(plan, node);
    if (s->packed_offset != SIZE_MAX)
        job.args.packed = plan->weights.at + s->packed_offset;
    if (s->ranges == 1)
        run_range(&job, 0);
    else
        pthreadpool_parallelize_1d(plan->device->pool.pool, run_range, &job, s->ranges,
                                   PTHREADPOOL_FLAG_DISABLE_DENORMALS);
}

size_t mop_cpu_output_bytes(const mop_plan *plan, uint32_t node)
{
    return (size_t)mop_shape_elems(plan->graph->nodes[node].inst.out) * sizeof(float);
}

mop_status mop_cpu_run(mop_plan *plan, const float *in, float *out, mop_profile *profile,
                       mop_err *err)
{
    const uint32_t n = plan->graph->n_nodes;
    const bool is_first = plan->info.first_run_ns == 0;
    uint64_t start = 0, last = 0;
    caller_state caller;
    if (profile != NULL && profile->n_layers < n)
        return mop_fail(err, MOP_EINVAL, "cpu: a profile of %u layers for a plan of %u nodes",
                        profile->n_layers, n);
    caller = enter(plan->device);
    if (is_first || profile != NULL)
        start = last = mop_now_ns(&plan->clock);
    if (plan->memory.offset[0] != SIZE_MAX)
        memcpy(mop_cpu_output(plan, 0), in, mop_cpu_output_bytes(plan, 0));
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0)
            run_node(plan, i, in);
        if (i == n - 1)
            memcpy(out, mop_cpu_output(plan, i), mop_cpu_output_bytes(plan, i));
        if (profile != NULL) {
            const uint64_t now = mop_now_ns(&plan->clock);
            profile->layer_ns[i] = now - last;
            last = now;
        }
    }
    if (is_first)
        plan->info.first_run_ns = mop_now_ns(&plan->clock) - start;
    if (profile != NULL) {
        profile->n_layers = n;
        profile->total_ns = last - start;
        profile->clock_name = "host";
    }
    leave(&caller);
    return MOP_OK;
}
