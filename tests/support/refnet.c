#include "tests/support/refnet.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "profiler/engine/check.h"

double *refnet_run(const mop_model *model, uint64_t seed, size_t *n)
{
    const mop_node *nodes = model->graph->nodes;
    mop_shape s = nodes[0].inst.out;
    float *in = malloc((size_t)mop_shape_elems(s) * sizeof *in);
    mop_err err = {0};
    double *out;
    *n = (size_t)mop_shape_elems(nodes[model->graph->n_nodes - 1].inst.out);
    out = malloc(*n * sizeof *out);
    assert_non_null(in);
    assert_non_null(out);
    mop_standard_input(s, seed, in);
    if (mop_reference_run(model, in, out, *n, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    free(in);
    return out;
}

double refnet_distance(const double *a, const double *b, size_t n)
{
    double diff = 0.0, norm = 0.0;
    for (size_t i = 0; i < n; i++) {
        diff += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
    }
    return sqrt(diff / norm);
}

double refnet_rms(const double *a, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * a[i];
    return sqrt(sum / (double)n);
}
