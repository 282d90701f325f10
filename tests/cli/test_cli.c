/* The command line as a user meets it: each case is a command, its exit code and what it must say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/cli_case.h"

static void help_is_offered_on_every_level(void **state)
{
    (void)state;
    EXPECT({"$MOPROF", 2, "usage: moprof COMMAND"},
           {"$MOPROF --help", 0, "moprof sweep --variants all"},
           {"$MOPROF --version", 0, "shaders"}, {"$MOPROF sweep --help", 0, "--precision"},
           {"$MOPROF query -h", 0, "--format"}, {"$MOPROF help sweep", 0, "--precision"},
           {"$MOPROF help swep", 2, "'sweep'"}, {"$MOPROF --verion", 2, "'--version'"});
    EXPECT({"for c in sweep profile list show verify query compare rerun report export import "
            "devices; do "
            "$MOPROF $c --help | grep -q usage: || exit 1; done; echo all",
            0, "all"});
}

static void wrong_words_name_the_nearest_right_one(void **state)
{
    (void)state;
    EXPECT({"$MOPROF swep", 2, "the nearest is 'sweep'"},
           {"$MOPROF sweep --variant all", 2, "the nearest is '--variants'"},
           {"$MOPROF show mobileone-s9", 2, "mobileone-s"},
           {"$MOPROF show mobilone-s0", 2, "mobileone"},
           {"$MOPROF show mobileone-s0+act=gellu", 2, "gelu"},
           {"$MOPROF show mobileone-s0+sw", 2, "se"},
           {"$MOPROF show mobileone-s0:trian", 2, "train"},
           {"$MOPROF sweep --backends vulcan", 2, "vulkan"}, {"$MOPROF query latncy", 2, "latency"},
           {"$MOPROF profile mobileone-s0@32 --isa avx3", 2, "avx2"},
           {"$MOPROF profile mobileone-s0@32 --fuse actt", 2, "the nearest is 'act'"},
           {"$MOPROF verify --variants mobileone-s0@32 --fuse bn+al", 2, "joined by +"},
           {"$MOPROF profile mobileone-s0@32 --winograd on", 2, "auto or off"});
}

static void numbers_out_of_range_are_refused_with_the_range(void **state)
{
    (void)state;
    EXPECT({"$MOPROF sweep --threads 0", 2, "from 1 to"},
           {"$MOPROF sweep --threads 100000", 2, "from 1 to"},
           {"$MOPROF sweep --batch x", 2, "from 1 to"},
           {"$MOPROF sweep --precision 7", 2, "from 0.0001 to 0.5"},
           {"$MOPROF sweep --budget soon", 2, "90s"}, {"$MOPROF sweep --budget 1e-12", 2, "90s"},
           {"$MOPROF sweep --seed -4", 2, "--seed"}, {"$MOPROF show mobileone-s0@7", 2, "7"},
           {"$MOPROF show cnn30+branches=99", 2, "branches"});
    EXPECT({"test ! -e moprof.db && echo clean", 0, "clean"});
}

static void what_is_named_twice_is_swept_once(void **state)
{
    (void)state;
    EXPECT({"$MOPROF sweep --variants cnn30@32,cnn30@32 --backends cpu,cpu --threads 1,1 "
            "--batch 2,2 --dry-run",
            0, "1 rows"});
}

static void an_environment_twin_may_be_long(void **state)
{
    (void)state;
    EXPECT({"MOPROF_VARIANTS=$(printf 'mobileone-s0@32,%.0s' $(seq 200))resnet18@32 "
            "$MOPROF sweep --backends cpu --dry-run",
            0, "resnet18@32"},
           {"MOPROF_DRY_RUN=0 MOPROF_FORMAT=csv $MOPROF list cnn30 --format=json", 0, "[\n"});
}

static void show_and_list_print_exact_counts(void **state)
{
    (void)state;
    EXPECT(
        {"$MOPROF show mobileone-s0 --format json", 0, "\"params\": 2078504"},
        {"$MOPROF show mobileone-s0 -f json", 0, "\"macs\": 275110400"},
        {"$MOPROF show mobilenetv2-1.0 --fuse all -f json", 0, "\"fuse\": \"all\""},
        {"$MOPROF show cnn30:train@32 -f csv | grep -c batchnorm", 0, "30"},
        {"$MOPROF show cnn30:train@32 --fuse bn -f csv | grep -c batchnorm", 1, "0"},
        {"$MOPROF show cnn30:train@32 --fuse bn", 0, "cnn30:train@32 [fuse=bn]: "},
        {"$MOPROF show cnn30 --fuse bm", 2, "the nearest is 'bn'"},
        {"$MOPROF show mobileone-s0:train", 0, "5293272"},
        {"$MOPROF show mobileone-s0 --format csv", 0, "index,layer,op"},
        {"$MOPROF show mobileone-s0@64 --dot", 0, "digraph"},
        {"MOPROF_FORMAT=csv $MOPROF list 'mobileone-s{0,1}'", 0, "mobileone-s1,mobileone,deploy"},
        {"MOPROF_FORMAT=csv $MOPROF list resnet18 --format md", 0, "| resnet18"});
}

static void output_files_are_written_whole_or_not_at_all(void **state)
{
    (void)state;
    EXPECT({"$MOPROF list -o v.csv && head -1 v.csv", 0, "variant,family"},
           {"$MOPROF list -o /nonexistent/v.csv", 1, "/nonexistent/v.csv"},
           {"$MOPROF list -f csv -o /dev/full", 1, "No space left"},
           {"$MOPROF list -f csv > /dev/full", 1, "No space left"},
           {"$MOPROF --help > /dev/full", 1, "No space left"},
           {"$MOPROF sweep --variants cnn30@32 --dry-run > /dev/full", 1, "No space left"},
           {"test -c /dev/full && ls v.csv*", 0, "v.csv"});
}

static void a_network_is_exported_whole_or_not_at_all(void **state)
{
    (void)state;
    EXPECT({"$MOPROF export cnn30@32", 2, "name it with -o FILE.onnx"},
           {"$MOPROF export cnn30@32 -o x.csv", 2, "name it with -o FILE.onnx"},
           {"$MOPROF export -o x.onnx", 2, "moprof export SPEC -o x.onnx"},
           {"$MOPROF export -o x.csv --io", 2, "--io belongs to a network"},
           {"$MOPROF export cnn31@32 -o x.onnx", 2, "cnn30"},
           {"$MOPROF export 'mobileone-s{0,1}@32' -o x.onnx", 2, "one is wanted"},
           {"$MOPROF export cnn30@32 -o x.onnx --batch 0", 2, "from 1 to"},
           {"$MOPROF export cnn30@32 -o x.onnx --seed -1", 2, "--seed"},
           {"$MOPROF export cnn30@32 -o x.onnx --fuse bm", 2, "'bn'"},
           {"$MOPROF export cnn30@32 -o /nonexistent/x.onnx", 1, "/nonexistent/x.onnx"},
           {"ln -s /dev/full full.onnx; $MOPROF export cnn30@32 -o full.onnx", 1, "No space left"},
           {"$MOPROF export cnn30@32 -o full.onnx --io", 1, "No space left"},
           {"rm full.onnx; touch test_data_set_0; $MOPROF export cnn30@32 -o x.onnx --io", 1,
            "test_data_set_0"},
           {"rm test_data_set_0; test -z \"$(ls | grep -E 'onnx|test_data')\" && echo clean", 0,
            "clean"});
    EXPECT(
        {"$MOPROF export cnn30@32 -o a.onnx && $MOPROF export cnn30@32x32 -o b.onnx --io && cmp "
         "a.onnx b.onnx && ls test_data_set_0",
         0, "input_0.pb\noutput_0.pb\n"},
        {"$MOPROF export cnn30@32 -o c.onnx --seed 2; cmp a.onnx c.onnx", 1, "differ"},
        {"$MOPROF export cnn30:train@32 -o d.onnx --fuse bn && grep -c BatchNorm d.onnx", 1, "0"},
        {"rm -r test_data_set_0 [abcd].onnx", 0, ""});
}

static void foreign_databases_are_refused_and_left_alone(void **state)
{
    (void)state;
    EXPECT(
        {"$MOPROF query latency --db none.db", 2, "none.db"},
        {"echo hello > text.db; cp text.db copy; $MOPROF query latency --db text.db", 2, "text.db"},
        {"$MOPROF sweep --variants mobileone-s0@32 --backends cpu --db text.db", 2, "text.db"},
        {"cmp text.db copy && echo same", 0, "same"},
        {"$MOPROF report --db text.db -o r.html", 2, "text.db"},
        {"test ! -e r.html && echo clean", 0, "clean"});
}

/* Building and checking the networks of a sweep takes minutes. */
static void a_database_that_cannot_be_written_is_told_before_the_work(void **state)
{
    (void)state;
    EXPECT({"$MOPROF sweep --variants cnn30@32 --db /nonexistent/a.db 2>said", 1, ""},
           {"grep -c plan said", 1, "0"}, {"cat said", 0, "/nonexistent/a.db"},
           {"flock held.db.lock $MOPROF sweep --variants cnn30@32 --db held.db 2>said", 1, ""},
           {"grep -c plan said", 1, "0"}, {"cat said", 0, "held.db is being written by"},
           {"test ! -e held.db && echo clean", 0, "clean"});
}

