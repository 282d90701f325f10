/* References and bounds against an independent float32 evaluation: every output is a list of terms,
 * enumerated here by the plain loops of the definition, summed in a random order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "tests/support/op_cases.h"

#ifdef __SANITIZE_ADDRESS__
enum { ROUNDS = 20 };
#else
enum { ROUNDS = 200 };
#endif
enum { SEED = 20240611, MAX_TERMS = 1024 };

/* y = sum of a[i] b[i]; the products of one output before its epilogue. */
struct terms {
    size_t n;
    float a[MAX_TERMS], b[MAX_TERMS];
};

static void push(struct terms *t, float a, float b)
{
    assert_true(t->n < MAX_TERMS);
    t->a[t->n] = a;
    t->b[t->n++] = b;
}

/* Index of (n, h, w, c) in a tensor of shape s. */
static int64_t at(mop_shape s, int64_t n, int64_t h, int64_t w, int64_t c)
{
    return ((n * s.h + h) * s.w + w) * s.c + c;
}

struct place {
    int64_t n, h, w, c;
};

static struct place place_of(mop_shape s, int64_t i)
{
    return (struct place){i / s.c / s.w / s.h, i / s.c / s.w % s.h, i / s.c % s.w, i % s.c};
}

static void conv_terms(const mop_op_case *c, struct place o, struct terms *t)
{
    const mop_conv_params *p = &c->inst.params.u.conv;
    mop_shape in = c->inst.in[0];
    int64_t cg = in.c / p->groups, g = o.c / (p->cout / p->groups);
    t->n = 0;
    for (int64_t kh = 0; kh < p->kh; kh++) {
        for (int64_t kw = 0; kw < p->kw; kw++) {
            int64_t h = o.h * p->stride + kh * p->dilation - p->pad_top;
            int64_t w = o.w * p->stride + kw * p->dilation - p->pad_left;
            bool is_inside = h >= 0 && w >= 0 && h < in.h && w < in.w;
            for (int64_t ci = 0; ci < cg && is_inside; ci++)
                push(t, c->in[0][at(in, o.n, h, w, g * cg + ci)],
                     c->w[0][((o.c * p->kh + kh) * p->kw + kw) * cg + ci]);
        }
    }
    if (p->has_bias)
        push(t, c->w[1][o.c], 1);
}

static void fc_terms(const mop_op_case *c, struct place o, struct terms *t)
{
    int64_t cin = c->inst.in[0].c;
    t->n = 0;
    for (int64_t i = 0; i < cin; i++)
        push(t, c->in[0][o.n * cin + i], c->w[0][o.c * cin + i]);
    if (c->inst.params.u.fc.has_bias)
        push(t, c->w[1][o.c], 1);
}

/* Values under the window; the whole image for gap. */
static void pool_terms(const mop_op_case *c, struct place o, struct terms *t)
{
    mop_pool_params p = c->inst.params.u.pool;
    mop_shape in = c->inst.in[0];
    bool is_gap = c->inst.op == MOP_OP_GAP;
    t->n = 0;
    for (int64_t h = 0; h < in.h; h++) {
        for (int64_t w = 0; w < in.w; w++) {
            int64_t dh = h - (o.h * p.stride - p.pad), dw = w - (o.w * p.stride - p.pad);
            if (is_gap || (dh >= 0 && dh < p.k && dw >= 0 && dw < p.k))
                push(t, c->in[0][at(in, o.n, h, w, o.c)], 1);
        }
    }
}

