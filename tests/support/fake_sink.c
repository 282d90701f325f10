#include "tests/support/fake_sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mop_status begin_plan(void *ctx, const mop_sweep_record *sweep, int64_t *id, mop_err *err)
{
    fake_sink *f = ctx;
    (void)err;
    f->sweep = *sweep;
    f->is_planning = true;
    f->n_plans++;
    *id = 77;
    return MOP_OK;
}

static mop_status put_device(void *ctx, const mop_device_record *device, int64_t *id, mop_err *err)
{
    fake_sink *f = ctx;
    if (!f->is_planning || f->n_devices == 8)
        return mop_fail(err, MOP_EFAIL, "a device outside a plan");
    f->devices[f->n_devices++] = *device;
    *id = (int64_t)f->n_devices;
    return MOP_OK;
}

static mop_status put_model(void *ctx, const mop_model_record *model,
                            const mop_layer_record *layers, size_t n_layers, int64_t *id,
                            mop_err *err)
{
    fake_sink *f = ctx;
    if (!f->is_planning || f->n_models == FAKE_ROWS || f->fail_model)
        return mop_fail(err, MOP_EIO, "no room for a model");
    f->models[f->n_models] = *model;
    f->n_layers[f->n_models] = n_layers;
    if (n_layers > 0)
        memcpy(f->kernel_of_last_layer[f->n_models], layers[n_layers - 1].kernel, 48);
    *id = (int64_t)++f->n_models;
    return MOP_OK;
}

static mop_status put_measurement(void *ctx, int64_t sweep_id, mop_measurement_record *m,
                                  mop_err *err)
{
    fake_sink *f = ctx;
    if (!f->is_planning || f->n_rows == FAKE_ROWS || sweep_id != 77)
        return mop_fail(err, MOP_EFAIL, "a row outside a plan");
    m->id = 500 + (int64_t)f->n_rows;
    f->rows[f->n_rows++] = *m;
    return MOP_OK;
}

static mop_status commit_plan(void *ctx, mop_err *err)
{
    fake_sink *f = ctx;
    (void)err;
    f->is_planning = false;
    f->is_planned = true;
    return MOP_OK;
}

/* As the real store: only a row without layers gets them. */
static mop_status complete_model(void *ctx, int64_t id, const mop_model_record *model,
                                 const mop_layer_record *layers, size_t n_layers, mop_err *err)
{
    fake_sink *f = ctx;
    size_t i = (size_t)(id - 500);
    (void)layers;
    if (id < 500 || i >= f->n_rows || f->is_planning ||
        strcmp(f->models[i].variant, model->variant) != 0)
        return mop_fail(err, MOP_EFAIL, "an unknown row gets a model");
    if (f->n_layers[i] == 0)
        f->n_layers[i] = n_layers;
    return MOP_OK;
}

static void abort_plan(void *ctx)
{
    fake_sink *f = ctx;
    f->is_planning = false;
    f->n_devices = f->n_models = f->n_rows = 0;
    f->n_aborted++;
}

static mop_measurement_record *find_row(fake_sink *f, int64_t id)
{
    return id >= 500 && id < 500 + (int64_t)f->n_rows ? &f->rows[id - 500] : NULL;
}

static mop_status update_measurement(void *ctx, const mop_measurement_record *m, mop_err *err)
{
    mop_measurement_record *r = find_row(ctx, m->id);
    if (r == NULL)
        return mop_fail(err, MOP_EFAIL, "an unknown row is updated");
    *r = *m;
    return MOP_OK;
}

static mop_status commit_pass(void *ctx, int64_t sweep_id, const mop_pass_record *pass,
                              mop_err *err)
{
    fake_sink *f = ctx;
    if (!f->is_planned || sweep_id != 77 || f->n_samples + pass->n_samples > FAKE_SAMPLES)
        return mop_fail(err, MOP_EFAIL, "a pass outside a sweep");
    if (f->n_passes + 1 == f->fail_pass)
        return mop_fail(err, MOP_EIO, "the disk is full");
    for (size_t i = 0; i < pass->n_samples; i++) {
        const mop_measurement_record *r = find_row(f, pass->samples[i].measurement_id);
        if (r == NULL || r->state != MOP_PENDING || r->checksum == 0 ||
            !(r->error <= r->error_bound))
            return mop_fail(err, MOP_EFAIL, "a sample of an unchecked row");
        f->samples[f->n_samples++] = pass->samples[i];
    }
    f->n_passes++;
    return MOP_OK;
}

static mop_status put_layer_times(void *ctx, int64_t id, uint32_t pass,
                                  const mop_layer_times *times, mop_err *err)
{
    fake_sink *f = ctx;
    int64_t sum = 0;
    (void)pass;
    for (size_t i = 0; i < times->n; i++)
        sum += times->layer_ns[i];
    if (find_row(f, id) == NULL || sum != times->total_ns)
        return mop_fail(err, MOP_EFAIL, "layers do not sum to their total");
    f->n_layer_runs++;
    f->layer_runs_of[id - 500]++;
    return MOP_OK;
}

static mop_status put_control(void *ctx, int64_t sweep_id, const mop_control_record *control,
                              mop_err *err)
{
    fake_sink *f = ctx;
    if (sweep_id != 77 || f->n_controls == FAKE_CONTROLS)
        return mop_fail(err, MOP_EFAIL, "a control outside a sweep");
    f->controls[f->n_controls++] = *control;
    return MOP_OK;
}

static mop_status put_worker(void *ctx, int64_t sweep_id, const mop_worker_record *worker,
                             mop_err *err)
{
    fake_sink *f = ctx;
    if (sweep_id != 77 || f->n_workers == FAKE_CONTROLS)
        return mop_fail(err, MOP_EFAIL, "a worker outside a sweep");
    f->workers[f->n_workers++] = *worker;
    return MOP_OK;
}

static mop_status finish_sweep(void *ctx, int64_t sweep_id, double aa_floor, mop_err *err)
{
    fake_sink *f = ctx;
    (void)err;
    f->n_finished += sweep_id == 77;
    f->aa_floor = aa_floor;
    return MOP_OK;
}

static mop_status resume(void *ctx, uint64_t plan_hash, mop_sweep_history *out, mop_err *err)
{
    const fake_sink *f = ctx;
    size_t pending = 0;
    *out = (mop_sweep_history){0};
    for (size_t i = 0; i < f->n_rows; i++)
        pending += f->rows[i].state == MOP_PENDING;
    if (plan_hash != f->sweep.plan_hash || pending == 0)
        return MOP_OK;
    out->measurements = calloc(f->n_rows, sizeof *out->measurements);
    out->samples = calloc(f->n_samples + 1, sizeof *out->samples);
    if (out->measurements == NULL || out->samples == NULL)
        return mop_fail(err, MOP_ENOMEM, "no memory"); /* the test fails then */
    memcpy(out->measurements, f->rows, f->n_rows * sizeof *f->rows);
    memcpy(out->samples, f->samples, f->n_samples * sizeof *f->samples);
    out->sweep_id = 77;
    out->seed = f->sweep.seed;
    out->n_measurements = f->n_rows;
    out->n_samples = f->n_samples;
    out->next_pass = f->n_passes;
    return MOP_OK;
}

void fake_sink_init(fake_sink *f)
{
    memset(f, 0, sizeof *f);
    f->sink = (mop_record_sink){.begin_plan = begin_plan,
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
                                .ctx = f};
}
