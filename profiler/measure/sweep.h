/* A sweep: the product of variants, batch sizes, back ends, thread counts and settings, planned,
 * checked against the reference, measured by the protocol and handed to a store, without printing
 * anything.
 */
#ifndef PROFILER_MEASURE_SWEEP_H
#define PROFILER_MEASURE_SWEEP_H

#include <stdatomic.h>

#include "db/record.h"
#include "profiler/base/clock.h"
#include "profiler/engine/backend.h"
#include "profiler/measure/canary.h"
#include "profiler/measure/counters.h"
#include "profiler/measure/machine.h"
#include "profiler/measure/setting.h"

/* 8 minutes: what a sweep may take, preparation included, where no budget is given. */
#define MOP_SWEEP_BUDGET_NS UINT64_C(480000000000)

typedef struct mop_sweep_options {
    const char *const *specs; /* canonical spellings (mop_specs_expand) */
    size_t n_specs;
    const char *const *backends; /* ids */
    size_t n_backends;
    bool backends_named; /* the user named them: an absent device is a failure, not a remark */
    const int *threads;
    size_t n_threads;
    const int32_t *batches;
    size_t n_batches;
    const char *device; /* selector for every back end; NULL: its default */
    unsigned isa_mask;
    const char *tuning;          /* mop_device_choice */
    const char *vulkan;          /* likewise */
    const char *pipeline_cache;  /* likewise */
    const mop_setting *settings; /* every row once in each that differs where it runs; n_settings 0:
                                    MOP_SETTING_DEFAULT */
    size_t n_settings;
    const char *baseline;   /* canonical spec that ratios are taken to; NULL: the first of the plan
                               that is mobileone-s0, else the first */
    uint32_t shard, shards; /* part `shard` (1 the first) of `shards` of the plan's networks
                               (variant, batch), every shards-th of them, and the baseline in each;
                               0 of 0: all. All parts have the same plan_text; plan_hash is of the
                               part, so that a part resumes itself and no other */
    uint64_t seed;
    double precision;    /* 0: the protocol's default */
    uint32_t max_passes; /* 0: the protocol's default */
    uint64_t budget_ns;  /* 0: MOP_SWEEP_BUDGET_NS */
    bool resume;  /* go on with the newest unfinished sweep of the same plan, if there is one */
    bool dry_run; /* plan and estimate only; the sink is not touched */
    char started_utc[24]; /* "2026-01-31T12:00:00Z" */
    char build_id[64];
} mop_sweep_options;

/* One row of the plan and where it stands. Texts are borrowed from the sweep and live as long as
 * the callback. */
typedef struct mop_sweep_row {
    const char *variant, *family, *form, *backend, *device;
    bool is_software; /* the device is a CPU pretending to be a GPU */
    int threads;
    int32_t batch;
    int64_t params, macs, flops, activations;
    double peak_flops;  /* of one core of this machine, measured; 0 if unknown */
    double estimate_ns; /* planned: one inference, guessed from MACs; 0 if there is no peak to guess
                           by */
    mop_measurement_record record; /* state, reason, check, set-up */
    uint32_t passes, n, n_clean;
    double median_ns, low_ns, high_ns; /* running estimate, an inference; NAN before there is one */
    bool is_control;                   /* a row of controls.h, never one of the plan */
    bool is_satisfied; /* the interval is as narrow as asked for, over enough passes and samples */
    double ratio, ratio_low, ratio_high; /* to the baseline on the same device in the same setting;
                                            NAN likewise */
} mop_sweep_row;

/* Progress, all optional; rows are those of the plan, without controls. Never called inside a pass
 * except interrupted, which is called between visits. */
