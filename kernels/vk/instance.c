#include "kernels/vk/instance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/str.h"
#include "profiler/base/text.h"

static const char validation_layer[] = "VK_LAYER_KHRONOS_validation";

const char *mop_vk_result_name(VkResult result)
{
    switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
        return "VK_ERROR_OUT_OF_HOST_MEMORY";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
        return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
    case VK_ERROR_INITIALIZATION_FAILED:
        return "VK_ERROR_INITIALIZATION_FAILED";
    case VK_ERROR_DEVICE_LOST:
        return "VK_ERROR_DEVICE_LOST";
    case VK_ERROR_INCOMPATIBLE_DRIVER:
        return "VK_ERROR_INCOMPATIBLE_DRIVER";
    case VK_ERROR_LAYER_NOT_PRESENT:
        return "VK_ERROR_LAYER_NOT_PRESENT";
    case VK_ERROR_EXTENSION_NOT_PRESENT:
        return "VK_ERROR_EXTENSION_NOT_PRESENT";
    case VK_TIMEOUT:
        return "VK_TIMEOUT";
    default:
        return "a Vulkan error";
    }
}

mop_status mop_vk_fail(mop_vk *vk, VkResult result, const char *what, mop_err *err)
{
    mop_status code = MOP_EFAIL;
    if (result == VK_ERROR_DEVICE_LOST || result == VK_TIMEOUT) {
        vk->is_lost = true;
        code = MOP_ELOST;
    } else if (result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY) {
        code = MOP_ENOMEM;
    }
    return mop_fail(err, code, "%s failed on Vulkan device \"%s\": %s (%d)", what, vk->info.name,
                    mop_vk_result_name(result), (int)result);
}

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data,
                                                 void *user)
{
    mop_vk *vk = user;
    (void)severity; /* only warnings and errors are subscribed to */
    (void)types;
    if (vk->n_messages++ == 0)
        (void)snprintf(vk->first_message, sizeof vk->first_message, "%s", data->pMessage);
    return VK_FALSE;
}

static bool has_layer(const mop_vk_fn *fn, const char *name)
{
    uint32_t n = 0;
    if (fn->EnumerateInstanceLayerProperties(&n, NULL) != VK_SUCCESS || n == 0)
        return false;
    VkLayerProperties *p = calloc(n, sizeof *p);
    bool found = false;
    if (p != NULL && fn->EnumerateInstanceLayerProperties(&n, p) >= 0)
        for (uint32_t i = 0; i < n; i++)
            found = found || strcmp(p[i].layerName, name) == 0;
    free(p);
    return found;
}

static bool has_instance_extension(const mop_vk_fn *fn, const char *layer, const char *name)
{
    uint32_t n = 0;
    if (fn->EnumerateInstanceExtensionProperties(layer, &n, NULL) != VK_SUCCESS || n == 0)
        return false;
    VkExtensionProperties *p = calloc(n, sizeof *p);
    bool found = false;
    if (p != NULL && fn->EnumerateInstanceExtensionProperties(layer, &n, p) >= 0)
        for (uint32_t i = 0; i < n; i++)
            found = found || strcmp(p[i].extensionName, name) == 0;
    free(p);
    return found;
}

static VkDebugUtilsMessengerCreateInfoEXT messenger_info(mop_vk *vk)
{
    return (VkDebugUtilsMessengerCreateInfoEXT){
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                           VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = vk,
    };
}

