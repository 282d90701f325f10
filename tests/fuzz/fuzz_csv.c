#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/csvcell.h"
#include "db/csvread.h"
#include "profiler/base/hash.h"
#include "tests/fuzz/fuzz.h"

typedef struct seen {
    uint64_t hash; /* of all cells */
    FILE *copy;
    bool is_lossy; /* a row that cannot be written so that it is read again */
} seen;

static mop_status see(void *ctx, size_t row, const mop_csv_cell *cells, size_t n, mop_err *err)
{
    seen *s = ctx;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        const mop_csv_cell *c = &cells[i];
        mop_fuzz_demand(c->at.line > 0 && c->at.column > 0, "a cell without a place");
        mop_fuzz_demand(c->text == NULL || strlen(c->text) == c->len, "a cell of another length");
        s->hash = mop_hash_u64(s->hash, c->text != NULL ? c->len : UINT64_MAX);
        if (c->text != NULL)
            s->hash = mop_hash(s->hash, c->text, c->len);
        if (row == 0 && i == 0 && c->text != NULL && strncmp(c->text, "\xef\xbb\xbf", 3) == 0)
            s->is_lossy = true;
        if (s->copy == NULL)
            continue;
        (void)fputs(i > 0 ? "," : "", s->copy); /* the second reading notices a failure */
        if (c->text != NULL)
            mop_csv_put_text(c->text, c->len, s->copy);
    }
    s->is_lossy |= n == 1 && cells[0].text == NULL; /* an empty line is no row */
    if (s->copy != NULL)
        (void)fputc('\n', s->copy);
    return MOP_OK;
}

static mop_status read_bytes(const void *bytes, size_t size, seen *s)
{
    mop_err err = {0};
    FILE *f = tmpfile();
    mop_status st;
    mop_fuzz_demand(f != NULL && fwrite(bytes, 1, size, f) == size, "no temporary file");
    rewind(f);
    st = mop_csv_read(f, "fuzz.csv", see, s, &err);
    mop_fuzz_demand_sentence(st != MOP_OK, err.msg);
    (void)fclose(f); /* it has no name */
    return st;
}

void mop_fuzz_csv(const uint8_t *data, size_t size)
{
    char *text = NULL;
    size_t n = 0;
    seen first = {.hash = MOP_HASH_INIT, .copy = open_memstream(&text, &n)};
    seen second = {.hash = MOP_HASH_INIT};
    mop_status st;
    mop_fuzz_demand(first.copy != NULL, "out of memory");
    st = read_bytes(data, size, &first);
    mop_fuzz_demand(fclose(first.copy) == 0, "out of memory");
    if (st == MOP_OK && !first.is_lossy) {
        mop_fuzz_demand(read_bytes(text, n, &second) == MOP_OK, "what was written is refused");
        mop_fuzz_demand(first.hash == second.hash, "what was written reads differently");
    }
    free(text);
}
