/* The Vulkan back end's tuner. An operator becomes a network of its own: the input, what makes its
 * other inputs, and copies of the operator with weights of their own, which a variant is first
 * checked and then timed in. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/vk/timer.h"
#include "profiler/base/alloc.h"
#include "profiler/base/clock.h"
#include "profiler/base/embed.h"
#include "profiler/base/hash.h"
#include "profiler/base/rng.h"
#include "profiler/engine/backend_vulkan.h"
#include "profiler/engine/check.h"
#include "profiler/engine/vulkan_tune.h"

/* COPIES: of the operator, at most, and not beyond COPY_BYTES of weights. */
enum { NODES = 12, COPIES = 4, COPY_BYTES = 8 << 20 };

struct mop_tune_trial {
    mop_device *device;
    const mop_op_inst *inst;
    mop_dtype dtype;
    mop_node nodes[NODES];
    float *w[NODES * MOP_MAX_WEIGHTS]; /* copies share theirs */
    uint32_t n, first, copies;         /* nodes; first copy */
    mop_graph graph;                   /* all of them: what is timed */
    float *in, *out;
    bool is_stamped;  /* timed by the device's clock, else by the host's */
    const char *name; /* the choice to take while a plan is made */
    mop_plan *plan[MOP_TUNE_ENTRANTS];
};

/* What there is to choose from: the variants of one operator of each kind. */
static uint64_t hash_variants(const mop_vk_caps *caps, mop_dtype dtype, uint64_t hash)
{
    static const struct {
        int32_t k, groups;
    } kinds[] = {{1, 1}, {3, 1}, {3, 64}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        mop_op_inst inst = {.op = MOP_OP_CONV2D, .n_in = 1, .in = {{1, 56, 56, 64}}};
        const mop_vk_kernel *kernel;
        inst.params.u.conv = (mop_conv_params){.cout = 64,
                                               .kh = kinds[i].k,
                                               .kw = kinds[i].k,
                                               .stride = 1,
                                               .dilation = 1,
                                               .groups = kinds[i].groups};
        if (mop_op_infer(&inst, NULL) != MOP_OK)
            continue;
        for (size_t j = 0; (kernel = mop_vk_kernel_at(j)) != NULL; j++) {
            mop_vk_variant list[MOP_VK_VARIANTS];
            char name[MOP_VK_VARIANT_NAME];
            const size_t n = mop_vk_kernel_variants(kernel, caps, &inst, dtype, list);
            hash = mop_hash(hash, kernel->name, strlen(kernel->name) + 1);
            for (size_t v = 0; v < n; v++) {
                (void)mop_vk_variant_name(kernel, &list[v], name);
                hash = mop_hash(hash, name, strlen(name) + 1);
            }
        }
    }
    return hash;
}

/* All shaders of this build. */
static uint64_t hash_shaders(uint64_t hash)
{
    const char *name;
    for (size_t i = 0; (name = mop_embed_name(i)) != NULL; i++) {
        const char *end = strrchr(name, '.');
        size_t size = 0;
        const void *code =
            end != NULL && strcmp(end, ".spv") == 0 ? mop_embed_get(name, &size) : NULL;
        if (code != NULL)
            hash = mop_hash(hash, code, size);
    }
    return hash;
}

/* The driver's text is cut to what fits and is in the hash as a whole, with its version's number
 * and what is switched off or forced. */
void mop_vulkan_tune_key(const mop_device *device, mop_dtype dtype, char out[MOP_TUNE_KEY])
{
    const mop_vk *vk = device->vk;
    uint64_t driver = mop_hash(MOP_HASH_INIT, vk->info.driver, strlen(vk->info.driver));
    char threads[24] = "";
    driver = mop_hash(driver, &vk->caps.driver_version, sizeof vk->caps.driver_version);
    driver = mop_hash(driver, vk->switched, strlen(vk->switched));
    if (vk->caps.is_software)
        (void)snprintf(threads, sizeof threads, ", %d threads", vk->threads);
    (void)snprintf(out, MOP_TUNE_KEY,
                   "vulkan %s, %.90s (%08" PRIx32 "), shaders %08" PRIx32 ", %s%s", vk->info.uuid,
                   vk->info.driver, (uint32_t)driver,
                   (uint32_t)hash_variants(&vk->caps, dtype, hash_shaders(MOP_HASH_INIT)),
                   mop_dtype_name(dtype), threads);
}

