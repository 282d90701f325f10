/* Which sweep is meant. */
#include <stdio.h>
#include <string.h>

#include "profiler/base/text.h"
#include "reports/compare.h"

/* A database is migrated when it is written, and what is compared may not be written. */
static mop_status check_schema(mop_db *db, mop_err *err)
{
    static const char sql[] = "SELECT 1 FROM pragma_table_info('measurement') WHERE name = 'fuse'";
    mop_table t = {0};
    mop_status status = mop_db_query(db, sql, NULL, 0, &t, err);
    if (status == MOP_OK && t.n_rows == 0)
        status = mop_fail(err, MOP_EINVAL,
                          "%.120s was written by an older moprof and does not tell all settings; "
                          "the next sweep into it brings it up to date",
                          mop_db_path(db));
    mop_table_release(&t);
    return status;
}

mop_status mop_compare_newest(mop_db *db, int64_t *sweep, mop_err *err)
{
    static const char sql[] =
        "SELECT w.id FROM sweep AS w WHERE w.kind = 'sweep' AND EXISTS (SELECT 1 FROM measurement "
        "AS x JOIN stat AS s ON s.measurement_id = x.id WHERE x.sweep_id = w.id AND x.alias = '') "
        "ORDER BY w.started_utc DESC, w.id DESC LIMIT 1";
    mop_table t = {0};
    mop_status status = check_schema(db, err);
    if (status == MOP_OK)
        status = mop_db_query(db, sql, NULL, 0, &t, err);
    if (status == MOP_OK && t.n_rows == 0)
        status = mop_fail(err, MOP_EINVAL, "%.150s holds no sweep with times", mop_db_path(db));
    if (status == MOP_OK)
        *sweep = t.cells[0].i;
    mop_table_release(&t);
    return status;
}

/* A variant that no sweep has timed, with the nearest that one has. */
static mop_status check_known(mop_db *db, const char *variant, mop_err *err)
{
    static const char sql[] =
        "SELECT DISTINCT m.variant FROM measurement AS x JOIN model AS m ON m.id = x.model_id "
        "JOIN stat AS s ON s.measurement_id = x.id WHERE x.alias = '' ORDER BY 1";
    mop_table t = {0};
    mop_strlist names = {0};
    bool is_known = false;
    mop_status status = mop_db_query(db, sql, NULL, 0, &t, err);
    for (size_t i = 0; i < t.n_rows && status == MOP_OK; i++) {
        is_known = is_known || strcmp(t.cells[i].text, variant) == 0;
        status = mop_strlist_add(&names, t.cells[i].text, err);
    }
    if (status == MOP_OK && !is_known) {
        const char *near = mop_nearest(variant, (const char *const *)names.items, names.n);
        status = mop_fail(err, MOP_EINVAL, "%.80s holds no times of %.60s%s%.60s", mop_db_path(db),
                          variant, near != NULL ? "; the nearest it has is " : "",
                          near != NULL ? near : "");
    }
    mop_table_release(&t);
    mop_strlist_release(&names);
    return status;
}

static const char *or_any(const char *text)
{
    return text != NULL ? text : "";
}

mop_status mop_compare_newest_with(const mop_compare_side *a, const mop_compare_side *b,
                                   int64_t *sweep, mop_err *err)
{
    static const char sql[] =
        "SELECT w.id FROM sweep AS w WHERE w.kind = 'sweep' AND EXISTS ("
        "SELECT 1 FROM measurement AS x JOIN model AS mx ON mx.id = x.model_id "
        "JOIN stat AS sx ON sx.measurement_id = x.id "
        "JOIN measurement AS y ON y.sweep_id = x.sweep_id AND y.device_id = x.device_id "
        "AND y.cache = x.cache AND y.threads = x.threads "
        "AND y.batch = x.batch AND y.alias = '' "
        "AND CASE ?3 WHEN '' THEN y.fuse = x.fuse ELSE x.fuse = ?3 AND y.fuse = ?4 END "
        "AND CASE ?5 WHEN '' THEN y.winograd = x.winograd "
        "ELSE x.winograd = ?5 AND y.winograd = ?6 END "
        "AND CASE ?7 WHEN '' THEN y.dtype = x.dtype ELSE x.dtype = ?7 AND y.dtype = ?8 END "
        "JOIN model AS my ON my.id = y.model_id JOIN stat AS sy ON sy.measurement_id = y.id "
        "WHERE x.sweep_id = w.id AND x.alias = '' AND mx.variant = ?1 AND my.variant = ?2) "
        "ORDER BY w.started_utc DESC, w.id DESC LIMIT 1";
    mop_db *db = a->db;
    const char *const params[] = {a->variant,       b->variant,          or_any(a->fuse),
                                  or_any(b->fuse),  or_any(a->winograd), or_any(b->winograd),
                                  or_any(a->dtype), or_any(b->dtype)};
    mop_table t = {0};
    mop_status status = check_schema(db, err);
    if (status == MOP_OK)
        status = check_known(db, a->variant, err);
    if (status == MOP_OK)
        status = check_known(db, b->variant, err);
    if (status == MOP_OK)
        status = mop_db_query(db, sql, params, 8, &t, err);
    if (status == MOP_OK && t.n_rows == 0)
        status =
            mop_fail(err, MOP_EINVAL,
                     "no sweep of %.80s holds both %.60s and %.60s in %s; variants are "
                     "compared within a sweep",
                     mop_db_path(db), a->variant, b->variant,
                     a->fuse != NULL || a->winograd != NULL || a->dtype != NULL ? "such settings"
                                                                                : "one setting");
    if (status == MOP_OK)
        *sweep = t.cells[0].i;
    mop_table_release(&t);
    return status;
}

mop_status mop_compare_has_sweep(mop_db *db, int64_t sweep, mop_err *err)
{
    static const char sql[] = "SELECT count(*), sum(id = CAST(?1 AS INTEGER)), min(id), max(id) "
                              "FROM sweep WHERE kind = 'sweep'";
    char id[24];
    const char *const params[] = {id};
    mop_table t = {0};
    (void)snprintf(id, sizeof id, "%lld", (long long)sweep); /* always fits */
    mop_status status = check_schema(db, err);
    if (status == MOP_OK)
        status = mop_db_query(db, sql, params, 1, &t, err);
    if (status == MOP_OK && t.cells[0].i == 0)
        status = mop_fail(err, MOP_EINVAL, "%.150s holds no sweep", mop_db_path(db));
    else if (status == MOP_OK && t.cells[1].i == 0)
        status =
            mop_fail(err, MOP_EINVAL, "%.120s has no sweep %s; its sweeps are numbered %s to %s",
                     mop_db_path(db), id, t.cells[2].text, t.cells[3].text);
    mop_table_release(&t);
    return status;
}
