/* Which bytes are handed to a driver as its pipeline cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "kernels/vk/cache.h"

enum { PAYLOAD = 100, WHOLE = MOP_VK_CACHE_HEAD + PAYLOAD };

static const mop_vk_cache_key key = {
    .made_by = 0x0123456789abcdef, .vendor = 0x10005, .device = 7, .uuid = "a driver's uuid"};

/* A good file; the driver's header is followed by bytes of its own. */
static void make(unsigned char file[WHOLE])
{
    unsigned char *d = file + MOP_VK_CACHE_HEAD;
    const uint32_t head[4] = {MOP_VK_CACHE_DRIVER_HEAD, 1, key.vendor, key.device};
    for (size_t i = 0; i < PAYLOAD; i++)
        d[i] = (unsigned char)(3 * i);
    for (size_t i = 0; i < 16; i++)
        d[i] = (unsigned char)(head[i / 4] >> (8 * (i % 4)));
    memcpy(d + 16, key.uuid, sizeof key.uuid);
    mop_vk_cache_head(&key, d, PAYLOAD, file);
}

/* As the last size bytes of an allocation, so that a sanitizer sees what is read beyond them. */
static mop_status check(const unsigned char *file, size_t size, const mop_vk_cache_key *k,
                        mop_err *err)
{
    unsigned char *copy = malloc(size > 0 ? size : 1);
    const void *data = NULL;
    size_t n = 77;
    assert_non_null(copy);
    memcpy(copy, file, size);
    *err = (mop_err){0};
    mop_status s = mop_vk_cache_check(copy, size, k, &data, &n, err);
    if (s == MOP_OK) {
        assert_ptr_equal(data, copy + MOP_VK_CACHE_HEAD);
        assert_int_equal(n, size - MOP_VK_CACHE_HEAD);
    } else {
        assert_null(data);
        assert_int_equal(n, 77);
        assert_true(strlen(err->msg) > 0);
    }
    free(copy);
    return s;
}

static void a_whole_file_is_handed_on(void **state)
{
    unsigned char file[WHOLE];
    mop_err err;
    (void)state;
    make(file);
    assert_int_equal(check(file, WHOLE, &key, &err), MOP_OK);
}

static void every_changed_bit_is_seen(void **state)
{
    unsigned char file[WHOLE];
    mop_err err;
    (void)state;
    make(file);
    for (size_t bit = 0; bit < (size_t)8 * WHOLE; bit++) {
        file[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_int_equal(check(file, WHOLE, &key, &err), MOP_EINVAL);
        file[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}

static void every_other_length_is_seen(void **state)
{
    unsigned char file[WHOLE + 1] = {0};
    mop_err err;
    (void)state;
    make(file);
    for (size_t size = 0; size <= WHOLE + 1; size++)
        if (size != WHOLE)
            assert_int_equal(check(file, size, &key, &err), MOP_EINVAL);
    assert_int_equal(check(file, 0, &key, &err), MOP_EINVAL);
    assert_string_equal(err.msg, "it is empty");
}

/* The key of another device, driver or set of shaders, the file being whole. */
static void a_foreign_file_is_refused(void **state)
{
    unsigned char file[WHOLE];
    mop_err err;
    (void)state;
    make(file);
    for (int i = 0; i < 4; i++) {
        mop_vk_cache_key other = key;
        other.made_by += i == 0;
        other.vendor += i == 1;
        other.device += i == 2;
        other.uuid[15] ^= i == 3;
        assert_int_equal(check(file, WHOLE, &other, &err), MOP_EINVAL);
        assert_non_null(strstr(err.msg, "of another device"));
    }
}

/* The driver's header wrong in a file whose own head is right. */
static void a_wrong_header_of_the_driver_is_refused(void **state)
{
    static const struct {
        size_t at;
        unsigned char to;
    } wrong[] = {{0, 31}, {0, PAYLOAD + 1}, {3, 1}, {4, 0}, {4, 2}, {8, 0}, {12, 0}, {31, 1}};
    unsigned char file[WHOLE];
    mop_err err;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        make(file);
        file[MOP_VK_CACHE_HEAD + wrong[i].at] = wrong[i].to;
        mop_vk_cache_head(&key, file + MOP_VK_CACHE_HEAD, PAYLOAD, file);
        assert_int_equal(check(file, WHOLE, &key, &err), MOP_EINVAL);
    }
    for (size_t n = 0; n < MOP_VK_CACHE_DRIVER_HEAD; n++) { /* less than a header */
        make(file);
        mop_vk_cache_head(&key, file + MOP_VK_CACHE_HEAD, n, file);
        assert_int_equal(check(file, MOP_VK_CACHE_HEAD + n, &key, &err), MOP_EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_is_handed_on),
        cmocka_unit_test(every_changed_bit_is_seen),
        cmocka_unit_test(every_other_length_is_seen),
        cmocka_unit_test(a_foreign_file_is_refused),
        cmocka_unit_test(a_wrong_header_of_the_driver_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
