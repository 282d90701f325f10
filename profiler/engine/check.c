/* Truth: the reference network and the three links (see the header).
 *
 * Both walks go through the nodes in order and hold a float64 copy of each output until its last
 * reader has run. Cost: one float64 evaluation of the network each; memory: the tensors alive at
 * once, 8 bytes an element. */
#include "profiler/engine/check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/hash.h"
#include "profiler/engine/reference.h"

/* 4.5 / sqrt(3), see mop_network_bound(). */
#define SCALED_SPREAD 2.6

/* Results this small may be flushed to zero (kernels run with denormals off): half a million
 * flushed terms of weight up to 1000 stay below it. */
#define FLUSH_FLOOR 1e-29

typedef struct walk {
    const mop_model *model;
    double **value; /* [n_nodes] outputs still needed */
    uint32_t *last; /* [n_nodes] last reader; the output node is its own */
    int threads;
} walk;

static size_t elems_of(const mop_graph *g, uint32_t node)
{
    return (size_t)mop_shape_elems(g->nodes[node].inst.out);
}

static void walk_release(walk *w)
{
    if (w->value != NULL) {
        for (uint32_t i = 0; i < w->model->graph->n_nodes; i++)
            free(w->value[i]);
    }
    free(w->value);
    free(w->last);
}

static mop_status walk_init(walk *w, const mop_model *model, const float *in, mop_err *err)
{
    const mop_graph *g = model->graph;
    size_t n = elems_of(g, 0);
    *w = (walk){.model = model, .threads = mop_reference_threads()};
    w->value = mop_calloc(g->n_nodes, sizeof *w->value, err);
    w->last = mop_calloc(g->n_nodes, sizeof *w->last, err);
    if (w->value == NULL || w->last == NULL)
        return MOP_ENOMEM;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        w->last[i] = i;
        for (uint32_t j = 0; j < g->nodes[i].inst.n_in; j++)
            w->last[g->nodes[i].in[j]] = i;
    }
    w->value[0] = mop_calloc(n, sizeof(double), err);
    if (w->value[0] == NULL)
        return MOP_ENOMEM;
    for (size_t i = 0; i < n; i++)
        w->value[0][i] = in[i];
    return MOP_OK;
}

/* How a plan does a node. Zeroed: as the model has it, in float32. */
typedef struct manner {
    mop_bound_fn *bound; /* NULL: the operator's own */
    mop_precision precision;
    float *w[MOP_MAX_WEIGHTS]; /* constants as they are held; NULL: as the model has them */
} manner;

static void manner_release(manner *m)
{
    for (uint32_t j = 0; j < MOP_MAX_WEIGHTS; j++)
        free(m->w[j]);
}

/* node's reference from the values held, into out (and bound unless NULL). */
static void walk_compute(const walk *w, uint32_t node, const manner *m, double *out, double *bound)
{
    const mop_node *x = &w->model->graph->nodes[node];
    mop_ref_args a = {.inst = &x->inst, .out = out, .bound = bound, .precision = &m->precision};
    for (uint32_t i = 0; i < x->inst.n_in; i++)
        a.in[i] = w->value[x->in[i]];
    for (uint32_t i = 0; i < MOP_MAX_WEIGHTS; i++)
        a.w[i] = m->w[i] != NULL ? m->w[i] : mop_model_w(w->model, node, i);
    mop_reference_op(&a, m->bound, w->threads);
}

/* Frees what node was the last to read. */
static void walk_retire(walk *w, uint32_t node)
{
    const mop_node *x = &w->model->graph->nodes[node];
    for (uint32_t i = 0; i < x->inst.n_in; i++) {
        uint32_t j = x->in[i];
        if (w->last[j] == node) {
            free(w->value[j]);
            w->value[j] = NULL;
        }
    }
}

static mop_status expect_elems(const mop_graph *g, size_t n, mop_err *err)
{
    size_t want = elems_of(g, g->n_nodes - 1);
    return n == want ? MOP_OK
                     : mop_fail(err, MOP_EINVAL, "the output has %zu elements, not %zu", want, n);
}

mop_status mop_reference_run(const mop_model *model, const float *in, double *out, size_t n,
                             mop_err *err)
{
    const mop_graph *g = model->graph;
    walk w = {.model = model};
    mop_status st = expect_elems(g, n, err);
    if (st == MOP_OK)
        st = walk_init(&w, model, in, err);
    for (uint32_t i = 1; st == MOP_OK && i < g->n_nodes; i++) {
        w.value[i] = mop_calloc(elems_of(g, i), sizeof(double), err);
        if (w.value[i] == NULL) {
            st = MOP_ENOMEM;
            break;
        }
        walk_compute(&w, i, &(manner){0}, w.value[i], NULL);
        walk_retire(&w, i);
    }
    if (st == MOP_OK)
        memcpy(out, w.value[g->n_nodes - 1], n * sizeof *out);
    walk_release(&w);
    return st;
}

