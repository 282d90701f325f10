/* The supervisor's end: frames of a worker carried out on the real store and the real view, with a
 * copy kept of what a later decision needs (see profiler/measure/remote.h). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/hash.h"
#include "profiler/measure/remote.h"

/* One call: what came, where the answer goes, and the sink's own status. */
typedef struct serving {
    mop_ledger *l;
    mop_bytes *in;
    mop_bytes answer; /* behind the status */
    mop_err said;     /* by the sink */
} serving;

void mop_ledger_init(mop_ledger *ledger, const mop_record_sink *sink,
                     const mop_sweep_events *events)
{
    *ledger = (mop_ledger){
        .sink = sink, .events = events, .first_pass = MOP_ABSENT, .last_pass = MOP_ABSENT};
}

static void free_texts(mop_row_texts *t)
{
    free(t->variant);
    free(t->family);
    free(t->form);
    free(t->backend);
    free(t->device);
}

void mop_ledger_release(mop_ledger *ledger)
{
    for (size_t i = 0; ledger->texts != NULL && i < ledger->n_rows; i++)
        free_texts(&ledger->texts[i]);
    free(ledger->texts);
    free(ledger->rows);
    free(ledger->is_shown);
    free(ledger->records);
    *ledger = (mop_ledger){0};
}

bool mop_ledger_has_pending(const mop_ledger *ledger)
{
    for (size_t i = 0; i < ledger->n_records; i++) {
        if (ledger->records[i].state == MOP_PENDING)
            return true;
    }
    return false;
}

void mop_ledger_note(mop_ledger *ledger, const char *sentence)
{
    uint64_t hash = mop_hash(MOP_HASH_INIT, sentence, strlen(sentence));
    for (size_t i = 0; i < ledger->n_notes; i++) {
        if (ledger->notes[i] == hash)
            return;
    }
    if (ledger->n_notes < sizeof ledger->notes / sizeof ledger->notes[0])
        ledger->notes[ledger->n_notes++] = hash;
    if (ledger->events->note != NULL)
        ledger->events->note(ledger->events->ctx, sentence);
}

static mop_status add_record(mop_ledger *l, const mop_measurement_record *m, mop_err *err)
{
    mop_measurement_record *p = mop_realloc(l->records, l->n_records + 1, sizeof *l->records, err);
    if (p == NULL)
        return MOP_ENOMEM;
    l->records = p;
    l->records[l->n_records++] = *m;
    return MOP_OK;
}

static void begin_plan(serving *v)
{
    mop_sweep_record sweep;
    mop_bytes_get(v->in, &sweep, sizeof sweep);
    if (v->in->failed)
        return;
    v->l->n_records = 0;
    if (v->l->sink->begin_plan(v->l->sink->ctx, &sweep, &v->l->begun_id, &v->said) == MOP_OK)
        v->l->is_planning = true;
    mop_bytes_put(&v->answer, &v->l->begun_id, sizeof v->l->begun_id);
}

static void put_device(serving *v)
{
    mop_device_record device;
    int64_t id = 0;
    mop_bytes_get(v->in, &device, sizeof device);
    if (v->in->failed)
        return;
    (void)v->l->sink->put_device(v->l->sink->ctx, &device, &id, &v->said); /* kept in said */
    mop_bytes_put(&v->answer, &id, sizeof id);
}

static void put_model(serving *v, bool is_completion)
{
    const mop_record_sink *sink = v->l->sink;
    mop_model_record model;
    int64_t id = 0;
    size_t n;
    if (is_completion)
        mop_bytes_get(v->in, &id, sizeof id);
    mop_bytes_get(v->in, &model, sizeof model);
    mop_layer_record *layers = mop_bytes_get_array(v->in, &n, sizeof *layers);
    if (!v->in->failed && is_completion)
        (void)sink->complete_model(sink->ctx, id, &model, layers, n, &v->said); /* kept in said */
    else if (!v->in->failed)
        (void)sink->put_model(sink->ctx, &model, layers, n, &id, &v->said); /* likewise */
    free(layers);
    mop_bytes_put(&v->answer, &id, sizeof id);
}

static void put_measurement(serving *v)
{
    const mop_record_sink *sink = v->l->sink;
    int64_t sweep_id;
    mop_measurement_record m;
    mop_bytes_get(v->in, &sweep_id, sizeof sweep_id);
    mop_bytes_get(v->in, &m, sizeof m);
    if (v->in->failed)
        return;
    if (sink->put_measurement(sink->ctx, sweep_id, &m, &v->said) == MOP_OK)
        (void)add_record(v->l, &m, &v->said); /* kept in said */
    mop_bytes_put(&v->answer, &m.id, sizeof m.id);
}

