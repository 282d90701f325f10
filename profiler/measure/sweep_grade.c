/* Grades of all rows when a sweep closes. */
#include <math.h>

#include "profiler/measure/controls.h"
#include "profiler/measure/grade.h"

/* A row that another process measured: what its stored samples say. */
static mop_status facts_of_history(const sweep *s, size_t i, mop_grade_facts *f, mop_err *err)
{
    const mop_sweep_samples all = {s->history.samples, s->history.n_samples};
    size_t against = s->cells[i].against;
    const int64_t id[2] = {s->rows[i].record.id,
                           against != MOP_NO_ROW ? s->rows[against].record.id : 0};
    uint32_t last = UINT32_MAX;
    mop_interval ratio;
    for (size_t k = 0; k < all.n; k++) {
        if (all.items[k].measurement_id != id[0])
            continue;
        f->n++;
        f->n_clean += all.items[k].flags == 0;
        f->passes += all.items[k].pass != last;
        last = all.items[k].pass;
    }
    mop_status st = mop_control_ratio(&all, 1, id, s->protocol.level, &ratio, err);
    f->half_width = st == MOP_OK ? (ratio.hi - ratio.lo) / 2 / ratio.est : (double)NAN;
    return st;
}

static mop_status grade_row(sweep *s, size_t i, mop_err *err)
{
    mop_sweep_row *r = &s->rows[i];
    size_t against = s->cells[i].against;
    bool has_ratio = against != MOP_NO_ROW && against != i;
    mop_grade_facts f = {.aa_floor = s->aa_floor,
                         .are_controls_ok = s->outcome->n_controls_failed == 0};
    mop_status st = MOP_OK;
    if (r->n > 0) {
        f.n = r->n;
        f.n_clean = r->n_clean;
        f.passes = r->passes;
        f.half_width = has_ratio ? (r->ratio_high - r->ratio_low) / 2 / r->ratio
                                 : (r->high_ns - r->low_ns) / 2 / r->median_ns;
    } else {
        st = facts_of_history(s, i, &f, err);
    }
    if (st == MOP_OK && f.n > 0)
        r->record.grade[0] = mop_grade(&f)[0];
    return st;
}

mop_status mop_sweep_grade(sweep *s, mop_err *err)
{
    mop_status st = MOP_OK;
    for (size_t i = 0; i < s->n_rows && st == MOP_OK; i++)
        st = grade_row(s, i, err);
    return st;
}
