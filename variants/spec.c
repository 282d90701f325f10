/* Spec strings. The parts after the name may come in any order; mop_spec.text has the one canonical
 * spelling, from which parsing gives the same spec again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/str.h"
#include "variants/family.h"

enum {
    SIDE_MIN = 32, /* every family halves the map five times */
    SIDE_MAX = 1024,
    SIDE_DEFAULT = 224,
    BRANCHES_MAX = 8,
    MAX_CANDIDATES = 64
};

static const struct {
    const char *name;
    mop_block_act act;
} dynamic_acts[] = {{"dyrelu-a", MOP_BLOCK_ACT_DYRELU_A},
                    {"dyrelu-b", MOP_BLOCK_ACT_DYRELU_B},
                    {"dyshiftmax", MOP_BLOCK_ACT_DYSHIFTMAX}};

enum { N_DYNAMIC = sizeof dynamic_acts / sizeof dynamic_acts[0] };

/* --- blank-separated lists -------------------------------------------------------------------- */

bool mop_list_word(const char *list, size_t i, char *word, size_t size)
{
    for (;;) {
        size_t len = strcspn(list, " ");
        if (len == 0)
            return false;
        if (i-- == 0) {
            snprintf(word, size, "%.*s", (int)len, list);
            return true;
        }
        list += len + strspn(list + len, " ");
    }
}

int mop_list_find(const char *list, const char *word)
{
    char entry[MOP_SPEC_MAX];
    for (size_t i = 0; mop_list_word(list, i, entry, sizeof entry); i++)
        if (strcmp(entry, word) == 0)
            return (int)i;
    return -1;
}

/* What a list over the sizes says for one of them. */
static void own_word(const mop_family *family, const char *list, const char *size, char word[24])
{
    int i = mop_list_find(family->sizes, size);
    for (i = i < 0 ? 0 : i; i >= 0 && !mop_list_word(list, (size_t)i, word, 24);)
        i--;
}

static int32_t own_branches(const mop_family *family, const char *size)
{
    char word[24] = "";
    own_word(family, family->branches, size, word);
    return (int32_t)strtol(word, NULL, 10);
}

static mop_act own_act(const mop_family *family, const char *size)
{
    char word[24] = "";
    mop_act act = MOP_ACT_NONE;
    own_word(family, family->acts, size, word);
    (void)mop_act_find(word, &act); /* "none" is found too */
    return act;
}

int32_t mop_spec_branches(const mop_spec *spec)
{
    if (spec->branches != 0)
        return spec->branches;
    return own_branches(mop_family_find(spec->family), spec->size);
}

mop_act mop_spec_act(const mop_spec *spec)
{
    if (spec->act == MOP_BLOCK_ACT_PLAIN)
        return spec->plain_act;
    return own_act(mop_family_find(spec->family), spec->size);
}

/* --- sentences -------------------------------------------------------------------------------- */

/* "MESSAGE; did you mean 'X'?", or "MESSAGE; there is: LIST" if nothing is near. */
static mop_status suggest(mop_err *err, const char *message, const char *word,
                          const char *const *candidates, size_t n)
{
    const char *near = mop_nearest(word, candidates, n);
    mop_str list = {0};
    mop_status status;
    if (near != NULL)
        return mop_fail(err, MOP_EINVAL, "%s; did you mean '%s'?", message, near);
    for (size_t i = 0; i < n; i++)
        mop_str_addf(&list, "%s%s", i > 0 ? ", " : "", candidates[i]);
    status = mop_fail(err, MOP_EINVAL, "%s; there is: %s", message, mop_str_get(&list));
    mop_str_release(&list);
    return status;
}

/* A name as people write it: "mobileone-s0", "cnn30". */
typedef char head_name[48];

