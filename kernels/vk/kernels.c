#include "kernels/vk/kernel.h"

#include <string.h>

#define MOP_VK_KERNEL_ROW(id) extern const mop_vk_kernel mop_vk_##id;
#include "kernels/vk/shaders.def"
#undef MOP_VK_KERNEL_ROW

static const mop_vk_kernel *const rows[] = {
#define MOP_VK_KERNEL_ROW(id) &mop_vk_##id,
#include "kernels/vk/shaders.def"
#undef MOP_VK_KERNEL_ROW
};

const mop_vk_kernel *mop_vk_kernel_at(size_t i)
{
    return i < sizeof rows / sizeof rows[0] ? rows[i] : NULL;
}

void mop_vk_kernel_dispatch(const mop_vk_kernel *kernel, const mop_vk_task *task,
                            mop_vk_dispatch *d)
{
    kernel->dispatch(task, d);
    d->source = (mop_vk_source)task->variant.source;
    d->dtype = task->dtype;
}

/* A tensor or grid beyond what the device can address is not offered. */
static bool within_limits(const mop_vk_kernel *kernel, const mop_vk_task *task)
{
    const mop_vk_caps *caps = task->caps;
    const mop_op_inst *inst = task->inst;
    mop_vk_dispatch d = {0};
    const size_t unit = mop_vk_vec4_bytes(task->dtype);
    size_t most = 0;
    for (uint32_t i = 0; i < inst->n_in; i++)
        most = mop_vk_vec4s(inst->in[i]) > most ? mop_vk_vec4s(inst->in[i]) : most;
    if (kernel->packed_vec4s != NULL && kernel->packed_vec4s(task) > most)
        most = kernel->packed_vec4s(task);
    kernel->dispatch(task, &d);
    for (int i = 0; i < 3; i++)
        if (d.groups[i] > caps->max_groups[i])
            return false;
    return mop_vk_vec4s(inst->out) * unit <= caps->max_range &&
           (task->variant.source == MOP_VK_TEXEL ? most <= caps->max_texels
                                                 : most * unit <= caps->max_range);
}

size_t mop_vk_kernel_variants(const mop_vk_kernel *kernel, const mop_vk_caps *caps,
                              const mop_op_inst *inst, mop_dtype dtype, mop_vk_variant *list)
{
    mop_vk_variant tiles[MOP_VK_VARIANTS / MOP_VK_SOURCES] = {{0}};
    size_t n = 0, n_tiles = 1;
    if (inst->n_in > MOP_VK_MAX_IN || !kernel->fits(caps, inst))
        return 0;
    if (kernel->variants != NULL)
        n_tiles = kernel->variants(caps, inst, tiles);
    for (int source = 0; source < MOP_VK_SOURCES; source++) {
        for (size_t i = 0; i < n_tiles; i++) {
            mop_vk_task task = {.caps = caps, .inst = inst, .dtype = dtype, .variant = tiles[i]};
            task.variant.source = (uint8_t)source;
            if (within_limits(kernel, &task))
                list[n++] = task.variant;
        }
    }
    return n;
}

const mop_vk_kernel *mop_vk_kernel_choose(const mop_vk_caps *caps, const mop_op_inst *inst,
                                          mop_dtype dtype, mop_vk_task *task)
{
    mop_vk_variant list[MOP_VK_VARIANTS];
    for (size_t i = sizeof rows / sizeof rows[0]; i-- > 0;) {
        if (mop_vk_kernel_variants(rows[i], caps, inst, dtype, list) == 0)
            continue;
        *task = (mop_vk_task){.caps = caps, .inst = inst, .dtype = dtype, .variant = list[0]};
        return rows[i];
    }
    return NULL;
}

void mop_vk_from_nhwc(mop_shape s, const float *src, float *dst)
{
    const size_t pixels = (size_t)s.h * (size_t)s.w, c = (size_t)s.c, c4 = mop_vk_c4(s.c);
    for (size_t n = 0; n < (size_t)s.n; n++) {
        for (size_t g = 0; g < c4; g++) {
            const size_t used = c - 4 * g < 4 ? c - 4 * g : 4;
            float *out = dst + (n * c4 + g) * pixels * 4;
            const float *in = src + n * pixels * c + 4 * g;
            for (size_t p = 0; p < pixels; p++) {
                const float zero[4] = {0};
                memcpy(out + 4 * p, zero, sizeof zero);
                memcpy(out + 4 * p, in + p * c, used * sizeof(float));
            }
        }
    }
}

void mop_vk_to_nhwc(mop_shape s, const float *src, float *dst)
{
    const size_t pixels = (size_t)s.h * (size_t)s.w, c = (size_t)s.c, c4 = mop_vk_c4(s.c);
    for (size_t n = 0; n < (size_t)s.n; n++) {
        for (size_t g = 0; g < c4; g++) {
            const size_t used = c - 4 * g < 4 ? c - 4 * g : 4;
            const float *in = src + (n * c4 + g) * pixels * 4;
            float *out = dst + n * pixels * c + 4 * g;
            for (size_t p = 0; p < pixels; p++)
                memcpy(out + p * c, in + 4 * p, used * sizeof(float));
        }
    }
}
