/* Option parsing: popt does the work; this adds the environment twins, the nearest spelling of an
 * unknown option, and numbers that are checked against a range. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu/isa.h"
#include "profiler/base/alloc.h"
#include "profiler/base/str.h"
#include "profiler/cli/cli.h"
#include "variants/variant.h"

int mop_exit_code(mop_status status)
{
    switch (status) {
    case MOP_OK:
        return MOP_EXIT_DONE;
    case MOP_EINVAL:
        return MOP_EXIT_USAGE;
    case MOP_ENODEV:
        return MOP_EXIT_NO_DEVICE;
    case MOP_ECHECK:
        return MOP_EXIT_CHECK;
    case MOP_EINTR:
        return MOP_EXIT_INTERRUPTED;
    default:
        return MOP_EXIT_FAILED;
    }
}

int mop_cli_fail(const mop_err *err)
{
    mop_cli_note("%s", err->msg);
    return mop_exit_code(err->code);
}

void mop_cli_note(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("moprof: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

int mop_cli_usage(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("moprof: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return MOP_EXIT_USAGE;
}

static size_t option_count(const struct poptOption *options)
{
    size_t n = 0;
    while (options[n].longName != NULL)
        n++;
    return n;
}

/* Whether argv sets the option, as --name, --name=value or -s. */
static bool on_command_line(const struct poptOption *o, int argc, const char **argv)
{
    size_t len = strlen(o->longName);
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (strncmp(a, "--", 2) == 0 && strncmp(a + 2, o->longName, len) == 0 &&
            (a[2 + len] == '\0' || a[2 + len] == '='))
            return true;
        if (o->shortName != '\0' && a[0] == '-' && a[1] == o->shortName)
            return true;
    }
    return false;
}

/* The value of MOPROF_NAME, or NULL if it is unset or empty. */
static const char *env_twin(const struct poptOption *o)
{
    char name[64] = "MOPROF_";
    size_t n = strlen(name);
    const char *value;
    for (const char *p = o->longName; *p != '\0' && n + 1 < sizeof name; p++)
        name[n++] = (char)(*p == '-' ? '_' : toupper((unsigned char)*p));
    name[n] = '\0';
    value = getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

/* argv with the environment's options in front, so that one parser sees both. */
static mop_status with_environment(const struct poptOption *options, int argc, const char **argv,
                                   mop_strlist *out, mop_err *err)
{
    mop_status status = mop_strlist_add(out, argv[0], err);
    for (const struct poptOption *o = options; o->longName != NULL && status == MOP_OK; o++) {
        const char *value = env_twin(o);
        bool is_switch = (o->argInfo & POPT_ARG_MASK) == POPT_ARG_NONE;
        mop_str text = {0};
        if (value == NULL || on_command_line(o, argc, argv) ||
            (is_switch && strcmp(value, "0") == 0))
            continue;
        mop_str_addf(&text, is_switch ? "--%s" : "--%s=%s", o->longName, value);
        status = mop_str_status(&text, err);
        if (status == MOP_OK)
            status = mop_strlist_add(out, mop_str_get(&text), err);
        mop_str_release(&text);
    }
    for (int i = 1; i < argc && status == MOP_OK; i++)
        status = mop_strlist_add(out, argv[i], err);
    return status;
}

static int bad_option(const mop_cli_desc *desc, poptContext con, int rc)
{
    const char *bad = poptBadOption(con, POPT_BADOPTION_NOALIAS);
    const char *names[64];
    const char *near = NULL;
    size_t n = option_count(desc->options);
    char word[64];
    if (rc != POPT_ERROR_BADOPT)
        return mop_cli_usage("%s: %s: %s", desc->verb, bad, poptStrerror(rc));
    for (size_t i = 0; i < n && i < 64; i++)
        names[i] = desc->options[i].longName;
    (void)snprintf(word, sizeof word, "%s", bad + strspn(bad, "-")); /* cut is fine for a hint */
    word[strcspn(word, "=")] = '\0';
    near = mop_nearest(word, names, n < 64 ? n : 64);
    if (near != NULL)
        return mop_cli_usage("%s has no option '%s'; the nearest is '--%s'", desc->verb, bad, near);
    return mop_cli_usage("%s has no option '%s'; `moprof %s --help` lists them", desc->verb, bad,
                         desc->verb);
}

static void print_help(const mop_cli_desc *desc)
{
    printf("usage: moprof %s%s%s [options]\n\n%s\n\noptions (each also as MOPROF_<NAME> in the "
           "environment):\n",
           desc->verb, *desc->args != '\0' ? " " : "", desc->args, desc->about);
    for (const struct poptOption *o = desc->options; o->longName != NULL; o++) {
        char left[64];
        (void)snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->shortName != '\0' ? "-" : " ",
                       o->shortName != '\0' ? o->shortName : ' ',
                       o->shortName != '\0' ? ", " : "  ", o->longName,
                       o->argDescrip != NULL ? "=" : "",
                       o->argDescrip != NULL ? o->argDescrip : ""); /* cut is fine */
        printf("  %-28s %s\n", left, o->descrip);
    }
}