/* Terms of the longest sum behind one output element. */
static double longest_sum(const mop_op_inst *inst)
{
    const mop_shape in = inst->in[0];
    switch (inst->op) {
    case MOP_OP_CONV2D: {
        const mop_conv_params *c = &inst->params.u.conv;
        return (double)c->kh * c->kw * in.c / c->groups;
    }
    case MOP_OP_FC:
        return (double)in.h * in.w * in.c;
    case MOP_OP_GAP:
        return (double)in.h * in.w;
    case MOP_OP_LAYERNORM:
    case MOP_OP_SOFTMAX:
    case MOP_OP_ATTN_AV:
        return in.c;
    case MOP_OP_ATTN_QK:
        return (double)in.c / 3 / inst->params.u.attn.heads;
    case MOP_OP_POOL:
        return (double)inst->params.u.pool.k * inst->params.u.pool.k;
    default:
        return 2; /* an elementwise multiply-add at most */
    }
}

static mop_precision precision_of(const mop_backend *backend, const mop_plan *plan, uint32_t node)
{
    mop_precision p = {0};
    if (backend != NULL && backend->precision != NULL)
        backend->precision(plan, node, &p);
    return p;
}

/* Square of the relative error in the 2-norm that p adds to float32's for sums of k terms. */
static double coarse_square(const mop_precision *p, double k)
{
    const double m = p->block > 0 && p->block < k ? p->block : k;
    const double spread = p->is_scaled ? SCALED_SPREAD : 1;
    return spread * spread * (p->stored * p->stored + p->constants * p->constants) +
           (m + 2) * p->sums * p->sums;
}

double mop_network_bound(const mop_graph *graph, const mop_backend *backend, const mop_plan *plan)
{
    double sum = 0, coarse = 0;
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        const bool says = backend != NULL && backend->error_growth != NULL;
        const mop_precision p = precision_of(backend, plan, i);
        const double k = i > 0 ? longest_sum(&graph->nodes[i].inst) : 0;
        coarse += coarse_square(&p, k);
        if (i > 0)
            sum += (says ? backend->error_growth(plan, i) : 1) * sqrt(k + 2);
    }
    return 8 * (MOP_ROUNDOFF_FP32 * sum + sqrt(coarse));
}

/* What one check works on. */
typedef struct subject {
    const mop_backend *backend;
    const mop_model *fused;
    mop_plan *keep_all;
    mop_check *check;
    mop_precision precision; /* of the node at hand */
} subject;

/* What a number type of small range adds to the sentence about a wrong value; text holds it. */
static const char *overflow_text(const mop_precision *p, double got, double want, char text[64])
{
    *text = '\0';
    if (p->largest > 0 && (!isfinite(got) || fabs(want) > p->largest))
        (void)snprintf(text, 64, "; what is beyond %g overflows here", p->largest); /* fits */
    return text;
}

static mop_status wrong_value(const subject *s, uint32_t node, size_t at, const double v[3],
                              mop_err *err)
{
    const mop_node *x = &s->fused->graph->nodes[node];
    mop_shape o = x->inst.out;
    size_t c = at % (size_t)o.c, w = at / (size_t)o.c % (size_t)o.w;
    size_t h = at / (size_t)o.c / (size_t)o.w % (size_t)o.h;
    char range[64];
    return mop_fail(err, MOP_ECHECK,
                    "%s: node %" PRIu32
                    " %s (%s by %s) element %zu [h %zu, w %zu, c %zu]: got %.9g, "
                    "want %.9g, bound %.3g%s",
                    s->backend->id, node, x->name, mop_op_get(x->inst.op)->name,
                    s->backend->kernel_name(s->keep_all, node), at, h, w, c, v[0], v[1], v[2],
                    overflow_text(&s->precision, v[0], v[1], range));
}

/* Holds got to want under bound, element by element. A NaN or infinity where the reference is
 * finite fails like any wrong value. */
