/* A whole network in float64 on the standard input, and distances between outputs. */
#ifndef TESTS_SUPPORT_REFNET_H
#define TESTS_SUPPORT_REFNET_H

#include "variants/model.h"

/* Output of model for the standard input of `seed`; *n elements, free() it. Fails the test if it
 * cannot run. */
double *refnet_run(const mop_model *model, uint64_t seed, size_t *n);

/* ||a - b||_2 / ||b||_2; NaN if any value is. */
double refnet_distance(const double *a, const double *b, size_t n);

/* Root of the mean square. */
double refnet_rms(const double *a, size_t n);

#endif