static int take_arguments(const mop_cli_desc *desc, poptContext con, mop_strlist *args)
{
    const char *arg;
    mop_err err = {0};
    while ((arg = poptGetArg(con)) != NULL)
        if (mop_strlist_add(args, arg, &err) != MOP_OK)
            return mop_cli_fail(&err);
    if (args->n > desc->max_args)
        return mop_cli_usage("%s: unexpected argument '%s'; usage: moprof %s %s", desc->verb,
                             args->items[desc->max_args], desc->verb, desc->args);
    if (args->n < desc->min_args)
        return mop_cli_usage("%s needs %s; usage: moprof %s %s", desc->verb, desc->args, desc->verb,
                             desc->args);
    return -1;
}

int mop_cli_parse(const mop_cli_desc *desc, int argc, const char **argv, mop_strlist *args)
{
    mop_strlist words = {0};
    mop_err err = {0};
    poptContext con = NULL;
    int result = -1, rc;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(desc);
            return MOP_EXIT_DONE;
        }
    }
    if (with_environment(desc->options, argc, argv, &words, &err) != MOP_OK) {
        mop_strlist_release(&words);
        return mop_cli_fail(&err);
    }
    con = poptGetContext("moprof", (int)words.n, (void *)words.items, desc->options, 0);
    while ((rc = poptGetNextOpt(con)) >= 0)
        continue;
    if (rc < -1)
        result = bad_option(desc, con, rc);
    else
        result = take_arguments(desc, con, args);
    (void)poptFreeContext(con); /* always NULL */
    mop_strlist_release(&words);
    return result;
}

mop_status mop_cli_int(const char *option, const char *text, long lo, long hi, long *out,
                       mop_err *err)
{
    char *end = NULL;
    long v;
    errno = 0;
    v = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || v < lo || v > hi)
        return mop_fail(err, MOP_EINVAL, "--%s takes a whole number from %ld to %ld, not '%s'",
                        option, lo, hi, text);
    *out = v;
    return MOP_OK;
}

mop_status mop_cli_real(const char *option, const char *text, double lo, double hi, double *out,
                        mop_err *err)
{
    char *end = NULL;
    double v = strtod(text, &end);
    if (end == text || *end != '\0' || !(v >= lo && v <= hi))
        return mop_fail(err, MOP_EINVAL, "--%s takes a number from %g to %g, not '%s'", option, lo,
                        hi, text);
    *out = v;
    return MOP_OK;
}

mop_status mop_cli_time(const char *option, const char *text, uint64_t *ns, mop_err *err)
{
    static const struct {
        const char *unit;
        double ns;
    } units[] = {{"", 1e9}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    char *end = NULL;
    double v = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof units[0] && end != text; i++) {
        if (strcmp(end, units[i].unit) == 0 && v * units[i].ns >= 1 && v * units[i].ns <= 1e18) {
            *ns = (uint64_t)(v * units[i].ns);
            return MOP_OK;
        }
    }
    return mop_fail(err, MOP_EINVAL, "--%s takes a time such as 90s, 5m or 1h, not '%s'", option,
                    text);
}

mop_status mop_cli_int_list(const char *option, const char *text, long lo, long hi, int **out,
                            size_t *n, mop_err *err)
{
    mop_strlist words = {0};
    size_t used = 0;
    int *v = NULL;
    mop_status status = mop_expand(text, &words, err);
    if (status == MOP_OK && (v = mop_calloc(words.n, sizeof *v, err)) == NULL)
        status = MOP_ENOMEM;
    for (size_t i = 0; i < words.n && status == MOP_OK; i++) {
        size_t k = 0;
        long x = 0;
        status = mop_cli_int(option, words.items[i], lo, hi, &x, err);
        while (k < used && v[k] != (int)x)
            k++;
        v[k] = (int)x;
        used += k == used;
    }
    if (status == MOP_OK) {
        *out = v;
        *n = used;
        v = NULL;
    }
    free(v);
    mop_strlist_release(&words);
    return status;
}

mop_status mop_cli_isa_mask(const char *text, unsigned *mask, mop_err *err)
{
    mop_isa isa;
    if (text == NULL || *text == '\0') {
        *mask = MOP_ISA_ALL;
        return MOP_OK;
    }
    if (!mop_isa_find(text, &isa)) {
        const char *names[MOP_ISA_COUNT];
        const char *near;
        for (int i = 0; i < MOP_ISA_COUNT; i++)
            names[i] = mop_isa_name((mop_isa)i);
        near = mop_nearest(text, names, MOP_ISA_COUNT);
        return mop_fail(err, MOP_EINVAL, "--isa takes one of" MOP_ISA_WORDS ", not '%s'%s%s", text,
                        near != NULL ? "; the nearest is " : "", near != NULL ? near : "");
    }
    *mask = (2u << isa) - 1u;
    return MOP_OK;
}
