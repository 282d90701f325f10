/* Threads of a device that wait for work: what they burn while nothing is asked of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "profiler/engine/backend.h"

static int64_t process_time(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* CPU time, so it holds on a busy machine too. Spinning workers burn 20 ms. */
static void threads_at_rest_burn_no_cpu_time(void **state)
{
    const mop_device_choice choice = {.threads = 2};
    const struct timespec nap = {.tv_nsec = 100000000};
    const mop_backend *cpu = mop_backend_find("cpu", NULL);
    mop_device *device = NULL;
    mop_err err = {0};
    (void)state;
    assert_non_null(cpu);
    if (cpu->open(&choice, &device, &err) != MOP_OK) {
        print_message("skip: %s\n", err.msg);
        skip();
    }
    cpu->rest(device);
    int64_t began = process_time();
    assert_int_equal(nanosleep(&nap, NULL), 0);
    int64_t burned = process_time() - began;
    cpu->close(device);
    assert_true(burned < 5000000);
}

static void a_device_of_one_thread_has_nothing_to_put_to_rest(void **state)
{
    const mop_device_choice choice = {.threads = 1};
    const mop_backend *cpu = mop_backend_find("cpu", NULL);
    mop_device *device = NULL;
    mop_err err = {0};
    (void)state;
    assert_int_equal(cpu->open(&choice, &device, &err), MOP_OK);
    cpu->rest(device);
    cpu->close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_at_rest_burn_no_cpu_time),
        cmocka_unit_test(a_device_of_one_thread_has_nothing_to_put_to_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
