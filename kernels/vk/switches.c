#include "kernels/vk/switches.h"

#include <stdio.h>
#include <string.h>

#include "profiler/base/text.h"

static const char *const off_words[] = {
#define MOP_VK_FEATURE_ROW(ID, word, version, extension, structure, bit, what) "no-" word,
#include "kernels/vk/features.def"
#undef MOP_VK_FEATURE_ROW
};

static const char no[] = "no-", lanes_word[] = "subgroup=";

static mop_status unknown(const char *word, mop_err *err)
{
    const char *words[MOP_VK_N_FEATURES + 3], *features[MOP_VK_N_FEATURES];
    memcpy(words, off_words, sizeof off_words);
    words[MOP_VK_N_FEATURES] = "staging";
    words[MOP_VK_N_FEATURES + 1] = "flush";
    words[MOP_VK_N_FEATURES + 2] = "subgroup=8";
    for (size_t i = 0; i < MOP_VK_N_FEATURES; i++)
        features[i] = off_words[i] + strlen(no);
    const char *near = mop_nearest(word, features, MOP_VK_N_FEATURES);
    if (near != NULL)
        near -= strlen(no); /* the feature alone was named */
    else
        near = mop_nearest(word, words, sizeof words / sizeof words[0]);
    return mop_fail(err, MOP_EINVAL, "there is no Vulkan switch '%.40s'; %s%s%s", word,
                    near != NULL ? "did you mean '" : "'no-FEATURE', 'staging', 'flush' and ",
                    near != NULL ? near : "'subgroup=N' are", near != NULL ? "'?" : "");
}

static mop_status take_lanes(const char *number, uint32_t *lanes, mop_err *err)
{
    unsigned n = 0;
    char rest;
    if (sscanf(number, "%3u%c", &n, &rest) != 1 || n < 4 || n > 64 || (n & (n - 1)) != 0)
        return mop_fail(err, MOP_EINVAL,
                        "a Vulkan subgroup has 4, 8, 16, 32 or 64 lanes, not '%.40s'", number);
    *lanes = n;
    return MOP_OK;
}

static mop_status take_word(const char *word, mop_vk_switches *s, mop_err *err)
{
    if (strcmp(word, "staging") == 0) {
        s->staging = true;
        return MOP_OK;
    }
    if (strcmp(word, "flush") == 0) {
        s->flush = true;
        return MOP_OK;
    }
    if (strncmp(word, lanes_word, strlen(lanes_word)) == 0)
        return take_lanes(word + strlen(lanes_word), &s->lanes, err);
    for (size_t i = 0; i < MOP_VK_N_FEATURES; i++) {
        if (strcmp(word, off_words[i]) == 0) {
            s->killed |= 1u << i;
            return MOP_OK;
        }
    }
    return unknown(word, err);
}

mop_status mop_vk_switches_parse(const char *text, mop_vk_switches *out, mop_err *err)
{
    mop_vk_switches s = {0};
    mop_strlist words = {0};
    mop_status status = MOP_OK;
    if (text != NULL && *text != '\0')
        status = mop_expand(text, &words, err);
    for (size_t i = 0; i < words.n && status == MOP_OK; i++)
        status = take_word(words.items[i], &s, err);
    mop_strlist_release(&words);
    if (status == MOP_OK)
        *out = s;
    return status;
}

const char *mop_vk_switches_name(const mop_vk_switches *s, const char *between,
                                 char out[MOP_VK_SWITCHES_TEXT])
{
    size_t n = 0;
    *out = '\0'; /* all words together fit */
    for (size_t i = 0; i < MOP_VK_N_FEATURES; i++)
        if ((s->killed >> i & 1) != 0)
            n += (size_t)snprintf(out + n, MOP_VK_SWITCHES_TEXT - n, "%s%s", n > 0 ? between : "",
                                  off_words[i]);
    if (s->staging)
        n += (size_t)snprintf(out + n, MOP_VK_SWITCHES_TEXT - n, "%sstaging", n > 0 ? between : "");
    if (s->flush)
        n += (size_t)snprintf(out + n, MOP_VK_SWITCHES_TEXT - n, "%sflush", n > 0 ? between : "");
    if (s->lanes != 0)
        (void)snprintf(out + n, MOP_VK_SWITCHES_TEXT - n, "%s%s%u", n > 0 ? between : "",
                       lanes_word, s->lanes);
    return out;
}
