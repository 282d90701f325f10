#include "tests/support/fake_backend.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "variants/passes.h"

fake_config fake;

struct mop_device {
    int which;
    mop_device_choice choice;
};

struct mop_plan {
    const mop_graph *graph;
    bool keep_all, is_computed;
    mop_dtype dtype;
    float **w;      /* as mop_model.w */
    double **value; /* [n_nodes] */
    uint32_t runs;
    bool is_copy;
    const mop_device *device;
    mop_plan *older; /* plans that are timed, newest first */
};

static mop_plan *newest;

static bool has_plan(const mop_device *d, const mop_graph *g)
{
    for (const mop_plan *p = newest; p != NULL; p = p->older)
        if (p->device == d && p->graph == g)
            return true;
    return false;
}

static void forget(const mop_plan *gone)
{
    mop_plan **at = &newest;
    while (*at != NULL && *at != gone)
        at = &(*at)->older;
    if (*at != NULL)
        *at = gone->older;
}

static size_t elems(const mop_graph *g, uint32_t i)
{
    return (size_t)mop_shape_elems(g->nodes[i].inst.out);
}

static bool strikes(const mop_plan *p, int32_t height)
{
    return height == 0 || p->graph->nodes[0].inst.out.h == height;
}

static mop_status fake_open(int which, const mop_device_choice *choice, mop_device **out,
                            mop_err *err)
{
    if (fake.is_absent[which])
        return mop_fail(err, MOP_ENODEV, "fake-%c: there is no such device here", 'a' + which);
    mop_device *d = mop_calloc(1, sizeof *d, err);
    if (d == NULL)
        return MOP_ENOMEM;
    d->which = which;
    d->choice = *choice;
    fake.opened++;
    *out = d;
    return MOP_OK;
}

static mop_status open_a(const mop_device_choice *choice, mop_device **out, mop_err *err)
{
    return fake_open(0, choice, out, err);
}

static mop_status open_b(const mop_device_choice *choice, mop_device **out, mop_err *err)
{
    return fake_open(1, choice, out, err);
}

static void fake_close(mop_device *d)
{
    fake.closed += d != NULL;
    free(d);
}

static void fake_info(const mop_device *d, mop_device_info *info)
{
    *info = (mop_device_info){.type = "other", .driver = "none", .threads = d->choice.threads};
    (void)snprintf(info->name, sizeof info->name, "fake device %c", 'a' + d->which);
    (void)snprintf(info->uuid, sizeof info->uuid, "%032d", d->which);
    info->is_software = d->which == 1;
}

static mop_status list_devices(mop_device_info *info, size_t cap, size_t *n, mop_err *err)
{
    (void)err;
    *n = 1;
    if (cap > 0)
        info[0] = (mop_device_info){.name = "fake device"};
    return MOP_OK;
}

static bool fake_supports(const mop_device *d, const mop_op_inst *inst)
{
    (void)d;
    (void)inst;
    return true;
}

static void plan_free(mop_plan *p)
{
    if (p == NULL)
        return;
    forget(p);
    for (uint32_t i = 0; i < p->graph->n_nodes * (uint32_t)MOP_MAX_WEIGHTS; i++)
        free(p->w[i]);
    for (uint32_t i = 0; i < p->graph->n_nodes; i++)
        free(p->value[i]);
    free(p->w);
    free(p->value);
    free(p);
    fake.freed++;
}

static mop_status fake_runs(const mop_device *d, mop_dtype dtype, mop_err *err)
{
    (void)d;
    return dtype != MOP_DTYPE_FP16
               ? MOP_OK
               : mop_fail(err, MOP_EUNSUPPORTED, "fake-a: no float16 arithmetic, which fp16 needs");
}

static bool is_held_in_8_bits(const mop_plan *p, uint32_t node, uint32_t j)
{
    const mop_op op = p->graph->nodes[node].inst.op;
    return j == 0 && (op == MOP_OP_CONV2D || op == MOP_OP_FC);
}

static void fake_precision(const mop_plan *p, uint32_t node, mop_precision *out)
{
    *out = (mop_precision){0};
    if (p->dtype == MOP_DTYPE_FP16S)
        *out = (mop_precision){.stored = MOP_ROUNDOFF_FP16,
                               .constants = MOP_ROUNDOFF_FP16,
                               .tiny = 0x1p-25,
                               .largest = MOP_FP16_MAX};
    else if (p->dtype == MOP_DTYPE_INT8)
        *out = (mop_precision){.stored = 1 / 254.0,
                               .constants = is_held_in_8_bits(p, node, 0) ? 1 / 254.0 : 0,
                               .is_scaled = true};
}

/* To the nearest multiple of the largest / 127. */
static void scale_to_8_bits(double *v, size_t n)
{
    double top = 0;
    for (size_t i = 0; i < n; i++)
        top = fmax(top, fabs(v[i]));
    for (size_t i = 0; i < n && top > 0; i++)
        v[i] = nearbyint(v[i] * 127 / top) * top / 127;
}

