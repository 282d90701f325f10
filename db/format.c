/* A table as text in four formats. */
#include <csv.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "db/csvcell.h"
#include "db/query.h"
#include "profiler/base/alloc.h"
#include "profiler/base/str.h"

bool mop_format_find(const char *name, mop_format *format)
{
    static const char *const names[] = {[MOP_FORMAT_TABLE] = "table",
                                        [MOP_FORMAT_CSV] = "csv",
                                        [MOP_FORMAT_JSON] = "json",
                                        [MOP_FORMAT_MD] = "md"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0) {
            *format = (mop_format)i;
            return true;
        }
    }
    return false;
}

static bool is_number(const mop_cell *c)
{
    return c->kind == MOP_CELL_INT || c->kind == MOP_CELL_REAL;
}

/* A column stands to the right if it has numbers and no text. */
static bool is_right(const mop_table *t, size_t col)
{
    bool numbers = false;
    for (size_t r = 0; r < t->n_rows; r++) {
        const mop_cell *c = &t->cells[r * t->n_cols + col];
        if (c->kind == MOP_CELL_TEXT)
            return false;
        numbers = numbers || is_number(c);
    }
    return numbers;
}

/* Text on one line, with what would break the layout replaced: control characters by a space, and
 * in Markdown the bar by \|. */
static void add_plain(mop_str *s, const char *text, bool is_md)
{
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        if (is_md && c == '|')
            mop_str_add(s, "\\|");
        else
            mop_str_addn(s, c < 32 || c == 127 ? " " : p, 1);
    }
}

static size_t characters(const char *utf8)
{
    size_t n = 0;
    for (; *utf8 != '\0'; utf8++)
        n += ((unsigned char)*utf8 & 0xc0) != 0x80;
    return n;
}

/* --- table and md
 * ----------------------------------------------------------------------------------- */

typedef struct layout {
    char **text; /* [(1 + n_rows) * n_cols], the header first */
    size_t *width;
    bool *right;
} layout;

static void layout_release(layout *l, const mop_table *t)
{
    for (size_t i = 0; l->text != NULL && i < (t->n_rows + 1) * t->n_cols; i++)
        free(l->text[i]);
    free(l->text);
    free(l->width);
    free(l->right);
}

static mop_status layout_make(layout *l, const mop_table *t, bool is_md, mop_err *err)
{
    size_t n = (t->n_rows + 1) * t->n_cols;
    l->text = mop_calloc(n, sizeof *l->text, err);
    l->width = mop_calloc(t->n_cols, sizeof *l->width, err);
    l->right = mop_calloc(t->n_cols, sizeof *l->right, err);
    if (l->text == NULL || l->width == NULL || l->right == NULL)
        return MOP_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        size_t col = i % t->n_cols, w;
        mop_str s = {0};
        mop_str_add(&s, "");
        add_plain(&s, i < t->n_cols ? t->cols[i] : t->cells[i - t->n_cols].text, is_md);
        if (s.failed) {
            mop_str_release(&s);
            return mop_fail(err, MOP_ENOMEM, "out of memory while laying out a table");
        }
        l->text[i] = s.text;
        w = characters(s.text);
        if (w > l->width[col])
            l->width[col] = w;
    }
    for (size_t c = 0; c < t->n_cols; c++) {
        l->right[c] = is_right(t, c);
        if (is_md && l->width[c] < 3)
            l->width[c] = 3; /* room for the rule */
    }
    return MOP_OK;
}

static void write_padded(const char *text, size_t width, bool right, bool is_last, FILE *out)
{
    size_t n = characters(text), pad = width > n ? width - n : 0;
    if (right)
        (void)fprintf(out, "%*s%s", (int)pad, "", text); /* ferror is looked at in the end */
    else if (is_last)
        (void)fprintf(out, "%s", text); /* no blanks at the end of a line */
    else
        (void)fprintf(out, "%s%*s", text, (int)pad, "");
}

static void write_plain(const layout *l, const mop_table *t, FILE *out)
{
    for (size_t r = 0; r <= t->n_rows; r++) {
        for (size_t c = 0; c < t->n_cols; c++) {
            (void)fputs(c > 0 ? "  " : "", out); /* ferror is looked at in the end */
            write_padded(l->text[r * t->n_cols + c], l->width[c], l->right[c], c + 1 == t->n_cols,
                         out);
        }
        (void)fputc('\n', out);
    }
}

static void write_md(const layout *l, const mop_table *t, FILE *out)
{
    for (size_t r = 0; r <= t->n_rows; r++) {
        for (size_t c = 0; c < t->n_cols; c++) {
            (void)fputs(c > 0 ? " " : "| ", out); /* ferror is looked at in the end */
            write_padded(l->text[r * t->n_cols + c], l->width[c], l->right[c], false, out);
            (void)fputs(" |", out);
        }
        (void)fputc('\n', out);
        for (size_t c = 0; r == 0 && c < t->n_cols; c++) {
            (void)fputs(c > 0 ? " " : "| ", out);
            for (size_t i = 0; i < l->width[c] - 1; i++)
                (void)fputc('-', out);
            (void)fputs(l->right[c] ? ": |" : "- |", out);
        }
        if (r == 0)
            (void)fputc('\n', out);
    }
}

