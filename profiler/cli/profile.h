/* One variant profiled on one device, and how that is shown. */
#ifndef PROFILER_CLI_PROFILE_H
#define PROFILER_CLI_PROFILE_H

#include "db/table.h"
#include "profiler/cli/roofline.h"
#include "profiler/engine/job.h"
#include "profiler/measure/account.h"
#include "profiler/measure/layers.h"

typedef struct mop_profiled {
    const mop_subject_model *model;
    const mop_backend *backend;
    mop_device_info info;
    mop_plan *plan; /* what is timed */
    mop_check check;
    mop_plan_info planned; /* of the plan that was checked, the first of its kind here */
    uint64_t resident; /* peak of planning and running, beside what was there before; 0: unknown */
    bool by_repetition;
    uint32_t least_repeats, most_repeats;
    mop_layer_series layers;
    mop_account_series account; /* no runs where the back end knows layers only */
    double peak;                /* FLOP/s of one core, measured just now */
    mop_roofline roof;          /* as a calibration has it */
} mop_profiled;

/* Appends the layers to t, with the back end's name in a last column if named; `first` starts t. */
mop_status mop_profiled_table(mop_profiled *p, bool named, bool first, mop_table *t, mop_err *err);

/* The end-to-end figures, where an inference's time goes, what came before the first, and whether
 * the layer table may be believed: lines on stderr. `switches` as mop_cli_switches_name has them.
 */
void mop_profiled_say(mop_profiled *p, const char *switches);

#endif
