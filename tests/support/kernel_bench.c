#include "tests/support/kernel_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu/kernel.h"
#include "profiler/base/alloc.h"
#include "profiler/base/clock.h"
#include "profiler/base/rng.h"
#include "profiler/engine/calibrate.h"
#include "profiler/engine/cpu_info.h"
#include "profiler/engine/peak.h"

#define LAYER(...)                                                                                 \
    {                                                                                              \
        __VA_ARGS__, .no_winograd = false                                                          \
    }

/* Square feature maps; k, stride, groups of the convolution; cout of attention: heads. Names:
 * network and layer. */
static const struct bench_shape {
    const char *name;
    int32_t size, cin, cout, k, stride, groups;
    mop_op op;   /* 0: a convolution, where it has no window a fully connected layer */
    mop_act act; /* 0: ReLU where the operator takes one */
    bool no_winograd;
} shapes[] = {
    LAYER("s0.stem", 224, 3, 48, 3, 2, 1),
    LAYER("s0.1.dw", 112, 48, 48, 3, 2, 48),
    LAYER("s0.1.pw", 56, 48, 48, 1, 1, 1),
    LAYER("s0.1b.dw", 56, 48, 48, 3, 1, 48),
    LAYER("s0.2.dw", 56, 48, 48, 3, 2, 48),
    LAYER("s0.2.pw", 28, 48, 128, 1, 1, 1),
    LAYER("s0.2b.dw", 28, 128, 128, 3, 1, 128),
    LAYER("s0.2b.pw", 28, 128, 128, 1, 1, 1),
    LAYER("s0.3.dw", 28, 128, 128, 3, 2, 128),
    LAYER("s0.3.pw", 14, 128, 256, 1, 1, 1),
    LAYER("s0.3b.dw", 14, 256, 256, 3, 1, 256),
    LAYER("s0.3b.pw", 14, 256, 256, 1, 1, 1),
    LAYER("s0.4.dw", 14, 256, 256, 3, 2, 256),
    LAYER("s0.4.pw", 7, 256, 1024, 1, 1, 1),
    LAYER("s1.stem", 224, 3, 64, 3, 2, 1),
    LAYER("s1.1.pw", 56, 96, 96, 1, 1, 1),
    LAYER("s1.2.pw", 28, 192, 192, 1, 1, 1),
    LAYER("s1.3.pw", 14, 512, 512, 1, 1, 1),
    LAYER("s1.3.dw", 14, 512, 512, 3, 1, 512),
    LAYER("s4.1.pw", 56, 192, 192, 1, 1, 1),
    LAYER("s4.2.pw", 28, 448, 448, 1, 1, 1),
    LAYER("s4.3.pw", 14, 896, 896, 1, 1, 1),
    LAYER("s4.4.pw", 7, 896, 2048, 1, 1, 1),
    LAYER("cnn.64.3x3", 56, 64, 64, 3, 1, 1),
    LAYER("cnn.256.3x3", 14, 256, 256, 3, 1, 1),
    LAYER("cnn.512.3x3", 7, 512, 512, 3, 1, 1),
    LAYER("mbv2.24", 56, 144, 24, 1, 1, 1),
    LAYER("mbv2.40", 28, 240, 40, 1, 1, 1),
    LAYER("shuffle.116", 28, 116, 116, 1, 1, 1),
    LAYER("dw5", 28, 120, 120, 5, 1, 120),
    LAYER("s0.fc", 1, 1024, 1000, 0, 0, 0),
    LAYER("s4.fc", 1, 2048, 1000, 0, 0, 0),
    LAYER("se.fc", 1, 512, 32, 0, 0, 0),
    LAYER("se.8.32", 1, 8, 32, 1, 1, 1),
    LAYER("se.32.8", 1, 32, 8, 1, 1, 1),
    LAYER("se.24.96", 1, 24, 96, 1, 1, 1),
    LAYER("se.480.120", 1, 480, 120, 1, 1, 1),
    LAYER("se.960.240", 1, 960, 240, 1, 1, 1),
    LAYER("dw5.s2", 28, 240, 240, 5, 2, 240),
    LAYER("dw5.14", 14, 672, 672, 5, 1, 672),
    LAYER("dw7.56", 56, 96, 96, 7, 1, 96),
    LAYER("dw7.14", 14, 384, 384, 7, 1, 384),
    {"cnn.64.sum", 56, 64, 64, 3, 1, 1, .no_winograd = true},
    {"cnn.256.sum", 14, 256, 256, 3, 1, 1, .no_winograd = true},
    {"cnn.512.sum", 7, 512, 512, 3, 1, 1, .no_winograd = true},
    {"softmax", 14, 14 * 14, .op = MOP_OP_SOFTMAX},
    {"layernorm", 14, 384, .op = MOP_OP_LAYERNORM},
    {"attn.qk", 14, 3 * 192, 3, .op = MOP_OP_ATTN_QK},
    {"attn.av", 14, 3 * 192, 3, .op = MOP_OP_ATTN_AV},
    {"hardswish", 28, 240, .op = MOP_OP_ACT, .act = MOP_ACT_HARDSWISH},
    {"silu", 28, 240, .op = MOP_OP_ACT, .act = MOP_ACT_SILU},
    {"gelu", 14, 768, .op = MOP_OP_ACT, .act = MOP_ACT_GELU},
};

