/* What the parts of a sweep share: devices, networks, rows. Not for other rooms. */
#ifndef PROFILER_MEASURE_SWEEP_INTERNAL_H
#define PROFILER_MEASURE_SWEEP_INTERNAL_H

#include "profiler/base/str.h"
#include "profiler/measure/protocol.h"
#include "profiler/measure/sweep.h"
#include "variants/variant.h"

/* One open handle: a back end with a number of threads. */
typedef struct sweep_device {
    const mop_backend *backend;
    mop_device *handle;
    mop_device_info info;
    int64_t id; /* row in the store */
} sweep_device;

/* One (variant, batch): its rows share input and reference. */
typedef struct sweep_network {
    mop_spec spec;
    int32_t batch;
    uint64_t hash; /* of the unfused graph */
    mop_graph_counts counts;
    mop_model *fused; /* NULL until prepared; plans borrow its graph */
    float *input;
    size_t n_out;
} sweep_network;

/* The private half of a row. */
typedef struct sweep_cell {
    sweep_device *device;
    sweep_network *network;
    mop_plan *plan; /* NULL: not to be measured */
    float *out;
    bool has_run; /* out holds the output of the latest run */
    struct sweep *owner;
    uint32_t row; /* index of the row */
    char device_name[128];
} sweep_cell;

typedef struct sweep {
    const mop_sweep_options *options;
    const mop_sweep_world *world;
    const mop_record_sink *sink;
    const mop_sweep_events *events;
    const mop_sweep_part *part;
    mop_sweep_outcome *outcome;
    mop_err lost; /* code MOP_ELOST: this process has lost a device and must end */
    mop_protocol protocol;
    uint64_t began_ns, budget_ns, plan_bytes;
    uint64_t plan_hash;
    mop_str plan_text;
    int64_t sweep_id;
    uint32_t first_pass;
    mop_sweep_history history;

    sweep_device *devices;
    size_t n_devices;
    sweep_network *networks;
    size_t n_networks;
    mop_sweep_row *rows; /* [n_networks * n_devices], the devices of a network together */
    sweep_cell *cells;   /* likewise */
    size_t n_rows;
} sweep;

/* Passes a sentence to the user. */
void mop_sweep_note(const sweep *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool mop_sweep_interrupted(const sweep *s);
uint64_t mop_sweep_elapsed(const sweep *s);
/* Tells the page what is being done with row i. Plain stores. */
void mop_sweep_mark(mop_work_page *page, mop_work work, uint32_t row);
bool mop_sweep_is_last_share(const sweep *s);
/* Whether ratios are taken to network k, so that each block needs it. */
bool mop_sweep_is_baseline(const sweep *s, size_t k);
/* Keeps the first loss of a device, which ends this process if it is a worker. */
void mop_sweep_lose(sweep *s, const mop_err *err);

/* sweep_rows.c: from options to rows. Everything is released by mop_sweep_release. */
mop_status mop_sweep_open_devices(sweep *s, mop_err *err);
mop_status mop_sweep_build_rows(sweep *s, mop_err *err);
void mop_sweep_estimate(sweep *s);
mop_status mop_sweep_name_plan(sweep *s, mop_err *err);
void mop_sweep_release(sweep *s);

/* sweep_prepare.c: from rows to checked plans. MOP_EINTR if the user stopped it; a row that fails
 * says so in its record. */
mop_status mop_sweep_prepare(sweep *s, mop_err *err);

/* sweep_store.c: the plan into the sink, or the sink's unfinished sweep into the rows. */
mop_status mop_sweep_store_plan(sweep *s, mop_err *err);
mop_status mop_sweep_load_plan(sweep *s, mop_err *err);
/* Layers for the rows of a resumed sweep whose network was not prepared when it was planned. */
mop_status mop_sweep_complete_models(sweep *s, mop_err *err);
mop_status mop_sweep_update_rows(sweep *s, mop_err *err);

/* sweep_measure.c: passes and profiled runs over the rows that have a plan. */
mop_status mop_sweep_measure(sweep *s, mop_err *err);
mop_status mop_sweep_profile(sweep *s, mop_err *err);

#endif
