/* Vulkan devices on the command line: what there is, what is switched off, where it is seen again,
 * and a machine without any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/cli_case.h"

static void need_device(void)
{
    if (system("$MOPROF devices -f csv 2>/dev/null | grep -q ^vulkan,0") == 0)
        return;
    printf("skip: no Vulkan device\n");
    skip();
}

/* Lines that do not depend on which device there is. */
static void a_device_tells_all_that_is_known_of_it(void **state)
{
    (void)state;
    need_device();
    EXPECT(
        {"$MOPROF devices --long -f csv >long.csv; for f in fp16 dot int64 shuffle "
         "subgroup-size texel coopmat coopmat-nv calibrated host-reset; do "
         "grep -q \"^vulkan,0,feature $f,\\(not \\)*offered,\" long.csv || exit 1; done; echo all",
         0, "all"},
        {"$MOPROF devices --long -f csv", 0, "vulkan,0,path of fp32,yes,"},
        {"$MOPROF devices --long -f csv | grep '^vulkan,0,path of a .* layer,' | wc -l", 0, "6"},
        {"$MOPROF devices --long -f csv", 0, "vulkan,0,largest storage buffer,"},
        {"$MOPROF devices --long -f json", 0, "\"item\": \"instruction sets\""},
        {"$MOPROF devices --device $($MOPROF devices -f csv | grep ^vulkan,0 | sed 's/.*,//') "
         "-f csv | cut -d, -f1,2 | sort -u | tr '\\n' ' '",
         0, "backend,index vulkan,0"},
        {"$MOPROF devices --device 'no such device'", 5, "no device here matches"});
}

static void what_is_switched_off_is_shown_with_the_path_that_is_left(void **state)
{
    (void)state;
    need_device();
    EXPECT({"$MOPROF devices --vulkan no-texel -f csv", 0, "vulkan,0,feature texel,switched off,"},
           {"$MOPROF devices --vulkan no-texel -f csv | grep 'path of a' | grep -c texel", 1, "0"},
           {"$MOPROF devices --vulkan no-shuffle -f csv", 0,
            "vulkan,0,path of a pointwise layer,conv_plain."},
           {"$MOPROF devices --vulkan staging -f csv", 0, "vulkan,0,path of memory,staged,"},
           {"MOPROF_VULKAN=no-shuffle $MOPROF devices -f csv", 0,
            "vulkan,0,feature shuffle,switched off,"});
}

/* Wherever one is opened; a table's rows stay rows. */
static void a_software_device_is_called_one(void **state)
{
    (void)state;
    need_device();
    if (system("$MOPROF devices -f csv 2>/dev/null | grep -q ^vulkan,0,.*,software,") != 0) {
        printf("skip: the Vulkan device is no software device\n");
        skip();
    }
    EXPECT({"$MOPROF devices --long -f csv", 0,
            "vulkan,0,type,software,a CPU that pretends to be a GPU"},
           {"$MOPROF profile mobileone-s0@32 --backend vulkan --device 0 --runs 3 2>&1 >p.txt", 0,
            "is a software device: a CPU, whose times say nothing of a GPU"},
           {"$MOPROF verify --variants mobileone-s0@32 --backends vulkan --device 0 2>&1 >v.txt", 0,
            "is a software device: a CPU"},
           {"$MOPROF sweep --variants mobileone-s0@32 --backends vulkan --device 0 --dry-run", 0,
            "is a software device: a CPU"});
}

static void wrong_switches_name_the_nearest_right_one(void **state)
{
    (void)state;
    EXPECT({"$MOPROF devices --vulkan no-shufle", 2, "did you mean 'no-shuffle'?"},
           {"$MOPROF sweep --backends cpu --vulkan stagging", 2, "did you mean 'staging'?"},
           {"$MOPROF profile cnn30@32 --vulkan no-fp61", 2, "did you mean 'no-fp16'?"},
           {"$MOPROF verify --variants cnn30@32 --backends cpu --vulkan subgroup=7", 2,
            "4, 8, 16, 32 or 64 lanes, not '7'"});
    EXPECT({"test ! -e moprof.db && echo clean", 0, "clean"});
}