static const char *tuned(const void *ctx, const mop_op_inst *inst, mop_dtype dtype)
{
    const mop_tune *tunes = ctx;
    return mop_tune_kernel(&tunes[dtype], inst);
}

void mop_vulkan_tune_take(mop_device *device, const char *path)
{
    for (int i = 0; i < MOP_DTYPE_COUNT && path != NULL; i++) {
        char key[MOP_TUNE_KEY];
        mop_vulkan_tune_key(device, (mop_dtype)i, key);
        mop_tune_take(&device->tune[i], path, key);
    }
    device->vk->caps.tuned = tuned;
    device->vk->caps.tuned_ctx = device->tune;
}

/* The kernels with the last row first, as they are chosen. */
static size_t vulkan_entrants(const mop_device *device, const mop_op_inst *inst, mop_dtype dtype,
                              char (*names)[MOP_TUNE_KERNEL])
{
    const mop_vk_caps *caps = &device->vk->caps;
    size_t n_kernels = 0, n = 0;
    mop_vk_task task;
    const mop_vk_kernel *shipped = mop_vk_kernel_choose(caps, inst, dtype, &task);
    if (shipped == NULL)
        return 0;
    (void)mop_vk_variant_name(shipped, &task.variant, names[n++]);
    while (mop_vk_kernel_at(n_kernels) != NULL)
        n_kernels++;
    for (size_t i = n_kernels; i-- > 0;) {
        mop_vk_variant list[MOP_VK_VARIANTS];
        const mop_vk_kernel *kernel = mop_vk_kernel_at(i);
        const size_t many = mop_vk_kernel_variants(kernel, caps, inst, dtype, list);
        for (size_t k = 0; k < many && n < MOP_TUNE_ENTRANTS; k++) {
            (void)mop_vk_variant_name(kernel, &list[k], names[n]);
            n += strcmp(names[n], names[0]) != 0;
        }
    }
    return n;
}

static double draw(mop_rng *rng, const mop_weight_desc *d)
{
    switch (d->init) {
    case MOP_INIT_KERNEL:
        return mop_rng_normal(rng) * sqrt(2.0 / (double)d->fan_in);
    case MOP_INIT_BIAS:
        return 0.1 * mop_rng_normal(rng);
    case MOP_INIT_MEAN:
        return 0.2 * mop_rng_normal(rng);
    default:
        return 0.5 + mop_rng_uniform(rng);
    }
}

static mop_status draw_weights(mop_tune_trial *t, uint32_t node, mop_err *err)
{
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    const uint32_t n = mop_op_weights(&t->nodes[node].inst, desc);
    mop_rng rng;
    mop_rng_init(&rng, 1, node);
    for (uint32_t k = 0; k < n; k++) {
        float *w = mop_calloc((size_t)desc[k].elems, sizeof *w, err);
        t->w[node * MOP_MAX_WEIGHTS + k] = w;
        if (w == NULL)
            return MOP_ENOMEM;
        for (int64_t i = 0; i < desc[k].elems; i++)
            w[i] = (float)draw(&rng, &desc[k]);
    }
    return MOP_OK;
}

/* Appends op over the nodes in[0..n_in) with weights. */
static mop_status add(mop_tune_trial *t, mop_op op, const mop_params *params, const uint32_t *in,
                      uint32_t n_in, mop_err *err)
{
    mop_node *node = &t->nodes[t->n];
    node->inst = (mop_op_inst){.op = op, .params = *params, .n_in = n_in};
    (void)snprintf(node->name, sizeof node->name, "%" PRIu32, t->n);
    for (uint32_t i = 0; i < n_in; i++) {
        node->in[i] = in[i];
        node->inst.in[i] = t->nodes[in[i]].inst.out;
    }
    mop_status s = mop_op_infer(&node->inst, err);
    if (s == MOP_OK)
        s = draw_weights(t, t->n, err);
    if (s == MOP_OK)
        t->n++;
    return s;
}

/* A node with the shape of input k into in[k], given those before: one that is there, or one made
 * by the cheapest operators that give the shape. */
