#include <stdlib.h>
#include <string.h>

#include "kernels/vk/cache.h"
#include "tests/fuzz/fuzz.h"

static const mop_vk_cache_key key = {
    .made_by = 0x0123456789abcdef, .vendor = 0x10005, .uuid = "a driver's uuid"};

static void check(const unsigned char *file, size_t size)
{
    const void *data = NULL;
    size_t n = 0;
    mop_err err = {0};
    mop_status s = mop_vk_cache_check(file, size, &key, &data, &n, &err);
    const unsigned char *d = data;
    mop_fuzz_demand_sentence(s != MOP_OK, err.msg);
    mop_fuzz_demand(s != MOP_OK || (d == file + MOP_VK_CACHE_HEAD && d + n == file + size &&
                                    memcmp(d + 16, key.uuid, sizeof key.uuid) == 0),
                    "a driver is given what is not its own");
}

/* Any other letter: the bytes are the file; 'd': they are the driver's, in a file that is whole. */
void mop_fuzz_pipelines(const uint8_t *data, size_t size)
{
    if (size == 0)
        return;
    const bool is_framed = data[0] == 'd';
    const size_t head = is_framed ? MOP_VK_CACHE_HEAD : 0, n = size - 1;
    unsigned char *file = malloc(head + n > 0 ? head + n : 1);
    mop_fuzz_demand(file != NULL, "out of memory");
    memcpy(file + head, data + 1, n);
    if (is_framed)
        mop_vk_cache_head(&key, file + head, n, file);
    check(file, head + n);
    free(file);
}