static void commit_plan(serving *v)
{
    if (v->l->sink->commit_plan(v->l->sink->ctx, &v->said) != MOP_OK)
        return;
    v->l->is_planning = false;
    v->l->sweep_id = v->l->begun_id;
}

static void abort_plan(serving *v)
{
    v->l->sink->abort_plan(v->l->sink->ctx);
    v->l->is_planning = false;
    v->l->n_records = 0;
}

static void update_measurement(serving *v)
{
    mop_measurement_record m;
    mop_bytes_get(v->in, &m, sizeof m);
    if (v->in->failed || v->l->sink->update_measurement(v->l->sink->ctx, &m, &v->said) != MOP_OK)
        return;
    for (size_t i = 0; i < v->l->n_records; i++) {
        if (v->l->records[i].id == m.id)
            v->l->records[i] = m;
    }
}

static void commit_pass(serving *v)
{
    mop_ledger *l = v->l;
    int64_t sweep_id;
    mop_pass_record pass;
    mop_bytes_get(v->in, &sweep_id, sizeof sweep_id);
    mop_bytes_get(v->in, &pass, sizeof pass);
    mop_sample_record *samples = mop_bytes_get_array(v->in, &pass.n_samples, sizeof *samples);
    mop_visit_record *visits = mop_bytes_get_array(v->in, &pass.n_visits, sizeof *visits);
    pass.samples = samples;
    pass.visits = visits;
    pass.worker = l->worker_base + l->worker;
    if (!v->in->failed && l->sink->commit_pass(l->sink->ctx, sweep_id, &pass, &v->said) == MOP_OK) {
        l->last_pass = pass.pass;
        if (l->first_pass == MOP_ABSENT)
            l->first_pass = pass.pass;
    }
    free(samples);
    free(visits);
}

static void put_layer_times(serving *v)
{
    const mop_record_sink *sink = v->l->sink;
    int64_t id;
    uint32_t pass;
    mop_layer_times times;
    mop_bytes_get(v->in, &id, sizeof id);
    mop_bytes_get(v->in, &pass, sizeof pass);
    mop_bytes_get(v->in, &times, sizeof times);
    int64_t *ns = mop_bytes_get_array(v->in, &times.n, sizeof *ns);
    times.layer_ns = ns;
    if (!v->in->failed)
        (void)sink->put_layer_times(sink->ctx, id, pass, &times, &v->said); /* kept in said */
    free(ns);
}

static void put_control(serving *v)
{
    int64_t sweep_id;
    mop_control_record control;
    mop_bytes_get(v->in, &sweep_id, sizeof sweep_id);
    mop_bytes_get(v->in, &control, sizeof control);
    if (!v->in->failed) /* a failure is kept in said */
        (void)v->l->sink->put_control(v->l->sink->ctx, sweep_id, &control, &v->said);
}

static void put_worker(serving *v)
{
    int64_t sweep_id;
    mop_worker_record worker;
    mop_bytes_get(v->in, &sweep_id, sizeof sweep_id);
    mop_bytes_get(v->in, &worker, sizeof worker);
    if (!v->in->failed) /* a failure is kept in said */
        (void)v->l->sink->put_worker(v->l->sink->ctx, sweep_id, &worker, &v->said);
}

static void finish_sweep(serving *v)
{
    int64_t sweep_id;
    double aa_floor;
    mop_bytes_get(v->in, &sweep_id, sizeof sweep_id);
    mop_bytes_get(v->in, &aa_floor, sizeof aa_floor);
    if (!v->in->failed &&
        v->l->sink->finish_sweep(v->l->sink->ctx, sweep_id, aa_floor, &v->said) == MOP_OK)
        v->l->is_finished = true;
}

/* The rows of the plan are those of the history from now on. */
static void resume(serving *v)
{
    mop_ledger *l = v->l;
    mop_sweep_history h = {0};
    uint64_t plan_hash;
    mop_bytes_get(v->in, &plan_hash, sizeof plan_hash);
    if (v->in->failed || l->sink->resume(l->sink->ctx, plan_hash, &h, &v->said) != MOP_OK)
        return;
    if (h.sweep_id != 0) {
        l->is_resumed = l->is_resumed || l->sweep_id == 0;
        if (l->sweep_id == 0)
            l->worker_base = h.next_worker;
        l->sweep_id = h.sweep_id;
        l->n_records = 0;
    }
    for (size_t i = 0; i < h.n_measurements && v->said.code == MOP_OK; i++)
        (void)add_record(l, &h.measurements[i], &v->said); /* kept in said */
    mop_bytes_put(&v->answer, &h, sizeof h);
    mop_bytes_put_array(&v->answer, h.measurements, h.n_measurements, sizeof *h.measurements);
    mop_bytes_put_array(&v->answer, h.samples, h.n_samples, sizeof *h.samples);
    free(h.measurements);
    free(h.samples);
}

