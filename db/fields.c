#include "db/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW(record, kind_, column_, member)                                                        \
    {.column = #column_,                                                                           \
     .kind = MOP_FIELD_##kind_,                                                                    \
     .offset = offsetof(record, member),                                                           \
     .size = sizeof(((record *)0)->member)},

static const mop_field sweep_fields[] = {
#define MOP_SWEEP_FIELD(kind, column, member) ROW(mop_sweep_record, kind, column, member)
#include "db/run_fields.def"
};
static const mop_field device_fields[] = {
#define MOP_DEVICE_FIELD(kind, column, member) ROW(mop_device_record, kind, column, member)
#include "db/run_fields.def"
};
static const mop_field model_fields[] = {
#define MOP_MODEL_FIELD(kind, column, member) ROW(mop_model_record, kind, column, member)
#include "db/run_fields.def"
};
static const mop_field layer_fields[] = {
#define MOP_LAYER_FIELD(kind, column, member) ROW(mop_layer_record, kind, column, member)
#include "db/run_fields.def"
};
static const mop_field measurement_fields[] = {
#define MOP_MEASUREMENT_FIELD(kind, column, member)                                                \
    ROW(mop_measurement_record, kind, column, member)
#include "db/run_fields.def"
};
static const mop_field sample_fields[] = {
#define MOP_SAMPLE_FIELD(kind, column, member) ROW(mop_sample_record, kind, column, member)
#include "db/run_fields.def"
};
static const mop_field pass_fields[] = {
#define MOP_PASS_FIELD(kind, column, member) ROW(mop_pass_record, kind, column, member)
#include "db/run_fields.def"
};
static const mop_field visit_fields[] = {
#define MOP_VISIT_FIELD(kind, column, member) ROW(mop_visit_record, kind, column, member)
#include "db/run_fields.def"
};
static const mop_field control_fields[] = {
#define MOP_CONTROL_FIELD(kind, column, member) ROW(mop_control_record, kind, column, member)
#include "db/run_fields.def"
};
static const mop_field worker_fields[] = {
#define MOP_WORKER_FIELD(kind, column, member) ROW(mop_worker_record, kind, column, member)
#include "db/run_fields.def"
};
static const mop_field calibration_fields[] = {
#define MOP_CALIBRATION_FIELD(kind, column, member)                                                \
    ROW(mop_calibration_record, kind, column, member)
#include "db/run_fields.def"
};

#define LIST(table_, fields, record)                                                               \
    {                                                                                              \
        table_, fields, sizeof(fields) / sizeof(fields)[0], sizeof(record)                         \
    }

static const mop_fields lists[MOP_RECORD_COUNT] = {
    [MOP_RECORD_SWEEP] = LIST("sweep", sweep_fields, mop_sweep_record),
    [MOP_RECORD_DEVICE] = LIST("device", device_fields, mop_device_record),
    [MOP_RECORD_MODEL] = LIST("model", model_fields, mop_model_record),
    [MOP_RECORD_LAYER] = LIST("layer", layer_fields, mop_layer_record),
    [MOP_RECORD_MEASUREMENT] = LIST("measurement", measurement_fields, mop_measurement_record),
    [MOP_RECORD_SAMPLE] = LIST("sample", sample_fields, mop_sample_record),
    [MOP_RECORD_PASS] = LIST("pass", pass_fields, mop_pass_record),
    [MOP_RECORD_VISIT] = LIST("visit", visit_fields, mop_visit_record),
    [MOP_RECORD_CONTROL] = LIST("control", control_fields, mop_control_record),
    [MOP_RECORD_WORKER] = LIST("worker", worker_fields, mop_worker_record),
    [MOP_RECORD_CALIBRATION] = LIST("calibration", calibration_fields, mop_calibration_record),
};

static const char *const state_names[] = {
    [MOP_PENDING] = "pending",
    [MOP_DONE] = "done",
    [MOP_FAILED] = "failed",
    [MOP_SKIPPED] = "skipped",
};
static const char *const stop_names[] = {
    [MOP_STOP_NONE] = "none",     [MOP_STOP_PRECISION] = "precision", [MOP_STOP_PASSES] = "passes",
    [MOP_STOP_BUDGET] = "budget", [MOP_STOP_INTERRUPT] = "interrupt", [MOP_STOP_FAILED] = "failed",
};

enum {
    N_STATES = sizeof state_names / sizeof state_names[0],
    N_STOPS = sizeof stop_names / sizeof stop_names[0]
};

const mop_fields *mop_fields_of(mop_record_kind kind)
{
    return &lists[kind];
}

const char *mop_state_name(mop_state state)
{
    return (unsigned)state < N_STATES ? state_names[state] : "unknown";
}

const char *mop_stop_name(mop_stop_reason stop)
{
    return (unsigned)stop < N_STOPS ? stop_names[stop] : "unknown";
}

