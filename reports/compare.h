/* Compares two variants of one sweep, or two sweeps: ratio, interval, floor, verdict. How each is
 * made, and why, is in docs/measuring.md, "Comparing". */
#ifndef REPORTS_COMPARE_H
#define REPORTS_COMPARE_H

#include <stdbool.h>

#include "db/query.h"
#include "profiler/base/stats.h"
#include "profiler/base/text.h"

/* Differences below this are nobody's concern unless --margin says otherwise. */
#define MOP_COMPARE_MARGIN 0.01
#define MOP_COMPARE_LEVEL  0.95

/* --- the judgement, without a database ------------------------------------------------------- */

typedef enum mop_verdict {
    MOP_VERDICT_FASTER,
    MOP_VERDICT_SLOWER,
    MOP_VERDICT_SAME,
    MOP_VERDICT_UNCLEAR,
    MOP_VERDICT_MISSING, /* one side has no such row, or no times of it */
    MOP_N_VERDICTS
} mop_verdict;

const char *mop_verdict_name(mop_verdict v); /* "FASTER" ... */

/* Ratio of the medians of b[n_b] over a[n_a], which are medians of passes of two sweeps and thus
 * not paired. The interval is [b.lo / a.hi, b.hi / a.lo] of the order-statistic intervals of both
 * sides at (1 + level) / 2 each, so that by Bonferroni's inequality it covers with at least
 * `level` for independent passes. It is wider than it needs to be by a factor of 1.6 for equal
 * scatter, which is what passes that lean on each other (AR(1) up to 0.4) use up. lo and hi are NAN
 * where a side has too few passes (7 at 0.95). work has max(n_a, n_b) entries; values are positive.
 */
mop_interval mop_compare_unpaired(const double *a, size_t n_a, const double *b, size_t n_b,
                                  double level, double *work);

/* What is known about how well the sides can be told apart; each NAN where it is not known. */
typedef struct mop_compare_limits {
    double aa_a, aa_b; /* A/A floor of either sweep */
    double drift;      /* how far the FMA control loop differs between them; NAN within one sweep */
    double misread;    /* how far a failed control read off; 0 if none failed */
    bool is_unread;    /* a control could not be read, for want of clean passes */
} mop_compare_limits;

/* The difference under which no verdict is given: the largest of the limits; NAN where there is
 * neither an A/A floor nor a drift to go by. */
double mop_compare_floor(const mop_compare_limits *limits);

/* The verdict over a ratio with its interval. SAME: the whole interval lies within 1 +- max(floor,
 * margin), and every control passed. Otherwise FASTER: it lies below 1 - floor; SLOWER: above 1 +
 * floor. UNCLEAR for anything else, with *why a constant sentence ("" for the others). is_x: a side
 * has grade X. */
mop_verdict mop_compare_verdict(const mop_interval *ratio, const mop_compare_limits *limits,
                                double margin, bool is_x, const char **why);

/* --- the comparison -------------------------------------------------------------------------- */

/* One side: a sweep of a database, whole or one variant of it. Borrowed. */
typedef struct mop_compare_side {
    mop_db *db;
    int64_t sweep;
    const char *variant; /* canonical; NULL: all. Both sides have one, of the same sweep, or none */
    const char *fuse, *winograd, *dtype; /* only rows of that setting, which is then not matched
                                            with the other side's; NULL: all. Both sides name one,
                                            or none does */
    const char *name;                    /* for sentences: "sweep 3 of moprof.db" */
} mop_compare_side;

/* Which rows to compare; n == 0 or NULL: all. Borrowed. */
typedef struct mop_compare_filter {
    const char *const *backends;
    size_t n_backends;
    const int *threads, *batches;
    size_t n_threads, n_batches;
    const char *cache;
    double margin; /* 0: MOP_COMPARE_MARGIN */
} mop_compare_filter;

typedef struct mop_comparison {
    mop_table
        table; /* a row a pair, those that matter first: SLOWER, FASTER, MISSING, UNCLEAR, SAME */
    mop_strlist before; /* sentences to read first: failed controls, what the machines differ in */
    mop_strlist after;  /* the summary */
    size_t n[MOP_N_VERDICTS];
    double geomean; /* of the ratios of all pairs that have one; NAN if none has */
} mop_comparison;

/* Compares b to a: a ratio over 1 says that b takes longer. Rows are matched by variant, back end,
 * device, instruction set, dtype, threads, batch, cache mode, fusions and Winograd; what has no
 * partner is a MISSING row with the reason. MOP_EINVAL if no row has a partner (the sentence says
 * what differs), if both sides are the same sweep, or if the filter leaves nothing; otherwise as
 * mop_db_query() fails. */
mop_status mop_compare(const mop_compare_side *a, const mop_compare_side *b,
                       const mop_compare_filter *filter, mop_comparison *out, mop_err *err);
void mop_comparison_release(mop_comparison *c); /* NULL is fine */

/* The newest sweep that has times. MOP_EINVAL if there is none. */
mop_status mop_compare_newest(mop_db *db, int64_t *sweep, mop_err *err);

/* The newest sweep of a's database that has times of both sides' variants in one setting, but for
 * what the sides name. MOP_EINVAL if there is none, with the nearest name where a variant was never
 * timed. */
mop_status mop_compare_newest_with(const mop_compare_side *a, const mop_compare_side *b,
                                   int64_t *sweep, mop_err *err);

/* MOP_EINVAL, with the numbers that there are, unless the database has this sweep. */
mop_status mop_compare_has_sweep(mop_db *db, int64_t sweep, mop_err *err);

/* What two sweeps differ in apart from their times, as a table (where, what, a, b): build,
 * protocol, plan, the volatile environment, and each device's fingerprint, key by key. */
mop_status mop_compare_changes(const mop_compare_side *a, const mop_compare_side *b, mop_table *out,
                               mop_err *err);

#endif
