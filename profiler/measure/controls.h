/* Controls: rows of every sweep whose true ratio is known, so that what comes out says how far the
 * other rows can be trusted.
 *
 * A/A (alias "aa"): on every device a second plan, in memory of its own, of the networks with the
 * fewest, the middle and the most MACs; it must take as long as the first. FMA (alias "fma"): the
 * multiply-add loop of profiler/engine/peak.h and 1.02 times as many rounds of it. Linearity (alias
 * "linear"): 5 and 20 times as many. The loops run on a device of their own, back end "host". */
#ifndef PROFILER_MEASURE_CONTROLS_H
#define PROFILER_MEASURE_CONTROLS_H

#include "profiler/base/stats.h"
#include "profiler/measure/sweep_internal.h"

/* Rounds of the loop, about 2 ms at 3.3 GHz; 1.02, 5 and 20 times as many are whole numbers. A
 * constant, so that every process of a sweep and every machine has the same plan; over 1 ms on any
 * machine, so that no loop is batched: a sample twice as long meets the timer interrupt twice as
 * often, which alone read as 0.7 %. */
#define MOP_CONTROL_ROUNDS INT64_C(1000000)

/* Rows beyond those of the plan; 0 where the world has no loop. */
size_t mop_controls_count(const sweep *s);

/* Fills rows and cells [n_plain, n_rows), whose other fields mop_sweep_build_rows has set. */
void mop_controls_build(sweep *s);

/* Runs every loop twice: its sum must come out the same, and as stored by an earlier process. A
 * loop that does not fails like any other row. Before the plan is stored. */
void mop_controls_prepare(sweep *s, mop_err *err);

/* Keeps the samples of a finished pass that controls are judged by. MOP_ENOMEM. */
mop_status mop_controls_watch(sweep *s, const mop_pass_record *pass, mop_err *err);

/* a's time over b's from the passes of both sample lists in which both measurements have clean
 * samples: exp of the median of the logarithms of the ratios of their medians, with its interval at
 * `level`. NAN where there are too few passes. MOP_ENOMEM. */
mop_status mop_control_ratio(const mop_sweep_samples *lists, size_t n_lists, const int64_t id[2],
                             double level, mop_interval *out, mop_err *err);

/* Judges every control by its ratio and hands it to the sink; sets s->aa_floor and what the outcome
 * says of controls. A control that could not be judged has not passed. When the sweep closes. */
mop_status mop_sweep_judge_controls(sweep *s, mop_err *err);

#endif
