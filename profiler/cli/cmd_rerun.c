#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "profiler/base/build.h"
#include "profiler/cli/cli.h"
#include "profiler/cli/compare_show.h"
#include "profiler/cli/replan.h"
#include "profiler/cli/sweep_run.h"

/* The options as typed. */
struct typed {
    char *db, *budget, *fail_on, *margin, *format, *output;
    int quiet;
};

static void stamp(mop_sweep_options *o)
{
    time_t now = time(NULL);
    struct tm utc;
    (void)gmtime_r(&now, &utc); /* fails only beyond year 2^31 */
    (void)strftime(o->started_utc, sizeof o->started_utc, "%Y-%m-%dT%H:%M:%SZ", &utc);
    (void)snprintf(o->build_id, sizeof o->build_id, "%s", mop_build_id()); /* cut is fine */
}

/* The sweep to repeat and its options. The database is closed again: the sweep will write it. */
static mop_status find_plan(const char *path, const char *number, int64_t *sweep, mop_replan *plan,
                            mop_err *err)
{
    mop_db *db = NULL;
    long asked = 0;
    mop_status status = MOP_OK;
    if (number != NULL)
        status = mop_cli_int("sweep", strncmp(number, "sweep:", 6) == 0 ? number + 6 : number, 1,
                             1000000000, &asked, err);
    if (status == MOP_OK)
        status = mop_db_open(path, &db, err);
    *sweep = asked;
    if (status == MOP_OK)
        status = number != NULL ? mop_compare_has_sweep(db, *sweep, err)
                                : mop_compare_newest(db, sweep, err);
    if (status == MOP_OK)
        status = mop_replan_read(db, *sweep, plan, err);
    mop_db_close(db);
    return status == MOP_OK ? mop_replan_check_devices(plan, err) : status;
}

static mop_status show_changes(const mop_compare_side *a, const mop_compare_side *b, mop_err *err)
{
    mop_table t = {0};
    mop_status status = mop_compare_changes(a, b, &t, err);
    if (status == MOP_OK && t.n_rows == 0)
        printf("\nbuild, protocol, plan, environment and machine are those of %s\n", a->name);
    if (status == MOP_OK && t.n_rows > 0) {
        printf("\nwhat differs between %s and this one apart from the times:\n", a->name);
        status = mop_table_write(&t, MOP_FORMAT_TABLE, stdout, err);
    }
    mop_table_release(&t);
    return status;
}

/* Both sweeps, side by side; *code is what --fail-on makes of them. */
static mop_status hold_against(const struct typed *t, int64_t before, int64_t after,
                               const mop_compare_filter *filter, const mop_fail_on *fail_on,
                               int *code, mop_err *err)
{
    char names[2][64];
    mop_db *db = NULL;
    mop_comparison c = {0};
    (void)snprintf(names[0], sizeof names[0], "sweep %lld", (long long)before); /* both fit */
    (void)snprintf(names[1], sizeof names[1], "sweep %lld", (long long)after);
    mop_status status = mop_db_open(mop_cli_db(t->db), &db, err);
    const mop_compare_side a = {.db = db, .sweep = before, .name = names[0]};
    const mop_compare_side b = {.db = db, .sweep = after, .name = names[1]};
    if (status == MOP_OK)
        status = show_changes(&a, &b, err);
    if (status == MOP_OK)
        status = mop_compare(&a, &b, filter, &c, err);
    if (status == MOP_OK) {
        printf("\n");
        status = mop_compare_show(&c, t->format, t->output, err);
    }
    if (status == MOP_OK)
        *code = mop_fail_on_code(fail_on, &c);
    mop_comparison_release(&c);
    mop_db_close(db);
    return status;
}

