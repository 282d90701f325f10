/* What several commands do: open a device, take one spec, write a table or text where asked. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/vk/switches.h"
#include "profiler/base/outfile.h"
#include "profiler/cli/cli.h"
#include "profiler/engine/tune.h"
#include "variants/passes.h"
#include "variants/variant.h"

mop_status mop_cli_backends(const char *text, mop_strlist *ids, mop_err *err)
{
    mop_strlist words = {0};
    const mop_backend *b;
    mop_status status = MOP_OK;
    for (size_t i = 0; text == NULL && (b = mop_backend_at(i)) != NULL && status == MOP_OK; i++)
        status = mop_strlist_add(ids, b->id, err);
    if (text != NULL)
        status = mop_expand(text, &words, err);
    for (size_t i = 0; i < words.n && status == MOP_OK; i++) {
        if (mop_backend_find(words.items[i], err) == NULL)
            status = MOP_EINVAL;
        else if (!mop_strlist_has(ids, words.items[i]))
            status = mop_strlist_add(ids, words.items[i], err);
    }
    mop_strlist_release(&words);
    return status;
}

mop_status mop_cli_switches(const char *fuse, const char *winograd, const char *dtype,
                            mop_plan_desc *desc, mop_err *err)
{
    desc->fuse = MOP_FUSE_ALL;
    desc->no_winograd = false;
    desc->dtype = MOP_DTYPE_FP32;
    mop_status status = fuse != NULL ? mop_fuse_parse(fuse, &desc->fuse, err) : MOP_OK;
    if (status == MOP_OK && winograd != NULL)
        status = mop_winograd_parse(winograd, &desc->no_winograd, err);
    if (status == MOP_OK && dtype != NULL)
        status = mop_dtype_parse(dtype, &desc->dtype, err);
    return status;
}

const char *mop_cli_switches_name(const mop_plan_desc *desc, char out[MOP_CLI_SWITCHES])
{
    char name[MOP_FUSE_TEXT];
    const char *const texts[][2] = {
        {"fuse", desc->fuse != MOP_FUSE_ALL ? mop_fuse_name(desc->fuse, name) : NULL},
        {"winograd", desc->no_winograd ? mop_winograd_name(true) : NULL},
        {"dtype", desc->dtype != MOP_DTYPE_FP32 ? mop_dtype_name(desc->dtype) : NULL}};
    size_t len = 0;
    *out = '\0';
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i][1] != NULL) /* all of them fit */
            len += (size_t)snprintf(out + len, MOP_CLI_SWITCHES - len, "%s%s=%s",
                                    len > 0 ? ", " : " [", texts[i][0], texts[i][1]);
    if (len > 0)
        (void)snprintf(out + len, MOP_CLI_SWITCHES - len, "]");
    return out;
}

/* $variable, else `leaf` in the user's cache, written to path[size]; NULL where the variable is
 * empty or there is no such place. */
static const char *cache_place(const char *variable, const char *leaf, char *path, size_t size)
{
    const char *named = getenv(variable), *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (named != NULL)
        return *named != '\0' ? named : NULL;
    if (cache != NULL && *cache != '\0')
        (void)snprintf(path, size, "%s/moprof%s", cache, leaf);
    else if (home != NULL && *home != '\0')
        (void)snprintf(path, size, "%s/.cache/moprof%s", home, leaf);
    else
        return NULL;
    return path;
}

const char *mop_cli_tune_path(void)
{
    static char path[4096];
    return cache_place("MOPROF_TUNE", "/tune.json", path, sizeof path);
}

const char *mop_cli_pipelines(void)
{
    static char path[4096];
    return cache_place("MOPROF_PIPELINES", "", path, sizeof path);
}

const char *mop_cli_tuning(void)
{
    const char *path = mop_cli_tune_path();
    mop_tune tune = {0};
    mop_err err = {0};
    if (path != NULL && mop_tune_read(path, &tune, &err) != MOP_OK) {
        mop_cli_note("%s; kernels are chosen as shipped", err.msg);
        path = NULL;
    }
    mop_tune_release(&tune);
    return path;
}

