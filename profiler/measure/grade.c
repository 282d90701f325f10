#include "profiler/measure/grade.h"

enum { FEWEST_CLEAN = 10 };

typedef struct bar {
    double clean; /* share of the samples */
    uint32_t passes;
    double width;
} bar;

static bool clears(const mop_grade_facts *f, bar b)
{
    return f->are_controls_ok && (double)f->n_clean >= b.clean * (double)f->n &&
           f->passes >= b.passes && f->half_width < b.width && f->aa_floor < b.width;
}

const char *mop_grade(const mop_grade_facts *f)
{
    if (f->n_clean < FEWEST_CLEAN)
        return "X";
    if (clears(f, (bar){0.8, 40, 0.01}))
        return "A";
    return clears(f, (bar){0.5, 20, 0.02}) ? "B" : "C";
}
