#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "kernels/cpu/isa.h"
#include "profiler/base/alloc.h"
#include "profiler/base/denormals.h"
#include "profiler/engine/backend.h"
#include "profiler/engine/check.h"
#include "profiler/engine/cpu_info.h"
#include "profiler/engine/peak.h"
#include "tests/support/pace.h"
#include "variants/passes.h"
#include "variants/variant.h"

static const mop_backend *cpu(void)
{
    const mop_backend *b = mop_backend_find("cpu", NULL);
    assert_non_null(b);
    return b;
}

static mop_device *open_device(int threads, unsigned isa_mask)
{
    const mop_device_choice choice = {.threads = threads, .isa_mask = isa_mask};
    mop_device *device = NULL;
    mop_err err = {0};
    if (cpu()->open(&choice, &device, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    return device;
}

static mop_model *fused_model(const char *text, mop_model **unfused)
{
    mop_spec spec;
    mop_err err = {0};
    mop_model *fused = NULL;
    if (mop_spec_parse(text, &spec, &err) != MOP_OK ||
        mop_variant_model(&spec, 1, 11, unfused, &err) != MOP_OK ||
        mop_pass_fuse(*unfused, MOP_FUSE_ALL, &fused, &err) != MOP_OK)
        fail_msg("%s: %s", text, err.msg);
    return fused;
}

static float *input_of(const mop_model *m)
{
    const mop_shape s = m->graph->nodes[0].inst.out;
    float *in = mop_calloc((size_t)mop_shape_elems(s), sizeof *in, NULL);
    assert_non_null(in);
    mop_standard_input(s, 5, in);
    return in;
}

static size_t outputs_of(const mop_model *m)
{
    return (size_t)mop_shape_elems(m->graph->nodes[m->graph->n_nodes - 1].inst.out);
}

/* Node by node and end to end against float64, and the timed plan against the keep-all plan, by
 * mop_check_plan. */
static void hold_network(const char *text, unsigned isa_mask, int threads)
{
    mop_model *unfused = NULL, *fused = fused_model(text, &unfused);
    float *in = input_of(fused);
    const size_t n = outputs_of(fused);
    double *reference = mop_calloc(n, sizeof *reference, NULL);
    mop_device *device = open_device(threads, isa_mask);
    mop_plan *plan = NULL;
    const mop_plan_desc desc = {.fuse = MOP_FUSE_ALL};
    mop_check check = {0};
    mop_err err = {0};
    assert_non_null(reference);
    if (mop_reference_run(unfused, in, reference, n, &err) != MOP_OK ||
        cpu()->plan(device, fused, &desc, &plan, &err) != MOP_OK ||
        mop_check_plan(cpu(), device, plan, &desc, fused, in, reference, n, &check, &err) != MOP_OK)
        fail_msg("%s: %s", text, err.msg);
    printf("%s mask %u, %d threads: worst node %.3f of its bound, end to end %.2e of %.2e\n", text,
           isa_mask, threads, check.worst_node, check.end_to_end, check.end_bound);
    cpu()->plan_free(plan);
    cpu()->close(device);
    free(reference);
    free(in);
    mop_model_free(fused);
    mop_model_free(unfused);
}

static void networks_match_the_reference_node_by_node_on_every_level(void **state)
{
    (void)state;
    for (unsigned level = 0; level < MOP_ISA_COUNT; level++)
        hold_network("mobileone-s0@64", 1u << level, 1);
}

static void every_kind_of_block_matches_the_reference(void **state)
{
    static const char *const specs[] = {
        "mobileone-s0:train@64",   "mobileone-s4@64",
        "cnn30+act=dyrelu-a@48",   "cnn30+act=dyrelu-b+se@48",
        "cnn30+act=dyshiftmax@48", "cnn30+act=gelu+skip@48",
        "mobilenetv2@64",          "resnet18@64",
        "mobilenetv3-small@64",    "efficientnet-b0@64",
        "repvgg-a0:train@64",      "deit-tiny@48",
    };
    const size_t n = mop_test_is_slow() ? 3 : sizeof specs / sizeof specs[0];
    (void)state;
    for (size_t i = 0; i < n; i++)
        hold_network(specs[i], MOP_ISA_ALL, 1);
}

/* Output of one run, free() it. */
static float *output_with(const mop_model *m, const float *in, int threads, bool keep_all)
{
    mop_device *device = open_device(threads, MOP_ISA_ALL);
    const mop_plan_desc desc = {.fuse = MOP_FUSE_ALL, .keep_all = keep_all};
    mop_plan *plan = NULL;
    float *out = mop_calloc(outputs_of(m), sizeof *out, NULL);
    assert_non_null(out);
    assert_int_equal(cpu()->plan(device, m, &desc, &plan, NULL), MOP_OK);
    for (int i = 0; i < 3; i++) /* memory of an earlier run must not leak into a later one */
        assert_int_equal(cpu()->run(plan, in, out, NULL, NULL), MOP_OK);
    cpu()->plan_free(plan);
    cpu()->close(device);
    return out;
}

static void threads_and_memory_reuse_do_not_change_a_bit(void **state)
{
    mop_model *unfused = NULL, *m = fused_model("mobileone-s0@64", &unfused);
    float *in = input_of(m), *one = output_with(m, in, 1, false);
    const size_t bytes = outputs_of(m) * sizeof(float);
    (void)state;
    for (int threads = 1; threads <= mop_cpu_processors() && threads <= 4; threads++) {
        for (int keep_all = 0; keep_all < 2; keep_all++) {
            float *other = output_with(m, in, threads, keep_all);
            assert_memory_equal(one, other, bytes);
            free(other);
        }
    }
    if (mop_cpu_processors() < 2)
        printf("one processor only: nothing was run on two threads\n");
    free(one);
    free(in);
    mop_model_free(m);
    mop_model_free(unfused);
}

/* in -> conv3x3 s2 -> relu conv 1x1 with residual: small enough to plan by hand. */
static mop_model *small_model(void)
{
    mop_graph_builder *b = mop_graph_builder_create((mop_shape){2, 9, 7, 5}, NULL);
    mop_params conv = {.u.conv = {.cout = 20,
                                  .kh = 3,
                                  .kw = 3,
                                  .stride = 2,
                                  .dilation = 1,
                                  .groups = 1,
                                  .pad_top = 1,
                                  .pad_left = 1,
                                  .pad_bottom = 1,
                                  .pad_right = 1,
                                  .has_bias = true}};
    mop_params point = {
        .u.conv = {.cout = 20, .kh = 1, .kw = 1, .stride = 1, .dilation = 1, .groups = 1},
        .act = MOP_ACT_RELU,
        .has_residual = true};
    mop_graph *g = NULL;
    mop_model *m = NULL;
    const uint32_t input = 0;
    uint32_t in[2];
    in[0] = in[1] = mop_graph_add(b, MOP_OP_CONV2D, &conv, &input, 1, "stem");
    const uint32_t last = mop_graph_add(b, MOP_OP_CONV2D, &point, in, 2, "point");
    assert_int_equal(mop_graph_seal(b, last, &g, NULL), MOP_OK);
    assert_int_equal(mop_model_synthesize(g, 3, &m, NULL), MOP_OK);
    return m;
}

static void profile_stamps_are_contiguous(void **state)
{
    mop_model *m = small_model();
    mop_device *device = open_device(1, MOP_ISA_ALL);
    const mop_plan_desc desc = {0};
    mop_plan *plan = NULL;
    float *in = input_of(m), *out = mop_calloc(outputs_of(m), sizeof *out, NULL);
    uint64_t ns[8], sum = 0;
    mop_profile profile = {.layer_ns = ns, .n_layers = 8};
    mop_plan_info info;
    mop_err err = {0};
    (void)state;
    assert_int_equal(cpu()->plan(device, m, &desc, &plan, NULL), MOP_OK);
    cpu()->plan_info(plan, &info);
    assert_int_equal(info.first_run_ns, 0);
    assert_int_equal(info.n_dispatches, 2);
    assert_true(info.weight_bytes >= (20 * 45 + 20 + 20 * 20) * sizeof(float));
    assert_true(info.arena_bytes >= 2 * 2 * 5 * 4 * 20 * sizeof(float));
    assert_int_equal(cpu()->run(plan, in, out, &profile, NULL), MOP_OK);
    assert_int_equal(profile.n_layers, 3);
    for (int i = 0; i < 3; i++)
        sum += ns[i];
    assert_true(sum == profile.total_ns);
    assert_string_equal(profile.clock_name, "host");
    cpu()->plan_info(plan, &info);
    assert_true(info.first_run_ns >= profile.total_ns);
    profile.n_layers = 2;
    assert_int_equal(cpu()->run(plan, in, out, &profile, &err), MOP_EINVAL);
    assert_string_equal(err.msg, "cpu: a profile of 2 layers for a plan of 3 nodes");
    cpu()->plan_free(plan);
    cpu()->close(device);
    free(in);
    free(out);
    mop_model_free(m);
}

static void read_gives_kept_nodes_and_refuses_others(void **state)
{
    mop_model *m = small_model();
    mop_device *device = open_device(1, MOP_ISA_ALL);
    const mop_plan_desc desc[2] = {{.keep_all = false}, {.keep_all = true}};
    const size_t n_in = (size_t)mop_shape_elems(m->graph->nodes[0].inst.out), n = outputs_of(m);
    float *in = input_of(m), *out = mop_calloc(n, sizeof *out, NULL);
    float *got = mop_calloc(n_in + n, sizeof *got, NULL);
    (void)state;
    for (int keep = 0; keep < 2; keep++) {
        mop_plan *plan = NULL;
        mop_err err = {0};
        assert_int_equal(cpu()->plan(device, m, &desc[keep], &plan, NULL), MOP_OK);
        assert_string_equal(cpu()->kernel_name(plan, 0), "");
        assert_string_equal(cpu()->kernel_name(plan, 1), "conv_gemm");
        assert_int_equal(cpu()->run(plan, in, out, NULL, NULL), MOP_OK);
        assert_int_equal(cpu()->read(plan, 2, got, n, NULL), MOP_OK);
        assert_memory_equal(got, out, n * sizeof *out);
        assert_int_equal(cpu()->read(plan, 3, got, n, NULL), MOP_EINVAL);
        assert_int_equal(cpu()->read(plan, 2, got, n - 1, NULL), MOP_EINVAL);
        if (keep) {
            assert_int_equal(cpu()->read(plan, 0, got, n_in, NULL), MOP_OK);
            assert_memory_equal(got, in, n_in * sizeof *in);
        } else {
            assert_int_equal(cpu()->read(plan, 1, got, n, &err), MOP_EINVAL);
            assert_string_equal(err.msg, "cpu: node 1 was not kept, plan with keep_all to read it");
        }
        cpu()->plan_free(plan);
    }
    cpu()->close(device);
    free(in);
    free(out);
    free(got);
    mop_model_free(m);
}

static void a_run_flushes_denormals_and_leaves_the_caller_its_mode(void **state)
{
    mop_model *m = small_model();
    mop_device *device = open_device(1, MOP_ISA_ALL);
    const mop_plan_desc desc = {0};
    mop_plan *plan = NULL;
    const size_t n_in = (size_t)mop_shape_elems(m->graph->nodes[0].inst.out);
    float *in = input_of(m), *out = mop_calloc(outputs_of(m), sizeof *out, NULL);
    (void)state;
    for (size_t i = 0; i < n_in; i++)
        in[i] = 1e-41f;
    memset(mop_model_w(m, 1, 1), 0, 20 * sizeof(float)); /* no bias: all is denormal */
    assert_int_equal(cpu()->plan(device, m, &desc, &plan, NULL), MOP_OK);
    assert_false(mop_denormals_are_flushed());
    assert_int_equal(cpu()->run(plan, in, out, NULL, NULL), MOP_OK);
    assert_false(mop_denormals_are_flushed());
    for (size_t i = 0; i < outputs_of(m); i++)
        assert_true(out[i] == 0);
    cpu()->plan_free(plan);
    cpu()->close(device);
    free(in);
    free(out);
    mop_model_free(m);
}

static void processors_are_picked_once_each(void **state)
{
    int cpu[64];
    const int n = mop_cpu_processors() < 64 ? mop_cpu_processors() : 64;
    cpu_set_t allowed;
    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    assert_int_equal(mop_cpu_pick(cpu, n), n);
    for (int i = 0; i < n; i++) {
        assert_true(CPU_ISSET((size_t)cpu[i], &allowed));
        for (int j = 0; j < i; j++)
            assert_int_not_equal(cpu[i], cpu[j]);
    }
}

static void a_run_on_threads_leaves_the_caller_its_processors(void **state)
{
    cpu_set_t before, after;
    mop_model *unfused = NULL, *m;
    float *in;
    (void)state;
    if (mop_cpu_processors() < 2) {
        printf("skip: this machine has one processor\n");
        skip();
    }
    m = fused_model("mobileone-s0@64", &unfused);
    in = input_of(m);
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    free(output_with(m, in, 2, false));
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
    free(in);
    mop_model_free(m);
    mop_model_free(unfused);
}

static void the_start_of_a_plans_memory_changes_no_bit(void **state)
{
    mop_model *unfused = NULL, *m = fused_model("mobileone-s0@64", &unfused);
    mop_device *device = open_device(1, MOP_ISA_ALL);
    const size_t n = outputs_of(m);
    float *in = input_of(m), *one = output_with(m, in, 1, false);
    float *other = mop_calloc(n, sizeof *other, NULL);
    mop_err err = {0};
    (void)state;
    assert_non_null(other);
    for (size_t offset = 0; offset < MOP_PLAN_OFFSETS;
         offset = offset == 0 ? 64 : 2 * offset + 64) {
        const mop_plan_desc desc = {.fuse = MOP_FUSE_ALL, .offset = offset};
        mop_plan *plan = NULL;
        mop_plan_info info;
        assert_int_equal(cpu()->plan(device, m, &desc, &plan, NULL), MOP_OK);
        assert_int_equal(cpu()->run(plan, in, other, NULL, NULL), MOP_OK);
        assert_memory_equal(one, other, n * sizeof *one);
        cpu()->plan_info(plan, &info);
        assert_true(info.is_locked != info.is_lock_refused);
        cpu()->plan_free(plan);
    }
    mop_plan *plan = NULL;
    assert_int_equal(cpu()->plan(device, m, &(mop_plan_desc){.offset = 32}, &plan, &err),
                     MOP_EINVAL);
    assert_string_equal(err.msg, "cpu: a plan cannot start at offset 32");
    assert_int_equal(cpu()->plan(device, m, &(mop_plan_desc){.offset = 4096}, &plan, NULL),
                     MOP_EINVAL);
    assert_null(plan);
    cpu()->close(device);
    free(one);
    free(other);
    free(in);
    mop_model_free(m);
    mop_model_free(unfused);
}

static void a_lock_that_is_refused_is_said_and_a_checked_plan_needs_none(void **state)
{
    mop_model *m = small_model();
    mop_device *device = open_device(1, MOP_ISA_ALL);
    struct rlimit before, none;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    for (int keep = 0; keep < 2; keep++) {
        const mop_plan_desc desc = {.keep_all = keep == 1};
        mop_plan *plan = NULL;
        mop_plan_info info;
        assert_int_equal(cpu()->plan(device, m, &desc, &plan, NULL), MOP_OK);
        cpu()->plan_info(plan, &info);
        assert_true(keep == 1 ? !info.is_locked && !info.is_lock_refused
                              : info.is_locked != info.is_lock_refused);
        cpu()->plan_free(plan);
    }
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &before), 0);
    cpu()->close(device);
    mop_model_free(m);
}