static mop_status write_layout(const mop_table *t, bool is_md, FILE *out, mop_err *err)
{
    layout l = {0};
    mop_status st = layout_make(&l, t, is_md, err);
    if (st == MOP_OK && is_md)
        write_md(&l, t, out);
    else if (st == MOP_OK)
        write_plain(&l, t, out);
    layout_release(&l, t);
    return st;
}

/* --- csv
 * --------------------------------------------------------------------------------------------- */

static void write_csv(const mop_table *t, FILE *out)
{
    for (size_t c = 0; c < t->n_cols; c++) {
        (void)fputs(c > 0 ? "," : "", out); /* ferror is looked at in the end */
        mop_csv_put_text(t->cols[c], strlen(t->cols[c]), out);
    }
    (void)fputc('\n', out);
    for (size_t i = 0; i < t->n_rows * t->n_cols; i++) {
        const mop_cell *cell = &t->cells[i];
        size_t c = i % t->n_cols;
        (void)fputs(c > 0 ? "," : "", out);
        if (cell->kind == MOP_CELL_REAL)
            (void)fprintf(out, "%.17g", cell->r);
        else if (cell->kind == MOP_CELL_INT)
            (void)fputs(cell->text, out);
        else if (cell->kind == MOP_CELL_TEXT)
            mop_csv_put_text(cell->text, strlen(cell->text), out);
        if (c + 1 == t->n_cols)
            (void)fputc('\n', out);
    }
}

/* --- json
 * -------------------------------------------------------------------------------------------- */

/* Length of the UTF-8 character at p, 0 if it is none. jansson refuses texts that are not UTF-8. */
static size_t utf8_length(const unsigned char *p)
{
    unsigned code;
    size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : 0;
    if (n == 0)
        n = (p[0] & 0xf0) == 0xe0 ? 3 : (p[0] & 0xf8) == 0xf0 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0; /* also stops at the terminator */
    if (n == 3) {
        code = (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
        return code >= 0x800 && (code < 0xd800 || code > 0xdfff) ? 3 : 0;
    }
    if (n == 4) {
        code = (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
        return code >= 0x10000 && code <= 0x10ffff ? 4 : 0;
    }
    return n;
}

/* Bytes that are not UTF-8 become U+FFFD. */
static json_t *json_text(const char *text)
{
    mop_str s = {0};
    json_t *j = NULL;
    mop_str_add(&s, "");
    while (*text != '\0') {
        size_t n = utf8_length((const unsigned char *)text);
        mop_str_addn(&s, n > 0 ? text : "\xef\xbf\xbd", n > 0 ? n : 3);
        text += n > 0 ? n : 1;
    }
    if (!s.failed)
        j = json_stringn(s.text, s.len);
    mop_str_release(&s);
    return j;
}

static json_t *json_cell(const mop_cell *c)
{
    switch (c->kind) {
    case MOP_CELL_INT:
        return json_integer(c->i);
    case MOP_CELL_REAL:
        return isfinite(c->r) ? json_real(c->r) : json_null(); /* JSON has no infinity */
    case MOP_CELL_TEXT:
        return json_text(c->text);
    default:
        return json_null();
    }
}

static bool add_member(json_t *object, const char *name, json_t *value)
{
    mop_str key = {0};
    bool ok;
    mop_str_add(&key, name);
    for (int i = 2; !key.failed && json_object_get(object, mop_str_get(&key)) != NULL; i++) {
        mop_str_release(&key);
        mop_str_addf(&key, "%s_%d", name, i);
    }
    ok = !key.failed && value != NULL &&
         json_object_set_new_nocheck(object, mop_str_get(&key), value) == 0;
    mop_str_release(&key);
    return ok;
}

static bool write_json_row(const mop_table *t, size_t r, FILE *out)
{
    json_t *object = json_object();
    bool ok = object != NULL;
    for (size_t c = 0; ok && c < t->n_cols; c++)
        ok = add_member(object, t->cols[c], json_cell(&t->cells[r * t->n_cols + c]));
    (void)fputs(r > 0 ? ",\n  " : "\n  ", out); /* ferror is looked at in the end */
    if (ok)
        ok = json_dumpf(object, out, JSON_REAL_PRECISION(17)) == 0 || ferror(out);
    json_decref(object);
    return ok;
}

static mop_status write_json(const mop_table *t, FILE *out, mop_err *err)
{
    (void)fputc('[', out); /* ferror is looked at in the end */
    for (size_t r = 0; r < t->n_rows; r++)
        if (!write_json_row(t, r, out))
            return mop_fail(err, MOP_ENOMEM, "out of memory while writing JSON");
    (void)fputs(t->n_rows > 0 ? "\n]\n" : "]\n", out);
    return MOP_OK;
}

mop_status mop_table_write(const mop_table *t, mop_format format, FILE *out, mop_err *err)
{
    mop_status st = MOP_OK;
    errno = 0;
    if (format == MOP_FORMAT_CSV)
        write_csv(t, out);
    else if (format == MOP_FORMAT_JSON)
        st = write_json(t, out, err);
    else
        st = write_layout(t, format == MOP_FORMAT_MD, out, err);
    if (st == MOP_OK && (fflush(out) != 0 || ferror(out)))
        st = mop_fail(err, MOP_EIO, "the output cannot be written: %s",
                      errno != 0 ? strerror(errno) : "write error");
    return st;
}
