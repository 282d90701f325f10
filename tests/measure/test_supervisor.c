/* Sweeps in worker processes to which things happen: forked workers, fake back ends, a fake store
 * and a clock that only runs move. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "profiler/measure/worker.h"
#include "tests/support/crew.h"

#define MS UINT64_C(1000000)

/* Of the tests that need a hang. It must be longer than preparing one of the small networks takes
 * here, beside other work; sanitizers make that ten times slower. */
#ifdef __SANITIZE_ADDRESS__
#define PATIENCE_MS 8000
#else
#define PATIENCE_MS 2000
#endif

static void nap(void)
{
    const struct timespec t = {.tv_nsec = 10000000};
    (void)nanosleep(&t, NULL); /* cut short is fine */
}

static void three_workers_share_the_passes_and_give_what_one_process_gives(void **state)
{
    bench *whole = bench_new();
    (void)state;
    whole->options.n_specs = 1;
    assert_int_equal(bench_run(whole), MOP_OK);

    crew *c = crew_new();
    bench *b = c->b;
    b->options.n_specs = 1;
    assert_int_equal(crew_run(c), MOP_OK);
    assert_int_equal(b->outcome.n_done, 2);
    assert_int_equal(b->outcome.n_rows, 2);
    assert_int_equal(b->n_planned, 2); /* told once */
    assert_int_equal(b->n_prepared, 2);
    assert_int_equal(b->n_finished, 1);
    assert_int_equal(b->store.n_plans, 1);
    assert_int_equal(b->store.n_finished, 1);
    assert_int_equal(b->store.n_workers, 3);
    for (int w = 0; w < 3; w++) {
        assert_int_equal(b->store.workers[w].worker, w);
        assert_int_equal(b->store.workers[w].first_pass, 4 * w);
        assert_int_equal(b->store.workers[w].last_pass, 4 * w + 3);
        assert_string_equal(b->store.workers[w].outcome, "done");
    }
    assert_int_equal(b->store.n_passes, whole->store.n_passes);
    assert_int_equal(b->store.n_samples, whole->store.n_samples);
    for (size_t i = 0; i < b->store.n_samples; i++) {
        const mop_sample_record *x = &b->store.samples[i], *y = &whole->store.samples[i];
        assert_int_equal(x->measurement_id, y->measurement_id);
        assert_int_equal(x->pass, y->pass);
        assert_int_equal(x->wall_ns, y->wall_ns);
        assert_int_equal(x->batched, y->batched);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(b->store.rows[i].state, MOP_DONE);
        assert_true(b->store.rows[i].checksum == whole->store.rows[i].checksum);
        assert_int_equal(b->store.layer_runs_of[i], whole->store.layer_runs_of[i]);
    }
    free(whole);
    crew_free(c);
}

/* Runs c's sweep of two networks on one back end; row 0 must fail with `why`, row 1 be done. */
static void expect_row_lost(crew *c, const char *why)
{
    bench *b = c->b;
    b->options.n_backends = 1;
    c->height = 32;
    if (crew_run(c) != MOP_OK)
        fail_msg("%s", b->err.msg);
    assert_int_equal(atomic_load(&c->shared->happened), 1);
    assert_int_equal(b->store.rows[0].state, MOP_FAILED);
    if (strstr(b->store.rows[0].reason, why) == NULL)
        fail_msg("'%s' does not say '%s'", b->store.rows[0].reason, why);
    assert_int_equal(b->store.rows[1].state, MOP_DONE);
    assert_int_equal(b->last[1].passes >= 12, 1);
    assert_int_equal(b->store.n_plans, 1 + b->store.n_aborted);
    assert_int_equal(b->store.n_finished, 1);
    assert_int_equal(b->outcome.n_failed, 1);
    assert_int_equal(b->outcome.n_done, 1);
    assert_int_equal(b->store.n_workers, 4); /* the one that died, and three that did not */
    crew_free(c);
}

