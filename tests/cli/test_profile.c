/* `moprof profile` as a user meets it: modes, what is said of an inference, and the trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/engine/backend.h"
#include "tests/support/cli_case.h"
#include "tests/support/folder.h"

enum { RUNS = 3 };

static char files[MOP_FOLDER_MAX]; /* of traces and tables: $FILES */

static int begin(void **state)
{
    return cli_begin(state) == 0 && mop_folder_make(files) && setenv("FILES", files, 1) == 0 ? 0
                                                                                             : -1;
}

static int end(void **state)
{
    return mop_folder_remove(files) && cli_end(state) == 0 ? 0 : -1;
}

static bool has_vulkan(void)
{
    mop_device_info info;
    mop_err err = {0};
    size_t n;
    if (mop_backend_vulkan.list(&info, 1, &n, &err) == MOP_OK && n > 0)
        return true;
    printf("skip: %s\n", err.msg);
    return false;
}

static json_t *read_json(const char *name)
{
    char path[MOP_FOLDER_MAX + 32];
    json_error_t error;
    (void)snprintf(path, sizeof path, "%s/%s", files, name);
    json_t *j = json_load_file(path, 0, &error);
    if (j == NULL)
        fail_msg("%s: %s", path, error.text);
    return j;
}

static double number(const json_t *event, const char *key)
{
    assert_true(json_is_real(json_object_get(event, key)));
    return json_real_value(json_object_get(event, key));
}

/* Every track in order and without overlap. Returns the number of complete events. */
static size_t check_tracks(const json_t *events)
{
    double ended[4][4] = {{0}};
    size_t i, n = 0;
    json_t *e;
    json_array_foreach(events, i, e)
    {
        const char *ph = json_string_value(json_object_get(e, "ph"));
        const json_int_t pid = json_integer_value(json_object_get(e, "pid"));
        const json_int_t tid = json_integer_value(json_object_get(e, "tid"));
        assert_true(pid >= 1 && pid < 4 && tid >= 0 && tid < 4);
        assert_non_null(json_string_value(json_object_get(e, "name")));
        if (strcmp(ph, "M") == 0)
            continue;
        assert_string_equal(ph, "X");
        assert_true(number(e, "dur") >= 0);
        if (number(e, "ts") < ended[pid][tid] - 1e-3)
            fail_msg("event %zu begins at %f, before %f", i, number(e, "ts"), ended[pid][tid]);
        ended[pid][tid] = number(e, "ts") + number(e, "dur");
        n++;
    }
    return n;
}

/* Median length in ms of the RUNS events of a layer of process pid; 0 if there are none. */
static double traced(const json_t *events, json_int_t pid, const char *layer)
{
    double x[RUNS];
    size_t i, n = 0;
    json_t *e;
    json_array_foreach(events, i, e)
    {
        if (json_integer_value(json_object_get(e, "pid")) == pid &&
            json_object_get(json_object_get(e, "args"), "macs") != NULL &&
            strcmp(json_string_value(json_object_get(e, "name")), layer) == 0) {
            assert_true(n < RUNS);
            x[n++] = number(e, "dur");
        }
    }
    if (n < RUNS)
        return 0;
    const double low = fmin(fmin(x[0], x[1]), x[2]), high = fmax(fmax(x[0], x[1]), x[2]);
    return (x[0] + x[1] + x[2] - low - high) / 1e3;
}

/* The layers of the trace are those of the table, as long as there. */
static void check_against_table(const json_t *trace, const json_t *table, json_int_t pid,
                                const char *backend)
{
    const json_t *events = json_object_get(trace, "traceEvents");
    size_t i, n = 0;
    json_t *row;
    json_array_foreach(table, i, row)
    {
        const json_t *of = json_object_get(row, "backend");
        if (of != NULL && strcmp(json_string_value(of), backend) != 0)
            continue;
        const double ms = json_number_value(json_object_get(row, "ms"));
        const double t = traced(events, pid, json_string_value(json_object_get(row, "layer")));
        if (t > 0 && fabs(t - ms) > 2e-6)
            fail_msg("%s: %f ms in the trace, %f in the table",
                     json_string_value(json_object_get(row, "layer")), t, ms);
        n += t > 0;
    }
    assert_true(n > 10);
}

