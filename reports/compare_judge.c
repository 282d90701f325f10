/* The judgement of a comparison: interval, floor, verdict. Order of calls: mop_compare_unpaired (or
 * mop_ratio_interval within a sweep), mop_compare_floor, mop_compare_verdict. */
#include <math.h>
#include <string.h>

#include "reports/compare.h"

const char *mop_verdict_name(mop_verdict v)
{
    static const char *const names[MOP_N_VERDICTS] = {"FASTER", "SLOWER", "SAME", "UNCLEAR",
                                                      "MISSING"};
    return names[v];
}

static mop_interval median_of(const double *x, size_t n, double level, double *work)
{
    if (n > 0)
        memcpy(work, x, n * sizeof *x);
    mop_sort_f64(work, n);
    return mop_median_interval(work, n, level);
}

mop_interval mop_compare_unpaired(const double *a, size_t n_a, const double *b, size_t n_b,
                                  double level, double *work)
{
    mop_interval m_a = median_of(a, n_a, (1 + level) / 2, work);
    mop_interval m_b = median_of(b, n_b, (1 + level) / 2, work);
    return (mop_interval){m_b.est / m_a.est, m_b.lo / m_a.hi, m_b.hi / m_a.lo};
}

double mop_compare_floor(const mop_compare_limits *limits)
{
    double floor = fmax(fmax(limits->aa_a, limits->aa_b), limits->drift); /* fmax passes NAN over */
    return isnan(floor) ? floor : fmax(floor, limits->misread);
}

mop_verdict mop_compare_verdict(const mop_interval *ratio, const mop_compare_limits *limits,
                                double margin, bool is_x, const char **why)
{
    double floor = mop_compare_floor(limits);
    double same = fmax(floor, margin);
    *why = "";
    if (is_x)
        *why = "grade X: too few clean samples";
    else if (isnan(ratio->lo) || isnan(ratio->hi))
        *why = "too few clean passes for an interval";
    else if (isnan(floor))
        *why = "neither an A/A floor nor a common FMA control says what a difference means here";
    if (**why != '\0')
        return MOP_VERDICT_UNCLEAR;
    bool is_within = ratio->lo >= 1 - same && ratio->hi <= 1 + same;
    if (is_within && !(limits->misread > 0) && !limits->is_unread)
        return MOP_VERDICT_SAME;
    if (ratio->hi < 1 - floor)
        return MOP_VERDICT_FASTER;
    if (ratio->lo > 1 + floor)
        return MOP_VERDICT_SLOWER;
    *why = is_within ? "a control did not pass: no difference seen is not sameness shown"
                     : "the interval is too wide for its distance from 1";
    return MOP_VERDICT_UNCLEAR;
}
