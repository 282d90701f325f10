#include "kernels/op.h"

#include <math.h>
#include <stdio.h>

#include "kernels/ops/ops.h"
#include "profiler/base/alloc.h"

static const mop_op_spec *const specs[] = {
#define MOP_OP_ROW(ID, id) [MOP_OP_##ID] = &mop_op_##id,
#include "kernels/op.def"
#undef MOP_OP_ROW
};

const mop_op_spec *mop_op_get(mop_op op)
{
    return specs[op];
}

/* Everything that can be said before the operator looks at its shapes. */
static mop_status check_form(const mop_op_inst *inst, const mop_op_spec *spec, mop_err *err)
{
    const mop_params *p = &inst->params;
    uint32_t want = spec->n_in + (p->has_residual ? 1 : 0);
    if ((unsigned)p->act >= MOP_ACT_COUNT)
        return mop_fail(err, MOP_EINVAL, "%s: there is no activation number %u", spec->name,
                        (unsigned)p->act);
    if (p->act != MOP_ACT_NONE && !spec->takes_act)
        return mop_fail(err, MOP_EINVAL, "%s: takes no activation, but %s was asked for",
                        spec->name, mop_act_name(p->act));
    if (p->has_residual && !spec->takes_residual)
        return mop_fail(err, MOP_EINVAL, "%s: takes no residual", spec->name);
    if (inst->n_in != want)
        return mop_fail(err, MOP_EINVAL, "%s: needs %u inputs%s, got %u", spec->name, want,
                        p->has_residual ? " with its residual" : "", inst->n_in);
    for (uint32_t i = 0; i < inst->n_in; i++) {
        char what[48];
        (void)snprintf(what, sizeof what, "%s: input %u", spec->name, i); /* names are short */
        if (mop_shape_check(inst->in[i], what, err) != MOP_OK)
            return MOP_EINVAL;
    }
    return MOP_OK;
}

mop_status mop_op_infer(mop_op_inst *inst, mop_err *err)
{
    mop_op_inst work = *inst; /* the caller's stays untouched until all is well */
    const mop_op_spec *spec;
    char what[48];
    mop_shape r;
    if ((unsigned)inst->op >= MOP_OP_COUNT)
        return mop_fail(err, MOP_EINVAL, "there is no operator number %u", (unsigned)inst->op);
    spec = mop_op_get(inst->op);
    if (check_form(&work, spec, err) != MOP_OK || spec->infer(&work, err) != MOP_OK)
        return MOP_EINVAL;
    (void)snprintf(what, sizeof what, "%s: output", spec->name); /* names are short */
    if (mop_shape_check(work.out, what, err) != MOP_OK)
        return MOP_EINVAL;
    r = work.in[spec->n_in];
    if (work.params.has_residual && !mop_shape_equal(r, work.out))
        return mop_fail(
            err, MOP_EINVAL, "%s: residual %dx%dx%dx%d does not match the output %dx%dx%dx%d",
            spec->name, r.n, r.h, r.w, r.c, work.out.n, work.out.h, work.out.w, work.out.c);
    inst->out = work.out;
    return MOP_OK;
}

uint32_t mop_op_weights(const mop_op_inst *inst, mop_weight_desc desc[MOP_MAX_WEIGHTS])
{
    const mop_op_spec *spec = mop_op_get(inst->op);
    return spec->weights != NULL ? spec->weights(inst, desc) : 0;
}

void mop_op_cost(const mop_op_inst *inst, mop_cost *cost)
{
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    uint32_t n = mop_op_weights(inst, desc);
    int64_t out = mop_shape_elems(inst->out);
    int64_t read = 0;
    *cost = (mop_cost){0};
    if (inst->op == MOP_OP_INPUT)
        return;
    for (uint32_t i = 0; i < n; i++) {
        bool is_buffer = desc[i].init == MOP_INIT_MEAN || desc[i].init == MOP_INIT_VARIANCE;
        *(is_buffer ? &cost->buffers : &cost->params) += desc[i].elems;
        read += desc[i].elems;
    }
    for (uint32_t i = 0; i < inst->n_in; i++)
        read += mop_shape_elems(inst->in[i]);
    if (mop_op_get(inst->op)->cost != NULL)
        mop_op_get(inst->op)->cost(inst, cost);
    cost->elementwise += out * mop_act_ops(inst->params.act);
    cost->elementwise += inst->params.has_residual ? out : 0;
    cost->activations = out;
    cost->bytes_read = 4 * read;
    cost->bytes_written = 4 * out;
}

