/* What a Vulkan kernel promises: which operators it does, in which variants, how it packs their
 * constants, and the dispatches that do the work, one for most.
 *
 * Tensors are NC4HW4 (kernels/vk/shaders/common.glsl), in the number type that the task's says;
 * components past the last channel are zero on entry and on exit. Constants are packed once into a
 * buffer of vec4 of the same type. */
#ifndef KERNELS_VK_KERNEL_H
#define KERNELS_VK_KERNEL_H

#include <string.h>

#include "kernels/op.h"
#include "kernels/vk/context.h"
#include "kernels/vk/pipeline.h"

/* One way to run a kernel: all give the same result up to the order of sums, and which is fastest
 * differs from device to device. Tile sides are the kernel's own: of x by y outputs a lane, t of
 * their groups of four channels, u of the input's groups in a step; 0 where a kernel has no such
 * side. */
typedef struct mop_vk_variant {
    uint8_t source; /* mop_vk_source */
    uint8_t stores; /* mop_vk_stores */
    uint8_t x, y, t, u;
} mop_vk_variant;

/* How a tile's outputs are written: a vec4 at a time, or the two of neighbouring pixels, which
 * costs little more where a driver for CPUs writes lane by lane. Pairs need MOP_VK_CAN_INT64. */
typedef enum mop_vk_stores { MOP_VK_STORE_SINGLE, MOP_VK_STORE_PAIRS } mop_vk_stores;

enum {
    MOP_VK_VARIANTS = 40, /* of one kernel for one operator, at most */
    MOP_VK_STEPS = 3      /* dispatches of one kernel, at most; each waits for the one before */
};

/* What a kernel works from. */
typedef struct mop_vk_task {
    const mop_vk_caps *caps;
    const mop_op_inst *inst;
    mop_dtype dtype;
    mop_vk_variant variant;
} mop_vk_task;

typedef struct mop_vk_kernel {
    const char *name; /* the data sheet and kernel_name() */
    unsigned dtypes;  /* 1 << mop_dtype of those that it has shaders for; 0: fp32 and fp16s */
    uint32_t n_steps; /* 0: one */
    bool (*fits)(const mop_vk_caps *caps, const mop_op_inst *inst);
    /* Fills list with the tiles worth trying for inst, at most MOP_VK_VARIANTS / MOP_VK_SOURCES of
     * them, the one to take unasked first; all with source 0. NULL: one, without sides. */
    size_t (*variants)(const mop_vk_caps *caps, const mop_op_inst *inst, mop_vk_variant *list);
    /* vec4s of packed constants; NULL: none */
    size_t (*packed_vec4s)(const mop_vk_task *task);
    /* Writes the packed constants to dst, zeroed before, in float32: others round them. */
    void (*pack)(const mop_vk_task *task, const float *const w[MOP_MAX_WEIGHTS], float *dst);
    /* Bytes of memory that the steps hand on among themselves; NULL: none. */
    void (*scratch)(const mop_vk_task *task, size_t bytes[MOP_VK_SCRATCH]);
    /* All of d[n_steps], zeroed before, but source and dtype. */
    void (*dispatch)(const mop_vk_task *task, mop_vk_dispatch *d);
    mop_shape tile; /* its own tile (pixels in h, w; channels in c), for tests to straddle */
} mop_vk_kernel;

/* Appends tile to list[0..n) and, if `is_paired`, the same with stores of pairs, which comes first
 * on a software device; returns the new n. */
size_t mop_vk_offer(const mop_vk_caps *caps, mop_vk_variant tile, bool is_paired,
                    mop_vk_variant *list, size_t n);

/* Row i of shaders.def, or NULL past the end. */
const mop_vk_kernel *mop_vk_kernel_at(size_t i);

/* Fills list[MOP_VK_VARIANTS] with what kernel offers for inst in dtype on this device, within
 * its limits, and returns how many there are: 0 if it does not fit. The first is what is shipped.
 */
size_t mop_vk_kernel_variants(const mop_vk_kernel *kernel, const mop_vk_caps *caps,
                              const mop_op_inst *inst, mop_dtype dtype, mop_vk_variant *list);

