/* Files built into the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "profiler/base/embed.h"

static void every_name_gives_terminated_bytes(void **state)
{
    size_t n = 0;
    (void)state;
    for (const char *name; (name = mop_embed_name(n)) != NULL; n++) {
        size_t size = SIZE_MAX;
        const char *data = mop_embed_get(name, &size);
        assert_non_null(data);
        assert_true(size < SIZE_MAX);
        assert_int_equal(data[size], '\0');
    }
    assert_null(mop_embed_name(n + 1));
}

static void an_unknown_name_gives_null_and_no_size(void **state)
{
    size_t size = 5;
    (void)state;
    assert_null(mop_embed_get("no/such/file", &size));
    assert_int_equal(size, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_gives_terminated_bytes),
        cmocka_unit_test(an_unknown_name_gives_null_and_no_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
