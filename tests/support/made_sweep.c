#include "tests/support/made_sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "profiler/base/hash.h"
#include "tests/support/db_fixture.h"

enum { RUNS = 3, FMA = MADE_VARIANTS, MAX_ROWS = MADE_VARIANTS + 1 };

const char *const made_variants[MADE_VARIANTS] = {"cnn30", "mobilenetv2-1.0", "mobileone-s0"};

struct maker {
    const made_sweep *what;
    mop_store *store;
    mop_rng rng;
    int64_t sweep, device, host;
    mop_measurement_record row[MAX_ROWS];
    double ns[MAX_ROWS];
    size_t n;
    int dirty; /* row; -1: none */
};

static double or_else(double value, double other)
{
    return value != 0 ? value : other;
}

static bool is_name(const char *a, const char *b)
{
    return a != NULL && strcmp(a, b) == 0;
}

static void begin(struct maker *m)
{
    const made_sweep *w = m->what;
    mop_sweep_record s = dbfix_sweep(0);
    mop_device_record d = dbfix_device("cpu");
    mop_err err = {0};
    if (w->started_utc != NULL)
        (void)snprintf(s.started_utc, sizeof s.started_utc, "%s", w->started_utc);
    if (w->plan_text != NULL)
        (void)snprintf(s.plan_text, sizeof s.plan_text, "%s", w->plan_text);
    s.plan_hash = mop_hash(MOP_HASH_INIT, s.plan_text, strlen(s.plan_text));
    s.shards = w->shards > 0 ? w->shards : 1;
    if (w->device != NULL)
        (void)snprintf(d.name, sizeof d.name, "%s", w->device);
    if (w->isa != NULL)
        (void)snprintf(d.isa, sizeof d.isa, "%s", w->isa);
    if (w->fingerprint != NULL)
        (void)snprintf(d.fingerprint, sizeof d.fingerprint, "%s", w->fingerprint);
    DBFIX_OK(mop_store_begin_plan(m->store, &s, &m->sweep, &err));
    DBFIX_OK(mop_store_put_device(m->store, &d, &m->device, &err));
    (void)snprintf(d.backend, sizeof d.backend, "host");
    DBFIX_OK(mop_store_put_device(m->store, &d, &m->host, &err));
}

static void plan_row(struct maker *m, const char *variant, const char *alias, double ns)
{
    mop_model_record model = dbfix_model(variant, 1000000);
    mop_err err = {0};
    int64_t id;
    DBFIX_OK(mop_store_put_model(m->store, &model, NULL, 0, &id, &err));
    mop_measurement_record *x = &m->row[m->n];
    *x = dbfix_measurement(id, *alias != '\0' ? m->host : m->device);
    (void)snprintf(x->alias, sizeof x->alias, "%s", alias);
    (void)snprintf(x->grade, sizeof x->grade, "A");
    if (is_name(m->what->fails, variant)) {
        x->state = MOP_FAILED;
        x->stop = MOP_STOP_FAILED;
        (void)snprintf(x->reason, sizeof x->reason, "node 3 is NaN");
    }
    DBFIX_OK(mop_store_put_measurement(m->store, m->sweep, x, &err));
    m->ns[m->n++] = ns * or_else(m->what->drift, 1);
}

static void plan(struct maker *m)
{
    const made_sweep *w = m->what;
    mop_err err = {0};
    begin(m);
    for (int v = 0; v < MADE_VARIANTS; v++) {
        if (is_name(w->lacks, made_variants[v]))
            continue;
        plan_row(m, made_variants[v], "", 1e6 * (v + 1) * or_else(w->scale[v], 1));
        if (is_name(w->dirty, made_variants[v]))
            m->dirty = (int)m->n - 1;
        if (w->grade[v] != NULL)
            (void)snprintf(m->row[m->n - 1].grade, sizeof m->row[0].grade, "%s", w->grade[v]);
    }
    if (!w->has_no_fma)
        plan_row(m, "fma x1", "fma", 1e6);
    DBFIX_OK(mop_store_commit_plan(m->store, &err));
}

static void measure(struct maker *m)
{
    double noise = or_else(m->what->noise, 0.001);
    uint32_t passes = m->what->passes > 0 ? m->what->passes : 20;
    mop_err err = {0};
    for (uint32_t p = 0; p < passes; p++) {
        mop_sample_record samples[MAX_ROWS * RUNS];
        size_t n = 0;
        for (size_t i = 0; i < m->n; i++) {
            if (m->row[i].state == MOP_FAILED)
                continue;
            bool is_dirty = m->dirty == (int)i;
            double ns = m->ns[i] * exp(noise * mop_rng_normal(&m->rng));
            for (uint32_t r = 0; r < RUNS; r++) /* all of a visit share the state of its pass */
                samples[n++] = (mop_sample_record){.measurement_id = m->row[i].id,
                                                   .pass = p,
                                                   .run = r,
                                                   .batched = 1,
                                                   .wall_ns = (int64_t)ns + r,
                                                   .device_ns = MOP_ABSENT,
                                                   .flags = is_dirty ? MOP_FLAG_PREEMPTED : 0,
                                                   .cpu_ns = MOP_ABSENT};
        }
        const mop_pass_record pass = {.pass = p,
                                      .began_ns = p * INT64_C(1000),
                                      .ended_ns = p * INT64_C(1000) + 900,
                                      .samples = samples,
                                      .n_samples = n};
        DBFIX_OK(mop_store_commit_pass(m->store, m->sweep, &pass, &err));
    }
}

static void finish(struct maker *m)
{
    const made_sweep *w = m->what;
    mop_err err = {0};
    for (size_t i = 0; i < m->n; i++) {
        if (m->row[i].state != MOP_FAILED) {
            m->row[i].state = MOP_DONE;
            m->row[i].stop = MOP_STOP_PASSES;
        }
        DBFIX_OK(mop_store_update_measurement(m->store, &m->row[i], &err));
    }
    if (w->failed_control != NULL) {
        mop_control_record c = {.value = 1.05, .low = 1.015, .high = 1.025, .passed = false};
        (void)snprintf(c.name, sizeof c.name, "%s", w->failed_control);
        DBFIX_OK(mop_store_put_control(m->store, m->sweep, &c, &err));
    }
    if (w->unread_control != NULL) {
        mop_control_record c = {.value = (double)NAN, .low = 0.985, .high = 1.015, .passed = false};
        (void)snprintf(c.name, sizeof c.name, "%s", w->unread_control);
        DBFIX_OK(mop_store_put_control(m->store, m->sweep, &c, &err));
    }
    DBFIX_OK(mop_store_finish_sweep(m->store, m->sweep, or_else(w->aa_floor, 0.003), &err));
}

int64_t made_sweep_add(const char *path, const made_sweep *what)
{
    struct maker m = {.what = what, .dirty = -1};
    mop_err err = {0};
    mop_rng_init(&m.rng, what->seed, 0);
    DBFIX_OK(mop_store_open(path, &m.store, &err));
    plan(&m);
    measure(&m);
    finish(&m);
    DBFIX_OK(mop_store_close(m.store, &err));
    return m.sweep;
}
