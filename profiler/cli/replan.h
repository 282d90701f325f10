/* The options of a stored sweep, read back from its plan. */
#ifndef PROFILER_CLI_REPLAN_H
#define PROFILER_CLI_REPLAN_H

#include "db/query.h"
#include "profiler/base/text.h"
#include "profiler/cli/cli.h"
#include "profiler/measure/sweep.h"

/* One "backend/threads/uuid" of a plan. */
typedef struct mop_replan_device {
    char backend[16], uuid[40];
    int threads;
} mop_replan_device;

/* Owns what `options` points to. Starts as {0}; release it, also after a failure. */
typedef struct mop_replan {
    mop_sweep_options options; /* without started_utc and build_id */
    mop_strlist specs, backends;
    mop_setting *settings;
    int *threads;
    int32_t *batches;
    mop_replan_device *devices;
    size_t n_devices;
    char *device, *baseline;
    char vulkan[MOP_CLI_VULKAN];
} mop_replan;

/* Reads the text that a sweep stores as its plan. MOP_EINVAL with the reason for one that has
 * another key than this moprof knows, lacks one, or names a variant that this moprof cannot build.
 */
mop_status mop_replan_parse(const char *plan_text, mop_replan *out, mop_err *err);
void mop_replan_release(mop_replan *r);

/* The plan of a sweep of db, with the time and the passes that its protocol allowed. MOP_EINVAL if
 * it cannot be repeated: the sweep is a part of a plan, was stored without one, or with one that
 * was cut short. */
mop_status mop_replan_read(mop_db *db, int64_t sweep, mop_replan *out, mop_err *err);

/* MOP_ENODEV unless every device of the plan is here, the same by its uuid. */
mop_status mop_replan_check_devices(const mop_replan *r, mop_err *err);

#endif