static mop_status unknown_name(const char *name, mop_err *err)
{
    head_name heads[MAX_CANDIDATES];
    const char *list[MAX_CANDIDATES];
    char message[160], size[16];
    const char *near;
    size_t n = 0, n_families = 0;
    for (; mop_family_at(n_families) != NULL; n_families++) {
        const mop_family *f = mop_family_at(n_families);
        if (n < MAX_CANDIDATES && (f->sizes[0] == '\0' || f->default_size[0] != '\0'))
            snprintf(heads[n++], sizeof heads[0], "%s", f->id);
        for (size_t i = 0; n < MAX_CANDIDATES && mop_list_word(f->sizes, i, size, sizeof size); i++)
            snprintf(heads[n++], sizeof heads[0], "%s-%s", f->id, size);
    }
    for (size_t i = 0; i < n; i++)
        list[i] = heads[i];
    snprintf(message, sizeof message, "there is no variant '%.80s'", name);
    near = mop_nearest(name, list, n);
    if (near != NULL)
        return suggest(err, message, near, list, n);
    for (size_t i = 0; i < n_families; i++)
        list[i] = mop_family_at(i)->id;
    snprintf(message, sizeof message, "there is no family '%.80s'", name);
    return suggest(err, message, name, list, n_families);
}

/* --- parts ------------------------------------------------------------------------------------ */

static mop_status parse_name(const char *name, mop_spec *spec, mop_err *err)
{
    const mop_family *family;
    const char *size = strchr(name, '-');
    char id[24];
    int len = size != NULL ? (int)(size - name) : (int)strlen(name);
    if (snprintf(id, sizeof id, "%.*s", len, name) >= (int)sizeof id)
        return unknown_name(name, err);
    family = mop_family_find(id);
    if (family == NULL)
        return unknown_name(name, err);
    size = size != NULL ? size + 1 : family->default_size;
    if (family->sizes[0] == '\0' && *size != '\0')
        return mop_fail(err, MOP_EINVAL, "%s has no sizes, but '%.40s' was asked for; write '%s'",
                        id, size, id);
    if (family->sizes[0] != '\0' && mop_list_find(family->sizes, size) < 0) {
        if (*size == '\0')
            return mop_fail(err, MOP_EINVAL, "%s needs a size: one of %s, as in '%s-%.*s'", id,
                            family->sizes, id, (int)strcspn(family->sizes, " "), family->sizes);
        return mop_fail(err, MOP_EINVAL, "%s has no size '%.40s'; its sizes are %s", id, size,
                        family->sizes);
    }
    snprintf(spec->family, sizeof spec->family, "%s", id);
    snprintf(spec->size, sizeof spec->size, "%s", size);
    return MOP_OK;
}

static mop_status parse_form(const char *text, mop_spec *spec, mop_err *err)
{
    static const char *const forms[] = {"deploy", "train"};
    char message[120];
    for (int i = 0; i < 2; i++) {
        if (strcmp(text, forms[i]) == 0) {
            spec->form = i == 0 ? MOP_FORM_DEPLOY : MOP_FORM_TRAIN;
            return MOP_OK;
        }
    }
    snprintf(message, sizeof message, "there is no form '%.60s'", text);
    return suggest(err, message, text, forms, 2);
}

static mop_status parse_act(const char *name, mop_spec *spec, mop_err *err)
{
    const char *list[MOP_ACT_COUNT + N_DYNAMIC];
    char message[120];
    size_t n = 0;
    mop_act act;
    if (mop_act_find(name, &act) && act != MOP_ACT_NONE) {
        const mop_act own = own_act(mop_family_find(spec->family), spec->size);
        spec->act = act == own ? MOP_BLOCK_ACT_DEFAULT : MOP_BLOCK_ACT_PLAIN;
        spec->plain_act = spec->act == MOP_BLOCK_ACT_PLAIN ? act : MOP_ACT_NONE;
        return MOP_OK;
    }
    for (size_t i = 0; i < N_DYNAMIC; i++) {
        if (strcmp(name, dynamic_acts[i].name) == 0) {
            spec->act = dynamic_acts[i].act;
            return MOP_OK;
        }
    }
    for (size_t i = 0; i < N_DYNAMIC; i++)
        list[n++] = dynamic_acts[i].name;
    for (int i = MOP_ACT_NONE + 1; i < MOP_ACT_COUNT; i++)
        list[n++] = mop_act_name((mop_act)i);
    snprintf(message, sizeof message, "there is no activation '%.60s'", name);
    return suggest(err, message, name, list, n);
}

