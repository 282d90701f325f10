#include "profiler/measure/controls.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/hash.h"
#include "profiler/base/stats_ratio.h"
#include "profiler/engine/cpu_info.h"

/* An A/A pair further apart than this fails: no grade above C lies behind it (design P9). */
#define AA_TOLERANCE 0.02

enum { COPIES = 3 };

/* The loops, the first of which the others are held against. */
static const struct loop_row {
    const char *name, *alias, *control;
    int64_t rounds;
    double times,
        tolerance; /* what its ratio is divided by, and how near to 1.02 or 1 it must be */
    double centre;
} loops[] = {
    {"fma x1", "fma", "", MOP_CONTROL_ROUNDS, 1, 0, 1},
    {"fma x1.02", "fma", "fma x1.02", MOP_CONTROL_ROUNDS / 50 * 51, 1, 0.005, 1.02},
    {"fma x5", "linear", "linearity x5", MOP_CONTROL_ROUNDS * 5, 5, 0.015, 1},
    {"fma x20", "linear", "linearity x20", MOP_CONTROL_ROUNDS * 20, 20, 0.015, 1},
};

enum { LOOPS = sizeof loops / sizeof loops[0] };

/* --- rows ---------------------------------------------------------------------------------- */

/* Whether network a has fewer MACs than b; of equals the earlier. */
static bool is_before(const sweep *s, size_t a, size_t b)
{
    int64_t x = s->networks[a].counts.macs, y = s->networks[b].counts.macs;
    return x != y ? x < y : a < b;
}

/* The network with exactly `rank` before it. */
static size_t network_of_rank(const sweep *s, size_t rank)
{
    for (size_t k = 0; k < s->n_networks; k++) {
        size_t before = 0;
        for (size_t j = 0; j < s->n_networks; j++)
            before += is_before(s, j, k);
        if (before == rank)
            return k;
    }
    return 0; /* ranks are 0 .. n_networks - 1, each once */
}

static size_t n_copies(const sweep *s)
{
    return s->n_networks < COPIES ? s->n_networks : COPIES;
}

/* Fast, medium and slow; with fewer networks, all of them. */
static size_t network_of_copy(const sweep *s, size_t copy)
{
    size_t last = s->n_networks - 1;
    return network_of_rank(s, n_copies(s) < COPIES ? copy : copy * last / (COPIES - 1));
}

size_t mop_controls_count(const sweep *s)
{
    return s->world->loop.run == NULL ? 0 : s->n_devices * n_copies(s) + LOOPS;
}

static void set_alias(sweep *s, size_t i, const char *alias, size_t against)
{
    s->rows[i].is_control = true;
    s->cells[i].against = against;
    (void)snprintf(s->rows[i].record.alias, sizeof s->rows[i].record.alias, "%s", alias); /* fits */
}

/* A second row of network k on device d, in the first setting that the device has. */
static void build_copy(sweep *s, size_t i, size_t k, sweep_device *d)
{
    size_t twin = mop_sweep_row_of(s, k, 0);
    while (s->cells[twin].device != d ||
           (s->rows[twin].record.state == MOP_SKIPPED && s->cells[twin + 1].device == d &&
            s->cells[twin + 1].network == &s->networks[k]))
        twin++;
    mop_sweep_build_row(s, i, &s->networks[k], d, &s->cells[twin].setting);
    set_alias(s, i, "aa", twin);
}

void mop_controls_build(sweep *s)
{
    size_t i = s->n_plain;
    if (s->n_rows == s->n_plain)
        return;
    mop_cpu_describe(&s->host.info, s->options->isa_mask, 1);
    for (size_t d = 0; d < s->n_devices; d++)
        for (size_t copy = 0; copy < n_copies(s); copy++)
            build_copy(s, i++, network_of_copy(s, copy), &s->devices[d]);
    for (size_t l = 0; l < LOOPS; l++, i++) {
        mop_sweep_build_loop(s, i, loops[l].name, loops[l].rounds);
        set_alias(s, i, loops[l].alias, i - l);
    }
}

/* --- preparing the loops ------------------------------------------------------------------- */

static uint64_t hash_of(float sum)
{
    return mop_hash(MOP_HASH_INIT, &sum, sizeof sum);
}

