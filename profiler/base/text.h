/* Text helpers of the command line and of specs: brace lists, nearest spelling. */
#ifndef PROFILER_BASE_TEXT_H
#define PROFILER_BASE_TEXT_H

#include <stddef.h>

#include "profiler/base/status.h"

/* A list of strings that owns its items. */
typedef struct mop_strlist {
    char **items;
    size_t n, cap;
} mop_strlist;

void mop_strlist_release(mop_strlist *l); /* l may be NULL */
mop_status mop_strlist_add(mop_strlist *l, const char *text, mop_err *err);
int mop_strlist_has(const mop_strlist *l, const char *text);

/* Splits text at commas outside braces and expands brace lists: "a{0..2},b{x,y}" gives a0 a1 a2 bx
 * by; braces nest. Appends to out. MOP_EINVAL for an unbalanced brace, an empty item, or an
 * expansion beyond 10000 items; out is then as it was. */
mop_status mop_expand(const char *text, mop_strlist *out, mop_err *err);

/* The candidate nearest to word by optimal string alignment distance, or NULL if none is within
 * max(2, strlen(word) / 3) edits. The result is borrowed from candidates. */
const char *mop_nearest(const char *word, const char *const *candidates, size_t n);

/* Whether selector means thing `index` of n: by that number, by its uuid, or by a part of its name
 * in any case. A number below n is an index and no part of a name. */
int mop_selects(const char *selector, size_t index, size_t n, const char *name, const char *uuid);

#endif
