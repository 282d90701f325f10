#include "db/import_input.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "db/csvread.h"
#include "profiler/base/alloc.h"
#include "profiler/base/hash.h"
#include "profiler/base/str.h"

enum { BLOCK_BYTES = 64 << 10 };

static mop_status fail_read(const mop_input *in, const char *what, mop_err *err)
{
    return mop_fail(err, MOP_EIO, "cannot %s %.150s: %s", what, in->path,
                    strerror(errno != 0 ? errno : EIO));
}

/* Reads from to its end for the hash, and into copy unless that is NULL. */
static mop_status pass_over(mop_input *in, FILE *from, FILE *copy, mop_err *err)
{
    char block[BLOCK_BYTES];
    size_t n;
    errno = 0;
    in->hash = MOP_HASH_INIT;
    while ((n = fread(block, 1, sizeof block, from)) > 0) {
        in->hash = mop_hash(in->hash, block, n);
        if (copy != NULL && fwrite(block, 1, n, copy) != n)
            return fail_read(in, "keep a copy of", err);
    }
    if (ferror(from))
        return fail_read(in, "read", err);
    if (copy != NULL && fflush(copy) != 0)
        return fail_read(in, "keep a copy of", err);
    return MOP_OK;
}

static mop_status spool(mop_input *in, FILE *from, mop_err *err)
{
    FILE *copy = tmpfile();
    mop_status st;
    if (copy == NULL)
        return fail_read(in, "keep a copy of", err);
    st = pass_over(in, from, copy, err);
    if (st != MOP_OK) {
        (void)fclose(copy); /* it has no name and is given up */
        return st;
    }
    in->f = copy;
    return MOP_OK;
}

mop_status mop_input_open(const char *path, mop_input *in, mop_err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    const char *slash = strrchr(path, '/');
    mop_status st;
    FILE *f;
    *in = (mop_input){.path = is_stdin ? "standard input" : path};
    (void)snprintf(in->source, sizeof in->source, "%s",
                   is_stdin || slash == NULL ? in->path : slash + 1); /* cut is fine for a name */
    f = is_stdin ? stdin : fopen(path, "rb");
    if (f == NULL)
        return fail_read(in, "read", err);
    if (!is_stdin && fseek(f, 0, SEEK_SET) == 0) {
        st = pass_over(in, f, NULL, err);
        in->f = f;
    } else {
        st = spool(in, f, err);
        if (!is_stdin)
            (void)fclose(f); /* only read from */
    }
    if (st != MOP_OK)
        mop_input_close(in);
    else
        rewind(in->f);
    return st;
}

void mop_input_close(mop_input *in)
{
    if (in->f != NULL)
        (void)fclose(in->f); /* only read from */
    in->f = NULL;
}

static mop_status check_text(const mop_input *in, const char *text, size_t len, mop_err *err)
{
    const char *nul = memchr(text, '\0', len);
    mop_csv_at at = {1, 1};
    if (len == 0)
        return mop_csv_fail(in->path, at, MOP_EINVAL, "the file is empty", err);
    if (nul == NULL)
        return MOP_OK;
    for (const char *p = text; p < nul; p++)
        at = *p == '\n' ? (mop_csv_at){at.line + 1, 1} : (mop_csv_at){at.line, at.column + 1};
    return mop_csv_fail(in->path, at, MOP_EINVAL, "there is a NUL byte, so this is no text", err);
}

mop_status mop_input_text(mop_input *in, char **text, size_t *len, mop_err *err)
{
    char block[BLOCK_BYTES];
    mop_str s = {0};
    mop_status st;
    size_t n;
    rewind(in->f);
    mop_str_add(&s, "");
    while (s.len <= MOP_INPUT_TEXT_BYTES && (n = fread(block, 1, sizeof block, in->f)) > 0)
        mop_str_addn(&s, block, n);
    st = ferror(in->f) ? fail_read(in, "read", err) : mop_str_status(&s, err);
    if (st == MOP_OK && s.len > MOP_INPUT_TEXT_BYTES)
        st = mop_fail(err, MOP_EINVAL, "%.150s has more than %d MiB", in->path,
                      MOP_INPUT_TEXT_BYTES >> 20);
    if (st == MOP_OK)
        st = check_text(in, s.text, s.len, err);
    if (st != MOP_OK) {
        mop_str_release(&s);
        return st;
    }
    *text = s.text; /* the caller's now */
    *len = s.len;
    return MOP_OK;
}
