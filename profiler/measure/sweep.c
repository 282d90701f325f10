/* A sweep from end to end (see the header).
 *
 * Order: open devices, build the rows, look for an unfinished sweep of the same plan, prepare and
 * check, store the plan, measure, profile, close. Preparation comes before the plan is stored,
 * because a model's layers carry the kernels that only a plan knows; a sweep that is stopped before
 * its first pass leaves nothing behind, since nothing of it could be used. */
#include "profiler/measure/sweep.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "profiler/measure/controls.h"

void mop_sweep_note(const sweep *s, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    if (s->events->note == NULL)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap); /* a remark may be cut */
    va_end(ap);
    s->events->note(s->events->ctx, text);
}

void mop_sweep_tell_remark(const sweep *s, const sweep_device *d)
{
    char text[512];
    if (d->backend->remark != NULL && d->backend->remark(d->handle, text, sizeof text))
        mop_sweep_note(s, "%s", text);
}

void mop_sweep_mark(mop_work_page *page, mop_work work, uint32_t row)
{
    if (page == NULL)
        return;
    atomic_store_explicit(&page->where, (uint64_t)work << 32 | row, memory_order_relaxed);
    atomic_store_explicit(&page->beat, atomic_load_explicit(&page->beat, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

void mop_sweep_lose(sweep *s, const mop_err *err)
{
    if (s->part->page != NULL && s->lost.code == MOP_OK)
        s->lost = *err;
}

bool mop_sweep_is_last_share(const sweep *s)
{
    return s->part->share + 1 == s->part->shares;
}

bool mop_sweep_interrupted(const sweep *s)
{
    if (s->lost.code != MOP_OK)
        return true;
    return s->events->interrupted != NULL && s->events->interrupted(s->events->ctx);
}

uint64_t mop_sweep_elapsed(const sweep *s)
{
    return mop_now_ns(&s->world->clock) - s->began_ns;
}

static void take_options(sweep *s)
{
    const mop_sweep_options *o = s->options;
    mop_protocol_default(&s->protocol);
    s->budget_ns = o->budget_ns > 0 ? o->budget_ns : MOP_SWEEP_BUDGET_NS;
    s->protocol.seed = o->seed;
    s->protocol.budget_ns = s->budget_ns;
    if (o->precision > 0)
        s->protocol.precision = o->precision;
    if (o->max_passes > 0)
        s->protocol.max_passes = o->max_passes;
    if (s->protocol.min_passes > s->protocol.max_passes)
        s->protocol.min_passes = s->protocol.max_passes;
    s->began_ns = s->part->origin_ns > 0 ? s->part->origin_ns : mop_now_ns(&s->world->clock);
    s->outcome->has_more = s->part->has_more;
}

static mop_status lay_out(sweep *s, mop_err *err)
{
    mop_status st = mop_sweep_open_devices(s, err);
    if (st == MOP_OK)
        st = mop_sweep_build_rows(s, err);
    if (st == MOP_OK)
        st = mop_sweep_name_plan(s, err);
    if (st != MOP_OK)
        return st;
    s->outcome->n_rows = s->n_plain;
    for (size_t i = 0; i < s->n_rows; i++) {
        s->cells[i].owner = s;
        s->cells[i].row = (uint32_t)i;
    }
    mop_sweep_estimate(s);
    for (size_t i = 0; i < s->n_plain && s->events->planned != NULL; i++)
        s->events->planned(s->events->ctx, &s->rows[i], i, s->n_plain);
    return MOP_OK;
}

/* Rows as they stand now, also after an interrupt. */
static mop_status close_sweep(sweep *s, mop_err *err)
{
    mop_status st = mop_sweep_judge_controls(s, err);
    if (st == MOP_OK)
        st = mop_sweep_grade(s, err);
    if (st == MOP_OK)
        st = mop_sweep_update_rows(s, err);
    if (st == MOP_OK)
        st = s->sink->finish_sweep(s->sink->ctx, s->sweep_id, s->aa_floor, err);
    if (st == MOP_OK && s->events->finished != NULL)
        s->events->finished(s->events->ctx, s->rows, s->n_plain);
    return st;
}

static void bury_dead_rows(sweep *s)
{
    for (size_t i = 0; i < s->part->n_dead; i++) {
        const mop_dead_row *d = &s->part->dead[i];
        if (d->row >= s->n_rows || s->rows[d->row].record.state != MOP_PENDING)
            continue;
        mop_measurement_record *r = &s->rows[d->row].record;
        r->state = MOP_FAILED;
        r->stop = MOP_STOP_FAILED;
        (void)snprintf(r->reason, sizeof r->reason, "%s", d->reason); /* same size */
    }
}

/* The plan with checked rows, in the store. */
static mop_status settle_plan(sweep *s, mop_err *err)
{
    bool resumes = s->options->resume || s->part->goes_on;
    mop_status st = resumes ? mop_sweep_load_plan(s, err) : MOP_OK;
    if (st == MOP_OK && s->part->goes_on && !s->outcome->is_resumed)
        st = mop_fail(err, MOP_EFAIL, "the sweep that an earlier process began is not there");
    if (st != MOP_OK)
        return st;
    bury_dead_rows(s);
    st = mop_sweep_prepare(s, err);
    if (st == MOP_OK)
        mop_controls_prepare(s, err);
    if (st == MOP_OK && s->outcome->is_resumed)
        st = mop_sweep_complete_models(s, err);
    if (st == MOP_OK)
        st = s->outcome->is_resumed ? mop_sweep_update_rows(s, err) : mop_sweep_store_plan(s, err);
    if (st == MOP_OK)
        s->outcome->sweep_id = s->sweep_id;
    return st;
}

/* After the measuring: what the store gets, and what this process ends with. */
static mop_status wind_up(sweep *s, mop_status st, mop_err *err)
{
    mop_err closing = {0};
    bool is_end = mop_sweep_is_last_share(s) && !s->outcome->has_more;
    mop_status closed = s->lost.code == MOP_OK && (is_end || st == MOP_EINTR)
                            ? close_sweep(s, &closing)
                            : mop_sweep_update_rows(s, &closing);
    if (closed != MOP_OK)
        return mop_fail(err, closed, "%s", closing.msg);
    if (s->lost.code == MOP_OK)
        return st;
    *err = s->lost;
    return s->lost.code;
}

static mop_status carry_out(sweep *s, mop_err *err)
{
    mop_status st = settle_plan(s, err);
    if (st != MOP_OK)
        return st;
    st = mop_sweep_measure(s, err);
    if (st == MOP_OK && mop_sweep_is_last_share(s))
        st = mop_sweep_profile(s, err);
    return st == MOP_OK || st == MOP_EINTR ? wind_up(s, st, err) : st;
}

static void count_rows(sweep *s)
{
    for (size_t i = 0; i < s->n_plain && s->rows != NULL; i++) {
        s->outcome->n_done += s->rows[i].record.state == MOP_DONE;
        s->outcome->n_failed += s->rows[i].record.state == MOP_FAILED;
        s->outcome->n_skipped += s->rows[i].record.state == MOP_SKIPPED;
        s->outcome->n_pending += s->rows[i].record.state == MOP_PENDING;
    }
    s->outcome->elapsed_ns = mop_sweep_elapsed(s);
}

mop_status mop_sweep_run_part(const mop_sweep_options *options, const mop_sweep_world *world,
                              const mop_record_sink *sink, const mop_sweep_events *events,
                              const mop_sweep_part *part, mop_sweep_outcome *outcome, mop_err *err)
{
    sweep s = {.options = options,
               .world = world,
               .sink = sink,
               .events = events,
               .part = part,
               .outcome = outcome};
    *outcome = (mop_sweep_outcome){.aa_floor = (double)NAN};
    take_options(&s);
    mop_status st = lay_out(&s, err);
    if (st == MOP_OK && !options->dry_run)
        st = carry_out(&s, err);
    count_rows(&s);
    mop_sweep_release(&s);
    return st;
}

mop_status mop_sweep_run(const mop_sweep_options *options, const mop_sweep_world *world,
                         const mop_record_sink *sink, const mop_sweep_events *events,
                         mop_sweep_outcome *outcome, mop_err *err)
{
    const mop_sweep_part whole = {.shares = 1};
    return mop_sweep_run_part(options, world, sink, events, &whole, outcome, err);
}
