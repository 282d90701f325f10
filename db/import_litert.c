/* What LiteRT's (TensorFlow Lite's) benchmark_model writes. Its log
 * (tensorflow/lite/tools/benchmark/ benchmark_model.cc): the network as "Graph: [path]", settings
 * such as "Num threads: [4]", for the timed runs "count=50 first=.. curr=.. min=.. max=.. avg=..
 * std=.. p5=.. median=.. p95=.." (of one run, or where all are the same, "count=1 curr=..") and
 * last "Inference timings in us: ..", everything in microseconds. The CSV of
 * --profiling_output_csv_file (stats_calculator.cc) has the operators, which are passed over, and
 * the total of the profiled runs as "Timings (microseconds): count=.." under "Operator-wise
 * Profiling Info for Regular Benchmark Runs". */
#include <stdlib.h>
#include <string.h>

#include "db/importer.h"

static const char log_mark[] = "Inference timings in us:";
static const char total_mark[] = "Timings (microseconds):";
static const char regular_mark[] = "Operator-wise Profiling Info for Regular Benchmark Runs";

bool mop_import_litert_is(const mop_import_text *t)
{
    return strstr(t->text, log_mark) != NULL || strstr(t->text, total_mark) != NULL;
}

typedef struct state {
    mop_external row;       /* settings so far, and the statistics last seen */
    bool has_stats, is_log; /* the file is a log, not only a profile */
    bool is_regular;        /* under the profile of the timed runs */
} state;

/* NAME=NUMBER anywhere in the line, in microseconds; absent ones stay. */
static mop_status read_stat(const mop_import_text *t, const mop_import_line *line, const char *name,
                            double unit, double *out, mop_err *err)
{
    const char *at = mop_import_find(line, name);
    double v;
    mop_status st;
    if (at == NULL)
        return MOP_OK;
    at += strlen(name);
    st = mop_import_number(t, &at, MOP_IMPORT_MOST_NS / unit, name, &v, err);
    if (st == MOP_OK)
        *out = v * unit;
    return st;
}

static mop_status read_stats(const mop_import_text *t, const mop_import_line *line, state *s,
                             mop_err *err)
{
    const struct {
        const char *name;
        double *to;
    } stats[] = {{" min=", &s->row.min_ns},
                 {" max=", &s->row.max_ns},
                 {" avg=", &s->row.mean_ns},
                 {" median=", &s->row.median_ns}};
    mop_external none = mop_external_none();
    double n = 0, only = 0;
    mop_status st;
    s->has_stats = false;
    if (mop_import_find(line, "count=0") != NULL)
        return MOP_OK; /* nothing ran */
    st = read_stat(t, line, "count=", 1, &n, err);
    for (size_t i = 0; i < sizeof stats / sizeof stats[0]; i++)
        *stats[i].to = none.min_ns;
    for (size_t i = 0; i < sizeof stats / sizeof stats[0] && st == MOP_OK; i++)
        st = read_stat(t, line, stats[i].name, 1e3, stats[i].to, err);
    if (st == MOP_OK && mop_import_find(line, " first=") == NULL) {
        st = read_stat(t, line, " curr=", 1e3, &only, err);
        for (size_t i = 0; i < sizeof stats / sizeof stats[0] && only > 0; i++)
            *stats[i].to = only;
    }
    s->row.n = n < 1e15 ? (int64_t)n : 0;
    s->row.row = line->number;
    s->has_stats = st == MOP_OK;
    return st;
}

/* "[VALUE]" after name: whether the line has it, and VALUE. */
static bool setting(const mop_import_line *line, const char *name, char *out, size_t size)
{
    const char *at = mop_import_find(line, name), *end = line->text + line->len, *close;
    if (at == NULL)
        return false;
    at += strlen(name);
    close = memchr(at, ']', (size_t)(end - at));
    if (close == NULL)
        return false;
    mop_import_copy(at, close, out, size);
    return true;
}

static void read_graph(const char *path, char *variant, size_t size)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    const char *end = name + strlen(name), *dot = strrchr(name, '.');
    mop_import_copy(name, dot != NULL && dot > name ? dot : end, variant, size);
}

static void read_setting(const mop_import_line *line, state *s)
{
    char text[512];
    if (setting(line, "Graph: [", text, sizeof text)) {
        s->row = mop_external_none(); /* another run of the tool begins */
        s->has_stats = false;
        (void)snprintf(s->row.where, sizeof s->row.where, "cpu"); /* fits */
        read_graph(text, s->row.variant, sizeof s->row.variant);
    } else if (setting(line, "#threads used for CPU inference: [", text, sizeof text) ||
               setting(line, "Num threads: [", text, sizeof text)) {
        size_t n = strlen(text); /* -1 leaves the number to the tool, which does not tell it */
        if (n > 0 && n < 6 && strspn(text, "0123456789") == n)
            s->row.threads = (int32_t)strtol(text, NULL, 10);
    } else if (setting(line, "Use gpu: [", text, sizeof text) && strcmp(text, "1") == 0) {
        (void)snprintf(s->row.where, sizeof s->row.where, "gpu"); /* fits */
    } else if (setting(line, "Use NNAPI: [", text, sizeof text) && strcmp(text, "1") == 0) {
        (void)snprintf(s->row.where, sizeof s->row.where, "nnapi"); /* fits */
    }
}

static mop_status read_line(const mop_import_text *t, const mop_import_line *line, state *s,
                            mop_external_list *list, mop_err *err)
{
    bool is_total = mop_import_find(line, total_mark) != NULL;
    mop_status st = MOP_OK;
    if (mop_import_find(line, regular_mark) != NULL) {
        s->is_regular = true;
    } else if (mop_import_find(line, log_mark) != NULL) {
        if (!s->has_stats) {
            s->row.row = line->number;
            st = read_stat(t, line, "Inference (avg):", 1e3, &s->row.mean_ns, err);
        }
        if (st == MOP_OK)
            st = mop_external_add(list, &s->row, err);
        s->has_stats = false;
    } else if (is_total && !s->is_log && s->is_regular) {
        st = read_stats(t, line, s, err);
        if (st == MOP_OK)
            st = mop_external_add(list, &s->row, err);
        s->is_regular = false; /* what follows are the totals of its further graphs */
    } else if (!is_total && s->is_log && mop_import_find(line, "count=") != NULL &&
               mop_import_find(line, "(bytes)") == NULL) {
        st = read_stats(t, line, s, err);
    } else {
        read_setting(line, s);
    }
    return st;
}

mop_status mop_import_litert_read(const mop_import_text *t, mop_external_list *list, mop_err *err)
{
    mop_import_line line = {0};
    state s = {.row = mop_external_none(), .is_log = strstr(t->text, log_mark) != NULL};
    mop_status st = MOP_OK;
    while (st == MOP_OK && mop_import_next_line(t, &line))
        st = read_line(t, &line, &s, list, err);
    if (st == MOP_OK && list->n == 0)
        return mop_import_fail_at(t, t->text,
                                  "there are no timings of regular runs of benchmark_model", err);
    return st;
}
