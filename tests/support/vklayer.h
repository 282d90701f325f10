/* A layer between the program and the Vulkan loader: it counts every call, makes one of them fail,
 * and leaves a barrier out. A process has one. It is put in place by mop_vk_options.entry. */
#ifndef TESTS_SUPPORT_VKLAYER_H
#define TESTS_SUPPORT_VKLAYER_H

#include <stdbool.h>

#include "kernels/vk/loader.h"

enum {
#define VKLAYER_CALL(name, params, args)         VKLAYER_##name,
#define VKLAYER_MAKE(name, params, args, n)      VKLAYER_##name,
#define VKLAYER_VOID(name, params, args)         VKLAYER_##name,
#define VKLAYER_FREE(name, handle, params, args) VKLAYER_##name,
#define VKLAYER_OWN(name, params, args)          VKLAYER_##name,
#define VKLAYER_OWNVOID(name, params, args)      VKLAYER_##name,
#include "tests/support/vklayer.def"
    VKLAYER_CALLS
};

typedef struct vklayer {
    /* asked for */
    int fail_at;    /* of the calls that can fail, the one that does, 1 the first; 0: none */
    int fails_only; /* VKLAYER_x: only its calls count for fail_at; 0: all that can fail */
    VkResult with;  /* what it returns */
    int hide_at;    /* of the entry points looked up, the one that is not there; 0: none */
    int drop_at;    /* of the barriers recorded, the one that is left out; 0: none */
    int not_ready;  /* as often vkGetFenceStatus says so, whatever the fence; < 0: always */
    /* seen */
    int can_fail, looked_up, barriers;
    const char *failed; /* the call or entry point that was asked for came: its name */
    int seen[VKLAYER_CALLS];
    VkPipelineStageFlags dropped_from, dropped_to;
    uint64_t first_wait_ns; /* timeout of the first wait */
    int with_fence;         /* submits */
    int live;               /* objects made and not destroyed: not forgotten by a reset */
} vklayer;

extern vklayer vklayer_now;

/* Forgets what was seen and asks for nothing. */
void vklayer_reset(void);

/* For mop_vk_options.entry. */
PFN_vkVoidFunction VKAPI_PTR vklayer_entry(VkInstance instance, const char *name);

/* Calls since the reset. */
int vklayer_total(void);

/* Name of call VKLAYER_x without "vk"; NULL past the end. */
const char *vklayer_name(int call);

#endif