/* Terms of attention, with the scale in the second factor. */
static void attention_terms(const mop_op_case *c, struct place o, struct terms *t)
{
    const bool is_qk = c->inst.op == MOP_OP_ATTN_QK;
    const mop_shape x = c->inst.in[is_qk ? 0 : 1];
    const int64_t d = x.c / 3, width = d / c->inst.params.u.attn.heads;
    const int64_t tokens = (int64_t)x.h * x.w;
    const float *qkv = c->in[is_qk ? 0 : 1] + o.n * tokens * x.c;
    t->n = 0;
    for (int64_t i = 0; is_qk && i < width; i++)
        push(t, qkv[o.w * x.c + o.h * width + i],
             qkv[o.c * x.c + d + o.h * width + i] / sqrtf((float)width));
    for (int64_t i = 0; !is_qk && i < tokens; i++)
        push(t, c->in[0][at(c->inst.in[0], o.n, o.c / width, o.h * x.w + o.w, i)],
             qkv[i * x.c + 2 * d + o.c]);
}

/* Mean and variance in two passes, in float32. */
static float layernorm32(const mop_op_case *c, int64_t i)
{
    const int64_t n = c->inst.out.c, ch = i % n;
    const float *x = c->in[0] + i - ch;
    float mean = 0, var = 0;
    for (int64_t k = 0; k < n; k++)
        mean += x[k];
    mean /= (float)n;
    for (int64_t k = 0; k < n; k++)
        var += (x[k] - mean) * (x[k] - mean);
    var /= (float)n;
    return (x[ch] - mean) / sqrtf(var + c->inst.params.u.bn.eps) * c->w[0][ch] + c->w[1][ch];
}

static float softmax32(const mop_op_case *c, int64_t i)
{
    const int64_t n = c->inst.out.c;
    const float *x = c->in[0] + i - i % n;
    float top = -INFINITY, sum = 0;
    for (int64_t k = 0; k < n; k++)
        top = x[k] > top ? x[k] : top;
    for (int64_t k = 0; k < n; k++)
        sum += expf(x[k] - top);
    return expf(x[i % n] - top) / sum;
}

static float embed32(const mop_op_case *c, struct place o)
{
    const mop_shape x = c->inst.in[0];
    const float token = o.h == 0 ? c->w[0][o.c] : c->in[0][(o.n * x.h * x.w + o.h - 1) * x.c + o.c];
    return token + c->w[1][o.h * x.c + o.c];
}

static void shuffle_terms(struct terms *t, mop_rng *rng)
{
    for (size_t i = t->n; i > 1; i--) {
        size_t j = (size_t)mop_rng_below(rng, i);
        float a = t->a[j], b = t->b[j];
        t->a[j] = t->a[i - 1], t->b[j] = t->b[i - 1];
        t->a[i - 1] = a, t->b[i - 1] = b;
    }
}

static float sum32(const struct terms *t)
{
    float sum = 0;
    for (size_t i = 0; i < t->n; i++)
        sum += t->a[i] * t->b[i];
    return sum;
}

static double magnitude(const struct terms *t)
{
    double sum = 0;
    for (size_t i = 0; i < t->n; i++)
        sum += fabs((double)t->a[i] * (double)t->b[i]);
    return sum;
}

static float dynamic32(const mop_op_case *c, struct place o)
{
    const mop_dy_params *p = &c->inst.params.u.dy;
    const mop_shape in = c->inst.in[0];
    const float *s = c->in[1] + o.n * c->inst.in[1].c;
    float best = -INFINITY;
    for (int64_t k = 0; k < p->pieces; k++) {
        float y = 0;
        if (c->inst.op == MOP_OP_DYRELU) {
            float sa = p->per_channel ? s[(2 * k) * in.c + o.c] : s[2 * k];
            float sb = p->per_channel ? s[(2 * k + 1) * in.c + o.c] : s[2 * k + 1];
            float a = (k == 0 ? 1.0f : 0.0f) + (2 * sa - 1);
            y = a * c->in[0][at(in, o.n, o.h, o.w, o.c)] + 0.5f * (2 * sb - 1);
        }
        for (int64_t j = 0; j < p->shifts && c->inst.op == MOP_OP_DYSHIFTMAX; j++) {
            int64_t other = (o.c + j * (in.c / p->groups)) % in.c;
            float a = (s[(k * p->shifts + j) * in.c + o.c] - 0.5f) * 4;
            a += k == 0 && j == 0 ? 1.0f : 0.0f;
            y += a * c->in[0][at(in, o.n, o.h, o.w, other)];
        }
        best = y > best ? y : best;
    }
    return best;
}

