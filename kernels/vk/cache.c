#include "kernels/vk/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/alloc.h"
#include "profiler/base/embed.h"
#include "profiler/base/hash.h"
#include "profiler/base/outfile.h"

/* No driver's cache of these shaders is near it; a larger file is not read. */
#define MOST_BYTES ((size_t)256 << 20)

static const char magic[8] = {'m', 'o', 'p', 'V', 'K', 'P', 'C', '1'};
static const char shaders[] = "kernels/vk/shaders/";

static void put_u64(unsigned char *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

static uint64_t get_u64(const unsigned char *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static uint32_t get_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

void mop_vk_cache_head(const mop_vk_cache_key *key, const void *data, size_t n,
                       unsigned char head[MOP_VK_CACHE_HEAD])
{
    memcpy(head, magic, sizeof magic);
    put_u64(head + 8, key->made_by);
    put_u64(head + 16, n);
    put_u64(head + 24, mop_hash(MOP_HASH_INIT, data, n));
}

/* The header that the driver wrote, least significant byte first (Vulkan 1.0, 10.6). */
static mop_status check_driver_head(const unsigned char *data, size_t n,
                                    const mop_vk_cache_key *key, mop_err *err)
{
    if (n < MOP_VK_CACHE_DRIVER_HEAD || get_u32(data) < MOP_VK_CACHE_DRIVER_HEAD ||
        get_u32(data) > n)
        return mop_fail(err, MOP_EINVAL, "its driver's header has a wrong length");
    if (get_u32(data + 4) != VK_PIPELINE_CACHE_HEADER_VERSION_ONE)
        return mop_fail(err, MOP_EINVAL, "its driver's header has version %u, 1 is known",
                        get_u32(data + 4));
    if (get_u32(data + 8) != key->vendor || get_u32(data + 12) != key->device ||
        memcmp(data + 16, key->uuid, VK_UUID_SIZE) != 0)
        return mop_fail(err, MOP_EINVAL, "it is of another device or driver");
    return MOP_OK;
}

mop_status mop_vk_cache_check(const void *file, size_t bytes, const mop_vk_cache_key *key,
                              const void **data, size_t *n, mop_err *err)
{
    const unsigned char *head = file;
    if (bytes == 0)
        return mop_fail(err, MOP_EINVAL, "it is empty");
    if (bytes < MOP_VK_CACHE_HEAD || memcmp(head, magic, sizeof magic) != 0)
        return mop_fail(err, MOP_EINVAL, "it is no pipeline cache of this moprof");
    const size_t held = bytes - MOP_VK_CACHE_HEAD;
    const uint64_t said = get_u64(head + 16);
    if (get_u64(head + 8) != key->made_by)
        return mop_fail(err, MOP_EINVAL, "it is of another device, driver or set of shaders");
    if (said != held)
        return mop_fail(err, MOP_EINVAL, "it holds %zu bytes and says %llu", held,
                        (unsigned long long)said);
    if (mop_hash(MOP_HASH_INIT, head + MOP_VK_CACHE_HEAD, held) != get_u64(head + 24))
        return mop_fail(err, MOP_EINVAL, "its bytes were changed");
    mop_status s = check_driver_head(head + MOP_VK_CACHE_HEAD, held, key, err);
    if (s != MOP_OK)
        return s;
    *data = head + MOP_VK_CACHE_HEAD;
    *n = held;
    return MOP_OK;
}

static uint64_t shaders_hash(void)
{
    uint64_t h = MOP_HASH_INIT;
    const char *name;
    for (size_t i = 0; (name = mop_embed_name(i)) != NULL; i++) {
        size_t size = 0;
        const void *code = mop_embed_get(name, &size);
        if (strncmp(name, shaders, sizeof shaders - 1) == 0 && code != NULL)
            h = mop_hash(mop_hash(h, name, strlen(name)), code, size);
    }
    return h;
}

/* The key of this device, and the file's path if there is to be one. */
static mop_status describe(mop_vk *vk, const char *folder, mop_err *err)
{
    VkPhysicalDeviceProperties p;
    mop_vk_cache_key *key = &vk->cache_key;
    const uint64_t code = shaders_hash();
    vk->fn.GetPhysicalDeviceProperties(vk->physical, &p);
    *key = (mop_vk_cache_key){.vendor = p.vendorID, .device = p.deviceID};
    memcpy(key->uuid, p.pipelineCacheUUID, sizeof key->uuid);
    key->made_by = mop_hash(MOP_HASH_INIT, vk->info.uuid, strlen(vk->info.uuid));
    key->made_by = mop_hash_u64(mop_hash_u64(key->made_by, p.driverVersion), code);
    if (folder == NULL)
        return MOP_OK;
    const size_t room = strlen(folder) + sizeof vk->info.uuid + 64;
    vk->cache_path = mop_calloc(room, 1, err);
    if (vk->cache_path == NULL)
        return MOP_ENOMEM;
    (void)snprintf(vk->cache_path, room, "%s/vulkan-%s-%08x-%016llx.pipelines", folder,
                   vk->info.uuid, p.driverVersion, (unsigned long long)code); /* fits */
    return MOP_OK;
}

static void note_rejected(mop_vk *vk, const char *why)
{
    vk->cache_state = MOP_VK_CACHE_REJECTED;
    (void)snprintf(vk->note, sizeof vk->note,
                   "the pipeline cache '%.300s' is ignored and will be replaced: %.100s",
                   vk->cache_path, why); /* a remark may be cut */
}

/* All bytes of the file, *bytes of them, or NULL with why, which stays as it was if there is no
 * file. */
static unsigned char *read_file(const char *path, size_t *bytes, mop_err *why)
{
    struct stat st;
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe must not hold us up */
    unsigned char *p = NULL;
    if (fd < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            (void)mop_fail(why, MOP_EIO, "%s", strerror(errno));
        return NULL;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void)mop_fail(why, MOP_EIO, "it is no file");
    } else if ((uint64_t)st.st_size > MOST_BYTES) {
        (void)mop_fail(why, MOP_EINVAL, "it is larger than any cache: %lld bytes",
                       (long long)st.st_size);
    } else if ((p = mop_calloc((size_t)st.st_size, 1, why)) != NULL &&
               read(fd, p, (size_t)st.st_size) != st.st_size) {
        (void)mop_fail(why, MOP_EIO, "it cannot be read");
        free(p);
        p = NULL;
    }
    (void)close(fd); /* only read */
    *bytes = p != NULL ? (size_t)st.st_size : 0;
    return p;
}

/* Sets the state and returns the file's bytes, with *data and *n the driver's part of them; NULL if
 * nothing can be handed on. */
static unsigned char *load(mop_vk *vk, const void **data, size_t *n)
{
    size_t bytes = 0;
    mop_err why = {0};
    vk->cache_state = MOP_VK_CACHE_COLD;
    unsigned char *file = read_file(vk->cache_path, &bytes, &why);
    if (file != NULL && mop_vk_cache_check(file, bytes, &vk->cache_key, data, n, &why) == MOP_OK) {
        vk->cache_state = *n > MOP_VK_CACHE_DRIVER_HEAD ? MOP_VK_CACHE_WARM : MOP_VK_CACHE_BARE;
        vk->cache_hash = mop_hash(MOP_HASH_INIT, *data, *n);
        return file;
    }
    if (why.code != MOP_OK)
        note_rejected(vk, why.msg);
    free(file);
    return NULL;
}

mop_status mop_vk_cache_open(mop_vk *vk, const char *folder, mop_err *err)
{
    VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
    unsigned char *file = NULL;
    mop_status s = describe(vk, folder, err);
    if (s != MOP_OK)
        return s;
    if (folder != NULL)
        file = load(vk, &info.pInitialData, &info.initialDataSize);
    VkResult r = vk->fn.CreatePipelineCache(vk->device, &info, NULL, &vk->cache);
    if (r != VK_SUCCESS && r != VK_ERROR_DEVICE_LOST && file != NULL) {
        note_rejected(vk, mop_vk_result_name(r));
        vk->cache_hash = 0;
        info.pInitialData = NULL;
        info.initialDataSize = 0;
        r = vk->fn.CreatePipelineCache(vk->device, &info, NULL, &vk->cache);
    }
    free(file);
    if (r == VK_SUCCESS)
        return MOP_OK;
    vk->cache = VK_NULL_HANDLE;
    return mop_vk_fail(vk, r, "vkCreatePipelineCache", err);
}

/* The driver's data, free() it; NULL with why. */
static void *get_data(mop_vk *vk, size_t *n, mop_err *why)
{
    VkResult r = vk->fn.GetPipelineCacheData(vk->device, vk->cache, n, NULL);
    void *data = r == VK_SUCCESS ? mop_calloc(*n, 1, why) : NULL;
    if (data != NULL)
        r = vk->fn.GetPipelineCacheData(vk->device, vk->cache, n, data);
    if (r != VK_SUCCESS) {
        (void)mop_vk_fail(vk, r, "vkGetPipelineCacheData", why);
        free(data);
        return NULL;
    }
    return data;
}

static mop_status write_file(const mop_vk *vk, const void *data, size_t n, mop_err *err)
{
    unsigned char head[MOP_VK_CACHE_HEAD];
    mop_outfile out;
    mop_vk_cache_head(&vk->cache_key, data, n, head);
    mop_make_folders(vk->cache_path);
    mop_status s = mop_outfile_open(&out, vk->cache_path, err);
    if (s != MOP_OK)
        return s;
    (void)fwrite(head, 1, MOP_VK_CACHE_HEAD, out.f); /* the commit looks at ferror */
    (void)fwrite(data, 1, n, out.f);
    return mop_outfile_commit(&out, err);
}

void mop_vk_cache_save(mop_vk *vk)
{
    mop_err why = {0};
    size_t n = 0;
    if (vk->cache_path == NULL || vk->is_lost || vk->pipelines_made == vk->pipelines_saved)
        return;
    vk->pipelines_saved = vk->pipelines_made; /* one try, whatever comes of it */
    void *data = get_data(vk, &n, &why);
    const uint64_t hash = data != NULL ? mop_hash(MOP_HASH_INIT, data, n) : 0;
    if (data != NULL && hash != vk->cache_hash &&
        check_driver_head(data, n, &vk->cache_key, &why) == MOP_OK &&
        write_file(vk, data, n, &why) == MOP_OK)
        vk->cache_hash = hash;
    if (why.code != MOP_OK)
        (void)snprintf(vk->note, sizeof vk->note, "compiled pipelines are not kept: %.400s",
                       why.msg); /* fits */
    free(data);
}

void mop_vk_cache_close(mop_vk *vk)
{
    /* destroying a null handle is allowed and does nothing */
    vk->fn.DestroyPipelineCache(vk->device, vk->cache, NULL);
    free(vk->cache_path);
    vk->cache = VK_NULL_HANDLE;
    vk->cache_path = NULL;
}

const char *mop_vk_cache_state_name(mop_vk_cache_state state)
{
    static const char *const names[] = {
        [MOP_VK_CACHE_NONE] = "none",         [MOP_VK_CACHE_COLD] = "cold",
        [MOP_VK_CACHE_BARE] = "bare",         [MOP_VK_CACHE_WARM] = "warm",
        [MOP_VK_CACHE_REJECTED] = "rejected",
    };
    return names[state];
}