static mop_status create_instance(mop_vk *vk, bool validate, mop_err *err)
{
    mop_vk_fn *fn = &vk->fn;
    uint32_t version = VK_API_VERSION_1_0;
    if (fn->EnumerateInstanceVersion != NULL)
        (void)fn->EnumerateInstanceVersion(&version); /* stays 1.0 on failure */
    if (version < VK_API_VERSION_1_1)
        return mop_fail(err, MOP_ENODEV,
                        "no Vulkan device (the Vulkan loader is version 1.0; 1.1 is needed)");
    if (validate && (!has_layer(fn, validation_layer) ||
                     !has_instance_extension(fn, validation_layer, "VK_EXT_validation_features")))
        return mop_fail(err, MOP_ENODEV,
                        "Vulkan validation was asked for, but %s is not installed (Debian package "
                        "vulkan-validationlayers)",
                        validation_layer);
    const char *extensions[3];
    uint32_t n = 0;
    VkInstanceCreateFlags flags = 0;
    if (has_instance_extension(fn, NULL, "VK_KHR_portability_enumeration")) {
        extensions[n++] = "VK_KHR_portability_enumeration";
        flags = VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
    }
    if (validate) {
        extensions[n++] = "VK_EXT_debug_utils";
        extensions[n++] = "VK_EXT_validation_features";
    }
    const VkValidationFeatureEnableEXT enable =
        VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;
    VkDebugUtilsMessengerCreateInfoEXT messenger = messenger_info(vk);
    const VkValidationFeaturesEXT features = {
        .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
        .pNext = &messenger,
        .enabledValidationFeatureCount = 1,
        .pEnabledValidationFeatures = &enable,
    };
    const char *layer = validation_layer;
    const VkApplicationInfo app = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "moprof",
        .apiVersion = VK_API_VERSION_1_3, /* what a device may offer at most; 1.1 is enough */
    };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pNext = validate ? &features : NULL,
        .flags = flags,
        .pApplicationInfo = &app,
        .enabledLayerCount = validate ? 1 : 0,
        .ppEnabledLayerNames = &layer,
        .enabledExtensionCount = n,
        .ppEnabledExtensionNames = extensions,
    };
    VkResult r = fn->CreateInstance(&info, NULL, &vk->instance);
    if (r != VK_SUCCESS) {
        vk->instance = VK_NULL_HANDLE;
        return mop_fail(err, r == VK_ERROR_OUT_OF_HOST_MEMORY ? MOP_ENOMEM : MOP_ENODEV,
                        "no Vulkan device (vkCreateInstance: %s, no usable driver)",
                        mop_vk_result_name(r));
    }
    return MOP_OK;
}

/* One variable of the environment, set for a while. */
struct loan {
    const char *name;
    char *before; /* NULL: it was not set */
    bool is_set;
};

static mop_status lend(struct loan *l, const char *name, uint32_t value, mop_err *err)
{
    const char *set = getenv(name);
    char text[16];
    *l = (struct loan){.name = name};
    if (set != NULL && (l->before = mop_strdup(set, err)) == NULL)
        return MOP_ENOMEM;
    (void)snprintf(text, sizeof text, "%u", value);
    l->is_set = setenv(name, text, 1) == 0; /* on failure the device keeps its own default */
    return MOP_OK;
}

static void take_back(struct loan *l)
{
    if (l->is_set && l->before != NULL)
        (void)setenv(l->name, l->before, 1); /* had room for it before */
    else if (l->is_set)
        (void)unsetenv(l->name);
    free(l->before);
}

/* Lavapipe takes from the environment its number of threads ("0": in the caller's own) and the bits
 * of its vectors, which are 32 a lane of a subgroup and more than 512 compute garbage. It reads
 * them once, when its devices are enumerated: by the validation layer while the instance is
 * created, or here. */
static mop_status create_with_environment(mop_vk *vk, const mop_vk_options *options, mop_err *err)
{
    const uint32_t threads = options->threads == 1 ? 0 : (uint32_t)options->threads;
    const uint32_t lanes = vk->switches.lanes;
    struct loan count = {0}, width = {0};
    uint32_t n = 0;
    mop_status s = MOP_OK;
    if (options->threads > 0)
        s = lend(&count, "LP_NUM_THREADS", threads, err);
    if (s == MOP_OK && lanes != 0 && lanes <= 16)
        s = lend(&width, "LP_NATIVE_VECTOR_WIDTH", 32 * lanes, err);
    if (s == MOP_OK)
        s = create_instance(vk, options->validate, err);
    if (s == MOP_OK)
        s = mop_vk_load_instance(&vk->fn, vk->instance, err);
    if (s == MOP_OK) /* mop_vk_enumerate() says it if this fails */
        (void)vk->fn.EnumeratePhysicalDevices(vk->instance, &n, NULL);
    take_back(&width);
    take_back(&count);
    return s;
}

mop_status mop_vk_instance_open(mop_vk *vk, const mop_vk_options *options, mop_err *err)
{
    mop_status s = mop_vk_switches_parse(options->switches, &vk->switches, err);
    if (s == MOP_OK)
        s = mop_vk_loader_open(options->entry, &vk->lib, &vk->fn, err);
    if (s == MOP_OK)
        s = create_with_environment(vk, options, err);
    if (s != MOP_OK || !options->validate)
        return s;
    const VkDebugUtilsMessengerCreateInfoEXT info = messenger_info(vk);
    if (vk->fn.CreateDebugUtilsMessengerEXT == NULL || vk->fn.DestroyDebugUtilsMessengerEXT == NULL)
        return mop_fail(err, MOP_ENODEV,
                        "Vulkan validation was asked for, but there is no "
                        "VK_EXT_debug_utils");
    VkResult r = vk->fn.CreateDebugUtilsMessengerEXT(vk->instance, &info, NULL, &vk->messenger);
    return r == VK_SUCCESS ? MOP_OK : mop_vk_fail(vk, r, "vkCreateDebugUtilsMessengerEXT", err);
}

