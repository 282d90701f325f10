#include "tests/support/lab.h"

#include <string.h>

#include "profiler/base/hash.h"

static uint64_t lab_now(void *ctx)
{
    lab *w = ctx;
    w->now_ns += w->tick_ns;
    return w->now_ns;
}

static void lab_read(void *ctx, mop_counts *out)
{
    const lab *w = ctx;
    *out =
        w->has_counters ? w->counts : (mop_counts){MOP_ABSENT, MOP_ABSENT, MOP_ABSENT, MOP_ABSENT,
                                                   MOP_ABSENT, MOP_ABSENT, MOP_ABSENT};
}

static void lab_read_all(void *ctx, mop_counts *out)
{
    ((lab *)ctx)->n_process_readings++;
    lab_read(ctx, out);
}

static void lab_read_thread(void *ctx, mop_counts *out)
{
    ((lab *)ctx)->n_thread_readings++;
    lab_read(ctx, out);
}

/* The protocol looks for threads when a pass begins. */
static void lab_refresh(void *ctx)
{
    lab *w = ctx;
    w->n_refreshed++;
    w->mark = 0;
}

/* After the run that was logged last. */
static int64_t lab_chain(void *ctx)
{
    lab *w = ctx;
    int64_t took = LAB_CHAIN_NS;
    uint32_t i = w->log[w->n_log - 1];
    for (size_t e = 0; e < w->n_events; e++) {
        const lab_event *v = &w->events[e];
        if (v->kind == LAB_CHAIN && v->subject == i && v->pass == w->pass &&
            v->run + 1 == w->run[i])
            took += v->amount;
    }
    w->now_ns += (uint64_t)took;
    return took;
}

static void lab_canary(void *ctx, mop_canary_times *out)
{
    lab *w = ctx;
    *out = (mop_canary_times){LAB_CHAIN_NS, LAB_STREAM_NS};
    if (w->n_refreshed == 0) {
        w->n_first++;
    } else {
        for (size_t e = 0; e < w->n_events; e++) {
            const lab_event *v = &w->events[e];
            if (v->pass != w->pass || v->run != w->mark)
                continue;
            if (v->kind == LAB_CANARY_CPU)
                out->cpu_ns += v->amount;
            if (v->kind == LAB_CANARY_MEMORY)
                out->memory_ns += v->amount;
        }
        w->mark++;
    }
    w->now_ns += (uint64_t)(out->cpu_ns + out->memory_ns);
}

static void lab_machine(void *ctx, mop_machine_state *out)
{
    *out = ((const lab *)ctx)->state;
}

static void lab_glance(void *ctx, mop_machine_state *out)
{
    lab *w = ctx;
    w->n_glances++;
    *out = (mop_machine_state){
        w->state.steal_ticks, w->state.irq_ticks, MOP_ABSENT, w->state.throttled,
        MOP_ABSENT,           MOP_ABSENT,         MOP_ABSENT};
}

static void lab_visiting(void *ctx, uint32_t subject)
{
    ((lab *)ctx)->visiting[subject]++;
}

void lab_evict(void *body)
{
    const lab_body *b = body;
    lab *w = b->world;
    w->now_ns += LAB_EVICT_NS;
    if (w->n_log < LAB_LOG)
        w->log[w->n_log++] = (uint8_t)(LAB_EVICTED + b->index);
}

void lab_rest(void *body)
{
    const lab_body *b = body;
    lab *w = b->world;
    if (w->n_log < LAB_LOG)
        w->log[w->n_log++] = (uint8_t)(LAB_RESTED + b->index);
}

int64_t lab_device_ns(void *body)
{
    const lab_body *b = body;
    return b->world->device_ns[b->index];
}

static mop_status apply(lab *w, const lab_event *e, mop_err *err)
{
    switch (e->kind) {
    case LAB_SLOW:
        w->counts.cpu_ns += e->amount;
        w->now_ns += (uint64_t)e->amount;
        break;
    case LAB_OFF_CPU:
        w->now_ns += (uint64_t)e->amount;
        break;
    case LAB_PREEMPT:
        w->counts.invol_switches += e->amount;
        break;
    case LAB_DELAY:
        w->now_ns += (uint64_t)e->amount;
        w->counts.run_delay_ns += e->amount;
        break;
    case LAB_FAULT:
        w->counts.minor_faults += e->amount;
        break;
    case LAB_MIGRATE:
        w->counts.cpu = e->amount;
        break;
    case LAB_STEAL:
        w->state.steal_ticks += e->amount;
        break;
    case LAB_THROTTLE:
        w->state.throttled += e->amount;
        break;
    case LAB_CLOCK:
        w->now_ns += (uint64_t)e->amount;
        break;
    case LAB_CANARY_CPU:
    case LAB_CANARY_MEMORY:
    case LAB_CHAIN:
        break;
    case LAB_FAIL:
        return mop_fail(err, (mop_status)e->amount, "subject %u broke in pass %u", e->subject,
                        e->pass);
    case LAB_STOP:
        w->is_stopped = true;
        break;
    }
    return MOP_OK;
}