static void a_crash_in_a_visit_costs_its_row_with_the_signal_as_reason(void **state)
{
    crew *c = crew_new();
    (void)state;
    c->accident = CREW_CRASH;
    c->at_run = 9;
    expect_row_lost(c, "the worker was killed by signal 11 (Segmentation fault) while it ran this "
                       "row");
}

static void a_crash_in_preparation_costs_its_row_before_the_plan_is_stored(void **state)
{
    crew *c = crew_new();
    (void)state;
    c->accident = CREW_CRASH;
    c->in_plan = true;
    expect_row_lost(c, "was killed by signal 11 (Segmentation fault) while it prepared this row");
}

static void a_crash_in_the_preparation_of_a_later_worker_costs_its_row(void **state)
{
    crew *c = crew_new();
    (void)state;
    c->accident = CREW_CRASH;
    c->in_plan = true;
    c->in_worker = 2;
    expect_row_lost(c, "while it prepared this row");
}

static void an_early_exit_costs_the_row_with_its_exit_code(void **state)
{
    crew *c = crew_new();
    (void)state;
    c->accident = CREW_EXIT;
    c->at_run = 9;
    expect_row_lost(c, "ended with exit code 3 before it was done while it ran this row");
}

static void a_hang_costs_the_row_after_the_patience(void **state)
{
    crew *c = crew_new();
    (void)state;
    c->accident = CREW_HANG;
    c->at_run = 9;
    c->how.patience_ns = PATIENCE_MS * MS;
    expect_row_lost(c, " s while it ran this row");
}

static void garbage_on_the_socket_costs_the_row(void **state)
{
    crew *c = crew_new();
    (void)state;
    c->accident = CREW_GARBAGE;
    c->at_run = 9;
    expect_row_lost(c, "the worker sent garbage: garbage came instead of a message");
}

static void a_damaged_frame_costs_the_row(void **state)
{
    crew *c = crew_new();
    (void)state;
    c->accident = CREW_DAMAGE;
    c->at_run = 9;
    expect_row_lost(c, "the worker sent garbage: a message of 37 bytes is damaged");
}

static void half_a_frame_costs_the_row(void **state)
{
    crew *c = crew_new();
    (void)state;
    c->accident = CREW_SHORT;
    c->at_run = 9;
    expect_row_lost(c, "ended with exit code 0 before it was done, in the middle of a message");
}

static void a_lost_device_costs_its_row_and_the_next_worker_opens_it_anew(void **state)
{
    crew *c = crew_new();
    (void)state;
    c->accident = CREW_LOSE;
    c->at_run = 9;
    expect_row_lost(c, "crew: the device is lost");
}

static void a_device_lost_in_preparation_costs_its_row_only(void **state)
{
    crew *c = crew_new();
    (void)state;
    c->accident = CREW_LOSE;
    c->in_plan = true;
    expect_row_lost(c, "crew: the device is lost");
}

static void other_bits_in_a_later_worker_fail_the_row(void **state)
{
    crew *c = crew_new();
    bench *b = c->b;
    (void)state;
    b->options.n_specs = 1;
    b->options.n_backends = 1;
    c->accident = CREW_OTHER_BITS;
    c->at_run = 1;
    c->in_worker = 2;
    assert_int_equal(crew_run(c), MOP_OK);
    assert_int_equal(b->outcome.n_failed, 1);
    assert_int_equal(b->store.rows[0].state, MOP_FAILED);
    assert_non_null(strstr(b->store.rows[0].reason, "in a second process, and the checked one to"));
    assert_int_equal(b->store.n_finished, 1);
    crew_free(c);
}

/* What the user does, seen from the supervisor. */
static void wake_it_later(const crew *c, pid_t pid)
{
    if (atomic_load(&c->shared->workers) != 1 || fork() != 0)
        return;
    while (atomic_load(&c->shared->happened) == 0 && kill(pid, 0) == 0)
        nap();
    for (int i = 0; i < 3 * PATIENCE_MS / 20; i++) /* 1.5 x the patience */
        nap();
    (void)kill(pid, SIGCONT); /* it is gone only if the test fails */
    _exit(0);
}

