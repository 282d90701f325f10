/* The pipeline cache on disk: written by one process, taken by the next, and never trusted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/vk/cache.h"
#include "tests/support/folder.h"
#include "tests/support/vulkan.h"

enum { SEED = 20261122, EXTRA = 100, PROCESSES = 4 };

static const mop_backend *const vulkan = &mop_backend_vulkan;

/* Calls of the driver, watched, and its data made longer than a header. */
static struct {
    mop_vk_fn real;
    size_t given; /* bytes of the latest vkCreatePipelineCache */
    bool refuses; /* whatever it is given */
} watch;

static VkResult VKAPI_PTR longer_data(VkDevice d, VkPipelineCache c, size_t *n, void *data)
{
    size_t room = *n - EXTRA;
    if (data == NULL) {
        VkResult r = watch.real.GetPipelineCacheData(d, c, n, NULL);
        *n += EXTRA;
        return r;
    }
    VkResult r = watch.real.GetPipelineCacheData(d, c, &room, data);
    memset((char *)data + room, 0x5a, EXTRA);
    *n = room + EXTRA;
    return r;
}

static VkResult VKAPI_PTR seen_cache(VkDevice d, const VkPipelineCacheCreateInfo *info,
                                     const VkAllocationCallbacks *a, VkPipelineCache *c)
{
    const VkPipelineCacheCreateInfo none = {.sType = info->sType};
    watch.given = info->initialDataSize;
    if (watch.refuses && info->initialDataSize > 0)
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    return watch.real.CreatePipelineCache(d, &none, a, c); /* not with bytes that are not its own */
}

static PFN_vkVoidFunction VKAPI_PTR lookup_device(VkDevice d, const char *name)
{
    PFN_vkVoidFunction f = watch.real.GetDeviceProcAddr(d, name);
    if (strcmp(name, "vkGetPipelineCacheData") == 0) {
        watch.real.GetPipelineCacheData = (PFN_vkGetPipelineCacheData)f;
        return (PFN_vkVoidFunction)longer_data;
    }
    if (strcmp(name, "vkCreatePipelineCache") == 0) {
        watch.real.CreatePipelineCache = (PFN_vkCreatePipelineCache)f;
        return (PFN_vkVoidFunction)seen_cache;
    }
    return f;
}

static PFN_vkVoidFunction VKAPI_PTR lookup(VkInstance instance, const char *name)
{
    PFN_vkVoidFunction f = vulkan_lookup(instance, name);
    if (strcmp(name, "vkGetDeviceProcAddr") != 0)
        return f;
    watch.real.GetDeviceProcAddr = (PFN_vkGetDeviceProcAddr)f;
    return (PFN_vkVoidFunction)lookup_device;
}

/* Opens a device on `folder`, plans and runs a small network, and closes. What the cache was is
 * returned, remarks go to text[512]; false if there is no device. */
static bool use(const char *folder, PFN_vkGetInstanceProcAddr entry, mop_vk_cache_state *was,
                char text[512])
{
    const mop_vk_options options = {.threads = 1, .pipeline_cache = folder, .entry = entry};
    mop_device *device = NULL;
    mop_err err = {0};
    obo_net net;
    char more[512];
    text[0] = '\0';
    if (mop_vulkan_open(&options, &device, &err) != MOP_OK) {
        printf("skip: %s\n", err.msg);
        return false;
    }
    *was = device->vk->cache_state;
    (void)vulkan->remark(device, text, 512);
    vulkan_small_net(&net, SEED);
    float *x = obo_input(&net);
    assert_true(obo_worst(vulkan, device, &net.model, x) <= 1);
    assert_int_equal(device->vk->pipelines_made, 2);
    assert_true(device->vk->pipelines_ns > 0);
    if (vulkan->remark(device, more, sizeof more))
        (void)snprintf(text + strlen(text), 512 - strlen(text), "%s", more); /* may be cut */
    assert_false(vulkan->remark(device, more, sizeof more));
    vulkan->close(device);
    free(x);
    obo_free(&net);
    return true;
}

/* The one file of the folder, "" if there is none; fails if there are more. */
static void only_file(const char *folder, char path[512])
{
    DIR *d = opendir(folder);
    struct dirent *e;
    path[0] = '\0';
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        assert_string_equal(path, "");
        (void)snprintf(path, 512, "%s/%.200s", folder, e->d_name); /* fits */
    }
    if (d != NULL)
        (void)closedir(d);
}

static void rewrite(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static size_t file_bytes(const char *path, unsigned char data[1024])
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(data, 1, 1024, f);
    assert_int_equal(fclose(f), 0);
    return n;
}

/* First of all, while this process has no driver yet. */
static void processes_at_once_leave_one_whole_file(void **state)
{
    char folder[MOP_FOLDER_MAX], inner[128], path[512], text[512];
    mop_vk_cache_state was;
    pid_t pid[PROCESSES];
    (void)state;
    assert_true(mop_folder_make(folder));
    (void)snprintf(inner, sizeof inner, "%.60s/not/there/yet", folder); /* fits */
    for (int i = 0; i < PROCESSES; i++) {
        pid[i] = fork();
        if (pid[i] == 0)
            _exit(use(inner, NULL, &was, text) ? text[0] != '\0' : 77);
        assert_true(pid[i] > 0);
    }
    int absent = 0;
    for (int i = 0; i < PROCESSES; i++) {
        int end = 0;
        assert_int_equal(waitpid(pid[i], &end, 0), pid[i]);
        assert_true(WIFEXITED(end) && (WEXITSTATUS(end) == 0 || WEXITSTATUS(end) == 77));
        absent += WEXITSTATUS(end) == 77;
    }
    if (absent == 0) {
        only_file(inner, path);
        assert_string_not_equal(path, "");
        assert_true(use(inner, NULL, &was, text));
        assert_string_equal(text, "");
        assert_true(was == MOP_VK_CACHE_BARE || was == MOP_VK_CACHE_WARM);
    }
    mop_folder_remove(folder);
    if (absent > 0)
        skip();
}

