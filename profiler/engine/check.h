/* Truth: whether what a back end computed is what the operators mean.
 *
 * Three links make the chain from a timed plan to the float64 reference:
 * 1. node by node, each output of a keep-all plan is held to the operator's reference fed with the
 *    back end's own inputs, under the operator's derived bound;
 * 2. the whole unfused network in float64 is held against the output, under the bound of
 *    mop_network_bound();
 * 3. the timed plan's output equals the keep-all plan's bit for bit. */
#ifndef PROFILER_ENGINE_CHECK_H
#define PROFILER_ENGINE_CHECK_H

#include "profiler/engine/backend.h"

typedef struct mop_check {
    double worst_node;    /* largest |error| / bound over all nodes and elements; <= 1 passes */
    uint32_t worst_index; /* that node in the fused graph */
    double end_to_end;    /* ||y - ref||_2 / ||ref||_2 of the output */
    double end_bound;     /* what it is held to */
    uint64_t checksum;    /* mop_hash of the output's bytes */
} mop_check;

/* Runs model (unfused, with its constants) in float64 and writes the output node to out[n]. `in` is
 * NHWC. */
mop_status mop_reference_run(const mop_model *model, const float *in, double *out, size_t n,
                             mop_err *err);

/* Relative 2-norm bound for a whole network in float32: 8 u sum over operators of g sqrt(k + 2),
 * with u = 2^-24 and k its longest sum: independent roundings (Higham, Mary 2019) and layers that
 * keep variance, which the synthetic constants are drawn for.
 *
 * g is 1 where a kernel adds up the operator's own sums. A Winograd kernel rounds the products of
 * transformed values instead, which cancel on the way back, so its g is the ratio of the 2-norm
 * that the products have without cancellation, sum over points p of A_ip^2 |B_p|^2 |G_p|^2 for
 * independent inputs and weights of variance 1, to the 3 that the sum has along each direction:
 * g^2 = (mean over i of sum over p of A_ip^2 |B_p|^2 |G_p|^2 / 3)^2 over both directions.
 *
 * plan, of graph on backend, says g; without a backend (NULL) it is 1 everywhere. */
double mop_network_bound(const mop_graph *graph, const mop_backend *backend, const mop_plan *plan);

/* Links 1 to 3 for `fused` = fuse(model) on device. reference is mop_reference_run's output of the
 * unfused model, n elements. MOP_ECHECK with the node, element and values if a link does not hold,
 * also for a NaN; check is filled as far as the test came. plan, made by desc, is the
 * one that will be timed. */
mop_status mop_check_plan(const mop_backend *backend, mop_device *device, mop_plan *plan,
                          const mop_plan_desc *desc, const mop_model *fused, const float *in,
                          const double *reference, size_t n, mop_check *check, mop_err *err);

#endif
