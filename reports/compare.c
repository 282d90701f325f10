/* A comparison: load both sides, pair their rows, judge each pair, put the table and the sentences.
 * Within one sweep a pair's ratio comes from passes that both rows have; between two sweeps passes
 * are not paired, and the drift of the FMA control loop joins the floor. O(rows of A x rows of B)
 * for pairing, O(passes log passes) a pair. */
#include "reports/compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/table.h"
#include "profiler/base/alloc.h"
#include "profiler/base/stats_ratio.h"
#include "reports/compare_load.h"
#include "reports/section.h"

/* One line of the outcome; a side without such a row is NULL. */
typedef struct pair {
    const mop_compare_row *a, *b;
    mop_interval ratio;
    double relative; /* of the ratios to the sweeps' common baseline; NAN without one */
    size_t n_a, n_b; /* clean passes that the ratio rests on */
    mop_verdict verdict;
    char why[320];
} pair;

typedef struct job {
    mop_compare_loaded a, b;
    const mop_compare_filter *filter;
    bool is_within; /* both sides are of one sweep */
    bool has_common_baseline;
    mop_compare_limits limits;
    double margin;
    double *work, *x, *y; /* [most passes] each */
    pair *pairs;
    size_t n_pairs;
} job;

/* --- pairing --------------------------------------------------------------------------------- */

/* What two rows differ in, as words; the number of differences. The variant is not looked at, nor
 * what the sides were asked for. */
static size_t differences(const job *j, const mop_compare_row *a, const mop_compare_row *b,
                          char *words, size_t size)
{
    const mop_compare_side *asked = j->a.side;
    const char *const texts[][3] = {
        {"back end", a->backend, b->backend},
        {"device", a->device, b->device},
        {"device uuid", a->uuid, b->uuid},
        {"instruction set", a->isa, b->isa},
        {"dtype", asked->dtype ? "" : a->dtype, asked->dtype ? "" : b->dtype},
        {"cache mode", a->cache, b->cache},
        {"fusions", asked->fuse ? "" : a->fuse, asked->fuse ? "" : b->fuse},
        {"Winograd", asked->winograd ? "" : a->winograd, asked->winograd ? "" : b->winograd}};
    size_t n = 0, len = 0;
    words[0] = '\0';
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(texts[i][1], texts[i][2]) == 0)
            continue;
        if (len < size) /* cut is fine */
            len += (size_t)snprintf(words + len, size - len, "%s%s (%.60s in A, %.60s in B)",
                                    n > 0 ? ", " : "", texts[i][0], texts[i][1], texts[i][2]);
        n++;
    }
    const struct {
        const char *what;
        int64_t a, b;
    } numbers[] = {{"threads", a->threads, b->threads}, {"batch", a->batch, b->batch}};
    for (size_t i = 0; i < 2; i++) {
        if (numbers[i].a == numbers[i].b)
            continue;
        if (len < size)
            len += (size_t)snprintf(words + len, size - len,
                                    "%s%s (%" PRId64 " in A, %" PRId64 " in B)", n > 0 ? ", " : "",
                                    numbers[i].what, numbers[i].a, numbers[i].b);
        n++;
    }
    return n;
}

static bool is_same_variant(const job *j, const mop_compare_row *a, const mop_compare_row *b)
{
    return (j->a.side->variant != NULL && !a->is_control) || strcmp(a->variant, b->variant) == 0;
}

static bool is_partner(const job *j, const mop_compare_row *a, const mop_compare_row *b)
{
    char words[8];
    return strcmp(a->alias, b->alias) == 0 && is_same_variant(j, a, b) &&
           differences(j, a, b, words, sizeof words) == 0;
}

/* Why a row of one side has no partner among the other's: its nearest there, if there is one. */
static void explain_lonely(const job *j, const mop_compare_row *r, bool is_of_a, char *why,
                           size_t size)
{
    const mop_compare_loaded *other = is_of_a ? &j->b : &j->a;
    char words[256], best[256] = "";
    size_t fewest = SIZE_MAX;
    for (size_t i = 0; i < other->n; i++) {
        const mop_compare_row *o = &other->row[i];
        if (!o->is_wanted || !is_same_variant(j, r, o))
            continue;
        size_t n = differences(j, is_of_a ? r : o, is_of_a ? o : r, words, sizeof words);
        if (n < fewest) {
            fewest = n;
            (void)snprintf(best, sizeof best, "%s", words); /* same size */
        }
    }
    if (fewest == SIZE_MAX)
        (void)snprintf(why, size, "only in %s", is_of_a ? "A" : "B");
    else
        (void)snprintf(why, size, "only in %s; its nearest in %s differs in %s",
                       is_of_a ? "A" : "B", is_of_a ? "B" : "A", best);
}

