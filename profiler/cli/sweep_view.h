/* What a person sees of a running sweep: a bar with the time left on a terminal, a line a row
 * otherwise. Everything goes to stderr, never inside a pass. */
#ifndef PROFILER_CLI_SWEEP_VIEW_H
#define PROFILER_CLI_SWEEP_VIEW_H

#include "profiler/measure/sweep.h"

/* Fewer clean samples than this support no number (measurement grade X). */
#define MOP_VIEW_ENOUGH_CLEAN 10

typedef struct mop_sweep_view {
    bool is_quiet, is_terminal;
    bool header_printed;
    bool *row_printed; /* [n_rows] */
    size_t n_rows;
    size_t n_noisy; /* at the end: rows of enough samples with too few clean ones, */
    size_t n_out_of_time, n_out_of_passes; /* and others with an interval wider than asked for */
} mop_sweep_view;

/* The callbacks, with view as their ctx. interrupted() turns true after the first SIGINT or
 * SIGTERM; a second one ends the program at once. */
mop_sweep_events mop_sweep_view_events(mop_sweep_view *view);
void mop_sweep_view_release(mop_sweep_view *view);

/* The setting of a row as mop_setting_name spells it. */
void mop_sweep_row_setting(const mop_sweep_row *row, char out[MOP_SETTING_TEXT]);

#endif
