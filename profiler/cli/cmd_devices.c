#include <stdlib.h>
#include <unistd.h>

#include "db/table.h"
#include "profiler/cli/cli.h"

enum { MAX_DEVICES = 32 };

/* The options as typed. */
struct typed {
    char *device, *vulkan, *format, *output;
    int is_long;
};

/* One device whose facts become rows. */
struct facts {
    mop_table *t;
    const char *backend;
    size_t index;
};

/* Devices of a back end; none, with a note, where it has none here. */
static mop_status list_devices(const mop_backend *backend, mop_device_info info[MAX_DEVICES],
                               size_t *n, mop_err *err)
{
    mop_err absent = {0};
    mop_status status = backend->list(info, MAX_DEVICES, n, &absent);
    if (status == MOP_ENODEV) {
        mop_cli_note("%s", absent.msg);
        *n = 0;
        return MOP_OK;
    }
    *n = *n < MAX_DEVICES ? *n : MAX_DEVICES;
    return status == MOP_OK ? status : mop_fail(err, status, "%s", absent.msg);
}

/* A new row, with the device it is about in its first two cells. */
static mop_cell *add_row(mop_table *t, const char *backend, size_t index, mop_err *err)
{
    mop_cell *cell = mop_table_row(t, err);
    if (cell == NULL || mop_cell_set_text(&cell[0], backend, err) != MOP_OK ||
        mop_cell_set_int(&cell[1], (int64_t)index, err) != MOP_OK)
        return NULL;
    return cell;
}

static mop_status add_device(mop_table *t, const mop_backend *backend, size_t i,
                             const mop_device_info *info, mop_err *err)
{
    mop_cell *cell = add_row(t, backend->id, i, err);
    if (cell == NULL || mop_cell_set_text(&cell[2], info->name, err) != MOP_OK ||
        mop_cell_set_text(&cell[3], info->type, err) != MOP_OK ||
        mop_cell_set_text(&cell[4], info->driver, err) != MOP_OK ||
        mop_cell_set_text(&cell[5], info->uuid, err) != MOP_OK)
        return MOP_ENOMEM;
    return MOP_OK;
}

static mop_status add_fact(void *ctx, const char *item, const char *value, const char *about,
                           mop_err *err)
{
    const struct facts *f = ctx;
    mop_cell *cell = add_row(f->t, f->backend, f->index, err);
    if (cell == NULL || mop_cell_set_text(&cell[2], item, err) != MOP_OK ||
        mop_cell_set_text(&cell[3], value, err) != MOP_OK ||
        mop_cell_set_text(&cell[4], about, err) != MOP_OK)
        return MOP_ENOMEM;
    return MOP_OK;
}

static mop_status add_facts(mop_table *t, const mop_backend *backend, size_t i,
                            const mop_device_info *info, const char *vulkan, mop_err *err)
{
    char index[24];
    struct facts f = {.t = t, .backend = backend->id, .index = i};
    const mop_device_choice choice = {.selector = index, .vulkan = vulkan};
    const bool is_software = info->is_software;
    (void)snprintf(index, sizeof index, "%zu", i); /* fits */
    mop_status status = add_fact(&f, "name", info->name, "", err);
    if (status == MOP_OK)
        status = add_fact(&f, "type", info->type,
                          is_software ? "a CPU that pretends to be a GPU" : "", err);
    if (status == MOP_OK)
        status = add_fact(&f, "driver", info->driver, "", err);
    if (status == MOP_OK)
        status = add_fact(&f, "uuid", info->uuid, "", err);
    return status == MOP_OK ? backend->facts(&choice, add_fact, &f, err) : status;
}

static mop_status add_all(mop_table *t, const struct typed *o, bool is_long, mop_err *err)
{
    const mop_backend *backend;
    mop_status status = MOP_OK;
    size_t found = 0;
    for (size_t b = 0; status == MOP_OK && (backend = mop_backend_at(b)) != NULL; b++) {
        mop_device_info info[MAX_DEVICES];
        size_t n = 0;
        status = list_devices(backend, info, &n, err);
        for (size_t i = 0; status == MOP_OK && i < n; i++) {
            if (o->device != NULL && !mop_selects(o->device, i, n, info[i].name, info[i].uuid))
                continue;
            found++;
            status = is_long ? add_facts(t, backend, i, &info[i], o->vulkan, err)
                             : add_device(t, backend, i, &info[i], err);
        }
    }
    if (status == MOP_OK && found == 0)
        return mop_fail(err, MOP_ENODEV,
                        "no device here matches '%.60s'; `moprof devices` lists them", o->device);
    return status;
}

static mop_status devices(const struct typed *o, mop_err *err)
{
    static const char *const plain[] = {"backend", "index", "name", "type", "driver", "uuid"};
    static const char *const facts[] = {"backend", "index", "item", "value", "about"};
    const bool is_long = o->is_long != 0 || o->device != NULL || o->vulkan != NULL;
    char vulkan[MOP_CLI_VULKAN];
    mop_table t = {0};
    const char *path;
    mop_status status = mop_cli_vulkan(o->vulkan, vulkan, err);
    if (status == MOP_OK)
        status = is_long ? mop_table_start(&t, facts, sizeof facts / sizeof facts[0], err)
                         : mop_table_start(&t, plain, sizeof plain / sizeof plain[0], err);
    if (status == MOP_OK)
        status = add_all(&t, o, is_long, err);
    if (status == MOP_OK)
        status = mop_cli_write_table(&t, o->format, o->output, err);
    path = mop_cli_tuning();
    if (status == MOP_OK && path != NULL && access(path, F_OK) == 0)
        mop_cli_note("kernels may be chosen by %s (moprof tune)", path);
    mop_table_release(&t);
    return status;
}

int mop_cmd_devices(int argc, const char **argv)
{
    struct typed o = {0};
    const struct poptOption options[] = {
        {"long", 'l', POPT_ARG_NONE, &o.is_long, 0, "all that is known of each device", NULL},
        {"device", '\0', POPT_ARG_STRING, &o.device, 0,
         "the same of one: index, part of a name or uuid", "DEVICE"},
        {"vulkan", '\0', POPT_ARG_STRING, &o.vulkan, 0, MOP_CLI_VULKAN_HELP, "LIST"},
        {"format", 'f', POPT_ARG_STRING, &o.format, 0, "table, csv, json or md", "FORMAT"},
        {"output", 'o', POPT_ARG_STRING, &o.output, 0, "write to FILE instead of stdout", "FILE"},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "devices",
        .args = "",
        .about =
            "Lists what --device may name: by index, part of the name, or uuid. A device of type\n"
            "\"software\" is a CPU that pretends to be a GPU; its times say nothing of a GPU.\n"
            "With --long, or for one --device, what a device offers: memory, limits, optional\n"
            "features and which kernels layers would get; --vulkan shows that with features\n"
            "switched off.\n\n"
            "  moprof devices\n"
            "  moprof devices --device llvmpipe --vulkan no-texel,subgroup=16",
        .options = options,
    };
    char **texts[] = {&o.device, &o.vulkan, &o.format, &o.output};
    mop_strlist args = {0};
    mop_err err = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0)
        code = devices(&o, &err) == MOP_OK ? MOP_EXIT_DONE : mop_cli_fail(&err);
    mop_strlist_release(&args);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(*texts[i]);
    return code;
}
