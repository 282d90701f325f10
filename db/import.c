/* Import in two steps over all files: the first reads and judges every one, so that a mistake in
 * the last file touches nothing; the second stores, in one transaction. */
#include "db/import.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "db/csv.h"
#include "db/csvread.h"
#include "db/importer.h"
#include "db/store_internal.h"
#include "profiler/base/alloc.h"
#include "profiler/base/text.h"

typedef struct importer {
    const char *name, *engine, *what;
    mop_import_is_fn *is;
    mop_import_read_fn *read;
} importer;

static const importer importers[] = {
#define MOP_IMPORTER_ROW(name, engine, what)                                                       \
    {#name, engine, what, mop_import_##name##_is, mop_import_##name##_read},
#include "db/importers.def"
#undef MOP_IMPORTER_ROW
};

enum { N_IMPORTERS = sizeof importers / sizeof importers[0] };

typedef struct file {
    mop_input in;
    const importer *format; /* NULL: a file of moprof */
    mop_external_list list;
} file;

const char *mop_import_format(size_t i, const char **what)
{
    *what = i == 0             ? "CSV that `moprof export` wrote"
            : i <= N_IMPORTERS ? importers[i - 1].what
                               : NULL;
    return i == 0 ? "moprof" : i <= N_IMPORTERS ? importers[i - 1].name : NULL;
}

/* --- which format --- */

static mop_status unknown_format(const char *word, mop_err *err)
{
    const char *names[N_IMPORTERS + 1] = {"moprof"}, *nearest;
    for (size_t i = 0; i < N_IMPORTERS; i++)
        names[i + 1] = importers[i].name;
    nearest = mop_nearest(word, names, N_IMPORTERS + 1);
    return mop_fail(err, MOP_EINVAL,
                    "there is no format '%.40s'%s%s; there are auto, moprof, onnxruntime, ncnn, "
                    "litert and generic",
                    word, nearest != NULL ? "; the nearest is " : "",
                    nearest != NULL ? nearest : "");
}

/* Whether the first line names columns that only moprof writes; cheap, for such files are large. */
static bool is_own(mop_input *in)
{
    static const char *const words[] = {"sweep_started_utc", "measurement_threads",
                                        "sample_batched"};
    char head[8192];
    size_t n;
    rewind(in->f);
    n = fread(head, 1, sizeof head - 1, in->f);
    head[n] = '\0';
    head[strcspn(head, "\n")] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strstr(head, words[i]) != NULL)
            return true;
    return false;
}

static mop_status find_format(const mop_import_text *t, const char *asked, const importer **out,
                              mop_err *err)
{
    for (size_t i = 0; i < N_IMPORTERS; i++) {
        if (asked != NULL ? strcmp(asked, importers[i].name) == 0 : importers[i].is(t)) {
            *out = &importers[i];
            return MOP_OK;
        }
    }
    return mop_fail(err, MOP_EINVAL,
                    "%.100s is in no format that moprof knows; if it is one of moprof, "
                    "onnxruntime, ncnn, litert or generic, --format says so",
                    t->in->path);
}

/* --- what the options add --- */

static mop_status fail_row(const file *f, const mop_external *row, const char *sentence,
                           mop_err *err)
{
    return mop_csv_fail(f->in.path, (mop_csv_at){row->row, 1}, MOP_EINVAL, sentence, err);
}

static mop_status fill_text(const file *f, const mop_external *row, const char *name,
                            const char *option, char *field, size_t size, mop_err *err)
{
    char words[150];
    if (option == NULL || strcmp(option, field) == 0)
        return MOP_OK;
    if (field[0] == '\0' && strlen(option) < size) {
        (void)snprintf(field, size, "%s", option); /* fits */
        return MOP_OK;
    }
    if (field[0] == '\0')
        return mop_fail(err, MOP_EINVAL, "--%s takes at most %zu bytes", name, size - 1);
    (void)snprintf(words, sizeof words, "the file says %s %.40s, and --%s says %.40s", name, field,
                   name, option); /* fits */
    return fail_row(f, row, words, err);
}

