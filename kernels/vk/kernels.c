#include "kernels/vk/kernel.h"

#include <stdio.h>
#include <string.h>

#include "kernels/vk/defaults.h"

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

uint32_t mop_vk_kernel_dispatch(const mop_vk_kernel *kernel, const mop_vk_task *task,
                                mop_vk_dispatch d[MOP_VK_STEPS])
{
    const uint32_t n = kernel->n_steps > 0 ? kernel->n_steps : 1;
    memset(d, 0, MOP_VK_STEPS * sizeof d[0]);
    kernel->dispatch(task, d);
    for (uint32_t i = 0; i < n; i++) {
        d[i].source = (mop_vk_source)task->variant.source;
        d[i].dtype = task->dtype == MOP_DTYPE_INT8 ? MOP_DTYPE_FP32 : task->dtype;
    }
    return n;
}

static bool has_shaders(const mop_vk_kernel *kernel, mop_dtype dtype)
{
    const unsigned all =
        kernel->dtypes != 0 ? kernel->dtypes : 1u << MOP_DTYPE_FP32 | 1u << MOP_DTYPE_FP16S;
    return (all >> dtype & 1) != 0;
}

size_t mop_vk_offer(const mop_vk_caps *caps, mop_vk_variant tile, bool is_paired,
                    mop_vk_variant *list, size_t n)
{
    mop_vk_variant pairs = tile;
    pairs.stores = MOP_VK_STORE_PAIRS;
    is_paired = is_paired && (caps->features & MOP_VK_CAN_INT64) != 0;
    if (is_paired && caps->is_software)
        list[n++] = pairs;
    list[n++] = tile;
    if (is_paired && !caps->is_software)
        list[n++] = pairs;
    return n;
}