/* --- events ------------------------------------------------------------------------------------
 */

/* A row as it came, with the texts that its plan had. */
static void keep_row(mop_ledger *l, size_t i, const mop_sweep_row *row)
{
    l->rows[i] = *row;
    l->rows[i].variant = l->texts[i].variant;
    l->rows[i].family = l->texts[i].family;
    l->rows[i].form = l->texts[i].form;
    l->rows[i].backend = l->texts[i].backend;
    l->rows[i].device = l->texts[i].device;
}

static mop_status make_rows(mop_ledger *l, size_t n, mop_err *err)
{
    l->rows = mop_calloc(n, sizeof *l->rows, err);
    l->texts = mop_calloc(n, sizeof *l->texts, err);
    l->is_shown = mop_calloc(n, sizeof *l->is_shown, err);
    if (l->rows == NULL || l->texts == NULL || l->is_shown == NULL)
        return MOP_ENOMEM;
    l->n_rows = n;
    return MOP_OK;
}

static void get_place(mop_bytes *in, uint64_t place[2], mop_sweep_row *row)
{
    mop_bytes_get(in, place, 2 * sizeof *place);
    mop_bytes_get(in, row, sizeof *row);
}

/* Every worker plans; the user hears it once. */
static mop_status planned(mop_ledger *l, mop_bytes *in, mop_err *err)
{
    uint64_t place[2];
    mop_sweep_row row;
    mop_status st = MOP_OK;
    get_place(in, place, &row);
    mop_row_texts t;
    t.variant = mop_bytes_get_text(in);
    t.family = mop_bytes_get_text(in);
    t.form = mop_bytes_get_text(in);
    t.backend = mop_bytes_get_text(in);
    t.device = mop_bytes_get_text(in);
    if (!in->failed && l->n_rows == 0 && place[1] > 0 && place[1] <= UINT32_MAX)
        st = make_rows(l, (size_t)place[1], err);
    if (st != MOP_OK || in->failed || place[0] != l->n_planned || place[0] >= l->n_rows) {
        free_texts(&t);
        return st;
    }
    l->texts[l->n_planned] = t;
    keep_row(l, l->n_planned, &row);
    if (l->events->planned != NULL)
        l->events->planned(l->events->ctx, &l->rows[l->n_planned], l->n_planned, l->n_rows);
    l->n_planned++;
    return MOP_OK;
}

/* A later worker prepares again, which is only worth a word if it fails. */
static void show_prepared(mop_ledger *l, size_t i)
{
    if (l->is_shown[i] && l->rows[i].record.state == MOP_PENDING)
        return;
    l->is_shown[i] = true;
    if (l->events->prepared != NULL)
        l->events->prepared(l->events->ctx, &l->rows[i], i, l->n_rows);
}

static void prepared(mop_ledger *l, mop_bytes *in)
{
    uint64_t place[2];
    mop_sweep_row row;
    get_place(in, place, &row);
    if (in->failed || place[0] >= l->n_planned)
        return;
    keep_row(l, (size_t)place[0], &row);
    show_prepared(l, (size_t)place[0]);
}

/* The rows of a pass or of the end; false if they are not all rows. */
static bool take_rows(mop_ledger *l, mop_bytes *in)
{
    size_t n;
    mop_sweep_row *rows = mop_bytes_get_array(in, &n, sizeof *rows);
    bool is_all = rows != NULL && n == l->n_planned;
    for (size_t i = 0; i < n && is_all; i++)
        keep_row(l, i, &rows[i]);
    free(rows);
    return is_all;
}

static void pass_done(mop_ledger *l, mop_bytes *in)
{
    uint64_t x[3];
    mop_bytes_get(in, x, sizeof x);
    if (take_rows(l, in) && l->events->pass_done != NULL)
        l->events->pass_done(l->events->ctx, (uint32_t)x[0], (uint32_t)x[1], x[2], l->rows,
                             l->n_rows);
}

static void finished(mop_ledger *l, mop_bytes *in)
{
    if (take_rows(l, in) && l->events->finished != NULL)
        l->events->finished(l->events->ctx, l->rows, l->n_rows);
}