static void prepare_loop(sweep *s, size_t i, mop_err *err)
{
    sweep_cell *c = &s->cells[i];
    mop_measurement_record *r = &s->rows[i].record;
    uint64_t began = mop_now_ns(&s->world->clock);
    uint64_t once = hash_of(c->loop->run(c->loop->ctx, c->rounds));
    r->first_run_ns = (int64_t)(mop_now_ns(&s->world->clock) - began);
    uint64_t again = hash_of(c->loop->run(c->loop->ctx, c->rounds));
    uint64_t wanted = r->checksum != 0 ? r->checksum : once; /* an earlier process's, or its own */
    c->out = mop_calloc(1, sizeof *c->out, err);
    if (c->out != NULL && once == wanted && again == wanted) {
        r->checksum = wanted;
        r->error = r->error_bound = r->node_error = 0;
        return;
    }
    r->state = MOP_FAILED;
    r->stop = MOP_STOP_FAILED;
    (void)snprintf(r->reason, sizeof r->reason, "%s",
                   c->out == NULL ? "out of memory" : "the sum of the loop does not repeat");
}

void mop_controls_prepare(sweep *s, mop_err *err)
{
    for (size_t i = s->n_plain; i < s->n_rows; i++)
        if (s->cells[i].loop != NULL && s->rows[i].record.state == MOP_PENDING)
            prepare_loop(s, i, err);
}

/* --- judging ------------------------------------------------------------------------------- */

static bool is_watched(const sweep *s, int64_t id)
{
    for (size_t i = s->n_plain; i < s->n_rows; i++)
        if (s->rows[i].record.id == id || s->rows[s->cells[i].against].record.id == id)
            return true;
    return false;
}

mop_status mop_controls_watch(sweep *s, const mop_pass_record *pass, mop_err *err)
{
    size_t room = s->n_watched + pass->n_samples;
    if (room > s->cap_watched) {
        size_t cap = 2 * room;
        mop_sample_record *p = mop_realloc(s->watched, cap, sizeof *p, err);
        if (p == NULL)
            return MOP_ENOMEM;
        s->watched = p;
        s->cap_watched = cap;
    }
    for (size_t i = 0; i < pass->n_samples; i++)
        if (is_watched(s, pass->samples[i].measurement_id))
            s->watched[s->n_watched++] = pass->samples[i];
    return MOP_OK;
}

/* The median of the clean samples of one visit, per inference; NAN if there is none. */
static double visit_value(const mop_sample_record *x, size_t n)
{
    double v[16]; /* a visit has three samples, or nine */
    size_t clean = 0;
    for (size_t i = 0; i < n && clean < sizeof v / sizeof v[0]; i++)
        if (x[i].flags == 0)
            v[clean++] = (double)x[i].wall_ns / x[i].batched;
    mop_sort_f64(v, clean);
    return clean > 0 ? mop_quantile(v, clean, 0.5) : (double)NAN;
}

/* value[pass] for the visits of measurement id. */
static void fill_values(const mop_sweep_samples *list, int64_t id, double *value)
{
    const mop_sample_record *x = list->items;
    for (size_t a = 0, b; a < list->n; a = b) {
        for (b = a + 1;
             b < list->n && x[b].measurement_id == x[a].measurement_id && x[b].pass == x[a].pass;)
            b++;
        if (x[a].measurement_id == id)
            value[x[a].pass] = visit_value(x + a, b - a);
    }
}

mop_status mop_control_ratio(const mop_sweep_samples *lists, size_t n_lists, const int64_t id[2],
                             double level, mop_interval *out, mop_err *err)
{
    size_t passes = 0, n = 0;
    for (size_t l = 0; l < n_lists; l++)
        for (size_t i = 0; i < lists[l].n; i++)
            passes = lists[l].items[i].pass >= passes ? lists[l].items[i].pass + 1 : passes;
    double *v = mop_calloc(passes, 3 * sizeof *v, err);
    if (v == NULL)
        return MOP_ENOMEM;
    double *a = v, *b = v + passes, *work = v + 2 * passes;
    for (size_t i = 0; i < 2 * passes; i++)
        v[i] = (double)NAN;
    for (size_t l = 0; l < n_lists; l++) {
        fill_values(&lists[l], id[0], a);
        fill_values(&lists[l], id[1], b);
    }
    for (size_t i = 0; i < passes; i++) {
        if (a[i] > 0 && b[i] > 0) { /* not NAN */
            a[n] = a[i];
            b[n++] = b[i];
        }
    }
    *out = mop_ratio_interval(a, b, n, level, work);
    if (!isfinite(out->lo) || !isfinite(out->hi))
        out->est = (double)NAN; /* too few passes to say anything */
    free(v);
    return MOP_OK;
}