static mop_op_inst inst_of(const struct bench_shape *b)
{
    mop_op_inst inst = {.op = b->op, .n_in = 1, .in = {{1, b->size, b->size, b->cin}}};
    const int32_t pad = b->k / 2, tokens = b->size * b->size;
    if (b->op == 0)
        inst.op = b->k > 0 ? MOP_OP_CONV2D : MOP_OP_FC;
    if (mop_op_get(inst.op)->takes_act)
        inst.params.act = MOP_ACT_RELU;
    if (b->act != 0)
        inst.params.act = b->act;
    if (inst.op == MOP_OP_CONV2D)
        inst.params.u.conv = (mop_conv_params){b->cout, b->k, b->k, b->stride, 1,   b->groups,
                                               pad,     pad,  pad,  pad,       true};
    if (inst.op == MOP_OP_FC)
        inst.params.u.fc = (mop_fc_params){b->cout, true};
    if (inst.op == MOP_OP_LAYERNORM)
        inst.params.u.bn.eps = 1e-6f;
    if (inst.op == MOP_OP_ATTN_QK || inst.op == MOP_OP_ATTN_AV)
        inst.params.u.attn.heads = b->cout;
    if (inst.op == MOP_OP_ATTN_AV) {
        inst.n_in = 2;
        inst.in[1] = inst.in[0];
        inst.in[0] = (mop_shape){1, b->cout, tokens, tokens};
    }
    if (mop_op_infer(&inst, NULL) != MOP_OK)
        exit(1);
    return inst;
}

/* Ends the program where there is no memory. */
static float *random_floats(int64_t n, mop_rng *rng)
{
    float *p = mop_alloc_aligned((size_t)n * sizeof(float), NULL);
    if (p == NULL)
        exit(1);
    for (int64_t i = 0; i < n; i++)
        p[i] = (float)mop_rng_normal(rng);
    return p;
}

/* Best of the runs that fit in about budget_ns, at least 5. */
static uint64_t best_ns(const mop_cpu_kernel *k, const mop_args *args, const mop_clock *clock,
                        uint64_t budget_ns)
{
    uint64_t best = UINT64_MAX, spent = 0;
    for (int i = 0; i < 5 || spent < budget_ns; i++) {
        const uint64_t start = mop_now_ns(clock);
        k->run(args);
        const uint64_t ns = mop_now_ns(clock) - start;
        best = ns < best ? ns : best;
        spent += ns;
    }
    return best;
}

static void *room(size_t bytes)
{
    void *p = mop_alloc_aligned(bytes > 0 ? bytes : 1, NULL);
    if (p == NULL)
        exit(1);
    return p;
}

/* Best time of the kernel chosen under the policy, whose name is left in *kernel. */
static double time_of(const mop_op_inst *inst, const mop_kernel_policy *policy, uint64_t budget_ns,
                      const mop_clock *clock, const char **kernel)
{
    const mop_cpu_kernel *k = mop_cpu_kernel_choose(inst, policy);
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    float *w[MOP_MAX_WEIGHTS] = {0}, *in[MOP_MAX_IN] = {0};
    mop_args args = {.inst = inst, .end = k->units(inst)};
    mop_rng rng;
    mop_rng_init(&rng, 1, 0);
    for (uint32_t i = 0; i < mop_op_weights(inst, desc); i++)
        w[i] = random_floats(desc[i].elems, &rng);
    for (uint32_t i = 0; i < inst->n_in; i++)
        args.in[i] = in[i] = random_floats(mop_shape_elems(inst->in[i]), &rng);
    float *out = args.out = random_floats(mop_shape_elems(inst->out), &rng);
    void *packed = room(k->packed_bytes != NULL ? k->packed_bytes(inst) : 0);
    void *scratch = room(k->scratch_bytes != NULL ? k->scratch_bytes(inst) : 0);
    if (k->pack != NULL)
        k->pack(inst, (const float *const *)w, packed);
    args.packed = packed;
    args.scratch = scratch;
    const double ns = (double)best_ns(k, &args, clock, budget_ns);
    *kernel = k->name;
    for (int i = 0; i < MOP_MAX_WEIGHTS; i++)
        free(w[i]);
    for (int i = 0; i < MOP_MAX_IN; i++)
        free(in[i]);
    free(out);
    free(packed);
    free(scratch);
    return ns;
}