static mop_status find_pairs(job *j, size_t *n_matched, mop_err *err)
{
    *n_matched = 0;
    j->pairs = mop_calloc(j->a.n + j->b.n, sizeof *j->pairs, err);
    if (j->pairs == NULL)
        return MOP_ENOMEM;
    for (size_t i = 0; i < j->a.n; i++) {
        mop_compare_row *a = &j->a.row[i];
        if (!a->is_wanted)
            continue;
        pair *p = &j->pairs[j->n_pairs++];
        p->a = a;
        for (size_t k = 0; k < j->b.n && p->b == NULL; k++) {
            if (!j->b.row[k].is_wanted || j->b.row[k].is_matched || !is_partner(j, a, &j->b.row[k]))
                continue;
            p->b = &j->b.row[k];
            j->b.row[k].is_matched = a->is_matched = true;
            ++*n_matched;
        }
    }
    for (size_t k = 0; k < j->b.n; k++)
        if (j->b.row[k].is_wanted && !j->b.row[k].is_matched)
            j->pairs[j->n_pairs++].b = &j->b.row[k];
    return MOP_OK;
}

/* Nothing to compare is no comparison. */
static mop_status refuse_strangers(const job *j, mop_err *err)
{
    char why[320];
    if (j->n_pairs == 0)
        return mop_fail(err, MOP_EINVAL, "no row of %.60s or %.60s is as asked for",
                        j->a.side->name, j->b.side->name);
    for (size_t i = 0; i < j->n_pairs; i++) {
        const pair *p = &j->pairs[i];
        const mop_compare_row *r = p->a != NULL ? p->a : p->b;
        explain_lonely(j, r, p->a != NULL, why, sizeof why);
        if (strchr(why, ';') != NULL)
            return mop_fail(err, MOP_EINVAL,
                            "the two sides share no row; they are compared on the same device and "
                            "setting only: %.40s is %.130s",
                            r->variant, why);
    }
    return mop_fail(err, MOP_EINVAL, "%.60s and %.60s share no row as asked for: %.40s is %.40s",
                    j->a.side->name, j->b.side->name,
                    j->pairs[0].a != NULL ? j->pairs[0].a->variant : j->pairs[0].b->variant, why);
}

/* --- judging --------------------------------------------------------------------------------- */

/* How far the FMA loop, which is the same code in every build, differs between the sweeps. */
static double drift_of(const job *j)
{
    double drift = (double)NAN;
    for (size_t i = 0; i < j->a.n; i++) {
        const mop_compare_row *a = &j->a.row[i];
        for (size_t k = 0; strcmp(a->alias, "fma") == 0 && k < j->b.n; k++) {
            double ratio = j->b.row[k].median_ns / a->median_ns;
            if (is_partner(j, a, &j->b.row[k]))
                drift = fmax(drift, fmax(ratio, 1 / ratio) - 1);
        }
    }
    return drift;
}

static void take_limits(job *j)
{
    const char *baseline = mop_compare_sweep_text(&j->a, "baseline");
    j->limits = (mop_compare_limits){.aa_a = j->a.aa_floor,
                                     .aa_b = j->b.aa_floor,
                                     .drift = j->is_within ? (double)NAN : drift_of(j),
                                     .misread = fmax(j->a.misread, j->b.misread),
                                     .is_unread = j->a.n_unread > 0 || j->b.n_unread > 0};
    j->margin = j->filter->margin > 0 ? j->filter->margin : MOP_COMPARE_MARGIN;
    j->has_common_baseline = !j->is_within && *baseline != '\0' &&
                             strcmp(baseline, mop_compare_sweep_text(&j->b, "baseline")) == 0;
}

/* Passes that both have; both lists rise. */
static size_t join_passes(const job *j, const mop_compare_row *a, const mop_compare_row *b)
{
    size_t n = 0;
    for (size_t i = 0, k = 0; i < a->n_passes && k < b->n_passes;) {
        if (a->pass[i] == b->pass[k]) {
            j->x[n] = a->pass_ns[i];
            j->y[n++] = b->pass_ns[k];
        }
        bool is_a_behind = a->pass[i] <= b->pass[k], is_b_behind = b->pass[k] <= a->pass[i];
        i += is_a_behind;
        k += is_b_behind;
    }
    return n;
}