static mop_status fill_count(const file *f, const mop_external *row, const char *name,
                             int32_t option, int32_t *field, mop_err *err)
{
    char words[100];
    if (option == 0 || option == *field)
        return MOP_OK;
    if (*field == 0) {
        *field = option;
        return MOP_OK;
    }
    (void)snprintf(words, sizeof words, "the file says %s %d, and --%s says %d", name, (int)*field,
                   name, (int)option); /* fits */
    return fail_row(f, row, words, err);
}

static mop_status fill_variant(const file *f, mop_external *row, const mop_import_options *o,
                               mop_err *err)
{
    char own[sizeof row->variant];
    if (o->variant != NULL) {
        if (strlen(o->variant) >= sizeof own)
            return mop_fail(err, MOP_EINVAL, "--variant takes at most %zu bytes", sizeof own - 1);
        (void)snprintf(row->variant, sizeof own, "%s", o->variant); /* fits */
        return MOP_OK;
    }
    if (row->variant[0] == '\0')
        return fail_row(f, row, "the file does not name the network here: --variant says it", err);
    memcpy(own, row->variant, sizeof own);
    if (o->rename == NULL || !o->rename(own, row->variant, sizeof own))
        memcpy(row->variant, own, sizeof own);
    return MOP_OK;
}

static mop_status fill(const file *f, mop_external *row, const mop_import_options *o, mop_err *err)
{
    mop_status st = fill_variant(f, row, o, err);
    if (st == MOP_OK)
        st = fill_text(f, row, "engine", o->engine, row->engine, sizeof row->engine, err);
    if (st == MOP_OK && row->engine[0] == '\0' && f->format->engine[0] == '\0')
        return fail_row(f, row, "the file does not name the engine here: --engine says it", err);
    if (st == MOP_OK && row->engine[0] == '\0')
        (void)snprintf(row->engine, sizeof row->engine, "%s", f->format->engine); /* fits */
    if (st == MOP_OK && strcmp(row->engine, "moprof") == 0)
        return fail_row(f, row, "moprof is no other engine: its own results come by export", err);
    if (st == MOP_OK)
        st = fill_text(f, row, "engine-version", o->engine_version, row->engine_version,
                       sizeof row->engine_version, err);
    if (st == MOP_OK)
        st = fill_text(f, row, "device", o->device, row->device, sizeof row->device, err);
    if (st == MOP_OK && row->device[0] == '\0')
        (void)snprintf(row->device, sizeof row->device, "%s", row->where); /* fits */
    if (st == MOP_OK && row->dtype[0] == '\0') /* a tool that names one knows better */
        st = fill_text(f, row, "dtype", o->dtype, row->dtype, sizeof row->dtype, err);
    if (st == MOP_OK)
        st = fill_count(f, row, "threads", o->threads, &row->threads, err);
    if (st == MOP_OK)
        st = fill_count(f, row, "batch", o->batch, &row->batch, err);
    if (st == MOP_OK && row->batch == 0)
        row->batch = 1;
    return st;
}

/* Statistics of one sample lie between its ends; tools round to 6 digits. */
static mop_status check_times(const file *f, const mop_external *row, mop_err *err)
{
    const double rounding = 1e-4;
    const struct {
        const char *name;
        double ns;
    } between[] = {{"mean", row->mean_ns},
                   {"median", row->median_ns},
                   {"p90", row->p90_ns},
                   {"p99", row->p99_ns},
                   {"max", row->max_ns}};
    char words[100];
    if (isnan(row->mean_ns) && isnan(row->median_ns) && isnan(row->min_ns))
        return fail_row(f, row, "the result has neither a median nor a mean nor a minimum", err);
    for (size_t i = 0; i < sizeof between / sizeof between[0]; i++) {
        if (between[i].ns < row->min_ns * (1 - rounding) ||
            between[i].ns > row->max_ns * (1 + rounding)) {
            (void)snprintf(words, sizeof words, "the %s does not lie between minimum and maximum",
                           between[i].name); /* fits */
            return fail_row(f, row, words, err);
        }
    }
    return MOP_OK;
}

