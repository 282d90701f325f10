/* Timing for mop_tune_measure(). */
#include <pthreadpool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu/kernel.h"
#include "profiler/base/alloc.h"
#include "profiler/base/clock.h"
#include "profiler/base/rng.h"
#include "profiler/base/stats.h"
#include "profiler/engine/cpu_info.h"
#include "profiler/engine/cpu_memory.h"
#include "profiler/engine/cpu_pool.h"
#include "profiler/engine/tune.h"
#include "variants/passes.h"
#include "variants/variant.h"

/* COPIES: of one kernel's weights, at most. ROUNDS: of one shape; MIN_ROUNDS whatever the budget.
 */
enum { CANDIDATES = 8, COPIES = 24, ROUNDS = 101, MIN_ROUNDS = 5 };

/* Faster by less than this is the machine's noise. */
#define CLEARLY_FASTER 1.02

/* The operators to time, each once. */
typedef struct worklist {
    mop_op_inst *items;
    size_t n, cap;
} worklist;

/* A kernel with all it needs to run. */
typedef struct candidate {
    const mop_cpu_kernel *kernel;
    mop_block packed, scratch; /* packed: copies x stride */
    size_t stride, copies, scratch_stride;
    double ns[ROUNDS];
} candidate;

typedef struct contest {
    const mop_op_inst *inst;
    mop_kernel_policy policy;
    mop_cpu_pool pool;
    int threads;
    candidate list[CANDIDATES];
    size_t n;
    mop_block in[MOP_MAX_IN], w[MOP_MAX_WEIGHTS], out;
} contest;

/* Kernels of the level that is chosen from, at most `cap` into list. */
static size_t candidates(const mop_op_inst *inst, const mop_kernel_policy *policy,
                         candidate list[CANDIDATES])
{
    const mop_cpu_kernel *shipped = mop_cpu_kernel_choose(inst, policy);
    size_t n_all, n = 0;
    const mop_cpu_kernel *const *all = mop_cpu_kernels(&n_all);
    for (size_t i = 0; shipped != NULL && i < n_all && n < CANDIDATES; i++)
        if (all[i]->isa == shipped->isa && mop_cpu_kernel_allowed(all[i], inst, policy))
            list[n++] = (candidate){.kernel = all[i]};
    return n;
}

static mop_status add_work(worklist *l, const mop_op_inst *inst, mop_err *err)
{
    char shape[MOP_TUNE_SHAPE], other[MOP_TUNE_SHAPE];
    mop_tune_shape(inst, shape);
    for (size_t i = 0; i < l->n; i++) {
        mop_tune_shape(&l->items[i], other);
        if (strcmp(shape, other) == 0)
            return MOP_OK;
    }
    if (l->n == l->cap) {
        const size_t cap = l->cap > 0 ? 2 * l->cap : 64;
        void *grown = mop_realloc(l->items, cap, sizeof *l->items, err);
        if (grown == NULL)
            return MOP_ENOMEM;
        l->items = grown;
        l->cap = cap;
    }
    l->items[l->n++] = *inst;
    return MOP_OK;
}

static mop_status collect(const mop_strlist *specs, const mop_kernel_policy *policy, worklist *l,
                          mop_err *err)
{
    mop_status status = MOP_OK;
    for (size_t i = 0; i < specs->n && status == MOP_OK; i++) {
        candidate list[CANDIDATES];
        mop_model *model = NULL, *fused = NULL;
        mop_spec spec;
        status = mop_spec_parse(specs->items[i], &spec, err);
        if (status == MOP_OK)
            status = mop_variant_model(&spec, 1, 1, &model, err);
        if (status == MOP_OK)
            status = mop_pass_fuse(model, MOP_FUSE_ALL, &fused, err);
        for (uint32_t k = 1; status == MOP_OK && k < fused->graph->n_nodes; k++)
            if (candidates(&fused->graph->nodes[k].inst, policy, list) > 1)
                status = add_work(l, &fused->graph->nodes[k].inst, err);
        mop_model_free(fused);
        mop_model_free(model);
    }
    return status;
}