static float batchnorm32(const mop_op_case *c, float x, int64_t ch)
{
    float scale = c->w[0][ch] / sqrtf(c->w[3][ch] + c->inst.params.u.bn.eps);
    return x * scale + (c->w[1][ch] - c->w[2][ch] * scale);
}

/* The operator before its epilogue in float32; *mag is the size of what was added up. */
static float body32(const mop_op_case *c, int64_t i, mop_rng *rng, double *mag)
{
    struct terms t = {0};
    struct place o = place_of(c->inst.out, i);
    float max = -INFINITY;
    mop_shape b = c->inst.in[1];
    *mag = 50; /* of the operators without a list of terms: inputs and constants are below */
    switch (c->inst.op) {
    case MOP_OP_BATCHNORM:
        return batchnorm32(c, c->in[0][i], o.c);
    case MOP_OP_ACT:
        return c->in[0][i];
    case MOP_OP_ADD:
        return c->in[0][i] + c->in[1][b.h == 1 && b.w == 1 ? o.n * b.c + o.c : i];
    case MOP_OP_MUL:
        return c->in[0][i] * c->in[1][b.h == 1 && b.w == 1 ? o.n * b.c + o.c : i];
    case MOP_OP_DYRELU:
    case MOP_OP_DYSHIFTMAX:
        return dynamic32(c, o);
    case MOP_OP_EMBED:
        return embed32(c, o);
    case MOP_OP_CLASS_TOKEN:
        return c->in[0][at(c->inst.in[0], o.n, 0, 0, o.c)];
    case MOP_OP_LAYERNORM:
        return layernorm32(c, i);
    case MOP_OP_SOFTMAX:
        return softmax32(c, i);
    case MOP_OP_ATTN_QK:
    case MOP_OP_ATTN_AV:
        attention_terms(c, o, &t);
        break;
    case MOP_OP_CONV2D:
        conv_terms(c, o, &t);
        break;
    case MOP_OP_FC:
        fc_terms(c, o, &t);
        break;
    default:
        pool_terms(c, o, &t);
        break;
    }
    shuffle_terms(&t, rng);
    *mag = magnitude(&t);
    for (size_t k = 0; k < t.n; k++)
        max = t.a[k] > max ? t.a[k] : max;
    if (c->inst.op == MOP_OP_POOL && c->inst.params.u.pool.kind == MOP_POOL_MAX)
        return max;
    return sum32(&t) / (c->inst.op == MOP_OP_POOL || c->inst.op == MOP_OP_GAP ? (float)t.n : 1);
}

static float act32(mop_act act, float x)
{
    switch (act) {
    case MOP_ACT_GELU:
        return 0.5f * x * (1 + erff(x * 0.70710678f));
    case MOP_ACT_GELU_TANH:
        return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    case MOP_ACT_SILU:
        return x / (1 + expf(-x));
    case MOP_ACT_SIGMOID:
        return 1 / (1 + expf(-x));
    case MOP_ACT_HARDSWISH:
        return x * fminf(fmaxf(x + 3, 0), 6) / 6;
    case MOP_ACT_HARDSIGMOID:
        return fminf(fmaxf(x + 3, 0), 6) * (1.0f / 6);
    case MOP_ACT_RELU6:
        return fminf(fmaxf(x, 0), 6);
    case MOP_ACT_RELU:
        return fmaxf(x, 0);
    default:
        return x;
    }
}

