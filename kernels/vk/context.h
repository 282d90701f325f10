/* One Vulkan device opened for compute: instance, queue, memory, and the pipelines made so far.
 *
 * Order of calls: mop_vk_open, then buffers (memory.h) and pipelines (pipeline.h), then
 * mop_vk_close, after everything made from the context has been freed. One thread at a time. */
#ifndef KERNELS_VK_CONTEXT_H
#define KERNELS_VK_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/vk/features.h"
#include "kernels/vk/loader.h"
#include "kernels/vk/switches.h"

/* Bindings of every shader of the project: as many storage buffers as every device has. */
enum {
    MOP_VK_BIND_OUT = 0, /* storage buffer */
    MOP_VK_BIND_IN = 1,  /* and 2: what mop_vk_source says */
    MOP_VK_BIND_WEIGHTS = 3,
    MOP_VK_BINDINGS = 4,
    MOP_VK_MAX_IN = MOP_VK_BIND_WEIGHTS - MOP_VK_BIND_IN
};

/* What a shader reads its inputs and constants through. Each shader is compiled for each of them,
 * and each has its own layout. */
typedef enum mop_vk_source {
    MOP_VK_TEXEL,  /* uniform texel buffers */
    MOP_VK_BUFFER, /* storage buffers */
    MOP_VK_SOURCES
} mop_vk_source;

typedef struct mop_vk_options {
    const char
        *selector; /* index, name substring or uuid; NULL: discrete > integrated > virtual > cpu */
    int threads;   /* of a software device; 0 leaves the choice to it */
    bool validate; /* core and synchronization validation */
    const char *switches;       /* what to switch off or force (switches.h); NULL: nothing */
    const char *pipeline_cache; /* folder of the pipeline cache (cache.h); NULL: none is kept */
    /* What entry points are looked up by; NULL: the loader's own. What is put between sees every
     * call from the first on and can make it fail. */
    PFN_vkGetInstanceProcAddr entry;
} mop_vk_options;

/* What there was of a pipeline cache when the device was opened. */
typedef enum mop_vk_cache_state {
    MOP_VK_CACHE_NONE,    /* none is kept */
    MOP_VK_CACHE_COLD,    /* no file */
    MOP_VK_CACHE_BARE,    /* one in which this driver has kept nothing */
    MOP_VK_CACHE_WARM,    /* one that the driver has taken */
    MOP_VK_CACHE_REJECTED /* one that is no good */
} mop_vk_cache_state;

/* Whom a file of the pipeline cache is for. */
typedef struct mop_vk_cache_key {
    uint64_t made_by; /* hash of device, driver version and shaders */
    uint32_t vendor, device;
    uint8_t uuid[VK_UUID_SIZE]; /* pipelineCacheUUID */
} mop_vk_cache_key;

typedef struct mop_vk_device_info {
    char name[128];
    char driver[128]; /* "llvmpipe Mesa 22.3.6 (LLVM 15.0.6)" */
    char uuid[40];    /* hexadecimal */
    VkPhysicalDeviceType type;
} mop_vk_device_info;

/* A second on the slowest GPUs that have Vulkan 1.1 (8 GMAC/s); watchdogs act after 2 to 10. */
#define MOP_VK_MACS_PER_SUBMIT UINT64_C(8000000000)

struct mop_vk_pipelines;

/* What timer.h found out about the device's timestamps. */
typedef struct mop_vk_timer {
    bool is_tested, is_trusted;
    char why[192]; /* not trusted: the reason, to stand behind the device's name and a colon */
} mop_vk_timer;

typedef struct mop_vk {
    void *lib;
    mop_vk_fn fn;
    VkInstance instance;
    VkDebugUtilsMessengerEXT messenger;
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    uint32_t family;
    VkPhysicalDeviceLimits limits;
    VkPhysicalDeviceMemoryProperties memory;
    uint32_t timestamp_bits; /* 0: no timestamps on this queue */
    mop_vk_timer timer;
    mop_vk_device_info info;
    mop_vk_caps caps;
    mop_vk_switches switches;
    char switched[MOP_VK_SWITCHES_TEXT]; /* those that make a difference: "no-shuffle, staging" */
    bool is_shared;           /* buffers are mapped and used in place; otherwise they are staged */
    bool is_lost;             /* sticky */
    uint64_t macs_per_submit; /* most, of more than one node: watchdogs end what takes seconds */
    bool spins; /* waits end by asking, because it is no CPU (backend_vulkan_wait.c) */
    int threads;
    uint32_t n_messages;     /* validation warnings and errors */
    char first_message[512]; /* the first of them */
    VkDescriptorSetLayout set_layout[MOP_VK_SOURCES];
    VkPipelineLayout layout[MOP_VK_SOURCES];
    VkPipelineCache cache;
    mop_vk_cache_state cache_state;
    mop_vk_cache_key cache_key;
    char *cache_path;    /* NULL: none is kept */
    uint64_t cache_hash; /* of what the file holds */
    uint32_t pipelines_made, pipelines_saved;
    uint64_t pipelines_ns; /* spent in vkCreateComputePipelines since the device was opened */
    char note[512];        /* a remark for the user, of the latest that happened; "": none */
    struct mop_vk_pipelines *pipelines;
} mop_vk;

/* MOP_ENODEV with the reason where there is no loader, driver, device, layer or matching selector;
 * MOP_EINVAL or MOP_EUNSUPPORTED for switches that are unknown or cannot be had there. */
mop_status mop_vk_open(const mop_vk_options *options, mop_vk **out, mop_err *err);
void mop_vk_close(mop_vk *vk); /* NULL is fine */

/* Fills info[0..cap) in the order of indices and writes how many devices there are. */
mop_status mop_vk_list(mop_vk_device_info *info, size_t cap, size_t *n, mop_err *err);

/* Status and sentence of a failed Vulkan call; device loss becomes sticky. `what` is the call. */
mop_status mop_vk_fail(mop_vk *vk, VkResult result, const char *what, mop_err *err);

/* Short name of a result: "VK_ERROR_DEVICE_LOST". */
const char *mop_vk_result_name(VkResult result);

#endif
