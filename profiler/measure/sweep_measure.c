/* Passes over the rows that have a plan. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/hash.h"
#include "profiler/measure/controls.h"

/* The passes may take this share of what preparation left; the rest is for profiled runs. */
#define PASSES_SHARE 0.85
/* A loop of a millisecond is read more often than a network: 2 % more work is to be told from the
 * jitter of one reading, which is 1 to 2 %. */
enum { LOOP_RUNS = 9 };

/* The rows under measurement, and the protocol's view of them. */
typedef struct measuring {
    sweep *s;
    size_t n;
    size_t *row; /* [n] */
    mop_subject *subjects;
    mop_subject_result *results;
} measuring;

static mop_status run_cell(void *ctx, mop_err *err)
{
    sweep_cell *c = ctx;
    c->has_run = true;
    mop_sweep_mark(c->owner->part->page, MOP_WORK_RUN, c->row);
    if (c->loop != NULL) {
        *c->out = c->loop->run(c->loop->ctx, c->rounds);
        return MOP_OK;
    }
    mop_status st = c->device->backend->run(c->plan, c->network->input, c->out, NULL, err);
    if (st == MOP_ELOST)
        mop_sweep_lose(c->owner, err);
    return st;
}

static void rest_cell(void *ctx)
{
    const sweep_device *d = ((const sweep_cell *)ctx)->device;
    d->backend->rest(d->handle);
}

static void evict_cell(void *ctx)
{
    mop_cold_evict(((const sweep_cell *)ctx)->cold);
}

static int64_t device_time(void *ctx)
{
    const sweep_cell *c = ctx;
    uint64_t ns;
    return c->device->backend->device_time(c->plan, &ns) ? (int64_t)ns : MOP_ABSENT;
}

static bool is_ready(const sweep *s, size_t i)
{
    bool can_run = s->cells[i].plan != NULL || s->cells[i].loop != NULL;
    return can_run && s->rows[i].record.state == MOP_PENDING;
}

static void measuring_release(measuring *m)
{
    free(m->row);
    free(m->subjects);
    free(m->results);
}

/* The subject of a row; MOP_NO_BASELINE where it is not measured here. */
static uint32_t subject_of(const measuring *m, size_t row)
{
    for (size_t j = 0; j < m->n; j++)
        if (m->row[j] == row)
            return (uint32_t)j;
    return MOP_NO_BASELINE;
}

static mop_subject describe_subject(const measuring *m, size_t i)
{
    sweep_cell *c = &m->s->cells[i];
    const mop_device_info *info = &c->device->info;
    bool has_clock = c->loop == NULL && c->device->backend->device_time != NULL;
    return (mop_subject){.run = run_cell,
                         .ctx = c,
                         .measurement_id = m->s->rows[i].record.id,
                         .is_host_single = strcmp(info->type, "cpu") == 0 && info->threads == 1,
                         .baseline = subject_of(m, c->against),
                         .runs = strcmp(m->s->rows[i].record.alias, "fma") == 0 ? LOOP_RUNS : 0,
                         .is_control = m->s->rows[i].is_control,
                         .rest =
                             c->loop == NULL && c->device->backend->rest != NULL ? rest_cell : NULL,
                         .evict = c->cold != NULL ? evict_cell : NULL,
                         .device_ns = has_clock ? device_time : NULL};
}

static mop_status measuring_init(measuring *m, sweep *s, mop_err *err)
{
    *m = (measuring){.s = s};
    m->row = mop_calloc(s->n_rows, sizeof *m->row, err);
    m->subjects = mop_calloc(s->n_rows, sizeof *m->subjects, err);
    m->results = mop_calloc(s->n_rows, sizeof *m->results, err);
    if (m->row == NULL || m->subjects == NULL || m->results == NULL)
        return MOP_ENOMEM;
    for (size_t i = 0; i < s->n_rows; i++) {
        if (is_ready(s, i))
            m->row[m->n++] = i;
    }
    for (size_t j = 0; j < m->n; j++)
        m->subjects[j] = describe_subject(m, m->row[j]);
    return MOP_OK;
}

static void copy_standing(measuring *m)
{
    for (size_t j = 0; j < m->n; j++) {
        mop_sweep_row *r = &m->s->rows[m->row[j]];
        const mop_subject_result *x = &m->results[j];
        r->passes = x->passes;
        r->n = x->n;
        r->n_clean = x->n_clean;
        r->median_ns = x->median_ns;
        r->low_ns = x->low_ns;
        r->high_ns = x->high_ns;
        r->is_satisfied = x->is_satisfied;
        r->ratio = x->ratio;
        r->ratio_low = x->ratio_low;
        r->ratio_high = x->ratio_high;
    }
}