/* "aa:cpu/1:mobileone-s0"; a name that would not fit ends in the row's number. */
static void name_copy(const sweep *s, size_t i, char *name, size_t size)
{
    const mop_sweep_row *r = &s->rows[i];
    int len = r->batch == 1
                  ? snprintf(name, size, "aa:%s/%d:%s", r->backend, r->threads, r->variant)
                  : snprintf(name, size, "aa:%s/%d:%s*%" PRId32, r->backend, r->threads, r->variant,
                             r->batch);
    if (len < 0 || (size_t)len >= size)
        (void)snprintf(name, size, "aa:%s/%d:%.30s~%zu", r->backend, r->threads, r->variant, i);
}

/* A value outside its bounds whose interval reaches into them says that there were too few clean
 * passes, not that the harness misreads: it is no value. */
static void describe_control(const sweep *s, size_t i, const mop_interval *ratio,
                             mop_control_record *c)
{
    size_t first_loop = s->n_rows - LOOPS;
    double centre = 1, tolerance = AA_TOLERANCE, times = 1;
    if (i < first_loop) {
        name_copy(s, i, c->name, sizeof c->name);
    } else {
        const struct loop_row *l = &loops[i - first_loop];
        (void)snprintf(c->name, sizeof c->name, "%s", l->control); /* fits */
        times = l->times;
        centre = l->centre;
        tolerance = l->tolerance;
    }
    c->low = centre - tolerance;
    c->high = centre + tolerance;
    c->value = ratio->est / times;
    c->passed = c->value >= c->low && c->value <= c->high; /* false for NAN */
    if (!c->passed && ratio->lo / times <= c->high && ratio->hi / times >= c->low)
        c->value = (double)NAN;
}

static mop_status judge_control(sweep *s, size_t i, uint32_t *unjudged, mop_err *err)
{
    const mop_sweep_samples lists[] = {{s->history.samples, s->history.n_samples},
                                       {s->watched, s->n_watched}};
    const int64_t id[2] = {s->rows[i].record.id, s->rows[s->cells[i].against].record.id};
    mop_control_record c = {0};
    mop_interval ratio;
    mop_status st = mop_control_ratio(lists, 2, id, s->protocol.level, &ratio, err);
    if (st != MOP_OK)
        return st;
    describe_control(s, i, &ratio, &c);
    s->outcome->n_controls++;
    s->outcome->n_controls_failed += !c.passed;
    *unjudged += isnan(c.value) ? 1 : 0;
    if (s->cells[i].loop == NULL && isfinite(c.value) &&
        !(fabs(c.value - 1) <= s->aa_floor)) /* the first is compared with NAN */
        s->aa_floor = fabs(c.value - 1);
    if (!c.passed && isfinite(c.value))
        mop_sweep_note(s, "control \"%s\" failed: it reads %.4f and must lie in %.3f to %.3f",
                       c.name, c.value, c.low, c.high);
    return s->sink->put_control(s->sink->ctx, s->sweep_id, &c, err);
}

/* Not the loop that the others are held against, and no copy of what never ran. */
static bool is_judged(const sweep *s, size_t i)
{
    size_t against = s->cells[i].against;
    mop_state one = s->rows[i].record.state, other = s->rows[against].record.state;
    bool has_run =
        one != MOP_SKIPPED && one != MOP_FAILED && other != MOP_SKIPPED && other != MOP_FAILED;
    return against != i && (has_run || s->cells[i].loop != NULL);
}

mop_status mop_sweep_judge_controls(sweep *s, mop_err *err)
{
    uint32_t unjudged = 0;
    mop_status st = MOP_OK;
    s->aa_floor = (double)NAN;
    for (size_t i = s->n_plain; i < s->n_rows && st == MOP_OK; i++)
        if (is_judged(s, i))
            st = judge_control(s, i, &unjudged, err);
    s->outcome->aa_floor = s->aa_floor;
    if (st == MOP_OK && unjudged > 0)
        mop_sweep_note(s,
                       "%" PRIu32 " of %" PRIu32 " controls could not be judged: too few passes "
                       "with clean samples",
                       unjudged, s->outcome->n_controls);
    return st;
}
