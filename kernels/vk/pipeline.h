/* Compute pipelines, one per (shader, specialisation constants), shared by all plans of a context.
 */
#ifndef KERNELS_VK_PIPELINE_H
#define KERNELS_VK_PIPELINE_H

#include "kernels/dtype.h"
#include "kernels/vk/context.h"

enum { MOP_VK_SPEC_MAX = 24 };

/* What a dispatch binds. */
typedef enum mop_vk_operand {
    MOP_VK_USUAL, /* the node's own output, input or constants */
    MOP_VK_WORDS, /* scratch memory of 32-bit integers */
    MOP_VK_PARTS, /* scratch memory of vec4 in float32 */
    MOP_VK_OPERANDS,
    MOP_VK_SCRATCH = MOP_VK_OPERANDS - MOP_VK_WORDS
} mop_vk_operand;

/* One dispatch: the shader, its constants (constant_id i is spec[i]; id 0 is the workgroup's size
 * in x) and the number of workgroups. */
typedef struct mop_vk_dispatch {
    const char *shader; /* file stem in kernels/vk/shaders */
    mop_vk_source source;
    mop_dtype dtype;
    uint32_t n_spec;
    uint32_t spec[MOP_VK_SPEC_MAX];
    uint32_t groups[3];
    uint8_t operand[MOP_VK_BINDINGS]; /* mop_vk_operand */
} mop_vk_dispatch;

/* Descriptor set layouts, pipeline layouts and pipeline cache of the context, kept in cache_folder
 * (cache.h). MOP_ENODEV in a build without shaders. */
mop_status mop_vk_pipelines_init(mop_vk *vk, const char *cache_folder, mop_err *err);
void mop_vk_pipelines_release(mop_vk *vk);

/* The pipeline for d's shader and constants, made at its first use. Borrowed from the context. */
mop_status mop_vk_pipeline_get(mop_vk *vk, const mop_vk_dispatch *d, VkPipeline *out, mop_err *err);

/* "texel" or "buffer", as in a compiled shader's name, <stem>.<source>.<number type>.spv. */
const char *mop_vk_source_name(mop_vk_source source);

/* How many distinct pipelines the context holds. */
uint32_t mop_vk_pipeline_count(const mop_vk *vk);

#endif