static mop_status lab_work(void *ctx, mop_err *err)
{
    lab_body *b = ctx;
    lab *w = b->world;
    uint32_t i = b->index, run = w->run[i]++;
    mop_status st = MOP_OK;
    uint64_t took = w->base_ns[i] + w->drift_ns[i] * w->pass;
    if (w->jitter_ns[i] > 0) {
        uint64_t h = mop_hash_u64(mop_hash_u64(mop_hash_u64(MOP_HASH_INIT, i), w->pass), run);
        took += (h >> 20) % w->jitter_ns[i];
    }
    took += took * w->common_drift * w->pass / 1000;
    w->now_ns += took;
    w->counts.cpu_ns += (int64_t)took;
    if (w->n_log < LAB_LOG)
        w->log[w->n_log++] = (uint8_t)i;
    for (size_t e = 0; e < w->n_events && st == MOP_OK; e++) {
        const lab_event *v = &w->events[e];
        if (v->subject == i && v->pass == w->pass && v->run == run)
            st = apply(w, v, err);
    }
    return st;
}

static mop_status lab_pass(void *ctx, const mop_pass_record *pass, mop_err *err)
{
    lab *w = ctx;
    if (pass->pass == w->fail_sink_at)
        return mop_fail(err, MOP_EIO, "the disk is full");
    if (w->n_passes == LAB_PASSES || w->n_samples + pass->n_samples > LAB_SAMPLES)
        return mop_fail(err, MOP_EFAIL, "the lab is too small");
    w->passes[w->n_passes] = *pass;
    w->passes[w->n_passes++].samples = w->samples + w->n_samples;
    if (pass->n_samples > 0)
        memcpy(w->samples + w->n_samples, pass->samples, pass->n_samples * sizeof *pass->samples);
    w->n_samples += pass->n_samples;
    w->passes[w->n_passes - 1].visits = w->visits + w->n_visits;
    if (pass->n_visits > 0)
        memcpy(w->visits + w->n_visits, pass->visits, pass->n_visits * sizeof *pass->visits);
    w->n_visits += pass->n_visits;
    w->pass = pass->pass + 1;
    memset(w->run, 0, sizeof w->run);
    return MOP_OK;
}

static void lab_progress(void *ctx, uint32_t passes, uint32_t satisfied, uint64_t eta_ns)
{
    lab *w = ctx;
    w->satisfied = satisfied;
    w->eta_ns = eta_ns;
    if (w->stop_after_passes > 0 && passes >= w->stop_after_passes)
        w->is_stopped = true;
}

static bool lab_interrupted(void *ctx)
{
    return ((const lab *)ctx)->is_stopped;
}

void lab_init(lab *w, uint32_t n, uint64_t base_ns)
{
    memset(w, 0, sizeof *w);
    w->n_subjects = n;
    w->has_counters = true;
    w->fail_sink_at = UINT32_MAX;
    w->clock = (mop_clock){.now_ns = lab_now, .ctx = w};
    w->counters = (mop_counters){
        .read = lab_read_thread, .read_all = lab_read_all, .refresh = lab_refresh, .ctx = w};
    w->canary = (mop_canary){.run = lab_canary, .ctx = w};
    w->machine = (mop_machine){.read = lab_machine, .glance = lab_glance, .ctx = w};
    w->sink = (mop_protocol_sink){
        .pass = lab_pass, .progress = lab_progress, .interrupted = lab_interrupted, .ctx = w};
    mop_protocol_default(&w->protocol);
    w->protocol.seed = 1;
    for (uint32_t i = 0; i < n; i++) {
        w->base_ns[i] = base_ns;
        w->bodies[i] = (lab_body){.world = w, .index = i};
        w->subjects[i] = (mop_subject){.run = lab_work,
                                       .ctx = &w->bodies[i],
                                       .measurement_id = 100 + i,
                                       .is_host_single = true,
                                       .baseline = MOP_NO_BASELINE};
    }
}

void lab_script(lab *w, lab_event event)
{
    if (w->n_events < LAB_EVENTS)
        w->events[w->n_events++] = event;
}

mop_status lab_run(lab *w, uint32_t first_pass, const mop_sample_record *history, size_t n_history,
                   mop_err *err)
{
    w->canary.chain = w->has_chain ? lab_chain : NULL;
    const mop_protocol_input input = {.protocol = &w->protocol,
                                      .clock = &w->clock,
                                      .counters = &w->counters,
                                      .subjects = w->subjects,
                                      .n_subjects = w->n_subjects,
                                      .first_pass = first_pass,
                                      .history = history,
                                      .n_history = n_history,
                                      .canary = w->has_canary ? &w->canary : NULL,
                                      .machine = w->has_machine ? &w->machine : NULL,
                                      .share = w->share,
                                      .shares = w->shares,
                                      .worker = 40 + w->share,
                                      .visiting = lab_visiting,
                                      .visiting_ctx = w};
    w->pass = first_pass;
    w->n_refreshed = 0;
    memset(w->run, 0, sizeof w->run);
    return mop_protocol_run(&input, &w->sink, w->results, err);
}