typedef struct mop_sweep_events {
    /* A remark for the user, one sentence: a back end that is not here, a limit that was met. */
    void (*note)(void *ctx, const char *sentence);
    void (*planned)(void *ctx, const mop_sweep_row *row, size_t index, size_t n_rows);
    /* A row was checked and is ready (state pending), or failed or was skipped with its reason. */
    void (*prepared)(void *ctx, const mop_sweep_row *row, size_t index, size_t n_rows);
    /* A pass is stored. eta_ns: what is left of the passes. */
    void (*pass_done)(void *ctx, uint32_t passes, uint32_t satisfied, uint64_t eta_ns,
                      const mop_sweep_row *rows, size_t n_rows);
    /* Everything that will be stored is stored. */
    void (*finished)(void *ctx, const mop_sweep_row *rows, size_t n_rows);
    bool (*interrupted)(void *ctx);
    void *ctx;
} mop_sweep_events;

/* What an unfinished sweep left in the store. Both arrays are malloc'ed; the sweep frees them.
 * `measurements` are all rows of that sweep, in the order in which they were put. */
typedef struct mop_sweep_history {
    int64_t sweep_id; /* 0: there is none */
    uint64_t seed;
    mop_measurement_record *measurements;
    size_t n_measurements;
    mop_sample_record *samples;
    size_t n_samples;
    uint32_t next_pass;
    uint32_t next_worker; /* one past the last worker process stored */
} mop_sweep_history;

/* The store as a sweep sees it: the functions of db/store.h of the same names, with ctx for the
 * store. None may be NULL. */
typedef struct mop_record_sink {
    mop_status (*begin_plan)(void *ctx, const mop_sweep_record *sweep, int64_t *sweep_id,
                             mop_err *err);
    mop_status (*put_device)(void *ctx, const mop_device_record *device, int64_t *id, mop_err *err);
    mop_status (*put_model)(void *ctx, const mop_model_record *model,
                            const mop_layer_record *layers, size_t n_layers, int64_t *id,
                            mop_err *err);
    mop_status (*put_measurement)(void *ctx, int64_t sweep_id, mop_measurement_record *m,
                                  mop_err *err);
    mop_status (*commit_plan)(void *ctx, mop_err *err);
    mop_status (*complete_model)(void *ctx, int64_t measurement_id, const mop_model_record *model,
                                 const mop_layer_record *layers, size_t n_layers, mop_err *err);
    void (*abort_plan)(void *ctx);
    mop_status (*update_measurement)(void *ctx, const mop_measurement_record *m, mop_err *err);
    mop_status (*commit_pass)(void *ctx, int64_t sweep_id, const mop_pass_record *pass,
                              mop_err *err);
    mop_status (*put_layer_times)(void *ctx, int64_t measurement_id, uint32_t pass,
                                  const mop_layer_times *times, mop_err *err);
    mop_status (*put_control)(void *ctx, int64_t sweep_id, const mop_control_record *control,
                              mop_err *err);
    mop_status (*put_worker)(void *ctx, int64_t sweep_id, const mop_worker_record *worker,
                             mop_err *err);
    mop_status (*finish_sweep)(void *ctx, int64_t sweep_id, double aa_floor, mop_err *err);
    mop_status (*resume)(void *ctx, uint64_t plan_hash, mop_sweep_history *out, mop_err *err);
    void *ctx;
} mop_record_sink;

/* Work of a known amount for the controls. Comes in as an argument, so a test can script it. */
typedef struct mop_control_loop {
    float (*run)(void *ctx, int64_t rounds); /* never fails; NULL: a sweep has no controls */
    void *ctx;
    double flops_per_round;
} mop_control_loop;

/* What a sweep stands on, so that a test can replace it. */
typedef struct mop_sweep_world {
    mop_clock clock;
    mop_counters counters;
    mop_canary canary;   /* zeroed: none */
    mop_machine machine; /* zeroed: says nothing */
    mop_control_loop loop;
    const mop_backend *(*find_backend)(const char *id, mop_err *err);
    double peak_flops;     /* measured FMA peak of one core; 0 if unknown */
    uint64_t memory_bytes; /* available; plans may take half of it; 0: not limited */
    char fingerprint[512]; /* mop_environment_fingerprint */
    char environment[512]; /* mop_environment_state */
} mop_sweep_world;