void mop_fields_columns(const mop_fields *f, const char *prefix, mop_str *out)
{
    for (size_t i = 0; i < f->n; i++)
        mop_str_addf(out, "%s%s%s%s", i > 0 ? ", " : "", prefix != NULL ? prefix : "",
                     prefix != NULL ? "." : "", f->field[i].column);
}

/* The fields are reached by offset; memcpy keeps that free of aliasing and alignment questions. */
#define GET(type, var, record, field)                                                              \
    type var;                                                                                      \
    memcpy(&var, (const char *)(record) + (field)->offset, sizeof var)

static void set(void *record, const mop_field *field, const void *value)
{
    memcpy((char *)record + field->offset, value, field->size);
}

static int bind_hex(sqlite3_stmt *stmt, int at, uint64_t v)
{
    char hex[17];
    (void)snprintf(hex, sizeof hex, "%016" PRIx64, v); /* always 16 digits */
    return sqlite3_bind_text(stmt, at, hex, -1, SQLITE_TRANSIENT);
}

static int bind_text(sqlite3_stmt *stmt, int at, const mop_field *field, const void *record)
{
    const char *text = (const char *)record + field->offset;
    if (field->kind == MOP_FIELD_OPT_TEXT && text[0] == '\0')
        return sqlite3_bind_null(stmt, at);
    return sqlite3_bind_text(stmt, at, text, (int)strnlen(text, field->size), SQLITE_TRANSIENT);
}

static int bind_one(sqlite3_stmt *stmt, int at, const mop_field *field, const void *record)
{
    switch (field->kind) {
    case MOP_FIELD_TEXT:
    case MOP_FIELD_OPT_TEXT:
        return bind_text(stmt, at, field, record);
    case MOP_FIELD_I32: {
        GET(int32_t, v, record, field);
        return sqlite3_bind_int64(stmt, at, v);
    }
    case MOP_FIELD_U32: {
        GET(uint32_t, v, record, field);
        return sqlite3_bind_int64(stmt, at, v);
    }
    case MOP_FIELD_I64:
    case MOP_FIELD_U64: {
        GET(int64_t, v, record, field);
        if (field->kind == MOP_FIELD_I64 && v == MOP_ABSENT)
            return sqlite3_bind_null(stmt, at);
        return sqlite3_bind_int64(stmt, at, v);
    }
    case MOP_FIELD_HEX:
    case MOP_FIELD_OPT_HEX: {
        GET(uint64_t, v, record, field);
        if (field->kind == MOP_FIELD_OPT_HEX && v == 0)
            return sqlite3_bind_null(stmt, at);
        return bind_hex(stmt, at, v);
    }
    case MOP_FIELD_F64: {
        GET(double, v, record, field);
        return sqlite3_bind_double(stmt, at, v); /* SQLite stores NaN as NULL */
    }
    case MOP_FIELD_BOOL: {
        GET(bool, v, record, field);
        return sqlite3_bind_int64(stmt, at, v);
    }
    case MOP_FIELD_STATE: {
        GET(mop_state, v, record, field);
        return sqlite3_bind_text(stmt, at, mop_state_name(v), -1, SQLITE_STATIC);
    }
    case MOP_FIELD_STOP: {
        GET(mop_stop_reason, v, record, field);
        return sqlite3_bind_text(stmt, at, mop_stop_name(v), -1, SQLITE_STATIC);
    }
    }
    return SQLITE_MISUSE;
}

int mop_fields_bind(sqlite3_stmt *stmt, int first, const mop_fields *f, const void *record)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < f->n && rc == SQLITE_OK; i++)
        rc = bind_one(stmt, first + (int)i, &f->field[i], record);
    return rc;
}

/* --- from text -----------------------------------------------------------------------------------
 */

static bool parse_i64(const char *text, size_t len, int64_t low, int64_t high, int64_t *out)
{
    char copy[32], *end;
    long long v;
    if (len == 0 || len >= sizeof copy || memchr("-0123456789", text[0], 11) == NULL)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    errno = 0;
    v = strtoll(copy, &end, 10);
    if (errno != 0 || *end != '\0' || v < low || v > high)
        return false;
    *out = v;
    return true;
}

static bool parse_f64(const char *text, size_t len, double *out)
{
    char copy[64], *end;
    if (len == 0 || len >= sizeof copy || memchr("-0123456789iI", text[0], 13) == NULL)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    *out = strtod(copy, &end);
    return *end == '\0' && !isnan(*out);
}

static bool parse_hex(const char *text, size_t len, uint64_t *out)
{
    char copy[17];
    if (len != 16)
        return false;
    memcpy(copy, text, 16);
    copy[16] = '\0';
    if (strspn(copy, "0123456789abcdef") != 16)
        return false;
    *out = strtoull(copy, NULL, 16);
    return true;
}

