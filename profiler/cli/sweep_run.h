/* A sweep from filled options to a database and what is printed of it: what `sweep` and `rerun`
 * share. Also the main function of its worker processes. */
#ifndef PROFILER_CLI_SWEEP_RUN_H
#define PROFILER_CLI_SWEEP_RUN_H

#include "profiler/measure/sweep.h"

/* The command that a worker process is started with; not one for people. */
#define MOP_WORKER_COMMAND "sweep-worker"

/* How the sweep is done, beside what is measured. */
typedef struct mop_sweep_manner {
    const char *db;       /* path; it is opened for writing before any work */
    uint32_t workers;     /* 0: the supervisor's default */
    uint64_t patience_ns; /* 0: likewise */
    bool is_quiet;
} mop_sweep_manner;

/* Measures through a supervisor with worker processes of this program, prints progress to stderr,
 * then failed controls, the sweep's table and what to believe of it to stdout. Returns the exit
 * code; *sweep_id (may be NULL) is the sweep's number, 0 if none was stored. */
int mop_cli_sweep(const mop_sweep_options *options, const mop_sweep_manner *manner,
                  int64_t *sweep_id);

/* argv of a worker: its command and "SOCKET,PAGE", two inherited descriptors. */
int mop_cli_sweep_worker(int argc, const char **argv);

#endif
