/* A sweep whose Vulkan device fails in the middle: the row is failed with the reason, the device is
 * opened again, and the other rows are measured. The driver is the real one, behind a layer of the
 * loader that makes one call fail (tests/vklayer/fail.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/cli_case.h"

#define LAYER "VK_LAYER_MOPROF_fail"
/* Two networks and their control in one worker at a time. Preparing them takes 8 submits, the first
 * row of the plan 1 to 3, the second 4 to 6; the 9th is the first of the first pass. */
#define SWEEP                                                                                      \
    "VK_LAYER_PATH=$PWD VK_INSTANCE_LAYERS=" LAYER " VKFAIL_COUNT=$PWD/calls "                     \
    "$MOPROF sweep --variants 'cnn30@32,mobileone-s0@32' --backends vulkan --precision 0.5 "       \
    "--budget 2m --max-passes 2 --workers 1 --quiet "
/* All rows, controls too: what became of how many, and why. */
#define ROWS                                                                                       \
    "$MOPROF query \"SELECT state, count(*) AS n, max(reason) AS why FROM measurement GROUP BY "   \
    "state ORDER BY state\" -f csv --db "

static void need_layer(void)
{
    char line[2048];
    const char *program = getenv("MOPROF");
    assert_non_null(program);
    const char *slash = strrchr(program, '/');
    assert_non_null(slash);
    (void)snprintf(line, sizeof line,
                   "printf '{\"file_format_version\": \"1.1.0\", \"layer\": {\"name\": \"" LAYER
                   "\", \"type\": \"GLOBAL\", \"library_path\": \"%.*s/tests/vklayer/libfail.so\", "
                   "\"api_version\": \"1.3.0\", \"implementation_version\": \"1\", "
                   "\"description\": \"fails\"}}' > fail.json",
                   (int)(slash - program), program); /* fits */
    EXPECT({line, 0, ""});
    if (system("$MOPROF devices -f csv 2>/dev/null | grep -q ^vulkan,0") == 0)
        return;
    printf("skip: no Vulkan device\n");
    skip();
}

/* One row failed for this reason and the other is done, in the second process. */
static void expect_one_lost(const char *fault, const char *db, const char *why)
{
    char sweep[1024], rows[512], states[512];
    (void)snprintf(sweep, sizeof sweep, "rm -f calls; %s " SWEEP "--db %s", fault, db); /* fits */
    (void)snprintf(rows, sizeof rows, ROWS "%s | grep failed", db);                     /* fits */
    (void)snprintf(states, sizeof states,
                   "$MOPROF query \"SELECT state, count(*) AS n FROM measurement WHERE alias = '' "
                   "GROUP BY state ORDER BY state\" -f csv --db %s | tr '\\n' ' '",
                   db); /* fits */
    EXPECT({sweep, 6, "\n1 of 2 rows measured"}, {rows, 0, "failed,1,"}, {rows, 0, why},
           {states, 0, "state,n done,1 failed,1"});
}

static void a_device_lost_in_a_pass_costs_one_row(void **state)
{
    (void)state;
    need_layer();
    expect_one_lost("VKFAIL_CALL=vkQueueSubmit VKFAIL_AT=9 VKFAIL_WITH=-4", "lost.db",
                    "VK_ERROR_DEVICE_LOST");
    EXPECT({"$MOPROF query \"SELECT count(*) AS n FROM worker WHERE outcome LIKE "
            "'%VK_ERROR_DEVICE_LOST%' OR outcome = 'done'\" -f csv --db lost.db | tr '\\n' ' '",
            0, "n 2"});
}

static void a_fence_that_never_comes_costs_one_row(void **state)
{
    (void)state;
    need_layer();
    expect_one_lost("VKFAIL_CALL=vkWaitForFences VKFAIL_AT=6 VKFAIL_WITH=2", "late.db",
                    "VK_TIMEOUT");
}

static void a_driver_that_crashes_costs_one_row(void **state)
{
    (void)state;
    need_layer();
    expect_one_lost("VKFAIL_CALL=vkQueueSubmit VKFAIL_AT=9 VKFAIL_WITH=0", "crash.db",
                    "the worker was killed by signal 9 (Killed) while it ran this row");
}

static void memory_that_is_not_there_costs_one_row(void **state)
{
    (void)state;
    need_layer();
    expect_one_lost("VKFAIL_CALL=vkAllocateMemory VKFAIL_AT=3 VKFAIL_WITH=-2", "full.db",
                    "VK_ERROR_OUT_OF_DEVICE_MEMORY");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_lost_in_a_pass_costs_one_row),
        cmocka_unit_test(a_fence_that_never_comes_costs_one_row),
        cmocka_unit_test(a_driver_that_crashes_costs_one_row),
        cmocka_unit_test(memory_that_is_not_there_costs_one_row),
    };
    return cmocka_run_group_tests(tests, cli_begin, cli_end);
}
