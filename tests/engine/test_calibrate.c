/* The calibration on a clock that only the work moves gives exact figures; on this machine it gives
 * figures in the order that physics demands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/cpu/isa.h"
#include "profiler/engine/calibrate.h"
#include "profiler/engine/calibrate_internal.h"
#include "profiler/engine/cpu_info.h"

/* Without optimisation, or under a sanitizer, the loops are bound by what the build adds to them,
 * and figures only have to be there. */
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__)
enum { IS_BOUND_BY_HARDWARE = 1 };
#else
enum { IS_BOUND_BY_HARDWARE = 0 };
#endif

/* Work that takes `each` ns a round; every fourth burst takes twice as long. */
typedef struct script {
    uint64_t now, each;
    int bursts;
} script;

static uint64_t script_now(void *ctx)
{
    return ((script *)ctx)->now;
}

static void script_run(void *ctx, int64_t rounds)
{
    script *s = ctx;
    s->now += (uint64_t)rounds * s->each * (s->bursts++ % 4 == 3 ? 2 : 1);
}

static void script_work(void *ctx)
{
    script *s = ctx;
    s->now += s->each;
}

static void figures_follow_exactly_from_the_bursts(void **state)
{
    script s = {.each = 1000};
    /* 2^11 rounds of 1000 ns are the first to last 2 ms, and are the twelfth burst: slow, but long
     * enough at half of that (the eleventh took 1.024 ms) */
    const mop_calibration c = {.clock = {script_now, &s}, .bursts = 8};
    const mop_burst rate = {script_run, &s, 10}, time = {script_run, &s, 0};
    mop_figures f = {0};
    mop_err err = {0};
    (void)state;
    assert_int_equal(mop_calibrate_figure(&c, "rate", "B/s", &rate, &f, &err), MOP_OK);
    assert_int_equal(mop_calibrate_figure(&c, "time", "s", &time, &f, &err), MOP_OK);
    assert_int_equal(f.n, 2);
    assert_ptr_equal(mop_figures_find(&f, "time"), &f.items[1]);
    assert_null(mop_figures_find(&f, "other"));
    /* of 8 bursts 2 are slow: 10 per 1000 ns, quartile between a slow and a fast one */
    assert_true(fabs(f.items[0].best - (1e7)) < 1e-3);
    assert_true(fabs(f.items[0].median - (1e7)) < 1e-3);
    assert_true(fabs(f.items[0].spread - (1 - (0.5 + 0.5 * 0.75))) < 1e-9);
    assert_true(fabs(f.items[1].best - (1e-6)) < 1e-15);
    assert_true(fabs(f.items[1].median - (1e-6)) < 1e-15);
    assert_true(fabs(f.items[1].spread - (0.25)) < 1e-9);
    assert_int_equal(f.items[1].bursts, 8);
    mop_figures_release(&f);
}

static void a_cost_is_the_time_of_one_call(void **state)
{
    script s = {.each = 250};
    const mop_calibration c = {.clock = {script_now, &s}, .bursts = 3, .burst_ns = 10000};
    mop_figures f = {0};
    mop_err err = {0};
    (void)state;
    assert_int_equal(mop_calibrate_cost(&c, "call", script_work, &s, &f, &err), MOP_OK);
    assert_true(fabs(f.items[0].best - (250e-9)) < 1e-15);
    assert_true(fabs(f.items[0].spread - (0)) < 1e-12);
    assert_string_equal(f.items[0].unit, "s");
    mop_figures_release(&f);
}

static void nothing(void *ctx, int64_t rounds)
{
    (void)ctx;
    (void)rounds;
}

static void a_clock_that_stands_still_is_a_failure_not_a_number(void **state)
{
    script s = {0};
    const mop_calibration c = {.clock = {script_now, &s}};
    const mop_burst burst = {nothing, NULL, 1};
    mop_figures f = {0};
    mop_err err = {0};
    (void)state;
    assert_int_equal(mop_calibrate_figure(&c, "x", "s", &burst, &f, &err), MOP_EFAIL);
    assert_non_null(strstr(err.msg, "stands still"));
    assert_int_equal(f.n, 0);
    mop_figures_release(&f);
}

/* --- this machine -------------------------------------------------------------------------- */

static mop_calibration here(void)
{
    return (mop_calibration){.clock = mop_clock_real(),
                             .isa_mask = MOP_ISA_ALL,
                             .threads = mop_cpu_processors() < 2 ? 1 : 2,
                             .burst_ns = 300000,
                             .bursts = 12,
                             .memory_bytes = UINT64_C(128) << 20};
}

static double best(const mop_figures *f, const char *name)
{
    const mop_figure *figure = mop_figures_find(f, name);
    if (figure == NULL)
        fail_msg("no figure %s", name);
    assert_true(figure->best > 0 && figure->median > 0 && isfinite(figure->best));
    assert_true(figure->spread >= 0);
    return figure->best;
}

