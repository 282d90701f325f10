/* What the parts of a sweep share: devices, networks, rows. Not for other rooms. */
#ifndef PROFILER_MEASURE_SWEEP_INTERNAL_H
#define PROFILER_MEASURE_SWEEP_INTERNAL_H

#include "profiler/base/str.h"
#include "profiler/measure/cold.h"
#include "profiler/measure/protocol.h"
#include "profiler/measure/sweep.h"
#include "variants/variant.h"

#define MOP_NO_ROW SIZE_MAX

/* One open handle: a back end with a number of threads. */
typedef struct sweep_device {
    const mop_backend *backend; /* NULL: the host, which runs nothing but loops of controls.h */
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
    /* By the fusions of MOP_FUSE_GRAPH; NULL until a row with them is prepared. Plans borrow the
     * graph. */
    mop_model *fused[MOP_FUSE_GRAPH + 1];
    float *input; /* NULL until prepared */
    size_t n_out;
} sweep_network;

/* The private half of a row. */
typedef struct sweep_cell {
    sweep_device *device;
    sweep_network *network; /* NULL: a loop of controls.h */
    mop_setting setting;    /* what its back end heeds of it */
    size_t against;         /* row that its ratio is taken to: the baseline's in the same setting,
                               what a control is held against, itself; MOP_NO_ROW: none */
    mop_cold *cold;         /* what empties the caches before a run; NULL: hot */
    const mop_control_loop *loop; /* with its rounds; NULL: a network */
    int64_t rounds;
    mop_plan *plan; /* NULL: not to be measured (a loop has none) */
    float *out;
    bool has_run; /* out holds the output of the latest run */
    struct sweep *owner;
    uint32_t row; /* index of the row */
    char device_name[128];
} sweep_cell;

/* Samples that controls are judged by. */
typedef struct mop_sweep_samples {
    const mop_sample_record *items;
    size_t n;
} mop_sweep_samples;

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
    /* [n_rows]: n_plain rows of the plan, those of a network together, then the controls. A
     * network's rows are found by their cell, see mop_sweep_row_of. */
    mop_sweep_row *rows;
    sweep_cell *cells; /* likewise */
    size_t n_plain, n_rows;

    const char *baseline_option; /* that of options->specs that ratios are taken to */
    char baseline[MOP_SPEC_MAX]; /* its canonical spelling */
    sweep_device host;           /* where the loops of controls.h run */
    mop_cold cold;               /* open if a row is cold */
    double aa_floor;             /* NAN until the controls are judged */
    mop_sample_record *watched;
    size_t n_watched, cap_watched;
    bool told_unlocked; /* the user knows that memory could not be locked */
} sweep;

/* Passes a sentence to the user. */
void mop_sweep_note(const sweep *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Passes on what a device has to say (mop_backend.remark). */
void mop_sweep_tell_remark(const sweep *s, const sweep_device *d);
bool mop_sweep_interrupted(const sweep *s);
uint64_t mop_sweep_elapsed(const sweep *s);
/* Tells the page what is being done with row i. Plain stores. */
void mop_sweep_mark(mop_work_page *page, mop_work work, uint32_t row);
bool mop_sweep_is_last_share(const sweep *s);
/* Keeps the first loss of a device, which ends this process if it is a worker. */
void mop_sweep_lose(sweep *s, const mop_err *err);

/* sweep_devices.c. */
mop_status mop_sweep_open_devices(sweep *s, mop_err *err);
void mop_sweep_close_devices(sweep *s); /* once, also after a failure */
/* Whether d cannot be measured in setting, with the reason. */
bool mop_sweep_is_beyond(const sweep_device *d, const mop_setting *setting, mop_err *why);

/* sweep_rows.c: from options to rows. Everything is released by mop_sweep_release. */
mop_status mop_sweep_build_rows(sweep *s, mop_err *err);
void mop_sweep_estimate(sweep *s);
/* Row i as the plan of network n on device d, or as a loop of controls.h. */
void mop_sweep_build_row(sweep *s, size_t i, sweep_network *n, sweep_device *d,
                         const mop_setting *setting);
void mop_sweep_build_loop(sweep *s, size_t i, const char *name, int64_t rounds);
mop_status mop_sweep_name_plan(sweep *s, mop_err *err);
void mop_sweep_release(sweep *s);

/* The first row of network k from row `from` on, copies for controls included; n_rows if there is
 * no more. */
size_t mop_sweep_row_of(const sweep *s, size_t k, size_t from);
/* Whether ratios are taken to network k, so that each block needs it. */
bool mop_sweep_is_baseline(const sweep *s, size_t k);
/* Where row i's plan starts in its page (mop_plan_desc), drawn for each worker process anew. */
size_t mop_sweep_offset(const sweep *s, uint32_t worker, size_t row);
/* Tells the user once if the memory of a plan could not be locked. */
void mop_sweep_tell_memory(sweep *s, const mop_plan_info *info);
/* The network of a row as its plan runs it; NULL until prepared. */
mop_model *mop_sweep_model(const sweep_cell *c);
/* Outputs of what a row runs. */
size_t mop_sweep_outputs(const sweep_cell *c);

/* sweep_prepare.c: from rows to checked plans. MOP_EINTR if the user stopped it; a row that fails
 * says so in its record. */
mop_status mop_sweep_prepare(sweep *s, mop_err *err);

/* sweep_store.c: the plan into the sink, or the sink's unfinished sweep into the rows. */
mop_status mop_sweep_store_plan(sweep *s, mop_err *err);
mop_status mop_sweep_load_plan(sweep *s, mop_err *err);
/* Layers for the rows of a resumed sweep whose network was not prepared when it was planned. */
mop_status mop_sweep_complete_models(sweep *s, mop_err *err);
mop_status mop_sweep_update_rows(sweep *s, mop_err *err);

/* sweep_grade.c: the grade of every row that has samples, once the controls are judged. */
mop_status mop_sweep_grade(sweep *s, mop_err *err);

/* sweep_measure.c: passes over the rows that have a plan; sweep_profile.c: profiled runs. */
mop_status mop_sweep_measure(sweep *s, mop_err *err);
mop_status mop_sweep_profile(sweep *s, mop_err *err);

#endif