static void check_case(const mop_op_case *c, mop_rng *rng)
{
    const mop_op_inst *inst = &c->inst;
    int64_t n = mop_shape_elems(inst->out);
    for (int64_t i = 0; i < n; i++) {
        double mag, err;
        float y = body32(c, i, rng, &mag);
        float r = inst->params.has_residual ? c->in[inst->n_in - 1][i] : 0;
        y = act32(inst->params.act, y + r);
        err = fabs((double)y - c->out[i]);
        if (!(err <= c->bound[i]))
            fail_msg("%s with %s: output %d is %g, float32 gives %g, off by %g, bound %g",
                     mop_op_get(inst->op)->name, mop_act_name(inst->params.act), (int)i, c->out[i],
                     (double)y, err, c->bound[i]);
        if (!(c->bound[i] <= 1e3 * FLT_EPSILON * (mag + fabs((double)r) + 1)))
            fail_msg("%s: bound %g at magnitude %g", mop_op_get(inst->op)->name, c->bound[i], mag);
    }
}

static void float32_in_any_order_stays_within_the_bound(void **state)
{
    (void)state;
    printf("seed %d\n", SEED);
    for (int op = MOP_OP_INPUT + 1; op < MOP_OP_COUNT; op++) {
        mop_rng rng;
        mop_rng_init(&rng, SEED, (uint64_t)op);
        for (int round = 0; round < ROUNDS; round++) {
            mop_op_inst inst;
            mop_op_case c;
            mop_err err = {0};
            mop_op_inst_random(&inst, (mop_op)op, &rng);
            if (mop_op_get((mop_op)op)->takes_act && op != MOP_OP_ACT)
                inst.params.act = (mop_act)(round % MOP_ACT_COUNT);
            if (mop_op_infer(&inst, &err) != MOP_OK)
                fail_msg("round %d: %s", round, err.msg);
            mop_op_case_init(&c, &inst, &rng);
            check_case(&c, &rng);
            mop_op_case_release(&c);
        }
    }
}

/* The reference in double against the plain loops in double: any order differs by at most
 * 2 n 2^-53 sum |a b|. */
static void conv2d_agrees_with_the_plain_loops(void **state)
{
    mop_rng rng;
    (void)state;
    printf("seed %d\n", SEED);
    mop_rng_init(&rng, SEED, 1000);
    for (int round = 0; round < 2 * ROUNDS; round++) {
        mop_op_inst inst;
        mop_op_case c;
        mop_err err = {0};
        struct terms t;
        do
            mop_op_inst_random(&inst, MOP_OP_CONV2D, &rng);
        while (inst.params.has_residual);
        assert_int_equal(mop_op_infer(&inst, &err), MOP_OK);
        mop_op_case_init(&c, &inst, &rng);
        for (int64_t i = 0; i < mop_shape_elems(inst.out); i++) {
            double sum = 0, mag;
            conv_terms(&c, place_of(inst.out, i), &t);
            for (size_t k = 0; k < t.n; k++)
                sum += (double)t.a[k] * (double)t.b[k];
            mag = magnitude(&t);
            if (!(fabs(sum - c.out[i]) <= 2 * (double)t.n * DBL_EPSILON / 2 * mag))
                fail_msg("round %d output %d: %.17g, plain loops %.17g", round, (int)i, c.out[i],
                         sum);
        }
        mop_op_case_release(&c);
    }
}

/* A bound that let a missing term pass would be useless. */
static void a_dropped_product_exceeds_the_bound(void **state)
{
    mop_rng rng;
    int checked = 0;
    (void)state;
    printf("seed %d\n", SEED);
    mop_rng_init(&rng, SEED, 2000);
    for (int round = 0; round < ROUNDS; round++) {
        mop_op_inst inst;
        mop_op_case c;
        mop_err err = {0};
        struct terms t;
        mop_op_inst_random(&inst, MOP_OP_CONV2D, &rng);
        assert_int_equal(mop_op_infer(&inst, &err), MOP_OK);
        mop_op_case_init(&c, &inst, &rng);
        for (int64_t i = 0; i < mop_shape_elems(inst.out); i++) {
            double largest = 0;
            conv_terms(&c, place_of(inst.out, i), &t);
            for (size_t k = 0; k < t.n; k++)
                largest = fmax(largest, fabs((double)t.a[k] * (double)t.b[k]));
            assert_true(largest > c.bound[i] || (t.n == 0 && largest == 0));
            checked += t.n > 0;
        }
        mop_op_case_release(&c);
    }
    assert_true(checked > ROUNDS);
}

