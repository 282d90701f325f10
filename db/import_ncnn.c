/* What ncnn's benchncnn prints (Tencent/ncnn, benchmark/benchncnn.cpp): settings as "num_threads =
 * 4", then for each network "%20s  min = %7.2f  max = %7.2f  avg = %7.2f" in milliseconds over
 * loop_count runs. Other lines are messages of the library and are passed over. A network whose
 * name ends in _int8 is quantised. */
#include <string.h>

#include "db/importer.h"

bool mop_import_ncnn_is(const mop_import_text *t)
{
    mop_import_line line = {0};
    while (mop_import_next_line(t, &line))
        if (mop_import_find(&line, "min =") != NULL && mop_import_find(&line, "max =") != NULL &&
            mop_import_find(&line, "avg =") != NULL)
            return true;
    return false;
}

typedef struct settings {
    double loops, threads;
    char where[32];
} settings;

static mop_status read_setting(const mop_import_text *t, const mop_import_line *line, settings *s,
                               mop_err *err)
{
    const char *at = line->text;
    double gpu;
    if (mop_import_word(&at, "loop_count ="))
        return mop_import_number(t, &at, 1e9, "loop_count", &s->loops, err);
    if (mop_import_word(&at, "num_threads ="))
        return mop_import_number(t, &at, 1e6, "num_threads", &s->threads, err);
    if (!mop_import_word(&at, "gpu_device ="))
        return MOP_OK;
    if (mop_import_word(&at, "-1"))
        (void)snprintf(s->where, sizeof s->where, "cpu"); /* fits */
    else if (mop_import_word(&at, "0"))
        (void)snprintf(s->where, sizeof s->where, "gpu 0"); /* fits */
    else if (mop_import_number(t, &at, 1e6, "gpu_device", &gpu, err) == MOP_OK)
        (void)snprintf(s->where, sizeof s->where, "gpu %.0f", gpu); /* fits */
    else
        return MOP_EINVAL;
    return MOP_OK;
}

static mop_status read_result(const mop_import_text *t, const mop_import_line *line,
                              const char *min, const settings *s, mop_external_list *list,
                              mop_err *err)
{
    static const char *const words[] = {"min =", "max =", "avg ="};
    mop_external row = mop_external_none();
    const char *at = min;
    double ms[3];
    size_t n;
    mop_import_copy(line->text, min, row.variant, sizeof row.variant);
    for (int i = 0; i < 3; i++) {
        if (!mop_import_word(&at, words[i]))
            return mop_import_fail_at(
                t, at, "a result is NAME  min = MS  max = MS  avg = MS, and this is none", err);
        mop_status st = mop_import_number(t, &at, MOP_IMPORT_MOST_NS / 1e6, words[i], &ms[i], err);
        if (st != MOP_OK)
            return st;
    }
    row.min_ns = ms[0] * 1e6;
    row.max_ns = ms[1] * 1e6;
    row.mean_ns = ms[2] * 1e6;
    row.n = (int64_t)s->loops;
    row.threads = (int32_t)s->threads;
    (void)snprintf(row.where, sizeof row.where, "%s", s->where); /* same size */
    n = strlen(row.variant);
    if (n > 5 && strcmp(row.variant + n - 5, "_int8") == 0) {
        row.variant[n - 5] = '\0';
        (void)snprintf(row.dtype, sizeof row.dtype, "int8"); /* fits */
    }
    row.row = line->number;
    return mop_external_add(list, &row, err);
}

mop_status mop_import_ncnn_read(const mop_import_text *t, mop_external_list *list, mop_err *err)
{
    mop_import_line line = {0};
    settings s = {0};
    mop_status st = MOP_OK;
    while (st == MOP_OK && mop_import_next_line(t, &line)) {
        const char *min = mop_import_find(&line, "min =");
        if (min != NULL)
            st = read_result(t, &line, min, &s, list, err);
        else
            st = read_setting(t, &line, &s, err);
    }
    if (st == MOP_OK && list->n == 0)
        return mop_import_fail_at(
            t, t->text, "there is no line NAME  min = MS  max = MS  avg = MS of benchncnn", err);
    return st;
}
