/* Results of other engines: what each tool writes is understood, stays apart, and comes in once.
 * The texts have the form that the tools' sources give them (named in db/import_*.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/import.h"
#include "tests/support/db_fixture.h"

typedef struct fixture {
    char dir[256], db[512], file[512];
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    dbfix_dir(f->dir);
    dbfix_path(f->db, f->dir, "a.db");
    dbfix_path(f->file, f->dir, "results.txt");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    dbfix_remove(f->dir);
    free(f);
    return 0;
}

static mop_status import_text(const fixture *f, const char *text, const mop_import_options *o,
                              mop_import_result *r, mop_err *err)
{
    const char *path = f->file;
    *err = (mop_err){0};
    *r = (mop_import_result){0};
    dbfix_write(f->file, text, strlen(text));
    return mop_import(&path, 1, f->db, o, r, err);
}

static void take(const fixture *f, const char *text, const mop_import_options *o, size_t n_new,
                 const char *format)
{
    mop_import_result r;
    mop_err err;
    DBFIX_OK(import_text(f, text, o, &r, &err));
    assert_int_equal(r.n_new, n_new);
    assert_string_equal(r.format, format);
}

#define SHOW                                                                                       \
    "SELECT group_concat(engine || ' ' || variant || ' ' || device || ' ' || dtype || ' ' || "     \
    "coalesce(threads, '-') || '/' || batch || ' ' || coalesce(n, '-') || ' ' || "                 \
    "coalesce(CAST(min_ns AS INTEGER), '-') || ' ' || coalesce(CAST(mean_ns AS INTEGER), '-') "    \
    "|| ' ' || coalesce(CAST(median_ns AS INTEGER), '-') || ' ' || "                               \
    "coalesce(CAST(max_ns AS INTEGER), '-') || ' @' || source_row, '; ') "                         \
    "FROM (SELECT * FROM external_result ORDER BY source_hash, source_row)"

static const mop_import_options nothing_said;

static const char ncnn[] = "[0 Test GPU]  queueC=0[8]\n"
                           "loop_count = 8\n"
                           "num_threads = 2\n"
                           "powersave = 0\n"
                           "gpu_device = -1\n"
                           "cooling_down = 1\n"
                           "          squeezenet  min =    5.25  max =    6.50  avg =    5.75\n"
                           "      mobilenet_int8  min =   10.00  max =   12.00  avg =   11.00\n";

static const char litert[] =
    "INFO: STARTING!\n"
    "INFO: Min num runs: [50]\n"
    "INFO: Num threads: [4]\n"
    "INFO: Graph: [mobilenet_v2_1.0_224.tflite]\n"
    "INFO: #threads used for CPU inference: [4]\n"
    "INFO: Initialized session in 16.599ms.\n"
    "INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if "
    "exceeding 150 seconds.\n"
    "INFO: count=70 first=8539 curr=6894 min=6043 max=8539 avg=7181.07 std=656\n"
    "\n"
    "INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if "
    "exceeding 150 seconds.\n"
    "INFO: count=50 first=6449 curr=6510 min=6449 max=6510 avg=6479.5 std=30 p5=6450 median=6470 "
    "p95=6509\n"
    "\n"
    "INFO: Inference timings in us: Init: 16599, First inference: 8539, Warmup (avg): 7181.07, "
    "Inference (avg): 6479.5\n"
    "INFO: Operator-wise Profiling Info for Regular Benchmark Runs:\n"
    "Timings (microseconds): count=50 first=9 curr=9 min=9 max=9 avg=9 std=0\n"
    "Memory (bytes): count=0\n";

static const char trace[] =
    "[\n"
    "{\"cat\" : \"Session\",\"pid\" :7,\"tid\" :7,\"dur\" :3,\"ts\" :1,\"ph\" : \"X\",\"name\" "
    ":\"model_loading_uri\",\"args\" : {}},\n"
    "{\"cat\" : \"Session\",\"pid\" :7,\"tid\" :7,\"dur\" :9000,\"ts\" :5,\"ph\" : \"X\",\"name\" "
    ":\"model_run\",\"args\" : {}},\n"
    "{\"cat\" : \"Node\",\"pid\" :7,\"tid\" :7,\"dur\" :87,\"ts\" :6,\"ph\" : \"X\",\"name\" "
    ":\"Conv_kernel_time\",\"args\" : {\"op_name\" : \"Conv\"}},\n"
    "{\"cat\" : \"Session\",\"pid\" :7,\"tid\" :7,\"dur\" :100,\"ts\" :8,\"ph\" : \"X\",\"name\" "
    ":\"model_run\",\"args\" : {}},\n"
    "{\"cat\" : \"Session\",\"pid\" :7,\"tid\" :7,\"dur\" :300,\"ts\" :9,\"ph\" : \"X\",\"name\" "
    ":\"model_run\",\"args\" : {}}\n"
    "]\n";

static void benchncnn_gives_a_result_a_network(void **state)
{
    fixture *f = *state;
    take(f, ncnn, &nothing_said, 2, "ncnn");
    dbfix_expect(f->db, SHOW,
                 "ncnn squeezenet cpu  2/1 8 5250000 5750000 - 6500000 @7; "
                 "ncnn mobilenet cpu int8 2/1 8 10000000 11000000 - 12000000 @8");
}

static void benchmark_model_gives_its_timed_runs_and_not_its_warm_up(void **state)
{
    fixture *f = *state;
    take(f, litert, &nothing_said, 1, "litert");
    dbfix_expect(f->db, SHOW,
                 "litert mobilenet_v2_1.0_224 cpu  4/1 50 6449000 6479500 6470000 6510000 @11");
}

static void the_profile_of_benchmark_model_gives_its_total(void **state)
{
    static const char csv[] =
        "Profiling Info for Benchmark Initialization:\n"
        "node type, start, first, avg_ms, %, cdf%, mem KB, times called, name\n"
        "AllocateTensors, 0, 0.147, 0.147, 100%, 100%, 0, 1, AllocateTensors/0\n"
        "Timings (microseconds): count=1 curr=147\n"
        "Operator-wise Profiling Info for Regular Benchmark Runs:\n"
        "node type, start, first, avg_ms, %, cdf%, mem KB, times called, name\n"
        "CONV_2D, 0, 4.269, 4.269, 100%, 100%, 0, 1, [a]:0\n"
        "Timings (microseconds): count=2 first=5000 curr=4000 min=4000 max=5000 avg=4500 std=7\n"
        "Memory (bytes): count=0\n";
    const mop_import_options said = {.variant = "mobilenetv1-1.0", .device = "Phone"};
    fixture *f = *state;
    take(f, csv, &said, 1, "litert");
    dbfix_expect(f->db, SHOW, "litert mobilenetv1-1.0 Phone  -/1 2 4000000 4500000 - 5000000 @8");
}

static void a_trace_of_onnxruntime_leaves_out_the_run_before_the_measured_ones(void **state)
{
    const mop_import_options said = {.variant = "resnet18", .threads = 1, .dtype = "fp32"};
    fixture *f = *state;
    take(f, trace, &said, 1, "onnxruntime");
    dbfix_expect(f->db, SHOW, "onnxruntime resnet18  fp32 1/1 2 100000 200000 200000 300000 @1");
}

static void a_result_file_of_onnxruntime_gives_a_result_an_invocation(void **state)
{
    static const char text[] = "a,b,0.5,1000,50,0\na,b,0.25,1000,50,1\n"
                               "\nMin Latency is 0.25sec\nP50 Latency: 0.5 s\n"
                               "a,b,1,1000,50,0\nc,2e-3,1000,50,1\n";
    fixture *f = *state;
    take(f, text, &nothing_said, 3, "onnxruntime");
    dbfix_expect(f->db, SHOW,
                 "onnxruntime a,b   -/1 2 250000000 375000000 375000000 500000000 @1; "
                 "onnxruntime a,b   -/1 1 1000000000 1000000000 1000000000 1000000000 @6; "
                 "onnxruntime c   -/1 1 2000000 2000000 2000000 2000000 @7");
}

static void named_columns_hold_statistics_or_single_runs(void **state)
{
    fixture *f = *state;
    take(f, "engine,variant,threads,batch,n,median_ms,min_us,device\nx,net,4,2,9,1.5,1000,\n",
         &nothing_said, 1, "generic");
    dbfix_expect(f->db, SHOW, "x net   4/2 9 1000000 - 1500000 - @2");
    assert_int_equal(unlink(f->db), 0);
    take(f, "variant,latency_ms\na,1\nb,7\na,3\n\na,2\n",
         &(mop_import_options){.engine = "y", .batch = 8}, 2, "generic");
    dbfix_expect(f->db, SHOW,
                 "y a   -/8 3 1000000 2000000 2000000 3000000 @2; "
                 "y b   -/8 1 7000000 7000000 7000000 7000000 @3");
}

static void single_runs_have_percentiles_where_there_are_enough(void **state)
{
    fixture *f = *state;
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    for (int i = 0; i < 100; i++)
        (void)fprintf(out, "net,%d,1,1,%d\n", i + 1, i);
    assert_int_equal(fclose(out), 0);
    take(f, text, &nothing_said, 1, "onnxruntime");
    free(text);
    dbfix_expect(
        f->db, "SELECT p90_ns BETWEEN 90e9 AND 98e9 AND p99_ns IS NULL FROM external_result", "1");
}

static bool spell(const char *name, char *out, size_t size)
{
    return strcmp(name, "mobilenet") == 0 && snprintf(out, size, "mobilenetv1-1.0") > 0;
}

static void names_that_the_caller_knows_are_spelled_its_way(void **state)
{
    fixture *f = *state;
    take(f, ncnn, &(mop_import_options){.rename = spell, .dtype = "fp16"}, 2, "ncnn");
    dbfix_expect(f->db, "SELECT group_concat(variant || ' ' || dtype) FROM external_result",
                 "squeezenet fp16,mobilenetv1-1.0 int8");
}

static void what_is_there_already_is_not_added_again(void **state)
{
    fixture *f = *state;
    mop_import_result r;
    mop_err err;
    take(f, ncnn, &nothing_said, 2, "ncnn");
    DBFIX_OK(import_text(f, ncnn, &nothing_said, &r, &err));
    assert_int_equal(r.n_new, 0);
    assert_int_equal(r.n_known, 2);
    dbfix_expect(f->db, "SELECT count(*) FROM external_result", "2");
}

static void results_of_others_are_apart_from_those_of_moprof(void **state)
{
    fixture *f = *state;
    dbfix_fill(f->db);
    take(f, "engine,variant,threads,median_ms\nx,mobileone-s0,1,9\n", &nothing_said, 1, "generic");
    dbfix_expect(f->db, "SELECT count(*) FROM result WHERE median_ns = 9e6", "0");
    dbfix_expect(f->db,
                 "SELECT engine || is_checked || source FROM engine_result WHERE median_ns = 9e6",
                 "x0results.txt");
    dbfix_expect(f->db, "SELECT min(is_checked) FROM engine_result WHERE engine = 'moprof'", "1");
}

static void a_mistake_in_one_file_keeps_the_others_out(void **state)
{
    fixture *f = *state;
    char other[512];
    const char *const paths[] = {f->file, other};
    mop_import_result r[2];
    mop_err err = {0};
    dbfix_path(other, f->dir, "other.txt");
    dbfix_write(f->file, ncnn, strlen(ncnn));
    dbfix_write(other, litert, strlen(litert) / 2);
    assert_int_equal(mop_import(paths, 2, f->db, &nothing_said, r, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "other.txt"));
    assert_int_not_equal(access(f->db, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(benchncnn_gives_a_result_a_network, set_up, tear_down),
        cmocka_unit_test_setup_teardown(benchmark_model_gives_its_timed_runs_and_not_its_warm_up,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_profile_of_benchmark_model_gives_its_total, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            a_trace_of_onnxruntime_leaves_out_the_run_before_the_measured_ones, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_result_file_of_onnxruntime_gives_a_result_an_invocation,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(named_columns_hold_statistics_or_single_runs, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(single_runs_have_percentiles_where_there_are_enough, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(names_that_the_caller_knows_are_spelled_its_way, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_there_already_is_not_added_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(results_of_others_are_apart_from_those_of_moprof, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_mistake_in_one_file_keeps_the_others_out, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
