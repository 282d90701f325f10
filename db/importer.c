#include "db/importer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "db/csvread.h"
#include "profiler/base/alloc.h"
#include "profiler/base/stats.h"
#include "profiler/base/stats_tail.h"

mop_external mop_external_none(void)
{
    const double none = (double)NAN;
    return (mop_external){.min_ns = none,
                          .mean_ns = none,
                          .median_ns = none,
                          .p90_ns = none,
                          .p99_ns = none,
                          .max_ns = none};
}

mop_status mop_external_add(mop_external_list *list, const mop_external *row, mop_err *err)
{
    if (list->n == MOP_IMPORT_ROWS)
        return mop_fail(err, MOP_EINVAL, "a file with more than %d results is not read",
                        MOP_IMPORT_ROWS);
    if (list->n == list->cap) {
        size_t more = list->cap > 0 ? list->cap * 2 : 16;
        mop_external *grown = mop_realloc(list->rows, more, sizeof *grown, err);
        if (grown == NULL)
            return MOP_ENOMEM;
        list->rows = grown;
        list->cap = more;
    }
    list->rows[list->n++] = *row;
    return MOP_OK;
}

void mop_external_from_runs(mop_external *row, double *ns, size_t n)
{
    mop_sort_f64(ns, n);
    row->n = (int64_t)n;
    row->min_ns = ns[0];
    row->max_ns = ns[n - 1];
    row->mean_ns = mop_mean(ns, n);
    row->median_ns = mop_quantile(ns, n, 0.5);
    row->p90_ns = mop_tail_estimate(ns, n, 0.9);
    row->p99_ns = mop_tail_estimate(ns, n, 0.99);
}

mop_status mop_import_fail_at(const mop_import_text *t, const char *at, const char *sentence,
                              mop_err *err)
{
    mop_csv_at place = {1, 1};
    for (const char *p = t->text; p < at; p++)
        place = *p == '\n' ? (mop_csv_at){place.line + 1, 1}
                           : (mop_csv_at){place.line, place.column + 1};
    return mop_csv_fail(t->in->path, place, MOP_EINVAL, sentence, err);
}

static const char *past_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

mop_status mop_import_number(const mop_import_text *t, const char **at, double most,
                             const char *what, double *out, mop_err *err)
{
    const char *p = past_blanks(*at);
    char *end = NULL, words[160];
    double v = (double)NAN;
    if ((*p >= '0' && *p <= '9') || *p == '.' || *p == '-')
        v = strtod(p, &end);
    if (end == NULL || end == p || !(v > 0 && v <= most)) {
        (void)snprintf(words, sizeof words, "%s cannot be \"%.*s\"", what,
                       (int)strnlen(p, strcspn(p, " \t\r\n,]") < 40 ? strcspn(p, " \t\r\n,]") : 40),
                       p); /* fits */
        return mop_import_fail_at(t, p, words, err);
    }
    *out = v;
    *at = end;
    return MOP_OK;
}

bool mop_import_word(const char **at, const char *word)
{
    const char *p = past_blanks(*at);
    size_t n = strlen(word);
    if (strncmp(p, word, n) != 0)
        return false;
    *at = p + n;
    return true;
}

bool mop_import_next_line(const mop_import_text *t, mop_import_line *line)
{
    const char *end = t->text + t->len, *feed;
    if (line->next == NULL)
        line->next = t->text;
    if (line->next >= end)
        return false;
    line->text = line->next;
    feed = memchr(line->text, '\n', (size_t)(end - line->text));
    line->next = feed != NULL ? feed + 1 : end;
    line->len = (size_t)((feed != NULL ? feed : end) - line->text);
    if (line->len > 0 && line->text[line->len - 1] == '\r')
        line->len--;
    line->number++;
    return true;
}

const char *mop_import_find(const mop_import_line *line, const char *word)
{
    return memmem(line->text, line->len, word, strlen(word));
}

void mop_import_copy(const char *from, const char *to, char *out, size_t size)
{
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r'))
        to--;
    (void)snprintf(out, size, "%.*s", (int)(to - from < (long)size ? to - from : (long)size),
                   from); /* cut is what is asked for */
}
