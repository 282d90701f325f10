/* A sweep in several worker processes, one after another: the supervisor holds the store and the
 * view and no model; a worker that dies, hangs or talks nonsense costs its row and not the sweep.
 */
#ifndef PROFILER_MEASURE_SUPERVISOR_H
#define PROFILER_MEASURE_SUPERVISOR_H

#include <sys/types.h>

#include "profiler/measure/sweep.h"

enum { MOP_SUPERVISOR_WORKERS = 3, MOP_SUPERVISOR_MAX_WORKERS = 16 };
/* 5 minutes without a sign of life are a hang. */
#define MOP_SUPERVISOR_PATIENCE_NS UINT64_C(300000000000)

/* What a new worker gets hold of. Its process calls mop_worker_run(socket, page, ...); after an
 * exec the page is mapped anew from page_fd. */
typedef struct mop_worker_ends {
    int socket, page_fd;   /* both are closed by exec unless the flag is taken off */
    int supervisor_socket; /* not the worker's: a child without exec closes it */
    mop_work_page *page;
} mop_worker_ends;

typedef struct mop_supervisor {
    uint32_t workers;     /* that share the passes; 0: MOP_SUPERVISOR_WORKERS */
    uint64_t patience_ns; /* 0: MOP_SUPERVISOR_PATIENCE_NS */
    mop_clock clock;      /* that of the workers' world */
    /* Starts a process; *pid is its child of this thread. */
    mop_status (*spawn)(void *ctx, const mop_worker_ends *ends, pid_t *pid, mop_err *err);
    void *ctx;
} mop_supervisor;

/* mop_sweep_run in worker processes. What a worker returns is returned, except:
 * - A worker that is killed, ends early, gives no sign of life for `patience` while it is not
 *   stopped by a signal, sends garbage or loses a device: the row that it was working on is failed
 *   with that reason, stored, and a new worker goes on with the same share.
 * - MOP_EFAIL after more deaths in a row that no row accounts for than there are workers.
 * Each worker is stored with its passes and how it ended. events->interrupted is looked at once a
 * second and after each signal; the worker then ends its visit, and MOP_EINTR is returned with
 * every finished pass stored. options->dry_run is not for this function: it needs no process. */
mop_status mop_supervisor_run(const mop_sweep_options *options, const mop_supervisor *how,
                              const mop_record_sink *sink, const mop_sweep_events *events,
                              mop_sweep_outcome *outcome, mop_err *err);

#endif
