/* The worker's end: each function of the sink is a frame and its reply (see the header). */
#include "profiler/measure/remote.h"

#include <stdlib.h>

/* Sends what is in r->out and leaves the reply, behind its status, in r->in. */
static mop_status call(mop_remote *r, mop_frame type, mop_err *err)
{
    mop_err told = {0};
    mop_frame answer = MOP_FRAME_REPLY;
    mop_status st = r->broken.code;
    if (st == MOP_OK)
        st = mop_wire_send(r->fd, type, &r->out, &r->broken);
    if (st == MOP_OK)
        st = mop_wire_receive(r->fd, &answer, &r->in, &r->broken);
    if (st == MOP_OK && answer != MOP_FRAME_REPLY)
        st = mop_fail(&r->broken, MOP_EFAIL, "a call was answered by something else");
    if (st != MOP_OK)
        return mop_fail(err, st, "%s", r->broken.msg);
    mop_bytes_get(&r->in, &told, sizeof told);
    return told.code == MOP_OK ? MOP_OK : mop_fail(err, told.code, "%s", told.msg);
}

static mop_remote *fresh(void *ctx)
{
    mop_remote *r = ctx;
    mop_bytes_clear(&r->out);
    return r;
}

/* What a reply holds beside its status must be there. */
static mop_status take(mop_remote *r, void *dst, size_t n, mop_err *err)
{
    mop_bytes_get(&r->in, dst, n);
    return r->in.failed ? mop_fail(err, MOP_EFAIL, "an answer is too short") : MOP_OK;
}

static mop_status call_for_id(mop_remote *r, mop_frame type, int64_t *id, mop_err *err)
{
    mop_status st = call(r, type, err);
    return st == MOP_OK ? take(r, id, sizeof *id, err) : st;
}

static mop_status begin_plan(void *ctx, const mop_sweep_record *sweep, int64_t *id, mop_err *err)
{
    mop_remote *r = fresh(ctx);
    mop_bytes_put(&r->out, sweep, sizeof *sweep);
    return call_for_id(r, MOP_FRAME_BEGIN_PLAN, id, err);
}

static mop_status put_device(void *ctx, const mop_device_record *device, int64_t *id, mop_err *err)
{
    mop_remote *r = fresh(ctx);
    mop_bytes_put(&r->out, device, sizeof *device);
    return call_for_id(r, MOP_FRAME_PUT_DEVICE, id, err);
}

static mop_status put_model(void *ctx, const mop_model_record *model,
                            const mop_layer_record *layers, size_t n_layers, int64_t *id,
                            mop_err *err)
{
    mop_remote *r = fresh(ctx);
    mop_bytes_put(&r->out, model, sizeof *model);
    mop_bytes_put_array(&r->out, layers, n_layers, sizeof *layers);
    return call_for_id(r, MOP_FRAME_PUT_MODEL, id, err);
}

static mop_status put_measurement(void *ctx, int64_t sweep_id, mop_measurement_record *m,
                                  mop_err *err)
{
    mop_remote *r = fresh(ctx);
    mop_bytes_put(&r->out, &sweep_id, sizeof sweep_id);
    mop_bytes_put(&r->out, m, sizeof *m);
    return call_for_id(r, MOP_FRAME_PUT_MEASUREMENT, &m->id, err);
}

static mop_status commit_plan(void *ctx, mop_err *err)
{
    return call(fresh(ctx), MOP_FRAME_COMMIT_PLAN, err);
}

static void abort_plan(void *ctx)
{
    (void)call(fresh(ctx), MOP_FRAME_ABORT_PLAN, NULL); /* the supervisor aborts at our end too */
}

static mop_status complete_model(void *ctx, int64_t measurement_id, const mop_model_record *model,
                                 const mop_layer_record *layers, size_t n_layers, mop_err *err)
{
    mop_remote *r = fresh(ctx);
    mop_bytes_put(&r->out, &measurement_id, sizeof measurement_id);
    mop_bytes_put(&r->out, model, sizeof *model);
    mop_bytes_put_array(&r->out, layers, n_layers, sizeof *layers);
    return call(r, MOP_FRAME_COMPLETE_MODEL, err);
}

static mop_status update_measurement(void *ctx, const mop_measurement_record *m, mop_err *err)
{
    mop_remote *r = fresh(ctx);
    mop_bytes_put(&r->out, m, sizeof *m);
    return call(r, MOP_FRAME_UPDATE_MEASUREMENT, err);
}

static mop_status commit_pass(void *ctx, int64_t sweep_id, const mop_pass_record *pass,
                              mop_err *err)
{
    mop_remote *r = fresh(ctx);
    mop_bytes_put(&r->out, &sweep_id, sizeof sweep_id);
    mop_bytes_put(&r->out, pass, sizeof *pass);
    mop_bytes_put_array(&r->out, pass->samples, pass->n_samples, sizeof *pass->samples);
    mop_bytes_put_array(&r->out, pass->visits, pass->n_visits, sizeof *pass->visits);
    return call(r, MOP_FRAME_COMMIT_PASS, err);
}

static mop_status put_layer_times(void *ctx, int64_t measurement_id, uint32_t pass,
                                  const mop_layer_times *times, mop_err *err)
{
    mop_remote *r = fresh(ctx);
    mop_bytes_put(&r->out, &measurement_id, sizeof measurement_id);
    mop_bytes_put(&r->out, &pass, sizeof pass);
    mop_bytes_put(&r->out, times, sizeof *times);
    mop_bytes_put_array(&r->out, times->layer_ns, times->n, sizeof *times->layer_ns);
    return call(r, MOP_FRAME_PUT_LAYER_TIMES, err);
}

