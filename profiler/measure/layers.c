#include "profiler/measure/layers.h"

#include <math.h>
#include <stdlib.h>

#include "profiler/base/alloc.h"
#include "profiler/base/stats.h"

mop_status mop_layer_series_init(mop_layer_series *t, size_t cap, size_t n_layers, mop_err *err)
{
    size_t cells;
    *t = (mop_layer_series){.cap = cap, .n_layers = n_layers};
    if (!mop_mul_size(cap, n_layers, &cells))
        return mop_fail(err, MOP_ENOMEM, "out of memory: %zu runs of %zu layers", cap, n_layers);
    t->plain = mop_calloc(cap, sizeof *t->plain, err);
    t->profiled = mop_calloc(cap, sizeof *t->profiled, err);
    t->total = mop_calloc(cap, sizeof *t->total, err);
    t->layer = mop_calloc(cells, sizeof *t->layer, err);
    return t->plain != NULL && t->profiled != NULL && t->total != NULL && t->layer != NULL
               ? MOP_OK
               : MOP_ENOMEM;
}

void mop_layer_series_release(mop_layer_series *t)
{
    free(t->plain);
    free(t->profiled);
    free(t->total);
    free(t->layer);
    *t = (mop_layer_series){0};
}

static double median(double *x, size_t n)
{
    mop_sort_f64(x, n);
    return n > 0 ? mop_quantile(x, n, 0.5) : (double)NAN;
}

mop_layer_bounds mop_layer_series_bounds(mop_layer_series *t, double clock_ns)
{
    double readings = t->is_host_clock ? (double)(t->n_layers + 1) : 0;
    double sum = 0;
    for (size_t i = 0; i < t->n_layers; i++)
        sum += median(t->layer + i * t->cap, t->runs);
    return (mop_layer_bounds){
        .overhead =
            (median(t->profiled, t->runs) - readings * clock_ns) / median(t->plain, t->runs) - 1,
        .residual = sum / median(t->total, t->runs) - 1};
}

bool mop_layers_are_reliable(const mop_layer_bounds *b)
{
    return b->overhead <= MOP_LAYER_OVERHEAD && fabs(b->residual) <= MOP_LAYER_RESIDUAL;
}
