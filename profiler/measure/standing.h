/* Where each subject of the protocol stands: one value a pass, its interval, its ratio to the
 * baseline within passes, and whether that is enough. */
#ifndef PROFILER_MEASURE_STANDING_H
#define PROFILER_MEASURE_STANDING_H

#include "profiler/measure/protocol.h"

typedef struct mop_standing {
    const mop_protocol *protocol;
    const mop_subject *subjects;
    mop_subject_result *results; /* [n] the caller's */
    uint32_t n, columns;
    double *values;     /* [n, columns]: median of the clean samples of pass c; NAN: none */
    double *half_width; /* [n]: what the rule looks at, or the best guess at it; NAN: no idea */
    bool *is_referred;  /* [n]: a living subject that is judged has it as its baseline */
    double *a, *b;      /* [columns] */
    double *work;       /* [work_size] */
    size_t work_size;
} mop_standing;

/* For passes 0 to columns - 1. Zeroes results. Release it even after MOP_ENOMEM, MOP_EINVAL. */
mop_status mop_standing_init(mop_standing *s, const mop_protocol_input *input, uint32_t columns,
                             mop_subject_result *results, mop_err *err);
void mop_standing_release(mop_standing *s);

/* Takes in samples that come visit by visit; those of other measurements are passed over. */
void mop_standing_count(mop_standing *s, const mop_sample_record *x, size_t n);

/* Intervals, ratios and is_satisfied from what was counted. O(n columns log columns). */
void mop_standing_refresh(mop_standing *s);

bool mop_standing_is_alive(const mop_standing *s, uint32_t i);

/* Subjects that are alive and judged, and how many of them are satisfied. */
uint32_t mop_standing_judged(const mop_standing *s, uint32_t *satisfied);

/* Passes until the last of them is satisfied or has max_passes, if intervals narrow as
 * 1 / sqrt(passes); 0 if none is left to do. Where there are too few passes for an interval, the
 * range of the values stands for it. */
double mop_standing_passes_left(const mop_standing *s);

#endif