static mop_status feed(mop_tune_trial *t, uint32_t k, uint32_t *in, mop_err *err)
{
    const mop_op_inst *inst = t->inst;
    const mop_shape want = inst->in[k];
    const mop_params none = {0};
    mop_status s = MOP_EUNSUPPORTED;
    for (in[k] = 0; in[k] < t->n; in[k]++)
        if (mop_shape_equal(t->nodes[in[k]].inst.out, want))
            return MOP_OK;
    in[k] = t->n;
    if (inst->op == MOP_OP_ATTN_AV && k == 0) {
        s = add(t, MOP_OP_ATTN_QK, &inst->params, (uint32_t[]){0}, 1, err);
    } else if (inst->params.has_residual && k == inst->n_in - 1) {
        mop_params twin = inst->params;
        twin.has_residual = false;
        s = add(t, inst->op, &twin, in, k, err);
    } else if (want.h == 1 && want.w == 1) {
        const mop_params fc = {.u.fc = {.cout = want.c}, .act = MOP_ACT_SIGMOID};
        s = add(t, MOP_OP_GAP, &none, (uint32_t[]){0}, 1, err);
        if (s == MOP_OK && !mop_shape_equal(t->nodes[in[k]].inst.out, want)) {
            s = add(t, MOP_OP_FC, &fc, &in[k], 1, err);
            in[k]++;
        }
    }
    if (s == MOP_OK && mop_shape_equal(t->nodes[in[k]].inst.out, want))
        return MOP_OK;
    return s == MOP_ENOMEM ? s
                           : mop_fail(err, MOP_EUNSUPPORTED, "%s cannot be tuned on its own",
                                      mop_op_get(inst->op)->name);
}

/* Copies come from memory rather than from a cache, and lift small operators above the clock's
 * grain. */
static mop_status add_copies(mop_tune_trial *t, const uint32_t *in, mop_err *err)
{
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    const uint32_t n_w = mop_op_weights(t->inst, desc);
    int64_t bytes = 1;
    for (uint32_t k = 0; k < n_w; k++)
        bytes += desc[k].elems * (int64_t)sizeof(float);
    t->copies = (uint32_t)(COPY_BYTES / bytes);
    t->copies = t->copies < 1 ? 1 : t->copies < COPIES ? t->copies : COPIES;
    t->first = t->n;
    const mop_status s = add(t, t->inst->op, &t->inst->params, in, t->inst->n_in, err);
    for (; s == MOP_OK && t->n < t->first + t->copies; t->n++) {
        t->nodes[t->n] = t->nodes[t->first];
        (void)snprintf(t->nodes[t->n].name, sizeof t->nodes[t->n].name, "%" PRIu32, t->n);
        memcpy(&t->w[t->n * MOP_MAX_WEIGHTS], &t->w[t->first * MOP_MAX_WEIGHTS],
               MOP_MAX_WEIGHTS * sizeof t->w[0]);
    }
    return s;
}

static void vulkan_leave(mop_tune_trial *t, size_t i)
{
    mop_backend_vulkan.plan_free(t->plan[i]);
    t->plan[i] = NULL;
}

static void vulkan_end(mop_tune_trial *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < MOP_TUNE_ENTRANTS; i++)
        vulkan_leave(t, i);
    const size_t last = t->copies > 0 ? t->first : t->n;
    for (size_t i = 0; i < (last + 1) * MOP_MAX_WEIGHTS; i++)
        free(t->w[i]);
    free(t->in);
    free(t->out);
    free(t);
}

static mop_status build(mop_tune_trial *t, mop_err *err)
{
    const mop_op_inst *inst = t->inst;
    uint32_t in[MOP_MAX_IN] = {0};
    mop_status s = MOP_OK;
    t->nodes[0].inst = (mop_op_inst){.op = MOP_OP_INPUT,
                                     .out = inst->op == MOP_OP_ATTN_AV ? inst->in[1] : inst->in[0]};
    (void)snprintf(t->nodes[0].name, sizeof t->nodes[0].name, "input");
    t->n = 1;
    for (uint32_t k = 0; k < inst->n_in && s == MOP_OK; k++)
        s = feed(t, k, in, err);
    if (s == MOP_OK)
        s = add_copies(t, in, err);
    if (s != MOP_OK)
        return s;
    t->in = mop_calloc((size_t)mop_shape_elems(t->nodes[0].inst.out), sizeof *t->in, err);
    t->out = mop_calloc((size_t)mop_shape_elems(inst->out), sizeof *t->out, err);
    if (t->in == NULL || t->out == NULL)
        return MOP_ENOMEM;
    mop_standard_input(t->nodes[0].inst.out, 1, t->in);
    return MOP_OK;
}

