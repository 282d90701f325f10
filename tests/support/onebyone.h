/* Small networks written down node by node, and the check that each node of a back end's run is
 * what the operator's float64 reference makes of the back end's own inputs. */
#ifndef TESTS_SUPPORT_ONEBYONE_H
#define TESTS_SUPPORT_ONEBYONE_H

#include "profiler/engine/backend.h"

enum { OBO_NODES = 8 };

typedef struct obo_net {
    mop_node nodes[OBO_NODES];
    mop_graph graph;
    float *w[OBO_NODES * MOP_MAX_WEIGHTS];
    mop_model model;
    uint64_t seed;
} obo_net;

/* A network of one input; constants and the input are drawn from seed. obo_free when done. */
void obo_init(obo_net *net, mop_shape input, uint64_t seed);

/* Appends op over in[0..n_in) and draws its constants; fails the test if the operator refuses. */
uint32_t obo_add(obo_net *net, mop_op op, const mop_params *params, const uint32_t *in,
                 uint32_t n_in);
void obo_free(obo_net *net);

/* The standard input, NHWC; free() it. */
float *obo_input(const obo_net *net);

/* Plans with keep_all, runs once, and returns the largest |error| / bound over all elements of all
 * nodes (infinity for a NaN), read back one by one (mop_check_nodes). Also checks that run()
 * delivered the last node. A plan or run that fails, fails the test. */
double obo_worst_as(const mop_backend *backend, mop_device *device, const mop_model *model,
                    mop_dtype dtype, const float *in);

/* The same in float32. */
double obo_worst(const mop_backend *backend, mop_device *device, const mop_model *model,
                 const float *in);

#endif
