/* The columns of a CSV file of moprof, made from run_fields.def. For the inside of db/. */
#ifndef DB_CSVROW_H
#define DB_CSVROW_H

#include "db/fields.h"

/* One row of the file. The numbers tell sweeps and measurements apart and mean nothing more. */
typedef struct mop_csv_row {
    int64_t sweep_number, measurement_number;
    mop_sweep_record sweep; /* without its plan */
    mop_device_record device;
    uint64_t content_hash;
    mop_model_record model;
    mop_measurement_record measurement;
    mop_sample_record sample;
} mop_csv_row;

typedef struct mop_csv_column {
    char name[48];   /* "device_name" */
    mop_field field; /* its offset counts from the row */
    char from[48];   /* the column in the export's query: "d.name" */
    bool is_sample;
    /* What a file without the column means: files of moprof before schema 3 lack what that added.
     * NULL stands for the empty cell. */
    bool is_optional;
    const char *absent;
} mop_csv_column;

enum { MOP_CSV_MAX_COLUMNS = 96 };

typedef struct mop_csv_layout {
    mop_csv_column column[MOP_CSV_MAX_COLUMNS];
    size_t n;
} mop_csv_layout;

void mop_csv_layout_make(mop_csv_layout *layout);

#endif