enum { MOP_VK_VARIANT_NAME = 48 };

/* Kernel, source, manner of storing and the tile's sides: "conv.texel 4x4x1", "fc.buffer",
 * "conv.texel.pairs 4x4x1". Different for all that a kernel offers for one operator. */
const char *mop_vk_variant_name(const mop_vk_kernel *kernel, const mop_vk_variant *variant,
                                char out[MOP_VK_VARIANT_NAME]);

/* What does inst's work, with the variant to take in *task: caps->tuned's choice, else the one of
 * defaults.def, always of those on offer. NULL if there is none. An operator
 * without shaders for dtype runs in the nearest type that its tensors can lie in, which task->dtype
 * then is: fp16s for fp16, fp32 for int8. */
const mop_vk_kernel *mop_vk_kernel_choose(const mop_vk_caps *caps, const mop_op_inst *inst,
                                          mop_dtype dtype, mop_vk_task *task);

/* The whole of kernel's steps; returns how many. */
uint32_t mop_vk_kernel_dispatch(const mop_vk_kernel *kernel, const mop_vk_task *task,
                                mop_vk_dispatch d[MOP_VK_STEPS]);

/* Of kernels that also multiply and add in float16: mop_vk_kernel.dtypes. */
#define MOP_VK_ALL_FLOATS (1u << MOP_DTYPE_FP32 | 1u << MOP_DTYPE_FP16S | 1u << MOP_DTYPE_FP16)

/* A fully connected layer, also in the form of a 1x1 convolution of a 1x1 map. */
bool mop_vk_is_fc(const mop_op_inst *inst);

/* Whether some tap of a convolution lies outside of its input. */
bool mop_vk_falls_outside(const mop_op_inst *inst);

/* Groups of four channels. */
static inline uint32_t mop_vk_c4(int32_t channels)
{
    return ((uint32_t)channels + 3) / 4;
}

/* Whether tensors and constants lie in memory in float16, else in float32. */
static inline bool mop_vk_is_half(mop_dtype dtype)
{
    return dtype == MOP_DTYPE_FP16S || dtype == MOP_DTYPE_FP16;
}

/* Bytes of four of their values. */
static inline size_t mop_vk_vec4_bytes(mop_dtype dtype)
{
    return mop_vk_is_half(dtype) ? 8 : 16;
}

/* vec4s of a tensor; a valid shape never overflows. */
static inline size_t mop_vk_vec4s(mop_shape s)
{
    return (size_t)s.n * mop_vk_c4(s.c) * (size_t)s.h * (size_t)s.w;
}

static inline uint32_t mop_vk_div_up(size_t a, uint32_t b)
{
    return (uint32_t)((a + b - 1) / b);
}

/* Workgroup size of shaders that do not depend on subgroups: a subgroup on a software device, where
 * a wider one gains nothing, 64 on a GPU (guaranteed is 128). */
static inline uint32_t mop_vk_wide(const mop_vk_caps *caps)
{
    return caps->is_software ? caps->lanes : 64;
}

/* Sets the constants of d. */
static inline void mop_vk_set(mop_vk_dispatch *d, const uint32_t *spec, size_t n)
{
    d->n_spec = (uint32_t)n;
    memcpy(d->spec, spec, n * sizeof spec[0]);
}

/* Constants of a convolution's shader: those of geometry.glsl, then n of its own. */
void mop_vk_set_conv(mop_vk_dispatch *d, const mop_op_inst *inst, uint32_t lanes,
                     const uint32_t *own, size_t n);

/* One invocation per item, spec[0] of them in a workgroup. */
static inline void mop_vk_set_groups(mop_vk_dispatch *d, size_t items)
{
    d->groups[0] = mop_vk_div_up(items, d->spec[0]);
    d->groups[1] = d->groups[2] = 1;
}

/* NHWC to NC4HW4 and back; tails are written as zero. */
void mop_vk_from_nhwc(mop_shape s, const float *src, float *dst);
void mop_vk_to_nhwc(mop_shape s, const float *src, float *dst);

#endif
