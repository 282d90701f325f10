/* Opening the Vulkan device for a test program: with validation where the layer is installed. */
#ifndef TESTS_SUPPORT_VULKAN_H
#define TESTS_SUPPORT_VULKAN_H

#include "profiler/engine/backend_vulkan.h"
#include "tests/support/onebyone.h"

typedef struct vulkan_fixture {
    mop_device *device; /* NULL: there is none, and `reason` says why */
    bool validates;
    char reason[256];
} vulkan_fixture;

/* Opens the default device; options may be NULL. Validation is dropped if its layer is absent. */
void vulkan_fixture_open(vulkan_fixture *f, const mop_vk_options *options);
void vulkan_fixture_close(vulkan_fixture *f);

/* Skips the running test, visibly, if there is no device. */
void vulkan_need_device(const vulkan_fixture *f);

/* vkGetInstanceProcAddr of this machine, for what is put before it (mop_vk_options.entry). Without
 * a loader every name is NULL. */
PFN_vkVoidFunction VKAPI_PTR vulkan_lookup(VkInstance instance, const char *name);

/* Two nodes: a fully connected layer of 5 to 3 and an activation. obo_free when done. */
void vulkan_small_net(obo_net *net, uint64_t seed);

/* Fails the running test if validation has said anything. */
void vulkan_expect_silence(const vulkan_fixture *f);

#endif
