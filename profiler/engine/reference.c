#include "profiler/engine/reference.h"

#include <pthread.h>
#include <sched.h>

enum { MAX_THREADS = 16, MIN_SLICED_MACS = 2000000 };

/* Output rows [begin, end) of every image of a convolution. */
typedef struct slice {
    const mop_ref_args *args;
    int32_t begin, end;
} slice;

int mop_reference_threads(void)
{
    cpu_set_t set;
    int n = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = CPU_COUNT(&set);
    return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
}

static void *run_slice(void *arg)
{
    const slice *s = arg;
    const mop_op_inst *inst = s->args->inst;
    int32_t row;
    mop_op_inst part = mop_op_rows(inst, s->begin, s->end, &row);
    int64_t in_row = (int64_t)inst->in[0].w * inst->in[0].c;
    int64_t out_row = (int64_t)inst->out.w * inst->out.c;
    for (int32_t n = 0; n < inst->out.n; n++) {
        mop_ref_args a = *s->args;
        int64_t at = ((int64_t)n * inst->out.h + s->begin) * out_row;
        a.inst = &part;
        a.in[0] += ((int64_t)n * inst->in[0].h + row) * in_row;
        if (part.params.has_residual)
            a.in[part.n_in - 1] += at;
        a.out += at;
        if (a.bound != NULL)
            a.bound += at;
        mop_op_reference(&a);
    }
    return NULL;
}

/* Worth cutting, and every output row touches the input, so that no part is without rows. */
static bool can_slice(const mop_op_inst *inst)
{
    const mop_conv_params *c = &inst->params.u.conv;
    mop_cost cost;
    if (inst->op != MOP_OP_CONV2D)
        return false;
    mop_op_cost(inst, &cost);
    int32_t span = (c->kh - 1) * c->dilation + 1;
    return cost.macs >= MIN_SLICED_MACS && c->pad_top < span && c->pad_bottom < span;
}

void mop_reference_op(const mop_ref_args *args, mop_bound_fn *bound, int threads)
{
    slice slices[MAX_THREADS];
    pthread_t ids[MAX_THREADS];
    bool is_started[MAX_THREADS] = {false};
    int32_t rows = args->inst->out.h;
    int32_t n = threads < MAX_THREADS ? threads : MAX_THREADS;
    if (n > rows)
        n = rows;
    if (n < 2 || bound != NULL || !can_slice(args->inst)) {
        mop_op_reference_bounded(args, bound);
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        slices[i] = (slice){.args = args, .begin = rows * i / n, .end = rows * (i + 1) / n};
        is_started[i] = i > 0 && pthread_create(&ids[i], NULL, run_slice, &slices[i]) == 0;
    }
    for (int32_t i = 0; i < n; i++) {
        if (!is_started[i])
            (void)run_slice(&slices[i]); /* has no result beside what it writes */
    }
    for (int32_t i = 0; i < n; i++) {
        if (is_started[i])
            (void)pthread_join(ids[i], NULL); /* joinable and ours: cannot fail */
    }
}
