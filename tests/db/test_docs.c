/* Every SQL block of docs/database.md runs and finds something in a small database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/query.h"
#include "tests/support/db_fixture.h"

static void run_block(mop_db *db, const char *sql)
{
    mop_table t = {0};
    mop_err err = {0};
    if (mop_db_query(db, sql, NULL, 0, &t, &err) != MOP_OK)
        fail_msg("%s\n%s", err.msg, sql);
    if (t.n_rows == 0)
        fail_msg("finds nothing:\n%s", sql);
    mop_table_release(&t);
}

static void every_sql_block_of_the_documentation_runs(void **state)
{
    static const char fence[] = "```sql\n";
    char dir[256], path[512];
    size_t n, blocks = 0;
    char *text = dbfix_read("docs/database.md", &n), *at = text;
    mop_db *db = NULL;
    mop_err err = {0};
    (void)state;
    assert_non_null(text);
    dbfix_dir(dir);
    dbfix_path(path, dir, "a.db");
    dbfix_fill(path);
    DBFIX_OK(mop_db_open(path, &db, &err));
    while ((at = strstr(at, fence)) != NULL) {
        char *sql = at + sizeof fence - 1, *end = strstr(sql, "```");
        assert_non_null(end);
        *end = '\0';
        run_block(db, sql);
        blocks++;
        at = end + 1;
    }
    assert_true(blocks >= 5);
    mop_db_close(db);
    dbfix_remove(dir);
    free(text);
}

static void every_column_of_result_is_in_the_documentation(void **state)
{
    char dir[256], path[512];
    size_t n;
    char *text = dbfix_read("docs/database.md", &n);
    mop_table t = {0};
    mop_db *db = NULL;
    mop_err err = {0};
    (void)state;
    assert_non_null(text);
    dbfix_dir(dir);
    dbfix_path(path, dir, "a.db");
    dbfix_fill(path);
    DBFIX_OK(mop_db_open(path, &db, &err));
    DBFIX_OK(mop_db_query(db,
                          "SELECT name FROM pragma_table_info('result') UNION "
                          "SELECT name FROM sqlite_schema WHERE type = 'table'",
                          NULL, 0, &t, &err));
    for (size_t r = 0; r < t.n_rows; r++) {
        char quoted[80];
        (void)snprintf(quoted, sizeof quoted, "`%s`", t.cells[r].text);
        if (strstr(text, quoted) == NULL)
            fail_msg("docs/database.md does not tell %s", quoted);
    }
    mop_table_release(&t);
    mop_db_close(db);
    dbfix_remove(dir);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sql_block_of_the_documentation_runs),
        cmocka_unit_test(every_column_of_result_is_in_the_documentation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
