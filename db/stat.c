/* The table `stat`: everything in it follows from the samples, in an order of operations that is
 * always the same, so that recomputing gives the same bits. Method: quantiles of type 7 over clean
 * samples; the interval from order statistics over pass medians, because consecutive samples are
 * not independent; the ratio to the sweep's baseline from the medians of both within a pass,
 * because what disturbs a pass disturbs both. A row's ratio depends on the baseline's samples too:
 * it is taken after all samples of a pass are in, and again when the baseline alone changed. */
#include <math.h>
#include <stdlib.h>

#include "db/stat_series.h"
#include "db/store_internal.h"
#include "profiler/base/alloc.h"
#include "profiler/base/stats.h"
#include "profiler/base/stats_ratio.h"
#include "profiler/base/stats_tail.h"

#define INTERVAL_LEVEL    0.95
#define UNEXPLAINED_ABOVE 1.5 /* times the clean median */

/* The alias '' of the sweep's baseline in the setting of measurement ?1. The order of the tables is
 * the order of the look-ups, each by a key. */
static const char baseline_sql[] =
    "SELECT b.id FROM measurement AS x CROSS JOIN sweep AS w ON w.id = x.sweep_id "
    "CROSS JOIN model AS m ON m.variant = w.baseline "
    "CROSS JOIN measurement AS b ON b.sweep_id = x.sweep_id AND b.model_id = m.id "
    "AND b.device_id = x.device_id AND b.dtype = x.dtype AND b.cache = x.cache "
    "AND b.threads = x.threads AND b.batch = x.batch AND b.alias = '' "
    "AND b.fuse = x.fuse AND b.winograd = x.winograd "
    "WHERE x.id = ?1 AND w.baseline <> '' ORDER BY b.id LIMIT 1";

static const char store_sql[] =
    "INSERT OR REPLACE INTO stat (measurement_id, n, n_clean, passes, unexplained, ratio_passes, "
    "min_ns, p5_ns, p25_ns, median_ns, ci_low_ns, ci_high_ns, mean_ns, mad_ns, median_all_ns, "
    "max_ns, p90_ns, p99_ns, modelbench_ns, ratio, ratio_low, ratio_high) "
    "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

typedef struct baseline {
    int64_t id;
    mop_series series;
} baseline;

/* What refreshing many rows shares. */
typedef struct refresher {
    mop_store *store;
    sqlite3_stmt *read, *find_baseline, *write;
    mop_series row;
    baseline *baselines; /* those met so far; their samples do not change meanwhile */
    size_t n_baselines;
    double *pair[3]; /* [pair_capacity]: of the row, of the baseline, work */
    size_t pair_capacity;
} refresher;

static mop_status refresher_start(refresher *r, mop_store *s, mop_err *err)
{
    *r = (refresher){.store = s};
    mop_status st = mop_sql_prepare(s->db, mop_series_sql, s->path, &r->read, err);
    if (st == MOP_OK)
        st = mop_sql_prepare(s->db, baseline_sql, s->path, &r->find_baseline, err);
    if (st == MOP_OK)
        st = mop_sql_prepare(s->db, store_sql, s->path, &r->write, err);
    return st;
}

static void refresher_end(refresher *r)
{
    (void)sqlite3_finalize(r->read); /* failures were told by the steps */
    (void)sqlite3_finalize(r->find_baseline);
    (void)sqlite3_finalize(r->write);
    mop_series_release(&r->row);
    for (size_t i = 0; i < r->n_baselines; i++)
        mop_series_release(&r->baselines[i].series);
    free(r->baselines);
    for (size_t i = 0; i < 3; i++)
        free(r->pair[i]);
}

/* --- the ratio
 * --------------------------------------------------------------------------------------- */

/* *out is NULL where the sweep has no baseline in this setting. */
static mop_status baseline_of(refresher *r, int64_t id, const mop_series **out, mop_err *err)
{
    int64_t base = 0;
    (void)sqlite3_bind_int64(r->find_baseline, 1, id); /* the index is in range */
    int rc = sqlite3_step(r->find_baseline);
    if (rc == SQLITE_ROW)
        base = sqlite3_column_int64(r->find_baseline, 0);
    mop_status st = rc == SQLITE_ROW || rc == SQLITE_DONE
                        ? MOP_OK
                        : mop_sql_fail(r->store->db, rc, "cannot read", r->store->path, err);
    (void)sqlite3_reset(r->find_baseline); /* repeats the outcome of the step */
    *out = NULL;
    if (st != MOP_OK || base == 0)
        return st;
    for (size_t i = 0; i < r->n_baselines; i++)
        if (r->baselines[i].id == base) {
            *out = &r->baselines[i].series;
            return MOP_OK;
        }
    baseline *grown = mop_realloc(r->baselines, r->n_baselines + 1, sizeof *grown, err);
    if (grown == NULL)
        return MOP_ENOMEM;
    r->baselines = grown;
    baseline *b = &grown[r->n_baselines++];
    *b = (baseline){.id = base};
    *out = &b->series;
    return mop_series_read(r->store, r->read, base, &b->series, err);
}

