/* Where the time of an inference on a device goes: parts by the device's clock and by the host's,
 * held against what a plain run takes from end to end. */
#ifndef PROFILER_MEASURE_ACCOUNT_H
#define PROFILER_MEASURE_ACCOUNT_H

#include "profiler/engine/backend.h"

typedef enum mop_part {
    MOP_PART_DISPATCHES, /* profiled runs: what the layers took */
    MOP_PART_GAPS,       /* profiled runs: between dispatches; unknown by repetition */
    MOP_PART_COPIES,     /* profiled runs: from and to staging buffers; likewise */
    MOP_PART_SUBMIT,     /* plain runs: from submitting to the end seen, less the device's span; by
                            repetition less the dispatches, and so with the gaps and copies */
    MOP_PART_INPUT,      /* plain runs: the caller's input to the device's layout */
    MOP_PART_OUTPUT,     /* plain runs: and back */
    MOP_PART_HOST,       /* plain runs: all else, such as resetting the fence */
    MOP_PARTS
} mop_part;

/* "dispatches", and where the figure comes from. */
const char *mop_part_name(mop_part part);
const char *mop_part_source(mop_part part, bool by_repetition);

typedef struct mop_account_series {
    size_t cap, runs;
    bool by_repetition;
    double *part[MOP_PARTS]; /* [cap] ns */
    double *end_to_end;      /* [cap] ns of plain runs */
    double *outside;         /* [cap] ns of plain runs that the device's span does not cover */
} mop_account_series;

/* Medians, ns. NAN for what is not known. */
typedef struct mop_account {
    double part[MOP_PARTS];
    double end_to_end;
    double residual; /* end to end less all parts that are known */
    /* of plain runs, what the device's span does not cover, and the least of it: other work on the
       machine only adds; NAN by repetition */
    double outside, least_outside;
} mop_account;

/* Room for cap runs. Release it, also after MOP_ENOMEM. */
mop_status mop_account_init(mop_account_series *s, size_t cap, bool by_repetition, mop_err *err);
void mop_account_release(mop_account_series *s); /* a zeroed one is fine */

/* Adds a plain run and the profiled one beside it; by repetition `profiled` is NULL, and the layers
 * took dispatch_ns together. At most cap times. */
void mop_account_add(mop_account_series *s, const mop_run_times *plain,
                     const mop_run_times *profiled, uint64_t dispatch_ns);

/* Sorts the series in place. */
void mop_account_close(mop_account_series *s, mop_account *out);

#endif
