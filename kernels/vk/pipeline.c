#include "kernels/vk/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/vk/cache.h"
#include "profiler/base/alloc.h"
#include "profiler/base/clock.h"
#include "profiler/base/embed.h"

struct module {
    const char *shader; /* borrowed from a kernel: constant text */
    mop_vk_source source;
    mop_dtype dtype;
    VkShaderModule handle;
};

struct pipeline {
    const char *shader;
    mop_vk_source source;
    mop_dtype dtype;
    uint32_t n_spec;
    uint32_t spec[MOP_VK_SPEC_MAX];
    VkPipeline handle;
};

struct mop_vk_pipelines {
    struct module *modules;
    struct pipeline *items;
    uint32_t n_modules, n_items, cap_modules, cap_items;
};

const char *mop_vk_source_name(mop_vk_source source)
{
    return source == MOP_VK_TEXEL ? "texel" : "buffer";
}

static mop_status create_layout(mop_vk *vk, mop_vk_source source, mop_err *err)
{
    VkDescriptorSetLayoutBinding b[MOP_VK_BINDINGS];
    for (uint32_t i = 0; i < MOP_VK_BINDINGS; i++)
        b[i] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = i == MOP_VK_BIND_OUT || source == MOP_VK_BUFFER
                                  ? VK_DESCRIPTOR_TYPE_STORAGE_BUFFER
                                  : VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        };
    const VkDescriptorSetLayoutCreateInfo set = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = MOP_VK_BINDINGS,
        .pBindings = b,
    };
    VkResult r = vk->fn.CreateDescriptorSetLayout(vk->device, &set, NULL, &vk->set_layout[source]);
    if (r != VK_SUCCESS)
        return mop_vk_fail(vk, r, "vkCreateDescriptorSetLayout", err);
    const VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &vk->set_layout[source],
    };
    r = vk->fn.CreatePipelineLayout(vk->device, &layout, NULL, &vk->layout[source]);
    return r == VK_SUCCESS ? MOP_OK : mop_vk_fail(vk, r, "vkCreatePipelineLayout", err);
}

mop_status mop_vk_pipelines_init(mop_vk *vk, const char *cache_folder, mop_err *err)
{
    size_t size;
    if (mop_embed_get("kernels/vk/shaders/conv.texel.fp32.spv", &size) == NULL)
        return mop_fail(err, MOP_ENODEV, "built without Vulkan shaders (glslc was missing)");
    vk->pipelines = mop_calloc(1, sizeof *vk->pipelines, err);
    if (vk->pipelines == NULL)
        return MOP_ENOMEM;
    mop_status s = MOP_OK;
    for (int i = 0; i < MOP_VK_SOURCES && s == MOP_OK; i++)
        s = create_layout(vk, (mop_vk_source)i, err);
    return s == MOP_OK ? mop_vk_cache_open(vk, cache_folder, err) : s;
}

void mop_vk_pipelines_release(mop_vk *vk)
{
    struct mop_vk_pipelines *p = vk->pipelines;
    if (p == NULL)
        return;
    for (uint32_t i = 0; i < p->n_items; i++)
        vk->fn.DestroyPipeline(vk->device, p->items[i].handle, NULL);
    for (uint32_t i = 0; i < p->n_modules; i++)
        vk->fn.DestroyShaderModule(vk->device, p->modules[i].handle, NULL);
    mop_vk_cache_close(vk);
    /* destroying a null handle is allowed and does nothing */
    for (int i = 0; i < MOP_VK_SOURCES; i++) {
        vk->fn.DestroyPipelineLayout(vk->device, vk->layout[i], NULL);
        vk->fn.DestroyDescriptorSetLayout(vk->device, vk->set_layout[i], NULL);
    }
    free(p->items);
    free(p->modules);
    free(p);
    vk->pipelines = NULL;
}

/* Makes room for one more item of a growing array. */
static mop_status reserve(void **items, uint32_t n, uint32_t *cap, size_t size, mop_err *err)
{
    if (n < *cap)
        return MOP_OK;
    uint32_t grown = *cap == 0 ? 16 : 2 * *cap;
    void *p = mop_realloc(*items, grown, size, err);
    if (p == NULL)
        return MOP_ENOMEM;
    *items = p;
    *cap = grown;
    return MOP_OK;
}

