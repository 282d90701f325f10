#include "profiler/cli/compare_show.h"

#include <stdio.h>
#include <string.h>

#include "db/table.h"
#include "profiler/base/str.h"
#include "profiler/cli/cli.h"

mop_status mop_fail_on_parse(const char *text, mop_fail_on *out, mop_err *err)
{
    static const char *const words[] = {"faster", "slower", "unclear", "missing", "none"};
    static const mop_verdict verdicts[] = {MOP_VERDICT_FASTER, MOP_VERDICT_SLOWER,
                                           MOP_VERDICT_UNCLEAR, MOP_VERDICT_MISSING};
    mop_strlist list = {0};
    mop_status status = MOP_OK;
    *out = (mop_fail_on){0};
    if (text != NULL)
        status = mop_expand(text, &list, err);
    for (size_t i = 0; i < list.n && status == MOP_OK; i++) {
        size_t w = 0;
        while (w < 5 && strcmp(words[w], list.items[i]) != 0)
            w++;
        if (w < 4)
            out->on[verdicts[w]] = true;
        else if (w == 5)
            status =
                mop_fail(err, MOP_EINVAL,
                         "--fail-on takes slower, faster, unclear, missing or none, not '%.60s'",
                         list.items[i]);
    }
    mop_strlist_release(&list);
    return status;
}

int mop_fail_on_code(const mop_fail_on *fail_on, const mop_comparison *c)
{
    static const mop_verdict firm[] = {MOP_VERDICT_FASTER, MOP_VERDICT_SLOWER, MOP_VERDICT_MISSING};
    for (size_t i = 0; i < sizeof firm / sizeof firm[0]; i++)
        if (fail_on->on[firm[i]] && c->n[firm[i]] > 0)
            return MOP_EXIT_REGRESSION;
    return fail_on->on[MOP_VERDICT_UNCLEAR] && c->n[MOP_VERDICT_UNCLEAR] > 0 ? MOP_EXIT_UNDECIDED
                                                                             : MOP_EXIT_DONE;
}

static bool is_constant(const mop_table *t, size_t col)
{
    for (size_t r = 1; r < t->n_rows; r++)
        if (strcmp(t->cells[r * t->n_cols + col].text, t->cells[col].text) != 0)
            return false;
    return true;
}

static bool is_setting(const char *col)
{
    static const char *const settings[] = {"floor_percent", "backend", "threads",  "batch",
                                           "cache",         "fuse",    "winograd", "dtype",
                                           "isa",           "device"};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (strcmp(settings[i], col) == 0)
            return true;
    return false;
}

/* Whether a person need not see the column: it is empty, or said once in *common. */
static bool is_left_out(const mop_table *t, size_t col, mop_str *common)
{
    const char *text = t->n_rows > 0 ? t->cells[col].text : "";
    if (t->n_rows == 0 || !is_constant(t, col))
        return false;
    if (*text == '\0')
        return true;
    if (!is_setting(t->cols[col]))
        return false;
    mop_str_addf(common, "%s%s %s", common->len > 0 ? ", " : "", t->cols[col], text);
    return true;
}

static mop_status copy_cell(mop_cell *to, const mop_cell *from, mop_err *err)
{
    if (from->kind == MOP_CELL_NULL)
        return MOP_OK;
    mop_status status = mop_cell_set_text(to, from->text, err);
    if (status == MOP_OK) { /* the text a person reads stays, the number decides the alignment */
        to->kind = from->kind;
        to->i = from->i;
        to->r = from->r;
    }
    return status;
}

/* t without the columns that a person need not see; what they say goes to *common. */
static mop_status narrow(const mop_table *t, mop_table *out, mop_str *common, mop_err *err)
{
    const char *cols[64];
    size_t kept[64], n = 0;
    for (size_t c = 0; c < t->n_cols && n < 64; c++) {
        if (is_left_out(t, c, common))
            continue;
        cols[n] = t->cols[c];
        kept[n++] = c;
    }
    mop_status status = mop_table_start(out, cols, n, err);
    for (size_t r = 0; r < t->n_rows && status == MOP_OK; r++) {
        mop_cell *row = mop_table_row(out, err);
        status = row == NULL ? MOP_ENOMEM : MOP_OK;
        for (size_t k = 0; k < n && status == MOP_OK; k++)
            status = copy_cell(&row[k], &t->cells[r * t->n_cols + kept[k]], err);
    }
    return status == MOP_OK ? mop_str_status(common, err) : status;
}

static mop_status show_to_people(const mop_comparison *c, mop_err *err)
{
    mop_table t = {0};
    mop_str common = {0};
    mop_status status = narrow(&c->table, &t, &common, err);
    if (status == MOP_OK) {
        for (size_t i = 0; i < c->before.n; i++)
            printf("%s\n", c->before.items[i]);
        if (common.len > 0)
            printf("all rows: %s\n", mop_str_get(&common));
        printf("\n");
        status = mop_table_write(&t, MOP_FORMAT_TABLE, stdout, err);
        printf("\n");
        for (size_t i = 0; i < c->after.n; i++)
            printf("%s\n", c->after.items[i]);
    }
    mop_table_release(&t);
    mop_str_release(&common);
    return status;
}

mop_status mop_compare_show(const mop_comparison *c, const char *format, const char *file,
                            mop_err *err)
{
    mop_format f;
    bool is_stdout = file == NULL || strcmp(file, "-") == 0;
    mop_status status = mop_cli_format(format, file, &f, err);
    if (status != MOP_OK)
        return status;
    if (f == MOP_FORMAT_TABLE && is_stdout)
        return show_to_people(c, err);
    for (size_t i = 0; i < c->before.n; i++)
        mop_cli_note("%s", c->before.items[i]);
    status = mop_cli_write_table(&c->table, format, file, err);
    for (size_t i = 0; i < c->after.n && status == MOP_OK; i++)
        mop_cli_note("%s", c->after.items[i]);
    return status;
}