/* The bound is optional, and asking for it changes nothing else. */
static void the_bound_may_be_left_out(void **state)
{
    (void)state;
    for (int op = MOP_OP_INPUT + 1; op < MOP_OP_COUNT; op++) {
        mop_rng rng;
        mop_op_inst inst;
        mop_op_case c;
        mop_err err = {0};
        double out[4096];
        mop_ref_args args = {.inst = &inst, .out = out};
        mop_rng_init(&rng, SEED, 3000 + (uint64_t)op);
        mop_op_inst_random(&inst, (mop_op)op, &rng);
        assert_int_equal(mop_op_infer(&inst, &err), MOP_OK);
        mop_op_case_init(&c, &inst, &rng);
        assert_true(mop_shape_elems(inst.out) <= 4096);
        for (int i = 0; i < MOP_MAX_IN; i++)
            args.in[i] = c.in64[i];
        for (int i = 0; i < MOP_MAX_WEIGHTS; i++)
            args.w[i] = c.w[i];
        mop_op_reference(&args);
        assert_memory_equal(out, c.out, (size_t)mop_shape_elems(inst.out) * sizeof(double));
        mop_op_case_release(&c);
    }
}

/* Formula of op.h, from a run without and a run with the epilogue; 1e-12 for the order of terms. */
static void the_epilogue_spreads_the_bound_by_its_steepest_slope(void **state)
{
    mop_op_inst inst = {.op = MOP_OP_BATCHNORM, .n_in = 2, .in = {{1, 1, 2, 8}, {1, 1, 2, 8}}};
    mop_op_inst bare;
    mop_op_case c;
    mop_rng rng;
    mop_err err = {0};
    (void)state;
    inst.params.u.bn.eps = 1e-3f;
    inst.params.has_residual = true;
    mop_rng_init(&rng, SEED, 4000);
    assert_int_equal(mop_op_infer(&inst, &err), MOP_OK);
    mop_op_case_init(&c, &inst, &rng);
    bare = inst;
    bare.n_in = 1;
    bare.params.has_residual = false;
    for (int a = 0; a < MOP_ACT_COUNT; a++) {
        double y[16], b[16];
        mop_ref_args args = {.inst = &bare, .out = y, .bound = b};
        for (int i = 0; i < MOP_MAX_WEIGHTS; i++)
            args.w[i] = c.w[i];
        args.in[0] = c.in64[0];
        mop_op_reference(&args);
        inst.params.act = (mop_act)a;
        args.inst = &inst;
        args.in[1] = c.in64[1];
        args.out = c.out;
        args.bound = c.bound;
        mop_op_reference(&args);
        for (int i = 0; i < 16; i++) {
            double r = c.in64[1][i];
            double want = mop_act_lipschitz((mop_act)a) *
                              (b[i] + (double)FLT_EPSILON * (fabs(y[i]) + fabs(r))) +
                          mop_act_allowance((mop_act)a, y[i] + r);
            assert_true(fabs(c.bound[i] - want) <= 1e-12 * want);
        }
    }
    mop_op_case_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv2d_agrees_with_the_plain_loops),
        cmocka_unit_test(float32_in_any_order_stays_within_the_bound),
        cmocka_unit_test(the_epilogue_spreads_the_bound_by_its_steepest_slope),
        cmocka_unit_test(a_dropped_product_exceeds_the_bound),
        cmocka_unit_test(the_bound_may_be_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
