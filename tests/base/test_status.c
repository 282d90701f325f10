/* The error record: first failure wins, long sentences are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "profiler/base/status.h"

static void the_first_failure_stays(void **state)
{
    mop_err err = {0};
    (void)state;
    assert_int_equal(mop_fail(&err, MOP_EINVAL, "%s %d", "first", 1), MOP_EINVAL);
    assert_int_equal(mop_fail(&err, MOP_EIO, "second"), MOP_EIO);
    assert_int_equal(err.code, MOP_EINVAL);
    assert_string_equal(err.msg, "first 1");
}

static void a_null_record_is_fine(void **state)
{
    (void)state;
    assert_int_equal(mop_fail(NULL, MOP_EBUSY, "nobody reads %d", 1), MOP_EBUSY);
}

static void a_long_sentence_is_cut_and_terminated(void **state)
{
    struct {
        mop_err err;
        char guard[16];
    } box = {.guard = "untouched"};
    char text[1000];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)mop_fail(&box.err, MOP_EFAIL, "%s", text); /* the code is known */
    assert_int_equal(strlen(box.err.msg), sizeof box.err.msg - 1);
    assert_string_equal(box.guard, "untouched");
}

static void every_code_has_its_own_name(void **state)
{
    (void)state;
    for (int a = MOP_OK; a <= MOP_EFAIL; a++) {
        assert_non_null(mop_status_name((mop_status)a));
        assert_string_not_equal(mop_status_name((mop_status)a), "unknown status");
        for (int b = MOP_OK; b < a; b++)
            assert_string_not_equal(mop_status_name((mop_status)a), mop_status_name((mop_status)b));
    }
    assert_string_equal(mop_status_name((mop_status)(MOP_EFAIL + 1)), "unknown status");
    assert_string_equal(mop_status_name((mop_status)-1), "unknown status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_failure_stays),
        cmocka_unit_test(a_null_record_is_fine),
        cmocka_unit_test(a_long_sentence_is_cut_and_terminated),
        cmocka_unit_test(every_code_has_its_own_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