/* A tensor or grid beyond what the device can address is not offered. */
static bool within_limits(const mop_vk_kernel *kernel, const mop_vk_task *task)
{
    const mop_vk_caps *caps = task->caps;
    const mop_op_inst *inst = task->inst;
    mop_vk_dispatch d[MOP_VK_STEPS];
    const size_t unit = mop_vk_vec4_bytes(task->dtype);
    size_t most = 0, scratch[MOP_VK_SCRATCH] = {0};
    for (uint32_t i = 0; i < inst->n_in; i++)
        most = mop_vk_vec4s(inst->in[i]) > most ? mop_vk_vec4s(inst->in[i]) : most;
    if (kernel->packed_vec4s != NULL && kernel->packed_vec4s(task) > most)
        most = kernel->packed_vec4s(task);
    if (kernel->scratch != NULL)
        kernel->scratch(task, scratch);
    if (scratch[0] / 4 > most)
        most = scratch[0] / 4;
    for (uint32_t k = mop_vk_kernel_dispatch(kernel, task, d); k-- > 0;)
        for (int i = 0; i < 3; i++)
            if (d[k].groups[i] > caps->max_groups[i])
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
    if (inst->n_in > MOP_VK_MAX_IN || !has_shaders(kernel, dtype) || !kernel->fits(caps, inst))
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

const char *mop_vk_variant_name(const mop_vk_kernel *kernel, const mop_vk_variant *variant,
                                char out[MOP_VK_VARIANT_NAME])
{
    const uint8_t sides[] = {variant->x, variant->y, variant->t, variant->u};
    int n = snprintf(out, MOP_VK_VARIANT_NAME, "%s.%s%s", kernel->name,
                     mop_vk_source_name((mop_vk_source)variant->source),
                     variant->stores == MOP_VK_STORE_PAIRS ? ".pairs" : "");
    char before = ' ';
    for (size_t i = 0; i < sizeof sides; i++) {
        if (sides[i] == 0)
            continue;
        n += snprintf(out + n, (size_t)(MOP_VK_VARIANT_NAME - n), "%c%u", before, sides[i]);
        before = 'x';
    }
    return out;
}

/* What decides: a name or, without one, a row of the defaults. */
struct wish {
    const char *name;
    const mop_vk_default *row;
};

static bool is_wanted(const struct wish *w, const mop_vk_kernel *kernel, const mop_vk_variant *v)
{
    char name[MOP_VK_VARIANT_NAME];
    return w->name != NULL ? strcmp(mop_vk_variant_name(kernel, v, name), w->name) == 0
                           : mop_vk_default_takes(w->row, kernel, v);
}

/* The last kernel with a variant that is wanted, and the first such variant of it into task. */
static const mop_vk_kernel *find_wanted(const struct wish *w, mop_vk_task *task)
{
    for (size_t i = sizeof rows / sizeof rows[0]; i-- > 0;) {
        mop_vk_variant list[MOP_VK_VARIANTS];
        const size_t n = mop_vk_kernel_variants(rows[i], task->caps, task->inst, task->dtype, list);
        for (size_t k = 0; k < n; k++) {
            task->variant = list[k];
            if (is_wanted(w, rows[i], &list[k]))
                return rows[i];
        }
    }
    return NULL;
}

static const mop_vk_kernel *choose_in(const mop_vk_caps *caps, const mop_op_inst *inst,
                                      mop_dtype dtype, mop_vk_task *task)
{
    const mop_vk_kernel *kernel = NULL;
    struct wish w = {.name =
                         caps->tuned != NULL ? caps->tuned(caps->tuned_ctx, inst, dtype) : NULL};
    *task = (mop_vk_task){.caps = caps, .inst = inst, .dtype = dtype};
    if (w.name != NULL)
        kernel = find_wanted(&w, task);
    w.name = NULL;
    for (size_t i = 0; kernel == NULL && (w.row = mop_vk_default_at(i)) != NULL; i++)
        if (mop_vk_default_is_for(w.row, caps, inst))
            kernel = find_wanted(&w, task);
    return kernel;
}

const mop_vk_kernel *mop_vk_kernel_choose(const mop_vk_caps *caps, const mop_op_inst *inst,
                                          mop_dtype dtype, mop_vk_task *task)
{
    const mop_vk_kernel *kernel = choose_in(caps, inst, dtype, task);
    if (kernel == NULL && dtype == MOP_DTYPE_FP16)
        kernel = choose_in(caps, inst, MOP_DTYPE_FP16S, task);
    if (kernel == NULL && dtype == MOP_DTYPE_INT8)
        kernel = choose_in(caps, inst, MOP_DTYPE_FP32, task);
    return kernel;
}

/* Four values at once, which every compiler for a processor with vectors makes one load and one
 * store of: the conversion of an image of 224 pixels would else take longer than all dispatches'
 * calls. */
typedef float four __attribute__((vector_size(16)));

/* `used` < 4 channels of each of n pixels, c floats apart. */
static void widen(const float *in, size_t n, size_t c, size_t used, float *out)
{
    const four mask_of[4] = {{0, 0, 0, 0}, {1, 0, 0, 0}, {1, 1, 0, 0}, {1, 1, 1, 0}};
    typedef int32_t bits __attribute__((vector_size(16)));
    const bits mask = mask_of[used] != 0;
    /* a load of four may pass the last pixel's end */
    const size_t whole = n > 4 / c + 1 ? n - 4 / c - 1 : 0;
    for (size_t p = 0; p < whole; p++) {
        four v;
        memcpy(&v, in + p * c, sizeof v);
        v = (four)((bits)v & mask);
        memcpy(out + 4 * p, &v, sizeof v);
    }
    for (size_t p = whole; p < n; p++) {
        float v[4] = {0};
        memcpy(v, in + p * c, used * sizeof(float));
        memcpy(out + 4 * p, v, sizeof v);
    }
}

void mop_vk_from_nhwc(mop_shape s, const float *src, float *dst)
{
    const size_t pixels = (size_t)s.h * (size_t)s.w, c = (size_t)s.c, c4 = mop_vk_c4(s.c);
    for (size_t n = 0; n < (size_t)s.n; n++) {
        for (size_t g = 0; g < c4; g++) {
            float *out = dst + (n * c4 + g) * pixels * 4;
            const float *in = src + n * pixels * c + 4 * g;
            if (c - 4 * g < 4)
                widen(in, pixels, c, c - 4 * g, out);
            else
                for (size_t p = 0; p < pixels; p++)
                    memcpy(out + 4 * p, in + p * c, 4 * sizeof(float));
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