/* --variant names one network, so the file must hold only one. */
static mop_status check_single(const file *f, const mop_import_options *o, mop_err *err)
{
    for (size_t i = 1; i < f->list.n && o->variant != NULL; i++)
        if (strcmp(f->list.rows[i].variant, f->list.rows[0].variant) != 0)
            return fail_row(f, &f->list.rows[i],
                            "the file holds more than one network, and --variant names one", err);
    return MOP_OK;
}

/* --- reading --- */

static mop_status read_external(file *f, const mop_import_options *o, const char *format,
                                mop_err *err)
{
    char *text = NULL;
    mop_import_text t = {.in = &f->in};
    mop_status st = mop_input_text(&f->in, &text, &t.len, err);
    if (st != MOP_OK)
        return st;
    t.text = text;
    st = find_format(&t, format, &f->format, err);
    if (st == MOP_OK)
        st = f->format->read(&t, &f->list, err);
    if (st == MOP_OK)
        st = check_single(f, o, err);
    for (size_t i = 0; i < f->list.n && st == MOP_OK; i++) {
        st = fill(f, &f->list.rows[i], o, err);
        if (st == MOP_OK)
            st = check_times(f, &f->list.rows[i], err);
    }
    free(text);
    return st;
}

static mop_status read_file(const char *path, file *f, const mop_import_options *o, mop_err *err)
{
    const char *format = o->format;
    mop_status st;
    if (format != NULL && strcmp(format, "auto") == 0)
        format = NULL;
    st = mop_input_open(path, &f->in, err);
    if (st != MOP_OK)
        return st;
    if (format != NULL ? strcmp(format, "moprof") == 0 : is_own(&f->in))
        return mop_csv_check(&f->in, err);
    return read_external(f, o, format, err);
}

/* --- storing --- */

static void bind_time(sqlite3_stmt *stmt, int at, double ns)
{
    (void)sqlite3_bind_double(stmt, at, ns); /* NaN is NULL; the index is in range */
}

static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    (void)sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC); /* kept until the step */
}

static void bind_row(sqlite3_stmt *stmt, const file *f, const mop_external *row, const char *hash)
{
    bind_text(stmt, 1, row->engine);
    bind_text(stmt, 2, row->engine_version);
    bind_text(stmt, 3, row->variant);
    bind_text(stmt, 4, row->device);
    bind_text(stmt, 5, row->dtype);
    if (row->threads > 0)
        (void)sqlite3_bind_int(stmt, 6, row->threads); /* unbound is NULL */
    (void)sqlite3_bind_int(stmt, 7, row->batch);
    if (row->n > 0)
        (void)sqlite3_bind_int64(stmt, 8, row->n);
    bind_time(stmt, 9, row->min_ns);
    bind_time(stmt, 10, row->mean_ns);
    bind_time(stmt, 11, row->median_ns);
    bind_time(stmt, 12, row->p90_ns);
    bind_time(stmt, 13, row->p99_ns);
    bind_time(stmt, 14, row->max_ns);
    bind_text(stmt, 15, f->format->name);
    bind_text(stmt, 16, f->in.source);
    bind_text(stmt, 17, hash);
    (void)sqlite3_bind_int64(stmt, 18, (int64_t)row->row);
}