static mop_status vulkan_begin(mop_device *device, const mop_op_inst *inst, mop_dtype dtype,
                               mop_tune_trial **out, mop_err *err)
{
    mop_tune_trial *t = mop_calloc(1, sizeof *t, err);
    if (t == NULL)
        return MOP_ENOMEM;
    t->device = device;
    t->inst = inst;
    t->dtype = dtype;
    t->is_stamped = mop_vk_timer_is_trusted(device->vk);
    const mop_status s = build(t, err);
    if (s != MOP_OK) {
        vulkan_end(t);
        return s;
    }
    *out = t;
    return MOP_OK;
}

/* The copies take the name at hand, the feeding nodes what is shipped. */
static const char *forced(const void *ctx, const mop_op_inst *inst, mop_dtype dtype)
{
    const mop_tune_trial *t = ctx;
    (void)dtype;
    for (uint32_t i = t->first; i < t->n; i++)
        if (inst == &t->nodes[i].inst)
            return t->name;
    return NULL;
}

/* One copy alone in a plan that keeps all: held to the reference. */
static mop_status check(mop_tune_trial *t, mop_err *err)
{
    const mop_plan_desc desc = {.dtype = t->dtype, .keep_all = true};
    mop_graph graph = {.n_nodes = t->first + 1, .nodes = t->nodes};
    const mop_model model = {.graph = &graph, .w = t->w};
    mop_plan *plan = NULL;
    mop_check found = {0};
    mop_status s = mop_backend_vulkan.plan(t->device, &model, &desc, &plan, err);
    if (s == MOP_OK)
        s = mop_backend_vulkan.run(plan, t->in, t->out, NULL, err);
    if (s == MOP_OK)
        s = mop_check_nodes(&mop_backend_vulkan, plan, &model, t->in, &found, err);
    mop_backend_vulkan.plan_free(plan);
    return s;
}

static mop_status vulkan_enter(mop_tune_trial *t, size_t i, const char *name, mop_err *err)
{
    mop_vk_caps *caps = &t->device->vk->caps;
    const mop_vk_caps before = *caps;
    const mop_plan_desc desc = {.dtype = t->dtype};
    const mop_model model = {.graph = &t->graph, .w = t->w};
    t->graph = (mop_graph){.n_nodes = t->n, .nodes = t->nodes};
    t->name = name;
    caps->tuned = forced;
    caps->tuned_ctx = t;
    mop_status s = check(t, err);
    if (s == MOP_OK)
        s = mop_backend_vulkan.plan(t->device, &model, &desc, &t->plan[i], err);
    *caps = before;
    return s;
}

static mop_status time_by_host(mop_tune_trial *t, size_t i, double *ns, mop_err *err)
{
    const mop_clock clock = mop_clock_real();
    const uint64_t start = mop_now_ns(&clock);
    const mop_status s = mop_backend_vulkan.run(t->plan[i], t->in, t->out, NULL, err);
    *ns = (double)(mop_now_ns(&clock) - start) / t->copies;
    return s;
}

/* A run whose stamps do not fit the host's time counts as its entrant's slowest. */
static mop_status vulkan_time(mop_tune_trial *t, size_t i, size_t round, double *ns, mop_err *err)
{
    uint64_t layer_ns[NODES], sum = 0;
    mop_profile profile = {.layer_ns = layer_ns, .n_layers = NODES};
    mop_err untrusted = {0};
    (void)round; /* all copies run in each */
    if (!t->is_stamped)
        return time_by_host(t, i, ns, err);
    const mop_status s = mop_backend_vulkan.run(t->plan[i], t->in, t->out, &profile, &untrusted);
    for (uint32_t k = t->first; s == MOP_OK && k < t->n; k++)
        sum += layer_ns[k];
    *ns = s == MOP_OK ? (double)sum / t->copies : (double)INFINITY;
    return s == MOP_OK || s == MOP_EUNSUPPORTED ? MOP_OK : mop_fail(err, s, "%s", untrusted.msg);
}

/* Compiling a variant takes lavapipe 50 to 300 ms. */
const mop_tuner mop_vulkan_tuner = {
    .usual_budget_ns = UINT64_C(600000000000),
    .least_ns = UINT64_C(2000000000),
    .key = mop_vulkan_tune_key,
    .entrants = vulkan_entrants,
    .begin = vulkan_begin,
    .end = vulkan_end,
    .enter = vulkan_enter,
    .leave = vulkan_leave,
    .time = vulkan_time,
};
