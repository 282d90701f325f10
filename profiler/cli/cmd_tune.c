#include <stdlib.h>
#include <string.h>

#include "db/table.h"
#include "kernels/cpu/isa.h"
#include "profiler/cli/cli.h"
#include "profiler/engine/cpu_info.h"
#include "profiler/engine/tuner.h"
#include "variants/variant.h"

struct typed {
    char *backend, *device, *variants, *threads, *isa, *vulkan, *dtype, *budget, *format, *output;
};

static mop_status show(const struct typed *o, const mop_tune *t, const char *key, mop_err *err)
{
    static const char *const cols[] = {"shape", "shipped", "tuned", "ratio"};
    mop_table table = {0};
    mop_status status = mop_table_start(&table, cols, sizeof cols / sizeof cols[0], err);
    for (size_t i = 0; i < t->n && status == MOP_OK; i++) {
        const mop_tune_entry *e = &t->entries[i];
        mop_cell *cell;
        if (strcmp(e->key, key) != 0)
            continue;
        cell = mop_table_row(&table, err);
        if (cell == NULL || mop_cell_set_text(&cell[0], e->shape, err) != MOP_OK ||
            mop_cell_set_text(&cell[1], e->shipped, err) != MOP_OK ||
            mop_cell_set_text(&cell[2], e->kernel, err) != MOP_OK ||
            mop_cell_set_real(&cell[3], e->ratio, 3, err) != MOP_OK)
            status = MOP_ENOMEM;
    }
    if (status == MOP_OK)
        status = mop_cli_write_table(&table, o->format, o->output, err);
    mop_table_release(&table);
    return status;
}

static mop_status understand(const struct typed *o, mop_device_choice *choice, mop_tune_job *job,
                             mop_strlist *specs, mop_err *err)
{
    long threads = 1;
    mop_format format;
    mop_status status = mop_cli_format(o->format, o->output, &format, err);
    if (status == MOP_OK && o->threads != NULL)
        status = mop_cli_int("threads", o->threads, 1, mop_cpu_processors(), &threads, err);
    if (status == MOP_OK)
        status = mop_cli_isa_mask(o->isa, &choice->isa_mask, err);
    if (status == MOP_OK && o->dtype != NULL)
        status = mop_dtype_parse(o->dtype, &job->dtype, err);
    if (status == MOP_OK && o->budget != NULL)
        status = mop_cli_time("budget", o->budget, &job->budget_ns, err);
    if (status == MOP_OK)
        status = mop_specs_expand(o->variants != NULL ? o->variants : "all", specs, err);
    choice->selector = o->device;
    choice->threads = (int)threads;
    choice->vulkan = o->vulkan;
    job->specs = specs;
    job->clock = mop_clock_real();
    return status;
}

/* Into t, and what is worth telling to people. */
static mop_status measure(const mop_backend *backend, mop_device *device, const mop_tune_job *job,
                          mop_tune *t, mop_err *err)
{
    mop_tune_report report;
    const mop_status status = mop_tune_measure(backend, device, job, t, &report, err);
    for (size_t i = 0; i < report.notes.n; i++)
        mop_cli_note("left out: %s", report.notes.items[i]);
    if (status == MOP_OK && report.n_tuned < report.n_operators)
        mop_cli_note("%zu of %zu operators were measured, those with most work; a longer --budget "
                     "reaches more",
                     report.n_tuned, report.n_operators);
    mop_tune_report_release(&report);
    return status;
}

/* On a device opened without its tuning, for path. */
static mop_status tune_device(const struct typed *o, const mop_backend *backend, mop_device *device,
                              const mop_tune_job *job, const char *path, mop_err *err)
{
    char key[MOP_TUNE_KEY];
    mop_tune t = {0};
    mop_err damaged = {0};
    if (mop_tune_read(path, &t, &damaged) != MOP_OK)
        mop_cli_note("%s; it is replaced", damaged.msg);
    mop_status status = measure(backend, device, job, &t, err);
    if (status == MOP_OK)
        status = mop_tune_write(path, &t, err);
    if (status == MOP_OK) {
        backend->tuner->key(device, job->dtype, key);
        status = show(o, &t, key, err);
        mop_cli_note("in %s for %s; MOPROF_TUNE= runs what is shipped", path, key);
    }
    mop_tune_release(&t);
    return status;
}

