/* Layers that run together. With --bench [SPEC...] what that saves on one thread and two: plans
 * with and without, alternating. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu/isa.h"
#include "profiler/base/alloc.h"
#include "profiler/base/clock.h"
#include "profiler/base/stats.h"
#include "profiler/engine/backend.h"
#include "profiler/engine/check.h"
#include "profiler/engine/cpu_group.h"
#include "profiler/engine/cpu_info.h"
#include "variants/passes.h"
#include "variants/variant.h"

static const mop_backend *cpu(void)
{
    return mop_backend_find("cpu", NULL);
}

static mop_device *open_device(int threads)
{
    const mop_device_choice choice = {.threads = threads, .isa_mask = MOP_ISA_ALL};
    mop_device *device = NULL;
    mop_err err = {0};
    if (cpu()->open(&choice, &device, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    return device;
}

/* A convolution of window k, padded so that stride 1 keeps the size. */
static mop_params conv(int32_t cout, int32_t k, int32_t stride, int32_t groups)
{
    const mop_conv_params c = {.cout = cout,
                               .kh = k,
                               .kw = k,
                               .stride = stride,
                               .dilation = 1,
                               .groups = groups,
                               .pad_top = k / 2,
                               .pad_left = k / 2,
                               .pad_bottom = k / 2,
                               .pad_right = k / 2,
                               .has_bias = true};
    return (mop_params){.u.conv = c};
}

/* Nodes of small_model(). */
enum { IN, SKIP, DW, PW, DW2, MEAN, GATE, SCALE, WIDE, DW3, PW3, BOTH, N_NODES };

/* Two images of odd size with everything that runs together: depthwise and pointwise with a
 * residual, large enough for one thread; stride 2 with squeeze-excite; and a depthwise layer that
 * two layers read. */
static mop_model *small_model(void)
{
    mop_params skip = conv(24, 1, 1, 1), dw = conv(64, 3, 1, 64), pw = conv(24, 1, 1, 1);
    mop_params dw2 = conv(24, 3, 2, 24), wide = conv(32, 1, 1, 1), dw3 = conv(32, 5, 1, 32);
    mop_params pw3 = conv(32, 1, 1, 1), gate = {.act = MOP_ACT_SIGMOID}, none = {0};
    uint64_t cache[MOP_CPU_CACHES];
    mop_graph *g = NULL;
    mop_model *m = NULL;
    mop_cpu_caches(cache);
    const int32_t rows = (int32_t)(3 * (cache[1] > 0 ? cache[1] : 512 << 10) / (251 * 64 * 4)) + 1;
    mop_graph_builder *b =
        mop_graph_builder_create((mop_shape){2, (rows < 35 ? 35 : rows) | 1, 251, 64}, NULL);
    dw.act = MOP_ACT_RELU6;
    pw.has_residual = wide.has_residual = false;
    pw.has_residual = true;
    pw.act = MOP_ACT_HARDSWISH;
    (void)mop_graph_add(b, MOP_OP_CONV2D, &skip, (const uint32_t[]){IN}, 1, "skip");
    (void)mop_graph_add(b, MOP_OP_CONV2D, &dw, (const uint32_t[]){IN}, 1, "dw");
    (void)mop_graph_add(b, MOP_OP_CONV2D, &pw, (const uint32_t[]){DW, SKIP}, 2, "pw");
    (void)mop_graph_add(b, MOP_OP_CONV2D, &dw2, (const uint32_t[]){PW}, 1, "dw2");
    (void)mop_graph_add(b, MOP_OP_GAP, &none, (const uint32_t[]){DW2}, 1, "mean");
    (void)mop_graph_add(b, MOP_OP_ACT, &gate, (const uint32_t[]){MEAN}, 1, "gate");
    (void)mop_graph_add(b, MOP_OP_MUL, &none, (const uint32_t[]){DW2, GATE}, 2, "scale");
    (void)mop_graph_add(b, MOP_OP_CONV2D, &wide, (const uint32_t[]){SCALE}, 1, "wide");
    (void)mop_graph_add(b, MOP_OP_CONV2D, &dw3, (const uint32_t[]){WIDE}, 1, "dw3");
    (void)mop_graph_add(b, MOP_OP_CONV2D, &pw3, (const uint32_t[]){DW3}, 1, "pw3");
    const uint32_t last =
        mop_graph_add(b, MOP_OP_ADD, &none, (const uint32_t[]){PW3, DW3}, 2, "both");
    assert_int_equal(last, BOTH);
    assert_int_equal(mop_graph_seal(b, last, &g, NULL), MOP_OK);
    assert_int_equal(mop_model_synthesize(g, 3, &m, NULL), MOP_OK);
    return m;
}