static void note(mop_ledger *l, mop_bytes *in)
{
    char *sentence = mop_bytes_get_text(in);
    if (sentence != NULL)
        mop_ledger_note(l, sentence);
    free(sentence);
}

/* --- both --------------------------------------------------------------------------------------
 */

static bool serve_event(mop_ledger *l, mop_frame type, mop_bytes *in, mop_err *err)
{
    switch (type) {
    case MOP_FRAME_NOTE:
        note(l, in);
        return true;
    case MOP_FRAME_PLANNED:
        (void)planned(l, in, err); /* kept in err */
        return true;
    case MOP_FRAME_PREPARED:
        prepared(l, in);
        return true;
    case MOP_FRAME_PASS_DONE:
        pass_done(l, in);
        return true;
    case MOP_FRAME_FINISHED:
        finished(l, in);
        return true;
    default:
        return false;
    }
}

static bool serve_plan_call(serving *v, mop_frame type)
{
    switch (type) {
    case MOP_FRAME_BEGIN_PLAN:
        begin_plan(v);
        return true;
    case MOP_FRAME_PUT_DEVICE:
        put_device(v);
        return true;
    case MOP_FRAME_PUT_MODEL:
    case MOP_FRAME_COMPLETE_MODEL:
        put_model(v, type == MOP_FRAME_COMPLETE_MODEL);
        return true;
    case MOP_FRAME_PUT_MEASUREMENT:
        put_measurement(v);
        return true;
    case MOP_FRAME_COMMIT_PLAN:
        commit_plan(v);
        return true;
    case MOP_FRAME_ABORT_PLAN:
        abort_plan(v);
        return true;
    case MOP_FRAME_RESUME:
        resume(v);
        return true;
    default:
        return false;
    }
}

static bool serve_record_call(serving *v, mop_frame type)
{
    switch (type) {
    case MOP_FRAME_UPDATE_MEASUREMENT:
        update_measurement(v);
        return true;
    case MOP_FRAME_COMMIT_PASS:
        commit_pass(v);
        return true;
    case MOP_FRAME_PUT_LAYER_TIMES:
        put_layer_times(v);
        return true;
    case MOP_FRAME_PUT_CONTROL:
        put_control(v);
        return true;
    case MOP_FRAME_PUT_WORKER:
        put_worker(v);
        return true;
    case MOP_FRAME_FINISH_SWEEP:
        finish_sweep(v);
        return true;
    default:
        return false;
    }
}

mop_status mop_ledger_serve(mop_ledger *ledger, mop_frame type, mop_bytes *payload,
                            mop_bytes *reply, bool *has_reply, mop_err *err)
{
    serving v = {.l = ledger, .in = payload};
    mop_err event = {0};
    bool is_known;
    *has_reply = false;
    if (serve_event(ledger, type, payload, &event)) {
        is_known = true;
    } else {
        is_known = serve_plan_call(&v, type) || serve_record_call(&v, type);
        *has_reply = is_known;
        mop_bytes_clear(reply);
        mop_bytes_put(reply, &v.said, sizeof v.said);
        mop_bytes_put(reply, v.answer.data, v.answer.len);
        reply->failed = reply->failed || v.answer.failed;
        mop_bytes_release(&v.answer);
    }
    if (event.code != MOP_OK)
        return mop_fail(err, event.code, "%s", event.msg);
    if (!is_known || payload->failed || payload->at != payload->len)
        return mop_fail(err, MOP_EFAIL, "a message of kind %d makes no sense", (int)type);
    return MOP_OK;
}

static void mark_failed(mop_measurement_record *m, const char *reason)
{
    m->state = MOP_FAILED;
    m->stop = MOP_STOP_FAILED;
    (void)snprintf(m->reason, sizeof m->reason, "%s", reason); /* cut to the record's field */
}

mop_status mop_ledger_fail_row(mop_ledger *ledger, size_t row, const char *reason, mop_err *err)
{
    mop_status st = MOP_OK;
    if (row < ledger->n_records) {
        mop_measurement_record m = ledger->records[row];
        if (m.state != MOP_PENDING)
            return MOP_OK;
        mark_failed(&m, reason);
        st = ledger->sink->update_measurement(ledger->sink->ctx, &m, err);
        if (st == MOP_OK)
            ledger->records[row] = m;
    }
    if (st == MOP_OK && row < ledger->n_planned) {
        mark_failed(&ledger->rows[row].record, reason);
        show_prepared(ledger, row);
    }
    return st;
}
