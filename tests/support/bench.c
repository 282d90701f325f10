#include "tests/support/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/measure/controls.h"
#include "variants/passes.h"

static const char *const specs[] = {"mobilenetv2-1.0@32x32", "mobilenetv2-1.0@33x32"};
static const char *const backends[] = {"fake-a", "fake-b"};
static const int one_thread[] = {1};
static const int32_t one_batch[] = {1};

static uint64_t bench_now(void *ctx)
{
    return ((const bench *)ctx)->now_ns;
}

static void no_counts(void *ctx, mop_counts *out)
{
    (void)ctx;
    *out = (mop_counts){MOP_ABSENT, MOP_ABSENT, MOP_ABSENT, MOP_ABSENT,
                        MOP_ABSENT, MOP_ABSENT, MOP_ABSENT};
}

static float bench_loop(void *ctx, int64_t rounds)
{
    bench *b = ctx;
    double ns = 2.0 * (double)rounds;
    if (rounds == MOP_CONTROL_ROUNDS / 50 * 51)
        ns *= b->stretch_102 + (b->n_passes % 2 == 1 ? b->wobble_102 : 0);
    if (rounds == MOP_CONTROL_ROUNDS * 20)
        ns *= b->stretch_x20;
    b->now_ns += (uint64_t)ns;
    return 1.5f + (b->loop_drifts ? (float)b->loops++ : 0);
}

static void on_note(void *ctx, const char *sentence)
{
    bench *b = ctx;
    (void)snprintf(b->notes + strlen(b->notes), sizeof b->notes - strlen(b->notes), "%s\n",
                   sentence);
}

static void on_planned(void *ctx, const mop_sweep_row *row, size_t index, size_t n_rows)
{
    bench *b = ctx;
    assert_int_equal(index, b->n_planned);
    assert_true(index < n_rows);
    b->last[b->n_planned++] = *row;
}

static void on_prepared(void *ctx, const mop_sweep_row *row, size_t index, size_t n_rows)
{
    (void)row;
    (void)index;
    (void)n_rows;
    ((bench *)ctx)->n_prepared++;
}

static void on_pass(void *ctx, uint32_t passes, uint32_t satisfied, uint64_t eta_ns,
                    const mop_sweep_row *rows, size_t n_rows)
{
    bench *b = ctx;
    (void)satisfied;
    (void)eta_ns;
    b->n_passes++;
    memcpy(b->last, rows, n_rows * sizeof *rows);
    if (b->stop_after_pass > 0 && passes >= b->stop_after_pass)
        b->is_stopped = true;
}

static void on_finished(void *ctx, const mop_sweep_row *rows, size_t n_rows)
{
    bench *b = ctx;
    b->n_finished++;
    memcpy(b->last, rows, n_rows * sizeof *rows);
}

static bool on_interrupted(void *ctx)
{
    bench *b = ctx;
    return b->is_stopped || ++b->polls == b->stop_at_poll;
}

bench *bench_new(void)
{
    bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    fake = (fake_config){.now_ns = &b->now_ns, .run_ns = 2000000};
    fake_sink_init(&b->store);
    b->stretch_102 = b->stretch_x20 = 1;
    b->world = (mop_sweep_world){.clock = {.now_ns = bench_now, .ctx = b},
                                 .counters = {.read = no_counts},
                                 .find_backend = fake_backend_find,
                                 .peak_flops = 1e9,
                                 .fingerprint = "cpu=fake;"};
    b->options = (mop_sweep_options){.specs = specs,
                                     .n_specs = 2,
                                     .backends = backends,
                                     .n_backends = 2,
                                     .backends_named = true,
                                     .threads = one_thread,
                                     .n_threads = 1,
                                     .batches = one_batch,
                                     .n_batches = 1,
                                     .seed = 3,
                                     .started_utc = "2026-01-31T12:00:00Z",
                                     .build_id = "test"};
    b->events = (mop_sweep_events){.note = on_note,
                                   .planned = on_planned,
                                   .prepared = on_prepared,
                                   .pass_done = on_pass,
                                   .finished = on_finished,
                                   .interrupted = on_interrupted,
                                   .ctx = b};
    return b;
}

mop_status bench_run(bench *b)
{
    b->world.loop = (mop_control_loop){0};
    if (b->has_controls)
        b->world.loop = (mop_control_loop){.run = bench_loop, .ctx = b, .flops_per_round = 100};
    b->err = (mop_err){0};
    b->polls = 0;
    b->n_planned = 0;
    mop_status st =
        mop_sweep_run(&b->options, &b->world, &b->store.sink, &b->events, &b->outcome, &b->err);
    assert_int_equal(fake.opened, fake.closed); /* whatever happened, nothing is left open */
    assert_int_equal(fake.planned, fake.freed);
    return st;
}
