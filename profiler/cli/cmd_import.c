#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/import.h"
#include "profiler/base/alloc.h"
#include "profiler/cli/cli.h"
#include "variants/variant.h"

/* A name that is a spec, in its canonical spelling, or one that another tool has for it. */
static bool rename_network(const char *name, char *out, size_t size)
{
    static const struct {
        const char *name, *spec;
    } known[] = {
#define MOP_IMPORT_NAME(name, spec) {name, spec},
#include "profiler/cli/import_names.def"
#undef MOP_IMPORT_NAME
    };
    mop_spec spec;
    mop_err none = {0};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(name, known[i].name) == 0)
            name = known[i].spec;
    if (mop_spec_parse(name, &spec, &none) != MOP_OK)
        return false;
    return snprintf(out, size, "%s", spec.text) < (int)size;
}

static void tell(const char *path, const char *db, const mop_import_result *r)
{
    const char *what = r->is_own ? "sweep" : "result";
    if (r->n_new == 0)
        printf("%s: nothing new, %s holds its %zu %s%s (%s)\n", path, db, r->n_known, what,
               r->n_known == 1 ? "" : "s", r->format);
    else
        printf("%s: %zu %s%s added to %s (%s)\n", path, r->n_new, what, r->n_new == 1 ? "" : "s",
               db, r->format);
}

typedef struct texts {
    char *format, *engine, *version, *variant, *device, *threads, *batch, *dtype, *db;
} texts;

static const char *given(const char *text)
{
    return text != NULL && *text != '\0' ? text : NULL;
}

static mop_status read_options(const texts *t, char spec[MOP_SPEC_MAX], mop_import_options *o,
                               mop_err *err)
{
    long threads = 0, batch = 0;
    mop_status st = MOP_OK;
    if (given(t->variant) != NULL)
        st = mop_cli_one_spec(t->variant, spec, MOP_SPEC_MAX, err);
    if (st == MOP_OK && given(t->threads) != NULL)
        st = mop_cli_int("threads", t->threads, 1, 1000000, &threads, err);
    if (st == MOP_OK && given(t->batch) != NULL)
        st = mop_cli_int("batch", t->batch, 1, 1000000, &batch, err);
    *o = (mop_import_options){.format = given(t->format),
                              .engine = given(t->engine),
                              .engine_version = given(t->version),
                              .variant = given(t->variant) != NULL ? spec : NULL,
                              .device = given(t->device),
                              .dtype = given(t->dtype),
                              .threads = (int32_t)threads,
                              .batch = (int32_t)batch,
                              .rename = rename_network};
    return st;
}

static mop_status import_files(const mop_strlist *files, const texts *t, mop_err *err)
{
    char spec[MOP_SPEC_MAX];
    mop_import_options options;
    mop_import_result *results = mop_calloc(files->n, sizeof *results, err);
    mop_status st = results == NULL ? MOP_ENOMEM : read_options(t, spec, &options, err);
    if (st == MOP_OK)
        st = mop_import((const char *const *)files->items, files->n, mop_cli_db(t->db), &options,
                        results, err);
    for (size_t i = 0; i < files->n && st == MOP_OK; i++)
        tell(files->items[i], mop_cli_db(t->db), &results[i]);
    free(results);
    return st;
}

static void release(texts *t)
{
    free(t->format);
    free(t->engine);
    free(t->version);
    free(t->variant);
    free(t->device);
    free(t->threads);
    free(t->batch);
    free(t->dtype);
    free(t->db);
}

int mop_cmd_import(int argc, const char **argv)
{
    texts t = {0};
    const struct poptOption options[] = {
        {"format", 'f', POPT_ARG_STRING, &t.format, 0,
         "auto (the default), moprof, onnxruntime, ncnn, litert or generic", "FORMAT"},
        {"engine", '\0', POPT_ARG_STRING, &t.engine, 0, "what ran, if the file does not say",
         "NAME"},
        {"engine-version", '\0', POPT_ARG_STRING, &t.version, 0, "its version", "TEXT"},
        {"variant", '\0', POPT_ARG_STRING, &t.variant, 0, "the network, for files with one",
         "SPEC"},
        {"device", '\0', POPT_ARG_STRING, &t.device, 0, "where it ran", "NAME"},
        {"threads", '\0', POPT_ARG_STRING, &t.threads, 0, "if the file does not say", "N"},
        {"batch", '\0', POPT_ARG_STRING, &t.batch, 0, "if the file does not say (default 1)", "N"},
        {"dtype", '\0', POPT_ARG_STRING, &t.dtype, 0, "fp32, fp16, int8 ..., likewise", "TYPE"},
        {"db", '\0', POPT_ARG_STRING, &t.db, 0, "database to add to (default moprof.db)", "FILE"},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "import",
        .args = "FILE...",
        .about =
            "Adds results to a database, all files or none: those that `moprof export` wrote, and\n"
            "those of other engines' own tools (onnxruntime_perf_test, benchncnn, benchmark_model\n"
            "of LiteRT, or CSV with named columns), which stay apart as rows of another engine\n"
            "whose output nobody checked here. FILE - is standard input; pipes are fine. What is\n"
            "there already is not added again. docs/database.md has the formats.\n\n"
            "  moprof import results.csv --db other.db\n"
            "  ./benchncnn 50 1 2>&1 | moprof import - --engine-version 20240820\n"
            "  moprof import trace.json --variant mobileone-s0 --threads 1\n"
            "  moprof query engines",
        .options = options,
        .min_args = 1,
        .max_args = 64,
    };
    mop_strlist args = {0};
    mop_err err = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0)
        code = import_files(&args, &t, &err) == MOP_OK ? MOP_EXIT_DONE : mop_cli_fail(&err);
    mop_strlist_release(&args);
    release(&t);
    return code;
}