static mop_status pairs_reserve(refresher *r, size_t n, mop_err *err)
{
    if (n <= r->pair_capacity)
        return MOP_OK;
    for (size_t i = 0; i < 3; i++) {
        double *grown = mop_realloc(r->pair[i], n, sizeof *grown, err);
        if (grown == NULL)
            return MOP_ENOMEM;
        r->pair[i] = grown;
    }
    r->pair_capacity = n;
    return MOP_OK;
}

/* From the passes in which both have clean samples; *n is their number, -1 without a baseline. */
static mop_status take_ratio(refresher *r, int64_t id, mop_interval *ratio, int64_t *n,
                             mop_err *err)
{
    const mop_series *base, *row = &r->row;
    size_t pairs = 0;
    mop_status st = baseline_of(r, id, &base, err);
    *ratio = (mop_interval){(double)NAN, (double)NAN, (double)NAN};
    *n = -1;
    if (st == MOP_OK && base != NULL)
        st = pairs_reserve(r, row->n_pass_medians, err);
    if (st != MOP_OK || base == NULL)
        return st;
    for (size_t i = 0, j = 0; i < row->n_pass_medians && j < base->n_pass_medians;) {
        if (row->pass_number[i] < base->pass_number[j]) {
            i++;
        } else if (row->pass_number[i] > base->pass_number[j]) {
            j++;
        } else {
            r->pair[0][pairs] = row->pass_median[i++];
            r->pair[1][pairs++] = base->pass_median[j++];
        }
    }
    *ratio = mop_ratio_interval(r->pair[0], r->pair[1], pairs, INTERVAL_LEVEL, r->pair[2]);
    *n = (int64_t)pairs;
    return MOP_OK;
}

/* --- a row
 * ------------------------------------------------------------------------------------------- */

enum { N_REALS = 16, FIRST_REAL = 7 };

/* The reals of store_sql but the ratio, NAN where there is no value; sorts the series. */
static void summarize(mop_series *r, double out[N_REALS])
{
    out[12] = mop_modelbench(r->all, r->n); /* in the order they were taken */
    mop_sort_f64(r->all, r->n);
    mop_sort_f64(r->clean, r->n_clean);
    mop_sort_f64(r->pass_median, r->n_pass_medians);
    mop_interval ci = mop_median_interval(r->pass_median, r->n_pass_medians, INTERVAL_LEVEL);
    out[0] = mop_quantile(r->clean, r->n_clean, 0);
    out[1] = mop_quantile(r->clean, r->n_clean, 0.05);
    out[2] = mop_quantile(r->clean, r->n_clean, 0.25);
    out[3] = mop_quantile(r->clean, r->n_clean, 0.5);
    out[4] = ci.lo;
    out[5] = ci.hi;
    out[6] = mop_mean(r->clean, r->n_clean);
    out[7] = mop_mad(r->clean, r->n_clean, r->work);
    out[8] = mop_quantile(r->all, r->n, 0.5);
    out[9] = mop_quantile(r->all, r->n, 1);
    out[10] = mop_tail_estimate(r->clean, r->n_clean, 0.9);
    out[11] = mop_tail_estimate(r->clean, r->n_clean, 0.99);
}

static int64_t count_unexplained(const mop_series *r, double median)
{
    int64_t n = 0;
    for (size_t i = r->n_clean; i-- > 0 && r->clean[i] > UNEXPLAINED_ABOVE * median;)
        n++;
    return n;
}

static mop_status write_row(refresher *r, int64_t id, const double reals[N_REALS],
                            int64_t ratio_passes, mop_err *err)
{
    sqlite3_stmt *stmt = r->write;
    mop_status st = MOP_OK;
    (void)sqlite3_bind_int64(stmt, 1, id); /* the indices are in range */
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)r->row.n);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)r->row.n_clean);
    (void)sqlite3_bind_int64(stmt, 4, (int64_t)r->row.n_passes);
    (void)sqlite3_bind_int64(stmt, 5, count_unexplained(&r->row, reals[3]));
    if (ratio_passes < 0)
        (void)sqlite3_bind_null(stmt, 6);
    else
        (void)sqlite3_bind_int64(stmt, 6, ratio_passes);
    for (int i = 0; i < N_REALS; i++)
        (void)sqlite3_bind_double(stmt, FIRST_REAL + i, reals[i]); /* NaN becomes NULL */
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_DONE)
        st = mop_sql_fail(r->store->db, rc, "cannot write to the database", r->store->path, err);
    (void)sqlite3_reset(stmt); /* repeats the outcome of the step */
    return st;
}

