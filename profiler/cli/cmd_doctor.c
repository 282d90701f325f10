#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "db/checkup.h"
#include "db/table.h"
#include "profiler/base/alloc.h"
#include "profiler/base/str.h"
#include "profiler/cli/cli.h"
#include "profiler/measure/doctor.h"

/* Findings about a database come after those about the machine. */
enum { DATABASE_FINDINGS = 7 };

struct findings {
    mop_finding *items;
    size_t n;
};

static mop_finding *next(struct findings *f, const char *check, bool is_bad, mop_severity severity)
{
    mop_finding *one = &f->items[f->n++];
    *one = (mop_finding){.check = check, .severity = is_bad ? severity : MOP_SEVERITY_OK};
    return one;
}

#define FOUND(one, ...) (void)snprintf((one)->found, sizeof(one)->found, __VA_ARGS__)

static void judge_content(const mop_checkup *c, struct findings *f)
{
    mop_finding *one = next(f, "db_schema", c->schema < c->schema_known, MOP_SEVERITY_NOTE);
    FOUND(one, "schema %" PRId64 " of %" PRId64 ", %" PRId64 " bytes, %" PRId64 " samples",
          c->schema, c->schema_known, c->bytes, c->samples);
    one->why = "An older file lacks what newer queries and reports show.";
    one->remedy = "The next sweep into it migrates it and keeps a copy beside it.";
    one = next(f, "db_pages", c->damage[0] != '\0', MOP_SEVERITY_PROBLEM);
    FOUND(one, "%s", c->damage[0] != '\0' ? c->damage : "SQLite finds them in order");
    one->why = "What a damaged page held is lost or wrong.";
    one->remedy = "Go back to a copy, or save what can be read: sqlite3 FILE .recover";
    one = next(f, "db_references", c->broken_references > 0, MOP_SEVERITY_PROBLEM);
    FOUND(one, "%" PRId64 " rows refer to rows that are not there", c->broken_references);
    one->why = "Such rows are in no view; another program deleted or added some.";
    one->remedy = "Go back to a copy; moprof itself never deletes results.";
}

static void judge_results(const mop_checkup *c, struct findings *f)
{
    mop_finding *one = next(f, "db_statistics", c->stat_differs > 0, MOP_SEVERITY_PROBLEM);
    if (c->stat_differs < 0)
        FOUND(one, "not recomputed");
    else
        FOUND(one, "of %" PRId64 " measurements %" PRId64 " have others than their samples give",
              c->measurements, c->stat_differs);
    one->why = "Medians and intervals follow from the samples to the bit, or somebody changed one.";
    one->remedy = "moprof export, then import into a new file, computes them from the samples.";
    one = next(f, "db_sweeps", c->unfinished > 0, MOP_SEVERITY_NOTE);
    FOUND(one, "%" PRId64 " of %" PRId64 " sweeps and calibrations are unfinished", c->unfinished,
          c->sweeps + c->calibrations);
    one->why = "Rows of an unfinished sweep have fewer passes than its protocol asks for.";
    one->remedy = "moprof sweep --resume with the same options goes on.";
    one = next(f, "db_failures", c->failed_measurements > 0, MOP_SEVERITY_NOTE);
    FOUND(one, "%" PRId64 " of %" PRId64 " measurements failed", c->failed_measurements,
          c->measurements);
    one->why = "They have no times.";
    one->remedy = "moprof query 'SELECT * FROM failure' tells why.";
    one = next(f, "db_controls", c->failed_controls > 0, MOP_SEVERITY_WARNING);
    FOUND(one, "%" PRId64 " controls did not read what they had to", c->failed_controls);
    one->why = "In such a sweep a difference may be the machine's and not the networks'.";
    one->remedy = "Sweep again on a quieter machine; SELECT * FROM control WHERE passed = 0.";
}

static mop_status examine(const char *db, struct findings *f, mop_err *err)
{
    const mop_clock clock = mop_clock_real();
    mop_canary canary = {0};
    mop_doctor_world world;
    mop_checkup checkup;
    mop_status status = MOP_OK;
    if (db != NULL) /* first, because a wrong name should be told before a second is waited for */
        status = mop_db_checkup(db, &checkup, err);
    f->items = mop_calloc(mop_doctor_count() + DATABASE_FINDINGS, sizeof *f->items, err);
    if (f->items == NULL)
        return MOP_ENOMEM;
    if (status == MOP_OK)
        status = mop_canary_open(clock, &canary, err);
    if (status == MOP_OK) {
        mop_doctor_world_real(&world, &canary);
        status = mop_doctor_examine(&world, f->items, err);
    }
    mop_canary_close(&canary);
    f->n = mop_doctor_count();
    if (status == MOP_OK && db != NULL) {
        judge_content(&checkup, f);
        judge_results(&checkup, f);
    }
    return status;
}