static mop_status compare_node(const subject *s, uint32_t node, const float *got,
                               const double *want, const double *bound, mop_err *err)
{
    size_t n = elems_of(s->fused->graph, node), worst_at = 0;
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double error = fabs((double)got[i] - want[i]);
        double ratio = error / (bound[i] + FLUSH_FLOOR);
        if (isnan(ratio) || isinf(ratio)) {
            double v[3] = {got[i], want[i], bound[i]};
            s->check->worst_node = INFINITY;
            s->check->worst_index = node;
            return wrong_value(s, node, i, v, err);
        }
        if (ratio > worst) {
            worst = ratio;
            worst_at = i;
        }
    }
    if (worst > s->check->worst_node) {
        s->check->worst_node = worst;
        s->check->worst_index = node;
    }
    if (worst <= 1)
        return MOP_OK;
    double v[3] = {got[worst_at], want[worst_at], bound[worst_at]};
    return wrong_value(s, node, worst_at, v, err);
}

/* A scale is a float32 itself, and so is what it makes of an integer. */
static double share_of(const mop_precision *p, double roundoff)
{
    return p->is_scaled && roundoff > 0 ? roundoff + 4 * MOP_ROUNDOFF_FP32 : roundoff;
}

/* Constant j of node, as it is held, against the model's. */
static mop_status check_constant(const subject *s, uint32_t node, const mop_weight_desc *desc,
                                 const float *held, const float *w, mop_err *err)
{
    const mop_node *x = &s->fused->graph->nodes[node];
    const mop_precision *p = &s->precision;
    const int64_t channels = p->is_scaled && desc->elems % x->inst.out.c == 0 ? x->inst.out.c : 1;
    const int64_t run = p->is_scaled ? desc->elems / channels : 1;
    for (int64_t i = 0, to; i < desc->elems; i = to) {
        double top = 0;
        to = i + run;
        for (int64_t k = i; k < to; k++)
            top = fmax(top, fabs((double)w[k]));
        for (int64_t k = i; k < to; k++) {
            const double bound = share_of(p, p->constants) * top + p->tiny;
            char range[64];
            if (fabs((double)held[k] - (double)w[k]) <= bound)
                continue;
            return mop_fail(err, MOP_ECHECK,
                            "%s: node %" PRIu32 " %s: constant %s[%" PRId64
                            "] is held as %.9g, the model's is %.9g, bound %.3g%s",
                            s->backend->id, node, x->name, desc->role, k, (double)held[k],
                            (double)w[k], bound,
                            overflow_text(p, (double)held[k], (double)w[k], range));
        }
    }
    return MOP_OK;
}

static mop_status hold_constants(const subject *s, uint32_t node, manner *m, mop_err *err)
{
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    const uint32_t n = mop_op_weights(&s->fused->graph->nodes[node].inst, desc);
    mop_status st = MOP_OK;
    for (uint32_t j = 0; st == MOP_OK && s->backend->hold != NULL && j < n; j++) {
        const float *w = mop_model_w(s->fused, node, j);
        const size_t elems = (size_t)desc[j].elems;
        m->w[j] = mop_calloc(elems, sizeof *w, err);
        if (m->w[j] == NULL)
            return MOP_ENOMEM;
        memcpy(m->w[j], w, elems * sizeof *w);
        s->backend->hold(s->keep_all, node, j, m->w[j], elems);
        st = check_constant(s, node, &desc[j], m->w[j], w, err);
    }
    return st;
}

/* Widens bound by the rounding of what is written. */
static void add_storage(const mop_precision *p, const double *want, double *bound, size_t n)
{
    double top = 0;
    for (size_t i = 0; p->is_scaled && i < n; i++)
        top = fmax(top, fabs(want[i]) + bound[i]);
    for (size_t i = 0; p->stored > 0 && i < n; i++)
        bound[i] +=
            share_of(p, p->stored) * (p->is_scaled ? top : fabs(want[i]) + bound[i]) + p->tiny;
}

/* The reference of node from what its plan holds, and what it is held to. The walk begins with the
 * values of node 0. */
static mop_status expect_node(const subject *s, const walk *w, uint32_t node, double *want,
                              double *bound, mop_err *err)
{
    const size_t n = elems_of(s->fused->graph, node);
    manner m = {.precision = s->precision};
    mop_status st = MOP_OK;
    if (node == 0) {
        memcpy(want, w->value[0], n * sizeof *want);
    } else {
        if (s->backend->bound != NULL)
            m.bound = s->backend->bound(s->keep_all, node);
        st = hold_constants(s, node, &m, err);
        if (st == MOP_OK)
            walk_compute(w, node, &m, want, bound);
        manner_release(&m);
    }
    if (st == MOP_OK)
        add_storage(&s->precision, want, bound, n);
    return st;
}

