/* Spearman's rho of latency against what a network costs on paper: one computation for the end of a
 * sweep and for reports. */
#ifndef REPORTS_RHO_H
#define REPORTS_RHO_H

#include "db/query.h"
#include "profiler/base/stats.h"

/* Below this many networks a coefficient only describes them. */
#define MOP_RHO_DESCRIPTIVE 8

typedef struct mop_rho {
    char *setting;      /* back end, device, threads in words */
    char *population;   /* "all variants" or "deploy form without modifiers" */
    const char *metric; /* "MACs", "params", "activations", "bytes", "ops", "depth" */
    size_t n;           /* networks */
    size_t families;    /* ... of so many families: networks of one are not independent */
    mop_interval rho;   /* 95 %, BCa over networks; NAN as mop_spearman() says */
    double p;           /* two-sided permutation p; NAN where rho is */
    double p_holm;      /* Holm over every p of the list; NAN likewise */
} mop_rho;

typedef struct mop_rho_list {
    mop_rho *items; /* by setting, population, metric */
    size_t n;
} mop_rho_list;

/* Every metric x population x setting of the newest results (reports/rho.sql; grade X left out).
 * Seeds are fixed: the same database gives the same bits. A population that adds nothing, because
 * it has as many networks as all variants, is left out. Fails as mop_db_query() does. */
mop_status mop_rho_compute(mop_db *db, mop_rho_list *out, mop_err *err);
void mop_rho_list_release(mop_rho_list *list); /* NULL is fine */

/* The list as a table: setting, population, latency against, n, families, rho, low, high, p, p
 * (Holm), reading. Release with mop_table_release. */
mop_status mop_rho_list_table(const mop_rho_list *list, mop_table *out, mop_err *err);

/* What a sweep prints at its end: the table of MACs and params only, with Holm over those. No rows
 * where nothing was measured. */
mop_status mop_rho_table(mop_db *db, mop_table *out, mop_err *err);

/* What a coefficient says, in a few words: "nearly the same order", "descriptive only: n < 8", ...
 */
const char *mop_rho_reading(const mop_rho *r);

#endif