static void a_worker_that_is_stopped_and_continued_has_not_hung(void **state)
{
    crew *c = crew_new();
    bench *b = c->b;
    (void)state;
    c->accident = CREW_HALT;
    c->at_run = 9;
    c->how.patience_ns = PATIENCE_MS * MS;
    c->woken = wake_it_later;
    b->options.n_specs = 1;
    assert_int_equal(crew_run(c), MOP_OK);
    assert_int_equal(atomic_load(&c->shared->happened), 1);
    assert_int_equal(b->outcome.n_done, 2);
    assert_int_equal(b->store.n_workers, 3);
    while (wait(NULL) > 0 || errno == EINTR)
        continue;
    crew_free(c);
}

static void an_interrupt_keeps_finished_passes_and_resume_goes_on(void **state)
{
    crew *c = crew_new();
    bench *b = c->b;
    (void)state;
    b->options.n_specs = 1;
    b->stop_after_pass = 5;
    assert_int_equal(crew_run(c), MOP_EINTR);
    /* the worker runs ahead of a remark by what fits between two frames */
    assert_true(b->store.n_passes >= 5 && b->store.n_passes < 12);
    assert_int_equal(b->outcome.n_pending, 2);
    assert_int_equal(b->store.n_finished, 1);
    assert_true(b->outcome.sweep_id > 0);

    b->stop_after_pass = 0;
    b->is_stopped = false;
    b->options.resume = true;
    assert_int_equal(crew_run(c), MOP_OK);
    assert_true(b->outcome.is_resumed);
    assert_int_equal(b->outcome.n_done, 2);
    assert_int_equal(b->store.n_plans, 1);
    for (size_t i = 0; i < b->store.n_samples; i++) /* nothing twice */
        for (size_t j = 0; j < i; j++)
            assert_false(b->store.samples[i].measurement_id == b->store.samples[j].measurement_id &&
                         b->store.samples[i].pass == b->store.samples[j].pass &&
                         b->store.samples[i].run == b->store.samples[j].run);
    crew_free(c);
}

static void an_interrupt_before_the_first_worker_stores_nothing(void **state)
{
    crew *c = crew_new();
    (void)state;
    c->b->is_stopped = true;
    assert_int_equal(crew_run(c), MOP_EINTR);
    assert_int_equal(c->b->store.n_plans, 0);
    assert_int_equal(atomic_load(&c->shared->workers), 0);
    crew_free(c);
}

/* A supervisor process that is killed while its worker hangs. */
static void a_worker_dies_with_its_supervisor(void **state)
{
    crew *c = crew_new();
    pid_t supervisor, worker;
    int status;
    (void)state;
    c->accident = CREW_HANG;
    c->at_run = 9;
    supervisor = fork();
    assert_true(supervisor >= 0);
    if (supervisor == 0) {
        (void)crew_run(c); /* never comes back */
        _exit(0);
    }
    while ((worker = (pid_t)atomic_load(&c->shared->pid)) == 0)
        nap();
    assert_int_equal(kill(worker, 0), 0);
    assert_int_equal(kill(supervisor, SIGKILL), 0);
    assert_int_equal(waitpid(supervisor, &status, 0), supervisor);
    for (int i = 0; i < 1000 && kill(worker, 0) == 0; i++)
        nap();
    if (kill(worker, 0) == 0) { /* gone, or waiting for an init that does not reap here */
        char path[64], text[256] = "";
        (void)snprintf(path, sizeof path, "/proc/%ld/stat", (long)worker);
        FILE *f = fopen(path, "r");
        if (f != NULL) {
            assert_true(fread(text, 1, sizeof text - 1, f) > 0);
            (void)fclose(f);
            assert_non_null(strstr(text, ") Z"));
        }
    }
    crew_free(c);
}