static void tell_remark(const mop_backend *backend, mop_device *device)
{
    char text[512];
    if (backend->remark != NULL && backend->remark(device, text, sizeof text))
        mop_cli_note("%s", text);
}

mop_status mop_cli_open(const char *id, const mop_device_choice *choice,
                        const mop_backend **backend, mop_device **device, mop_err *err)
{
    mop_device_choice tuned = *choice;
    char vulkan[MOP_CLI_VULKAN];
    tuned.tuning = mop_cli_tuning();
    tuned.pipeline_cache = mop_cli_pipelines();
    *backend = mop_backend_find(id, err);
    if (*backend == NULL || mop_cli_vulkan(choice->vulkan, vulkan, err) != MOP_OK)
        return MOP_EINVAL;
    tuned.vulkan = vulkan;
    mop_status status = (*backend)->open(&tuned, device, err);
    if (status != MOP_OK)
        return status;
    mop_device_info info;
    (*backend)->info(*device, &info);
    if (info.is_software)
        mop_cli_note(MOP_SOFTWARE_REMARK, info.name);
    tell_remark(*backend, *device);
    return MOP_OK;
}

void mop_cli_close(const mop_backend *backend, mop_device *device)
{
    if (device == NULL)
        return;
    tell_remark(backend, device);
    backend->close(device);
}

mop_status mop_cli_vulkan(const char *text, char out[MOP_CLI_VULKAN], mop_err *err)
{
    static_assert(MOP_CLI_VULKAN >= MOP_VK_SWITCHES_TEXT, "room for every switch");
    mop_vk_switches switches;
    mop_status status = mop_vk_switches_parse(text, &switches, err);
    if (status == MOP_OK)
        (void)mop_vk_switches_name(&switches, ",", out);
    return status;
}

mop_status mop_cli_one_spec(const char *text, char *spec, size_t size, mop_err *err)
{
    mop_strlist specs = {0};
    mop_status status = mop_specs_expand(text, &specs, err);
    if (status == MOP_OK && specs.n != 1)
        status = mop_fail(err, MOP_EINVAL, "'%s' stands for %zu variants, and one is wanted", text,
                          specs.n);
    if (status == MOP_OK)
        (void)snprintf(spec, size, "%s", specs.items[0]); /* canonical specs fit MOP_SPEC_MAX */
    mop_strlist_release(&specs);
    return status;
}

mop_status mop_cli_format(const char *format, const char *file, mop_format *out, mop_err *err)
{
    const char *dot = file != NULL ? strrchr(file, '.') : NULL;
    *out = MOP_FORMAT_TABLE;
    if (format == NULL || *format == '\0') {
        if (dot != NULL)
            (void)mop_format_find(dot + 1, out); /* an unknown extension keeps the table */
        return MOP_OK;
    }
    if (mop_format_find(format, out))
        return MOP_OK;
    return mop_fail(err, MOP_EINVAL, "--format takes table, csv, json or md, not '%s'", format);
}

mop_status mop_cli_write_table(const mop_table *t, const char *format, const char *file,
                               mop_err *err)
{
    mop_format f;
    mop_outfile out;
    mop_status status = mop_cli_format(format, file, &f, err);
    if (status == MOP_OK)
        status = mop_outfile_open(&out, file, err);
    if (status != MOP_OK)
        return status;
    status = mop_table_write(t, f, out.f, err);
    if (status == MOP_OK)
        return mop_outfile_commit(&out, err);
    mop_outfile_abort(&out);
    return status;
}

mop_status mop_cli_write_text(const char *text, const char *file, mop_err *err)
{
    mop_outfile out;
    mop_status status = mop_outfile_open(&out, file, err);
    if (status != MOP_OK)
        return status;
    (void)fputs(text, out.f); /* the commit looks at ferror */
    return mop_outfile_commit(&out, err);
}

const char *mop_cli_db(const char *option)
{
    return option != NULL && *option != '\0' ? option : "moprof.db";
}