/* The real clock, counters, canaries, machine, back ends, memory, fingerprint and measured peak of
 * this machine (takes about a second). The counters are those of the calling thread, which must be
 * the one that sweeps. Ends with mop_sweep_world_release(). MOP_ENOMEM. */
mop_status mop_sweep_world_real(mop_sweep_world *world, mop_err *err);
void mop_sweep_world_release(mop_sweep_world *world); /* of a real one; once */

typedef struct mop_sweep_outcome {
    int64_t sweep_id; /* 0 after a dry run */
    size_t n_rows, n_done, n_failed, n_skipped, n_pending;
    uint32_t n_unsatisfied;                 /* done, but with an interval wider than asked for */
    uint32_t n_controls, n_controls_failed; /* rows of the plan and controls are counted apart */
    double aa_floor;                        /* NAN: unknown */
    uint64_t elapsed_ns;
    uint64_t estimate_ns; /* dry run: the whole sweep; 0 if unknown */
    bool is_resumed;
    uint64_t setup_ns;  /* what a next process will need to set up */
    uint32_t block_end; /* the network after the last that this part holds */
    bool has_more;      /* the networks from block_end on did not fit beside those: another block */
} mop_sweep_outcome;

/* What a worker process is doing, for whoever looks from outside: plain stores into shared memory,
 * never a system call. */
typedef enum mop_work { MOP_WORK_OTHER, MOP_WORK_PREPARE, MOP_WORK_RUN, MOP_WORK_PROFILE } mop_work;

typedef struct mop_work_page {
    _Atomic uint64_t beat;       /* grows with each sign of life */
    _Atomic uint64_t where;      /* mop_work << 32 | row */
    _Atomic uint64_t block;      /* has_more << 32 | block_end of mop_sweep_outcome; 0 before */
    _Atomic uint32_t is_stopped; /* written from outside: the user asked to stop */
} mop_work_page;

/* A row that must not be touched, because it cost a worker its life before the plan was stored. */
typedef struct mop_dead_row {
    uint32_t row;
    char reason[256];
} mop_dead_row;

/* One process's part of a sweep. A sweep that is done in one process is share 0 of 1. */
typedef struct mop_sweep_part {
    uint32_t worker;        /* number of the process, stored with its passes */
    uint32_t share, shares; /* mop_protocol_input; the last share profiles and closes */
    uint64_t origin_ns;     /* when the sweep began on the world's clock; 0: now */
    uint64_t setup_ns;      /* what setting up all rows takes without the float64 reference, as an
                               earlier worker saw it; 0: unknown */
    /* Networks from..to-1 (0: as many as half the memory holds) and the baseline are measured; the
     * others wait for another block. */
    uint32_t from, to;
    bool has_more; /* with `to`: another block comes after this one */
    bool goes_on;  /* an earlier process of this very sweep stored the plan and checked its rows:
                      a row that it checked needs only give the same bits again */
    const mop_dead_row *dead;
    size_t n_dead;
    mop_work_page *page; /* NULL: nobody looks. With a page, a lost device ends the process */
} mop_sweep_part;

/* Plans, checks, measures and stores. MOP_OK with failed rows counted in outcome: each of them says
 * why. MOP_ENODEV before anything is written if a named back end has no device; MOP_EINTR after an
 * interrupt with every finished pass stored, the rest pending; MOP_EINVAL for an empty product; a
 * failure of the sink as it came. No sample is stored for a row whose output was not checked. */
mop_status mop_sweep_run(const mop_sweep_options *options, const mop_sweep_world *world,
                         const mop_record_sink *sink, const mop_sweep_events *events,
                         mop_sweep_outcome *outcome, mop_err *err);

/* The same for one part. Only the last share of the last block concludes rows and closes the sweep;
 * MOP_ELOST, with the row in part->page and its reason in err, if a device was lost. */
mop_status mop_sweep_run_part(const mop_sweep_options *options, const mop_sweep_world *world,
                              const mop_record_sink *sink, const mop_sweep_events *events,
                              const mop_sweep_part *part, mop_sweep_outcome *outcome, mop_err *err);

#endif
