/* A store for sweep tests: keeps everything it is given and refuses what a real one would. */
#ifndef TESTS_SUPPORT_FAKE_SINK_H
#define TESTS_SUPPORT_FAKE_SINK_H

#include "profiler/measure/sweep.h"

enum { FAKE_ROWS = 32, FAKE_SAMPLES = 1 << 13, FAKE_CONTROLS = 32 };

typedef struct fake_sink {
    mop_sweep_record sweep;
    mop_device_record devices[8];
    mop_model_record models[FAKE_ROWS];
    size_t n_layers[FAKE_ROWS];
    char kernel_of_last_layer[FAKE_ROWS][48];
    mop_measurement_record rows[FAKE_ROWS];
    size_t n_devices, n_models, n_rows;
    mop_sample_record samples[FAKE_SAMPLES];
    size_t n_samples;
    mop_control_record controls[FAKE_CONTROLS];
    mop_worker_record workers[FAKE_CONTROLS];
    size_t n_controls, n_workers;
    double aa_floor;
    uint32_t n_passes, n_layer_runs, n_plans, n_finished, n_aborted;
    uint32_t layer_runs_of[FAKE_ROWS];
    bool is_planning, is_planned;
    uint32_t fail_pass; /* commit_pass number that fails, 1 the first; 0: none */
    bool fail_model;    /* put_model fails */
    mop_record_sink sink;
} fake_sink;

/* Starts empty. commit_pass fails the test's way (MOP_EFAIL) for a sample of a row that was never
 * checked, that failed, or that is not in the plan. */
void fake_sink_init(fake_sink *f);

#endif
