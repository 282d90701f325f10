#include "profiler/engine/tune.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/base/alloc.h"
#include "profiler/base/hash.h"
#include "profiler/base/outfile.h"

enum { TUNE_FORMAT = 1 };

void mop_tune_release(mop_tune *t)
{
    free(t->entries);
    *t = (mop_tune){0};
}

/* The parameters of inst's own kind, which its shapes do not show. */
static int write_params(const mop_op_inst *inst, char *out, size_t size)
{
    const mop_conv_params *c = &inst->params.u.conv;
    const mop_pool_params *p = &inst->params.u.pool;
    const mop_dy_params *d = &inst->params.u.dy;
    switch (inst->op) {
    case MOP_OP_CONV2D:
        return snprintf(out, size, " %dx%d s%d d%d g%d p%d,%d,%d,%d", c->kh, c->kw, c->stride,
                        c->dilation, c->groups, c->pad_top, c->pad_left, c->pad_bottom,
                        c->pad_right);
    case MOP_OP_POOL:
        return snprintf(out, size, " %s %dx%d s%d p%d", p->kind == MOP_POOL_MAX ? "max" : "avg",
                        p->k, p->k, p->stride, p->pad);
    case MOP_OP_DYRELU:
    case MOP_OP_DYSHIFTMAX:
        return snprintf(out, size, " k%d j%d g%d%s", d->pieces, d->shifts, d->groups,
                        d->per_channel ? " per channel" : "");
    case MOP_OP_ATTN_QK:
    case MOP_OP_ATTN_AV:
        return snprintf(out, size, " heads %d", inst->params.u.attn.heads);
    default:
        return 0;
    }
}

/* All of it fits: numbers of ten digits, and there are no more than 33. */
void mop_tune_shape(const mop_op_inst *inst, char out[MOP_TUNE_SHAPE])
{
    const mop_shape i = inst->in[0], o = inst->out;
    const uint32_t own = inst->n_in - (inst->params.has_residual ? 1 : 0);
    int n = snprintf(out, MOP_TUNE_SHAPE, "%s %dx%dx%dx%d", mop_op_get(inst->op)->name, i.n, i.h,
                     i.w, i.c);
    for (uint32_t k = 1; k < own; k++)
        n += snprintf(out + n, (size_t)(MOP_TUNE_SHAPE - n), ", %dx%dx%dx%d", inst->in[k].n,
                      inst->in[k].h, inst->in[k].w, inst->in[k].c);
    n +=
        snprintf(out + n, (size_t)(MOP_TUNE_SHAPE - n), " -> %dx%dx%dx%d act %s%s", o.n, o.h, o.w,
                 o.c, mop_act_name(inst->params.act), inst->params.has_residual ? " residual" : "");
    (void)write_params(inst, out + n, (size_t)(MOP_TUNE_SHAPE - n));
}

static mop_tune_entry *find(const mop_tune *t, const char *key, const char *shape)
{
    for (size_t i = 0; i < t->n; i++)
        if ((key == NULL || strcmp(t->entries[i].key, key) == 0) &&
            strcmp(t->entries[i].shape, shape) == 0)
            return &t->entries[i];
    return NULL;
}

mop_status mop_tune_put(mop_tune *t, const mop_tune_entry *e, mop_err *err)
{
    mop_tune_entry *at = find(t, e->key, e->shape);
    if (at == NULL && t->n == t->cap) {
        const size_t cap = t->cap > 0 ? 2 * t->cap : 32;
        void *grown = mop_realloc(t->entries, cap, sizeof *t->entries, err);
        if (grown == NULL)
            return MOP_ENOMEM;
        t->entries = grown;
        t->cap = cap;
    }
    at = at != NULL ? at : &t->entries[t->n++];
    *at = *e;
    return MOP_OK;
}

void mop_tune_keep(mop_tune *t, const char *key)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->entries[i].key, key) == 0)
            t->entries[n++] = t->entries[i];
    t->n = n;
}

void mop_tune_take(mop_tune *t, const char *path, const char *key)
{
    mop_err ignored;
    *t = (mop_tune){0};
    if (path != NULL && mop_tune_read(path, t, &ignored) == MOP_OK)
        mop_tune_keep(t, key);
}