static void fake_hold(const mop_plan *p, uint32_t node, uint32_t j, float *w, size_t n)
{
    const size_t run = n / (size_t)p->graph->nodes[node].inst.out.c;
    for (size_t i = 0; p->dtype == MOP_DTYPE_FP16S && i < n; i++) {
        uint16_t half = mop_fp16_from(w[i]);
        if (fake.fault == FAKE_CONSTANTS && fabsf(mop_fp16_to(half)) > fabsf(w[i]))
            half--;
        w[i] = mop_fp16_to(half);
    }
    for (size_t i = 0; p->dtype == MOP_DTYPE_INT8 && is_held_in_8_bits(p, node, j) && i < n;
         i += run) {
        double v[4096]; /* what a channel of the tests' networks has at most */
        for (size_t k = 0; k < run; k++)
            v[k] = (double)w[i + k];
        scale_to_8_bits(v, run);
        for (size_t k = 0; k < run; k++)
            w[i + k] = (float)v[k];
    }
}

/* v[n], the output of node, as it is written. */
static void store(const mop_plan *p, uint32_t node, double *v, size_t n)
{
    const bool is_it = fake.fault == FAKE_ROUNDING && node == fake.fault_node;
    for (size_t i = 0; i < n; i++) {
        const double exact = v[i];
        v[i] = (double)(float)v[i];
        if (p->dtype == MOP_DTYPE_FP16S)
            v[i] = (double)mop_fp16_to(mop_fp16_from((float)v[i]));
        if (is_it)
            v[i] += v[i] - exact;
    }
    if (p->dtype == MOP_DTYPE_INT8)
        scale_to_8_bits(v, n);
    for (size_t i = 0; i < n; i++)
        v[i] = (double)(float)v[i];
}

static mop_status copy_weights(mop_plan *p, const mop_model *model, uint32_t node, mop_err *err)
{
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    uint32_t n = mop_op_weights(&model->graph->nodes[node].inst, desc);
    for (uint32_t j = 0; j < n; j++) {
        size_t count = (size_t)desc[j].elems;
        float *w = mop_calloc(count, sizeof *w, err);
        if (w == NULL)
            return MOP_ENOMEM;
        memcpy(w, mop_model_w(model, node, j), count * sizeof *w);
        fake_hold(p, node, j, w, count);
        p->w[node * MOP_MAX_WEIGHTS + j] = w;
    }
    return MOP_OK;
}

static mop_status make_plan(mop_device *d, const mop_model *model, const mop_plan_desc *desc,
                            mop_plan **out, mop_err *err)
{
    const mop_graph *g = model->graph;
    mop_status st =
        mop_backend_runs(d->which == 0 ? &fake_backend_a : &fake_backend_b, d, desc->dtype, err);
    mop_plan *p = st == MOP_OK ? calloc(1, sizeof *p) : NULL;
    if (st != MOP_OK)
        return st;
    if (p == NULL)
        return mop_fail(err, MOP_ENOMEM, "fake: no memory");
    p->dtype = desc->dtype;
    p->graph = g;
    p->keep_all = desc->keep_all;
    p->device = d;
    if (!p->keep_all) {
        p->is_copy = has_plan(d, g);
        p->older = newest;
        newest = p;
    }
    p->w = calloc((size_t)g->n_nodes * MOP_MAX_WEIGHTS, sizeof *p->w);
    p->value = calloc(g->n_nodes, sizeof *p->value);
    for (uint32_t i = 0; i < g->n_nodes && st == MOP_OK; i++) {
        p->value[i] = mop_calloc(elems(g, i), sizeof(double), err);
        st = p->value[i] == NULL ? MOP_ENOMEM : copy_weights(p, model, i, err);
    }
    fake.planned++;
    if (st == MOP_OK)
        *out = p;
    else
        plan_free(p);
    return st;
}

static void fake_plan_info(const mop_plan *p, mop_plan_info *info)
{
    *info = (mop_plan_info){.arena_bytes = 4096,
                            .weight_bytes = 1024,
                            .setup_ns = 5000,
                            .first_run_ns = p->runs > 0 ? 7000 : 0,
                            .n_dispatches = p->graph->n_nodes - 1};
}

static const char *kernel_name(const mop_plan *p, uint32_t node)
{
    (void)p;
    return node > 0 ? "fake_kernel" : "";
}

static void spoil(const mop_plan *p, uint32_t node, const double *bound)
{
    size_t n = elems(p->graph, node), at = 0;
    double *v = p->value[node];
    bool is_it = strikes(p, fake.fault_height) && node == fake.fault_node;
    for (size_t i = 0; i < n; i++)
        at = fabs(v[i]) > fabs(v[at]) ? i : at;
    if (fake.fault == FAKE_TWICE_BOUND && is_it)
        v[at] += 2 * bound[at];
    else if (fake.fault == FAKE_NAN && is_it)
        v[3] = (double)NAN;
    else if (fake.fault == FAKE_ARENA && is_it && !p->keep_all)
        v[at] = (double)nextafterf((float)v[at], INFINITY);
}

