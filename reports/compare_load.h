/* One side of a comparison as it lies in memory. For the inside of reports/compare*. */
#ifndef REPORTS_COMPARE_LOAD_H
#define REPORTS_COMPARE_LOAD_H

#include "reports/compare.h"

/* A row of the sweep's plan. Texts are borrowed from the loaded side. */
typedef struct mop_compare_row {
    const char *variant, *backend, *device, *uuid, *isa, *dtype, *cache, *fuse, *winograd;
    const char *alias, *state, *reason, *grade, *driver, *fingerprint;
    int64_t threads, batch;
    double median_ns;      /* clean median; NAN without times */
    double baseline_ratio; /* to the sweep's baseline; NAN without one */
    const double *pass_ns; /* [n_passes] medians of clean samples, by rising pass */
    const int64_t *pass;   /* [n_passes] */
    size_t n_passes;
    bool has_samples; /* clean or not; false where the row failed */
    bool is_control;  /* a control's row, which is not compared itself */
    bool is_wanted;   /* the filter and the variant of the side let it through */
    bool is_matched;  /* has its partner */
} mop_compare_row;

typedef struct mop_compare_loaded {
    const mop_compare_side *side;
    mop_table sweep, rows, passes, controls;
    mop_compare_row *row; /* [n] */
    size_t n;
    double *pass_ns;
    int64_t *pass;
    size_t most_passes; /* of any row */
    double aa_floor;    /* NAN if none */
    double misread;     /* as in mop_compare_limits */
    size_t n_unread;    /* controls that could not be read */
} mop_compare_loaded;

/* Reads a side; release it, also after a failure. */
mop_status mop_compare_load(const mop_compare_side *side, const mop_compare_filter *filter,
                            mop_compare_loaded *out, mop_err *err);
void mop_compare_loaded_release(mop_compare_loaded *l);

/* The row whose sweep column has this name, as text ("" for NULL). */
const char *mop_compare_sweep_text(const mop_compare_loaded *l, const char *col);

/* Adds "name: was A, is B" sentences of what the sides differ in as machines and builds. */
mop_status mop_compare_note_changes(const mop_compare_loaded *a, const mop_compare_loaded *b,
                                    mop_strlist *notes, mop_err *err);

/* Adds a formatted sentence. */
mop_status mop_compare_say(mop_strlist *list, mop_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
