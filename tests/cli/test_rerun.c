/* `moprof rerun`: what cannot be repeated is refused before any work, and a small plan is repeated
 * whole. */
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

#define SEED 8

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

static void expect(const char *line, int exit, const char *says)
{
    static char out[1 << 16];
    int code = shell(line, out, sizeof out);
    if (code != exit || strstr(out, says) == NULL)
        fail_msg("%s\nexit %d, expected %d, saying '%s'; it said:\n%s", line, code, exit, says,
                 out);
}

static int set_up(void **state)
{
    char real[512];
    (void)state;
    printf("seed %d\n", SEED);
    const char *program = getenv("MOPROF");
    if (realpath(program != NULL ? program : "moprof", real) == NULL)
        return -1;
    if (setenv("MOPROF", real, 1) != 0)
        return -1;
    dbfix_dir(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dbfix_remove(folder);
    return 0;
}

static void plans_that_cannot_be_repeated_are_refused_with_the_reason(void **state)
{
    (void)state;
#define PLAN "seed=1;precision=0.5;fuse=7;isa=7;device=;batch=1;on="
#define BARE "seed=1;precision=0.5;isa=7;device=;batch=1;on=cpu/1/ab;"
#define NETS "variants=cnn30@32;"
    static const struct {
        const char *plan;
        int32_t shards;
        int exit;
        const char *says;
    } cases[] = {
        {"synthetic", 0, 2, "does not read as key=value"},
        {"seed=1;", 0, 2, "its plan has no precision"},
        {PLAN "cpu/1/ab;" NETS "colour=red;", 0, 2, "its plan has 'colour'"},
        {PLAN "cpu/1/ab;seed=2;" NETS, 0, 2, "its plan has twice 'seed'"},
        {PLAN "cpu/1/ab;variants=cnn31@32x32;", 0, 2, "a variant that is not known"},
        {PLAN "cpu/1/ab;variants=cnn30@32x32;", 0, 2, "cnn30@32x32, which is cnn30@32 now"},
        {PLAN "cpu/1/ab;variants=;", 0, 2, "names no variant"},
        {PLAN "cpu/ab;" NETS, 0, 2, "a device 'cpu/ab'"},
        {PLAN ";" NETS, 0, 2, "names no device"},
        {PLAN "cpu/1/ab;cache=warm;" NETS, 0, 2, "hot or cold, not 'warm'"},
        {PLAN "cpu/1/ab;setting=all/auto/hot;" NETS, 0, 2, "more than one setting"},
        {BARE NETS, 0, 2, "its plan has no setting"},
        {BARE "setting=;" NETS, 0, 2, "names no setting"},
        {BARE "setting=all/auto;" NETS, 0, 2, "FUSE/WINOGRAD/CACHE[/DTYPE], not 'all/auto'"},
        {BARE "setting=all/auto/hot/;" NETS, 0, 2, "FUSE/WINOGRAD/CACHE"},
        {BARE "setting=all/auto/hot/fp61;" NETS, 0, 2, "no number type 'fp61'"},
        {BARE "setting=al/auto/hot;" NETS, 0, 2, "no fusion 'al'"},
        {BARE "setting=all/on/hot;" NETS, 0, 2, "auto or off, not 'on'"},
        {BARE "setting=none/off/warm;" NETS, 0, 2, "hot or cold, not 'warm'"},
        {PLAN "cpu/1/0123456789abcdef;" NETS, 0, 5, "0123456789abcdef, and the one here is"},
        {PLAN "tpu/1/ab;" NETS, 0, 5, "the plan's device is not here"},
        {PLAN "cpu/1/ab;" NETS, 3, 2, "is part 1 of 3 of a plan"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const made_sweep made = {
            .seed = SEED, .plan_text = cases[i].plan, .shards = cases[i].shards};
        char name[32], path[512], line[128];
        (void)snprintf(name, sizeof name, "case%zu.db", i);
        dbfix_path(path, folder, name);
        (void)made_sweep_add(path, &made);
        (void)snprintf(line, sizeof line, "cp %s copy && $MOPROF rerun --db %s", name, name);
        expect(line, cases[i].exit, cases[i].says);
        (void)snprintf(line, sizeof line, "cmp copy %s && echo untouched", name);
        expect(line, 0, "untouched");
    }
}

static void mistakes_are_told_before_the_work(void **state)
{
    (void)state;
    const made_sweep made = {.seed = SEED, .plan_text = "synthetic"};
    char path[512];
    dbfix_path(path, folder, "moprof.db");
    (void)made_sweep_add(path, &made);
    expect("$MOPROF rerun 7", 2, "has no sweep 7; its sweeps are numbered 1 to 1");
    expect("$MOPROF rerun x", 2, "from 1 to");
    expect("$MOPROF rerun --db none.db", 2, "none.db");
    expect("$MOPROF rerun -f csv", 2, "give the comparison a file with --output");
    expect("$MOPROF rerun --fail-on slwer", 2, "slower, faster, unclear, missing or none");
    expect("$MOPROF rerun --budget soon", 2, "90s");
    expect("$MOPROF rerun --margin 7", 2, "from 0.0001 to 1");
    expect("$MOPROF rerun 1 2", 2, "moprof:");
    expect("$MOPROF rerun --help", 0, "--fail-on slower");
}

static void a_stored_plan_is_repeated_as_a_new_sweep_and_compared(void **state)
{
    (void)state;
    expect("$MOPROF sweep --variants mobileone-s0@32,cnn30@32 --backends cpu --precision 0.5 "
           "--seed 7 --budget 1m --quiet --db real.db",
           0, "next: moprof report");
    expect("$MOPROF rerun 1 --db real.db --quiet -o change.csv", 0, " compared: ");
    expect("head -1 change.csv", 0, "verdict,variant,ratio");
    expect("tail -n +2 change.csv | cut -d, -f2 | sort | tr '\\n' ' '", 0,
           "cnn30@32 mobileone-s0@32 ");
    expect("$MOPROF query 'SELECT count(*) AS sweeps, count(DISTINCT plan_text) AS plans, "
           "count(DISTINCT seed) AS seeds, min(seed) AS seed FROM sweep' --db real.db -f csv",
           0, "2,1,1,7");
    expect("$MOPROF query \"SELECT count(*) AS as_long FROM sweep WHERE protocol LIKE "
           "'%;budget_ns=60000000000;%'\" --db real.db -f csv",
           0, "2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_that_cannot_be_repeated_are_refused_with_the_reason),
        cmocka_unit_test(mistakes_are_told_before_the_work),
        cmocka_unit_test(a_stored_plan_is_repeated_as_a_new_sweep_and_compared),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
