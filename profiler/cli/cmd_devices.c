#include <stdlib.h>
#include <unistd.h>

#include "db/table.h"
#include "profiler/cli/cli.h"

enum { MAX_DEVICES = 32 };

static mop_status add_devices(mop_table *t, const mop_backend *backend, mop_err *err)
{
    mop_device_info info[MAX_DEVICES];
    size_t n = 0;
    mop_err absent = {0};
    mop_status status = backend->list(info, MAX_DEVICES, &n, &absent);
    if (status == MOP_ENODEV) {
        mop_cli_note("%s", absent.msg);
        return MOP_OK;
    }
    if (status != MOP_OK)
        return mop_fail(err, status, "%s", absent.msg);
    for (size_t i = 0; i < n && i < MAX_DEVICES; i++) {
        mop_cell *cell = mop_table_row(t, err);
        if (cell == NULL || mop_cell_set_text(&cell[0], backend->id, err) != MOP_OK ||
            mop_cell_set_int(&cell[1], (int64_t)i, err) != MOP_OK ||
            mop_cell_set_text(&cell[2], info[i].name, err) != MOP_OK ||
            mop_cell_set_text(&cell[3], info[i].type, err) != MOP_OK ||
            mop_cell_set_text(&cell[4], info[i].driver, err) != MOP_OK ||
            mop_cell_set_text(&cell[5], info[i].uuid, err) != MOP_OK)
            return MOP_ENOMEM;
    }
    return MOP_OK;
}

int mop_cmd_devices(int argc, const char **argv)
{
    static const char *const cols[] = {"backend", "index", "name", "type", "driver", "uuid"};
    char *format = NULL, *output = NULL;
    const struct poptOption options[] = {
        {"format", 'f', POPT_ARG_STRING, &format, 0, "table, csv, json or md", "FORMAT"},
        {"output", 'o', POPT_ARG_STRING, &output, 0, "write to FILE instead of stdout", "FILE"},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "devices",
        .args = "",
        .about =
            "Lists what --device may name: by index, part of the name, or uuid. A device of type\n"
            "\"software\" is a CPU that pretends to be a GPU; its times say nothing of a GPU.",
        .options = options,
    };
    mop_strlist args = {0};
    mop_table t = {0};
    mop_err err = {0};
    const mop_backend *backend;
    const char *path;
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0) {
        mop_status status = mop_table_start(&t, cols, sizeof cols / sizeof cols[0], &err);
        for (size_t i = 0; status == MOP_OK && (backend = mop_backend_at(i)) != NULL; i++)
            status = add_devices(&t, backend, &err);
        if (status == MOP_OK)
            status = mop_cli_write_table(&t, format, output, &err);
        path = mop_cli_tuning();
        if (status == MOP_OK && path != NULL && access(path, F_OK) == 0)
            mop_cli_note("kernels of the processor may be chosen by %s (moprof tune)", path);
        code = status == MOP_OK ? MOP_EXIT_DONE : mop_cli_fail(&err);
    }
    mop_table_release(&t);
    mop_strlist_release(&args);
    free(format);
    free(output);
    return code;
}
