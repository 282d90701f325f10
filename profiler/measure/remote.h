/* A sweep's store and progress from another process: the worker's sink and events become frames,
 * which the supervisor carries out on the real ones. */
#ifndef PROFILER_MEASURE_REMOTE_H
#define PROFILER_MEASURE_REMOTE_H

#include "profiler/measure/sweep.h"
#include "profiler/measure/wire.h"

/* The worker's end. */
typedef struct mop_remote {
    int fd;
    mop_work_page *page;
    mop_bytes out, in;
    mop_err broken; /* the first failure of the socket itself */
} mop_remote;

/* Both with `remote` as ctx. The events' interrupted() reads the page, and is true once the socket
 * is broken. */
mop_record_sink mop_remote_sink(mop_remote *remote);
mop_sweep_events mop_remote_events(mop_remote *remote);
void mop_remote_release(mop_remote *remote); /* the socket stays open */

/* The texts of a row, which its own fields point to. */
typedef struct mop_row_texts {
    char *variant, *family, *form, *backend, *device;
} mop_row_texts;

/* The supervisor's end: the real sink and events, and what has been seen to go by. */
typedef struct mop_ledger {
    const mop_record_sink *sink;
    const mop_sweep_events *events;
    mop_sweep_row *rows; /* [n_rows], as planned and as the latest event showed them */
    mop_row_texts *texts;
    bool *is_shown; /* [n_rows] the user saw it prepared */
    size_t n_rows, n_planned;
    mop_measurement_record *records; /* [n_records] rows as the store has them, in plan order */
    size_t n_records;
    int64_t begun_id; /* begin_plan's, until commit_plan */
    int64_t sweep_id; /* 0 until a plan is stored or goes on */
    bool is_planning, is_resumed, is_finished;
    uint32_t worker, worker_base;  /* number of the worker under way, of this sweep's first here */
    int64_t first_pass, last_pass; /* of the worker under way; MOP_ABSENT: none */
    uint64_t notes[64];            /* hashes of what was said already */
    size_t n_notes;
} mop_ledger;

void mop_ledger_init(mop_ledger *ledger, const mop_record_sink *sink,
                     const mop_sweep_events *events);
void mop_ledger_release(mop_ledger *ledger);

/* Carries out one frame. For a call, *has_reply is true and reply holds the answer, the sink's own
 * failure included. MOP_EFAIL for a frame that makes no sense; MOP_ENOMEM. */
mop_status mop_ledger_serve(mop_ledger *ledger, mop_frame type, mop_bytes *payload,
                            mop_bytes *reply, bool *has_reply, mop_err *err);

/* Whether a row of the stored plan is still to be measured. */
bool mop_ledger_has_pending(const mop_ledger *ledger);

/* Row `row` failed for `reason`: in the store if the plan is there, and shown. A stored row that is
 * not pending stays as it is. */
mop_status mop_ledger_fail_row(mop_ledger *ledger, size_t row, const char *reason, mop_err *err);

/* Passes a remark on unless it was said before. */
void mop_ledger_note(mop_ledger *ledger, const char *sentence);

#endif
