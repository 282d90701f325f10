/* A plan is "key=value;" pairs (profiler/measure/sweep_rows.c writes it). Reading takes each key
 * once, in any order, and refuses what it does not know: an option that is not understood would
 * make another measurement under the same name. */
#include "profiler/cli/replan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/hash.h"
#include "profiler/base/str.h"
#include "profiler/cli/cli.h"
#include "variants/variant.h"

/* Plans of older versions have fuse, perhaps cache, in place of setting, and perhaps no baseline.
 * A plan has vulkan where something was switched off or forced. */
enum {
    SEED,
    PRECISION,
    ISA,
    DEVICE,
    BATCH,
    ON,
    VARIANTS,
    N_NEEDED,
    SETTING = N_NEEDED,
    FUSE,
    CACHE,
    BASELINE,
    VULKAN,
    N_KEYS
};

static const char *const key_names[N_KEYS] = {"seed",  "precision", "isa",      "device",
                                              "batch", "on",        "variants", "setting",
                                              "fuse",  "cache",     "baseline", "vulkan"};

/* value[k] of every key, NULL where absent; free each. */
static mop_status split(const char *text, char *value[N_KEYS], mop_err *err)
{
    while (*text != '\0') {
        size_t name = strcspn(text, "=;"), k = 0;
        if (text[name] != '=')
            return mop_fail(err, MOP_EINVAL, "its plan does not read as key=value; at '%.40s'",
                            text);
        while (k < N_KEYS &&
               (strlen(key_names[k]) != name || strncmp(key_names[k], text, name) != 0))
            k++;
        if (k == N_KEYS || value[k] != NULL)
            return mop_fail(err, MOP_EINVAL, "its plan %s '%.*s', which this moprof cannot repeat",
                            k == N_KEYS ? "has" : "has twice", (int)(name < 40 ? name : 40), text);
        text += name + 1;
        size_t len = strcspn(text, ";");
        value[k] = mop_calloc(len + 1, 1, err);
        if (value[k] == NULL)
            return MOP_ENOMEM;
        memcpy(value[k], text, len);
        text += len + (text[len] == ';');
    }
    for (size_t k = 0; k < N_NEEDED; k++)
        if (value[k] == NULL)
            return mop_fail(err, MOP_EINVAL, "its plan has no %s", key_names[k]);
    if ((value[SETTING] != NULL) == (value[FUSE] != NULL) ||
        (value[SETTING] != NULL && value[CACHE] != NULL))
        return mop_fail(err, MOP_EINVAL, "its plan has %s setting",
                        value[SETTING] != NULL ? "more than one" : "no");
    return MOP_OK;
}

static mop_status split_list(const char *text, mop_strlist *out, mop_err *err)
{
    mop_status status = MOP_OK;
    while (*text != '\0' && status == MOP_OK) {
        size_t len = strcspn(text, ",");
        mop_str item = {0};
        mop_str_addn(&item, text, len);
        status = mop_str_status(&item, err);
        if (status == MOP_OK)
            status = mop_strlist_add(out, mop_str_get(&item), err);
        mop_str_release(&item);
        text += len + (text[len] == ',');
    }
    return status;
}

static mop_status take_number(const char *key, const char *text, uint64_t *out, mop_err *err)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0)
        return mop_fail(err, MOP_EINVAL, "its plan has a %s of '%.40s'", key, text);
    return MOP_OK;
}

static mop_status take_specs(const char *text, mop_replan *r, mop_err *err)
{
    mop_status status = split_list(text, &r->specs, err);
    if (status == MOP_OK && r->specs.n == 0)
        status = mop_fail(err, MOP_EINVAL, "its plan names no variant");
    for (size_t i = 0; i < r->specs.n && status == MOP_OK; i++) {
        mop_spec spec;
        mop_err why = {0};
        if (mop_spec_parse(r->specs.items[i], &spec, &why) != MOP_OK)
            status = mop_fail(err, MOP_EINVAL, "its plan names a variant that is not known: %.180s",
                              why.msg);
        else if (strcmp(spec.text, r->specs.items[i]) != 0)
            status = mop_fail(err, MOP_EINVAL, "its plan names %.80s, which is %.80s now",
                              r->specs.items[i], spec.text);
    }
    return status;
}

static mop_status take_batches(const char *text, mop_replan *r, mop_err *err)
{
    int *batches = NULL;
    mop_status status =
        mop_cli_int_list("batch", text, 1, 1 << 20, &batches, &r->options.n_batches, err);
    if (status == MOP_OK)
        r->batches = mop_calloc(r->options.n_batches, sizeof *r->batches, err);
    if (status == MOP_OK && r->batches == NULL)
        status = MOP_ENOMEM;
    for (size_t i = 0; status == MOP_OK && i < r->options.n_batches; i++)
        r->batches[i] = batches[i];
    free(batches);
    return status;
}

static bool has_threads(const mop_replan *r, int threads)
{
    for (size_t i = 0; i < r->options.n_threads; i++)
        if (r->threads[i] == threads)
            return true;
    return false;
}