/* One node: read it, compare it, and leave it in the walk for its readers. */
static mop_status check_node(subject *s, walk *w, uint32_t node, mop_err *err)
{
    size_t n = elems_of(s->fused->graph, node);
    float *got = mop_calloc(n, sizeof *got, err);
    double *bound = mop_calloc(n, sizeof *bound, err);
    double *want = mop_calloc(n, sizeof *want, err);
    mop_status st = got && bound && want ? MOP_OK : MOP_ENOMEM;
    s->precision = precision_of(s->backend, s->keep_all, node);
    if (st == MOP_OK)
        st = s->backend->read(s->keep_all, node, got, n, err);
    if (st == MOP_OK)
        st = expect_node(s, w, node, want, bound, err);
    if (st == MOP_OK)
        st = compare_node(s, node, got, want, bound, err);
    for (size_t i = 0; st == MOP_OK && i < n; i++)
        want[i] = got[i];
    free(w->value[node]);
    w->value[node] = want;
    free(got);
    free(bound);
    return st;
}

/* Link 1. */
static mop_status check_nodes(subject *s, const float *in, mop_err *err)
{
    walk w;
    mop_status st = walk_init(&w, s->fused, in, err);
    if (st == MOP_OK && precision_of(s->backend, s->keep_all, 0).stored > 0)
        st = check_node(s, &w, 0, err);
    for (uint32_t i = 1; st == MOP_OK && i < s->fused->graph->n_nodes; i++) {
        st = check_node(s, &w, i, err);
        walk_retire(&w, i);
    }
    walk_release(&w);
    return st;
}

mop_status mop_check_nodes(const mop_backend *backend, mop_plan *plan, const mop_model *fused,
                           const float *in, mop_check *check, mop_err *err)
{
    subject s = {.backend = backend, .fused = fused, .keep_all = plan, .check = check};
    return check_nodes(&s, in, err);
}

/* Link 3. */
static mop_status compare_plans(const subject *s, const float *timed, const float *kept, size_t n,
                                mop_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(&timed[i], &kept[i], sizeof timed[i]) != 0)
            return mop_fail(
                err, MOP_ECHECK,
                "%s: output element %zu: the timed plan gives %.9g, the plan that keeps "
                "every node %.9g; they must be the same bits",
                s->backend->id, i, (double)timed[i], (double)kept[i]);
    }
    return MOP_OK;
}

/* Link 2. */
static mop_status check_output(const subject *s, const float *out, const double *reference,
                               size_t n, mop_err *err)
{
    double error = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)out[i] - reference[i];
        error += d * d;
        norm += reference[i] * reference[i];
    }
    s->check->end_to_end = norm > 0 ? sqrt(error / norm) : sqrt(error);
    if (s->check->end_to_end <= s->check->end_bound) /* false for NaN */
        return MOP_OK;
    return mop_fail(err, MOP_ECHECK,
                    "%s: the output is off the float64 network by %.3g of its 2-norm, bound %.3g",
                    s->backend->id, s->check->end_to_end, s->check->end_bound);
}

mop_status mop_check_plan(const mop_backend *backend, mop_device *device, mop_plan *plan,
                          const mop_plan_desc *desc, const mop_model *fused, const float *in,
                          const double *reference, size_t n, mop_check *check, mop_err *err)
{
    mop_plan_desc keeping = *desc;
    subject s = {.backend = backend, .fused = fused, .check = check};
    float *timed = mop_calloc(n, sizeof *timed, err);
    float *kept = mop_calloc(n, sizeof *kept, err);
    mop_status st = timed && kept ? expect_elems(fused->graph, n, err) : MOP_ENOMEM;
    *check = (mop_check){.end_bound = mop_network_bound(fused->graph, backend, plan)};
    keeping.keep_all = true;
    if (st == MOP_OK)
        st = backend->run(plan, in, timed, NULL, err);
    if (st == MOP_OK) {
        check->checksum = mop_hash(MOP_HASH_INIT, timed, n * sizeof *timed);
        st = backend->plan(device, fused, &keeping, &s.keep_all, err);
    }
    if (st == MOP_OK)
        st = backend->run(s.keep_all, in, kept, NULL, err);
    if (st == MOP_OK)
        st = check_nodes(&s, in, err);
    if (st == MOP_OK)
        st = compare_plans(&s, timed, kept, n, err);
    if (st == MOP_OK)
        st = check_output(&s, timed, reference, n, err);
    backend->plan_free(s.keep_all);
    free(timed);
    free(kept);
    return st;
}
