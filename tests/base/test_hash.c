/* FNV-1a: published values, increments, byte order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "profiler/base/hash.h"

/* Values of the authors' test suite (Noll). */
static void known_texts_have_their_published_hash(void **state)
{
    (void)state;
    assert_true(mop_hash(MOP_HASH_INIT, "", 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(mop_hash(MOP_HASH_INIT, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(mop_hash(MOP_HASH_INIT, "foobar", 6) == UINT64_C(0x85944171f73967e8));
}

static void a_hash_continues_where_it_stopped(void **state)
{
    uint64_t h = mop_hash(MOP_HASH_INIT, "foo", 3);
    (void)state;
    assert_true(mop_hash(h, "bar", 3) == mop_hash(MOP_HASH_INIT, "foobar", 6));
}

static void an_integer_hashes_as_its_bytes_from_the_lowest(void **state)
{
    const unsigned char bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    (void)state;
    assert_true(mop_hash_u64(MOP_HASH_INIT, UINT64_C(0x0807060504030201)) ==
                mop_hash(MOP_HASH_INIT, bytes, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_have_their_published_hash),
        cmocka_unit_test(a_hash_continues_where_it_stopped),
        cmocka_unit_test(an_integer_hashes_as_its_bytes_from_the_lowest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