typedef struct trial {
    mop_model *model;
    float *in, *out;
    double *reference;
    size_t n_out;
} trial;

/* Takes over model. */
static trial trial_of(mop_model *model, bool is_judged)
{
    const mop_graph *g = model->graph;
    const mop_shape s = g->nodes[0].inst.out;
    trial t = {.model = model, .n_out = (size_t)mop_shape_elems(g->nodes[g->n_nodes - 1].inst.out)};
    t.in = mop_calloc((size_t)mop_shape_elems(s), sizeof *t.in, NULL);
    t.out = mop_calloc(t.n_out, sizeof *t.out, NULL);
    t.reference = mop_calloc(t.n_out, sizeof *t.reference, NULL);
    assert_true(t.in != NULL && t.out != NULL && t.reference != NULL);
    mop_standard_input(s, 5, t.in);
    if (is_judged)
        assert_int_equal(mop_reference_run(model, t.in, t.reference, t.n_out, NULL), MOP_OK);
    return t;
}

static void trial_end(trial *t)
{
    mop_model_free(t->model);
    free(t->in);
    free(t->out);
    free(t->reference);
}

/* Node by node, end to end and bit for bit, by mop_check_plan; t->out receives the output. */
static void hold(trial *t, const char *what, int threads, unsigned fuse)
{
    const mop_plan_desc desc = {.fuse = fuse};
    mop_device *device = open_device(threads);
    mop_plan *plan = NULL;
    mop_check check;
    mop_err err = {0};
    if (cpu()->plan(device, t->model, &desc, &plan, &err) != MOP_OK ||
        mop_check_plan(cpu(), device, plan, &desc, t->model, t->in, t->reference, t->n_out, &check,
                       &err) != MOP_OK ||
        cpu()->run(plan, t->in, t->out, NULL, &err) != MOP_OK)
        fail_msg("%s, %d threads, fuse %u: %s", what, threads, fuse, err.msg);
    cpu()->plan_free(plan);
    cpu()->close(device);
}

static int most_threads(void)
{
    const int n = mop_cpu_processors();
    if (n < 2)
        printf("one processor only: nothing was run on two threads\n");
    return n < 3 ? n : 3;
}

/* Every way of running together on every number of threads: each plan is held to the reference, and
 * only the gathered mean may change a bit. */
static void hold_combinations(trial *t, const char *what)
{
    const size_t bytes = t->n_out * sizeof(float);
    float *plain = mop_calloc(t->n_out, sizeof *plain, NULL);
    float *gathered = mop_calloc(t->n_out, sizeof *gathered, NULL);
    assert_true(plain != NULL && gathered != NULL);
    hold(t, what, 1, MOP_FUSE_NONE);
    memcpy(plain, t->out, bytes);
    hold(t, what, 1, MOP_FUSE_SE);
    memcpy(gathered, t->out, bytes);
    for (int threads = 1; threads <= most_threads(); threads++) {
        hold(t, what, threads, MOP_FUSE_DWPW);
        assert_memory_equal(t->out, plain, bytes);
        hold(t, what, threads, MOP_FUSE_SE);
        assert_memory_equal(t->out, gathered, bytes);
        hold(t, what, threads, MOP_FUSE_SE | MOP_FUSE_DWPW);
        assert_memory_equal(t->out, gathered, bytes);
    }
    free(plain);
    free(gathered);
}