static mop_status tune(const struct typed *o, mop_err *err)
{
    const char *path = mop_cli_tune_path();
    const mop_backend *backend = mop_backend_find(o->backend != NULL ? o->backend : "cpu", err);
    mop_device_choice choice = {0};
    mop_tune_job job = {0};
    mop_device *device = NULL;
    mop_strlist specs = {0};
    if (backend == NULL)
        return MOP_EINVAL;
    if (path == NULL)
        return mop_fail(err, MOP_EINVAL,
                        "there is no place for the tuning: MOPROF_TUNE is empty, "
                        "or neither XDG_CACHE_HOME nor HOME is set");
    mop_status status = understand(o, &choice, &job, &specs, err);
    if (status == MOP_OK)
        status = backend->open(&choice, &device, err);
    if (status == MOP_OK)
        status = tune_device(o, backend, device, &job, path, err);
    mop_cli_close(backend, device);
    mop_strlist_release(&specs);
    return status;
}

int mop_cmd_tune(int argc, const char **argv)
{
    struct typed o = {0};
    const struct poptOption options[] = {
        {"backend", 'b', POPT_ARG_STRING, &o.backend, 0, "cpu (default) or vulkan", "ID"},
        {"device", '\0', POPT_ARG_STRING, &o.device, 0, "index, part of a name or uuid", "DEVICE"},
        {"variants", '\0', POPT_ARG_STRING, &o.variants, 0, "whose layers (default all)", "LIST"},
        {"threads", 't', POPT_ARG_STRING, &o.threads, 0, "threads (default 1)", "N"},
        {"isa", '\0', POPT_ARG_STRING, &o.isa, 0, "CPU: highest level of" MOP_ISA_WORDS, "LEVEL"},
        {"vulkan", '\0', POPT_ARG_STRING, &o.vulkan, 0, MOP_CLI_VULKAN_HELP, "LIST"},
        {"dtype", '\0', POPT_ARG_STRING, &o.dtype, 0, "number type (default fp32)", "TYPE"},
        {"budget", '\0', POPT_ARG_STRING, &o.budget, 0,
         "time for all of it (default 60s; vulkan 10m)", "TIME"},
        {"format", 'f', POPT_ARG_STRING, &o.format, 0, "table, csv, json or md", "FORMAT"},
        {"output", 'o', POPT_ARG_STRING, &o.output, 0, "write to FILE instead of stdout", "FILE"},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "tune",
        .args = "",
        .about =
            "Times the kernels that may compute a layer against each other, on Vulkan the "
            "variants\n"
            "of each shader, wherever there are several, and keeps the fastest for all later runs\n"
            "of this build on this device with these settings: in $MOPROF_TUNE, else\n"
            "$XDG_CACHE_HOME/moprof/tune.json, else ~/.cache/moprof/tune.json. A device in use of\n"
            "it says so: \"avx2, tuned 1a2b3c4d\". An empty MOPROF_TUNE runs what is shipped. The\n"
            "layers with most work come first, and the budget may end before the others.\n\n"
            "  moprof tune\n"
            "  moprof tune --variants resnet18,cnn30 --threads 2 --budget 20s\n"
            "  moprof tune --backend vulkan --variants mobileone-s0 --budget 2m",
        .options = options,
    };
    char **texts[] = {&o.backend, &o.device, &o.variants, &o.threads, &o.isa,
                      &o.vulkan,  &o.dtype,  &o.budget,   &o.format,  &o.output};
    mop_strlist args = {0};
    mop_err err = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0)
        code = tune(&o, &err) == MOP_OK ? MOP_EXIT_DONE : mop_cli_fail(&err);
    mop_strlist_release(&args);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(*texts[i]);
    return code;
}
