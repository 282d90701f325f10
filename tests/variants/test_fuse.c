/* The spelling of the union mop_fuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "variants/passes.h"

static const char *const bits[] = {"bn", "act", "add", "se", "dwpw"}; /* in the order of the enum */

enum { BITS = sizeof bits / sizeof bits[0] };

static unsigned parse(const char *text)
{
    mop_err err = {0};
    unsigned flags = 99;
    if (mop_fuse_parse(text, &flags, &err) != MOP_OK)
        fail_msg("%s: %s", text, err.msg);
    return flags;
}

static void every_union_is_read_as_it_is_written(void **state)
{
    char seen[MOP_FUSE_ALL + 1][MOP_FUSE_TEXT];
    (void)state;
    assert_int_equal(MOP_FUSE_ALL + 1, 1 << BITS);
    for (unsigned flags = 0; flags <= MOP_FUSE_ALL; flags++) {
        char name[MOP_FUSE_TEXT], wanted[64] = "";
        for (int i = 0; i < BITS; i++) {
            if ((flags & 1u << i) == 0)
                continue;
            strcat(wanted, *wanted != '\0' ? "+" : "");
            strcat(wanted, bits[i]);
        }
        (void)strcpy(seen[flags], mop_fuse_name(flags, name));
        assert_int_equal(parse(seen[flags]), flags);
        if (flags != MOP_FUSE_NONE && flags != MOP_FUSE_ALL)
            assert_string_equal(seen[flags], wanted);
        if (flags != MOP_FUSE_NONE)
            assert_int_equal(parse(wanted), flags); /* "bn+act+add+se+dwpw" is all */
        for (unsigned other = 0; other < flags; other++)
            assert_string_not_equal(seen[other], seen[flags]);
    }
    assert_string_equal(seen[MOP_FUSE_NONE], "none");
    assert_string_equal(seen[MOP_FUSE_ALL], "all");
}

static void parts_come_in_any_order_and_twice(void **state)
{
    (void)state;
    assert_int_equal(parse("add+act"), MOP_FUSE_ACT | MOP_FUSE_ADD);
    assert_int_equal(parse("dwpw+bn+dwpw"), MOP_FUSE_BN | MOP_FUSE_DWPW);
}

static void what_is_no_fusion_is_refused_with_the_nearest(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"actt", "there is no fusion 'actt'; the nearest is 'act':"},
        {"bn+dwpv", "there is no fusion 'dwpv'; the nearest is 'dwpw':"},
        {"non", "the nearest is 'none'"},
        {"", "there is no fusion '':"},
        {"act+", "there is no fusion '':"},
        {"+act", "there is no fusion '':"},
        {"act+all", "there is no fusion 'all':"},
        {"none+bn", "there is no fusion 'none':"},
        {"ACT", "there is no fusion 'ACT'"},
        {"a fusion whose name is longer than any that there is", "there is no fusion 'a fusion"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mop_err err = {0};
        unsigned flags = 99;
        assert_int_equal(mop_fuse_parse(cases[i].text, &flags, &err), MOP_EINVAL);
        assert_int_equal(flags, 99);
        if (strstr(err.msg, cases[i].says) == NULL)
            fail_msg("'%s': %s", cases[i].text, err.msg);
        assert_non_null(strstr(err.msg, "joined by +"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_union_is_read_as_it_is_written),
        cmocka_unit_test(parts_come_in_any_order_and_twice),
        cmocka_unit_test(what_is_no_fusion_is_refused_with_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
