/* What onnxruntime_perf_test writes (microsoft/onnxruntime, onnxruntime/test/perftest). Its result
 * file (PerformanceResult::DumpToFile in performance_runner.h) is appended to, a line a run without
 * a header: "model,seconds,peak working set,CPU usage,run", and with -s lines of text such as "P50
 * Latency is ..", which are passed over: the runs say it too. A run 0 begins another result. The
 * trace of -p (onnxruntime/core/common/profiler.cc) is a JSON array of events; each run is one
 * named "model_run" with its microseconds in "dur". The tool runs the network once before it
 * measures, so the first one is left out. The trace does not name the network. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "db/importer.h"
#include "profiler/base/alloc.h"

typedef struct runs {
    double *ns;
    size_t n, cap;
} runs;

static mop_status add_run(runs *r, double ns, mop_err *err)
{
    if (r->n == r->cap) {
        size_t more = r->cap > 0 ? r->cap * 2 : 256;
        double *grown = mop_realloc(r->ns, more, sizeof *grown, err);
        if (grown == NULL)
            return MOP_ENOMEM;
        r->ns = grown;
        r->cap = more;
    }
    r->ns[r->n++] = ns;
    return MOP_OK;
}

/* --- result file --- */

/* The four commas before the last four fields; a name may hold more of them. */
static bool find_commas(const mop_import_line *line, const char *comma[4])
{
    int left = 4;
    for (const char *p = line->text + line->len; p > line->text && left > 0; p--)
        if (p[-1] == ',')
            comma[--left] = p - 1;
    return left == 0;
}

static bool is_number(const char *from, const char *to)
{
    char *end;
    if (from == to || memchr("0123456789.-", *from, 12) == NULL)
        return false;
    (void)strtod(from, &end);
    return end == to;
}

static bool is_run(const mop_import_line *line, const char *comma[4])
{
    const char *end = line->text + line->len;
    if (!find_commas(line, comma))
        return false;
    for (int i = 0; i < 4; i++)
        if (!is_number(comma[i] + 1, i < 3 ? comma[i + 1] : end))
            return false;
    return true;
}

static bool is_remark(const mop_import_line *line)
{
    return line->len == 0 || mop_import_find(line, " Latency is ") != NULL ||
           mop_import_find(line, " Latency: ") != NULL;
}

