#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/csv.h"
#include "profiler/cli/cli.h"
#include "profiler/cli/compare_show.h"
#include "variants/passes.h"
#include "variants/variant.h"

/* The options as typed. */
struct typed {
    char *db, *fail_on, *margin, *backends, *threads, *batch, *cache, *fuse, *winograd, *dtype,
        *format, *output;
};

/* One side, opened. */
struct side {
    enum { OF_VARIANT, OF_SWEEP, OF_FILE } kind;
    mop_compare_side what;
    mop_db *db; /* its own; NULL where it reads the common one */
    char spec[MOP_SPEC_MAX];
    char name[256];
    char fuse[MOP_FUSE_TEXT], winograd[8], dtype[MOP_DTYPE_TEXT];
};

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);
    return n > k && strcmp(text + n - k, end) == 0;
}

static bool is_file(const char *text)
{
    struct stat st;
    return strchr(text, '/') != NULL || ends_in(text, ".db") || ends_in(text, ".csv") ||
           (stat(text, &st) == 0 && S_ISREG(st.st_mode));
}

static bool is_sqlite(const char *path)
{
    static const char magic[16] = "SQLite format 3"; /* with its NUL */
    char head[sizeof magic] = "";
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return false;
    size_t n = fread(head, 1, sizeof head, f);
    (void)fclose(f); /* was only read */
    return n == sizeof head && memcmp(head, magic, sizeof head) == 0;
}

/* Imports a CSV into a database of its own, which is gone from the folder once it is open. */
static mop_status open_baseline(const char *path, mop_db **db, mop_err *err)
{
    const char *tmp = getenv("TMPDIR");
    char dir[512], file[544];
    int n = snprintf(dir, sizeof dir, "%s/moprof-compare-XXXXXX",
                     tmp != NULL && *tmp != '\0' ? tmp : "/tmp");
    if (n < 0 || (size_t)n >= sizeof dir || mkdtemp(dir) == NULL)
        return mop_fail(err, MOP_EIO, "cannot make a folder for the baseline: %.150s", dir);
    (void)snprintf(file, sizeof file, "%s/baseline.db", dir); /* fits */
    mop_status status = mop_csv_import(path, file, err);
    if (status == MOP_OK)
        status = mop_db_open(file, db, err);
    (void)unlink(file); /* what stays behind is only untidy */
    (void)rmdir(dir);
    return status;
}

static mop_status open_file(struct side *s, const char *text, mop_err *err)
{
    mop_status status = ends_in(text, ".csv") && !is_sqlite(text) ? open_baseline(text, &s->db, err)
                                                                  : mop_db_open(text, &s->db, err);
    s->what.db = s->db;
    if (status == MOP_OK)
        status = mop_compare_newest(s->db, &s->what.sweep, err);
    (void)snprintf(s->name, sizeof s->name, "sweep %lld of %.200s", (long long)s->what.sweep, text);
    return status;
}

static mop_status understand(struct side *s, const char *text, mop_err *err)
{
    const char *number = strncmp(text, "sweep:", 6) == 0 ? text + 6 : text;
    long sweep;
    s->what.name = s->name;
    if (number != text || (*text != '\0' && text[strspn(text, "0123456789")] == '\0')) {
        mop_status status = mop_cli_int("sweep", number, 1, 1000000000, &sweep, err);
        s->kind = OF_SWEEP;
        s->what.sweep = status == MOP_OK ? sweep : 0;
        return status;
    }
    if (is_file(text)) {
        s->kind = OF_FILE;
        return open_file(s, text, err);
    }
    s->kind = OF_VARIANT;
    return mop_cli_one_spec(text, s->spec, sizeof s->spec, err);
}

/* Sides that read the common database. */
static mop_status resolve(struct side *a, struct side *b, mop_db *db, mop_err *err)
{
    struct side *both[] = {a, b};
    mop_status status = MOP_OK;
    for (size_t i = 0; i < 2 && status == MOP_OK; i++) {
        struct side *s = both[i];
        if (s->kind == OF_FILE)
            continue;
        s->what.db = db;
        if (s->kind == OF_SWEEP)
            status = mop_compare_has_sweep(db, s->what.sweep, err);
        else
            s->what.variant = s->spec;
    }
    if (status == MOP_OK && a->kind == OF_VARIANT) {
        status = mop_compare_newest_with(&a->what, &b->what, &a->what.sweep, err);
        b->what.sweep = a->what.sweep;
    }
    for (size_t i = 0; i < 2 && status == MOP_OK; i++)
        if (both[i]->kind != OF_FILE)
            (void)snprintf(both[i]->name, sizeof both[i]->name, "sweep %lld of %.200s",
                           (long long)both[i]->what.sweep, mop_db_path(db));
    return status;
}