/* No samples: no row. */
static mop_status refresh(refresher *r, int64_t id, mop_err *err)
{
    double reals[N_REALS];
    mop_interval ratio;
    int64_t ratio_passes;
    mop_status st = mop_series_read(r->store, r->read, id, &r->row, err);
    if (st != MOP_OK || r->row.n == 0)
        return st;
    st = take_ratio(r, id, &ratio, &ratio_passes, err);
    if (st != MOP_OK)
        return st;
    summarize(&r->row, reals);
    reals[13] = ratio.est;
    reals[14] = ratio.lo;
    reals[15] = ratio.hi;
    return write_row(r, id, reals, ratio_passes, err);
}

/* --- which rows
 * ------------------------------------------------------------------------------------- */

/* Refreshes measurements in the order of their ids: those after `id` that sql (?1 = the last id, ?2
 * = arg) names one by one. */
static mop_status refresh_each(refresher *r, const char *sql, int64_t arg, mop_err *err)
{
    sqlite3_stmt *stmt;
    mop_status st = mop_sql_prepare(r->store->db, sql, r->store->path, &stmt, err);
    int64_t id = 0;
    if (st != MOP_OK)
        return st;
    for (;;) {
        (void)sqlite3_bind_int64(stmt, 1, id); /* the indices are in range */
        (void)sqlite3_bind_int64(stmt, 2, arg);
        int rc = sqlite3_step(stmt);
        id = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0; /* min() of nothing is NULL */
        if (rc != SQLITE_ROW)
            st = mop_sql_fail(r->store->db, rc, "cannot read", r->store->path, err);
        (void)sqlite3_reset(stmt); /* repeats the failure of the step */
        if (st != MOP_OK || id == 0)
            break;
        st = refresh(r, id, err);
        if (st != MOP_OK)
            break;
    }
    (void)sqlite3_finalize(stmt); /* never fails after a reset */
    return st;
}

mop_status mop_stat_refresh(mop_store *s, int64_t measurement_id, mop_err *err)
{
    /* Those of the same sweep whose baseline this may be; refreshing one too many does no harm. */
    static const char dependents[] =
        "SELECT min(x.id) FROM measurement AS b JOIN sweep AS w ON w.id = b.sweep_id "
        "JOIN model AS m ON m.id = b.model_id AND m.variant = w.baseline "
        "JOIN measurement AS x ON x.sweep_id = b.sweep_id AND x.device_id = b.device_id "
        "WHERE b.id = ?2 AND x.id > ?1 AND x.id <> b.id";
    refresher r;
    mop_status st = refresher_start(&r, s, err);
    if (st == MOP_OK)
        st = refresh(&r, measurement_id, err);
    if (st == MOP_OK)
        st = refresh_each(&r, dependents, measurement_id, err);
    refresher_end(&r);
    return st;
}

mop_status mop_stats_refresh_pass(mop_store *s, const mop_sample_record *samples, size_t n,
                                  mop_err *err)
{
    refresher r;
    mop_status st = refresher_start(&r, s, err);
    /* Samples of one visit lie together, so a change of id is a new measurement; one seen twice is
     * only refreshed twice. */
    for (size_t i = 0; st == MOP_OK && i < n; i++)
        if (i + 1 == n || samples[i + 1].measurement_id != samples[i].measurement_id)
            st = refresh(&r, samples[i].measurement_id, err);
    refresher_end(&r);
    return st;
}

mop_status mop_stats_refresh_sweep(mop_store *s, int64_t sweep_id, mop_err *err)
{
    refresher r;
    mop_status st = refresher_start(&r, s, err);
    if (st == MOP_OK)
        st = refresh_each(
            &r, "SELECT min(id) FROM measurement WHERE id > ?1 AND (?2 = 0 OR sweep_id = ?2)",
            sweep_id, err);
    refresher_end(&r);
    return st;
}

mop_status mop_store_refresh_stats(mop_store *s, mop_err *err)
{
    mop_status st = mop_tx_begin(s, err);
    if (st != MOP_OK)
        return st;
    st = mop_sql_exec(s->db, "DELETE FROM stat", s->path, err);
    if (st == MOP_OK)
        st = mop_stats_refresh_sweep(s, 0, err);
    return mop_tx_end(s, st, err);
}