static bool parse_name(const char *text, size_t len, const char *const *names, int n, int *out)
{
    for (int i = 0; i < n; i++) {
        if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool parse_integer(const mop_field *field, const char *text, size_t len, void *record)
{
    int64_t v;
    switch (field->kind) {
    case MOP_FIELD_I32:
        if (!parse_i64(text, len, INT32_MIN, INT32_MAX, &v))
            return false;
        set(record, field, &(int32_t){(int32_t)v});
        return true;
    case MOP_FIELD_U32:
        if (!parse_i64(text, len, 0, UINT32_MAX, &v))
            return false;
        set(record, field, &(uint32_t){(uint32_t)v});
        return true;
    case MOP_FIELD_BOOL:
        if (!parse_i64(text, len, 0, 1, &v))
            return false;
        set(record, field, &(bool){v == 1});
        return true;
    default: /* I64, whose smallest value means absent, and U64 */
        if (!parse_i64(text, len, field->kind == MOP_FIELD_I64 ? INT64_MIN + 1 : INT64_MIN,
                       INT64_MAX, &v))
            return false;
        set(record, field, &v);
        return true;
    }
}

/* The value of a NULL; false where the kind has none. */
static bool set_null(const mop_field *field, void *record)
{
    switch (field->kind) {
    case MOP_FIELD_OPT_TEXT:
        memset((char *)record + field->offset, 0, field->size);
        return true;
    case MOP_FIELD_I64:
        set(record, field, &(int64_t){MOP_ABSENT});
        return true;
    case MOP_FIELD_OPT_HEX:
        set(record, field, &(uint64_t){0});
        return true;
    case MOP_FIELD_F64:
        set(record, field, &(double){(double)NAN});
        return true;
    default:
        return false;
    }
}

static bool set_text(const mop_field *field, const char *text, size_t len, void *record)
{
    char *dst = (char *)record + field->offset;
    if (len >= field->size || memchr(text, '\0', len) != NULL)
        return false;
    memset(dst, 0, field->size);
    memcpy(dst, text, len);
    return true;
}

static bool set_parsed(const mop_field *field, const char *text, size_t len, void *record)
{
    uint64_t u;
    double r;
    int i;
    switch (field->kind) {
    case MOP_FIELD_TEXT:
    case MOP_FIELD_OPT_TEXT:
        return set_text(field, text, len, record);
    case MOP_FIELD_HEX:
    case MOP_FIELD_OPT_HEX:
        if (!parse_hex(text, len, &u))
            return false;
        set(record, field, &u);
        return true;
    case MOP_FIELD_F64:
        if (!parse_f64(text, len, &r))
            return false;
        set(record, field, &r);
        return true;
    case MOP_FIELD_STATE:
        if (!parse_name(text, len, state_names, N_STATES, &i))
            return false;
        set(record, field, &(mop_state){(mop_state)i});
        return true;
    case MOP_FIELD_STOP:
        if (!parse_name(text, len, stop_names, N_STOPS, &i))
            return false;
        set(record, field, &(mop_stop_reason){(mop_stop_reason)i});
        return true;
    default:
        return parse_integer(field, text, len, record);
    }
}

mop_status mop_field_parse(const mop_field *field, const char *text, size_t len, void *record,
                           mop_err *err)
{
    bool ok = text == NULL ? set_null(field, record) : set_parsed(field, text, len, record);
    if (ok)
        return MOP_OK;
    if (text == NULL)
        return mop_fail(err, MOP_EINVAL, "%s is empty", field->column);
    if (field->kind == MOP_FIELD_TEXT || field->kind == MOP_FIELD_OPT_TEXT)
        return mop_fail(err, MOP_EINVAL, "%s has %zu bytes, and at most %zu fit", field->column,
                        len, field->size - 1);
    return mop_fail(err, MOP_EINVAL, "%s cannot be \"%.*s\"", field->column,
                    (int)(len < 40 ? len : 40), text);
}

mop_status mop_fields_read(sqlite3_stmt *stmt, int first, const mop_fields *f, void *record,
                           mop_err *err)
{
    for (size_t i = 0; i < f->n; i++) {
        const mop_field *field = &f->field[i];
        int at = first + (int)i;
        double r;
        if (field->kind == MOP_FIELD_F64 && sqlite3_column_type(stmt, at) == SQLITE_FLOAT) {
            r = sqlite3_column_double(stmt, at); /* the text would lose bits */
            set(record, field, &r);
            continue;
        }
        const char *text = (const char *)sqlite3_column_text(stmt, at);
        mop_status st =
            mop_field_parse(field, text, (size_t)sqlite3_column_bytes(stmt, at), record, err);
        if (st != MOP_OK)
            return st;
    }
    return MOP_OK;
}
