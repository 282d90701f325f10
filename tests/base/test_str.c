/* Growable text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "profiler/base/str.h"

static void an_empty_text_reads_as_empty(void **state)
{
    mop_str s = {0};
    mop_err err = {0};
    (void)state;
    assert_string_equal(mop_str_get(&s), "");
    assert_int_equal(mop_str_status(&s, &err), MOP_OK);
    mop_str_add(&s, "");
    assert_string_equal(mop_str_get(&s), "");
    mop_str_release(&s);
    mop_str_release(&s);
    mop_str_release(NULL);
}

static void appends_follow_each_other(void **state)
{
    mop_str s = {0};
    (void)state;
    mop_str_add(&s, "ab");
    mop_str_addn(&s, "cdef", 2);
    mop_str_addf(&s, "-%d-%s", 42, "x");
    assert_string_equal(mop_str_get(&s), "abcd-42-x");
    assert_int_equal(s.len, 9);
    mop_str_release(&s);
    assert_string_equal(mop_str_get(&s), "");
}

static void it_grows_past_every_capacity(void **state)
{
    mop_str s = {0};
    (void)state;
    for (int i = 0; i < 3000; i++) {
        mop_str_addf(&s, "%d,", i % 10);
        assert_int_equal(s.len, 2 * (i + 1));
        assert_int_equal(strlen(mop_str_get(&s)), s.len);
    }
    assert_true(s.text[5998] == '9' && s.text[5999] == ',');
    mop_str_release(&s);
}

static void a_failed_append_keeps_the_text_and_is_remembered(void **state)
{
    mop_str s = {0};
    mop_err err = {0};
    volatile size_t huge = SIZE_MAX / 2;
    (void)state;
    mop_str_add(&s, "kept");
    mop_str_addn(&s, "never read", huge);
    mop_str_add(&s, " not added");
    assert_string_equal(mop_str_get(&s), "kept");
    assert_int_equal(mop_str_status(&s, &err), MOP_ENOMEM);
    assert_string_equal(err.msg, "out of memory while building a text");
    mop_str_release(&s);
    assert_int_equal(mop_str_status(&s, NULL), MOP_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_text_reads_as_empty),
        cmocka_unit_test(appends_follow_each_other),
        cmocka_unit_test(it_grows_past_every_capacity),
        cmocka_unit_test(a_failed_append_keeps_the_text_and_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
