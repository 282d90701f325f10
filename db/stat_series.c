#include "db/stat_series.h"

#include <stdlib.h>

#include "profiler/base/alloc.h"
#include "profiler/base/stats.h"

const char mop_series_sql[] = "SELECT pass, wall_ns, batched, flags FROM sample "
                              "WHERE measurement_id = ?1 ORDER BY pass, run";

void mop_series_release(mop_series *r)
{
    free(r->all);
    free(r->clean);
    free(r->work);
    free(r->pass_median);
    free(r->pass_number);
    *r = (mop_series){0};
}

static mop_status grow(mop_series *r, mop_err *err)
{
    size_t capacity = r->capacity > 0 ? 2 * r->capacity : 256;
    double **const arrays[] = {&r->all, &r->clean, &r->work, &r->pass_median};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        double *grown = mop_realloc(*arrays[i], capacity, sizeof *grown, err);
        if (grown == NULL)
            return MOP_ENOMEM;
        *arrays[i] = grown;
    }
    int64_t *numbers = mop_realloc(r->pass_number, capacity, sizeof *numbers, err);
    if (numbers == NULL)
        return MOP_ENOMEM;
    r->pass_number = numbers;
    r->capacity = capacity;
    return MOP_OK;
}

/* The clean samples since clean[first] make one pass. */
static void close_pass(mop_series *r, size_t first, int64_t pass)
{
    size_t n = r->n_clean - first;
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        r->work[i] = r->clean[first + i];
    mop_sort_f64(r->work, n);
    r->pass_number[r->n_pass_medians] = pass;
    r->pass_median[r->n_pass_medians++] = mop_quantile(r->work, n, 0.5);
}

mop_status mop_series_read(mop_store *s, sqlite3_stmt *stmt, int64_t measurement_id, mop_series *r,
                           mop_err *err)
{
    size_t first = 0;
    int64_t pass = -1;
    mop_status st = MOP_OK;
    int rc = SQLITE_DONE;
    r->n = r->n_clean = r->n_pass_medians = r->n_passes = 0;
    (void)sqlite3_bind_int64(stmt, 1, measurement_id); /* the index is in range */
    while (st == MOP_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        double ns = (double)sqlite3_column_int64(stmt, 1) / (double)sqlite3_column_int64(stmt, 2);
        if (r->n == r->capacity && (st = grow(r, err)) != MOP_OK)
            break;
        if (sqlite3_column_int64(stmt, 0) != pass) {
            close_pass(r, first, pass);
            first = r->n_clean;
            pass = sqlite3_column_int64(stmt, 0);
            r->n_passes++;
        }
        r->all[r->n++] = ns;
        if (sqlite3_column_int64(stmt, 3) == 0)
            r->clean[r->n_clean++] = ns;
    }
    close_pass(r, first, pass);
    if (st == MOP_OK && rc != SQLITE_DONE)
        st = mop_sql_fail(s->db, rc, "cannot read samples of", s->path, err);
    (void)sqlite3_reset(stmt); /* repeats the failure of the step */
    return st;
}