/* A whole number of digits only in [lo, hi]; false otherwise. */
static bool parse_int(const char *text, size_t len, int32_t lo, int32_t hi, int32_t *out)
{
    int32_t v = 0;
    if (len == 0 || len > 6 || strspn(text, "0123456789") < len)
        return false;
    for (size_t i = 0; i < len; i++)
        v = v * 10 + (text[i] - '0');
    if (v < lo || v > hi)
        return false;
    *out = v;
    return true;
}

static mop_status parse_branches(const char *value, mop_spec *spec, mop_err *err)
{
    int32_t k;
    if (!parse_int(value, strlen(value), 1, BRANCHES_MAX, &k))
        return mop_fail(err, MOP_EINVAL, "branches=%.40s: must be a whole number from 1 to %d",
                        value, BRANCHES_MAX);
    spec->branches = k == own_branches(mop_family_find(spec->family), spec->size) ? 0 : k;
    return MOP_OK;
}

/* Modifiers in canonical order. */
static const struct {
    const char *name;
    unsigned bit;
    bool has_value;
} modifiers[] = {{"act", MOP_MOD_ACT, true},
                 {"se", MOP_MOD_SE, false},
                 {"skip", MOP_MOD_SKIP, false},
                 {"branches", MOP_MOD_BRANCHES, true}};

enum { N_MODIFIERS = sizeof modifiers / sizeof modifiers[0] };

static mop_status not_offered(const mop_family *family, const char *name, mop_err *err)
{
    mop_str offered = {0};
    mop_status status;
    for (size_t i = 0; i < N_MODIFIERS; i++)
        if ((family->modifiers & modifiers[i].bit) != 0)
            mop_str_addf(&offered, " +%s%s", modifiers[i].name, modifiers[i].has_value ? "=" : "");
    status = mop_fail(err, MOP_EINVAL, "%s does not offer '+%s'; it offers%s", family->id, name,
                      mop_str_get(&offered));
    mop_str_release(&offered);
    return status;
}

static mop_status apply_modifier(size_t i, const char *value, mop_spec *spec, mop_err *err)
{
    if (modifiers[i].has_value && (value == NULL || *value == '\0'))
        return mop_fail(err, MOP_EINVAL, "'+%s' needs a value, as in '+%s'", modifiers[i].name,
                        modifiers[i].bit == MOP_MOD_ACT ? "act=gelu" : "branches=4");
    if (!modifiers[i].has_value && value != NULL)
        return mop_fail(err, MOP_EINVAL, "'+%s' takes no value, but '%.40s' was given",
                        modifiers[i].name, value);
    switch (modifiers[i].bit) {
    case MOP_MOD_ACT:
        return parse_act(value, spec, err);
    case MOP_MOD_SE:
        spec->se = true;
        return MOP_OK;
    case MOP_MOD_SKIP:
        spec->skip = true;
        return MOP_OK;
    default:
        return parse_branches(value, spec, err);
    }
}

/* text is "name" or "name=value"; it is cut at the '='. */
static mop_status parse_modifier(char *text, unsigned *seen, mop_spec *spec, mop_err *err)
{
    const mop_family *family = mop_family_find(spec->family);
    const char *names[N_MODIFIERS];
    char message[120];
    char *value = strchr(text, '=');
    if (value != NULL)
        *value++ = '\0';
    for (size_t i = 0; i < N_MODIFIERS; i++) {
        names[i] = modifiers[i].name;
        if (strcmp(text, modifiers[i].name) != 0)
            continue;
        if ((family->modifiers & modifiers[i].bit) == 0)
            return not_offered(family, text, err);
        if ((*seen & modifiers[i].bit) != 0)
            return mop_fail(err, MOP_EINVAL, "'+%s' is given twice", text);
        *seen |= modifiers[i].bit;
        return apply_modifier(i, value, spec, err);
    }
    snprintf(message, sizeof message, "there is no modifier '+%.60s'", text);
    return suggest(err, message, text, names, N_MODIFIERS);
}

