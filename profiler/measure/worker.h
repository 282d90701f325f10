/* A worker process of a sweep: takes its job from the supervisor's socket, does its part, says how
 * it went. */
#ifndef PROFILER_MEASURE_WORKER_H
#define PROFILER_MEASURE_WORKER_H

#include <sys/types.h>

#include "profiler/measure/sweep.h"
#include "profiler/measure/wire.h"

/* What a worker is to do. */
typedef struct mop_job {
    mop_sweep_options options;
    mop_sweep_part part; /* page: not sent */
    pid_t supervisor;
} mop_job;

/* The job as bytes, every list and text of the options included; and back. What _get fills is
 * released by _release. MOP_ENOMEM, or MOP_EFAIL for bytes that are no job. */
void mop_job_put(const mop_job *job, mop_bytes *out);
mop_status mop_job_get(mop_job *job, mop_bytes *in, mop_err *err);
void mop_job_release(mop_job *job);

/* How a part ended, as the last frame says it. */
typedef struct mop_part_end {
    mop_status status;
    mop_err err;
    mop_sweep_outcome outcome;
} mop_part_end;

/* All that a worker process does: dies with its supervisor (Linux), leaves interrupts to it, waits
 * for the job on `socket`, runs it, sends how it ended. Changes the process's signal dispositions.
 * The status is that of the socket: MOP_OK once the end is told, however the part went. */
mop_status mop_worker_run(int socket, mop_work_page *page, const mop_sweep_world *world,
                          mop_err *err);

#endif