static mop_status open_sides(struct side *a, struct side *b, const mop_strlist *args,
                             const char *db_path, mop_db **db, mop_err *err)
{
    mop_status status = understand(a, args->items[0], err);
    if (status == MOP_OK)
        status = understand(b, args->items[1], err);
    if (status == MOP_OK && (a->kind == OF_VARIANT) != (b->kind == OF_VARIANT))
        return mop_fail(err, MOP_EINVAL,
                        "'%.60s' and '%.60s': compare takes two variants, or two of sweeps, "
                        "databases and baseline files",
                        args->items[0], args->items[1]);
    if (status == MOP_OK && (a->kind != OF_FILE || b->kind != OF_FILE))
        status = mop_db_open(db_path, db, err);
    return status == MOP_OK ? resolve(a, b, *db, err) : status;
}

/* Lists of the filter; the caller frees them. */
struct lists {
    mop_strlist backends;
    int *threads, *batches;
};

static mop_status take_filter(const struct typed *t, struct lists *l, mop_compare_filter *f,
                              mop_err *err)
{
    mop_status status = MOP_OK;
    if (t->backends != NULL)
        status = mop_cli_backends(t->backends, &l->backends, err);
    if (status == MOP_OK && t->threads != NULL)
        status = mop_cli_int_list("threads", t->threads, 0, 4096, &l->threads, &f->n_threads, err);
    if (status == MOP_OK && t->batch != NULL)
        status = mop_cli_int_list("batch", t->batch, 1, 4096, &l->batches, &f->n_batches, err);
    if (status == MOP_OK && t->margin != NULL)
        status = mop_cli_real("margin", t->margin, 0.0001, 1, &f->margin, err);
    f->backends = (void *)l->backends.items;
    f->n_backends = l->backends.n;
    f->threads = l->threads;
    f->batches = l->batches;
    f->cache = t->cache;
    return status;
}

/* One word for both sides, or one for each. */
static mop_status split_pair(const char *option, const char *text, mop_strlist *words, mop_err *err)
{
    mop_status status = mop_expand(text, words, err);
    if (status == MOP_OK && words->n == 1)
        status = mop_strlist_add(words, words->items[0], err);
    if (status == MOP_OK && words->n != 2)
        status = mop_fail(err, MOP_EINVAL, "--%s takes one for both sides or one for each, not %zu",
                          option, words->n);
    return status;
}

/* Which rows of each side are meant. */
static mop_status take_settings(const struct typed *t, struct side *const sides[2], mop_err *err)
{
    mop_strlist fuse = {0}, winograd = {0}, dtype = {0};
    mop_status status = t->fuse != NULL ? split_pair("fuse", t->fuse, &fuse, err) : MOP_OK;
    if (status == MOP_OK && t->winograd != NULL)
        status = split_pair("winograd", t->winograd, &winograd, err);
    if (status == MOP_OK && t->dtype != NULL)
        status = split_pair("dtype", t->dtype, &dtype, err);
    for (size_t i = 0; i < 2 && status == MOP_OK; i++) {
        struct side *s = sides[i];
        mop_plan_desc desc;
        status = mop_cli_switches(t->fuse != NULL ? fuse.items[i] : NULL,
                                  t->winograd != NULL ? winograd.items[i] : NULL,
                                  t->dtype != NULL ? dtype.items[i] : NULL, &desc, err);
        if (status != MOP_OK)
            break;
        char room[MOP_FUSE_TEXT];
        (void)snprintf(s->fuse, sizeof s->fuse, "%s", mop_fuse_name(desc.fuse, room)); /* fits */
        (void)snprintf(s->winograd, sizeof s->winograd, "%s",
                       mop_winograd_name(desc.no_winograd));                         /* likewise */
        (void)snprintf(s->dtype, sizeof s->dtype, "%s", mop_dtype_name(desc.dtype)); /* likewise */
        s->what.dtype = t->dtype != NULL ? s->dtype : NULL;
        s->what.fuse = t->fuse != NULL ? s->fuse : NULL;
        s->what.winograd = t->winograd != NULL ? s->winograd : NULL;
    }
    mop_strlist_release(&fuse);
    mop_strlist_release(&winograd);
    mop_strlist_release(&dtype);
    return status;
}