static void layers_together_give_the_bits_of_layers_alone(void **state)
{
    trial t = trial_of(small_model(), true);
    (void)state;
    hold_combinations(&t, "all that runs together");
    trial_end(&t);
}

static void networks_match_the_reference_with_every_fusion(void **state)
{
    static const char *const specs[] = {"mobilenetv2@75x52", "mobileone-s0+se@64",
                                        "mobilenetv3-large@64"};
    (void)state;
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        mop_spec spec;
        mop_model *unfused = NULL, *fused = NULL;
        assert_int_equal(mop_spec_parse(specs[i], &spec, NULL), MOP_OK);
        assert_int_equal(mop_variant_model(&spec, 1, 11, &unfused, NULL), MOP_OK);
        assert_int_equal(mop_pass_fuse(unfused, MOP_FUSE_ALL, &fused, NULL), MOP_OK);
        trial t = trial_of(fused, true);
        hold_combinations(&t, specs[i]);
        trial_end(&t);
        mop_model_free(unfused);
    }
}

/* Whether node says that it runs with another. */
static bool is_joint(const mop_plan *plan, uint32_t node)
{
    return strchr(cpu()->kernel_name(plan, node), '+') != NULL;
}

static void what_runs_together_says_so(void **state)
{
    static const unsigned fuse[] = {MOP_FUSE_NONE, MOP_FUSE_DWPW, MOP_FUSE_SE, MOP_FUSE_ALL};
    mop_model *m = small_model();
    (void)state;
    assert_int_equal(m->graph->n_nodes, N_NODES);
    for (int threads = 1; threads <= (most_threads() < 2 ? 1 : 2); threads++) {
        mop_device *device = open_device(threads);
        for (size_t k = 0; k < sizeof fuse / sizeof fuse[0]; k++) {
            const mop_plan_desc desc = {.fuse = fuse[k]};
            const bool dwpw = (fuse[k] & MOP_FUSE_DWPW) != 0, se = (fuse[k] & MOP_FUSE_SE) != 0;
            mop_plan *plan = NULL;
            assert_int_equal(cpu()->plan(device, m, &desc, &plan, NULL), MOP_OK);
            for (uint32_t i = 0; i < N_NODES; i++) {
                const bool want = ((i == DW || i == PW) && dwpw) || (i == MEAN && se) ||
                                  ((i == SCALE || i == WIDE) && se && threads > 1);
                if (is_joint(plan, i) != want)
                    fail_msg("%d threads, fuse %u, %s: by %s", threads, fuse[k],
                             m->graph->nodes[i].name, cpu()->kernel_name(plan, i));
            }
            assert_string_equal(cpu()->kernel_name(plan, DW),
                                dwpw ? cpu()->kernel_name(plan, PW) : cpu()->kernel_name(plan, DW));
            cpu()->plan_free(plan);
        }
        cpu()->close(device);
    }
    mop_model_free(m);
}

static void a_groups_time_is_divided_and_sums_to_the_total(void **state)
{
    trial t = trial_of(small_model(), true);
    (void)state;
    for (int threads = 1; threads <= most_threads(); threads++) {
        const mop_plan_desc desc = {.fuse = MOP_FUSE_ALL};
        mop_device *device = open_device(threads);
        mop_plan *plan = NULL;
        assert_int_equal(cpu()->plan(device, t.model, &desc, &plan, NULL), MOP_OK);
        for (int run = 0; run < 3; run++) {
            uint64_t ns[N_NODES], sum = 0;
            mop_profile profile = {.layer_ns = ns, .n_layers = N_NODES};
            assert_int_equal(cpu()->run(plan, t.in, t.out, &profile, NULL), MOP_OK);
            for (int i = 0; i < N_NODES; i++)
                sum += ns[i];
            assert_true(sum == profile.total_ns);
            assert_true(ns[DW] > 0 && ns[PW] > 0 && ns[DW] + ns[PW] < profile.total_ns);
        }
        cpu()->plan_free(plan);
        cpu()->close(device);
    }
    trial_end(&t);
}

