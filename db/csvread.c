/* libcsv knows no positions and its callbacks cannot stop it, so it is fed byte by byte: then the
 * byte at hand is the position, and a failure noted in a callback is seen at once. Its traps: a
 * byte order mark is data, ragged rows pass, and after an error csv_fini would still emit a row. */
#include "db/csvread.h"

#include <csv.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/str.h"

enum { BLOCK_BYTES = 64 << 10 };

typedef struct reader {
    const char *path;
    mop_csv_row_fn *fn;
    void *ctx;
    mop_err *err;
    mop_status st; /* of a callback */
    struct csv_parser parser;
    mop_csv_at here, field; /* the byte being fed; where the field under way began */
    bool in_row;
    mop_str text; /* of all cells of the row, each with its terminator */
    size_t *offset;
    mop_csv_cell *cells;
    size_t n, n_header, n_rows;
} reader;

mop_status mop_csv_fail(const char *path, mop_csv_at at, mop_status code, const char *sentence,
                        mop_err *err)
{
    return mop_fail(err, code, "%.80s:%zu:%zu: %.150s", path, at.line, at.column, sentence);
}

static void *capped_realloc(void *p, size_t bytes)
{
    return bytes > MOP_CSV_FIELD_BYTES ? NULL : realloc(p, bytes);
}

static void on_field(void *text, size_t len, void *ctx)
{
    reader *r = ctx;
    size_t most = r->n_rows == 0 ? MOP_CSV_COLUMNS : r->n_header;
    char words[80];
    if (r->st != MOP_OK)
        return;
    if (r->n == most) {
        (void)snprintf(words, sizeof words, "this row has more than %zu fields", most); /* fits */
        r->st = mop_csv_fail(r->path, r->field, MOP_EINVAL, words, r->err);
        return;
    }
    r->offset[r->n] = r->text.len;
    r->cells[r->n] = (mop_csv_cell){.text = text, .len = len, .at = r->field};
    r->n++;
    if (text != NULL)
        mop_str_addn(&r->text, text, len);
    mop_str_addn(&r->text, "", 1);
    r->st = mop_str_status(&r->text, r->err);
    r->field = (mop_csv_at){r->here.line, r->here.column + 1};
}

static void on_row(int terminator, void *ctx)
{
    reader *r = ctx;
    char words[100];
    (void)terminator;
    if (r->st != MOP_OK)
        return;
    if (r->n_rows == 0)
        r->n_header = r->n;
    if (r->n < r->n_header) {
        (void)snprintf(words, sizeof words, "this row has %zu fields, and the header has %zu", r->n,
                       r->n_header); /* fits */
        r->st = mop_csv_fail(r->path, r->here, MOP_EINVAL, words, r->err);
        return;
    }
    for (size_t i = 0; i < r->n; i++)
        if (r->cells[i].text != NULL)
            r->cells[i].text = r->text.text + r->offset[i];
    r->st = r->fn(r->ctx, r->n_rows, r->cells, r->n, r->err);
    r->n_rows++;
    r->n = 0;
    r->text.len = 0; /* the room is used again */
    r->in_row = false;
}

static mop_status fail_parse(reader *r)
{
    int code = csv_error(&r->parser);
    if (code == CSV_ENOMEM || code == CSV_ETOOBIG) {
        if (csv_get_buffer_size(&r->parser) + BLOCK_BYTES > MOP_CSV_FIELD_BYTES)
            return mop_csv_fail(r->path, r->field, MOP_EINVAL, "this field is longer than 1 MiB",
                                r->err);
        return mop_fail(r->err, MOP_ENOMEM, "out of memory while reading %.150s", r->path);
    }
    return mop_csv_fail(r->path, r->here, MOP_EINVAL,
                        "a quote stands where CSV allows none (inside quotes it is doubled)",
                        r->err);
}

static mop_status feed(reader *r, char c)
{
    if (c == '\0')
        return mop_csv_fail(r->path, r->here, MOP_EINVAL, "there is a NUL byte in the text",
                            r->err);
    if (!r->in_row && c != '\n' && c != '\r') {
        r->in_row = true;
        r->field = r->here;
    }
    if (csv_parse(&r->parser, &c, 1, on_field, on_row, r) != 1)
        return fail_parse(r);
    if (c == '\n')
        r->here = (mop_csv_at){r->here.line + 1, 1};
    else
        r->here.column++;
    return r->st;
}

static mop_status feed_all(reader *r, FILE *f)
{
    static const char bom[] = "\xef\xbb\xbf";
    char block[BLOCK_BYTES];
    mop_status st = MOP_OK;
    bool is_first = true;
    size_t n;
    while (st == MOP_OK && (n = fread(block, 1, sizeof block, f)) > 0) {
        size_t from = is_first && n >= 3 && memcmp(block, bom, 3) == 0 ? 3 : 0;
        is_first = false;
        for (size_t i = from; st == MOP_OK && i < n; i++)
            st = feed(r, block[i]);
    }
    if (st != MOP_OK)
        return st;
    if (ferror(f))
        return mop_fail(r->err, MOP_EIO, "cannot read %.150s: %s", r->path, strerror(errno));
    if (csv_fini(&r->parser, on_field, on_row, r) != 0)
        return mop_csv_fail(r->path, r->field, MOP_EINVAL, "the quote that begins here never ends",
                            r->err);
    if (r->st == MOP_OK && r->n_rows == 0)
        return mop_csv_fail(r->path, r->here, MOP_EINVAL, "there is no header", r->err);
    return r->st;
}

static mop_status read_file(reader *r, FILE *f, mop_err *err)
{
    r->offset = mop_calloc(MOP_CSV_COLUMNS, sizeof *r->offset, err);
    r->cells = mop_calloc(MOP_CSV_COLUMNS, sizeof *r->cells, err);
    if (r->offset == NULL || r->cells == NULL)
        return MOP_ENOMEM;
    return feed_all(r, f);
}

mop_status mop_csv_read(FILE *f, const char *path, mop_csv_row_fn *fn, void *ctx, mop_err *err)
{
    reader r = {.path = path, .fn = fn, .ctx = ctx, .err = err, .here = {1, 1}, .field = {1, 1}};
    mop_status st;
    if (csv_init(&r.parser, CSV_STRICT | CSV_STRICT_FINI | CSV_EMPTY_IS_NULL) != 0)
        return mop_fail(err, MOP_EFAIL, "libcsv cannot start");
    csv_set_realloc_func(&r.parser, capped_realloc);
    csv_set_blk_size(&r.parser, BLOCK_BYTES);
    st = read_file(&r, f, err);
    csv_free(&r.parser);
    mop_str_release(&r.text);
    free(r.offset);
    free(r.cells);
    return st;
}