static void a_sweep_stores_what_query_report_and_export_read(void **state)
{
    (void)state;
    EXPECT(
        {"$MOPROF sweep --variants mobileone-s0@32,cnn30@32,mobilenetv2-1.0@32 --backends cpu "
         "--precision 0.5 --budget 2m --db a.db",
         0, "next: moprof report"},
        {"$MOPROF query 'SELECT count(*) AS c FROM result' --db a.db -f csv", 0, "c\n3"},
        {"$MOPROF query latency '' '' X --db a.db -f md", 0, "mobileone-s0@32"},
        {"$MOPROF query 'DELETE FROM sample' --db a.db", 2, "moprof:"},
        {"$MOPROF query 'SELECT nosuch FROM result' --db a.db", 2, "nosuch"},
        {"$MOPROF report --db a.db -o a.html && head -c 15 a.html", 0, "<!"},
        {"$MOPROF report --db a.db -o a.md && head -3 a.md", 0, "#"},
        {"$MOPROF report --db a.db -o a.pdf", 2, ".html"},
        {"$MOPROF report --db a.db -o b.html --layers cnn31", 2, "cnn30"},
        {"test ! -e b.html && echo clean", 0, "clean"},
        {"$MOPROF report --db a.db -o b.md --layers cnn30@32x32 && ! grep 'no layer times' b.md && "
         "echo shown",
         0, "shown"},
        {"$MOPROF export --db a.db -o a.csv && $MOPROF import a.csv --db b.db && "
         "$MOPROF export --db b.db -o b.csv && cmp a.csv b.csv && echo same",
         0, "same"},
        {"ls a.db*", 0, "a.db\n"});
}