static void a_trace_holds_the_layers_of_the_table(void **state)
{
    (void)state;
    EXPECT({"$MOPROF profile mobileone-s0@64 -n 3 --trace $FILES/c.json -o $FILES/c.table.json", 0,
            "layers by the host clock"});
    json_t *trace = read_json("c.json"), *table = read_json("c.table.json");
    assert_true(check_tracks(json_object_get(trace, "traceEvents")) > 3 * 10);
    check_against_table(trace, table, 1, "cpu");
    json_decref(trace);
    json_decref(table);
}

static void one_trace_holds_both_back_ends(void **state)
{
    (void)state;
    if (!has_vulkan())
        skip();
    EXPECT({"$MOPROF profile mobileone-s0@64 -b cpu,vulkan -n 3 --trace $FILES/b.json -o "
            "$FILES/b.table.json",
            0, "host overhead: end to end less dispatches"},
           {"grep -o '\"process_name\"' $FILES/b.json | wc -l", 0, "2"},
           {"grep -c '\"input to NC4HW4\"' $FILES/b.json", 0, "1"},
           {"grep -c 'clock' $FILES/b.json", 0, "1"});
    json_t *trace = read_json("b.json"), *table = read_json("b.table.json");
    (void)check_tracks(json_object_get(trace, "traceEvents"));
    check_against_table(trace, table, 1, "cpu");
    check_against_table(trace, table, 2, "vulkan");
    json_decref(trace);
    json_decref(table);
}

static void what_cannot_be_done_is_told(void **state)
{
    (void)state;
    EXPECT({"$MOPROF profile mobileone-s0@32 --mode repeat", 2, "--mode repeat is for devices"},
           {"$MOPROF profile mobileone-s0@32 --mode stamps", 2, "timestamps or repeat"},
           {"$MOPROF profile mobileone-s0@32 -b cpu,vulcan", 2, "vulkan"},
           {"$MOPROF profile mobileone-s0@32 -n 3 --trace /nonexistent/t.json", 1, "nonexistent"});
}

static void without_timestamps_layers_are_timed_by_repetition_and_labelled(void **state)
{
    (void)state;
    if (!has_vulkan())
        skip();
    EXPECT({"$MOPROF profile mobileone-s0@32 -b vulkan -n 3 --vulkan no-timestamps --trace "
            "$FILES/r.json -f csv >r.csv",
            0, "its queue has no timestamps; layers are timed by repetition"},
           {"$MOPROF profile mobileone-s0@32 -b vulkan -n 3 --mode repeat -f csv >r.csv", 0,
            "layers by repetition (repeat-N), each dispatched"},
           {"head -1 r.csv", 0, "layer,op,kernel"},
           {"grep -c no.device.timestamps $FILES/r.json", 0, "1"},
           {"$MOPROF profile mobileone-s0@32 -b vulkan -n 3 --vulkan no-timestamps --mode "
            "timestamps",
            1, "no device timestamps of"});
}

static void an_inference_of_a_device_is_accounted_for(void **state)
{
    (void)state;
    if (!has_vulkan())
        skip();
    EXPECT(
        {"$MOPROF profile mobileone-s0@32 -b vulkan -n 5 -o a.csv", 0, "  residual  "},
        {"$MOPROF profile mobileone-s0@32 -b vulkan -n 5 -o a.csv", 0,
         "outside the device's span, run by run"},
        {"$MOPROF profile mobileone-s0@32 -b vulkan -n 5 -o a.csv", 0, " pipelines made in "},
        {"MOPROF_PIPELINES=$FILES $MOPROF profile mobileone-s0@32 -b vulkan -n 5 -o a.csv", 0,
         "pipeline cache on disk: cold"},
        {"MESA_SHADER_CACHE_DISABLE=true $MOPROF profile mobileone-s0@32 -b vulkan -n 3 -o a.csv",
         0, "pipeline cache on disk: "});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trace_holds_the_layers_of_the_table),
        cmocka_unit_test(one_trace_holds_both_back_ends),
        cmocka_unit_test(what_cannot_be_done_is_told),
        cmocka_unit_test(without_timestamps_layers_are_timed_by_repetition_and_labelled),
        cmocka_unit_test(an_inference_of_a_device_is_accounted_for),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
