#include "db/merge_rows.h"

mop_status mop_pipe_open(mop_pipe *p, const char *key, const char *columns, mop_err *err)
{
    mop_str from = {0}, to = {0};
    if (key != NULL) {
        mop_str_addf(&from, "SELECT ?2, %s FROM %s WHERE %s = ?1", columns, p->table, key);
        mop_str_addf(&to, "INSERT INTO %s (%s, %s) VALUES (?, ", p->table, key, columns);
    } else {
        mop_str_addf(&from, "SELECT %s FROM %s", columns, p->table);
        mop_str_addf(&to, "INSERT INTO %s (%s) VALUES (", p->table, columns);
    }
    mop_str_add(&to, "?");
    for (const char *c = columns; *c != '\0'; c++)
        if (*c == ',')
            mop_str_add(&to, ", ?");
    mop_str_add(&to, key != NULL ? ")" : ") ON CONFLICT DO NOTHING");
    mop_status st = mop_sql_prepare_built(p->from_db, &from, p->from_path, &p->from, err);
    if (st == MOP_OK)
        st = mop_sql_prepare_built(p->to_db, &to, p->to_path, &p->to, err);
    else
        mop_str_release(&to);
    if (st != MOP_OK)
        mop_pipe_close(p);
    return st;
}

static mop_status write_row(mop_pipe *p, mop_err *err)
{
    mop_status st = MOP_OK;
    int rc = SQLITE_OK;
    for (int i = 0; rc == SQLITE_OK && i < sqlite3_column_count(p->from); i++)
        rc = sqlite3_bind_value(p->to, i + 1, sqlite3_column_value(p->from, i));
    if (rc == SQLITE_OK)
        rc = sqlite3_step(p->to);
    if (rc != SQLITE_DONE)
        st = mop_sql_fail(p->to_db, rc, "cannot write to", p->to_path, err);
    (void)sqlite3_reset(p->to); /* repeats the outcome of the step */
    return st;
}

mop_status mop_pipe_run(mop_pipe *p, int64_t from, int64_t to, int64_t *n, mop_err *err)
{
    mop_status st = MOP_OK;
    int rc = SQLITE_DONE;
    if (sqlite3_bind_parameter_count(p->from) == 2) {
        (void)sqlite3_bind_int64(p->from, 1, from); /* the indices are in range */
        (void)sqlite3_bind_int64(p->from, 2, to);
    }
    while (st == MOP_OK && (rc = sqlite3_step(p->from)) == SQLITE_ROW) {
        st = write_row(p, err);
        if (st == MOP_OK && n != NULL)
            *n += sqlite3_changes(p->to_db);
    }
    if (st == MOP_OK && rc != SQLITE_DONE)
        st = mop_sql_fail(p->from_db, rc, "cannot read", p->from_path, err);
    (void)sqlite3_reset(p->from); /* repeats the failure of the step */
    return st;
}

void mop_pipe_close(mop_pipe *p)
{
    (void)sqlite3_finalize(p->from); /* failures were told by the steps */
    (void)sqlite3_finalize(p->to);
    p->from = p->to = NULL;
}
