/* Whether layer times may be believed: plain and profiled runs of one plan that alternate, and two
 * bounds on what they say. */
#ifndef PROFILER_MEASURE_LAYERS_H
#define PROFILER_MEASURE_LAYERS_H

#include <stdbool.h>
#include <stddef.h>

#include "profiler/base/status.h"

typedef struct mop_layer_series {
    size_t cap, runs, n_layers;
    double *plain;    /* [cap] ns of wall time */
    double *profiled; /* [cap] likewise, of the run after */
    double *layer;    /* [n_layers, cap] ns on the profile's clock */
    double *total;    /* [cap] likewise, of all layers */
    bool is_host_clock;
} mop_layer_series;

/* How far profiled runs may lie over plain ones, and the sum of the layers' medians from the median
 * total, for the layer table to be reliable. */
#define MOP_LAYER_OVERHEAD 0.01
#define MOP_LAYER_RESIDUAL 0.03

typedef struct mop_layer_bounds {
    double overhead; /* profiled over plain time - 1, without what reading the clock n_layers + 1
                        times is known to cost; NAN without a run */
    double residual; /* sum of the medians over the median total - 1; likewise */
} mop_layer_bounds;

/* Room for cap runs of n_layers layers. Release it, also after MOP_ENOMEM. */
mop_status mop_layer_series_init(mop_layer_series *t, size_t cap, size_t n_layers, mop_err *err);
void mop_layer_series_release(mop_layer_series *t); /* a zeroed one is fine */

/* Medians over the runs so far, which it sorts in place, each list by itself. clock_ns is what
 * reading the host's clock costs. */
mop_layer_bounds mop_layer_series_bounds(mop_layer_series *t, double clock_ns);

bool mop_layers_are_reliable(const mop_layer_bounds *b);

#endif