static void judge(const job *j, pair *p)
{
    const mop_compare_row *a = p->a, *b = p->b;
    const char *why;
    p->n_a = a->n_passes;
    p->n_b = b->n_passes;
    if (j->is_within) {
        p->n_a = p->n_b = join_passes(j, a, b);
        p->ratio = mop_ratio_interval(j->y, j->x, p->n_a, MOP_COMPARE_LEVEL, j->work);
    } else {
        p->ratio = mop_compare_unpaired(a->pass_ns, a->n_passes, b->pass_ns, b->n_passes,
                                        MOP_COMPARE_LEVEL, j->work);
    }
    if (j->has_common_baseline)
        p->relative = b->baseline_ratio / a->baseline_ratio;
    bool is_x = strcmp(a->grade, "X") == 0 || strcmp(b->grade, "X") == 0;
    p->verdict = mop_compare_verdict(&p->ratio, &j->limits, j->margin, is_x, &why);
    (void)snprintf(p->why, sizeof p->why, "%s", why); /* constant and short */
}

/* A row that failed or has no sample is as good as none. */
static bool is_without_times(const mop_compare_row *r, const char *side, char *why, size_t size)
{
    if (r->has_samples)
        return false;
    (void)snprintf(why, size, "%.20s in %s%s%.200s", r->state, side,
                   *r->reason != '\0' ? ": " : " without a sample", r->reason);
    return true;
}

static void judge_all(job *j)
{
    for (size_t i = 0; i < j->n_pairs; i++) {
        pair *p = &j->pairs[i];
        p->ratio = (mop_interval){(double)NAN, (double)NAN, (double)NAN};
        p->relative = (double)NAN;
        p->verdict = MOP_VERDICT_MISSING;
        if (p->a == NULL || p->b == NULL)
            explain_lonely(j, p->a != NULL ? p->a : p->b, p->a != NULL, p->why, sizeof p->why);
        else if (!is_without_times(p->b, "B", p->why, sizeof p->why) &&
                 !is_without_times(p->a, "A", p->why, sizeof p->why))
            judge(j, p);
    }
}

/* --- putting --------------------------------------------------------------------------------- */

static mop_status put_texts(mop_cell **c, const char *const *texts, size_t n, mop_err *err)
{
    mop_status status = MOP_OK;
    for (size_t i = 0; i < n && status == MOP_OK; i++)
        status = mop_cell_set_text((*c)++, texts[i], err);
    return status;
}

/* "b / a", or one of them if they are the same; texts of rows fit, or are cut. */
static void both_of(const char *b, const char *a, char *out, size_t size)
{
    bool is_same = strcmp(a, b) == 0;
    (void)snprintf(out, size, "%s%s%s", b, is_same ? "" : " / ", is_same ? "" : a);
}

static mop_status put_pair(const job *j, const pair *p, mop_cell *c, mop_err *err)
{
    const mop_compare_row *r = p->b != NULL ? p->b : p->a, *l = p->a != NULL ? p->a : p->b;
    char name[224], grades[16], passes[48], fuse[64], winograd[32], dtype[32];
    const double reals[] = {p->ratio.est,
                            p->ratio.lo,
                            p->ratio.hi,
                            p->a != NULL ? p->a->median_ns / 1e6 : (double)NAN,
                            p->b != NULL ? p->b->median_ns / 1e6 : (double)NAN,
                            100 * mop_compare_floor(&j->limits),
                            p->relative};
    static const int decimals[] = {4, 4, 4, 4, 4, 2, 4};
    both_of(r->variant, l->variant, name, sizeof name);
    both_of(r->fuse, l->fuse, fuse, sizeof fuse);
    both_of(r->winograd, l->winograd, winograd, sizeof winograd);
    both_of(r->dtype, l->dtype, dtype, sizeof dtype);
    (void)snprintf(grades, sizeof grades, "%s/%s", p->a != NULL ? p->a->grade : "",
                   p->b != NULL ? p->b->grade : ""); /* both fit */
    (void)snprintf(passes, sizeof passes, "%zu/%zu", p->n_a, p->n_b);
    const char *const head[] = {mop_verdict_name(p->verdict), name};
    mop_status status = put_texts(&c, head, 2, err);
    for (size_t i = 0; i < sizeof reals / sizeof reals[0] && status == MOP_OK; i++)
        status = mop_cell_set_real(c++, reals[i], decimals[i], err);
    const char *const middle[] = {passes, grades, r->backend};
    const char *const tail[] = {r->cache, fuse, winograd, dtype, r->isa, r->device, p->why};
    if (status == MOP_OK)
        status = put_texts(&c, middle, 3, err);
    if (status == MOP_OK)
        status = mop_cell_set_int(c++, r->threads, err);
    if (status == MOP_OK)
        status = mop_cell_set_int(c++, r->batch, err);
    return status == MOP_OK ? put_texts(&c, tail, 7, err) : status;
}

