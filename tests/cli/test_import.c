/* `moprof import` as a user meets it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/cli_case.h"

#define NCNN                                                                                       \
    "printf 'loop_count = 4\\nnum_threads = 1\\ngpu_device = -1\\n  mobilenet  min =  1.00  max =" \
    "  3.00  avg =  2.00\\n' "

static void results_of_another_engine_come_by_pipe_and_only_once(void **state)
{
    (void)state;
    EXPECT({NCNN "| $MOPROF import - --engine-version 1.2 --db a.db", 0,
            "1 result added to a.db (ncnn)"},
           {NCNN "| $MOPROF import - --db a.db", 0, "nothing new, a.db holds its 1 result (ncnn)"},
           {"$MOPROF query engines --db a.db -f csv", 0,
            "mobilenetv1-1.0,1,1,ncnn,1.2,cpu,\"\",mean,2,,0,,,,,standard input"});
    EXPECT({NCNN ">b.txt; $MOPROF import b.txt --variant 'mobileone-s{0,1}' --db b.db", 2,
            "stands for 2 variants"},
           {"$MOPROF import b.txt --threads 2 --db b.db", 2, "b.txt:4:1: the file says threads 1"},
           {"$MOPROF import b.txt --batch 0 --db b.db", 2, "from 1 to"},
           {"$MOPROF import b.txt --format ncm --db b.db", 2, "the nearest is ncnn"},
           {"$MOPROF import b.txt nosuch.txt --db b.db", 1, "nosuch.txt"},
           {"$MOPROF import", 2, "FILE"}, {"test ! -e b.db && echo clean", 0, "clean"});
}

static void a_report_shows_other_engines_where_there_are_some(void **state)
{
    (void)state;
    EXPECT({"$MOPROF sweep --variants mobilenetv1-1.0@32 --backends cpu --threads 1 --budget 1s "
            "--db c.db >/dev/null 2>&1; $MOPROF report --db c.db -o c.md && ! grep 'Other engines' "
            "c.md && echo none",
            0, "none"},
           {"printf 'engine,variant,threads,median_s\\nx,mobilenetv1-1.0@32,1,9\\n' | "
            "$MOPROF import - --db c.db && $MOPROF report --db c.db -o c.md && "
            "grep -A8 'Other engines' c.md",
            0, "nobody held their outputs"},
           {"grep 'standard input' c.md", 0, "mobilenetv1-1.0@32"});
    EXPECT({"$MOPROF query engines mobilenetv1-1.0@32 cpu X --db c.db -f csv | cut -d, -f8-9,11-12",
            0, "median,9000,0,cpu"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_of_another_engine_come_by_pipe_and_only_once),
        cmocka_unit_test(a_report_shows_other_engines_where_there_are_some),
    };
    return cmocka_run_group_tests(tests, cli_begin, cli_end);
}
