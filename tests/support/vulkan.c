#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/vulkan.h"

void vulkan_fixture_open(vulkan_fixture *f, const mop_vk_options *options)
{
    mop_vk_options o = options != NULL ? *options : (mop_vk_options){.threads = 1};
    mop_err err = {0};
    memset(f, 0, sizeof *f);
    o.validate = true;
    if (mop_vulkan_open(&o, &f->device, &err) == MOP_OK) {
        f->validates = true;
        return;
    }
    o.validate = false;
    err = (mop_err){0};
    if (mop_vulkan_open(&o, &f->device, &err) == MOP_OK) {
        printf("skip: shaders run without validation, its layer is not installed\n");
        return;
    }
    f->device = NULL;
    memcpy(f->reason, err.msg, sizeof f->reason);
}

void vulkan_fixture_close(vulkan_fixture *f)
{
    mop_backend_vulkan.close(f->device);
    f->device = NULL;
}

void vulkan_need_device(const vulkan_fixture *f)
{
    if (f->device != NULL)
        return;
    printf("skip: %s\n", f->reason);
    skip();
}

PFN_vkVoidFunction VKAPI_PTR vulkan_lookup(VkInstance instance, const char *name)
{
    PFN_vkGetInstanceProcAddr entry = NULL;
    void *lib = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL); /* open already */
    void *symbol = lib != NULL ? dlsym(lib, "vkGetInstanceProcAddr") : NULL;
    memcpy(&entry, &symbol, sizeof entry);
    PFN_vkVoidFunction f = entry != NULL ? entry(instance, name) : NULL;
    if (lib != NULL)
        dlclose(lib); /* its user keeps it */
    return f;
}

void vulkan_small_net(obo_net *net, uint64_t seed)
{
    const mop_params fc = {.u.fc = {.cout = 3, .has_bias = true}}, relu = {.act = MOP_ACT_RELU};
    obo_init(net, (mop_shape){1, 1, 1, 5}, seed);
    uint32_t v = obo_add(net, MOP_OP_FC, &fc, (uint32_t[]){0}, 1);
    (void)obo_add(net, MOP_OP_ACT, &relu, &v, 1);
}

void vulkan_expect_silence(const vulkan_fixture *f)
{
    if (mop_backend_vulkan.validation_messages(f->device) != 0)
        fail_msg("validation said: %s", f->device->vk->first_message);
}