static mop_status make_values(mop_block *b, int64_t n, mop_rng *rng, mop_err *err)
{
    const mop_status status = mop_block_init(b, (size_t)n * sizeof(float), 0, err);
    float *x = (float *)(void *)b->at;
    for (int64_t i = 0; status == MOP_OK && i < n; i++)
        x[i] = (float)(0.1 + 0.8 * mop_rng_uniform(rng));
    return status;
}

static mop_status make_tensors(contest *c, mop_err *err)
{
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    const uint32_t n_w = mop_op_weights(c->inst, desc);
    mop_rng rng;
    mop_status status = MOP_OK;
    mop_rng_init(&rng, 1, 0);
    for (uint32_t i = 0; i < c->inst->n_in && status == MOP_OK; i++)
        status = make_values(&c->in[i], mop_shape_elems(c->inst->in[i]), &rng, err);
    for (uint32_t i = 0; i < n_w && status == MOP_OK; i++)
        status = make_values(&c->w[i], desc[i].elems, &rng, err);
    return status == MOP_OK ? make_values(&c->out, mop_shape_elems(c->inst->out), &rng, err)
                            : status;
}

/* Twice the last cache's worth of copies, so that a copy has left it when its turn comes. */
static mop_status make_ready(contest *c, candidate *k, mop_err *err)
{
    const mop_cpu_kernel *f = k->kernel;
    const float *w[MOP_MAX_WEIGHTS];
    const size_t packed = f->packed_bytes != NULL ? f->packed_bytes(c->inst) : 0;
    const size_t scratch = f->scratch_bytes != NULL ? f->scratch_bytes(c->inst) : 0;
    mop_status status;
    k->stride = (packed + MOP_ALIGN - 1) / MOP_ALIGN * MOP_ALIGN;
    k->scratch_stride = (scratch + MOP_ALIGN - 1) / MOP_ALIGN * MOP_ALIGN;
    k->copies = k->stride > 0 ? 2 * mop_cpu_last_cache() / k->stride + 1 : 1;
    k->copies = k->copies < COPIES ? k->copies : COPIES;
    status = mop_block_init(&k->packed, k->copies * k->stride, 0, err);
    if (status == MOP_OK)
        status = mop_block_init(&k->scratch, (size_t)c->threads * k->scratch_stride, 0, err);
    if (status != MOP_OK || f->pack == NULL)
        return status;
    for (int i = 0; i < MOP_MAX_WEIGHTS; i++)
        w[i] = (const float *)(const void *)c->w[i].at;
    f->pack(c->inst, w, k->packed.at);
    for (size_t i = 1; i < k->copies; i++)
        memcpy(k->packed.at + i * k->stride, k->packed.at, packed);
    return MOP_OK;
}

/* One run on all threads. */
typedef struct turn {
    const candidate *k;
    mop_args args;
    int64_t units;
    size_t ranges;
} turn;

static void run_range(void *context, size_t i)
{
    const turn *t = context;
    mop_args args = t->args;
    args.begin = t->units * (int64_t)i / (int64_t)t->ranges;
    args.end = t->units * (int64_t)(i + 1) / (int64_t)t->ranges;
    args.scratch = t->k->scratch.at + i * t->k->scratch_stride;
    t->k->kernel->run(&args);
}

static double time_once(const contest *c, const candidate *k, size_t round, const mop_clock *clock)
{
    turn t = {.k = k, .args = {.inst = c->inst}, .units = k->kernel->units(c->inst)};
    const uint64_t start = mop_now_ns(clock);
    t.ranges = t.units < c->threads ? (size_t)t.units : (size_t)c->threads;
    for (int i = 0; i < MOP_MAX_IN; i++)
        t.args.in[i] = (const float *)(const void *)c->in[i].at;
    t.args.out = (float *)(void *)c->out.at;
    t.args.packed = k->stride > 0 ? k->packed.at + round % k->copies * k->stride : NULL;
    if (t.ranges == 1)
        run_range(&t, 0);
    else
        pthreadpool_parallelize_1d(c->pool.pool, run_range, &t, t.ranges,
                                   PTHREADPOOL_FLAG_DISABLE_DENORMALS);
    return (double)(mop_now_ns(clock) - start);
}

