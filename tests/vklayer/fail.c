/* A Vulkan layer as drivers' vendors write them, put before any program by the loader: of one of
 * three calls the n-th of all processes together fails. It shows what the whole program does when a
 * device is lost, with nothing in the program that could lose one.
 *
 * In the environment: VKFAIL_CALL (vkQueueSubmit, vkWaitForFences or vkAllocateMemory), VKFAIL_AT
 * (1 the first), VKFAIL_WITH (a VkResult; 0: the driver crashes) and VKFAIL_COUNT (a file that
 * grows by a byte a call). */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vulkan/vk_layer.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT VkResult vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *v);

/* A program here has one instance and one device at a time. */
static PFN_vkGetInstanceProcAddr next_instance;
static PFN_vkGetDeviceProcAddr next_device;
static PFN_vkGetPhysicalDeviceQueueFamilyProperties next_families;
static PFN_vkQueueSubmit next_submit;
static PFN_vkWaitForFences next_wait;
static PFN_vkAllocateMemory next_allocate;

static VkResult outcome(const char *call)
{
    const char *wanted = getenv("VKFAIL_CALL"), *at = getenv("VKFAIL_AT");
    const char *with = getenv("VKFAIL_WITH"), *path = getenv("VKFAIL_COUNT");
    struct stat st = {0};
    if (!wanted || !at || !with || !path || strcmp(wanted, call) != 0)
        return VK_SUCCESS;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0666);
    if (fd < 0 || write(fd, ".", 1) != 1 || fstat(fd, &st) != 0)
        abort(); /* the test could not mean anything */
    (void)close(fd);
    if (st.st_size != atol(at))
        return VK_SUCCESS;
    if (atol(with) == 0)
        (void)raise(SIGKILL);
    return (VkResult)atol(with);
}

/* Without timestamps no clock is tested, in a number of submits that depends on the machine. */
static VKAPI_ATTR void VKAPI_CALL families(VkPhysicalDevice d, uint32_t *n,
                                           VkQueueFamilyProperties *p)
{
    next_families(d, n, p);
    for (uint32_t i = 0; p != NULL && i < *n; i++)
        p[i].timestampValidBits = 0;
}

static VKAPI_ATTR VkResult VKAPI_CALL submit(VkQueue q, uint32_t n, const VkSubmitInfo *i,
                                             VkFence f)
{
    VkResult r = outcome("vkQueueSubmit");
    return r == VK_SUCCESS ? next_submit(q, n, i, f) : r;
}

static VKAPI_ATTR VkResult VKAPI_CALL wait(VkDevice d, uint32_t n, const VkFence *f, VkBool32 all,
                                           uint64_t ns)
{
    VkResult r = outcome("vkWaitForFences");
    return r == VK_SUCCESS ? next_wait(d, n, f, all, ns) : r;
}

static VKAPI_ATTR VkResult VKAPI_CALL allocate(VkDevice d, const VkMemoryAllocateInfo *i,
                                               const VkAllocationCallbacks *a, VkDeviceMemory *m)
{
    VkResult r = outcome("vkAllocateMemory");
    return r == VK_SUCCESS ? next_allocate(d, i, a, m) : r;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info,
                                                      const VkAllocationCallbacks *a,
                                                      VkInstance *out)
{
    union {
        const void *in;
        VkLayerInstanceCreateInfo *link;
    } u = {.in = info->pNext};
    while (u.link != NULL && (u.link->sType != VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO ||
                              u.link->function != VK_LAYER_LINK_INFO))
        u.in = u.link->pNext;
    if (u.link == NULL)
        return VK_ERROR_INITIALIZATION_FAILED;
    next_instance = u.link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    u.link->u.pLayerInfo = u.link->u.pLayerInfo->pNext;
    VkResult r =
        ((PFN_vkCreateInstance)next_instance(VK_NULL_HANDLE, "vkCreateInstance"))(info, a, out);
    if (r == VK_SUCCESS)
        next_families = (PFN_vkGetPhysicalDeviceQueueFamilyProperties)next_instance(
            *out, "vkGetPhysicalDeviceQueueFamilyProperties");
    return r;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical,
                                                    const VkDeviceCreateInfo *info,
                                                    const VkAllocationCallbacks *a, VkDevice *out)
{
    union {
        const void *in;
        VkLayerDeviceCreateInfo *link;
    } u = {.in = info->pNext};
    while (u.link != NULL && (u.link->sType != VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO ||
                              u.link->function != VK_LAYER_LINK_INFO))
        u.in = u.link->pNext;
    if (u.link == NULL)
        return VK_ERROR_INITIALIZATION_FAILED;
    PFN_vkGetInstanceProcAddr of_instance = u.link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    next_device = u.link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    u.link->u.pLayerInfo = u.link->u.pLayerInfo->pNext;
    VkResult r =
        ((PFN_vkCreateDevice)of_instance(VK_NULL_HANDLE, "vkCreateDevice"))(physical, info, a, out);
    if (r != VK_SUCCESS)
        return r;
    next_submit = (PFN_vkQueueSubmit)next_device(*out, "vkQueueSubmit");
    next_wait = (PFN_vkWaitForFences)next_device(*out, "vkWaitForFences");
    next_allocate = (PFN_vkAllocateMemory)next_device(*out, "vkAllocateMemory");
    return VK_SUCCESS;
}

static PFN_vkVoidFunction own(const char *name)
{
    static const struct {
        const char *name;
        PFN_vkVoidFunction f;
    } rows[] = {{"vkCreateInstance", (PFN_vkVoidFunction)create_instance},
                {"vkCreateDevice", (PFN_vkVoidFunction)create_device},
                {"vkGetPhysicalDeviceQueueFamilyProperties", (PFN_vkVoidFunction)families},
                {"vkQueueSubmit", (PFN_vkVoidFunction)submit},
                {"vkWaitForFences", (PFN_vkVoidFunction)wait},
                {"vkAllocateMemory", (PFN_vkVoidFunction)allocate}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].f;
    return NULL;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_entry(VkDevice d, const char *name)
{
    PFN_vkVoidFunction f = own(name);
    return f != NULL ? f : next_device(d, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL instance_entry(VkInstance i, const char *name)
{
    PFN_vkVoidFunction f =
        strcmp(name, "vkGetDeviceProcAddr") == 0 ? (PFN_vkVoidFunction)device_entry : own(name);
    return f != NULL ? f : next_instance(i, name);
}

VkResult vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *v)
{
    if (v->loaderLayerInterfaceVersion < 2)
        return VK_ERROR_INITIALIZATION_FAILED;
    v->loaderLayerInterfaceVersion = 2;
    v->pfnGetInstanceProcAddr = instance_entry;
    v->pfnGetDeviceProcAddr = device_entry;
    v->pfnGetPhysicalDeviceProcAddr = NULL;
    return VK_SUCCESS;
}