static void a_sweep_in_which_every_row_kills_ends_with_all_of_them_failed(void **state)
{
    crew *c = crew_new();
    bench *b = c->b;
    (void)state;
    c->accident = CREW_CRASH;
    c->in_plan = true;
    c->times = UINT32_MAX;
    if (crew_run(c) != MOP_OK)
        fail_msg("%s", b->err.msg);
    assert_int_equal(b->outcome.n_failed, 4);
    assert_int_equal(b->store.n_samples, 0);
    assert_int_equal(b->store.n_finished, 1);
    for (int i = 0; i < 4; i++)
        assert_non_null(strstr(b->store.rows[i].reason, "while it prepared this row"));
    crew_free(c);
}

static mop_status spawn_nothing(void *ctx, const mop_worker_ends *ends, pid_t *pid, mop_err *err)
{
    (void)ctx;
    (void)ends;
    *pid = fork();
    if (*pid == 0)
        _exit(127);
    return *pid > 0 ? MOP_OK : mop_fail(err, MOP_EIO, "cannot fork");
}

static void workers_that_never_begin_end_the_sweep_with_a_sentence(void **state)
{
    crew *c = crew_new();
    (void)state;
    c->how.spawn = spawn_nothing;
    assert_int_equal(crew_run(c), MOP_EFAIL);
    assert_string_equal(c->b->err.msg, "4 workers in a row came to nothing; of the last one: the "
                                       "worker ended with exit code 127 before it was done");
    assert_int_equal(c->b->store.n_plans, 0);
    assert_non_null(strstr(c->b->notes, "another one goes on"));
    crew_free(c);
}

static void what_a_worker_returns_is_returned(void **state)
{
    crew *c = crew_new();
    (void)state;
    fake.is_absent[1] = true;
    assert_int_equal(crew_run(c), MOP_ENODEV);
    assert_string_equal(c->b->err.msg, "fake-b: there is no such device here");
    crew_free(c);

    c = crew_new();
    c->b->options.n_specs = 1;
    c->b->store.fail_pass = 6;
    assert_int_equal(crew_run(c), MOP_EIO);
    assert_string_equal(c->b->err.msg, "the disk is full");
    assert_int_equal(c->b->store.n_passes, 5);
    crew_free(c);
}

static void networks_that_do_not_fit_together_are_measured_in_blocks_with_the_baseline(void **state)
{
    static const char *const three[] = {"mobilenetv2-1.0@32x32", "mobilenetv2-1.0@33x32",
                                        "mobilenetv2-1.0@34x32"};
    crew *c = crew_new();
    bench *b = c->b;
    size_t of_baseline = 0;
    (void)state;
    b->options.specs = three;
    b->options.n_specs = 3;
    b->options.n_backends = 1;
    b->world.memory_bytes = 2 * 2 * 5120; /* two plans of 4096 + 1024 bytes fit in half of it */
    assert_int_equal(crew_run(c), MOP_OK);
    assert_int_equal(b->outcome.n_done, 3);
    assert_int_equal(b->outcome.n_skipped, 0);
    assert_int_equal(b->store.n_workers, 6);
    assert_int_equal(b->store.n_finished, 1);
    for (size_t i = 0; i < b->store.n_samples; i++) {
        const mop_sample_record *x = &b->store.samples[i];
        of_baseline += x->measurement_id == 500;
        assert_int_equal(x->measurement_id == 501, x->measurement_id != 500 && x->pass < 12);
    }
    assert_true(of_baseline >= 2 * 12 * 3); /* in every pass of both blocks */
    for (int i = 0; i < 3; i++)
        assert_true(b->store.n_layers[i] > 0);
    crew_free(c);
}

static void a_row_that_fits_in_no_block_is_skipped(void **state)
{
    crew *c = crew_new();
    (void)state;
    c->b->options.n_backends = 1;
    c->b->world.memory_bytes = 5120; /* half of it holds no plan at all */
    assert_int_equal(crew_run(c), MOP_OK);
    assert_int_equal(c->b->outcome.n_skipped, 2);
    assert_int_equal(c->b->store.n_finished, 1);
    crew_free(c);
}