static void a_dry_run_prints_the_plan_and_writes_nothing(void **state)
{
    (void)state;
    EXPECT({"$MOPROF sweep --variants 'mobileone-s{0..4}' --backends cpu --dry-run --db dry.db", 0,
            "5 rows"},
           {"test ! -e dry.db && echo clean", 0, "clean"});
}

static void an_interrupted_sweep_goes_on_where_it_stopped(void **state)
{
    (void)state;
    /* the sweep is stopped by its second pass at the latest found in the database, then resumed */
    EXPECT(
        {"$MOPROF sweep --variants mobileone-s0@128,cnn30@128 --backends cpu --precision 0.0001 "
         "--budget 40s --db i.db & pid=$!; for k in $(seq 1200); do "
         "n=$(sqlite3 'file:i.db?mode=ro' 'SELECT count(*) FROM pass' 2>/dev/null || echo 0); "
         "[ \"${n:-0}\" -ge 2 ] && break; sleep 0.1; done; kill -INT $pid; wait $pid; echo code $?",
         0, "code 130"},
        {"$MOPROF sweep --variants mobileone-s0@128,cnn30@128 --backends cpu --precision 0.0001 "
         "--budget 10s --db i.db --resume",
         0, "(resumed)"},
        {"$MOPROF query 'SELECT count(*) AS sweeps FROM sweep' --db i.db -f csv", 0, "sweeps\n1"});
}

