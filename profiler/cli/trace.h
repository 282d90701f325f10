/* Runs as Chrome trace events, for chrome://tracing and Perfetto: a process for each back end, and
 * in it a track for the host and one for the device. */
#ifndef PROFILER_CLI_TRACE_H
#define PROFILER_CLI_TRACE_H

#include "profiler/engine/job.h"

typedef struct mop_trace mop_trace;

mop_status mop_trace_create(mop_trace **out, mop_err *err);
void mop_trace_free(mop_trace *trace); /* NULL is fine */

/* The process of the runs that are added from here on. Names and graph are borrowed until they have
 * been. */
typedef struct mop_trace_process {
    const char *variant;
    const mop_backend *backend;
    const mop_device_info *info;
    const mop_graph *graph;
    const mop_plan *plan;
} mop_trace_process;
mop_status mop_trace_begin(mop_trace *trace, const mop_trace_process *process, mop_err *err);

/* Adds one run: what the host did out of `times` (NULL: the back end is the host), layers out of
 * `profile` with begin_ns (NULL: they are not known). */
mop_status mop_trace_add(mop_trace *trace, const mop_run_times *times, const mop_profile *profile,
                         mop_err *err);

/* Writes all of it to file, which is replaced only once it is complete. */
mop_status mop_trace_write(const mop_trace *trace, const char *file, mop_err *err);

#endif
