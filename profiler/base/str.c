#include "profiler/base/str.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mop_str_release(mop_str *s)
{
    if (s == NULL)
        return;
    free(s->text);
    *s = (mop_str){0};
}

static int reserve(mop_str *s, size_t more)
{
    size_t cap = s->cap > 0 ? s->cap : 64;
    char *p;
    if (s->failed || more > SIZE_MAX / 4 - s->len) {
        s->failed = 1;
        return 0;
    }
    while (cap < s->len + more + 1)
        cap *= 2;
    if (cap == s->cap)
        return 1;
    p = realloc(s->text, cap);
    if (p == NULL) {
        s->failed = 1;
        return 0;
    }
    s->text = p;
    s->cap = cap;
    return 1;
}

void mop_str_addn(mop_str *s, const char *text, size_t n)
{
    if (!reserve(s, n))
        return;
    memcpy(s->text + s->len, text, n);
    s->len += n;
    s->text[s->len] = '\0';
}

void mop_str_add(mop_str *s, const char *text)
{
    mop_str_addn(s, text, strlen(text));
}

void mop_str_addf(mop_str *s, const char *fmt, ...)
{
    va_list ap;
    int n;
    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        s->failed = 1;
        return;
    }
    if (!reserve(s, (size_t)n))
        return;
    va_start(ap, fmt);
    (void)vsnprintf(s->text + s->len, (size_t)n + 1, fmt, ap); /* room was reserved above */
    va_end(ap);
    s->len += (size_t)n;
}

const char *mop_str_get(const mop_str *s)
{
    return s->text != NULL ? s->text : "";
}

mop_status mop_str_status(const mop_str *s, mop_err *err)
{
    return s->failed ? mop_fail(err, MOP_ENOMEM, "out of memory while building a text") : MOP_OK;
}
