/* Every mistake in a file of another engine is one sentence with its place, and changes nothing. */
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
    dbfix_path(f->file, f->dir, "x.txt");
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

/* The file is refused with these words, before and after there is a database. */
static void refuse(const fixture *f, const char *text, size_t len, const mop_import_options *o,
                   const char *words)
{
    const char *path = f->file;
    mop_import_result r = {0};
    mop_err err = {0};
    dbfix_write(f->file, text, len);
    if (mop_import(&path, 1, f->db, o, &r, &err) != MOP_EINVAL)
        fail_msg("let through: %.200s", text);
    if (strstr(err.msg, words) == NULL || strstr(err.msg, "x.txt") == NULL)
        fail_msg("\"%.200s\" says \"%s\"", text, err.msg);
    assert_int_not_equal(access(f->db, F_OK), 0);
}

static const mop_import_options plain,
    ort = {.variant = "a"}, four = {.threads = 4, .engine = "x"},
    one = {.variant = "one", .engine = "x"}, own = {.engine = "moprof"},
    forced = {.format = "ncnn"}, litert = {.format = "litert"}, result = {.format = "onnxruntime"};
static const struct {
    const char *text;
    const mop_import_options *o;
    const char *words;
} cases[] = {
    {"", &plain, ":1:1: the file is empty"},
    {"hello\n", &plain, "is in no format that moprof knows"},
    {"hello\n", &forced, ":1:1: there is no line NAME"},
    {" a  min = 1.0  max = x  avg = 2\n", &plain, ":1:22: max = cannot be \"x\""},
    {" a  min = 1.0  max = 2\n a min = 1 max = 1 avg = 1", &plain, ":1:23: a result is NAME"},
    {" a  min = 0.00  max = 1  avg = 1\n", &plain, ":1:11: min = cannot be \"0.00\""},
    {" a  min = -1  max = 1  avg = 1\n", &plain, "cannot be \"-1\""},
    {" a  min = nan  max = 1  avg = 1\n", &plain, "cannot be \"nan\""},
    {" a  min = 1e400  max = 1  avg = 1\n", &plain, "cannot be \"1e400\""},
    {" a  min = 3  max = 2  avg = 2\n", &plain, ":1:1: the mean does not lie between"},
    {"num_threads = 2\n a  min = 1  max = 2  avg = 2\n", &four,
     ":2:1: the file says threads 2, and --threads says 4"},
    {" a  min = 1  max = 2  avg = 2\n b  min = 1  max = 2  avg = 2\n", &one,
     ":2:1: the file holds more than one network"},
    {" a  min = 1  max = 2  avg = 2\n", &own, "moprof is no other engine"},
    {"[{\"name\": 2", &ort, ":1:11: "},
    {"[{\"a\": 2}]", &ort, "event 1 of the trace has no name"},
    {"{}", &ort, "array of events"},
    {"[]", &ort, "has 0 events named model_run"},
    {"[{\"name\":\"model_run\",\"dur\":-5}]", &ort, "event 1 of the trace is a model_run"},
    {"[{\"name\":\"model_run\",\"dur\":5},{\"name\":\"model_run\",\"dur\":5}]", &plain,
     ":1:1: the file does not name the network"},
    {"a,0.5,1,2,0\nb,0.5,1,2\n", &plain, ":2:1: a run is MODEL,SECONDS"},
    {"a,0.5,1,2,0\na,-1,1,2,1\n", &plain, ":2:3: the time of a run cannot be \"-1\""},
    {"x\n", &result, ":1:1: a run is MODEL,SECONDS"},
    {"Inference timings in us: Init: 1, Inference (avg): nan\n", &ort,
     ":1:52: Inference (avg): cannot be \"nan\""},
    {"Timings (microseconds): count=1 curr=147\n", &plain, "there are no timings of regular"},
    {"hello\n", &litert, ":1:1: there are no timings of regular"},
    {"variant,engine,medain_ms\na,b,1\n", &plain,
     ":1:16: there is no column \"medain_ms\"; did you mean median_ms?"},
    {"variant,engine\na,b\n", &plain, ":1:1: there is no column with a time"},
    {"variant,median_ms\na,1\n", &plain, ":2:1: the file does not name the engine"},
    {"engine,median_ms\na,1\n", &plain, ":2:1: the file does not name the network"},
    {"variant,engine,median_ms,median_us\n", &plain, ":1:26: this value has another column"},
    {"variant,engine,median_ms,latency_us\n", &plain, "either a latency a row or statistics"},
    {"variant,engine,median_ms\na,b,1\na,b\n", &plain,
     ":3:4: this row has 2 fields, and the header has 3"},
    {"variant,engine,median_ms\na,b,1,2\n", &plain, ":2:7: this row has more than 3 fields"},
    {"variant,engine,median_ms\na,b,\n", &plain, ":2:1: the result has neither a median"},
    {"variant,engine,median_ms\na,b,inf\n", &plain, ":2:5: median_ms cannot be \"inf\""},
    {"variant,engine,median_ms\na,b,1e30\n", &plain, ":2:5: median_ms cannot be \"1e30\""},
    {"variant,engine,threads,min_ns\na,b,1.5,1\n", &plain, "which is no whole number"},
    {"variant,engine,threads,min_ns\na,b,3e9,1\n", &plain, "threads cannot be \"3e9\""},
    {"variant,engine,latency_ns\na,b,\n", &plain, ":2:5: the latency is empty"},
    {"variant,engine,min_ns\na,0123456789012345678901234567890123456789012345678,1\n", &plain,
     ":2:3: engine has 49 bytes, and at most 47 fit"},
    {"variant,engine,min_ns\na,\"b,1\n", &plain, ":2:3: the quote that begins here never"},
};

