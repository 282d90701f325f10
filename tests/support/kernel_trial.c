#include "tests/support/kernel_trial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "tests/support/kernel_cases.h"

static const uint32_t poison = 0x7fc0dead; /* a NaN with a payload that arithmetic does not make */

void mop_poison_fill(float *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        memcpy(&p[i], &poison, sizeof poison);
}

bool mop_is_poison(const float *p)
{
    return memcmp(p, &poison, sizeof poison) == 0;
}

static mop_guard random_guard(int64_t n, mop_rng *rng, mop_weight_init init, bool in_unit)
{
    mop_guard g = mop_guard_alloc((size_t)n * sizeof(float), sizeof(float), MOP_TRIAL_FILL);
    float *x = g.data;
    for (int64_t i = 0; i < n; i++) {
        x[i] = (float)mop_rng_normal(rng);
        if (in_unit || init == MOP_INIT_VARIANCE)
            x[i] = (float)(0.1 + 0.8 * mop_rng_uniform(rng));
    }
    return g;
}

mop_trial mop_trial_make(const mop_cpu_kernel *kernel, const mop_op_inst *inst, mop_rng *rng)
{
    const bool is_dynamic = inst->op == MOP_OP_DYRELU || inst->op == MOP_OP_DYSHIFTMAX;
    mop_trial t = {.kernel = kernel, .inst = *inst};
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    const float *w[MOP_MAX_WEIGHTS] = {0};
    const uint32_t n_w = mop_op_weights(inst, desc);
    mop_kernel_case_name(inst, t.name, sizeof t.name);
    for (uint32_t i = 0; i < inst->n_in; i++)
        t.in[i] =
            random_guard(mop_shape_elems(inst->in[i]), rng, MOP_INIT_KERNEL, is_dynamic && i == 1);
    for (uint32_t i = 0; i < n_w; i++) {
        t.w[i] = random_guard(desc[i].elems, rng, desc[i].init, false);
        w[i] = t.w[i].data;
    }
    if (kernel->packed_bytes != NULL) {
        t.packed = mop_guard_alloc(kernel->packed_bytes(inst), MOP_ALIGN, MOP_TRIAL_FILL);
        kernel->pack(inst, w, t.packed.data);
        assert_true(mop_guard_intact(&t.packed, MOP_TRIAL_FILL));
    }
    if (kernel->scratch_bytes != NULL)
        t.scratch = mop_guard_alloc(kernel->scratch_bytes(inst), MOP_ALIGN, MOP_TRIAL_FILL);
    t.n_out = (size_t)mop_shape_elems(inst->out);
    t.out = mop_guard_alloc(t.n_out * sizeof(float), sizeof(float), MOP_TRIAL_FILL);
    t.merged = mop_calloc(t.n_out, sizeof(float), NULL);
    assert_non_null(t.merged);
    mop_poison_fill(t.merged, t.n_out);
    return t;
}

void mop_trial_free(mop_trial *t)
{
    for (int i = 0; i < MOP_MAX_IN; i++)
        if (t->in[i].map != NULL)
            mop_guard_free(&t->in[i]);
    for (int i = 0; i < MOP_MAX_WEIGHTS; i++)
        if (t->w[i].map != NULL)
            mop_guard_free(&t->w[i]);
    if (t->packed.map != NULL)
        mop_guard_free(&t->packed);
    if (t->scratch.map != NULL)
        mop_guard_free(&t->scratch);
    mop_guard_free(&t->out);
    free(t->merged);
}

void mop_trial_run(mop_trial *t, int64_t begin, int64_t end)
{
    mop_args args = {.inst = &t->inst,
                     .packed = t->packed.data,
                     .out = t->out.data,
                     .scratch = t->scratch.data,
                     .sums = t->sums,
                     .begin = begin,
                     .end = end};
    for (uint32_t i = 0; i < t->inst.n_in; i++)
        args.in[i] = t->in[i].data;
    if (t->scratch.data != NULL)
        memset(t->scratch.data, 0xff, t->scratch.bytes); /* NaN */
    mop_poison_fill(t->out.data, t->n_out);
    t->kernel->run(&args);
}
