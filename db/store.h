/* The results database: open, plan a sweep, commit passes, resume. One writer at a time. */
#ifndef DB_STORE_H
#define DB_STORE_H

#include "db/record.h"
#include "profiler/base/status.h"

typedef struct mop_store mop_store;

/* Opens path for writing, creating it if absent; migrates an older schema after a backup. MOP_EBUSY
 * if another sweep holds the lock beside the file (the sentence says who), MOP_EINVAL for a
 * database of another program or of a newer schema, MOP_EIO if it cannot be read or written. */
mop_status mop_store_open(const char *path, mop_store **out, mop_err *err);

/* Ends writing: checkpoints the WAL away so that the file can be copied alone. NULL is fine. */
mop_status mop_store_close(mop_store *store, mop_err *err);

/* Planning. Everything between _begin_plan and _commit_plan is one transaction: the plan is
 * complete before the first sample or not there at all. Devices and models are found again by uuid
 * + fingerprint and by graph hash + variant + batch. */
mop_status mop_store_begin_plan(mop_store *store, const mop_sweep_record *sweep, int64_t *sweep_id,
                                mop_err *err);
mop_status mop_store_put_device(mop_store *store, const mop_device_record *device, int64_t *id,
                                mop_err *err);
mop_status mop_store_put_model(mop_store *store, const mop_model_record *model,
                               const mop_layer_record *layers, size_t n_layers, int64_t *id,
                               mop_err *err);
/* Inserts m (m->id receives the row). */
mop_status mop_store_put_measurement(mop_store *store, int64_t sweep_id, mop_measurement_record *m,
                                     mop_err *err);
mop_status mop_store_commit_plan(mop_store *store, mop_err *err);
void mop_store_abort_plan(mop_store *store);

/* After the plan: gives a measurement that was planned before its network could be prepared the
 * model with its layers. A measurement whose model has layers keeps it. */
mop_status mop_store_complete_model(mop_store *store, int64_t measurement_id,
                                    const mop_model_record *model, const mop_layer_record *layers,
                                    size_t n_layers, mop_err *err);

/* Writes the changed fields of m (state, stop, reason, check, set-up ...) by m->id, durable on
 * return. */
mop_status mop_store_update_measurement(mop_store *store, const mop_measurement_record *m,
                                        mop_err *err);

/* One finished pass with its samples, in one durable transaction, statistics of the touched
 * measurements refreshed. MOP_EINVAL, and nothing of the pass stored, if a sample belongs to a
 * measurement that failed or whose checksum and error are not stored yet
 * (mop_store_update_measurement), or if the pass is there already. */
mop_status mop_store_commit_pass(mop_store *store, int64_t sweep_id, const mop_pass_record *pass,
                                 mop_err *err);

/* One profiled run of a measurement and the plain run before it: n contiguous layer times, as many
 * as the model has layers, that sum to total_ns; MOP_EINVAL otherwise. Passes count upwards: one
 * that is stored already, as after a killed sweep that goes on, stays as it was, and the call is
 * MOP_OK. */
mop_status mop_store_put_layer_times(mop_store *store, int64_t measurement_id, uint32_t pass,
                                     const mop_layer_times *times, mop_err *err);

/* Controls, workers and calibrations of a sweep, by name or number; one that is there is replaced.
 * Durable on return. */
mop_status mop_store_put_control(mop_store *store, int64_t sweep_id,
                                 const mop_control_record *control, mop_err *err);
mop_status mop_store_put_worker(mop_store *store, int64_t sweep_id, const mop_worker_record *worker,
                                mop_err *err);
mop_status mop_store_put_calibration(mop_store *store, int64_t sweep_id, int64_t device_id,
                                     const mop_calibration_record *calibration, mop_err *err);

/* Marks the sweep complete ("done"), or "stopped" if rows are pending, with its A/A floor (NAN:
 * none). */
mop_status mop_store_finish_sweep(mop_store *store, int64_t sweep_id, double aa_floor,
                                  mop_err *err);

/* Resume: the newest sweep with this plan hash that still has pending rows. *sweep_id is 0 if there
 * is none. The arrays are the caller's to free. next_pass is one past the last committed pass,
 * next_worker one past the last worker process. */
typedef struct mop_resume {
    int64_t sweep_id;
    uint64_t seed;
    mop_measurement_record *measurements;
    size_t n_measurements;
    mop_sample_record *samples;
    size_t n_samples;
    uint32_t next_pass, next_worker;
} mop_resume;

mop_status mop_store_resume(mop_store *store, uint64_t plan_hash, mop_resume *out, mop_err *err);
void mop_resume_release(mop_resume *r); /* NULL is fine */

/* Recomputes every row of `stat` from the samples. Bit-identical to what was stored. */
mop_status mop_store_refresh_stats(mop_store *store, mop_err *err);

#endif