/* Time of one shape, and which kernel took it. */
typedef struct bench_result {
    const struct bench_shape *shape;
    const char *kernel;
    double ns, scalar_ns, flops, bytes;
} bench_result;

static bench_result bench_one(const struct bench_shape *b, const mop_clock *clock)
{
    enum { BUDGET_NS = 60000000, SCALAR_NS = 20000000 };
    const mop_op_inst inst = inst_of(b);
    const mop_kernel_policy best = {.isa_mask = MOP_ISA_ALL, .no_winograd = b->no_winograd},
                            scalar = {.isa_mask = 0, .no_winograd = b->no_winograd};
    bench_result r = {.shape = b};
    const char *same_operator;
    mop_cost cost;
    mop_op_cost(&inst, &cost);
    r.flops = 2 * (double)cost.macs;
    r.bytes = (double)(cost.bytes_read + cost.bytes_written);
    r.scalar_ns = time_of(&inst, &scalar, SCALAR_NS, clock, &same_operator);
    r.ns = time_of(&inst, &best, BUDGET_NS, clock, &r.kernel);
    return r;
}

/* The level that holds so many bytes, and what one core reads from it (0: not measured). */
typedef struct bench_level {
    const char *name;
    double bytes_per_s;
} bench_level;

static bench_level level_of(double bytes, const mop_figures *figures)
{
    static const char *const names[] = {"L1", "L2", "L3", "DRAM"};
    static const char *const keys[] = {"read_bandwidth_l1", "read_bandwidth_l2",
                                       "read_bandwidth_l3", "read_bandwidth_dram"};
    uint64_t size[MOP_CPU_CACHES];
    int i = 0;
    mop_cpu_caches(size);
    while (i < MOP_CPU_CACHES &&
           ((double)size[i] < bytes || mop_figures_find(figures, keys[i]) == NULL))
        i++;
    const mop_figure *f = mop_figures_find(figures, keys[i]);
    return (bench_level){names[i], f != NULL ? f->best : 0};
}

static void print_result(const bench_result *r, double peak, const mop_figures *figures)
{
    const bench_level level = level_of(r->bytes, figures);
    printf("%-12s %-12s %10.2f us", r->shape->name, r->kernel, r->ns / 1e3);
    if (r->flops > 0)
        printf(" %7.2f GFLOP/s %5.1f %%", r->flops / r->ns, 100e9 * r->flops / r->ns / peak);
    else
        printf(" %23s", "");
    printf(" %9.1f kB %6.1f GB/s %5.1f %% of %-4s %6.1f x scalar\n", r->bytes / 1e3,
           r->bytes / r->ns,
           level.bytes_per_s > 0 ? 100e9 * r->bytes / r->ns / level.bytes_per_s : 0, level.name,
           r->scalar_ns / r->ns);
}

int mop_kernel_bench(const char *pick)
{
    enum { SHAPES = sizeof shapes / sizeof shapes[0] };
    const mop_clock clock = mop_clock_real();
    const mop_isa isa = mop_isa_best(MOP_ISA_ALL);
    const mop_calibration calibration = {.clock = clock, .isa_mask = MOP_ISA_ALL, .threads = 1};
    bench_result results[SHAPES];
    mop_figures figures = {0};
    double peak = 0;
    size_t n = 0;
    if (mop_calibrate_bandwidth(&calibration, &figures, NULL) != MOP_OK)
        return 1;
    for (size_t i = 0; i < SHAPES; i++) {
        const double now = mop_peak_flops(&clock, isa, 4);
        peak = now > peak ? now : peak;
        if (pick == NULL || strstr(shapes[i].name, pick) != NULL)
            results[n++] = bench_one(&shapes[i], &clock);
    }
    printf("%s peak %.2f GFLOP/s; reading", mop_isa_name(isa), peak / 1e9);
    for (size_t i = 0; i < figures.n; i++)
        if (strncmp(figures.items[i].name, "read_", 5) == 0)
            printf(" %s %.1f", strrchr(figures.items[i].name, '_') + 1,
                   figures.items[i].best / 1e9);
    printf(" GB/s\n");
    for (size_t i = 0; i < n; i++)
        print_result(&results[i], peak, &figures);
    mop_figures_release(&figures);
    return 0;
}