static void absurd_choices_are_refused_with_the_values(void **state)
{
    mop_device *device = NULL;
    mop_device_choice choice = {.threads = 0, .isa_mask = MOP_ISA_ALL};
    char want[96];
    mop_err err = {0};
    (void)state;
    assert_int_equal(cpu()->open(&choice, &device, &err), MOP_EINVAL);
    (void)snprintf(want, sizeof want, "cpu: 0 threads asked for, this machine offers 1 to %d",
                   mop_cpu_processors());
    assert_string_equal(err.msg, want);
    choice.threads = mop_cpu_processors() + 1;
    assert_int_equal(cpu()->open(&choice, &device, NULL), MOP_EINVAL);
    choice = (mop_device_choice){.selector = "no such processor", .threads = 1};
    assert_int_equal(cpu()->open(&choice, &device, NULL), MOP_ENODEV);
    assert_null(device);
}

static void the_device_says_who_it_is(void **state)
{
    mop_device_info listed, opened, scalar;
    mop_device *device = open_device(1, MOP_ISA_ALL), *slow = open_device(1, 0);
    size_t n = 0;
    (void)state;
    assert_int_equal(cpu()->list(&listed, 1, &n, NULL), MOP_OK);
    assert_int_equal(n, 1);
    cpu()->info(device, &opened);
    cpu()->info(slow, &scalar);
    assert_string_equal(opened.type, "cpu");
    assert_true(opened.name[0] != '\0');
    assert_string_equal(opened.uuid, listed.uuid);
    assert_int_equal(strlen(opened.uuid), 32);
    assert_string_equal(opened.isa, mop_isa_name(mop_isa_best(MOP_ISA_ALL)));
    assert_string_equal(scalar.isa, "scalar");
    assert_false(opened.is_software);
    cpu()->close(device);
    cpu()->close(slow);
    const mop_device_choice by_uuid = {.selector = listed.uuid, .threads = 1};
    assert_int_equal(cpu()->open(&by_uuid, &device, NULL), MOP_OK);
    cpu()->close(device);
}