static void wider_levels_reach_higher_peaks(void **state)
{
    const mop_calibration c = here();
    mop_figures f = {0};
    mop_err err = {0};
    (void)state;
    assert_int_equal(mop_calibrate_peaks(&c, &f, &err), MOP_OK);
    const double scalar = best(&f, "peak_flops_scalar_fp32");
    printf("scalar %.3g FLOP/s in fp32, %.3g in fp64\n", scalar,
           best(&f, "peak_flops_scalar_fp64"));
    assert_true(scalar > 1e7 && scalar < 1e12);
    for (int level = MOP_ISA_SCALAR + 1; level < MOP_ISA_COUNT; level++) {
        char fp32[64], fp64[64];
        const char *isa = mop_isa_name((mop_isa)level);
        const bool is_here = (mop_isa_detect() & 1u << level) != 0;
        (void)snprintf(fp32, sizeof fp32, "peak_flops_%s_fp32", isa);
        (void)snprintf(fp64, sizeof fp64, "peak_flops_%s_fp64", isa);
        assert_true((mop_figures_find(&f, fp32) != NULL) == is_here);
        if (!is_here || !IS_BOUND_BY_HARDWARE)
            continue;
        /* four lanes or more: 4 to 32 times, 2 asked for */
        printf("%s %.3g and %.3g\n", isa, best(&f, fp32), best(&f, fp64));
        assert_true(best(&f, fp32) > 2 * scalar);
        assert_true(best(&f, fp64) > scalar);
        assert_true(best(&f, fp32) > best(&f, fp64));
    }
    mop_figures_release(&f);
}

static void a_mask_leaves_levels_out(void **state)
{
    mop_calibration c = here();
    mop_figures f = {0};
    mop_err err = {0};
    (void)state;
    c.isa_mask = 1u << MOP_ISA_SCALAR;
    c.bursts = 1;
    assert_int_equal(mop_calibrate_peaks(&c, &f, &err), MOP_OK);
    assert_int_equal(f.n, 2);
    mop_figures_release(&f);
}

static void nearer_memory_is_not_slower(void **state)
{
    const mop_calibration c = here();
    uint64_t bytes[MOP_CPU_CACHES];
    mop_figures f = {0};
    mop_err err = {0};
    (void)state;
    assert_true(mop_calibrate_dram_bytes(&c) <= c.memory_bytes / 4);
    assert_int_equal(mop_calibrate_bandwidth(&c, &f, &err), MOP_OK);
    mop_cpu_caches(bytes);
    const double dram = best(&f, "read_bandwidth_dram");
    printf("dram %.3g B/s read, %.3g copied, %.3g in triads\n", dram,
           best(&f, "copy_bandwidth_dram"), best(&f, "triad_bandwidth_dram"));
    assert_true(dram > 1e7 && dram < 1e13);
    if (bytes[0] == 0 || bytes[1] == 0) {
        mop_figures_release(&f);
        printf("skip: this machine does not tell its caches\n");
        skip();
    }
    assert_true(bytes[0] < bytes[1]);
    printf("l1 %.3g, l2 %.3g\n", best(&f, "read_bandwidth_l1"), best(&f, "read_bandwidth_l2"));
    /* a half is left to neighbours who share L2 and memory; the figures are the best of many */
    assert_true(!IS_BOUND_BY_HARDWARE ||
                best(&f, "read_bandwidth_l1") > 0.5 * best(&f, "read_bandwidth_l2"));
    assert_true(!IS_BOUND_BY_HARDWARE || best(&f, "read_bandwidth_l2") > 0.5 * dram);
    mop_figures_release(&f);
}

static void waking_two_threads_costs_more_than_calling_one(void **state)
{
    const mop_calibration c = here();
    mop_figures f = {0};
    mop_err err = {0};
    (void)state;
    assert_int_equal(mop_calibrate_threads(&c, &f, &err), MOP_OK);
    printf("one thread %.3g s\n", best(&f, "fork_join_x1"));
    if (c.threads < 2) {
        mop_figures_release(&f);
        printf("skip: one processor here\n");
        skip();
    }
    assert_true(best(&f, "fork_join_x2") > best(&f, "fork_join_x1"));
    assert_true(best(&f, "fork_join_x2") < 0.1);
    assert_true(best(&f, "read_bandwidth_dram_x2") > 1e7);
    assert_int_equal(mop_cpu_processors() >= 2, 1); /* the caller has its processors back */
    mop_figures_release(&f);
}

static void identical_work_reads_one_and_a_longer_look_is_allowed(void **state)
{
    const mop_calibration c = here();
    mop_resolution r = {0};
    mop_err err = {0};
    (void)state;
    assert_int_equal(mop_calibrate_resolution(&c, 100000000, 1, &r, &err), MOP_OK);
    printf("ratio %.4f from %.4f to %.4f over %u passes\n", r.ratio.est, r.ratio.lo, r.ratio.hi,
           r.passes);
    assert_in_range(r.passes, 12, 1000);
    assert_true(r.ratio.lo <= r.ratio.est && r.ratio.est <= r.ratio.hi);
    assert_true(r.ratio.est > 0.5 && r.ratio.est < 2); /* whatever else runs here */
    assert_true(r.smallest >= r.difference && r.smallest >= r.half_width * 0.5);
    memset(&r, 0, sizeof r);
    assert_int_equal(mop_calibrate_resolution(&c, 1000000, 1, &r, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "too short"));
    assert_int_equal(r.passes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_follow_exactly_from_the_bursts),
        cmocka_unit_test(a_cost_is_the_time_of_one_call),
        cmocka_unit_test(a_clock_that_stands_still_is_a_failure_not_a_number),
        cmocka_unit_test(wider_levels_reach_higher_peaks),
        cmocka_unit_test(a_mask_leaves_levels_out),
        cmocka_unit_test(nearer_memory_is_not_slower),
        cmocka_unit_test(waking_two_threads_costs_more_than_calling_one),
        cmocka_unit_test(identical_work_reads_one_and_a_longer_look_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
