/* A growable text: append, then read .text. Failure is sticky, so one check at the end suffices. */
#ifndef PROFILER_BASE_STR_H
#define PROFILER_BASE_STR_H

#include <stddef.h>

#include "profiler/base/status.h"

typedef struct mop_str {
    char *text; /* NUL-terminated, or NULL while empty; use mop_str_get() to read */
    size_t len, cap;
    int failed; /* an append ran out of memory; text is cut short */
} mop_str;

/* Starts as {0}. Frees the text and makes s empty again; s may be NULL. */
void mop_str_release(mop_str *s);

void mop_str_add(mop_str *s, const char *text);
void mop_str_addn(mop_str *s, const char *text, size_t n);
void mop_str_addf(mop_str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The text, "" while empty. Borrowed. */
const char *mop_str_get(const mop_str *s);

/* MOP_ENOMEM if any append failed. */
mop_status mop_str_status(const mop_str *s, mop_err *err);

#endif
