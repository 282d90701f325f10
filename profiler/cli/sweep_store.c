#include "profiler/cli/sweep_store.h"

#include <stddef.h>
#include <unistd.h>

mop_status mop_sweep_store_open(mop_sweep_store *s, mop_err *err)
{
    s->is_new = access(s->path, F_OK) != 0;
    return mop_store_open(s->path, &s->store, err);
}

mop_status mop_sweep_store_close(mop_sweep_store *s, mop_err *err)
{
    bool is_mine = s->store != NULL && s->is_new && !s->holds_sweep;
    mop_status status = mop_store_close(s->store, err);
    s->store = NULL;
    if (is_mine)
        (void)unlink(s->path); /* an empty database that stays is only untidy */
    return status;
}

static mop_status begin_plan(void *ctx, const mop_sweep_record *sweep, int64_t *id, mop_err *err)
{
    return mop_store_begin_plan(((mop_sweep_store *)ctx)->store, sweep, id, err);
}

static mop_status put_device(void *ctx, const mop_device_record *device, int64_t *id, mop_err *err)
{
    return mop_store_put_device(((mop_sweep_store *)ctx)->store, device, id, err);
}

static mop_status put_model(void *ctx, const mop_model_record *model,
                            const mop_layer_record *layers, size_t n_layers, int64_t *id,
                            mop_err *err)
{
    return mop_store_put_model(((mop_sweep_store *)ctx)->store, model, layers, n_layers, id, err);
}

static mop_status put_measurement(void *ctx, int64_t sweep_id, mop_measurement_record *m,
                                  mop_err *err)
{
    return mop_store_put_measurement(((mop_sweep_store *)ctx)->store, sweep_id, m, err);
}

static mop_status commit_plan(void *ctx, mop_err *err)
{
    mop_sweep_store *s = ctx;
    mop_status status = mop_store_commit_plan(s->store, err);
    s->holds_sweep = s->holds_sweep || status == MOP_OK;
    return status;
}

static void abort_plan(void *ctx)
{
    mop_store_abort_plan(((mop_sweep_store *)ctx)->store);
}

static mop_status complete_model(void *ctx, int64_t measurement_id, const mop_model_record *model,
                                 const mop_layer_record *layers, size_t n_layers, mop_err *err)
{
    return mop_store_complete_model(((mop_sweep_store *)ctx)->store, measurement_id, model, layers,
                                    n_layers, err);
}

static mop_status update_measurement(void *ctx, const mop_measurement_record *m, mop_err *err)
{
    return mop_store_update_measurement(((mop_sweep_store *)ctx)->store, m, err);
}

static mop_status commit_pass(void *ctx, int64_t sweep_id, const mop_pass_record *pass,
                              mop_err *err)
{
    return mop_store_commit_pass(((mop_sweep_store *)ctx)->store, sweep_id, pass, err);
}

static mop_status put_layer_times(void *ctx, int64_t measurement_id, uint32_t pass,
                                  const mop_layer_times *times, mop_err *err)
{
    return mop_store_put_layer_times(((mop_sweep_store *)ctx)->store, measurement_id, pass, times,
                                     err);
}

static mop_status put_control(void *ctx, int64_t sweep_id, const mop_control_record *control,
                              mop_err *err)
{
    return mop_store_put_control(((mop_sweep_store *)ctx)->store, sweep_id, control, err);
}

static mop_status put_worker(void *ctx, int64_t sweep_id, const mop_worker_record *worker,
                             mop_err *err)
{
    return mop_store_put_worker(((mop_sweep_store *)ctx)->store, sweep_id, worker, err);
}

static mop_status finish_sweep(void *ctx, int64_t sweep_id, double aa_floor, mop_err *err)
{
    return mop_store_finish_sweep(((mop_sweep_store *)ctx)->store, sweep_id, aa_floor, err);
}

/* The arrays change hands: the sweep frees them. */
static mop_status resume(void *ctx, uint64_t plan_hash, mop_sweep_history *out, mop_err *err)
{
    mop_sweep_store *s = ctx;
    mop_resume r = {0};
    mop_status status = mop_store_resume(s->store, plan_hash, &r, err);
    if (status != MOP_OK)
        return status;
    s->holds_sweep = s->holds_sweep || r.sweep_id != 0;
    *out = (mop_sweep_history){
        .sweep_id = r.sweep_id,
        .seed = r.seed,
        .measurements = r.measurements,
        .n_measurements = r.n_measurements,
        .samples = r.samples,
        .n_samples = r.n_samples,
        .next_pass = r.next_pass,
        .next_worker = r.next_worker,
    };
    return MOP_OK;
}

mop_record_sink mop_sweep_store_sink(mop_sweep_store *s)
{
    return (mop_record_sink){
        .begin_plan = begin_plan,
        .put_device = put_device,
        .put_model = put_model,
        .put_measurement = put_measurement,
        .commit_plan = commit_plan,
        .abort_plan = abort_plan,
        .complete_model = complete_model,
        .update_measurement = update_measurement,
        .commit_pass = commit_pass,
        .put_layer_times = put_layer_times,
        .put_control = put_control,
        .put_worker = put_worker,
        .finish_sweep = finish_sweep,
        .resume = resume,
        .ctx = s,
    };
}