static mop_status put_table(const job *j, mop_comparison *out, mop_err *err)
{
    static const char *const cols[] = {
        "verdict",       "variant",  "ratio",    "low",    "high",    "a_ms",    "b_ms",
        "floor_percent", "relative", "passes",   "grades", "backend", "threads", "batch",
        "cache",         "fuse",     "winograd", "dtype",  "isa",     "device",  "reason"};
    static const mop_verdict order[] = {MOP_VERDICT_SLOWER, MOP_VERDICT_FASTER, MOP_VERDICT_MISSING,
                                        MOP_VERDICT_UNCLEAR, MOP_VERDICT_SAME};
    mop_status status = mop_table_start(&out->table, cols, sizeof cols / sizeof cols[0], err);
    for (size_t v = 0; v < MOP_N_VERDICTS; v++) {
        for (size_t i = 0; i < j->n_pairs && status == MOP_OK; i++) {
            if (j->pairs[i].verdict != order[v])
                continue;
            mop_cell *row = mop_table_row(&out->table, err);
            status = row == NULL ? MOP_ENOMEM : put_pair(j, &j->pairs[i], row, err);
            out->n[order[v]]++;
        }
    }
    return status;
}

static mop_status say_controls(const mop_compare_loaded *l, mop_strlist *before, mop_err *err)
{
    size_t unread = 0;
    mop_status status = MOP_OK;
    for (size_t i = 0; i < l->controls.n_rows && status == MOP_OK; i++) {
        const mop_cell *value = mop_section_cell(&l->controls, i, "value");
        unread += value->kind == MOP_CELL_NULL;
        if (value->kind != MOP_CELL_NULL)
            status = mop_compare_say(before, err,
                                     "a control of %s FAILED: %s read %s, and %s to %s is due",
                                     l->side->name, mop_section_cell(&l->controls, i, "name")->text,
                                     value->text, mop_section_cell(&l->controls, i, "low")->text,
                                     mop_section_cell(&l->controls, i, "high")->text);
    }
    if (status == MOP_OK && l->misread > 0)
        status =
            mop_compare_say(before, err,
                            "so no difference under %.2f %% gets a verdict, and none is called "
                            "SAME",
                            100 * l->misread);
    if (status == MOP_OK && unread > 0)
        status = mop_compare_say(before, err,
                                 "%zu control%s of %s could not be read: too few clean passes%s",
                                 unread, unread == 1 ? "" : "s", l->side->name,
                                 l->n_unread > 0 ? ", so nothing is called SAME" : "");
    return status;
}

static mop_status say_side(const char *which, const mop_compare_loaded *l, mop_strlist *before,
                           mop_err *err)
{
    const char *variant = l->side->variant;
    return mop_compare_say(before, err, "%s: %s%s%s, started %s, build %s", which,
                           variant != NULL ? variant : "", variant != NULL ? " in " : "",
                           l->side->name, mop_compare_sweep_text(l, "started_utc"),
                           mop_compare_sweep_text(l, "build_id"));
}

static mop_status say_before(const job *j, mop_strlist *before, mop_err *err)
{
    mop_status status = say_controls(&j->a, before, err);
    if (status == MOP_OK && !j->is_within)
        status = say_controls(&j->b, before, err);
    if (status == MOP_OK)
        status = say_side("A", &j->a, before, err);
    if (status == MOP_OK)
        status = say_side("B", &j->b, before, err);
    if (status == MOP_OK && !j->is_within)
        status = mop_compare_note_changes(&j->a, &j->b, before, err);
    if (status == MOP_OK && !j->is_within && isnan(j->limits.drift))
        status = mop_compare_say(before, err,
                                 "the sweeps have no FMA control loop in common: how far the "
                                 "machine drifted between them is unknown");
    return status;
}