static void what_is_between_two_layers_takes_no_arena(void **state)
{
    mop_model *m = small_model();
    mop_device *device = open_device(1);
    mop_plan_info info[2];
    (void)state;
    for (int k = 0; k < 2; k++) {
        const mop_plan_desc desc = {.fuse = k == 0 ? MOP_FUSE_NONE : MOP_FUSE_ALL};
        mop_plan *plan = NULL;
        assert_int_equal(cpu()->plan(device, m, &desc, &plan, NULL), MOP_OK);
        cpu()->plan_info(plan, &info[k]);
        cpu()->plan_free(plan);
    }
    assert_true(info[1].arena_bytes * 2 < info[0].arena_bytes);
    cpu()->close(device);
    mop_model_free(m);
}

/* Kernels of the two layers of a made graph. */
static const mop_cpu_kernel *kernel_of(const mop_op_inst *inst)
{
    const mop_kernel_policy policy = {.isa_mask = MOP_ISA_ALL};
    return mop_cpu_kernel_choose(inst, &policy);
}

static void pieces_cover_every_row_once(void **state)
{
    mop_model *m = small_model();
    const mop_graph *g = m->graph;
    const uint32_t nodes[2] = {DW, PW};
    const mop_cpu_kernel *const kernels[2] = {kernel_of(&g->nodes[DW].inst),
                                              kernel_of(&g->nodes[PW].inst)};
    (void)state;
    for (int threads = 1; threads <= 8; threads++) {
        mop_cpu_group group = {0};
        bool formed = false;
        int64_t row = 0;
        assert_int_equal(mop_cpu_group_init(&group, g, nodes, kernels, threads, &formed, NULL),
                         MOP_OK);
        if (!formed) { /* too uneven */
            assert_true(threads > 2);
            continue;
        }
        assert_int_equal(group.n_pieces % (size_t)threads, 0);
        for (size_t i = 0; i < group.n_pieces; i++) {
            const mop_cpu_piece *p = &group.pieces[i];
            assert_int_equal(p->between, row * 251 * 64);
            assert_int_equal(p->out, row * 251 * 24);
            assert_int_equal(p->producer.out.h, p->consumer.out.h);
            assert_true((size_t)mop_shape_elems(p->producer.out) * 4 <= group.between_bytes);
            row += p->consumer.out.h;
        }
        assert_int_equal(row, 2 * g->nodes[PW].inst.out.h);
        mop_cpu_group_release(&group);
    }
    mop_model_free(m);
}

/* --- --bench ------------------------------------------------------------------------------- */

enum { BENCH_RUNS = 60, BENCH_NODES = 600 };

typedef struct contest {
    mop_plan *plan[2]; /* each layer alone, together */
    double ns[2][BENCH_RUNS], layer[2][BENCH_NODES][BENCH_RUNS];
} contest;

static double median_of(const double x[BENCH_RUNS])
{
    double copy[BENCH_RUNS];
    memcpy(copy, x, sizeof copy);
    mop_sort_f64(copy, BENCH_RUNS);
    return mop_quantile(copy, BENCH_RUNS, 0.5);
}

/* Each pair that runs together: alone, together, and the ratio of their sums. */
static void bench_groups(const contest *c, const mop_graph *g)
{
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        const uint32_t p = g->nodes[i].in[0];
        const mop_shape a = g->nodes[p].inst.out, b = g->nodes[i].inst.out;
        double ratio[BENCH_RUNS];
        if (strchr(cpu()->kernel_name(c->plan[1], i), '+') == NULL || p == 0)
            continue;
        for (size_t r = 0; r < BENCH_RUNS; r++)
            ratio[r] =
                (c->layer[1][i][r] + c->layer[1][p][r]) / (c->layer[0][i][r] + c->layer[0][p][r]);
        printf("    %-24s %3dx%3d %4d -> %4d: %7.1f + %7.1f us, together %7.1f + %7.1f, ratio "
               "%.3f\n",
               g->nodes[i].name, a.h, a.w, a.c, b.c, median_of(c->layer[0][p]) / 1e3,
               median_of(c->layer[0][i]) / 1e3, median_of(c->layer[1][p]) / 1e3,
               median_of(c->layer[1][i]) / 1e3, median_of(ratio));
    }
}