static mop_status to_table(const struct findings *f, mop_table *t, mop_err *err)
{
    static const char *const cols[] = {"level", "check", "found", "why", "remedy"};
    mop_status status = mop_table_start(t, cols, sizeof cols / sizeof cols[0], err);
    for (size_t i = 0; i < f->n && status == MOP_OK; i++) {
        const mop_finding *one = &f->items[i];
        mop_cell *cell = mop_table_row(t, err);
        if (cell == NULL ||
            mop_cell_set_text(&cell[0], mop_severity_name(one->severity), err) != MOP_OK ||
            mop_cell_set_text(&cell[1], one->check, err) != MOP_OK ||
            mop_cell_set_text(&cell[2], one->found, err) != MOP_OK ||
            mop_cell_set_text(&cell[3], one->why, err) != MOP_OK ||
            mop_cell_set_text(&cell[4], one->remedy, err) != MOP_OK)
            status = MOP_ENOMEM;
    }
    return status;
}

/* For people: the worst first, with reason and remedy; what is in order in one line each. */
static void to_text(const struct findings *f, mop_str *out)
{
    for (int level = MOP_SEVERITY_PROBLEM; level >= MOP_SEVERITY_OK; level--) {
        for (size_t i = 0; i < f->n; i++) {
            const mop_finding *one = &f->items[i];
            if ((int)one->severity != level)
                continue;
            mop_str_addf(out, "%-8s %-14s %s\n", mop_severity_name(one->severity), one->check,
                         one->found);
            if (level > MOP_SEVERITY_OK)
                mop_str_addf(out, "%24s%s\n%24s-> %s\n", "", one->why, "", one->remedy);
        }
    }
}

static mop_status show(const struct findings *f, const char *format, const char *output,
                       mop_err *err)
{
    mop_format how;
    mop_table t = {0};
    mop_str text = {0};
    mop_status status = mop_cli_format(format, output, &how, err);
    if (status == MOP_OK && how == MOP_FORMAT_TABLE) {
        to_text(f, &text);
        status = mop_str_status(&text, err);
        if (status == MOP_OK)
            status = mop_cli_write_text(mop_str_get(&text), output, err);
    } else if (status == MOP_OK) {
        status = to_table(f, &t, err);
        if (status == MOP_OK)
            status = mop_cli_write_table(&t, format, output, err);
    }
    mop_str_release(&text);
    mop_table_release(&t);
    return status;
}

static size_t problems(const struct findings *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++)
        n += f->items[i].severity == MOP_SEVERITY_PROBLEM;
    return n;
}

int mop_cmd_doctor(int argc, const char **argv)
{
    char *db = NULL, *format = NULL, *output = NULL;
    int strict = 0;
    const struct poptOption options[] = {
        {"db", '\0', POPT_ARG_STRING, &db, 0, "also check this database, read-only", "FILE"},
        {"strict", '\0', POPT_ARG_NONE, &strict, 0, "exit 1 if there is a problem", NULL},
        {"format", 'f', POPT_ARG_STRING, &format, 0, "table, csv, json or md", "FORMAT"},
        {"output", 'o', POPT_ARG_STRING, &output, 0, "write to FILE instead of stdout", "FILE"},
        POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "doctor",
        .args = "",
        .about =
            "Tells what disturbs measurements on this machine, why it matters and what a person "
            "can\ndo, worst first; with --db also whether a database is in order. Changes nothing. "
            "Looks\nfor a second. Levels: problem, warning, note, ok.\n\n"
            "  moprof doctor\n"
            "  moprof doctor --db lab.db --strict --format json",
        .options = options,
    };
    mop_strlist args = {0};
    struct findings f = {0};
    mop_format how;
    mop_err err = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0) {
        mop_status status = mop_cli_format(format, output, &how, &err);
        if (status == MOP_OK)
            status = examine(db != NULL && *db != '\0' ? db : NULL, &f, &err);
        if (status == MOP_OK)
            status = show(&f, format, output, &err);
        code = status != MOP_OK             ? mop_cli_fail(&err)
               : strict && problems(&f) > 0 ? MOP_EXIT_FAILED
                                            : MOP_EXIT_DONE;
    }
    mop_strlist_release(&args);
    free(f.items);
    free(db);
    free(format);
    free(output);
    return code;
}