static mop_status say_after(const job *j, mop_comparison *out, mop_err *err)
{
    double logs = 0;
    size_t n = 0, judged = 0;
    for (size_t i = 0; i < j->n_pairs; i++) {
        judged += j->pairs[i].verdict != MOP_VERDICT_MISSING;
        if (isfinite(j->pairs[i].ratio.est) && j->pairs[i].ratio.est > 0) {
            logs += log(j->pairs[i].ratio.est);
            n++;
        }
    }
    out->geomean = n > 0 ? exp(logs / (double)n) : (double)NAN;
    char mean[64] = "there is no ratio";
    if (n > 0)
        (void)snprintf(mean, sizeof mean, "geometric mean of B / A %.4f", out->geomean); /* fits */
    mop_status status = mop_compare_say(
        &out->after, err,
        "%zu compared: %zu SLOWER, %zu FASTER, %zu SAME, %zu UNCLEAR; %zu MISSING; %s", judged,
        out->n[MOP_VERDICT_SLOWER], out->n[MOP_VERDICT_FASTER], out->n[MOP_VERDICT_SAME],
        out->n[MOP_VERDICT_UNCLEAR], out->n[MOP_VERDICT_MISSING], mean);
    if (status == MOP_OK && judged > 1)
        status = mop_compare_say(&out->after, err,
                                 "%zu intervals at 95 %% each: up to %.1f of them miss their ratio "
                                 "by chance alone",
                                 judged, 0.05 * (double)judged);
    return status;
}

/* --- all of it ------------------------------------------------------------------------------- */

static bool is_one_sweep(const job *j)
{
    const char *a = mop_compare_sweep_text(&j->a, "uuid"),
               *b = mop_compare_sweep_text(&j->b, "uuid");
    return *a != '\0' && strcmp(a, b) == 0;
}

static bool is_other(const char *a, const char *b)
{
    return a != NULL && strcmp(a, b) != 0;
}

static mop_status check_sides(job *j, mop_err *err)
{
    const mop_compare_side *l = j->a.side, *r = j->b.side;
    const char *a = l->variant, *b = r->variant;
    bool varies = is_other(l->fuse, r->fuse) || is_other(l->winograd, r->winograd) ||
                  is_other(l->dtype, r->dtype);
    j->is_within = (a != NULL && b != NULL) || (varies && is_one_sweep(j));
    if ((a == NULL) != (b == NULL))
        return mop_fail(err, MOP_EINVAL, "a variant is compared to a variant of the same sweep");
    if (a != NULL && strcmp(a, b) == 0 && !varies)
        return mop_fail(err, MOP_EINVAL, "both sides are %.80s", a);
    if (!j->is_within && is_one_sweep(j))
        return mop_fail(err, MOP_EINVAL, "%.60s and %.60s are the same sweep, of %s",
                        j->a.side->name, j->b.side->name,
                        mop_compare_sweep_text(&j->a, "started_utc"));
    return MOP_OK;
}

static mop_status compare(job *j, mop_comparison *out, mop_err *err)
{
    size_t n_matched;
    size_t most = j->a.most_passes > j->b.most_passes ? j->a.most_passes : j->b.most_passes;
    mop_status status = check_sides(j, err);
    if (status == MOP_OK)
        status = find_pairs(j, &n_matched, err);
    if (status == MOP_OK && n_matched == 0)
        status = refuse_strangers(j, err);
    if (status != MOP_OK)
        return status;
    j->work = mop_calloc(3 * most, sizeof *j->work, err);
    if (j->work == NULL)
        return MOP_ENOMEM;
    j->x = j->work + most;
    j->y = j->work + 2 * most;
    take_limits(j);
    judge_all(j);
    status = put_table(j, out, err);
    if (status == MOP_OK)
        status = say_before(j, &out->before, err);
    return status == MOP_OK ? say_after(j, out, err) : status;
}

mop_status mop_compare(const mop_compare_side *a, const mop_compare_side *b,
                       const mop_compare_filter *filter, mop_comparison *out, mop_err *err)
{
    job j = {.filter = filter};
    mop_comparison made = {0};
    mop_status status = mop_compare_load(a, filter, &j.a, err);
    if (status == MOP_OK)
        status = mop_compare_load(b, filter, &j.b, err);
    if (status == MOP_OK)
        status = compare(&j, &made, err);
    free(j.pairs);
    free(j.work);
    mop_compare_loaded_release(&j.a);
    mop_compare_loaded_release(&j.b);
    if (status == MOP_OK)
        *out = made;
    else
        mop_comparison_release(&made);
    return status;
}

void mop_comparison_release(mop_comparison *c)
{
    if (c == NULL)
        return;
    mop_table_release(&c->table);
    mop_strlist_release(&c->before);
    mop_strlist_release(&c->after);
    *c = (mop_comparison){0};
}