/* "cpu/1/0123": the lists of back ends and thread counts grow by it. A GPU has 0 threads, which is
 * no count to ask for. */
static mop_status take_device(const char *text, mop_replan *r, mop_err *err)
{
    mop_replan_device *d = &r->devices[r->n_devices++];
    char rest[2];
    int n = sscanf(text, "%15[^/]/%d/%39[^,]%1s", d->backend, &d->threads, d->uuid, rest);
    if (n != 3 || d->threads < 0)
        return mop_fail(err, MOP_EINVAL, "its plan has a device '%.60s'", text);
    if (d->threads > 0 && !has_threads(r, d->threads))
        r->threads[r->options.n_threads++] = d->threads;
    return mop_strlist_has(&r->backends, d->backend)
               ? MOP_OK
               : mop_strlist_add(&r->backends, d->backend, err);
}

static mop_status take_devices(const char *text, mop_replan *r, mop_err *err)
{
    mop_strlist items = {0};
    mop_status status = split_list(text, &items, err);
    if (status == MOP_OK && items.n == 0)
        status = mop_fail(err, MOP_EINVAL, "its plan names no device");
    if (status == MOP_OK) {
        r->devices = mop_calloc(items.n, sizeof *r->devices, err);
        r->threads = mop_calloc(items.n, sizeof *r->threads, err);
        status = r->devices == NULL || r->threads == NULL ? MOP_ENOMEM : MOP_OK;
    }
    for (size_t i = 0; i < items.n && status == MOP_OK; i++)
        status = take_device(items.items[i], r, err);
    if (status == MOP_OK && r->options.n_threads == 0)
        r->threads[r->options.n_threads++] = 1;
    mop_strlist_release(&items);
    return status;
}

/* What older versions did: no Winograd, and the first three fusions, all of them (their plans have
 * a number for it, which was always the same). */
static mop_setting old_setting(void)
{
    return (mop_setting){.fuse = MOP_FUSE_GRAPH, .no_winograd = true};
}

static mop_status take_setting(const char *text, bool is_old, mop_setting *out, mop_err *err)
{
    mop_err why = {0};
    *out = old_setting();
    mop_status status =
        is_old ? mop_cache_parse(text, &out->is_cold, &why) : mop_setting_parse(text, out, &why);
    return status == MOP_OK ? status : mop_fail(err, status, "in its plan %.200s", why.msg);
}

/* A list of settings, or of the cache modes of an older plan. */
static mop_status take_settings(const char *text, bool is_old, mop_replan *r, mop_err *err)
{
    mop_strlist items = {0};
    mop_status status = split_list(text, &items, err);
    if (status == MOP_OK && items.n == 0)
        status = mop_fail(err, MOP_EINVAL, "its plan names no setting");
    if (status == MOP_OK)
        r->settings = mop_calloc(items.n, sizeof *r->settings, err);
    if (status == MOP_OK && r->settings == NULL)
        status = MOP_ENOMEM;
    for (size_t i = 0; i < items.n && status == MOP_OK; i++)
        status = take_setting(items.items[i], is_old, &r->settings[r->options.n_settings++], err);
    mop_strlist_release(&items);
    return status;
}

static mop_status take_all(char *value[N_KEYS], mop_replan *r, mop_err *err)
{
    mop_sweep_options *o = &r->options;
    uint64_t isa = 0;
    bool is_old = value[SETTING] == NULL;
    const char *settings = value[is_old ? CACHE : SETTING];
    mop_status status = take_number("seed", value[SEED], &o->seed, err);
    if (status == MOP_OK)
        status = take_number("isa", value[ISA], &isa, err);
    if (status == MOP_OK)
        status = mop_cli_real("precision", value[PRECISION], 0.0001, 0.5, &o->precision, err);
    if (status == MOP_OK)
        status = take_specs(value[VARIANTS], r, err);
    if (status == MOP_OK)
        status = take_batches(value[BATCH], r, err);
    if (status == MOP_OK)
        status = take_devices(value[ON], r, err);
    if (status == MOP_OK)
        status = take_settings(settings != NULL ? settings : "hot", is_old, r, err);
    if (status == MOP_OK && *value[DEVICE] != '\0' &&
        (r->device = mop_strdup(value[DEVICE], err)) == NULL)
        status = MOP_ENOMEM;
    if (status == MOP_OK && value[BASELINE] != NULL && *value[BASELINE] != '\0' &&
        (r->baseline = mop_strdup(value[BASELINE], err)) == NULL)
        status = MOP_ENOMEM;
    if (status == MOP_OK && value[VULKAN] != NULL) {
        mop_err why = {0};
        status = mop_cli_vulkan(value[VULKAN], r->vulkan, &why);
        if (status != MOP_OK)
            (void)mop_fail(err, status, "in its plan %.200s", why.msg); /* the status goes on */
    }
    o->isa_mask = (unsigned)isa;
    o->tuning = mop_cli_tuning();
    o->pipeline_cache = mop_cli_pipelines();
    return status;
}

