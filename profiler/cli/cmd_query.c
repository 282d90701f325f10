#include <stdlib.h>
#include <string.h>

#include "profiler/base/str.h"
#include "profiler/cli/cli.h"

/* A word without white space is meant as a name; anything else is SQL. */
static mop_status resolve(const char *text, const char **sql, mop_err *err)
{
    const char *names[64];
    const char *near;
    size_t n = 0;
    *sql = mop_named_query(text);
    if (*sql != NULL)
        return MOP_OK;
    if (strpbrk(text, " \t\n(;") != NULL) {
        *sql = text;
        return MOP_OK;
    }
    while (n < 64 && (names[n] = mop_named_query_at(n)) != NULL)
        n++;
    near = mop_nearest(text, names, n);
    if (near != NULL)
        return mop_fail(err, MOP_EINVAL, "there is no named query '%s'; the nearest is '%s'", text,
                        near);
    return mop_fail(err, MOP_EINVAL,
                    "there is no named query '%s'; `moprof query --list` shows them", text);
}

static mop_status query(const char *db_path, const mop_strlist *args, const char *format,
                        const char *output, mop_err *err)
{
    mop_db *db = NULL;
    mop_table t = {0};
    const char *sql = NULL;
    const char *params[8] = {NULL};
    mop_status status = resolve(args->items[0], &sql, err);
    for (size_t i = 1; i < args->n; i++)
        params[i - 1] = args->items[i];
    if (status == MOP_OK)
        status = mop_db_open(db_path, &db, err);
    if (status == MOP_OK)
        status = mop_db_query(db, sql, params, args->n - 1, &t, err);
    if (status == MOP_OK)
        status = mop_cli_write_table(&t, format, output, err);
    mop_table_release(&t);
    mop_db_close(db);
    return status;
}

static mop_status list_queries(mop_err *err)
{
    mop_str text = {0};
    mop_status status;
    const char *name;
    for (size_t i = 0; (name = mop_named_query_at(i)) != NULL; i++) {
        const char *sql = mop_named_query(name);
        /* the first line of each file is a comment that says what it answers */
        const char *what = strncmp(sql, "-- ", 3) == 0 ? sql + 3 : "";
        mop_str_addf(&text, "  %-10s %.*s\n", name, (int)strcspn(what, "\n"), what);
    }
    status = mop_str_status(&text, err);
    if (status == MOP_OK)
        status = mop_cli_write_text(mop_str_get(&text), NULL, err);
    mop_str_release(&text);
    return status;
}

int mop_cmd_query(int argc, const char **argv)
{
    char *db = NULL, *format = NULL, *output = NULL;
    int names = 0;
    const struct poptOption options[] = {
        {"db", '\0', POPT_ARG_STRING, &db, 0, "database (default moprof.db)", "FILE"},
        {"format", 'f', POPT_ARG_STRING, &format, 0, "table, csv, json or md", "FORMAT"},
        {"output", 'o', POPT_ARG_STRING, &output, 0, "write to FILE instead of stdout", "FILE"},
        {"list", 'l', POPT_ARG_NONE, &names, 0, "show the named queries", NULL},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "query",
        .args = "SQL|NAME [PARAMETER...]",
        .about =
            "Runs one statement that only reads, or a named query; PARAMETERs bind ?1, ?2, ...\n"
            "The view `result` has a row a measurement; docs/database.md describes the rest.\n\n"
            "  moprof query latency\n"
            "  moprof query layers mobileone-s0\n"
            "  moprof query \"SELECT variant, median_ns / 1e6 AS ms FROM result ORDER BY ms\" -f "
            "csv",
        .options = options,
        .max_args = 9,
    };
    mop_strlist args = {0};
    mop_err err = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0 && names)
        code = list_queries(&err) == MOP_OK ? MOP_EXIT_DONE : mop_cli_fail(&err);
    else if (code < 0 && args.n == 0)
        code = mop_cli_usage("query needs SQL or a name; `moprof query --list` shows the names");
    else if (code < 0)
        code = query(mop_cli_db(db), &args, format, output, &err) == MOP_OK ? MOP_EXIT_DONE
                                                                            : mop_cli_fail(&err);
    mop_strlist_release(&args);
    free(db);
    free(format);
    free(output);
    return code;
}