static void an_unknown_back_end_is_named_with_the_nearest(void **state)
{
    mop_err err = {0};
    (void)state;
    assert_null(mop_backend_find("cpo", &err));
    assert_int_equal(err.code, MOP_EINVAL);
    assert_string_equal(err.msg, "there is no back end 'cpo'; did you mean 'cpu'?");
    assert_null(mop_backend_at(100));
    assert_ptr_equal(mop_backend_at(0), cpu());
}

static void the_loop_of_the_peak_repeats_bit_for_bit(void **state)
{
    (void)state;
    for (int isa = 0; isa <= (int)mop_isa_best(MOP_ISA_ALL); isa++) {
        const float once = mop_peak_loop((mop_isa)isa, 1000),
                    again = mop_peak_loop((mop_isa)isa, 1000);
        const float longer = mop_peak_loop((mop_isa)isa, 1001);
        assert_memory_equal(&once, &again, sizeof once);
        assert_memory_not_equal(&once, &longer, sizeof once); /* each round counts */
        assert_true(mop_peak_round_flops((mop_isa)isa) >= 24);
    }
}

static void the_peak_is_that_of_a_processor(void **state)
{
    const mop_clock clock = mop_clock_real();
    const double scalar = mop_peak_flops(&clock, MOP_ISA_SCALAR, 2);
    const double best = mop_peak_flops(&clock, mop_isa_best(MOP_ISA_ALL), 2);
    (void)state;
    printf("scalar %.2f GFLOP/s, best %.2f GFLOP/s\n", scalar / 1e9, best / 1e9);
    assert_true(scalar > 1e7 && best < 1e13);
    assert_true(mop_peak_flops(&clock, MOP_ISA_SCALAR, 0) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_match_the_reference_node_by_node_on_every_level),
        cmocka_unit_test(every_kind_of_block_matches_the_reference),
        cmocka_unit_test(threads_and_memory_reuse_do_not_change_a_bit),
        cmocka_unit_test(profile_stamps_are_contiguous),
        cmocka_unit_test(read_gives_kept_nodes_and_refuses_others),
        cmocka_unit_test(a_run_flushes_denormals_and_leaves_the_caller_its_mode),
        cmocka_unit_test(processors_are_picked_once_each),
        cmocka_unit_test(a_run_on_threads_leaves_the_caller_its_processors),
        cmocka_unit_test(the_start_of_a_plans_memory_changes_no_bit),
        cmocka_unit_test(a_lock_that_is_refused_is_said_and_a_checked_plan_needs_none),
        cmocka_unit_test(absurd_choices_are_refused_with_the_values),
        cmocka_unit_test(the_device_says_who_it_is),
        cmocka_unit_test(an_unknown_back_end_is_named_with_the_nearest),
        cmocka_unit_test(the_loop_of_the_peak_repeats_bit_for_bit),
        cmocka_unit_test(the_peak_is_that_of_a_processor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