static mop_status store_pass(void *ctx, const mop_pass_record *pass, mop_err *err)
{
    const measuring *m = ctx;
    mop_pass_record mine = *pass;
    mine.worker = m->s->part->worker;
    mop_sweep_mark(m->s->part->page, MOP_WORK_OTHER, 0);
    mop_status st = mop_controls_watch(m->s, pass, err);
    return st == MOP_OK ? m->s->sink->commit_pass(m->s->sink->ctx, m->s->sweep_id, &mine, err) : st;
}

static void report_progress(void *ctx, uint32_t passes, uint32_t satisfied, uint64_t eta_ns)
{
    measuring *m = ctx;
    copy_standing(m);
    if (m->s->events->pass_done != NULL)
        m->s->events->pass_done(m->s->events->ctx, passes, satisfied, eta_ns, m->s->rows,
                                m->s->n_plain);
}

static bool ask_interrupted(void *ctx)
{
    return mop_sweep_interrupted(((const measuring *)ctx)->s);
}

static void fail_record(mop_measurement_record *r, const char *why)
{
    r->state = MOP_FAILED;
    r->stop = MOP_STOP_FAILED;
    (void)snprintf(r->reason, sizeof r->reason, "%s", why); /* same size as msg */
}

/* A row is done after the last share; the baseline and the loops, which every block measures, only
 * after the last block. */
static bool is_concluded(const sweep *s, size_t i)
{
    const sweep_network *n = s->cells[i].network;
    bool is_in_each = n == NULL || mop_sweep_is_baseline(s, (size_t)(n - s->networks));
    return mop_sweep_is_last_share(s) && !(s->outcome->has_more && is_in_each);
}

/* What became of each row. Its output must still be the one that was checked. */
static void conclude(measuring *m)
{
    for (size_t j = 0; j < m->n; j++) {
        const sweep_cell *c = &m->s->cells[m->row[j]];
        mop_measurement_record *r = &m->s->rows[m->row[j]].record;
        const mop_subject_result *x = &m->results[j];
        size_t bytes = mop_sweep_outputs(c) * sizeof *c->out;
        r->stop = x->stop;
        if (x->failure.code != MOP_OK)
            fail_record(r, x->failure.msg);
        else if (c->has_run && mop_hash(MOP_HASH_INIT, c->out, bytes) != r->checksum)
            fail_record(r, "its output changed while it was measured");
        else if (is_concluded(m->s, m->row[j]) && x->stop != MOP_STOP_INTERRUPT &&
                 x->stop != MOP_STOP_NONE)
            r->state = MOP_DONE;
        m->s->outcome->n_unsatisfied +=
            r->state == MOP_DONE && !x->is_satisfied && !m->s->rows[m->row[j]].is_control;
    }
}

/* What this process and those after it may spend on passes: what is left for this block, less what
 * the others need to set up. */
static uint64_t passes_budget(const sweep *s)
{
    uint64_t spent = mop_sweep_elapsed(s);
    uint64_t left = s->budget_ns > spent ? s->budget_ns - spent : 0;
    uint32_t processes = s->part->shares - s->part->share;
    uint64_t setup = s->outcome->setup_ns * (processes - 1);
    uint32_t in_block = s->outcome->block_end - s->part->from;
    uint32_t in_sweep = (uint32_t)s->n_networks - s->part->from;
    left = left > setup ? left - setup : 0;
    if (s->outcome->has_more)
        left = left * in_block / in_sweep;
    return 1 + (uint64_t)((double)left * PASSES_SHARE); /* 0 would mean no limit */
}

mop_status mop_sweep_measure(sweep *s, mop_err *err)
{
    measuring m;
    mop_protocol p = s->protocol;
    mop_status st = measuring_init(&m, s, err);
    p.budget_ns = passes_budget(s);
    if (st == MOP_OK && m.n > 0) {
        const mop_protocol_input input = {.protocol = &p,
                                          .clock = &s->world->clock,
                                          .counters = &s->world->counters,
                                          .canary = &s->world->canary,
                                          .machine = &s->world->machine,
                                          .subjects = m.subjects,
                                          .n_subjects = (uint32_t)m.n,
                                          .first_pass = s->first_pass,
                                          .origin_ns = s->began_ns,
                                          .history = s->history.samples,
                                          .n_history = s->history.n_samples,
                                          .share = s->part->share,
                                          .shares = s->part->shares,
                                          .worker = s->part->worker};
        const mop_protocol_sink sink = {.pass = store_pass,
                                        .progress = report_progress,
                                        .interrupted = ask_interrupted,
                                        .ctx = &m};
        st = mop_protocol_run(&input, &sink, m.results, err);
        copy_standing(&m);
        conclude(&m);
    }
    measuring_release(&m);
    return st;
}