static mop_status put_control(void *ctx, int64_t sweep_id, const mop_control_record *control,
                              mop_err *err)
{
    mop_remote *r = fresh(ctx);
    mop_bytes_put(&r->out, &sweep_id, sizeof sweep_id);
    mop_bytes_put(&r->out, control, sizeof *control);
    return call(r, MOP_FRAME_PUT_CONTROL, err);
}

static mop_status put_worker(void *ctx, int64_t sweep_id, const mop_worker_record *worker,
                             mop_err *err)
{
    mop_remote *r = fresh(ctx);
    mop_bytes_put(&r->out, &sweep_id, sizeof sweep_id);
    mop_bytes_put(&r->out, worker, sizeof *worker);
    return call(r, MOP_FRAME_PUT_WORKER, err);
}

static mop_status finish_sweep(void *ctx, int64_t sweep_id, double aa_floor, mop_err *err)
{
    mop_remote *r = fresh(ctx);
    mop_bytes_put(&r->out, &sweep_id, sizeof sweep_id);
    mop_bytes_put(&r->out, &aa_floor, sizeof aa_floor);
    return call(r, MOP_FRAME_FINISH_SWEEP, err);
}

static mop_status resume(void *ctx, uint64_t plan_hash, mop_sweep_history *out, mop_err *err)
{
    mop_remote *r = fresh(ctx);
    mop_sweep_history h;
    mop_bytes_put(&r->out, &plan_hash, sizeof plan_hash);
    mop_status st = call(r, MOP_FRAME_RESUME, err);
    if (st == MOP_OK)
        st = take(r, &h, sizeof h, err);
    if (st != MOP_OK)
        return st;
    h.measurements = mop_bytes_get_array(&r->in, &h.n_measurements, sizeof *h.measurements);
    h.samples = mop_bytes_get_array(&r->in, &h.n_samples, sizeof *h.samples);
    if (r->in.failed) {
        free(h.measurements);
        free(h.samples);
        return mop_fail(err, MOP_EFAIL, "the history of a sweep came incomplete");
    }
    *out = h;
    return MOP_OK;
}

mop_record_sink mop_remote_sink(mop_remote *remote)
{
    return (mop_record_sink){.begin_plan = begin_plan,
                             .put_device = put_device,
                             .put_model = put_model,
                             .put_measurement = put_measurement,
                             .commit_plan = commit_plan,
                             .complete_model = complete_model,
                             .abort_plan = abort_plan,
                             .update_measurement = update_measurement,
                             .commit_pass = commit_pass,
                             .put_layer_times = put_layer_times,
                             .put_control = put_control,
                             .put_worker = put_worker,
                             .finish_sweep = finish_sweep,
                             .resume = resume,
                             .ctx = remote};
}

/* A failure to send shows at the next call. */
static void tell(mop_remote *r, mop_frame type)
{
    if (r->broken.code == MOP_OK)
        (void)mop_wire_send(r->fd, type, &r->out, &r->broken); /* kept in broken */
}

static void note(void *ctx, const char *sentence)
{
    mop_remote *r = fresh(ctx);
    mop_bytes_put_text(&r->out, sentence);
    tell(r, MOP_FRAME_NOTE);
}

static void put_place(mop_remote *r, const mop_sweep_row *row, size_t index, size_t n_rows)
{
    const uint64_t place[] = {index, n_rows};
    mop_bytes_put(&r->out, place, sizeof place);
    mop_bytes_put(&r->out, row, sizeof *row);
}

static void planned(void *ctx, const mop_sweep_row *row, size_t index, size_t n_rows)
{
    mop_remote *r = fresh(ctx);
    put_place(r, row, index, n_rows);
    mop_bytes_put_text(&r->out, row->variant);
    mop_bytes_put_text(&r->out, row->family);
    mop_bytes_put_text(&r->out, row->form);
    mop_bytes_put_text(&r->out, row->backend);
    mop_bytes_put_text(&r->out, row->device);
    tell(r, MOP_FRAME_PLANNED);
}

static void prepared(void *ctx, const mop_sweep_row *row, size_t index, size_t n_rows)
{
    mop_remote *r = fresh(ctx);
    put_place(r, row, index, n_rows);
    tell(r, MOP_FRAME_PREPARED);
}

static void pass_done(void *ctx, uint32_t passes, uint32_t satisfied, uint64_t eta_ns,
                      const mop_sweep_row *rows, size_t n_rows)
{
    mop_remote *r = fresh(ctx);
    const uint64_t standing[] = {passes, satisfied, eta_ns};
    mop_bytes_put(&r->out, standing, sizeof standing);
    mop_bytes_put_array(&r->out, rows, n_rows, sizeof *rows);
    tell(r, MOP_FRAME_PASS_DONE);
}

static void finished(void *ctx, const mop_sweep_row *rows, size_t n_rows)
{
    mop_remote *r = fresh(ctx);
    mop_bytes_put_array(&r->out, rows, n_rows, sizeof *rows);
    tell(r, MOP_FRAME_FINISHED);
}

static bool interrupted(void *ctx)
{
    const mop_remote *r = ctx;
    return r->broken.code != MOP_OK ||
           atomic_load_explicit(&r->page->is_stopped, memory_order_relaxed) != 0;
}

mop_sweep_events mop_remote_events(mop_remote *remote)
{
    return (mop_sweep_events){.note = note,
                              .planned = planned,
                              .prepared = prepared,
                              .pass_done = pass_done,
                              .finished = finished,
                              .interrupted = interrupted,
                              .ctx = remote};
}

void mop_remote_release(mop_remote *remote)
{
    mop_bytes_release(&remote->out);
    mop_bytes_release(&remote->in);
}
