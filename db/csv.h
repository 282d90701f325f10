/* A whole database as one CSV file and back, by libcsv: one row a sample, with the columns of its
 * sweep, device, model and measurement before it. Layers, layer times, passes, visits, controls
 * and workers do not travel. */
#ifndef DB_CSV_H
#define DB_CSV_H

#include "db/import_input.h"
#include "db/store.h"

/* Writes every measurement of the database (one without samples is one row with those cells empty)
 * to out_path, or standard output for NULL or "-". LF, no BOM, %.17g; an existing file is replaced
 * only once the new one is complete. */
mop_status mop_csv_export(const char *db_path, const char *out_path, mop_err *err);

/* Adds the sweeps of such a file to the database: mop_import() (db/import.h) of one file in the
 * format "moprof". */
mop_status mop_csv_import(const char *csv_path, const char *db_path, mop_err *err);

/* For db/import.c. Looks at every row of such a file: the header must name every column, in any
 * order, but for those that schemas 3 and 4 added. Each message has FILE:LINE:COLUMN. */
mop_status mop_csv_check(const mop_input *in, mop_err *err);

/* Adds the sweeps of a checked file inside the caller's transaction, in the state "imported", with
 * statistics recomputed; *n_new says how many. A file that is there already, by the hash of its
 * bytes, adds nothing, and *n_known says how many it had added. Importing into an empty database
 * and exporting again gives the same file. */
mop_status mop_csv_store(const mop_input *in, mop_store *store, size_t *n_new, size_t *n_known,
                         mop_err *err);

#endif
