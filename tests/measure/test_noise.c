/* Real time with a disturber: another process that never rests, on the same CPU. What it takes must
 * be flagged. Nothing here depends on how fast or how quiet the machine is: the work is sized in
 * CPU time, and no more is asked than that a CPU which two share is seen to be shared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "profiler/measure/protocol.h"

enum {
    PASSES = 6,
    SAMPLES = 3 * PASSES,
    WORK_NS = 15000000 /* several time slices of any scheduler */
};

typedef struct tally {
    uint32_t n, clean, preempted, off_cpu;
    uint32_t lies; /* clean samples that hold time which was not theirs */
} tally;

static void spin(uint64_t n)
{
    do {
        n--;
        __asm__ volatile("" : "+r"(n));
    } while (n > 0);
}

static int64_t cpu_time(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Turns of spin() that take WORK_NS of CPU time, from the fastest of some tries. */
static uint64_t size_work(void)
{
    const uint64_t turns = 4000000;
    int64_t least = INT64_MAX;
    for (int i = 0; i < 5; i++) {
        int64_t began = cpu_time();
        spin(turns);
        int64_t took = cpu_time() - began;
        if (took > 0 && took < least)
            least = took;
    }
    return turns * WORK_NS / (uint64_t)least;
}

static mop_status work(void *ctx, mop_err *err)
{
    (void)err;
    spin(*(const uint64_t *)ctx);
    return MOP_OK;
}

static mop_status count(void *ctx, const mop_pass_record *pass, mop_err *err)
{
    tally *t = ctx;
    (void)err;
    for (size_t i = 0; i < pass->n_samples; i++) {
        const mop_sample_record *s = &pass->samples[i];
        int64_t lost = s->wall_ns - s->cpu_ns;
        t->n++;
        t->clean += s->flags == 0;
        t->preempted += (s->flags & MOP_FLAG_PREEMPTED) != 0;
        t->off_cpu += (s->flags & MOP_FLAG_OFF_CPU) != 0;
        t->lies += s->flags == 0 && lost > 20000 && lost > s->wall_ns / 200;
    }
    return MOP_OK;
}

static tally measure(uint64_t *turns)
{
    tally t = {0};
    mop_err err = {0};
    mop_counters counters;
    mop_subject_result result;
    const mop_clock clock = mop_clock_real();
    const mop_subject subject = {
        .run = work, .ctx = turns, .is_host_single = true, .baseline = MOP_NO_BASELINE};
    const mop_protocol_sink sink = {.pass = count, .ctx = &t};
    mop_protocol p;
    mop_protocol_default(&p);
    p.min_passes = p.max_passes = PASSES;
    p.long_run_ns = UINT64_C(3600000000000); /* three samples a visit however busy the CPU is */
    assert_int_equal(mop_counters_open(&counters, &err), MOP_OK);
    const mop_protocol_input input = {.protocol = &p,
                                      .clock = &clock,
                                      .counters = &counters,
                                      .subjects = &subject,
                                      .n_subjects = 1};
    assert_int_equal(mop_protocol_run(&input, &sink, &result, &err), MOP_OK);
    mop_counters_close(&counters);
    return t;
}

/* Inherits the CPU it was started on; says when it runs; ends with its parent at the latest. */
static pid_t start_disturber(void)
{
    int ready[2];
    char byte;
    pid_t parent = getpid();
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        while (getppid() == parent)
            spin(1000000);
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(close(ready[0]), 0);
    assert_int_equal(close(ready[1]), 0);
    return child;
}

static void a_disturber_on_the_same_cpu_is_seen_and_is_in_no_clean_sample(void **state)
{
    cpu_set_t all, one;
    int cpu = sched_getcpu();
    (void)state;
    if (cpu < 0 || sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) < 2) {
        print_message("skip: this process has fewer than two CPUs\n");
        skip();
    }
    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) {
        print_message("skip: this process cannot be pinned\n");
        skip();
    }
    uint64_t turns = size_work();
    tally alone = measure(&turns);
    pid_t child = start_disturber();
    tally shared = measure(&turns);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);

    print_message("clean samples: %u of %u alone, %u of %u with a disturber (%u preempted)\n",
                  alone.clean, alone.n, shared.clean, shared.n, shared.preempted);
    assert_int_equal(alone.n, SAMPLES);
    assert_int_equal(shared.n, SAMPLES);
    assert_int_equal(alone.lies, 0);
    assert_int_equal(shared.lies, 0);
    assert_true(shared.clean <= SAMPLES / 4);
    assert_true(shared.preempted >= SAMPLES / 2);
    assert_true(shared.off_cpu >= SAMPLES / 2);
    if (alone.clean <= SAMPLES / 4)
        print_message("this machine is so busy that the disturber made no difference\n");
    else
        assert_true(shared.clean < alone.clean);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disturber_on_the_same_cpu_is_seen_and_is_in_no_clean_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
