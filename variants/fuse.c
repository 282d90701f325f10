#include <stdio.h>
#include <string.h>

#include "profiler/base/text.h"
#include "variants/passes.h"

/* In the order in which a union is printed; a bit of mop_fuse each. */
static const char *const words[] = {"bn", "act", "add", "se", "dwpw", "none", "all"};

enum { BITS = 5, NONE = BITS, ALL, WORDS = sizeof words / sizeof words[0] };

const char *mop_fuse_name(unsigned flags, char out[MOP_FUSE_TEXT])
{
    size_t len = 0;
    if (flags == MOP_FUSE_NONE || flags == MOP_FUSE_ALL)
        return words[flags == MOP_FUSE_NONE ? NONE : ALL];
    for (int i = 0; i < BITS; i++)
        if ((flags & 1u << i) != 0)
            len += (size_t)snprintf(out + len, MOP_FUSE_TEXT - len, "%s%s", len > 0 ? "+" : "",
                                    words[i]); /* the five fit */
    return out;
}

static mop_status refuse(const char *word, size_t len, mop_err *err)
{
    char text[32];
    const char *near;
    (void)snprintf(text, sizeof text, "%.*s", len < 31 ? (int)len : 31, word); /* cut is fine */
    near = *text != '\0' ? mop_nearest(text, words, WORDS) : NULL;
    if (near != NULL && strcmp(near, text) == 0)
        near = NULL; /* none or all in a union */
    return mop_fail(err, MOP_EINVAL,
                    "there is no fusion '%s'%s%s%s: it takes none, all, or some of bn, act, add, "
                    "se and dwpw joined by +",
                    text, near != NULL ? "; the nearest is '" : "", near != NULL ? near : "",
                    near != NULL ? "'" : "");
}

mop_status mop_fuse_parse(const char *text, unsigned *flags, mop_err *err)
{
    unsigned sum = MOP_FUSE_NONE;
    if (strcmp(text, words[NONE]) == 0 || strcmp(text, words[ALL]) == 0) {
        *flags = strcmp(text, words[ALL]) == 0 ? MOP_FUSE_ALL : MOP_FUSE_NONE;
        return MOP_OK;
    }
    for (const char *word = text;; word++) {
        size_t len = strcspn(word, "+"), i = 0;
        while (i < BITS && (strlen(words[i]) != len || strncmp(words[i], word, len) != 0))
            i++;
        if (i == BITS)
            return refuse(word, len, err);
        sum |= 1u << i;
        word += len;
        if (*word == '\0')
            break;
    }
    *flags = sum;
    return MOP_OK;
}
