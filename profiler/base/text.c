#include "profiler/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"

enum { MAX_EXPANSION = 10000, MAX_ITEM = 512 };

void mop_strlist_release(mop_strlist *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i]);
    free(l->items);
    *l = (mop_strlist){0};
}

mop_status mop_strlist_add(mop_strlist *l, const char *text, mop_err *err)
{
    char *copy = mop_strdup(text, err);
    if (copy == NULL)
        return MOP_ENOMEM;
    if (l->n == l->cap) {
        size_t cap = l->cap > 0 ? 2 * l->cap : 16;
        char **items = mop_realloc(l->items, cap, sizeof *items, err);
        if (items == NULL) {
            free(copy);
            return MOP_ENOMEM;
        }
        l->items = items;
        l->cap = cap;
    }
    l->items[l->n++] = copy;
    return MOP_OK;
}

int mop_strlist_has(const mop_strlist *l, const char *text)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->items[i], text) == 0)
            return 1;
    return 0;
}

/* End of the item that starts at p: the next comma outside braces, a brace that closes nothing, or
 * the NUL. */
static const char *item_end(const char *p)
{
    int depth = 0;
    for (; *p != '\0'; p++) {
        if (*p == '{')
            depth++;
        else if (*p == '}' && depth-- == 0)
            return p;
        else if (*p == ',' && depth == 0)
            return p;
    }
    return p;
}

static mop_status expand_item(const char *item, mop_strlist *out, mop_err *err);

/* One alternative in place of the braces at [open, close]. */
static mop_status expand_with(const char *item, const char *open, const char *close,
                              const char *alt, size_t alt_len, mop_strlist *out, mop_err *err)
{
    char text[MAX_ITEM];
    int n = snprintf(text, sizeof text, "%.*s%.*s%s", (int)(open - item), item, (int)alt_len, alt,
                     close + 1);
    if (n < 0 || n >= (int)sizeof text)
        return mop_fail(err, MOP_EINVAL, "an item of the list is longer than %d characters",
                        MAX_ITEM - 1);
    return expand_item(text, out, err);
}

/* Braces [open, close] that hold a range "3..7". */
static mop_status expand_range(const char *item, const char *open, const char *close, long lo,
                               long hi, mop_strlist *out, mop_err *err)
{
    mop_status status = MOP_OK;
    if (hi < lo || (unsigned long)hi - (unsigned long)lo >= MAX_EXPANSION)
        return mop_fail(err, MOP_EINVAL, "the range {%ld..%ld} is empty or too long", lo, hi);
    for (long i = 0; i <= hi - lo && status == MOP_OK; i++) {
        char num[24];
        int n = snprintf(num, sizeof num, "%ld", lo + i);
        status = expand_with(item, open, close, num, (size_t)n, out, err);
    }
    return status;
}

static mop_status expand_item(const char *item, mop_strlist *out, mop_err *err)
{
    const char *open = strchr(item, '{');
    const char *close, *p;
    long lo, hi;
    int used = 0;
    mop_status status = MOP_OK;
    if (open == NULL) {
        if (*item == '\0')
            return mop_fail(err, MOP_EINVAL, "the list has an empty item");
        if (out->n >= MAX_EXPANSION)
            return mop_fail(err, MOP_EINVAL, "the list expands to more than %d items",
                            MAX_EXPANSION);
        return mop_strlist_add(out, item, err);
    }
    for (close = item_end(open + 1); *close == ','; close = item_end(close + 1))
        continue;
    if (*close != '}')
        return mop_fail(err, MOP_EINVAL, "the brace in '%s' is never closed", item);
    if (sscanf(open, "{%ld..%ld}%n", &lo, &hi, &used) == 2 && used == close - open + 1)
        return expand_range(item, open, close, lo, hi, out, err);
    for (p = open; p < close && status == MOP_OK;) {
        const char *end = item_end(p + 1);
        status = expand_with(item, open, close, p + 1, (size_t)(end - p - 1), out, err);
        p = end;
    }
    return status;
}

static mop_status expand_all(const char *text, mop_strlist *out, mop_err *err)
{
    const char *p = text;
    for (;;) {
        char item[MAX_ITEM];
        const char *end = item_end(p);
        mop_status status;
        if (*end == '}')
            return mop_fail(err, MOP_EINVAL, "a brace in '%s' closes nothing", text);
        if ((size_t)(end - p) >= sizeof item)
            return mop_fail(err, MOP_EINVAL, "an item of the list is longer than %d characters",
                            MAX_ITEM - 1);
        memcpy(item, p, (size_t)(end - p));
        item[end - p] = '\0';
        status = expand_item(item, out, err);
        if (status != MOP_OK || *end == '\0')
            return status;
        p = end + 1;
    }
}

mop_status mop_expand(const char *text, mop_strlist *out, mop_err *err)
{
    size_t before = out->n;
    mop_status status = expand_all(text, out, err);
    while (status != MOP_OK && out->n > before) /* the caller's list is as it was */
        free(out->items[--out->n]);
    return status;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: insertions, deletions, substitutions, swaps of neighbours. */
static size_t edits(const char *a, size_t n, const char *b, size_t m)
{
    size_t row[3][65];
    for (size_t j = 0; j <= m; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *cur = row[i % 3], *prev = row[(i + 2) % 3], *prev2 = row[(i + 1) % 3];
        cur[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            cur[j] = min_size(min_size(prev[j] + 1, cur[j - 1] + 1), prev[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cur[j] = min_size(cur[j], prev2[j - 2] + 1);
        }
    }
    return row[n % 3][m];
}

const char *mop_nearest(const char *word, const char *const *candidates, size_t n)
{
    size_t len = strlen(word);
    size_t best = (len / 3 > 2 ? len / 3 : 2) + 1;
    const char *found = NULL;
    if (len > 64)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t m = strlen(candidates[i]);
        size_t d;
        if (m > 64)
            continue;
        d = edits(word, len, candidates[i], m);
        if (d < best) {
            best = d;
            found = candidates[i];
        }
    }
    return found;
}

int mop_selects(const char *selector, size_t index, size_t n, const char *name, const char *uuid)
{
    char *end;
    unsigned long number = strtoul(selector, &end, 10);
    if (*selector >= '0' && *selector <= '9' && *end == '\0' && number < n)
        return number == index;
    return *selector != '\0' && (strcmp(selector, uuid) == 0 || strcasestr(name, selector) != NULL);
}
