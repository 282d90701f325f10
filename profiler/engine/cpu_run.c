/* One inference of a CPU plan: only calls kernels. Layers with enough work are cut into one range
 * of units per thread, the others stay on the calling thread, where their inputs are. */
#include <pthreadpool.h>
#include <sched.h>
#include <string.h>

#include "profiler/base/denormals.h"
#include "profiler/engine/cpu_plan.h"

/* What a run changes about the calling thread, to be undone. */
typedef struct caller_state {
    unsigned denormals; /* a layer whose activations fade must not slow down a hundredfold */
    bool is_pinned;
    cpu_set_t cpus;
} caller_state;

static caller_state enter(const mop_device *device)
{
    caller_state s = {.denormals = mop_denormals_flush()};
    s.is_pinned = mop_cpu_pool_enter(&device->pool, &s.cpus);
    return s;
}

static void leave(const caller_state *s)
{
    if (s->is_pinned)
        mop_cpu_pool_leave(&s->cpus);
    mop_denormals_restore(s->denormals);
}

float *mop_cpu_output(const mop_plan *plan, uint32_t node)
{
    const size_t at = plan->memory.offset[node];
    return at != SIZE_MAX ? (float *)(void *)(plan->arena.at + at) : NULL;
}

float *mop_cpu_sums(const mop_plan *plan, uint32_t node)
{
    const size_t at = plan->memory.offset[plan->graph->n_nodes + node];
    return at != SIZE_MAX ? (float *)(void *)(plan->arena.at + at) : NULL;
}

size_t mop_cpu_output_bytes(const mop_plan *plan, uint32_t node)
{
    return (size_t)mop_shape_elems(plan->graph->nodes[node].inst.out) * sizeof(float);
}

/* One step's work on its way through the threads. */
typedef struct layer_job {
    const mop_plan *plan;
    const mop_cpu_step *step;
    mop_args args;     /* of the layer, of a group its consumer */
    mop_args producer; /* of a group */
    int64_t gathered;  /* of a mean: rows of sums for each image; 0: from the values */
    bool is_profiled;  /* of a group: each thread adds up where its time goes */
} layer_job;

/* A piece of a group by one thread. The producer's rows go to the thread's own memory, or to the
 * node's where every node is kept. */
static void run_piece(const layer_job *job, const mop_cpu_piece *piece, unsigned char *own)
{
    const mop_plan *plan = job->plan;
    const mop_op_inst *inst = &piece->producer;
    mop_args first = job->producer, then = job->args;
    uint64_t *spent = (uint64_t *)(void *)(own + plan->own.spent), start = 0, between = 0;
    first.inst = &piece->producer;
    for (uint32_t k = 0; k < inst->n_in; k++)
        first.in[k] += piece->in[k];
    first.out =
        plan->keep_all ? first.out + piece->between : (float *)(void *)(own + plan->own.between);
    first.scratch = then.scratch = own;
    first.end = piece->producer_units;
    then.inst = &piece->consumer;
    then.in[0] = first.out;
    then.in[1] = then.in[1] != NULL ? then.in[1] + piece->out : NULL; /* the residual */
    then.out += piece->out;
    then.end = piece->consumer_units;
    if (job->is_profiled)
        start = mop_now_ns(&plan->clock);
    plan->steps[job->step->group->producer].kernel->run(&first);
    if (job->is_profiled)
        between = mop_now_ns(&plan->clock);
    job->step->kernel->run(&then);
    if (job->is_profiled) {
        spent[0] += between - start;
        spent[1] += mop_now_ns(&plan->clock) - between;
    }
}

/* Range i of a layer or group; each range has its own scratch. */
static void run_range(void *context, size_t i)
{
    const layer_job *job = context;
    const int64_t units = job->step->units, n = (int64_t)job->step->ranges;
    const int64_t begin = units * (int64_t)i / n, end = units * (int64_t)(i + 1) / n;
    unsigned char *own = job->plan->scratch.at + i * job->plan->own.stride;
    mop_args args = job->args;
    if (job->step->group != NULL) {
        for (int64_t k = begin; k < end; k++)
            run_piece(job, &job->step->group->pieces[k], own);
        return;
    }
    args.begin = begin;
    args.end = end;
    args.scratch = own;
    if (job->gathered > 0)
        job->step->kernel->finish(&args, job->gathered);
    else
        job->step->kernel->run(&args);
}

/* What node's kernel is given, for the whole layer. */
static mop_args args_of(const mop_plan *plan, uint32_t node, const float *in)
{
    const mop_node *n = &plan->graph->nodes[node];
    const size_t packed = plan->steps[node].packed_offset;
    mop_args args = {.inst = &n->inst};
    for (uint32_t i = 0; i < n->inst.n_in; i++)
        args.in[i] = n->in[i] == 0 ? in : mop_cpu_output(plan, n->in[i]);
    args.out = mop_cpu_output(plan, node);
    args.sums = mop_cpu_sums(plan, plan->steps[node].finishes ? n->in[0] : node);
    if (packed != SIZE_MAX)
        args.packed = plan->weights.at + packed;
    return args;
}

static void run_node(const mop_plan *plan, uint32_t node, const float *in, bool is_profiled)
{
    const mop_cpu_step *s = &plan->steps[node];
    layer_job job = {.plan = plan, .step = s, .is_profiled = is_profiled};
    if (s->group != NULL && s->group->producer == node)
        return; /* runs with its consumer */
    job.args = args_of(plan, node, in);
    if (s->group != NULL)
        job.producer = args_of(plan, s->group->producer, in);
    if (s->finishes)
        job.gathered = plan->steps[plan->graph->nodes[node].in[0]].units / job.args.inst->out.n;
    if (s->ranges == 1)
        run_range(&job, 0);
    else
        pthreadpool_parallelize_1d(plan->device->pool.pool, run_range, &job, s->ranges,
                                   PTHREADPOOL_FLAG_DISABLE_DENORMALS);
}

/* Divides what a group took between its two layers as its threads spent it, and forgets that. */
static void divide_group(const mop_plan *plan, const mop_cpu_group *group, mop_profile *profile)
{
    uint64_t *layer_ns = profile->layer_ns;
    uint64_t spent[2] = {0, 0};
    for (int i = 0; i < plan->device->info.threads; i++) {
        uint64_t *own =
            (uint64_t *)(void *)(plan->scratch.at + (size_t)i * plan->own.stride + plan->own.spent);
        spent[0] += own[0];
        spent[1] += own[1];
        own[0] = own[1] = 0;
    }
    if (spent[0] + spent[1] == 0)
        return;
    const uint64_t total = layer_ns[group->consumer];
    const uint64_t part =
        (uint64_t)((double)total * (double)spent[0] / (double)(spent[0] + spent[1]));
    layer_ns[group->producer] += part;
    layer_ns[group->consumer] -= part;
    if (profile->begin_ns != NULL) { /* drawn one after the other, though they took turns */
        profile->begin_ns[group->consumer] += part;
        profile->begin_ns[group->producer] =
            profile->begin_ns[group->consumer] - layer_ns[group->producer];
    }
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
            run_node(plan, i, in, profile != NULL);
        if (i == n - 1)
            memcpy(out, mop_cpu_output(plan, i), mop_cpu_output_bytes(plan, i));
        if (profile != NULL) {
            const uint64_t now = mop_now_ns(&plan->clock);
            profile->layer_ns[i] = now - last;
            if (profile->begin_ns != NULL)
                profile->begin_ns[i] = last;
            last = now;
            if (plan->steps[i].group != NULL && plan->steps[i].group->consumer == i)
                divide_group(plan, plan->steps[i].group, profile);
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