/* Rounds until the budget is used up; the first is not counted. */
static size_t race(contest *c, uint64_t budget_ns)
{
    const mop_clock clock = mop_clock_real();
    const uint64_t start = mop_now_ns(&clock);
    size_t rounds = 0;
    for (size_t i = 0; i < c->n; i++)
        (void)time_once(c, &c->list[i], 0, &clock);
    while (rounds < ROUNDS && (rounds < MIN_ROUNDS || mop_now_ns(&clock) - start < budget_ns)) {
        for (size_t i = 0; i < c->n; i++)
            c->list[i].ns[rounds] = time_once(c, &c->list[i], rounds + 1, &clock);
        rounds++;
    }
    return rounds;
}

static void contest_release(contest *c)
{
    for (size_t i = 0; i < c->n; i++) {
        mop_block_release(&c->list[i].packed);
        mop_block_release(&c->list[i].scratch);
    }
    for (int i = 0; i < MOP_MAX_IN; i++)
        mop_block_release(&c->in[i]);
    for (int i = 0; i < MOP_MAX_WEIGHTS; i++)
        mop_block_release(&c->w[i]);
    mop_block_release(&c->out);
}

static void judge(contest *c, size_t rounds, mop_tune_entry *e)
{
    const mop_cpu_kernel *shipped = mop_cpu_kernel_choose(c->inst, &c->policy);
    const mop_cpu_kernel *best = shipped;
    double least = 0, of_shipped = 0;
    for (size_t i = 0; i < c->n; i++) {
        mop_sort_f64(c->list[i].ns, rounds);
        const double ns = mop_quantile(c->list[i].ns, rounds, 0.5);
        if (c->list[i].kernel == shipped)
            of_shipped = ns;
        if (least == 0 || ns < least) {
            least = ns;
            best = c->list[i].kernel;
        }
    }
    e->ratio = of_shipped / least;
    if (e->ratio < CLEARLY_FASTER) {
        best = shipped;
        e->ratio = 1;
    }
    mop_tune_shape(c->inst, e->shape);
    (void)snprintf(e->shipped, sizeof e->shipped, "%s", shipped->name);
    (void)snprintf(e->kernel, sizeof e->kernel, "%s", best->name);
}

static mop_status tune_one(contest *c, uint64_t budget_ns, mop_tune_entry *e, mop_err *err)
{
    mop_status status;
    c->n = candidates(c->inst, &c->policy, c->list);
    status = make_tensors(c, err);
    for (size_t i = 0; i < c->n && status == MOP_OK; i++)
        status = make_ready(c, &c->list[i], err);
    if (status == MOP_OK)
        judge(c, race(c, budget_ns), e);
    contest_release(c);
    return status;
}

mop_status mop_tune_measure(const mop_strlist *specs, const mop_device_choice *choice,
                            uint64_t budget_ns, mop_tune *t, mop_err *err)
{
    const mop_kernel_policy policy = {.isa_mask = choice->isa_mask};
    worklist work = {0};
    mop_device_info info;
    mop_tune_entry e = {.ratio = 1};
    contest *c = mop_calloc(1, sizeof *c, err);
    mop_status status = c != NULL ? collect(specs, &policy, &work, err) : MOP_ENOMEM;
    mop_cpu_describe(&info, choice->isa_mask, choice->threads);
    mop_tune_key(&info, e.key);
    if (status == MOP_OK && choice->threads > 1)
        status = mop_cpu_pool_open(&c->pool, choice->threads, err);
    for (size_t i = 0; i < work.n && status == MOP_OK; i++) {
        *c = (contest){
            .inst = &work.items[i], .policy = policy, .pool = c->pool, .threads = choice->threads};
        status = tune_one(c, budget_ns / work.n, &e, err);
        if (status == MOP_OK)
            status = mop_tune_put(t, &e, err);
    }
    if (c != NULL)
        mop_cpu_pool_close(&c->pool);
    free(c);
    free(work.items);
    return status;
}