/* Plain and profiled runs of both plans in turn, the first one changing. */
static void bench_runs(contest *c, const trial *t)
{
    const mop_clock clock = mop_clock_real();
    uint64_t ns[BENCH_NODES];
    for (size_t r = 0; r < BENCH_RUNS; r++)
        for (size_t k = 0; k < 4; k++) {
            mop_profile profile = {.layer_ns = ns, .n_layers = BENCH_NODES};
            const size_t which = (k + r) % 2;
            const uint64_t start = mop_now_ns(&clock);
            assert_int_equal(
                cpu()->run(c->plan[which], t->in, t->out, k < 2 ? NULL : &profile, NULL), MOP_OK);
            if (k < 2)
                c->ns[which][r] = (double)(mop_now_ns(&clock) - start);
            for (uint32_t i = 0; i < t->model->graph->n_nodes && k >= 2; i++)
                c->layer[which][i][r] = (double)ns[i];
        }
}

static void bench_one(const char *text, int threads)
{
    contest *c = mop_calloc(1, sizeof *c, NULL);
    mop_device *device = open_device(threads);
    mop_spec spec;
    mop_model *raw = NULL, *m = NULL;
    double ratio[BENCH_RUNS];
    assert_non_null(c);
    assert_int_equal(mop_spec_parse(text, &spec, NULL), MOP_OK);
    assert_int_equal(mop_variant_model(&spec, 1, 1, &raw, NULL), MOP_OK);
    assert_int_equal(mop_pass_fuse(raw, MOP_FUSE_ALL, &m, NULL), MOP_OK);
    trial t = trial_of(m, false);
    for (int k = 0; k < 2; k++) {
        const mop_plan_desc desc = {.fuse = k == 0 ? MOP_FUSE_NONE : MOP_FUSE_ALL};
        assert_int_equal(cpu()->plan(device, m, &desc, &c->plan[k], NULL), MOP_OK);
    }
    bench_runs(c, &t);
    for (size_t r = 0; r < BENCH_RUNS; r++)
        ratio[r] = c->ns[1][r] / c->ns[0][r];
    printf("%s, %d threads: %.3f ms, together %.3f ms, ratio %.4f\n", text, threads,
           median_of(c->ns[0]) / 1e6, median_of(c->ns[1]) / 1e6, median_of(ratio));
    bench_groups(c, m->graph);
    for (int k = 0; k < 2; k++)
        cpu()->plan_free(c->plan[k]);
    cpu()->close(device);
    free(c);
    trial_end(&t);
    mop_model_free(raw);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_together_give_the_bits_of_layers_alone),
        cmocka_unit_test(networks_match_the_reference_with_every_fusion),
        cmocka_unit_test(what_runs_together_says_so),
        cmocka_unit_test(a_groups_time_is_divided_and_sums_to_the_total),
        cmocka_unit_test(what_is_between_two_layers_takes_no_arena),
        cmocka_unit_test(pieces_cover_every_row_once),
    };
    static const char *const specs[] = {"mobileone-s0+se", "mobilenetv1", "mobilenetv2",
                                        "mobilenetv3-large", "efficientnet-b0"};
    const int n_specs = argc > 2 ? argc - 2 : (int)(sizeof specs / sizeof specs[0]);
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
        for (int i = 0; i < n_specs; i++)
            for (int threads = 1; threads <= 2 && threads <= mop_cpu_processors(); threads++)
                bench_one(argc > 2 ? argv[2 + i] : specs[i], threads);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
