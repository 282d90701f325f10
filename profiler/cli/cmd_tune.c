#include <stdlib.h>
#include <string.h>

#include "db/table.h"
#include "kernels/cpu/isa.h"
#include "profiler/cli/cli.h"
#include "profiler/engine/cpu_info.h"
#include "profiler/engine/tune.h"
#include "variants/variant.h"

struct typed {
    char *variants, *threads, *isa, *budget, *format, *output;
};

#define DEFAULT_BUDGET_NS UINT64_C(60000000000)

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

static mop_status understand(const struct typed *o, mop_device_choice *choice, uint64_t *budget,
                             mop_strlist *specs, mop_err *err)
{
    long threads = 1;
    mop_format format;
    mop_status status = mop_cli_format(o->format, o->output, &format, err);
    if (status == MOP_OK && o->threads != NULL)
        status = mop_cli_int("threads", o->threads, 1, mop_cpu_processors(), &threads, err);
    if (status == MOP_OK)
        status = mop_cli_isa_mask(o->isa, &choice->isa_mask, err);
    if (status == MOP_OK && o->budget != NULL)
        status = mop_cli_time("budget", o->budget, budget, err);
    if (status == MOP_OK)
        status = mop_specs_expand(o->variants != NULL ? o->variants : "all", specs, err);
    choice->threads = (int)threads;
    return status;
}

static mop_status tune(const struct typed *o, mop_err *err)
{
    const char *path = mop_cli_tune_path();
    uint64_t budget = DEFAULT_BUDGET_NS;
    char key[MOP_TUNE_KEY];
    mop_device_choice choice = {0};
    mop_device_info info;
    mop_strlist specs = {0};
    mop_tune t = {0};
    mop_err damaged = {0};
    mop_status status;
    if (path == NULL)
        return mop_fail(err, MOP_EINVAL,
                        "there is no place for the tuning: MOPROF_TUNE is empty, "
                        "or neither XDG_CACHE_HOME nor HOME is set");
    status = understand(o, &choice, &budget, &specs, err);
    if (status == MOP_OK && mop_tune_read(path, &t, &damaged) != MOP_OK)
        mop_cli_note("%s; it is replaced", damaged.msg);
    if (status == MOP_OK)
        status = mop_tune_measure(&specs, &choice, budget, &t, err);
    if (status == MOP_OK)
        status = mop_tune_write(path, &t, err);
    if (status == MOP_OK) {
        mop_cpu_describe(&info, choice.isa_mask, choice.threads);
        mop_tune_key(&info, key);
        status = show(o, &t, key, err);
        mop_cli_note("in %s for %s; MOPROF_TUNE= runs what is shipped", path, key);
    }
    mop_tune_release(&t);
    mop_strlist_release(&specs);
    return status;
}

int mop_cmd_tune(int argc, const char **argv)
{
    struct typed o = {0};
    const struct poptOption options[] = {
        {"variants", '\0', POPT_ARG_STRING, &o.variants, 0, "whose layers (default all)", "LIST"},
        {"threads", 't', POPT_ARG_STRING, &o.threads, 0, "threads (default 1)", "N"},
        {"isa", '\0', POPT_ARG_STRING, &o.isa, 0, "highest of scalar, avx2, avx512", "LEVEL"},
        {"budget", '\0', POPT_ARG_STRING, &o.budget, 0, "time for all of it (default 60s)", "TIME"},
        {"format", 'f', POPT_ARG_STRING, &o.format, 0, "table, csv, json or md", "FORMAT"},
        {"output", 'o', POPT_ARG_STRING, &o.output, 0, "write to FILE instead of stdout", "FILE"},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "tune",
        .args = "",
        .about =
            "Times the kernels that may compute a layer against each other, wherever there are\n"
            "several, and keeps the fastest for all later runs of this build on this processor at\n"
            "this number of threads: in $MOPROF_TUNE, else $XDG_CACHE_HOME/moprof/tune-cpu.json,\n"
            "else ~/.cache/moprof/tune-cpu.json. A device in use of it says so: \"avx2, tuned\n"
            "1a2b3c4d\". An empty MOPROF_TUNE runs what is shipped.\n\n"
            "  moprof tune\n"
            "  moprof tune --variants resnet18,cnn30 --threads 2 --budget 20s",
        .options = options,
    };
    char **texts[] = {&o.variants, &o.threads, &o.isa, &o.budget, &o.format, &o.output};
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