mop_status mop_replan_parse(const char *plan_text, mop_replan *out, mop_err *err)
{
    char *value[N_KEYS] = {NULL};
    mop_status status = split(plan_text, value, err);
    if (status == MOP_OK)
        status = take_all(value, out, err);
    for (size_t k = 0; k < N_KEYS; k++)
        free(value[k]);
    mop_sweep_options *o = &out->options;
    o->specs = (void *)out->specs.items;
    o->n_specs = out->specs.n;
    o->backends = (void *)out->backends.items;
    o->n_backends = out->backends.n;
    o->backends_named = true;
    o->threads = out->threads;
    o->batches = out->batches;
    o->settings = out->settings;
    o->device = out->device;
    o->vulkan = out->vulkan;
    o->baseline = out->baseline;
    return status;
}

void mop_replan_release(mop_replan *r)
{
    mop_strlist_release(&r->specs);
    mop_strlist_release(&r->backends);
    free(r->settings);
    free(r->threads);
    free(r->batches);
    free(r->devices);
    free(r->device);
    free(r->baseline);
    *r = (mop_replan){0};
}

/* Whether the hash that was stored is that of the text; a text that was cut short has another. */
static bool is_whole(const char *text, const char *hash)
{
    uint64_t plain = mop_hash(MOP_HASH_INIT, text, strlen(text));
    uint64_t alone = mop_hash_u64(mop_hash_u64(plain, 1), 1); /* part 1 of 1 */
    char words[2][20];
    (void)snprintf(words[0], sizeof words[0], "%016llx", (unsigned long long)plain); /* both fit */
    (void)snprintf(words[1], sizeof words[1], "%016llx", (unsigned long long)alone);
    return strcmp(hash, words[0]) == 0 || strcmp(hash, words[1]) == 0;
}

/* The number behind "key=" in the protocol of a sweep, which says how long it may take; 0 where
 * there is none, which stands for the default. */
static uint64_t protocol_number(const char *protocol, const char *key)
{
    size_t len = strlen(key);
    for (const char *at = protocol; *at != '\0';) {
        if (strncmp(at, key, len) == 0 && at[len] == '=')
            return strtoull(at + len + 1, NULL, 10);
        at += strcspn(at, ";");
        at += *at == ';';
    }
    return 0;
}

mop_status mop_replan_read(mop_db *db, int64_t sweep, mop_replan *out, mop_err *err)
{
    static const char sql[] = "SELECT plan_text, plan_hash, shard, shards, protocol FROM sweep "
                              "WHERE id = CAST(?1 AS INTEGER)";
    char id[24];
    const char *const params[] = {id};
    mop_table t = {0};
    mop_err why = {0};
    (void)snprintf(id, sizeof id, "%lld", (long long)sweep); /* always fits */
    mop_status status = mop_db_query(db, sql, params, 1, &t, err);
    if (status == MOP_OK && t.n_rows == 0)
        status = mop_fail(err, MOP_EINVAL, "%.100s has no sweep %s", mop_db_path(db), id);
    else if (status == MOP_OK && t.cells[3].i > 1)
        status = mop_fail(err, MOP_EINVAL,
                          "sweep %s of %.100s is part %s of %s of a plan; a whole plan is repeated",
                          id, mop_db_path(db), t.cells[2].text, t.cells[3].text);
    else if (status == MOP_OK && !is_whole(t.cells[0].text, t.cells[1].text))
        status = mop_fail(err, MOP_EINVAL,
                          "the plan of sweep %s of %.100s is not whole: its hash is another", id,
                          mop_db_path(db));
    else if (status == MOP_OK && mop_replan_parse(t.cells[0].text, out, &why) != MOP_OK)
        status = mop_fail(err, why.code, "sweep %s of %.60s cannot be repeated: %.170s", id,
                          mop_db_path(db), why.msg);
    if (status == MOP_OK) {
        out->options.budget_ns = protocol_number(t.cells[4].text, "budget_ns");
        out->options.max_passes = (uint32_t)protocol_number(t.cells[4].text, "max_passes");
    }
    mop_table_release(&t);
    return status;
}

mop_status mop_replan_check_devices(const mop_replan *r, mop_err *err)
{
    for (size_t i = 0; i < r->n_devices; i++) {
        const mop_replan_device *d = &r->devices[i];
        const mop_device_choice choice = {.selector = r->options.device,
                                          .threads = d->threads > 0 ? d->threads : 1,
                                          .isa_mask = r->options.isa_mask,
                                          .tuning = r->options.tuning,
                                          .vulkan = r->options.vulkan};
        const mop_backend *backend;
        mop_device *device;
        mop_device_info info;
        mop_err why = {0};
        if (mop_cli_open(d->backend, &choice, &backend, &device, &why) != MOP_OK)
            return mop_fail(err, MOP_ENODEV, "the plan's device is not here: %.200s", why.msg);
        backend->info(device, &info);
        mop_cli_close(backend, device);
        if (strcmp(info.uuid, d->uuid) != 0)
            return mop_fail(err, MOP_ENODEV,
                            "the plan ran on a %s device %s, and the one here is %.100s, %s",
                            d->backend, d->uuid, info.name, info.uuid);
    }
    return MOP_OK;
}
