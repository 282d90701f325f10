/* The table `stat`: everything in it follows from the samples, in an order of operations that is
 * always the same, so that recomputing gives the same bits. Method: quantiles of type 7 over clean
 * samples; the interval from order statistics over pass medians, because consecutive samples are
 * not independent. */
#include <math.h>
#include <stdlib.h>

#include "db/store_internal.h"
#include "profiler/base/alloc.h"
#include "profiler/base/stats.h"

#define INTERVAL_LEVEL 0.95

/* Samples of one measurement in the order (pass, run), per inference. */
typedef struct series {
    double *all, *clean, *work, *pass_median;
    size_t n, n_clean, n_pass_medians, n_passes;
} series;

static void series_release(series *r)
{
    free(r->all);
    free(r->clean);
    free(r->work);
    free(r->pass_median);
}

static mop_status series_alloc(series *r, size_t n, mop_err *err)
{
    r->all = mop_calloc(n, sizeof *r->all, err);
    r->clean = mop_calloc(n, sizeof *r->clean, err);
    r->work = mop_calloc(n, sizeof *r->work, err);
    r->pass_median = mop_calloc(n, sizeof *r->pass_median, err);
    if (r->all == NULL || r->clean == NULL || r->work == NULL || r->pass_median == NULL)
        return MOP_ENOMEM;
    return MOP_OK;
}

/* The clean samples since clean[first] make one pass. */
static void close_pass(series *r, size_t first)
{
    size_t n = r->n_clean - first;
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        r->work[i] = r->clean[first + i];
    mop_sort_f64(r->work, n);
    r->pass_median[r->n_pass_medians++] = mop_quantile(r->work, n, 0.5);
}

static int series_read(series *r, sqlite3_stmt *stmt, size_t capacity)
{
    size_t first = 0;
    int64_t pass = -1;
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && r->n < capacity) {
        double ns = (double)sqlite3_column_int64(stmt, 1) / (double)sqlite3_column_int64(stmt, 2);
        if (sqlite3_column_int64(stmt, 0) != pass) {
            close_pass(r, first);
            first = r->n_clean;
            pass = sqlite3_column_int64(stmt, 0);
            r->n_passes++;
        }
        r->all[r->n++] = ns;
        if (sqlite3_column_int64(stmt, 3) == 0)
            r->clean[r->n_clean++] = ns;
    }
    close_pass(r, first);
    return rc;
}

static mop_status series_load(mop_store *s, int64_t id, series *r, mop_err *err)
{
    sqlite3_stmt *stmt;
    int64_t n = 0;
    int rc;
    mop_status st = mop_sql_int(s->db, "SELECT count(*) FROM sample WHERE measurement_id = ?1", id,
                                s->path, &n, err);
    if (st == MOP_OK)
        st = series_alloc(r, (size_t)n, err);
    if (st == MOP_OK)
        st = mop_sql_prepare(s->db,
                             "SELECT pass, wall_ns, batched, flags FROM sample "
                             "WHERE measurement_id = ?1 ORDER BY pass, run",
                             s->path, &stmt, err);
    if (st != MOP_OK)
        return st;
    (void)sqlite3_bind_int64(stmt, 1, id); /* the index is in range */
    rc = series_read(r, stmt, (size_t)n);
    if (rc != SQLITE_DONE)
        st = mop_sql_fail(s->db, rc, "cannot read samples of", s->path, err);
    (void)sqlite3_finalize(stmt); /* repeats the failure of the step */
    return st;
}

enum { N_REALS = 10 };

/* min, p5, p25, median, ci_low, ci_high, mean, mad, median_all, max; NAN where there is no value.
 */
static void summarize(series *r, double out[N_REALS])
{
    mop_interval ci;
    mop_sort_f64(r->all, r->n);
    mop_sort_f64(r->clean, r->n_clean);
    mop_sort_f64(r->pass_median, r->n_pass_medians);
    ci = mop_median_interval(r->pass_median, r->n_pass_medians, INTERVAL_LEVEL);
    out[0] = mop_quantile(r->clean, r->n_clean, 0);
    out[1] = mop_quantile(r->clean, r->n_clean, 0.05);
    out[2] = mop_quantile(r->clean, r->n_clean, 0.25);
    out[3] = mop_quantile(r->clean, r->n_clean, 0.5);
    out[4] = ci.lo;
    out[5] = ci.hi;
    out[6] = r->n_clean > 0 ? mop_mean(r->clean, r->n_clean) : (double)NAN;
    out[7] = r->n_clean > 0 ? mop_mad(r->clean, r->n_clean, r->work) : (double)NAN;
    out[8] = mop_quantile(r->all, r->n, 0.5);
    out[9] = mop_quantile(r->all, r->n, 1);
}

static mop_status store_row(mop_store *s, int64_t id, series *r, mop_err *err)
{
    double reals[N_REALS];
    sqlite3_stmt *stmt;
    mop_status st =
        mop_sql_prepare(s->db,
                        "INSERT OR REPLACE INTO stat (measurement_id, n, n_clean, passes, min_ns, "
                        "p5_ns, p25_ns, median_ns, ci_low_ns, ci_high_ns, mean_ns, mad_ns, "
                        "median_all_ns, max_ns) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                        s->path, &stmt, err);
    if (st != MOP_OK)
        return st;
    summarize(r, reals);
    (void)sqlite3_bind_int64(stmt, 1, id); /* the indices are in range */
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)r->n);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)r->n_clean);
    (void)sqlite3_bind_int64(stmt, 4, (int64_t)r->n_passes);
    for (int i = 0; i < N_REALS; i++)
        (void)sqlite3_bind_double(stmt, 5 + i, reals[i]); /* NaN becomes NULL */
    return mop_sql_run(s->db, stmt, s->path, err);
}

mop_status mop_stat_refresh(mop_store *s, int64_t measurement_id, mop_err *err)
{
    series r = {0};
    mop_status st = series_load(s, measurement_id, &r, err);
    if (st == MOP_OK && r.n > 0)
        st = store_row(s, measurement_id, &r, err);
    series_release(&r);
    return st;
}

mop_status mop_store_refresh_stats(mop_store *s, mop_err *err)
{
    int64_t id = 0, next = 0;
    mop_status st = mop_tx_begin(s, err);
    if (st != MOP_OK)
        return st;
    st = mop_sql_exec(s->db, "DELETE FROM stat", s->path, err);
    while (st == MOP_OK) {
        next = 0;
        st = mop_sql_int(s->db, "SELECT min(id) FROM measurement WHERE id > ?1", id, s->path, &next,
                         err);
        if (st != MOP_OK || next == 0) /* min() of nothing is NULL, read as 0; row ids start at 1 */
            break;
        st = mop_stat_refresh(s, next, err);
        id = next;
    }
    return mop_tx_end(s, st, err);
}
