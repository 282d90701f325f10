/* A back end for tests: computes with the float64 operators, rounds to float32, and goes wrong
 * exactly where it is told to. Its time is whatever the test's clock is moved by. */
#ifndef TESTS_SUPPORT_FAKE_BACKEND_H
#define TESTS_SUPPORT_FAKE_BACKEND_H

#include "profiler/engine/backend.h"

typedef enum fake_fault {
    FAKE_NONE,
    FAKE_TWICE_BOUND, /* the largest element of fault_node is off by twice its bound */
    FAKE_NAN,         /* element 3 of fault_node is not a number */
    FAKE_ARENA,       /* the timed plan alone has one wrong output value */
    FAKE_ROUNDING,    /* each output of fault_node is rounded by twice what is right */
    FAKE_CONSTANTS    /* constants are truncated, not rounded to nearest */
} fake_fault;

/* Behaviour of both fake back ends; a test sets it before it opens a device. */
typedef struct fake_config {
    fake_fault fault;
    uint32_t fault_node;
    int32_t fault_height; /* the fault strikes networks of this input height only; 0: all */
    bool is_absent[2];    /* open: MOP_ENODEV */
    bool has_no_profile;  /* a profiled run is MOP_EUNSUPPORTED */
    uint64_t *now_ns;     /* moved by run_ns each run; may be NULL */
    uint64_t run_ns;
    uint64_t copy_ns;     /* a second timed plan of a network on a device takes this much longer */
    uint64_t jitter_ns;   /* a run takes up to 15 times this much longer, as its number says */
    uint64_t profiled_ns; /* a profiled run takes this much longer */
    uint64_t layer_ns;    /* of each layer in a profiled run; 0: layer i takes i ns */
    uint64_t question_ns; /* the first question for device time takes this long; 0: no such time */
    uint32_t lost_at_run; /* plain run of a plan that reports MOP_ELOST, 1 the first; 0: never */
    int32_t lost_height;  /* for networks of this input height only; 0: all */
    /* out: what happened */
    uint32_t opened, closed, planned, freed, runs, profiled, questions;
} fake_config;

extern fake_config fake; /* tests are single-threaded programs */

/* "fake-a", which heeds every setting and runs every number type but fp16 (int8 with constants of
 * convolutions and fully connected layers and all outputs in 8 bits, rounded in software), and
 * "fake-b", which heeds the graph alone. */
extern const mop_backend fake_backend_a, fake_backend_b;

const mop_backend *fake_backend_find(const char *id, mop_err *err);

#endif
