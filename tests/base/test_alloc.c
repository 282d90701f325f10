/* Checked sizes, alignment, sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"

static void a_product_that_overflows_is_refused_and_writes_nothing(void **state)
{
    size_t size = 5;
    int64_t value = 6;
    (void)state;
    assert_false(mop_mul_size(SIZE_MAX / 2 + 1, 2, &size));
    assert_int_equal(size, 5);
    assert_true(mop_mul_size(SIZE_MAX, 1, &size));
    assert_true(size == SIZE_MAX);
    assert_false(mop_mul_i64(INT64_MAX, 2, &value));
    assert_int_equal(value, 6);
    assert_true(mop_mul_i64(INT64_C(1) << 31, INT64_C(1) << 31, &value));
    assert_true(value == INT64_C(1) << 62);
}

static void calloc_zeroes_and_accepts_nothing(void **state)
{
    mop_err err = {0};
    unsigned char *p = mop_calloc(100, 3, &err);
    void *none = mop_calloc(0, 8, &err);
    (void)state;
    assert_non_null(p);
    assert_non_null(none);
    for (int i = 0; i < 300; i++)
        assert_int_equal(p[i], 0);
    assert_int_equal(err.code, MOP_OK);
    free(p);
    free(none);
}

static void an_impossible_size_gives_a_sentence(void **state)
{
    mop_err zeroed = {0}, grown = {0}, aligned = {0};
    volatile size_t huge = SIZE_MAX / 2; /* hidden from the compiler, which would warn */
    (void)state;
    assert_null(mop_calloc(huge, 4, &zeroed));
    assert_int_equal(zeroed.code, MOP_ENOMEM);
    assert_string_equal(zeroed.msg, "out of memory: 9223372036854775807 elements of 4 bytes");
    assert_null(mop_realloc(NULL, huge, 4, &grown));
    assert_int_equal(grown.code, MOP_ENOMEM);
    assert_null(mop_alloc_aligned(SIZE_MAX - 10, &aligned));
    assert_int_equal(aligned.code, MOP_ENOMEM);
    assert_null(mop_calloc(huge, 4, NULL));
}

static void a_failed_realloc_leaves_the_block(void **state)
{
    mop_err err = {0};
    char *p = mop_realloc(NULL, 4, 1, &err);
    volatile size_t huge = SIZE_MAX / 2;
    char *q;
    (void)state;
    assert_non_null(p);
    memcpy(p, "abc", 4);
    assert_null(mop_realloc(p, huge, 4, &err));
    assert_string_equal(p, "abc");
    q = mop_realloc(p, 1000, 1, NULL);
    assert_non_null(q);
    assert_string_equal(q, "abc");
    free(q);
}

static void aligned_blocks_are_aligned_and_whole(void **state)
{
    static const size_t sizes[] = {0, 1, 63, 64, 65, 1000, 4097};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        mop_err err = {0};
        char *p = mop_alloc_aligned(sizes[i], &err);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % MOP_ALIGN, 0);
        memset(p, 1, sizes[i]);
        free(p);
    }
}

static void strdup_copies(void **state)
{
    mop_err err = {0};
    const char *text = "mobileone-s0";
    char *copy = mop_strdup(text, &err), *empty = mop_strdup("", &err);
    (void)state;
    assert_non_null(copy);
    assert_ptr_not_equal(copy, text);
    assert_string_equal(copy, text);
    assert_string_equal(empty, "");
    free(copy);
    free(empty);
}

static void pages_that_are_freed_leave_their_neighbours(void **state)
{
    enum { BLOCKS = 9 };
    unsigned char *block[BLOCKS];
    size_t size = 3;
    (void)state;
    for (int i = 0; i < BLOCKS; i++, size = 7 * size + 1) { /* from within a page to many */
        block[i] = mop_alloc_aligned(size, NULL);
        assert_non_null(block[i]);
        memset(block[i], i + 1, size);
    }
    for (int i = 0; i < BLOCKS; i += 2) {
        size = 3;
        for (int k = 0; k < i; k++)
            size = 7 * size + 1;
        mop_free_pages(block[i], size);
    }
    size = 3;
    for (int i = 0; i < BLOCKS; i++, size = 7 * size + 1)
        for (size_t k = 0; i % 2 == 1 && k < size; k += 101)
            assert_int_equal(block[i][k], i + 1);
    for (int i = 1; i < BLOCKS; i += 2)
        free(block[i]);
    mop_free_pages(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_product_that_overflows_is_refused_and_writes_nothing),
        cmocka_unit_test(calloc_zeroes_and_accepts_nothing),
        cmocka_unit_test(an_impossible_size_gives_a_sentence),
        cmocka_unit_test(a_failed_realloc_leaves_the_block),
        cmocka_unit_test(aligned_blocks_are_aligned_and_whole),
        cmocka_unit_test(strdup_copies),
        cmocka_unit_test(pages_that_are_freed_leave_their_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