static mop_status store_external(const file *f, mop_store *store, mop_import_result *result,
                                 mop_err *err)
{
    sqlite3_stmt *stmt;
    char hash[17];
    mop_status st = mop_sql_prepare(
        store->db,
        "INSERT INTO external_result (engine, engine_version, variant, device, dtype, threads, "
        "batch, n, min_ns, mean_ns, median_ns, p90_ns, p99_ns, max_ns, format, source, "
        "source_hash, source_row, imported_utc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
        "?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) "
        "ON CONFLICT (source_hash, source_row) DO NOTHING",
        store->path, &stmt, err);
    if (st != MOP_OK)
        return st;
    (void)snprintf(hash, sizeof hash, "%016" PRIx64, f->in.hash); /* fits */
    for (size_t i = 0; i < f->list.n && st == MOP_OK; i++) {
        int rc;
        (void)sqlite3_clear_bindings(stmt); /* always SQLITE_OK */
        bind_row(stmt, f, &f->list.rows[i], hash);
        rc = sqlite3_step(stmt);
        if (rc != SQLITE_DONE)
            st = mop_sql_fail(store->db, rc, "cannot write to the database", store->path, err);
        else if (sqlite3_changes(store->db) > 0)
            result->n_new++;
        else
            result->n_known++;
        (void)sqlite3_reset(stmt); /* repeats the failure of the step */
    }
    (void)sqlite3_finalize(stmt);
    return st;
}

static mop_status store_files(const file *files, size_t n, mop_store *store,
                              mop_import_result *results, mop_err *err)
{
    mop_status st = mop_tx_begin(store, err);
    if (st != MOP_OK)
        return st;
    for (size_t i = 0; i < n && st == MOP_OK; i++) {
        const file *f = &files[i];
        (void)snprintf(results[i].format, sizeof results[i].format, "%s",
                       f->format != NULL ? f->format->name : "moprof"); /* fits */
        results[i].is_own = f->format == NULL;
        st = f->format != NULL
                 ? store_external(f, store, &results[i], err)
                 : mop_csv_store(&f->in, store, &results[i].n_new, &results[i].n_known, err);
    }
    return mop_tx_end(store, st, err);
}

static mop_status store_all(const file *files, size_t n, const char *db_path,
                            mop_import_result *results, mop_err *err)
{
    bool is_new = access(db_path, F_OK) != 0;
    mop_store *store;
    mop_status st = mop_store_open(db_path, &store, err), closed;
    if (st != MOP_OK)
        return st;
    st = store_files(files, n, store, results, err);
    closed = mop_store_close(store, err);
    if (st == MOP_OK)
        st = closed;
    if (st != MOP_OK && is_new)
        (void)unlink(db_path); /* it was made here and holds nothing */
    return st;
}

mop_status mop_import(const char *const *paths, size_t n, const char *db_path,
                      const mop_import_options *options, mop_import_result *results, mop_err *err)
{
    file *files = mop_calloc(n, sizeof *files, err);
    mop_import_result *counted = mop_calloc(n, sizeof *counted, err);
    mop_status st = files == NULL || counted == NULL ? MOP_ENOMEM : MOP_OK;
    bool is_known = options->format == NULL || strcmp(options->format, "auto") == 0;
    const char *name, *what;
    for (size_t i = 0; !is_known && (name = mop_import_format(i, &what)) != NULL; i++)
        is_known = strcmp(name, options->format) == 0;
    if (st == MOP_OK && !is_known)
        st = unknown_format(options->format, err);
    for (size_t i = 0; i < n && st == MOP_OK; i++)
        st = read_file(paths[i], &files[i], options, err);
    if (st == MOP_OK)
        st = store_all(files, n, db_path, counted, err);
    if (st == MOP_OK)
        memcpy(results, counted, n * sizeof *counted);
    for (size_t i = 0; i < n && files != NULL; i++) {
        mop_input_close(&files[i].in);
        free(files[i].list.rows);
    }
    free(counted);
    free(files);
    return st;
}

mop_status mop_csv_import(const char *csv_path, const char *db_path, mop_err *err)
{
    const mop_import_options own = {.format = "moprof"};
    mop_import_result result;
    return mop_import(&csv_path, 1, db_path, &own, &result, err);
}