static void the_next_process_is_given_what_this_one_made(void **state)
{
    char folder[MOP_FOLDER_MAX], path[512], text[512];
    unsigned char first[1024], second[1024];
    mop_vk_cache_state was = MOP_VK_CACHE_NONE;
    struct stat before, after;
    (void)state;
    assert_true(mop_folder_make(folder));
    bool is_there = use(folder, lookup, &was, text);
    if (is_there) {
        assert_int_equal(was, MOP_VK_CACHE_COLD);
        assert_string_equal(text, "");
        assert_int_equal(watch.given, 0);
        only_file(folder, path);
        const size_t n = file_bytes(path, first);
        assert_int_equal(stat(path, &before), 0);
        assert_true(use(folder, lookup, &was, text));
        assert_int_equal(was, MOP_VK_CACHE_WARM);
        assert_string_equal(text, "");
        assert_int_equal(watch.given, n - MOP_VK_CACHE_HEAD);
        only_file(folder, path);
        assert_int_equal(file_bytes(path, second), n);
        assert_memory_equal(first, second, n);
        assert_int_equal(stat(path, &after), 0);
        assert_int_equal(before.st_ino, after.st_ino); /* nothing new was not written again */
        assert_true(use(NULL, lookup, &was, text));
        assert_int_equal(was, MOP_VK_CACHE_NONE);
        assert_int_equal(watch.given, 0);
    }
    mop_folder_remove(folder);
    if (!is_there)
        skip();
}

/* Each is ignored with one remark that names the file, never given to the driver, and replaced. */
static void a_damaged_file_is_ignored_and_replaced(void **state)
{
    char folder[MOP_FOLDER_MAX], path[512], text[512];
    unsigned char good[1024], bad[1024];
    mop_vk_cache_state was = MOP_VK_CACHE_NONE;
    (void)state;
    assert_true(mop_folder_make(folder));
    bool is_there = use(folder, lookup, &was, text);
    only_file(folder, path);
    const size_t n = is_there ? file_bytes(path, good) : 0;
    for (int kind = 0; is_there && kind < 7; kind++) {
        static const size_t at[] = {0, 0, 0, 0, 10, 40, 120};
        size_t size = n;
        memcpy(bad, good, n);
        memset(bad + n, 0, sizeof bad - n);
        if (kind == 0)
            size = 0;
        else if (kind == 1)
            size = n / 2;
        else if (kind == 2)
            size = n + 1;
        else
            bad[at[kind]] ^= 1; /* magic, whose it is, the driver's header, its data */
        rewrite(path, bad, size);
        assert_true(use(folder, lookup, &was, text));
        assert_int_equal(was, MOP_VK_CACHE_REJECTED);
        assert_int_equal(watch.given, 0);
        assert_non_null(strstr(text, path));
        assert_non_null(strstr(text, "is ignored and will be replaced"));
        assert_int_equal(file_bytes(path, bad), n);
        assert_memory_equal(good, bad, n);
    }
    mop_folder_remove(folder);
    if (!is_there)
        skip();
}

static void what_the_driver_refuses_is_replaced_too(void **state)
{
    char folder[MOP_FOLDER_MAX], text[512];
    mop_vk_cache_state was = MOP_VK_CACHE_NONE;
    (void)state;
    assert_true(mop_folder_make(folder));
    bool is_there = use(folder, lookup, &was, text);
    watch.refuses = true;
    if (is_there) {
        assert_true(use(folder, lookup, &was, text));
        assert_int_equal(was, MOP_VK_CACHE_REJECTED);
        assert_non_null(strstr(text, "VK_ERROR_OUT_OF_HOST_MEMORY"));
    }
    watch.refuses = false;
    mop_folder_remove(folder);
    if (!is_there)
        skip();
}

static void a_place_that_cannot_be_written_is_only_a_remark(void **state)
{
    char folder[MOP_FOLDER_MAX], file[128], text[512];
    mop_vk_cache_state was = MOP_VK_CACHE_NONE;
    (void)state;
    assert_true(mop_folder_make(folder));
    (void)snprintf(file, sizeof file, "%.60s/file", folder); /* fits */
    rewrite(file, "", 0);
    bool is_there = use(file, NULL, &was, text);
    if (is_there) {
        assert_int_equal(was, MOP_VK_CACHE_COLD);
        assert_non_null(strstr(text, "compiled pipelines are not kept: cannot write"));
        assert_null(strstr(text + 1, "compiled pipelines")); /* once */
    }
    mop_folder_remove(folder);
    if (!is_there)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_at_once_leave_one_whole_file),
        cmocka_unit_test(the_next_process_is_given_what_this_one_made),
        cmocka_unit_test(a_damaged_file_is_ignored_and_replaced),
        cmocka_unit_test(what_the_driver_refuses_is_replaced_too),
        cmocka_unit_test(a_place_that_cannot_be_written_is_only_a_remark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
