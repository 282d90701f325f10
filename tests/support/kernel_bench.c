#include "tests/support/kernel_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu/kernel.h"
#include "profiler/base/alloc.h"
#include "profiler/base/clock.h"
#include "profiler/base/rng.h"
#include "profiler/engine/peak.h"

/* Square feature maps; k, stride, groups of the convolution. Names: network and layer. */
static const struct bench_shape {
    const char *name;
    int32_t size, cin, cout, k, stride, groups;
} shapes[] = {
    {"s0.stem", 224, 3, 48, 3, 2, 1},       {"s0.1.dw", 112, 48, 48, 3, 2, 48},
    {"s0.1.pw", 56, 48, 48, 1, 1, 1},       {"s0.1b.dw", 56, 48, 48, 3, 1, 48},
    {"s0.2.dw", 56, 48, 48, 3, 2, 48},      {"s0.2.pw", 28, 48, 128, 1, 1, 1},
    {"s0.2b.dw", 28, 128, 128, 3, 1, 128},  {"s0.2b.pw", 28, 128, 128, 1, 1, 1},
    {"s0.3.dw", 28, 128, 128, 3, 2, 128},   {"s0.3.pw", 14, 128, 256, 1, 1, 1},
    {"s0.3b.dw", 14, 256, 256, 3, 1, 256},  {"s0.3b.pw", 14, 256, 256, 1, 1, 1},
    {"s0.4.dw", 14, 256, 256, 3, 2, 256},   {"s0.4.pw", 7, 256, 1024, 1, 1, 1},
    {"s1.stem", 224, 3, 64, 3, 2, 1},       {"s1.1.pw", 56, 96, 96, 1, 1, 1},
    {"s1.2.pw", 28, 192, 192, 1, 1, 1},     {"s1.3.pw", 14, 512, 512, 1, 1, 1},
    {"s1.3.dw", 14, 512, 512, 3, 1, 512},   {"s4.1.pw", 56, 192, 192, 1, 1, 1},
    {"s4.2.pw", 28, 448, 448, 1, 1, 1},     {"s4.3.pw", 14, 896, 896, 1, 1, 1},
    {"s4.4.pw", 7, 896, 2048, 1, 1, 1},     {"cnn.64.3x3", 56, 64, 64, 3, 1, 1},
    {"cnn.256.3x3", 14, 256, 256, 3, 1, 1}, {"cnn.512.3x3", 7, 512, 512, 3, 1, 1},
    {"mbv2.24", 56, 144, 24, 1, 1, 1},      {"mbv2.40", 28, 240, 40, 1, 1, 1},
    {"shuffle.116", 28, 116, 116, 1, 1, 1}, {"dw5", 28, 120, 120, 5, 1, 120},
    {"s0.fc", 1, 1024, 1000, 0, 0, 0},      {"s4.fc", 1, 2048, 1000, 0, 0, 0},
    {"se.fc", 1, 512, 32, 0, 0, 0},
};

static mop_op_inst inst_of(const struct bench_shape *b)
{
    mop_op_inst inst = {.op = b->k > 0 ? MOP_OP_CONV2D : MOP_OP_FC,
                        .n_in = 1,
                        .in = {{1, b->size, b->size, b->cin}}};
    const int32_t pad = b->k / 2;
    inst.params.act = MOP_ACT_RELU;
    if (b->k > 0)
        inst.params.u.conv = (mop_conv_params){b->cout, b->k, b->k, b->stride, 1,   b->groups,
                                               pad,     pad,  pad,  pad,       true};
    else
        inst.params.u.fc = (mop_fc_params){b->cout, true};
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

/* Best of the runs that fit in about 60 ms, at least 5. */
static uint64_t best_ns(const mop_cpu_kernel *k, const mop_args *args, const mop_clock *clock)
{
    uint64_t best = UINT64_MAX, spent = 0;
    for (int i = 0; i < 5 || spent < 60000000; i++) {
        const uint64_t start = mop_now_ns(clock);
        k->run(args);
        const uint64_t ns = mop_now_ns(clock) - start;
        best = ns < best ? ns : best;
        spent += ns;
    }
    return best;
}

/* Time of one shape, and which kernel took it. */
typedef struct bench_result {
    const struct bench_shape *shape;
    const char *kernel;
    double ns, flops;
} bench_result;

static bench_result bench_one(const struct bench_shape *b, const mop_clock *clock)
{
    mop_rng rng;
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    mop_op_inst inst = inst_of(b);
    mop_cost cost;
    const mop_cpu_kernel *k;
    float *w[MOP_MAX_WEIGHTS] = {0};
    mop_rng_init(&rng, 1, 0);
    if (mop_op_infer(&inst, NULL) != MOP_OK)
        exit(1);
    mop_op_cost(&inst, &cost);
    k = mop_cpu_kernel_choose(&inst, &(mop_kernel_policy){.isa_mask = MOP_ISA_ALL});
    for (uint32_t i = 0; i < mop_op_weights(&inst, desc); i++)
        w[i] = random_floats(desc[i].elems, &rng);
    float *in = random_floats(mop_shape_elems(inst.in[0]), &rng);
    float *out = random_floats(mop_shape_elems(inst.out), &rng);
    void *packed = mop_alloc_aligned(k->packed_bytes(&inst), NULL);
    void *scratch = mop_alloc_aligned(k->scratch_bytes != NULL ? k->scratch_bytes(&inst) : 1, NULL);
    if (packed == NULL || scratch == NULL)
        exit(1);
    k->pack(&inst, (const float *const *)w, packed);
    const mop_args args = {.inst = &inst,
                           .in = {in},
                           .packed = packed,
                           .out = out,
                           .scratch = scratch,
                           .end = k->units(&inst)};
    const bench_result result = {.shape = b,
                                 .kernel = k->name,
                                 .ns = (double)best_ns(k, &args, clock),
                                 .flops = 2 * (double)cost.macs};
    for (int i = 0; i < MOP_MAX_WEIGHTS; i++)
        free(w[i]);
    free(in);
    free(out);
    free(packed);
    free(scratch);
    return result;
}

int mop_kernel_bench(const char *pick)
{
    enum { SHAPES = sizeof shapes / sizeof shapes[0] };
    const mop_clock clock = mop_clock_real();
    const mop_isa isa = mop_isa_best(MOP_ISA_ALL);
    bench_result results[SHAPES];
    double peak = 0;
    size_t n = 0;
    for (size_t i = 0; i < SHAPES; i++) {
        const double now = mop_peak_flops(&clock, isa, 4);
        peak = now > peak ? now : peak;
        if (pick == NULL || strstr(shapes[i].name, pick) != NULL)
            results[n++] = bench_one(&shapes[i], &clock);
    }
    printf("%s peak %.2f GFLOP/s\n", mop_isa_name(isa), peak / 1e9);
    for (size_t i = 0; i < n; i++) {
        const bench_result *r = &results[i];
        printf("%-14s %-10s %10.2f us %8.2f GFLOP/s %6.1f %% of peak\n", r->shape->name, r->kernel,
               r->ns / 1e3, r->flops / r->ns, 100e9 * r->flops / r->ns / peak);
    }
    return 0;
}
