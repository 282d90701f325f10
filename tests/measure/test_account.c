/* Where an inference's time goes, from scripted runs whose parts are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "profiler/measure/account.h"

/* 100 to pack, 10 to reset, 5000 from submit to end, 20 to invalidate, 70 reading timestamps that
 * no one counts, 60 to unpack: 5190 from end to end. */
static mop_run_times run(uint64_t device_ns)
{
    return (mop_run_times){.begin = 1000,
                           .packed = 1100,
                           .submitting = 1110,
                           .submitted = 1150,
                           .finished = 6110,
                           .readable = 6130,
                           .unpacking = 6200,
                           .end = 6260,
                           .device_ns = device_ns};
}

static void fill(mop_account_series *s, bool by_repetition)
{
    assert_int_equal(mop_account_init(s, 3, by_repetition, NULL), MOP_OK);
    for (int i = -1; i <= 1; i++) {
        const mop_run_times plain = run(4800);
        mop_run_times profiled = run(4900);
        profiled.dispatch_ns = (uint64_t)(4500 + 100 * i);
        profiled.copy_ns = 30;
        profiled.gap_ns = 400;
        mop_account_add(s, &plain, by_repetition ? NULL : &profiled, 4600);
    }
}

static void parts_and_residual_make_the_whole(void **state)
{
    mop_account_series s;
    mop_account a;
    double sum = 0;
    (void)state;
    fill(&s, false);
    mop_account_close(&s, &a);
    for (int i = 0; i < MOP_PARTS; i++)
        sum += a.part[i];
    assert_true(a.end_to_end == 5190);
    assert_true(a.part[MOP_PART_DISPATCHES] == 4500);
    assert_true(a.part[MOP_PART_GAPS] == 400);
    assert_true(a.part[MOP_PART_COPIES] == 30);
    assert_true(a.part[MOP_PART_SUBMIT] == 200);
    assert_true(a.part[MOP_PART_INPUT] == 100);
    assert_true(a.part[MOP_PART_OUTPUT] == 60);
    assert_true(a.part[MOP_PART_HOST] == 30);
    assert_true(a.outside == 390);
    assert_true(a.least_outside == 390);
    assert_true(sum + a.residual == a.end_to_end);
    assert_true(a.residual == -130); /* the profiled runs took so much more */
    mop_account_release(&s);
}

static void repetition_leaves_gaps_and_copies_in_the_waiting(void **state)
{
    mop_account_series s;
    mop_account a;
    (void)state;
    fill(&s, true);
    mop_account_close(&s, &a);
    assert_true(isnan(a.part[MOP_PART_GAPS]) && isnan(a.part[MOP_PART_COPIES]));
    assert_true(isnan(a.outside));
    assert_true(a.part[MOP_PART_DISPATCHES] == 4600);
    assert_true(a.part[MOP_PART_SUBMIT] == 400);
    assert_true(a.residual == 0);
    mop_account_release(&s);
}

static void a_plain_run_without_device_time_leaves_the_submit_unknown(void **state)
{
    const mop_run_times plain = run(0), profiled = run(4900);
    mop_account_series s;
    mop_account a;
    (void)state;
    assert_int_equal(mop_account_init(&s, 1, false, NULL), MOP_OK);
    mop_account_add(&s, &plain, &profiled, 0);
    mop_account_close(&s, &a);
    assert_true(isnan(a.part[MOP_PART_SUBMIT]) && isnan(a.outside));
    assert_true(a.end_to_end == 5190);
    mop_account_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_and_residual_make_the_whole),
        cmocka_unit_test(repetition_leaves_gaps_and_copies_in_the_waiting),
        cmocka_unit_test(a_plain_run_without_device_time_leaves_the_submit_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
