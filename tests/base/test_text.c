/* Brace lists and nearest spellings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "profiler/base/str.h"
#include "profiler/base/text.h"

static void expect_expansion(const char *text, const char *want)
{
    mop_strlist l = {0};
    mop_str joined = {0};
    mop_err err = {0};
    if (mop_expand(text, &l, &err) != MOP_OK)
        fail_msg("'%s': %s", text, err.msg);
    for (size_t i = 0; i < l.n; i++)
        mop_str_addf(&joined, "%s%s", i > 0 ? " " : "", l.items[i]);
    assert_string_equal(mop_str_get(&joined), want);
    mop_str_release(&joined);
    mop_strlist_release(&l);
}

static void expect_refusal(const char *text, const char *sentence)
{
    mop_strlist l = {0};
    mop_err err = {0};
    assert_int_equal(mop_strlist_add(&l, "before", &err), MOP_OK);
    assert_int_equal(mop_expand(text, &l, &err), MOP_EINVAL);
    assert_string_equal(err.msg, sentence);
    assert_int_equal(l.n, 1);
    assert_string_equal(l.items[0], "before");
    mop_strlist_release(&l);
}

static void braces_and_commas_expand(void **state)
{
    (void)state;
    expect_expansion("a", "a");
    expect_expansion("a,b", "a b");
    expect_expansion("a{0..2},b{x,y}", "a0 a1 a2 bx by");
    expect_expansion("{a,b}{1,2}", "a1 a2 b1 b2");
    expect_expansion("m{a,b{1,2}}z", "maz mb1z mb2z");
    expect_expansion("x{,+se}", "x x+se");
    expect_expansion("{7..7}", "7");
    expect_expansion("{-1..1}", "-1 0 1");
    expect_expansion("mobileone-s{0..4}:{deploy,train}",
                     "mobileone-s0:deploy mobileone-s0:train mobileone-s1:deploy "
                     "mobileone-s1:train mobileone-s2:deploy mobileone-s2:train "
                     "mobileone-s3:deploy mobileone-s3:train mobileone-s4:deploy "
                     "mobileone-s4:train");
    expect_expansion("{9223372036854775806..9223372036854775807}",
                     "9223372036854775806 9223372036854775807");
}

static void bad_lists_are_refused_and_add_nothing(void **state)
{
    char longer[700];
    (void)state;
    expect_refusal("", "the list has an empty item");
    expect_refusal("a,,b", "the list has an empty item");
    expect_refusal("a,", "the list has an empty item");
    expect_refusal("a,{}", "the list has an empty item");
    expect_refusal("a,b{1,2", "the brace in 'b{1,2' is never closed");
    expect_refusal("a{b{1,2}", "the brace in 'a{b{1,2}' is never closed");
    expect_refusal("a}b{", "a brace in 'a}b{' closes nothing");
    expect_refusal("a{3..1}", "the range {3..1} is empty or too long");
    expect_refusal("a{1..20000}", "the range {1..20000} is empty or too long");
    expect_refusal("{-9223372036854775808..9223372036854775807}",
                   "the range {-9223372036854775808..9223372036854775807} is empty or too long");
    expect_refusal("{0..999}{0..999}", "the list expands to more than 10000 items");
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    expect_refusal(longer, "an item of the list is longer than 511 characters");
}

/* Fifty pairs would be 2^50 items: the limit must stop the work, not only the list. */
static void an_explosive_list_stops_early(void **state)
{
    char text[251] = "";
    (void)state;
    for (int i = 0; i < 50; i++)
        memcpy(text + 5 * i, "{a,b}", 6);
    expect_refusal(text, "the list expands to more than 10000 items");
}

static void lists_grow_and_know_their_items(void **state)
{
    mop_strlist l = {0};
    mop_err err = {0};
    (void)state;
    for (int i = 0; i < 100; i++) {
        char num[16];
        (void)snprintf(num, sizeof num, "item%d", i); /* fits */
        assert_int_equal(mop_strlist_add(&l, num, &err), MOP_OK);
    }
    assert_int_equal(l.n, 100);
    assert_true(mop_strlist_has(&l, "item0") && mop_strlist_has(&l, "item99"));
    assert_false(mop_strlist_has(&l, "item100"));
    mop_strlist_release(&l);
    assert_int_equal(l.n, 0);
    mop_strlist_release(NULL);
}

static void the_nearest_spelling_is_found(void **state)
{
    static const char *const names[] = {"mobileone", "mobilenetv1", "mobilenetv2", "resnet",
                                        "cnn30"};
    const size_t n = sizeof names / sizeof names[0];
    (void)state;
    assert_string_equal(mop_nearest("mobileone", names, n), "mobileone");
    assert_string_equal(mop_nearest("moblieone", names, n), "mobileone");
    assert_string_equal(mop_nearest("mobilonee", names, n), "mobileone");
    assert_string_equal(mop_nearest("mobilenet2", names, n), "mobilenetv2");
    assert_string_equal(mop_nearest("resent", names, n), "resnet");
    assert_string_equal(mop_nearest("cnn", names, n), "cnn30");
    assert_null(mop_nearest("transformer", names, n));
    assert_null(mop_nearest("mobileone", names, 0));
}

/* Two edits at most for short words, a third of the length for long ones; 64 characters at most. */
static void distance_has_its_limits(void **state)
{
    static const char *const one[] = {"abcdef"}, *const nine[] = {"abcdefghi"};
    char longer[66];
    const char *const same[] = {longer};
    (void)state;
    memset(longer, 'y', 65);
    longer[65] = '\0';
    assert_non_null(mop_nearest("abcd", one, 1));
    assert_null(mop_nearest("abc", one, 1));
    assert_non_null(mop_nearest("abcdefxyz", nine, 1));
    assert_null(mop_nearest("abcdewxyz", nine, 1));
    assert_null(mop_nearest(longer, same, 1));
    longer[64] = '\0';
    assert_ptr_equal(mop_nearest(longer, same, 1), longer);
}

static void a_thing_is_selected_by_index_name_or_uuid(void **state)
{
    (void)state;
    assert_true(mop_selects("1", 1, 3, "RTX 4090", "ab01"));
    assert_false(mop_selects("1", 0, 3, "RTX 4190", "ab01")); /* an index, not part of the name */
    assert_true(mop_selects("4090", 1, 3, "RTX 4090", "ab01"));
    assert_true(mop_selects("rtx", 1, 3, "RTX 4090", "ab01"));
    assert_true(mop_selects("ab01", 1, 3, "RTX 4090", "ab01"));
    assert_false(mop_selects("ab0", 1, 3, "RTX 4090", "ab01"));
    assert_false(mop_selects("", 0, 1, "RTX 4090", "ab01"));
    assert_false(mop_selects("-1", 0, 1, "RTX 4090", "ab01"));
    assert_false(mop_selects("3", 0, 3, "RTX 4090", "ab01"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(braces_and_commas_expand),
        cmocka_unit_test(bad_lists_are_refused_and_add_nothing),
        cmocka_unit_test(an_explosive_list_stops_early),
        cmocka_unit_test(lists_grow_and_know_their_items),
        cmocka_unit_test(the_nearest_spelling_is_found),
        cmocka_unit_test(distance_has_its_limits),
        cmocka_unit_test(a_thing_is_selected_by_index_name_or_uuid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