static int compare(const struct typed *t, const mop_strlist *args)
{
    struct side a = {0}, b = {0};
    struct lists lists = {0};
    mop_compare_filter filter = {0};
    mop_fail_on fail_on;
    mop_comparison c = {0};
    mop_format format;
    mop_db *db = NULL;
    mop_err err = {0};
    mop_status status = mop_fail_on_parse(t->fail_on, &fail_on, &err);
    if (status == MOP_OK)
        status = take_filter(t, &lists, &filter, &err);
    if (status == MOP_OK)
        status = take_settings(t, (struct side *const[]){&a, &b}, &err);
    if (status == MOP_OK)
        status = mop_cli_format(t->format, t->output, &format, &err);
    if (status == MOP_OK)
        status = open_sides(&a, &b, args, mop_cli_db(t->db), &db, &err);
    if (status == MOP_OK)
        status = mop_compare(&a.what, &b.what, &filter, &c, &err);
    if (status == MOP_OK)
        status = mop_compare_show(&c, t->format, t->output, &err);
    int code = status == MOP_OK ? mop_fail_on_code(&fail_on, &c) : mop_cli_fail(&err);
    mop_comparison_release(&c);
    mop_strlist_release(&lists.backends);
    free(lists.threads);
    free(lists.batches);
    mop_db_close(a.db);
    mop_db_close(b.db);
    mop_db_close(db);
    return code;
}

int mop_cmd_compare(int argc, const char **argv)
{
    struct typed t = {0};
    const struct poptOption options[] = {
        {"db", '\0', POPT_ARG_STRING, &t.db, 0, "database (default moprof.db)", "FILE"},
        {"fail-on", '\0', POPT_ARG_STRING, &t.fail_on, 0,
         "exit 3 on any of slower, faster, missing; 4 on unclear", "LIST"},
        {"margin", '\0', POPT_ARG_STRING, &t.margin, 0,
         "differences below this are SAME (default 0.01)", "R"},
        {"backends", 'b', POPT_ARG_STRING, &t.backends, 0, "only these", "LIST"},
        {"threads", 't', POPT_ARG_STRING, &t.threads, 0, "only these thread counts", "LIST"},
        {"batch", '\0', POPT_ARG_STRING, &t.batch, 0, "only these batch sizes", "LIST"},
        {"cache", '\0', POPT_ARG_STRING, &t.cache, 0, "only this cache mode", "MODE"},
        {"fuse", '\0', POPT_ARG_STRING, &t.fuse, 0,
         "only these fusions; two: those of A and those of B", "LIST"},
        {"winograd", '\0', POPT_ARG_STRING, &t.winograd, 0, "likewise auto, off, or one of each",
         "LIST"},
        {"dtype", '\0', POPT_ARG_STRING, &t.dtype, 0, "likewise fp32, fp16s, fp16, int8", "LIST"},
        {"format", 'f', POPT_ARG_STRING, &t.format, 0, "table, csv, json or md", "FORMAT"},
        {"output", 'o', POPT_ARG_STRING, &t.output, 0, "write to FILE instead of stdout", "FILE"},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "compare",
        .args = "A B",
        .about =
            "How much longer B takes than A, with a 95 % interval and a verdict: FASTER, SLOWER,\n"
            "SAME or UNCLEAR; never one below what the sweeps' own controls can tell apart.\n"
            "A and B are two variants (of the newest sweep that has both), or two of: a sweep's\n"
            "number (3 or sweep:3), a database (its newest sweep), a CSV file that `moprof "
            "export`\n"
            "wrote. docs/measuring.md, \"Comparing\", says how a verdict is made.\n\n"
            "  moprof compare mobileone-s0 mobilenetv2-1.0\n"
            "  moprof compare 3 4 --margin 0.02\n"
            "  moprof compare mobileone-s0 mobileone-s0 --fuse none,all\n"
            "  moprof compare 3 3 --winograd off,auto\n"
            "  moprof compare 3 3 --dtype fp32,fp16s\n\n"
            "In continuous integration: keep a baseline once, compare every later sweep to it.\n\n"
            "  moprof export -o base.csv\n"
            "  moprof compare base.csv moprof.db --fail-on slower,missing\n\n"
            "exit: 0 done, 3 a verdict of --fail-on came out, 4 only unclear ones did",
        .options = options,
        .min_args = 2,
        .max_args = 2,
    };
    mop_strlist args = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0)
        code = compare(&t, &args);
    mop_strlist_release(&args);
    char *texts[] = {t.db,    t.fail_on, t.margin,   t.backends, t.threads, t.batch,
                     t.cache, t.fuse,    t.winograd, t.dtype,    t.format,  t.output};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
    return code;
}
