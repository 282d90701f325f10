/* The samples of one measurement as the statistics take them. For the inside of db/. */
#ifndef DB_STAT_SERIES_H
#define DB_STAT_SERIES_H

#include "db/store_internal.h"

/* Nanoseconds per inference in the order (pass, run). Zero is empty; the arrays are used again. */
typedef struct mop_series {
    double *all, *clean, *work; /* [capacity] */
    double *pass_median;        /* of the clean samples of pass_number[i], ascending passes */
    int64_t *pass_number;
    size_t n, n_clean, n_pass_medians, n_passes, capacity;
} mop_series;

/* Reads the series of a measurement by a statement of mop_series_sql with ?1 = its id. */
extern const char mop_series_sql[];
mop_status mop_series_read(mop_store *store, sqlite3_stmt *stmt, int64_t measurement_id,
                           mop_series *series, mop_err *err);
void mop_series_release(mop_series *series);

#endif
