/* The words of --vulkan: every one is understood, spelled in one way, and what is none gets the
 * nearest that there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "kernels/vk/switches.h"

static void expect_name(const char *text, const char *name)
{
    mop_vk_switches s;
    mop_err err = {0};
    char out[MOP_VK_SWITCHES_TEXT];
    if (mop_vk_switches_parse(text, &s, &err) != MOP_OK)
        fail_msg("%s: %s", text, err.msg);
    assert_string_equal(mop_vk_switches_name(&s, ",", out), name);
}

static void expect_refused(const char *text, const char *says)
{
    mop_vk_switches s = {.killed = 7, .lanes = 99};
    mop_err err = {0};
    assert_int_equal(mop_vk_switches_parse(text, &s, &err), MOP_EINVAL);
    if (strstr(err.msg, says) == NULL)
        fail_msg("%s: '%s' lacks '%s'", text, err.msg, says);
    assert_int_equal(s.killed, 7); /* untouched */
    assert_int_equal(s.lanes, 99);
}

static void every_feature_can_be_switched_off_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < MOP_VK_N_FEATURES; i++) {
        mop_vk_switches s;
        char word[64];
        (void)snprintf(word, sizeof word, "no-%s", mop_vk_feature_word(i));
        expect_name(word, word);
        assert_int_equal(mop_vk_switches_parse(word, &s, NULL), MOP_OK);
        assert_int_equal(s.killed, 1u << i);
        assert_false(s.staging || s.flush || s.lanes != 0);
        assert_true(strlen(mop_vk_feature_what(i)) > 10);
    }
}

static void any_order_has_one_spelling(void **state)
{
    (void)state;
    expect_name(NULL, "");
    expect_name("", "");
    expect_name("flush,subgroup=16,staging,no-shuffle,no-fp16,no-shuffle",
                "no-fp16,no-shuffle,staging,flush,subgroup=16");
    expect_name("no-{dot,texel}", "no-dot,no-texel");
}

static void all_switches_together_have_room(void **state)
{
    (void)state;
    const mop_vk_switches all = {
        .killed = MOP_VK_CAN_ALL, .staging = true, .flush = true, .lanes = 64};
    mop_vk_switches back;
    char out[MOP_VK_SWITCHES_TEXT];
    mop_vk_switches_name(&all, ", ", out);
    assert_true(strlen(out) + 1 < sizeof out);
    assert_non_null(strstr(out, ", subgroup=64"));
    assert_int_equal(mop_vk_switches_parse(mop_vk_switches_name(&all, ",", out), &back, NULL),
                     MOP_OK);
    assert_int_equal(back.killed, all.killed);
    assert_true(back.staging && back.flush && back.lanes == 64);
}

static void what_is_no_switch_gets_the_nearest(void **state)
{
    (void)state;
    expect_refused("no-texl", "did you mean 'no-texel'?");
    expect_refused("stagin", "did you mean 'staging'?");
    expect_refused("no-subgroup-sice", "did you mean 'no-subgroup-size'?");
    expect_refused("fp16", "did you mean 'no-fp16'?");
    expect_refused("staging,quite another thing", "'no-FEATURE', 'staging', 'flush'");
    expect_refused("subgroup=12", "4, 8, 16, 32 or 64 lanes, not '12'");
    expect_refused("subgroup=", "not ''");
    expect_refused("subgroup=8x", "not '8x'");
    expect_refused("subgroup=128", "not '128'");
    expect_refused("staging,,flush", "empty");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_feature_can_be_switched_off_alone),
        cmocka_unit_test(any_order_has_one_spelling),
        cmocka_unit_test(all_switches_together_have_room),
        cmocka_unit_test(what_is_no_switch_gets_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
