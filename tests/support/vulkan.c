#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

void vulkan_expect_silence(const vulkan_fixture *f)
{
    if (mop_backend_vulkan.validation_messages(f->device) != 0)
        fail_msg("validation said: %s", f->device->vk->first_message);
}
