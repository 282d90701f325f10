/* A table as text: aligned, CSV, JSON and Markdown, whatever the cells hold. */
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

#include "db/query.h"
#include "db/table.h"
#include "tests/support/db_fixture.h"

static void make_table(mop_table *t)
{
    static const char *const cols[] = {"name", "count", "value"};
    mop_err err = {0};
    mop_cell *row;
    DBFIX_OK(mop_table_start(t, cols, 3, &err));
    row = mop_table_row(t, &err);
    assert_non_null(row);
    DBFIX_OK(mop_cell_set_text(&row[0], "plain", &err));
    DBFIX_OK(mop_cell_set_int(&row[1], -42, &err));
    DBFIX_OK(mop_cell_set_real(&row[2], 0.1, -1, &err));
    row = mop_table_row(t, &err);
    assert_non_null(row);
    DBFIX_OK(mop_cell_set_text(&row[0], "a|b,\"c\"\n\xc3\xa9", &err));
    DBFIX_OK(mop_cell_set_int(&row[1], 1234567, &err));
}

static char *written(const mop_table *t, mop_format format)
{
    char *text = NULL;
    size_t n;
    mop_err err = {0};
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    DBFIX_OK(mop_table_write(t, format, out, &err));
    (void)fclose(out);
    return text;
}

static void expect_text(mop_format format, const char *wanted)
{
    mop_table t = {0};
    char *text;
    make_table(&t);
    text = written(&t, format);
    assert_string_equal(text, wanted);
    free(text);
    mop_table_release(&t);
}

static void table_is_aligned_with_numbers_on_the_right(void **state)
{
    (void)state;
    expect_text(MOP_FORMAT_TABLE, "name         count  value\n"
                                  "plain          -42    0.1\n"
                                  "a|b,\"c\" \xc3\xa9  1234567       \n");
}

static void csv_quotes_where_needed_and_keeps_all_digits(void **state)
{
    (void)state;
    expect_text(MOP_FORMAT_CSV, "name,count,value\n"
                                "plain,-42,0.10000000000000001\n"
                                "\"a|b,\"\"c\"\"\n\xc3\xa9\",1234567,\n");
}

static void markdown_escapes_the_bar(void **state)
{
    (void)state;
    expect_text(MOP_FORMAT_MD, "| name       |   count | value |\n"
                               "| ---------- | ------: | ----: |\n"
                               "| plain      |     -42 |   0.1 |\n"
                               "| a\\|b,\"c\" \xc3\xa9 | 1234567 |       |\n");
}

static void json_is_an_array_of_objects_in_column_order(void **state)
{
    (void)state;
    expect_text(
        MOP_FORMAT_JSON,
        "[\n  {\"name\": \"plain\", \"count\": -42, \"value\": 0.10000000000000001},\n"
        "  {\"name\": \"a|b,\\\"c\\\"\\n\xc3\xa9\", \"count\": 1234567, \"value\": null}\n]\n");
}

static void json_survives_any_bytes_infinities_and_repeated_names(void **state)
{
    static const char *const cols[] = {"a", "a", "a"};
    static const char *const bytes[] = {"\xff",         "\xc0\x80",         "\xed\xa0\x80",
                                        "\xf5\x80\x80", "\xe2\x82",         "\xf0\x9f\x98\x80",
                                        "ok\xc3",       "\xf4\x90\x80\x80", "\x7f\x01"};
    (void)state;
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        mop_table t = {0};
        mop_err err = {0};
        mop_cell *row;
        json_t *back;
        char *text;
        DBFIX_OK(mop_table_start(&t, cols, 3, &err));
        row = mop_table_row(&t, &err);
        assert_non_null(row);
        DBFIX_OK(mop_cell_set_text(&row[0], bytes[i], &err));
        DBFIX_OK(mop_cell_set_real(&row[1], INFINITY, -1, &err));
        DBFIX_OK(mop_cell_set_int(&row[2], INT64_MIN, &err));
        text = written(&t, MOP_FORMAT_JSON);
        back = json_loads(text, 0, NULL);
        assert_non_null(back);
        assert_int_equal(json_object_size(json_array_get(back, 0)), 3);
        assert_true(json_is_null(json_object_get(json_array_get(back, 0), "a_2")));
        json_decref(back);
        free(text);
        mop_table_release(&t);
    }
}

static void an_empty_table_is_still_well_formed(void **state)
{
    static const char *const cols[] = {"a", "b"};
    static const struct {
        mop_format format;
        const char *text;
    } cases[] = {{MOP_FORMAT_TABLE, "a  b\n"},
                 {MOP_FORMAT_CSV, "a,b\n"},
                 {MOP_FORMAT_JSON, "[]\n"},
                 {MOP_FORMAT_MD, "| a   | b   |\n| --- | --- |\n"}};
    mop_table t = {0};
    mop_err err = {0};
    (void)state;
    DBFIX_OK(mop_table_start(&t, cols, 2, &err));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = written(&t, cases[i].format);
        assert_string_equal(text, cases[i].text);
        free(text);
    }
    mop_table_release(&t);
}

static void a_full_disk_is_told_in_every_format(void **state)
{
    mop_table t = {0};
    (void)state;
    make_table(&t);
    for (int format = MOP_FORMAT_TABLE; format <= MOP_FORMAT_MD; format++) {
        FILE *out = fopen("/dev/full", "w");
        mop_err err = {0};
        assert_non_null(out);
        assert_int_equal(mop_table_write(&t, (mop_format)format, out, &err), MOP_EIO);
        assert_non_null(strstr(err.msg, "No space left"));
        (void)fclose(out);
    }
    mop_table_release(&t);
}

static void formats_are_found_by_name(void **state)
{
    mop_format format = MOP_FORMAT_MD;
    (void)state;
    assert_true(mop_format_find("csv", &format));
    assert_int_equal(format, MOP_FORMAT_CSV);
    assert_false(mop_format_find("xml", &format));
    assert_int_equal(format, MOP_FORMAT_CSV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_aligned_with_numbers_on_the_right),
        cmocka_unit_test(csv_quotes_where_needed_and_keeps_all_digits),
        cmocka_unit_test(markdown_escapes_the_bar),
        cmocka_unit_test(json_is_an_array_of_objects_in_column_order),
        cmocka_unit_test(json_survives_any_bytes_infinities_and_repeated_names),
        cmocka_unit_test(an_empty_table_is_still_well_formed),
        cmocka_unit_test(a_full_disk_is_told_in_every_format),
        cmocka_unit_test(formats_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