static mop_status parse_input(const char *text, mop_spec *spec, mop_err *err)
{
    size_t len = strcspn(text, "x");
    const char *width = text[len] == 'x' ? text + len + 1 : text;
    int32_t h, w;
    if (!parse_int(text, len, SIDE_MIN, SIDE_MAX, &h) ||
        !parse_int(width, strlen(width), SIDE_MIN, SIDE_MAX, &w))
        return mop_fail(err, MOP_EINVAL,
                        "input size '@%.40s': write @H or @HxW with whole numbers from %d to %d",
                        text, SIDE_MIN, SIDE_MAX);
    spec->height = h;
    spec->width = w;
    return MOP_OK;
}

/* --- the whole -------------------------------------------------------------------------------- */

static mop_status write_canonical(mop_spec *spec, mop_err *err)
{
    mop_str s = {0};
    mop_status status;
    mop_str_addf(&s, "%s%s%s%s", spec->family, spec->size[0] != '\0' ? "-" : "", spec->size,
                 spec->form == MOP_FORM_TRAIN ? ":train" : "");
    if (spec->act == MOP_BLOCK_ACT_PLAIN)
        mop_str_addf(&s, "+act=%s", mop_act_name(spec->plain_act));
    for (size_t i = 0; i < N_DYNAMIC; i++)
        if (spec->act == dynamic_acts[i].act)
            mop_str_addf(&s, "+act=%s", dynamic_acts[i].name);
    mop_str_addf(&s, "%s%s", spec->se ? "+se" : "", spec->skip ? "+skip" : "");
    if (spec->branches != 0)
        mop_str_addf(&s, "+branches=%" PRId32, spec->branches);
    if (spec->height != spec->width)
        mop_str_addf(&s, "@%" PRId32 "x%" PRId32, spec->height, spec->width);
    else if (spec->height != SIDE_DEFAULT)
        mop_str_addf(&s, "@%" PRId32, spec->height);
    status = mop_str_status(&s, err);
    snprintf(spec->text, sizeof spec->text, "%s", mop_str_get(&s));
    mop_str_release(&s);
    return status;
}

typedef struct parts {
    unsigned modifiers;
    bool form, input;
} parts;

static mop_status parse_part(char sign, char *text, parts *seen, mop_spec *spec, mop_err *err)
{
    bool *once = sign == ':' ? &seen->form : &seen->input;
    if (sign == '+')
        return parse_modifier(text, &seen->modifiers, spec, err);
    if (*once)
        return mop_fail(err, MOP_EINVAL, "the %s is given twice, the second time as '%c%.40s'",
                        sign == ':' ? "form" : "input size", sign, text);
    *once = true;
    return sign == ':' ? parse_form(text, spec, err) : parse_input(text, spec, err);
}

mop_status mop_spec_parse(const char *text, mop_spec *spec, mop_err *err)
{
    static const char signs[] = ":+@";
    mop_spec s = {.height = SIDE_DEFAULT, .width = SIDE_DEFAULT};
    char copy[2 * MOP_SPEC_MAX];
    parts seen = {0};
    mop_err reason = {0};
    mop_status status;
    char *p, sign;
    if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy)
        return mop_fail(err, MOP_EINVAL, "the variant '%.40s...' is longer than %d characters",
                        text, (int)sizeof copy - 1);
    p = copy + strcspn(copy, signs);
    sign = *p;
    *p = '\0';
    status = parse_name(copy, &s, &reason);
    while (status == MOP_OK && sign != '\0') {
        char *part = p + 1;
        char this_sign = sign;
        p = part + strcspn(part, signs);
        sign = *p;
        *p = '\0';
        status = parse_part(this_sign, part, &seen, &s, &reason);
    }
    if (status != MOP_OK)
        return mop_fail(err, status, "'%.60s': %s", text, reason.msg);
    status = write_canonical(&s, err);
    if (status == MOP_OK)
        *spec = s;
    return status;
}
