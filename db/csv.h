/* A whole database as one CSV file and back, by libcsv: one row a sample, with the columns of its
 * sweep, device, model and measurement before it. Layers, layer times and passes do not travel. */
#ifndef DB_CSV_H
#define DB_CSV_H

#include "profiler/base/status.h"

/* Writes every measurement of the database (one without samples is one row with those cells empty)
 * to out_path, or standard output for NULL or "-". LF, no BOM, %.17g; an existing file is replaced
 * only once the new one is complete. */
mop_status mop_csv_export(const char *db_path, const char *out_path, mop_err *err);

/* Adds the sweeps of such a file to the database, which is created if absent, as sweeps of their
 * own in the state "imported": all rows or none. The header must name every column, in any order.
 * Each message has FILE:LINE:COLUMN. Statistics are recomputed. Importing and exporting again gives
 * the same file. */
mop_status mop_csv_import(const char *csv_path, const char *db_path, mop_err *err);

#endif