void mop_vk_instance_close(mop_vk *vk)
{
    mop_vk_loader_keep();
    if (vk->messenger != VK_NULL_HANDLE)
        vk->fn.DestroyDebugUtilsMessengerEXT(vk->instance, vk->messenger, NULL);
    if (vk->instance != VK_NULL_HANDLE && vk->fn.DestroyInstance != NULL)
        vk->fn.DestroyInstance(vk->instance, NULL);
    mop_vk_loader_close(vk->lib);
}

mop_status mop_vk_enumerate(mop_vk *vk, VkPhysicalDevice **list, uint32_t *n, mop_err *err)
{
    uint32_t count = 0;
    VkResult r = vk->fn.EnumeratePhysicalDevices(vk->instance, &count, NULL);
    if (r != VK_SUCCESS || count == 0)
        return mop_fail(err, MOP_ENODEV, "no Vulkan device (the drivers found offer none%s%s)",
                        r == VK_SUCCESS ? "" : ": ", r == VK_SUCCESS ? "" : mop_vk_result_name(r));
    VkPhysicalDevice *p = mop_calloc(count, sizeof(VkPhysicalDevice), err);
    if (p == NULL)
        return MOP_ENOMEM;
    r = vk->fn.EnumeratePhysicalDevices(vk->instance, &count, p);
    if (r < 0) {
        free(p);
        return mop_vk_fail(vk, r, "vkEnumeratePhysicalDevices", err);
    }
    *list = p;
    *n = count;
    return MOP_OK;
}

void mop_vk_describe(const mop_vk *vk, VkPhysicalDevice device, mop_vk_device_info *info)
{
    VkPhysicalDeviceIDProperties id = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES};
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES, .pNext = &id};
    VkPhysicalDeviceProperties2 p = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                     .pNext = &driver};
    VkPhysicalDeviceProperties base;
    vk->fn.GetPhysicalDeviceProperties(device, &base);
    if (base.apiVersion >= VK_API_VERSION_1_1) {
        if (base.apiVersion < VK_API_VERSION_1_2)
            p.pNext = &id; /* driver properties are core since 1.2 */
        vk->fn.GetPhysicalDeviceProperties2(device, &p);
    }
    *info = (mop_vk_device_info){.type = base.deviceType};
    (void)snprintf(info->name, sizeof info->name, "%.127s", base.deviceName);
    if (driver.driverName[0] != '\0')
        (void)snprintf(info->driver, sizeof info->driver, "%.60s %.60s", driver.driverName,
                       driver.driverInfo);
    else
        (void)snprintf(info->driver, sizeof info->driver, "driver version %u", base.driverVersion);
    for (uint32_t i = 0; i < VK_UUID_SIZE; i++)
        (void)snprintf(info->uuid + 2 * i, 3, "%02x", id.deviceUUID[i]);
}

static int rank(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        return 4;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return 3;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        return 2;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return 0;
    default:
        return 1;
    }
}

mop_status mop_vk_select(mop_vk *vk, const char *selector, mop_err *err)
{
    VkPhysicalDevice *list = NULL;
    uint32_t n = 0;
    mop_status s = mop_vk_enumerate(vk, &list, &n, err);
    if (s != MOP_OK)
        return s;
    int best = -1;
    mop_str there = {0};
    for (uint32_t i = 0; i < n; i++) {
        mop_vk_device_info info;
        mop_vk_describe(vk, list[i], &info);
        mop_str_addf(&there, "%s%u \"%s\"", i > 0 ? ", " : "", i, info.name);
        bool wanted = selector == NULL ? rank(info.type) > best : best < 0;
        if (!wanted || (selector != NULL && !mop_selects(selector, i, n, info.name, info.uuid)))
            continue;
        best = rank(info.type);
        vk->physical = list[i];
        vk->info = info;
    }
    if (best < 0)
        s = mop_fail(err, MOP_ENODEV, "no Vulkan device matches \"%.40s\"; there is %.150s",
                     selector, mop_str_get(&there));
    mop_str_release(&there);
    free(list);
    return s;
}

mop_status mop_vk_list(mop_vk_device_info *info, size_t cap, size_t *n, mop_err *err)
{
    const mop_vk_options options = {0};
    mop_vk vk = {0};
    VkPhysicalDevice *list = NULL;
    uint32_t count = 0;
    mop_status s = mop_vk_instance_open(&vk, &options, err);
    if (s == MOP_OK)
        s = mop_vk_enumerate(&vk, &list, &count, err);
    if (s == MOP_OK) {
        for (uint32_t i = 0; i < count && i < cap; i++)
            mop_vk_describe(&vk, list[i], &info[i]);
        *n = count;
    }
    free(list);
    mop_vk_instance_close(&vk);
    return s;
}