/* Everything that can be wrong with the options, before minutes of work. */
static mop_status take_options(const struct typed *t, mop_compare_filter *filter,
                               mop_fail_on *fail_on, mop_sweep_options *o, mop_err *err)
{
    mop_format format = MOP_FORMAT_TABLE;
    mop_status status = mop_fail_on_parse(t->fail_on, fail_on, err);
    if (status == MOP_OK && t->margin != NULL)
        status = mop_cli_real("margin", t->margin, 0.0001, 1, &filter->margin, err);
    if (status == MOP_OK && t->budget != NULL)
        status = mop_cli_time("budget", t->budget, &o->budget_ns, err);
    if (status == MOP_OK)
        status = mop_cli_format(t->format, t->output, &format, err);
    if (status == MOP_OK && format != MOP_FORMAT_TABLE && t->output == NULL)
        status =
            mop_fail(err, MOP_EINVAL,
                     "rerun prints the sweep's own table to stdout; give the comparison a file "
                     "with --output");
    return status;
}

static int rerun(const struct typed *t, const char *number)
{
    mop_replan plan = {0};
    mop_compare_filter filter = {0};
    mop_fail_on fail_on;
    mop_err err = {0};
    int64_t before = 0, after = 0;
    int code, verdicts = MOP_EXIT_DONE;
    mop_sweep_options how = {0};
    mop_status status = take_options(t, &filter, &fail_on, &how, &err);
    if (status == MOP_OK)
        status = find_plan(mop_cli_db(t->db), number, &before, &plan, &err);
    if (status != MOP_OK) {
        mop_replan_release(&plan);
        return mop_cli_fail(&err);
    }
    if (how.budget_ns > 0)
        plan.options.budget_ns = how.budget_ns;
    stamp(&plan.options);
    const mop_sweep_manner manner = {.db = mop_cli_db(t->db), .is_quiet = t->quiet != 0};
    code = mop_cli_sweep(&plan.options, &manner, &after);
    mop_replan_release(&plan);
    if (after == 0 || (code != MOP_EXIT_DONE && code != MOP_EXIT_SOME_FAILED))
        return code;
    if (hold_against(t, before, after, &filter, &fail_on, &verdicts, &err) != MOP_OK)
        return mop_cli_fail(&err);
    return verdicts != MOP_EXIT_DONE ? verdicts : code;
}

int mop_cmd_rerun(int argc, const char **argv)
{
    struct typed t = {0};
    const struct poptOption options[] = {
        {"db", '\0', POPT_ARG_STRING, &t.db, 0, "database (default moprof.db)", "FILE"},
        {"budget", '\0', POPT_ARG_STRING, &t.budget, 0,
         "time for the whole sweep (default: the stored one)", "TIME"},
        {"fail-on", '\0', POPT_ARG_STRING, &t.fail_on, 0,
         "exit 3 on any of slower, faster, missing; 4 on unclear", "LIST"},
        {"margin", '\0', POPT_ARG_STRING, &t.margin, 0,
         "differences below this are SAME (default 0.01)", "R"},
        {"format", 'f', POPT_ARG_STRING, &t.format, 0, "of --output: table, csv, json or md",
         "FORMAT"},
        {"output", 'o', POPT_ARG_STRING, &t.output, 0, "write the comparison to FILE", "FILE"},
        {"quiet", 'q', POPT_ARG_NONE, &t.quiet, 0, "results only", NULL},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "rerun",
        .args = "[SWEEP]",
        .about =
            "Repeats the plan of a stored sweep (the newest, or that of this number) with its "
            "seed,\n"
            "variants, devices and settings, as a new sweep of the same database; then prints "
            "what\n"
            "differs: build, protocol, environment, machine, and the times, as `moprof compare` "
            "does.\n\n"
            "  moprof rerun\n"
            "  moprof rerun 3 --db act.db --fail-on slower",
        .options = options,
        .max_args = 1,
    };
    mop_strlist args = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0)
        code = rerun(&t, args.n > 0 ? args.items[0] : NULL);
    mop_strlist_release(&args);
    char *texts[] = {t.db, t.budget, t.fail_on, t.margin, t.format, t.output};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
    return code;
}
