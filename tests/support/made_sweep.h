/* Made-up sweeps whose ratios are known, for tests of comparisons. The names are those of real
 * variants; the times are a formula and measure nothing. */
#ifndef TESTS_SUPPORT_MADE_SWEEP_H
#define TESTS_SUPPORT_MADE_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

enum { MADE_VARIANTS = 3 };
/* cnn30 at 1 ms, mobilenetv2-1.0 at 2 ms, mobileone-s0 at 3 ms, each on the CPU with 1 thread. */
extern const char *const made_variants[MADE_VARIANTS];

typedef struct made_sweep {
    uint64_t seed;
    const char *started_utc;          /* NULL: "2026-01-31T12:00:00Z" */
    uint32_t passes;                  /* 0: 20 */
    double scale[MADE_VARIANTS];      /* times of each variant; 0: 1 */
    double drift;                     /* times of everything, the control loop too; 0: 1 */
    double noise;                     /* standard deviation of a pass on the log scale; 0: 0.001 */
    double aa_floor;                  /* 0: 0.003; NAN: none */
    bool has_no_fma;                  /* no control loop among the rows */
    const char *grade[MADE_VARIANTS]; /* NULL: "A" */
    const char *failed_control;       /* a control of this name that read 1.05 where 1.02 was due */
    const char *unread_control;       /* one that could not be read */
    const char *fails;                /* a variant that fails with "node 3 is NaN" */
    const char *dirty;                /* a variant none of whose samples is clean */
    const char *lacks;                /* a variant that is not in the plan */
    const char *device;               /* NULL: "Test processor" */
    const char *isa;                  /* NULL: "avx2" */
    const char *fingerprint;          /* NULL: "cpu=test;kernel=6.1;" */
    const char *plan_text;            /* NULL: "variants=all"; the hash is of it */
    int32_t shards;                   /* 0: 1 */
} made_sweep;

/* Adds the sweep to the database at path, which is made if absent. Returns its number; fails the
 * test where the store refuses. */
int64_t made_sweep_add(const char *path, const made_sweep *what);

#endif