static void no_vulkan_is_a_remark_unless_it_was_asked_for(void **state)
{
    (void)state;
    EXPECT({"VK_ICD_FILENAMES=/nonexistent VK_DRIVER_FILES=/nonexistent $MOPROF sweep --variants "
            "mobileone-s0@32 --backends vulkan --db v.db",
            5, "Vulkan"},
           {"test ! -e v.db && echo clean", 0, "clean"},
           {"VK_ICD_FILENAMES=/nonexistent VK_DRIVER_FILES=/nonexistent $MOPROF sweep --variants "
            "mobileone-s0@32 --precision 0.5 --budget 2m --db v.db",
            0, "Vulkan"});
}

static void verify_and_profile_say_how_far_off_they_are(void **state)
{
    (void)state;
    EXPECT({"$MOPROF verify --variants mobileone-s0@32,cnn30+se@32 --backends cpu", 0,
            "deploy = train"},
           {"$MOPROF profile mobileone-s0@64 --runs 5 -f csv", 0, "layer,op,kernel"},
           {"$MOPROF profile mobileone-s0@64 --runs 5 -o p.csv", 0, "mobileone-s0@64: "},
           {"$MOPROF verify --variants cnn30+se@32 --backends cpu --fuse none --winograd off", 0,
            ", 0 wrong"},
           {"$MOPROF profile cnn30@64 --runs 5 --fuse act+bn --winograd off -o p.csv", 0,
            "cnn30@64 [fuse=bn+act, winograd=off]: "},
           {"$MOPROF profile cnn30@32 --dtype int8", 1, "cpu computes in fp32 only, not in int8"},
           {"$MOPROF verify --variants cnn30@32 --backends cpu --dtype fp16", 1, "not in fp16"},
           {"$MOPROF verify --variants cnn30@32 --backends cpu --dtype fp32", 0, ", 0 wrong"},
           {"$MOPROF profile cnn30:train@32 --runs 3 --fuse none -f csv | grep conv1.bn", 0,
            "conv1.bn,batchnorm"},
           {"$MOPROF profile cnn30:train@32 --runs 3 -f csv | grep -c conv1.bn", 1, "\n0\n"},
           {"$MOPROF devices -f csv", 0, "cpu,0,"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_is_offered_on_every_level),
        cmocka_unit_test(wrong_words_name_the_nearest_right_one),
        cmocka_unit_test(numbers_out_of_range_are_refused_with_the_range),
        cmocka_unit_test(what_is_named_twice_is_swept_once),
        cmocka_unit_test(an_environment_twin_may_be_long),
        cmocka_unit_test(show_and_list_print_exact_counts),
        cmocka_unit_test(output_files_are_written_whole_or_not_at_all),
        cmocka_unit_test(a_network_is_exported_whole_or_not_at_all),
        cmocka_unit_test(foreign_databases_are_refused_and_left_alone),
        cmocka_unit_test(a_database_that_cannot_be_written_is_told_before_the_work),
        cmocka_unit_test(a_sweep_stores_what_query_report_and_export_read),
        cmocka_unit_test(a_dry_run_prints_the_plan_and_writes_nothing),
        cmocka_unit_test(an_interrupted_sweep_goes_on_where_it_stopped),
        cmocka_unit_test(no_vulkan_is_a_remark_unless_it_was_asked_for),
        cmocka_unit_test(verify_and_profile_say_how_far_off_they_are),
    };
    return cmocka_run_group_tests(tests, cli_begin, cli_end);
}
