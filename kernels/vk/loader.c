#include "kernels/vk/loader.h"

#include <dlfcn.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <link.h>

static int keep(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    if (info->dlpi_name != NULL && info->dlpi_name[0] == '/')
        (void)dlopen(info->dlpi_name, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE); /* best effort */
    return 0;
}

/* What drivers hold in their statics until the process ends would count as leaked once they are
 * unloaded, without even a name to suppress it by. */
void mop_vk_loader_keep(void)
{
    (void)dl_iterate_phdr(keep, NULL);
}
#else
void mop_vk_loader_keep(void)
{
}
#endif

static const char *const names[] = {"libvulkan.so.1", "libvulkan.so", "libvulkan.dylib",
                                    "libMoltenVK.dylib"};

mop_status mop_vk_loader_open(PFN_vkGetInstanceProcAddr entry, void **lib, mop_vk_fn *fn,
                              mop_err *err)
{
    void *handle = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && handle == NULL; i++)
        handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return mop_fail(err, MOP_ENODEV,
                        "no Vulkan device (there is no Vulkan loader: libvulkan.so.1 not found)");
    void *symbol = dlsym(handle, "vkGetInstanceProcAddr");
    if (symbol == NULL) {
        dlclose(handle);
        return mop_fail(err, MOP_ENODEV,
                        "no Vulkan device (the Vulkan loader lacks vkGetInstanceProcAddr)");
    }
    mop_vk_fn t = {0};
    memcpy(&t.GetInstanceProcAddr, &symbol, sizeof symbol); /* POSIX: same size, no cast in ISO C */
    if (entry != NULL)
        t.GetInstanceProcAddr = entry;
    const char *missing = NULL;
#define MOP_VK_GLOBAL(name)                                                                        \
    t.name = (PFN_vk##name)t.GetInstanceProcAddr(NULL, "vk" #name);                                \
    if (t.name == NULL)                                                                            \
        missing = "vk" #name;
#define MOP_VK_INSTANCE(name)
#define MOP_VK_INSTANCE_OPT(name)
#define MOP_VK_DEVICE(name)
#define MOP_VK_DEVICE_OPT(name)
#include "kernels/vk/functions.def"
#undef MOP_VK_GLOBAL
#undef MOP_VK_INSTANCE
#undef MOP_VK_INSTANCE_OPT
#undef MOP_VK_DEVICE
#undef MOP_VK_DEVICE_OPT
    t.EnumerateInstanceVersion =
        (PFN_vkEnumerateInstanceVersion)t.GetInstanceProcAddr(NULL, "vkEnumerateInstanceVersion");
    if (missing != NULL) {
        dlclose(handle);
        return mop_fail(err, MOP_ENODEV, "no Vulkan device (the Vulkan loader lacks %s)", missing);
    }
    *fn = t;
    *lib = handle;
    return MOP_OK;
}

void mop_vk_loader_close(void *lib)
{
    if (lib != NULL)
        dlclose(lib);
}

mop_status mop_vk_load_instance(mop_vk_fn *fn, VkInstance instance, mop_err *err)
{
    const char *missing = NULL;
#define MOP_VK_GLOBAL(name)
#define MOP_VK_INSTANCE_OPT(name)                                                                  \
    fn->name = (PFN_vk##name)fn->GetInstanceProcAddr(instance, "vk" #name);
#define MOP_VK_INSTANCE(name)                                                                      \
    MOP_VK_INSTANCE_OPT(name)                                                                      \
    if (fn->name == NULL)                                                                          \
        missing = "vk" #name;
#define MOP_VK_DEVICE(name)
#define MOP_VK_DEVICE_OPT(name)
#include "kernels/vk/functions.def"
#undef MOP_VK_GLOBAL
#undef MOP_VK_INSTANCE
#undef MOP_VK_INSTANCE_OPT
#undef MOP_VK_DEVICE
#undef MOP_VK_DEVICE_OPT
    if (missing != NULL)
        return mop_fail(err, MOP_ENODEV, "no Vulkan device (the instance lacks %s)", missing);
    return MOP_OK;
}

mop_status mop_vk_load_device(mop_vk_fn *fn, VkDevice device, mop_err *err)
{
    const char *missing = NULL;
#define MOP_VK_GLOBAL(name)
#define MOP_VK_INSTANCE(name)
#define MOP_VK_INSTANCE_OPT(name)
#define MOP_VK_DEVICE_OPT(name)                                                                    \
    fn->name = (PFN_vk##name)fn->GetDeviceProcAddr(device, "vk" #name);                            \
    if (fn->name == NULL)                                                                          \
        fn->name = (PFN_vk##name)fn->GetDeviceProcAddr(device, "vk" #name "EXT");
#define MOP_VK_DEVICE(name)                                                                        \
    fn->name = (PFN_vk##name)fn->GetDeviceProcAddr(device, "vk" #name);                            \
    if (fn->name == NULL)                                                                          \
        missing = "vk" #name;
#include "kernels/vk/functions.def"
#undef MOP_VK_GLOBAL
#undef MOP_VK_INSTANCE
#undef MOP_VK_INSTANCE_OPT
#undef MOP_VK_DEVICE
#undef MOP_VK_DEVICE_OPT
    if (missing != NULL)
        return mop_fail(err, MOP_ENODEV, "the Vulkan device lacks %s", missing);
    return MOP_OK;
}
