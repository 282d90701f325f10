/* The CSV reader: what it understands, and where it says a mistake is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/csvread.h"
#include "tests/support/db_fixture.h"

static int set_up(void **state)
{
    char dir[256], *path = malloc(512);
    assert_non_null(path);
    dbfix_dir(dir);
    dbfix_path(path, dir, "a.csv");
    *state = path;
    return 0;
}

static int tear_down(void **state)
{
    char *path = *state;
    *strrchr(path, '/') = '\0';
    dbfix_remove(path);
    free(path);
    return 0;
}

typedef struct seen {
    size_t rows, cells;
    char last[64];
} seen;

static mop_status see(void *ctx, size_t row, const mop_csv_cell *cells, size_t n, mop_err *err)
{
    seen *s = ctx;
    (void)err;
    s->rows = row + 1;
    s->cells += n;
    (void)snprintf(s->last, sizeof s->last, "%s",
                   cells[n - 1].text != NULL ? cells[n - 1].text : "-");
    return MOP_OK;
}

static mop_status read_text(const char *path, const char *text, size_t n, seen *s, mop_err *err)
{
    FILE *in;
    mop_status st;
    *s = (seen){0};
    *err = (mop_err){0};
    dbfix_write(path, text, n);
    in = fopen(path, "rb");
    assert_non_null(in);
    st = mop_csv_read(in, path, see, s, err);
    (void)fclose(in);
    return st;
}

static void line_ends_marks_and_empty_cells_are_understood(void **state)
{
    static const struct {
        const char *text, *last;
        size_t rows, cells;
    } cases[] = {
        {"a,b\n1,2\n", "2", 2, 4},
        {"a,b\r\n1,2\r\n", "2", 2, 4},
        {"\xef\xbb\xbf"
         "a\n1",
         "1", 2, 2},
        {"a,b\n1,\n", "-", 2, 4},
        {"a,b\n1,\"\"\n", "", 2, 4},
        {"a\n\"x\ny\"\n", "x\ny", 2, 2},
        {"a\n\n\n7\n", "7", 2, 2},
        {"a\n\"say \"\"hi\"\"\"\n", "say \"hi\"", 2, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        seen s;
        mop_err err;
        DBFIX_OK(read_text(*state, cases[i].text, strlen(cases[i].text), &s, &err));
        assert_int_equal(s.rows, cases[i].rows);
        assert_int_equal(s.cells, cases[i].cells);
        assert_string_equal(s.last, cases[i].last);
    }
    seen s;
    mop_err err;
    DBFIX_OK(read_text(*state,
                       "\xef\xbb\xbf"
                       "mark\n",
                       8, &s, &err));
    assert_string_equal(s.last, "mark"); /* the mark is not part of the name */
}

static void what_is_not_csv_is_told_where(void **state)
{
    static const struct {
        const char *text;
        size_t n;
        const char *words;
    } cases[] = {
        {"", 0, ":1:1: there is no header"},
        {"\n\n", 2, "there is no header"},
        {"a,b\n1\n", 6, ":2:2: this row has 1 fields, and the header has 2"},
        {"a\n1\n1,2\n", 8, ":3:3: this row has more than 1 fields"},
        {"a\n\"1", 4, ":2:1: the quote that begins here never ends"},
        {"a\n1\"2\n", 6, ":2:2: a quote stands"},
        {"a\n\"1\"2\n", 7, ":2:4: a quote stands"},
        {"a\n1\0002\n", 6, ":2:2: there is a NUL byte"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        seen s;
        mop_err err;
        assert_int_equal(read_text(*state, cases[i].text, cases[i].n, &s, &err), MOP_EINVAL);
        if (strstr(err.msg, cases[i].words) == NULL)
            fail_msg("case %zu says \"%s\"", i, err.msg);
    }
}

static void a_field_over_one_mebibyte_is_refused(void **state)
{
    size_t n = (size_t)MOP_CSV_FIELD_BYTES + 70000;
    char *text = malloc(n);
    seen s;
    mop_err err;
    assert_non_null(text);
    memset(text, 'x', n);
    memcpy(text, "a\n\"", 3);
    assert_int_equal(read_text(*state, text, n, &s, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, ":2:1: this field is longer than 1 MiB"));
    memcpy(text + n / 2, "\"\n", 2); /* half of it is fine */
    DBFIX_OK(read_text(*state, text, n / 2 + 2, &s, &err));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(line_ends_marks_and_empty_cells_are_understood, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_csv_is_told_where, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_field_over_one_mebibyte_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
