#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/cli/cli.h"
#include "tests/fuzz/fuzz.h"

enum { WORDS = 64 };

/* Messages would bury the fuzzer's own; glibc lets the streams be exchanged. */
typedef struct silence {
    FILE *out, *err, *null;
} silence;

static silence begin_silence(void)
{
    silence s = {stdout, stderr, fopen("/dev/null", "w")};
    mop_fuzz_demand(s.null != NULL, "no /dev/null");
    stdout = s.null;
    stderr = s.null;
    return s;
}

static void end_silence(const silence *s)
{
    stdout = s->out;
    stderr = s->err;
    (void)fclose(s->null); /* nothing is kept there */
}

/* Every reader of a value takes any text. */
static void read_value(const char *text)
{
    long i = 0;
    double r = 0;
    uint64_t ns = 0;
    unsigned mask = 0;
    int *list = NULL;
    size_t n = 0;
    mop_strlist ids = {0};
    if (mop_cli_int("n", text, -5, 5, &i, NULL) == MOP_OK)
        mop_fuzz_demand(i >= -5 && i <= 5, "a number out of its range");
    if (mop_cli_real("r", text, 0.25, 4, &r, NULL) == MOP_OK)
        mop_fuzz_demand(r >= 0.25 && r <= 4, "a real out of its range");
    if (mop_cli_time("t", text, &ns, NULL) == MOP_OK)
        mop_fuzz_demand(ns >= 1, "a time of nothing");
    if (mop_cli_int_list("l", text, 1, 64, &list, &n, NULL) == MOP_OK)
        mop_fuzz_demand(n >= 1, "an empty list");
    for (size_t k = 0; k < n; k++)
        mop_fuzz_demand(list[k] >= 1 && list[k] <= 64, "a list with a number out of its range");
    free(list);
    if (mop_cli_isa_mask(text, &mask, NULL) == MOP_OK)
        mop_fuzz_demand(mask != 0, "no instruction set");
    (void)mop_expand(text, &ids, NULL); /* any outcome */
    mop_strlist_release(&ids);
}

static void parse(int argc, const char **argv)
{
    char *text = NULL, *number = NULL, *list = NULL;
    int is_on = 0;
    const struct poptOption options[] = {
        {"variants", 'v', POPT_ARG_STRING, &text, 0, "a text", "SPEC"},
        {"threads", '\0', POPT_ARG_STRING, &number, 0, "a number", "N"},
        {"batch", 'b', POPT_ARG_STRING, &list, 0, "a list", "LIST"},
        {"dry-run", 'n', POPT_ARG_NONE, &is_on, 0, "a switch", NULL},
        POPT_TABLEEND};
    const mop_cli_desc desc = {.verb = "fuzz",
                               .args = "WORD...",
                               .about = "For tests.",
                               .options = options,
                               .min_args = 1,
                               .max_args = 3};
    mop_strlist args = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    mop_fuzz_demand(code == -1 || code == MOP_EXIT_DONE || code == MOP_EXIT_USAGE,
                    "an exit code of another kind");
    mop_fuzz_demand(code != -1 || (args.n >= 1 && args.n <= 3), "a number of arguments not asked");
    for (size_t i = 0; i < args.n; i++)
        read_value(args.items[i]);
    for (int i = 0; i < 3; i++) {
        const char *value = i == 0 ? text : i == 1 ? number : list;
        if (value != NULL)
            read_value(value);
    }
    mop_strlist_release(&args);
    free(text);
    free(number);
    free(list);
}

void mop_fuzz_options(const uint8_t *data, size_t size)
{
    char *words = mop_fuzz_text(data, size, 1000), *rest = words, *word;
    const char *argv[WORDS + 2] = {"fuzz"};
    int argc = 1;
    silence s;
    while (argc <= WORDS && (word = strsep(&rest, "\n")) != NULL)
        argv[argc++] = word;
    s = begin_silence();
    parse(argc, argv);
    end_silence(&s);
    free(words);
}
