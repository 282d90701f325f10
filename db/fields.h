/* The stored fields of the run record as tables, so that storing, reading back, exporting and
 * testing are loops over run_fields.def. For the inside of db/. */
#ifndef DB_FIELDS_H
#define DB_FIELDS_H

#include <sqlite3.h>

#include "db/record.h"
#include "profiler/base/status.h"
#include "profiler/base/str.h"

typedef enum mop_field_kind {
    MOP_FIELD_TEXT,     /* char[size] */
    MOP_FIELD_OPT_TEXT, /* char[size]; "" is NULL */
    MOP_FIELD_I32,
    MOP_FIELD_U32,
    MOP_FIELD_I64,     /* MOP_ABSENT is NULL */
    MOP_FIELD_U64,     /* stored as the signed number of the same 64 bits */
    MOP_FIELD_HEX,     /* uint64_t as 16 hexadecimal digits */
    MOP_FIELD_OPT_HEX, /* 0 is NULL */
    MOP_FIELD_F64,     /* NaN is NULL */
    MOP_FIELD_BOOL,
    MOP_FIELD_STATE, /* mop_state by name */
    MOP_FIELD_STOP   /* mop_stop_reason by name */
} mop_field_kind;

typedef struct mop_field {
    const char *column;
    mop_field_kind kind;
    size_t offset, size; /* in the record */
} mop_field;

typedef enum mop_record_kind {
    MOP_RECORD_SWEEP,
    MOP_RECORD_DEVICE,
    MOP_RECORD_MODEL,
    MOP_RECORD_LAYER,
    MOP_RECORD_MEASUREMENT,
    MOP_RECORD_SAMPLE,
    MOP_RECORD_PASS,
    MOP_RECORD_VISIT,
    MOP_RECORD_CONTROL,
    MOP_RECORD_WORKER,
    MOP_RECORD_CALIBRATION,
    MOP_RECORD_COUNT
} mop_record_kind;

typedef struct mop_fields {
    const char *table;
    const mop_field *field;
    size_t n;
    size_t record_bytes;
} mop_fields;

const mop_fields *mop_fields_of(mop_record_kind kind); /* never NULL */

/* Appends "prefix.a, prefix.b" (or "a, b" for prefix NULL). */
void mop_fields_columns(const mop_fields *f, const char *prefix, mop_str *out);

/* Binds the fields of record to parameters first, first + 1, ... Returns a SQLite result code. */
int mop_fields_bind(sqlite3_stmt *stmt, int first, const mop_fields *f, const void *record);

/* Reads columns first, first + 1, ... of the current row into record. MOP_EINVAL for a value that
 * does not fit its field. */
mop_status mop_fields_read(sqlite3_stmt *stmt, int first, const mop_fields *f, void *record,
                           mop_err *err);

/* Sets one field from text as a CSV file holds it (NULL: an empty cell). MOP_EINVAL with the reason
 * for what does not fit. */
mop_status mop_field_parse(const mop_field *field, const char *text, size_t len, void *record,
                           mop_err *err);

const char *mop_state_name(mop_state state);
const char *mop_stop_name(mop_stop_reason stop);

#endif