static void a_sweep_keeps_its_switches_and_rerun_repeats_them(void **state)
{
    (void)state;
    need_device();
    EXPECT(
        {"$MOPROF sweep --variants mobileone-s0@32 --backends vulkan --precision 0.5 --budget "
         "1m --max-passes 3 --quiet --vulkan staging,flush,no-shuffle --db s.db",
         0, "next: moprof report"},
        {"$MOPROF query \"SELECT name FROM device WHERE backend = 'vulkan'\" --db s.db -f csv", 0,
         ", no-shuffle, staging, flush"},
        {"$MOPROF query 'SELECT plan_text FROM sweep' --db s.db -f csv", 0,
         ";vulkan=no-shuffle,staging,flush;batch=1;"},
        {"$MOPROF rerun 1 --db s.db --quiet -o change.csv", 0, " compared: "},
        {"$MOPROF query 'SELECT count(*) AS n, count(DISTINCT plan_text) AS plans FROM sweep' "
         "--db s.db -f csv",
         0, "2,1"},
        {"$MOPROF sweep --variants mobileone-s0@32 --backends vulkan --precision 0.5 --budget 1m "
         "--max-passes 3 --quiet --db s.db",
         0, "next: moprof report"},
        {"$MOPROF query 'SELECT device FROM result' --db s.db -f csv | sort -u | wc -l", 0, "3"},
        {"$MOPROF query \"SELECT count(DISTINCT name) AS n FROM device WHERE backend = "
         "'vulkan'\" "
         "--db s.db -f csv",
         0, "\n2"});
}

/* No driver at all, and one whose library is missing: both are no device, with the reason. */
static void without_a_driver_there_is_a_reason_and_the_processor(void **state)
{
    (void)state;
    EXPECT({"echo '{\"file_format_version\": \"1.0.0\", \"ICD\": {\"library_path\": "
            "\"/nonexistent/libvulkan_none.so\", \"api_version\": \"1.3.0\"}}' >broken.json && "
            "echo written",
            0, "written"});
    static const char *const drivers[] = {"/nonexistent.json", "$PWD/broken.json"};
    for (size_t i = 0; i < 2; i++) {
        static const struct {
            const char *command;
            int exit;
            const char *says;
        } cases[] = {
            {"devices", 0, "moprof: no Vulkan device ("},
            {"devices -f csv", 0, "cpu,0,"},
            {"devices --long", 0, "instruction sets"},
            {"devices --long -f csv 2>&1 | grep -c ^vulkan", 1, "0"},
            {"profile mobileone-s0@32 --backend vulkan", 5, "no Vulkan device ("},
            {"verify --variants mobileone-s0@32 --backends vulkan", 5, "no Vulkan device ("},
            {"verify --variants mobileone-s0@32", 0, ", 0 wrong"},
            {"sweep --variants mobileone-s0@32 --backends vulkan", 5, "no Vulkan device ("},
        };
        for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
            char line[512];
            (void)snprintf(line, sizeof line,
                           "VK_ICD_FILENAMES=\"%s\" VK_DRIVER_FILES=\"%s\" $MOPROF %s", drivers[i],
                           drivers[i], cases[k].command);
            EXPECT({line, cases[k].exit, cases[k].says});
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_tells_all_that_is_known_of_it),
        cmocka_unit_test(what_is_switched_off_is_shown_with_the_path_that_is_left),
        cmocka_unit_test(a_software_device_is_called_one),
        cmocka_unit_test(wrong_switches_name_the_nearest_right_one),
        cmocka_unit_test(a_sweep_keeps_its_switches_and_rerun_repeats_them),
        cmocka_unit_test(without_a_driver_there_is_a_reason_and_the_processor),
    };
    return cmocka_run_group_tests(tests, cli_begin, cli_end);
}
