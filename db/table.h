/* Builds a mop_table row by row, for tables that are computed rather than queried. */
#ifndef DB_TABLE_H
#define DB_TABLE_H

#include "db/query.h"

/* Starts an empty table with these columns; release with mop_table_release, also after a failure.
 */
mop_status mop_table_start(mop_table *t, const char *const *cols, size_t n_cols, mop_err *err);

/* Appends a row of NULL cells and returns its first cell, valid until the next row; NULL if out of
 * memory. */
mop_cell *mop_table_row(mop_table *t, mop_err *err);

/* Fill one cell. The text a person reads is made here: integers plain, reals by "%.6g" or by
 * `decimals` digits after the point if >= 0; a NaN is a NULL cell. Failure leaves the cell NULL. */
mop_status mop_cell_set_int(mop_cell *cell, int64_t v, mop_err *err);
mop_status mop_cell_set_real(mop_cell *cell, double v, int decimals, mop_err *err);
mop_status mop_cell_set_text(mop_cell *cell, const char *text, mop_err *err);

#endif