/* Where the text begins after a byte order mark. */
static const char *begin(const mop_import_text *t)
{
    return t->text + (strncmp(t->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0);
}

static bool is_json(const mop_import_text *t)
{
    static const char blanks[] = " \t\r\n";
    const char *p = begin(t) + strspn(begin(t), blanks);
    if (*p != '[')
        return *p == '{';
    p++;
    p += strspn(p, blanks); /* logs of other tools begin with "[0 name of the GPU]" */
    return *p == '{' || *p == ']';
}

bool mop_import_onnxruntime_is(const mop_import_text *t)
{
    mop_import_line line = {0};
    const char *comma[4];
    if (is_json(t))
        return true;
    while (mop_import_next_line(t, &line))
        if (!is_remark(&line))
            return is_run(&line, comma);
    return false;
}

static mop_status end_result(mop_external *row, runs *r, mop_external_list *list, mop_err *err)
{
    if (r->n == 0)
        return MOP_OK;
    mop_external_from_runs(row, r->ns, r->n);
    r->n = 0;
    return mop_external_add(list, row, err);
}

static mop_status read_run(const mop_import_text *t, const mop_import_line *line, mop_external *row,
                           runs *r, mop_external_list *list, mop_err *err)
{
    const char *comma[4], *at;
    char name[sizeof row->variant];
    double seconds;
    mop_status st;
    if (!is_run(line, comma))
        return mop_import_fail_at(
            t, line->text, "a run is MODEL,SECONDS,MEMORY,CPU,NUMBER, and this is none", err);
    mop_import_copy(line->text, comma[0], name, sizeof name);
    if (strcmp(name, row->variant) != 0 || strtod(comma[3] + 1, NULL) == 0) {
        st = end_result(row, r, list, err);
        if (st != MOP_OK)
            return st;
        *row = mop_external_none();
        memcpy(row->variant, name, sizeof name);
        row->row = line->number;
    }
    at = comma[0] + 1;
    st = mop_import_number(t, &at, MOP_IMPORT_MOST_NS / 1e9, "the time of a run", &seconds, err);
    return st == MOP_OK ? add_run(r, seconds * 1e9, err) : st;
}

static mop_status read_result_file(const mop_import_text *t, runs *r, mop_external_list *list,
                                   mop_err *err)
{
    mop_import_line line = {0};
    mop_external row = mop_external_none();
    mop_status st = MOP_OK;
    while (st == MOP_OK && mop_import_next_line(t, &line))
        if (!is_remark(&line))
            st = read_run(t, &line, &row, r, list, err);
    if (st == MOP_OK)
        st = end_result(&row, r, list, err);
    if (st == MOP_OK && list->n == 0)
        return mop_import_fail_at(t, t->text, "there is no run of onnxruntime_perf_test", err);
    return st;
}

/* --- trace --- */

static mop_status event_fail(const mop_import_text *t, size_t i, const char *what, mop_err *err)
{
    return mop_fail(err, MOP_EINVAL, "%.100s: event %zu of the trace %s", t->in->path, i + 1, what);
}

static mop_status read_events(const mop_import_text *t, const json_t *events, runs *r, mop_err *err)
{
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *event = json_array_get(events, i);
        const json_t *name = json_object_get(event, "name"), *dur = json_object_get(event, "dur");
        double us = json_is_number(dur) ? json_number_value(dur) : (double)NAN;
        mop_status st;
        if (!json_is_string(name))
            return event_fail(t, i, "has no name", err);
        if (strcmp(json_string_value(name), "model_run") != 0)
            continue;
        if (!(us > 0 && us <= MOP_IMPORT_MOST_NS / 1e3))
            return event_fail(t, i, "is a model_run whose \"dur\" is no time", err);
        st = add_run(r, us * 1e3, err);
        if (st != MOP_OK)
            return st;
    }
    return MOP_OK;
}

static mop_status read_trace(const mop_import_text *t, const json_t *events, runs *r,
                             mop_external_list *list, mop_err *err)
{
    mop_external row = mop_external_none();
    mop_status st;
    if (!json_is_array(events))
        return mop_fail(err, MOP_EINVAL,
                        "%.100s: a trace of onnxruntime is an array of events, and this is an "
                        "object",
                        t->in->path);
    st = read_events(t, events, r, err);
    if (st != MOP_OK)
        return st;
    if (r->n < 2)
        return mop_fail(err, MOP_EINVAL,
                        "%.100s: the trace has %zu events named model_run, and the first of at "
                        "least 2 is the run before the measured ones",
                        t->in->path, r->n);
    mop_external_from_runs(&row, r->ns + 1, r->n - 1);
    row.row = 1;
    return mop_external_add(list, &row, err);
}

static mop_status read_json(const mop_import_text *t, const char *from, runs *r,
                            mop_external_list *list, mop_err *err)
{
    json_error_t why;
    json_t *root = json_loadb(from, t->len - (size_t)(from - t->text), 0, &why);
    mop_status st;
    if (root == NULL && json_error_code(&why) == json_error_out_of_memory)
        return mop_fail(err, MOP_ENOMEM, "out of memory while reading %.150s", t->in->path);
    if (root == NULL)
        return mop_fail(err, MOP_EINVAL, "%.100s:%d:%d: %.120s", t->in->path, why.line, why.column,
                        why.text);
    st = read_trace(t, root, r, list, err);
    json_decref(root);
    return st;
}

mop_status mop_import_onnxruntime_read(const mop_import_text *t, mop_external_list *list,
                                       mop_err *err)
{
    runs r = {0};
    mop_status st =
        is_json(t) ? read_json(t, begin(t), &r, list, err) : read_result_file(t, &r, list, err);
    free(r.ns);
    return st;
}