static void a_job_survives_the_wire(void **state)
{
    static const mop_setting settings[] = {{.fuse = MOP_FUSE_ALL},
                                           {.fuse = MOP_FUSE_ACT, .is_cold = true}};
    const mop_dead_row dead[] = {{.row = 3, .reason = "it died"}};
    bench *b = bench_new();
    mop_job in = {.options = b->options, .supervisor = 42}, out;
    mop_bytes bytes = {0};
    mop_err err = {0};
    (void)state;
    in.options.settings = settings;
    in.options.n_settings = 2;
    in.options.baseline = "cnn30";
    in.options.tuning = "tune.json";
    in.options.vulkan = "no-shuffle,staging";
    in.options.pipeline_cache = "/some/folder";
    in.part = (mop_sweep_part){.share = 1, .shares = 3, .dead = dead, .n_dead = 1};
    mop_job_put(&in, &bytes);
    assert_int_equal(mop_job_get(&out, &bytes, &err), MOP_OK);
    assert_int_equal(out.options.n_specs, 2);
    assert_string_equal(out.options.specs[1], b->options.specs[1]);
    assert_string_equal(out.options.backends[1], "fake-b");
    assert_true(mop_setting_equal(&out.options.settings[1], &settings[1]));
    assert_string_equal(out.options.baseline, "cnn30");
    assert_true(out.options.tuning != in.options.tuning); /* its bytes came, not its address */
    assert_string_equal(out.options.pipeline_cache, "/some/folder");
    assert_null(out.options.device);
    assert_string_equal(out.options.tuning, "tune.json");
    assert_string_equal(out.options.vulkan, "no-shuffle,staging");
    assert_int_equal(out.options.threads[0], 1);
    assert_int_equal(out.part.dead[0].row, 3);
    assert_int_equal(out.supervisor, 42);
    mop_job_release(&out);
    for (size_t cut = 0; cut < bytes.len; cut += 7) { /* every shorter one is refused */
        mop_bytes part = {0};
        mop_err why = {0};
        mop_bytes_put(&part, bytes.data, cut);
        assert_int_equal(mop_job_get(&out, &part, &why), MOP_EFAIL);
        mop_bytes_release(&part);
    }
    mop_bytes_release(&bytes);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_workers_share_the_passes_and_give_what_one_process_gives),
        cmocka_unit_test(a_crash_in_a_visit_costs_its_row_with_the_signal_as_reason),
        cmocka_unit_test(a_crash_in_preparation_costs_its_row_before_the_plan_is_stored),
        cmocka_unit_test(a_crash_in_the_preparation_of_a_later_worker_costs_its_row),
        cmocka_unit_test(an_early_exit_costs_the_row_with_its_exit_code),
        cmocka_unit_test(a_hang_costs_the_row_after_the_patience),
        cmocka_unit_test(garbage_on_the_socket_costs_the_row),
        cmocka_unit_test(a_damaged_frame_costs_the_row),
        cmocka_unit_test(half_a_frame_costs_the_row),
        cmocka_unit_test(a_lost_device_costs_its_row_and_the_next_worker_opens_it_anew),
        cmocka_unit_test(a_device_lost_in_preparation_costs_its_row_only),
        cmocka_unit_test(other_bits_in_a_later_worker_fail_the_row),
        cmocka_unit_test(a_worker_that_is_stopped_and_continued_has_not_hung),
        cmocka_unit_test(an_interrupt_keeps_finished_passes_and_resume_goes_on),
        cmocka_unit_test(an_interrupt_before_the_first_worker_stores_nothing),
        cmocka_unit_test(a_worker_dies_with_its_supervisor),
        cmocka_unit_test(a_sweep_in_which_every_row_kills_ends_with_all_of_them_failed),
        cmocka_unit_test(workers_that_never_begin_end_the_sweep_with_a_sentence),
        cmocka_unit_test(what_a_worker_returns_is_returned),
        cmocka_unit_test(
            networks_that_do_not_fit_together_are_measured_in_blocks_with_the_baseline),
        cmocka_unit_test(a_row_that_fits_in_no_block_is_skipped),
        cmocka_unit_test(a_job_survives_the_wire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