static mop_status compute(mop_plan *p, const float *in, mop_err *err)
{
    for (size_t i = 0; i < elems(p->graph, 0); i++)
        p->value[0][i] = in[i];
    store(p, 0, p->value[0], elems(p->graph, 0));
    for (uint32_t i = 1; i < p->graph->n_nodes; i++) {
        const mop_node *node = &p->graph->nodes[i];
        size_t n = elems(p->graph, i);
        double *bound = mop_calloc(n, sizeof *bound, err);
        mop_ref_args a = {.inst = &node->inst, .out = p->value[i], .bound = bound};
        if (bound == NULL)
            return MOP_ENOMEM;
        for (uint32_t j = 0; j < node->inst.n_in; j++)
            a.in[j] = p->value[node->in[j]];
        for (uint32_t j = 0; j < MOP_MAX_WEIGHTS; j++)
            a.w[j] = p->w[i * MOP_MAX_WEIGHTS + j];
        mop_op_reference(&a);
        store(p, i, p->value[i], n);
        spoil(p, i, bound);
        for (size_t k = 0; k < n; k++)
            p->value[i][k] = (double)(float)p->value[i][k];
        free(bound);
    }
    p->is_computed = true;
    return MOP_OK;
}

static mop_status count_run(mop_plan *p, mop_profile *profile, mop_err *err)
{
    if (profile != NULL && fake.has_no_profile)
        return mop_fail(err, MOP_EUNSUPPORTED, "fake: cannot profile");
    fake.runs += profile == NULL;
    fake.profiled += profile != NULL;
    p->runs++;
    if (!p->keep_all && fake.lost_at_run > 0 && p->runs >= fake.lost_at_run &&
        strikes(p, fake.lost_height))
        return mop_fail(err, MOP_ELOST, "fake: the device is lost");
    if (fake.now_ns != NULL)
        *fake.now_ns += fake.run_ns + (p->is_copy ? fake.copy_ns : 0) +
                        (p->runs * UINT32_C(2654435761) >> 28) * fake.jitter_ns +
                        (profile != NULL ? fake.profiled_ns : 0);
    return MOP_OK;
}

/* Computes at the first run only: the tests give a plan one input. */
static mop_status fake_run(mop_plan *p, const float *in, float *out, mop_profile *profile,
                           mop_err *err)
{
    uint32_t last = p->graph->n_nodes - 1;
    mop_status st = count_run(p, profile, err);
    if (st == MOP_OK && !p->is_computed)
        st = compute(p, in, err);
    if (st != MOP_OK)
        return st;
    for (size_t i = 0; i < elems(p->graph, last); i++)
        out[i] = (float)p->value[last][i];
    if (profile != NULL) {
        profile->total_ns = 0;
        for (uint32_t i = 0; i <= last; i++) {
            profile->layer_ns[i] = fake.layer_ns > 0 ? fake.layer_ns : i;
            profile->total_ns += profile->layer_ns[i];
        }
        profile->n_layers = last + 1;
        profile->clock_name = "host";
    }
    return MOP_OK;
}

static mop_status fake_read(mop_plan *p, uint32_t node, float *dst, size_t n, mop_err *err)
{
    if (n != elems(p->graph, node) || (!p->keep_all && node != p->graph->n_nodes - 1))
        return mop_fail(err, MOP_EINVAL, "fake: cannot read node %" PRIu32, node);
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)p->value[node][i];
    return MOP_OK;
}

static bool fake_device_time(mop_plan *p, uint64_t *ns)
{
    (void)p;
    if (fake.question_ns == 0)
        return false;
    if (fake.questions++ == 0)
        *fake.now_ns += fake.question_ns;
    *ns = 1;
    return true;
}

#define FAKE_COMMON                                                                                \
    .close = fake_close, .info = fake_info, .list = list_devices, .supports = fake_supports,       \
    .plan = make_plan, .plan_free = plan_free, .plan_info = fake_plan_info,                        \
    .kernel_name = kernel_name, .run = fake_run, .read = fake_read,                                \
    .device_time = fake_device_time

const mop_backend fake_backend_a = {.id = "fake-a",
                                    .what = "a",
                                    .fuses = MOP_FUSE_SE | MOP_FUSE_DWPW,
                                    .has_winograd = true,
                                    .open = open_a,
                                    .runs = fake_runs,
                                    .precision = fake_precision,
                                    .hold = fake_hold,
                                    FAKE_COMMON};
const mop_backend fake_backend_b = {.id = "fake-b", .what = "b", .open = open_b, FAKE_COMMON};

const mop_backend *fake_backend_find(const char *id, mop_err *err)
{
    if (strcmp(id, "fake-a") == 0)
        return &fake_backend_a;
    if (strcmp(id, "fake-b") == 0)
        return &fake_backend_b;
    (void)mop_fail(err, MOP_EINVAL, "unknown back end '%s'", id);
    return NULL;
}
