#include <errno.h>
#include <string.h>

#include "db/csv.h"
#include "db/csvcell.h"
#include "db/csvrow.h"
#include "db/query.h"
#include "db/sql.h"
#include "profiler/base/outfile.h"

static void put_cell(sqlite3_stmt *stmt, int c, FILE *out)
{
    switch (sqlite3_column_type(stmt, c)) {
    case SQLITE_NULL:
        break;
    case SQLITE_FLOAT:
        (void)fprintf(out, "%.17g", sqlite3_column_double(stmt, c)); /* the commit sees a failure */
        break;
    default: {
        const char *text = (const char *)sqlite3_column_text(stmt, c);
        if (text != NULL)
            mop_csv_put_text(text, (size_t)sqlite3_column_bytes(stmt, c), out);
    }
    }
}

static mop_status put_rows(sqlite3 *db, sqlite3_stmt *stmt, const mop_csv_layout *l,
                           const char *path, FILE *out, mop_err *err)
{
    int rc;
    for (size_t c = 0; c < l->n; c++)
        (void)fprintf(out, "%s%s", c > 0 ? "," : "", l->column[c].name); /* the commit sees it */
    (void)fputc('\n', out);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        for (size_t c = 0; c < l->n; c++) {
            (void)fputs(c > 0 ? "," : "", out);
            put_cell(stmt, (int)c, out);
        }
        (void)fputc('\n', out);
        if (ferror(out))
            return mop_fail(err, MOP_EIO, "the CSV file cannot be written: %s", strerror(errno));
    }
    return rc == SQLITE_DONE ? MOP_OK : mop_sql_fail(db, rc, "cannot read", path, err);
}

static mop_status export_to(mop_db *db, FILE *out, mop_err *err)
{
    sqlite3 *handle = mop_db_handle(db);
    mop_csv_layout l;
    mop_str sql = {0};
    sqlite3_stmt *stmt = NULL;
    mop_status st;
    mop_csv_layout_make(&l);
    sqlite3_progress_handler(handle, 0, NULL, NULL); /* an export may take its time */
    for (size_t c = 0; c < l.n; c++)
        mop_str_addf(&sql, "%s%s", c > 0 ? ", " : "SELECT ", l.column[c].from);
    mop_str_add(&sql, " FROM measurement AS x JOIN sweep AS w ON w.id = x.sweep_id "
                      "JOIN device AS d ON d.id = x.device_id JOIN model AS m ON m.id = x.model_id "
                      "LEFT JOIN calibration AS c ON c.sweep_id = x.sweep_id AND "
                      "c.device_id = x.device_id AND c.name = 'peak_flops' "
                      "LEFT JOIN sample AS s ON s.measurement_id = x.id "
                      "WHERE x.alias = '' ORDER BY x.sweep_id, x.id, s.pass, s.run");
    st = mop_sql_prepare_built(handle, &sql, mop_db_path(db), &stmt, err);
    if (st == MOP_OK)
        st = put_rows(handle, stmt, &l, mop_db_path(db), out, err);
    (void)sqlite3_finalize(stmt); /* repeats the failure of the step */
    return st;
}

mop_status mop_csv_export(const char *db_path, const char *out_path, mop_err *err)
{
    mop_db *db = NULL;
    mop_outfile out;
    mop_status st = mop_db_open(db_path, &db, err);
    if (st != MOP_OK)
        return st;
    st = mop_outfile_open(&out, out_path, err);
    if (st == MOP_OK) {
        st = export_to(db, out.f, err);
        if (st == MOP_OK)
            st = mop_outfile_commit(&out, err);
        else
            mop_outfile_abort(&out);
    }
    mop_db_close(db);
    return st;
}