/* The epilogue act(y + r) of every operator, once.
 * Bound: with |dy| <= b the sum y + r errs by b and one rounding (two where a kernel adds r to a
 * rounded y, hence |y| + |r|); act spreads that by its Lipschitz constant and adds its own error.
 */
static void epilogue(const mop_ref_args *args)
{
    const mop_op_inst *inst = args->inst;
    const double *r = inst->params.has_residual ? args->in[inst->n_in - 1] : NULL;
    mop_act act = inst->params.act;
    int64_t n = mop_shape_elems(inst->out);
    double lip = mop_act_lipschitz(act);
    if (r == NULL && act == MOP_ACT_NONE)
        return;
    for (int64_t i = 0; i < n; i++) {
        double y = args->out[i];
        double x = r != NULL ? y + r[i] : y;
        args->out[i] = mop_act_eval(act, x);
        if (args->bound != NULL) {
            double sum = r != NULL ? MOP_EPS32 * (fabs(y) + fabs(r[i])) : 0;
            args->bound[i] = lip * (args->bound[i] + sum) + mop_act_allowance(act, x);
        }
    }
}

void mop_op_reference_bounded(const mop_ref_args *args, mop_bound_fn *bound)
{
    mop_op_get(args->inst->op)->reference(args);
    if (bound != NULL && args->bound != NULL)
        bound(args);
    epilogue(args);
}

void mop_op_reference(const mop_ref_args *args)
{
    mop_op_reference_bounded(args, NULL);
}

double mop_sum_bound(const mop_ref_args *args, int64_t k, double magnitude)
{
    const mop_precision *p = args->precision;
    const double fine = (double)(k + 2) * MOP_EPS32 * magnitude;
    if (p == NULL || p->sums <= MOP_ROUNDOFF_FP32)
        return fine;
    const int64_t m = p->block > 0 && p->block < k ? p->block : k;
    return fine + 2 * (double)(m + 2) * p->sums * magnitude + 2 * (double)k * p->tiny;
}

mop_op_inst mop_op_rows(const mop_op_inst *inst, int32_t begin, int32_t end, int32_t *row)
{
    mop_op_inst part = *inst;
    mop_conv_params *c = &part.params.u.conv;
    int32_t span = (c->kh - 1) * c->dilation + 1;
    int32_t first = begin * c->stride - c->pad_top;
    int32_t past = (end - 1) * c->stride - c->pad_top + span;
    c->pad_top = first < 0 ? -first : 0;
    c->pad_bottom = past > inst->in[0].h ? past - inst->in[0].h : 0;
    *row = first < 0 ? 0 : first;
    part.in[0].n = part.out.n = 1;
    part.in[0].h = (past > inst->in[0].h ? inst->in[0].h : past) - *row;
    part.out.h = end - begin;
    if (part.params.has_residual)
        part.in[part.n_in - 1] = part.out;
    return part;
}

mop_status mop_infer_same(mop_op_inst *inst, mop_err *err)
{
    (void)err; /* nothing beyond the common checks can be wrong */
    inst->out = inst->in[0];
    return MOP_OK;
}

mop_status mop_infer_pair(mop_op_inst *inst, mop_err *err)
{
    mop_shape a = inst->in[0], b = inst->in[1];
    bool is_vector = b.n == a.n && b.h == 1 && b.w == 1 && b.c == a.c;
    if (!mop_shape_equal(a, b) && !is_vector)
        return mop_fail(
            err, MOP_EINVAL, "%s: %dx%dx%dx%d is neither %dx%dx%dx%d nor its vector %dx1x1x%d",
            mop_op_get(inst->op)->name, b.n, b.h, b.w, b.c, a.n, a.h, a.w, a.c, a.n, a.c);
    return mop_infer_same(inst, err);
}

mop_status mop_weights_check(const char *name, int64_t a, int64_t b, int64_t c, int64_t d,
                             mop_err *err)
{
    int64_t n;
    if (!mop_mul_i64(a, b, &n) || !mop_mul_i64(n, c, &n) || !mop_mul_i64(n, d, &n) || n > INT32_MAX)
        return mop_fail(err, MOP_EINVAL,
                        "%s: %lld x %lld x %lld x %lld weights are 2^31 values or more", name,
                        (long long)a, (long long)b, (long long)c, (long long)d);
    return MOP_OK;
}