static void every_mistake_is_told_with_its_place(void **state)
{
    const fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refuse(f, cases[i].text, strlen(cases[i].text), cases[i].o, cases[i].words);
}

static void what_is_no_text_is_refused(void **state)
{
    static const char garbage[] = "\x7f"
                                  "ELF\n\2\1\0\0\0\0variant,engine";
    const fixture *f = *state;
    refuse(f, garbage, sizeof garbage - 1, &(mop_import_options){0},
           ":2:3: there is a NUL byte, so this is no text");
}

static void a_field_of_a_mebibyte_is_refused(void **state)
{
    static const char head[] = "variant,engine,min_ns\n";
    const size_t n = sizeof head - 1 + (1 << 20) + 70000;
    const fixture *f = *state;
    char *text = malloc(n);
    assert_non_null(text);
    memset(text, 'x', n);
    memcpy(text, head, sizeof head - 1);
    refuse(f, text, n, &(mop_import_options){0}, ":2:1: this field is longer than 1 MiB");
    memcpy(text, "variant,min", 11); /* and none of the others takes it for its own */
    refuse(f, text, n, &(mop_import_options){.format = "litert"}, "there are no timings");
    free(text);
}

static void an_unknown_format_is_told_with_the_nearest(void **state)
{
    const mop_import_options o = {.format = "ncn"};
    fixture *f = *state;
    const char *path = f->file;
    mop_import_result r;
    mop_err err = {0};
    assert_int_equal(mop_import(&path, 1, f->db, &o, &r, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "there is no format 'ncn'; the nearest is ncnn"));
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
    fixture *f = *state;
    const char *const paths[] = {f->file, f->dir};
    mop_import_result r;
    mop_err err = {0};
    const mop_import_options o = {0};
    assert_int_equal(mop_import(&paths[0], 1, f->db, &o, &r, &err), MOP_EIO);
    assert_non_null(strstr(err.msg, "x.txt"));
    err = (mop_err){0};
    assert_int_equal(mop_import(&paths[1], 1, f->db, &o, &r, &err), MOP_EIO);
    assert_int_not_equal(access(f->db, F_OK), 0);
}

/* A database that refuses keeps what it had. */
static void a_database_of_another_program_stays_as_it_was(void **state)
{
    static const char text[] = "variant,engine,min_ns\na,b,1\n", not_ours[] = "not SQLite at all";
    fixture *f = *state;
    const char *path = f->file;
    mop_import_result r;
    mop_err err = {0};
    size_t n;
    char *after;
    dbfix_write(f->file, text, strlen(text));
    dbfix_write(f->db, not_ours, sizeof not_ours);
    assert_int_equal(mop_import(&path, 1, f->db, &(mop_import_options){0}, &r, &err), MOP_EINVAL);
    after = dbfix_read(f->db, &n);
    assert_int_equal(n, sizeof not_ours);
    assert_memory_equal(after, not_ours, n);
    free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_mistake_is_told_with_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_text_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_field_of_a_mebibyte_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unknown_format_is_told_with_the_nearest, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_database_of_another_program_stays_as_it_was, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