void mop_tune_name(const mop_tune *t, size_t n, char *text, size_t size)
{
    const size_t used = strlen(text);
    uint32_t hash = 0;
    bool has = false;
    for (size_t i = 0; i < n; i++) {
        has = has || t[i].n > 0;
        hash = hash * 31 + mop_tune_hash(&t[i]);
    }
    if (has)
        (void)snprintf(text + used, size - used, ", tuned %08" PRIx32, hash);
}

const char *mop_tune_kernel(const void *tune, const mop_op_inst *inst)
{
    char shape[MOP_TUNE_SHAPE];
    const mop_tune_entry *e;
    mop_tune_shape(inst, shape);
    e = find(tune, NULL, shape);
    return e != NULL ? e->kernel : NULL;
}

/* Order does not matter: equal choices, equal hash. */
uint32_t mop_tune_hash(const mop_tune *t)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < t->n; i++) {
        const mop_tune_entry *e = &t->entries[i];
        uint64_t h = mop_hash(MOP_HASH_INIT, e->shape, strlen(e->shape) + 1);
        sum += mop_hash(h, e->kernel, strlen(e->kernel) + 1);
    }
    return (uint32_t)(sum ^ sum >> 32);
}

/* A text of object that fits, into out. */
static bool take_text(const json_t *object, const char *name, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL && (size_t)snprintf(out, size, "%s", text) < size;
}

static mop_status take_entries(const char *path, const json_t *root, mop_tune *t, mop_err *err)
{
    const json_t *list = json_object_get(root, "entries"), *object;
    mop_status status = MOP_OK;
    size_t i;
    if (json_integer_value(json_object_get(root, "moprof_tune")) != TUNE_FORMAT ||
        !json_is_array(list))
        return mop_fail(err, MOP_EINVAL, "%s is no tuning of this moprof", path);
    json_array_foreach(list, i, object)
    {
        mop_tune_entry e;
        if (!take_text(object, "key", e.key, sizeof e.key) ||
            !take_text(object, "shape", e.shape, sizeof e.shape) ||
            !take_text(object, "shipped", e.shipped, sizeof e.shipped) ||
            !take_text(object, "kernel", e.kernel, sizeof e.kernel))
            return mop_fail(err, MOP_EINVAL, "%s: entry %zu is damaged", path, i);
        e.ratio = json_number_value(json_object_get(object, "ratio"));
        status = mop_tune_put(t, &e, err);
        if (status != MOP_OK)
            break;
    }
    return status;
}

mop_status mop_tune_read(const char *path, mop_tune *t, mop_err *err)
{
    json_error_t why;
    json_t *root;
    mop_status status;
    *t = (mop_tune){0};
    if (access(path, F_OK) != 0)
        return MOP_OK;
    root = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL)
        return mop_fail(err, MOP_EINVAL, "%s: %s", path, why.text);
    status = take_entries(path, root, t, err);
    json_decref(root);
    if (status != MOP_OK)
        mop_tune_release(t);
    return status;
}

mop_status mop_tune_write(const char *path, const mop_tune *t, mop_err *err)
{
    json_t *root = json_pack("{s:i, s:[]}", "moprof_tune", (int)TUNE_FORMAT, "entries");
    json_t *list = json_object_get(root, "entries");
    mop_outfile out;
    mop_status status;
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < t->n; i++) {
        const mop_tune_entry *e = &t->entries[i];
        ok = json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:f}", "key", e->key,
                                                   "shape", e->shape, "shipped", e->shipped,
                                                   "kernel", e->kernel, "ratio", e->ratio)) == 0;
    }
    if (!ok) {
        json_decref(root);
        return mop_fail(err, MOP_ENOMEM, "out of memory: a tuning of %zu shapes", t->n);
    }
    mop_make_folders(path);
    status = mop_outfile_open(&out, path, err);
    if (status == MOP_OK) {
        (void)json_dumpf(root, out.f, JSON_INDENT(1)); /* the commit looks at ferror */
        status = mop_outfile_commit(&out, err);
    }
    json_decref(root);
    return status;
}
