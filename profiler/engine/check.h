/* Truth: whether what a back end computed is what the operators mean.
 *
 * Three links make the chain from a timed plan to the float64 reference:
 * 1. node by node, each output of a keep-all plan is held to the operator's reference fed with the
 *    back end's own inputs and constants, under the operator's derived bound;
 * 2. the whole unfused network in float64 is held against the output, under the bound of
 *    mop_network_bound();
 * 3. the timed plan's output equals the keep-all plan's bit for bit.
 *
 * In another number type than float32 the back end says with precision() how finely node keeps its
 * values (kernels/dtype.h), and with hold() what it holds of the constants; link 1 becomes
 * - the input as the plan holds it is within s |x| + tiny of x, with s = stored;
 * - each constant as the plan holds it is within `constants` |w| + tiny of the model's, and nothing
 *   else of it is an error: the reference computes with the constants that are held;
 * - the sums are held to mop_sum_bound() with `sums`, `block` and `tiny` (or to the node's own
 *   bound() fed with what is held), then the epilogue as in float32; say b is that bound and y the
 *   reference, so that the value that is written lies within b of y and its rounding within
 *   s (|y| + b) + tiny of that: the output is within b + s (|y| + b) + tiny of y;
 * - with is_scaled, s (|y| + b) is s times its maximum over the tensor, and `constants` |w| the
 *   same over the elems / out.c constants of an output channel, which follow each other; both
 *   are 2^-22 larger then, because scales are float32;
 * - an infinity or NaN, in an output or in a constant that is held, fails as any wrong value does,
 *   and the sentence says what overflows: beyond `largest`. */
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

/* Relative 2-norm bound for a whole network. In float32: 8 u sum over operators of g sqrt(k + 2),
 * with u = 2^-24 and k its longest sum: independent roundings (Higham, Mary 2019) and layers that
 * keep variance, which the synthetic constants are drawn for.
 *
 * g is 1 where a kernel adds up the operator's own sums. A Winograd kernel rounds the products of
 * transformed values instead, which cancel on the way back, so its g is the ratio of the 2-norm
 * that the products have without cancellation, sum over points p of A_ip^2 |B_p|^2 |G_p|^2 for
 * independent inputs and weights of variance 1, to the 3 that the sum has along each direction:
 * g^2 = (mean over i of sum over p of A_ip^2 |B_p|^2 |G_p|^2 / 3)^2 over both directions.
 *
 * Another number type adds 8 sqrt(sum over operators and the input of s^2 + c^2 + (m + 2) a^2),
 * with s = stored, c = constants, a = sums and m the terms of a block: each value's and each
 * product's rounding is one more perturbation, of relative size s, c and sqrt(m + 2) a in the
 * 2-norm, and those of different layers are independent. With is_scaled, s and c are of the largest
 * value, which is about 4.5 root mean squares of many normal ones, and rounding to a fixed step
 * errs by half a step / sqrt(3) in the mean: 4.5 / sqrt(3) s. (All variants at 64x64 with their
 * values rounded to float16, and to 8 bits, in software: the error is at most 0.25 of this for
 * float16, most below 0.05, and 0.2 for 8 bits.) A kernel that rounds its inputs too, under a
 * bound() of its own, counts that in `constants`, in quadrature: of what was run so in 8 bits, the
 * furthest is repvgg-a0 at 32x32, whose error is 0.63 of the bound. Where it comes to 1 and more,
 * link 2 says next to nothing, and link 1 is what holds.
 *
 * plan, of graph on backend, says g and precision(); without a backend (NULL) it is 1 everywhere.
 */
double mop_network_bound(const mop_graph *graph, const mop_backend *backend, const mop_plan *plan);

/* Link 1 alone, for a plan made with keep_all that has run on `in`: fills worst_node and
 * worst_index of check, which is zeroed before. */
mop_status mop_check_nodes(const mop_backend *backend, mop_plan *plan, const mop_model *fused,
                           const float *in, mop_check *check, mop_err *err);

/* Links 1 to 3 for `fused` = fuse(model) on device. reference is mop_reference_run's output of the
 * unfused model, n elements. MOP_ECHECK with the node, element and values if a link does not hold,
 * also for a NaN; check is filled as far as the test came. plan, made by desc, is the
 * one that will be timed. */
mop_status mop_check_plan(const mop_backend *backend, mop_device *device, mop_plan *plan,
                          const mop_plan_desc *desc, const mop_model *fused, const float *in,
                          const double *reference, size_t n, mop_check *check, mop_err *err);

#endif
