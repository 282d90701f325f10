/* `moprof compare` as a user meets it: exit codes, words and formats, over databases whose ratios
 * are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/db_fixture.h"
#include "tests/support/made_sweep.h"

#define SEED 5

static char folder[256];

/* Runs a shell line in the folder; both streams go to out. Returns the exit code. */
static int shell(const char *line, char *out, size_t size)
{
    char command[2048];
    assert_true(snprintf(command, sizeof command, "cd '%s' && { %s ; } 2>&1", folder, line) <
                (int)sizeof command);
    FILE *p = popen(command, "r");
    assert_non_null(p);
    size_t n = fread(out, 1, size - 1, p);
    out[n] = '\0';
    while (fgetc(p) != EOF)
        continue;
    int status = pclose(p);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct cli_case {
    const char *line;
    int exit;
    const char *says; /* a part of the output */
};

static void expect(const struct cli_case *cases, size_t n)
{
    static char out[1 << 16];
    for (size_t i = 0; i < n; i++) {
        int code = shell(cases[i].line, out, sizeof out);
        if (code != cases[i].exit || strstr(out, cases[i].says) == NULL)
            fail_msg("%s\nexit %d, expected %d, saying '%s'; it said:\n%s", cases[i].line, code,
                     cases[i].exit, cases[i].says, out);
    }
}

#define EXPECT(...)                                                                                \
    do {                                                                                           \
        const struct cli_case cases_[] = {__VA_ARGS__};                                            \
        expect(cases_, sizeof cases_ / sizeof cases_[0]);                                          \
    } while (0)

static void add(const char *name, const made_sweep *what)
{
    char path[512];
    dbfix_path(path, folder, name);
    (void)made_sweep_add(path, what);
}

/* moprof.db: sweep 1 the base, 2 as fast, 3 with one variant 5 % slower and one 10 % faster, 4
 * noisy, 5 without a variant. */
static int set_up(void **state)
{
    static const made_sweep sweeps[] = {
        {.seed = SEED, .started_utc = "2026-01-01T00:00:00Z"},
        {.seed = SEED + 1, .started_utc = "2026-01-02T00:00:00Z"},
        {.seed = SEED + 2, .started_utc = "2026-01-03T00:00:00Z", .scale = {1.05, 1, 0.9}},
        {.seed = SEED + 3, .started_utc = "2026-01-04T00:00:00Z", .noise = 0.1},
        {.seed = SEED + 4, .started_utc = "2026-01-05T00:00:00Z", .lacks = "cnn30"}};
    const made_sweep elsewhere = {.seed = SEED, .device = "Another processor"};
    char real[512];
    (void)state;
    printf("seed %d\n", SEED);
    const char *program = getenv("MOPROF");
    if (realpath(program != NULL ? program : "moprof", real) == NULL)
        return -1;
    if (setenv("MOPROF", real, 1) != 0)
        return -1;
    dbfix_dir(folder);
    for (size_t i = 0; i < 5; i++)
        add("moprof.db", &sweeps[i]);
    add("base.db", &sweeps[0]);
    add("slow.db", &sweeps[2]);
    add("elsewhere.db", &elsewhere);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dbfix_remove(folder);
    return 0;
}

static void the_exit_code_is_what_fail_on_asks_for(void **state)
{
    (void)state;
    EXPECT({"$MOPROF compare 1 3", 0, "SLOWER"}, {"$MOPROF compare 1 3 --fail-on slower", 3, ""},
           {"$MOPROF compare 1 3 --fail-on faster", 3, ""},
           {"$MOPROF compare 1 3 --fail-on unclear,missing", 0, ""},
           {"$MOPROF compare 1 2 --fail-on slower,faster,unclear,missing", 0, "3 SAME"},
           {"$MOPROF compare 1 4 --fail-on slower", 0, "UNCLEAR"},
           {"$MOPROF compare 1 4 --fail-on slower,unclear", 4, "UNCLEAR"},
           {"$MOPROF compare 1 5 --fail-on missing", 3, "only in A"},
           {"$MOPROF compare 1 5 --fail-on slower,unclear", 0, "MISSING"},
           {"$MOPROF compare 3 1 --fail-on slower", 3, "FASTER"},
           {"$MOPROF compare 1 3 --fail-on none", 0, ""},
           {"$MOPROF compare 1 3 --margin 0.2 --fail-on slower,faster", 0, "3 SAME"},
           {"MOPROF_FAIL_ON=slower $MOPROF compare 1 3", 3, ""});
}

static void sides_are_numbers_databases_baselines_and_variants(void **state)
{
    (void)state;
    EXPECT({"$MOPROF compare sweep:1 sweep:3 -f csv", 0, "SLOWER,cnn30,1.0"},
           {"$MOPROF compare base.db slow.db --fail-on slower", 3, "A: sweep 1 of base.db"},
           {"$MOPROF export --db base.db -o base.csv && "
            "$MOPROF compare base.csv slow.db --fail-on slower",
            3, "1 SLOWER, 1 FASTER, 1 SAME"},
           {"$MOPROF compare base.csv 2", 0, "3 SAME"},
           {"TMPDIR=. $MOPROF compare base.csv slow.db && ls -d moprof-compare* || echo tidy", 0,
            "tidy"},
           {"$MOPROF compare cnn30 mobileone-s0", 0, "mobileone-s0 / cnn30"},
           {"$MOPROF compare cnn30 mobileone-s0 --fail-on slower --db base.db", 3, "SLOWER"});
}

static void formats_keep_sentences_out_of_the_data(void **state)
{
    (void)state;
    EXPECT({"$MOPROF compare 1 3 -f csv 2>/dev/null | head -1", 0,
            "verdict,variant,ratio,low,high,a_ms,b_ms,floor_percent,relative,passes,grades,backend,"
            "threads,batch,cache,fuse,winograd,dtype,isa,device,reason\n"},
           {"$MOPROF compare 1 3 -f csv 2>/dev/null | wc -l", 0, "4"},
           {"$MOPROF compare 1 3 -f json 2>/dev/null | head -1", 0, "["},
           {"$MOPROF compare 1 3 -f md 2>/dev/null", 0, "| SLOWER"},
           {"$MOPROF compare 1 3 -o c.csv 2>&1 >/dev/null", 0, "3 compared: 1 SLOWER"},
           {"cat c.csv", 0, "FASTER,mobileone-s0"}, {"$MOPROF compare 1 3", 0, "all rows: "},
           {"$MOPROF compare 1 3 > /dev/full", 1, "No space left"});
}

static void mistakes_are_one_sentence_and_the_documented_exit_code(void **state)
{
    (void)state;
    EXPECT({"$MOPROF compare 1", 2, "moprof:"}, {"$MOPROF compare 1 2 3", 2, "moprof:"},
           {"$MOPROF compare 1 9", 2, "has no sweep 9; its sweeps are numbered 1 to 5"},
           {"$MOPROF compare sweep:x 1", 2, "from 1 to"},
           {"$MOPROF compare 1 1", 2, "are the same sweep"},
           {"$MOPROF compare base.db moprof.db --db none.db", 0, "compared"},
           {"$MOPROF compare cnn30 mobileone-s9", 2, "mobileone-s"},
           {"$MOPROF compare cnn30 resnet18", 2, "holds no times of resnet18"},
           {"$MOPROF compare cnn30 cnn30", 2, "both sides are cnn30"},
           {"$MOPROF compare cnn30 2", 2, "takes two variants, or two of"},
           {"$MOPROF compare base.db elsewhere.db", 2, "device (Test processor in A, Another"},
           {"$MOPROF compare none.db 1", 2, "none.db"},
           {"$MOPROF compare 1 2 --db none.db", 2, "none.db"},
           {"echo hello > text.db; $MOPROF compare text.db 1", 2, "text.db"},
           {"$MOPROF compare 1 2 --fail-on slwer", 2, "slower, faster, unclear, missing or none"},
           {"$MOPROF compare 1 2 --margin 7", 2, "from 0.0001 to 1"},
           {"$MOPROF compare 1 2 --threads 2", 2, "is as asked for"},
           {"$MOPROF compare 1 2 --backends vulcan", 2, "vulkan"},
           {"$MOPROF compare 1 2 -f yaml", 2, "table, csv, json or md"});
    EXPECT({"sed '2s/^[^,]*,/,/' base.csv > bad.csv; $MOPROF compare bad.csv slow.db", 2,
            "bad.csv:2:1"},
           {"$MOPROF compare nosuch.csv slow.db", 1, "nosuch.csv"},
           {"$MOPROF compare --help", 0, "--fail-on slower,missing"},
           {"$MOPROF --help", 0, "3 a comparison found"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exit_code_is_what_fail_on_asks_for),
        cmocka_unit_test(sides_are_numbers_databases_baselines_and_variants),
        cmocka_unit_test(formats_keep_sentences_out_of_the_data),
        cmocka_unit_test(mistakes_are_one_sentence_and_the_documented_exit_code),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