static mop_status get_module(mop_vk *vk, const mop_vk_dispatch *d, VkShaderModule *out,
                             mop_err *err)
{
    struct mop_vk_pipelines *p = vk->pipelines;
    for (uint32_t i = 0; i < p->n_modules; i++) {
        if (p->modules[i].source == d->source && p->modules[i].dtype == d->dtype &&
            strcmp(p->modules[i].shader, d->shader) == 0) {
            *out = p->modules[i].handle;
            return MOP_OK;
        }
    }
    char name[96];
    (void)snprintf(name, sizeof name, "kernels/vk/shaders/%s.%s.%s.spv", d->shader,
                   mop_vk_source_name(d->source), mop_dtype_name(d->dtype));
    size_t size = 0;
    const void *code = mop_embed_get(name, &size);
    if (code == NULL)
        return mop_fail(err, MOP_ENODEV, "built without the Vulkan shader %s", name);
    void *items = p->modules;
    mop_status s = reserve(&items, p->n_modules, &p->cap_modules, sizeof *p->modules, err);
    p->modules = items;
    if (s != MOP_OK)
        return s;
    const VkShaderModuleCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = size,
        .pCode = code,
    };
    VkResult r = vk->fn.CreateShaderModule(vk->device, &info, NULL, out);
    if (r != VK_SUCCESS)
        return mop_vk_fail(vk, r, "vkCreateShaderModule", err);
    p->modules[p->n_modules++] = (struct module){d->shader, d->source, d->dtype, *out};
    return MOP_OK;
}

static VkResult create_pipeline(mop_vk *vk, const mop_vk_dispatch *d, VkShaderModule module,
                                VkPipeline *out)
{
    VkSpecializationMapEntry entries[MOP_VK_SPEC_MAX];
    for (uint32_t i = 0; i < d->n_spec; i++)
        entries[i] =
            (VkSpecializationMapEntry){.constantID = i, .offset = i * 4, .size = sizeof(uint32_t)};
    const VkSpecializationInfo spec = {
        .mapEntryCount = d->n_spec,
        .pMapEntries = entries,
        .dataSize = d->n_spec * sizeof(uint32_t),
        .pData = d->spec,
    };
    const VkPipelineShaderStageRequiredSubgroupSizeCreateInfoEXT required = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO_EXT,
        .requiredSubgroupSize = vk->caps.required_lanes,
    };
    const VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .pNext = vk->caps.required_lanes != 0 ? &required : NULL,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = module,
                  .pName = "main",
                  .pSpecializationInfo = &spec},
        .layout = vk->layout[d->source],
    };
    const mop_clock clock = mop_clock_real();
    const uint64_t began = mop_now_ns(&clock);
    VkResult r = vk->fn.CreateComputePipelines(vk->device, vk->cache, 1, &info, NULL, out);
    vk->pipelines_ns += mop_now_ns(&clock) - began;
    vk->pipelines_made += r == VK_SUCCESS;
    return r;
}

mop_status mop_vk_pipeline_get(mop_vk *vk, const mop_vk_dispatch *d, VkPipeline *out, mop_err *err)
{
    struct mop_vk_pipelines *p = vk->pipelines;
    for (uint32_t i = 0; i < p->n_items; i++) {
        const struct pipeline *it = &p->items[i];
        if (it->n_spec == d->n_spec && it->source == d->source && it->dtype == d->dtype &&
            strcmp(it->shader, d->shader) == 0 &&
            memcmp(it->spec, d->spec, d->n_spec * sizeof d->spec[0]) == 0) {
            *out = it->handle;
            return MOP_OK;
        }
    }
    VkShaderModule module;
    mop_status s = get_module(vk, d, &module, err);
    if (s != MOP_OK)
        return s;
    void *items = p->items;
    s = reserve(&items, p->n_items, &p->cap_items, sizeof *p->items, err);
    p->items = items;
    if (s != MOP_OK)
        return s;
    VkPipeline handle = VK_NULL_HANDLE;
    VkResult r = create_pipeline(vk, d, module, &handle);
    if (r != VK_SUCCESS)
        return mop_vk_fail(vk, r, "vkCreateComputePipelines", err);
    struct pipeline *it = &p->items[p->n_items++];
    *it = (struct pipeline){.shader = d->shader,
                            .source = d->source,
                            .dtype = d->dtype,
                            .n_spec = d->n_spec,
                            .handle = handle};
    memcpy(it->spec, d->spec, d->n_spec * sizeof d->spec[0]);
    *out = handle;
    return MOP_OK;
}

uint32_t mop_vk_pipeline_count(const mop_vk *vk)
{
    return vk->pipelines->n_items;
}
