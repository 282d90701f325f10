/* The grade of a measurement: one letter for how far its number can be trusted. */
#ifndef PROFILER_MEASURE_GRADE_H
#define PROFILER_MEASURE_GRADE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct mop_grade_facts {
    uint32_t n, n_clean, passes;
    double half_width; /* of the ratio to the baseline over the ratio; for the baseline, or without
                          one, of its own median over the median; NAN: unknown */
    double aa_floor;   /* the sweep's; NAN: unknown */
    bool are_controls_ok; /* every control of the sweep passed */
} mop_grade_facts;

/* "A": clean >= 80 %, passes >= 40, half-width and floor < 1 %. "B": >= 50 %, >= 20, < 2 % both.
 * "C": the rest with at least 10 clean samples. "X": fewer. What is unknown is not under anything.
 *
 * A sweep with a failed control gives no better than C: its own check of what it can resolve came
 * out wrong, so an interval of it that looks narrow proves nothing; the samples are still samples,
 * so what is C stays C. The floor bounds B as it bounds A, because a grade is a promise about
 * ratios, and no ratio is known to better than two copies of one network agree. */
const char *mop_grade(const mop_grade_facts *f);

#endif
