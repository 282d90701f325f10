/* The run record as plain data: the profiler fills it, the store keeps it, reports read it. Times
 * are integer nanoseconds; a value the machine does not offer is MOP_ABSENT, not zero. */
#ifndef DB_RECORD_H
#define DB_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOP_ABSENT INT64_MIN

typedef enum mop_state { MOP_PENDING, MOP_DONE, MOP_FAILED, MOP_SKIPPED } mop_state;

typedef enum mop_stop_reason {
    MOP_STOP_NONE,      /* still running or never run */
    MOP_STOP_PRECISION, /* the interval is as narrow as asked for */
    MOP_STOP_PASSES,    /* the largest number of passes was reached */
    MOP_STOP_BUDGET,    /* the time was spent */
    MOP_STOP_INTERRUPT, /* the user stopped it; resume goes on */
    MOP_STOP_FAILED     /* a run failed; see the measurement's reason */
} mop_stop_reason;

/* Causes that make a sample unclean; a union of bits. 0 is clean. Append only. */
typedef enum mop_flag {
    MOP_FLAG_PREEMPTED = 1 << 0,
    MOP_FLAG_OFF_CPU = 1 << 1,
    MOP_FLAG_PAGE_FAULT = 1 << 2,
    MOP_FLAG_MIGRATED = 1 << 3,
    MOP_FLAG_CANARY = 1 << 4,
    MOP_FLAG_STEAL = 1 << 5,
    MOP_FLAG_THROTTLED = 1 << 6,
    MOP_FLAG_CLOCK = 1 << 7 /* the clock went backwards or stood still */
} mop_flag;

typedef struct mop_device_record {
    char backend[16]; /* "cpu", "vulkan" */
    char name[128], type[16], driver[128], uuid[40], isa[16];
    bool is_software;
    double peak_flops;     /* measured FMA peak of one core in FLOP/s; 0 if unknown */
    char fingerprint[512]; /* CPU, kernel, compiler ...: one "key=value;" text */
} mop_device_record;

typedef struct mop_layer_record {
    int32_t index;
    char name[48], op[16], kernel[48], act[16];
    int32_t out_h, out_w, out_c;
    int64_t params, macs, elementwise, bytes;
} mop_layer_record;

typedef struct mop_model_record {
    uint64_t graph_hash;
    char variant[96], family[24], form[8];
    int32_t height, width, batch;
    int64_t params, macs, flops, elementwise, activations, bytes;
    int32_t ops, depth;
} mop_model_record;

typedef struct mop_sweep_record {
    char started_utc[24]; /* "2026-01-31T12:00:00Z" */
    uint64_t seed;
    char
        plan_text[4096]; /* canonical text of what was asked for; its hash is the plan's identity */
    uint64_t plan_hash;
    char build_id[64], protocol[512];
    char uuid[64];         /* what merge knows the sweep by; "": the store makes one up */
    char kind[16];         /* "sweep" or "calibration" */
    int32_t shard, shards; /* this is part `shard` of `shards`, 1 of 1 without sharding */
    char baseline[96];     /* variant that ratios are taken to; "": none */
    char environment[512]; /* volatile state at the start: load, temperature, uptime */
    int64_t clock_cost_ns, clock_step_ns;
    double aa_floor; /* NAN until the sweep ends: ratios closer to 1 than this mean nothing */
} mop_sweep_record;

/* One cell of the plan: a model on a device in one setting. */
typedef struct mop_measurement_record {
    int64_t id; /* out: row id */
    int64_t model_id, device_id;
    char dtype[8]; /* "fp32" */
    char cache[8]; /* "hot" */
    int32_t threads, batch;
    mop_state state;
    mop_stop_reason stop;
    char reason[256]; /* why it failed or was skipped; "" otherwise */
    uint64_t checksum;
    double error, error_bound; /* end to end, relative 2-norm */
    double node_error;         /* worst node error over its bound */
    int64_t setup_ns, first_run_ns, arena_bytes, weight_bytes;
    char grade[2];         /* "A".."C", "X"; "" before the sweep ends */
    char alias[16];        /* "" or which control this row is: "aa", "fma", "linear" */
    double layer_overhead; /* profiled over plain time - 1; NAN where no layer was timed */
    double layer_residual; /* sum of layer medians over the median total - 1; likewise */
    char fuse[24];         /* "none", "all" or what was fused: "bn+act+add" */
    char winograd[8];      /* "auto", or "off": every convolution as a direct sum */
} mop_measurement_record;

typedef struct mop_sample_record {
    int64_t measurement_id;
    uint32_t pass, run; /* run 0 is the first timed one */
    uint32_t batched;   /* k inferences inside this sample; wall_ns is the whole sample's */
    int64_t wall_ns;
    int64_t device_ns; /* MOP_ABSENT on the CPU */
    int64_t cpu_ns;    /* thread CPU time; MOP_ABSENT where unknown */
    int64_t vol_switches, invol_switches, minor_faults, major_faults;
    uint32_t flags;
    int64_t run_delay_ns;          /* runnable but waiting for a CPU, all threads together */
    int64_t cpu_before, cpu_after; /* where the measuring thread ran */
} mop_sample_record;

/* One visit of a pass. */
typedef struct mop_visit_record {
    int64_t measurement_id;
    uint32_t pass, position;                 /* place in the pass's order */
    int64_t canary_cpu_ns, canary_memory_ns; /* before the visit */
} mop_visit_record;

/* What the machine says is over the pass; MOP_ABSENT where it does not say. */
typedef struct mop_pass_record {
    uint32_t pass;
    int64_t began_ns, ended_ns;              /* since the sweep began */
    int64_t worker;                          /* process that did the pass */
    int64_t canary_cpu_ns, canary_memory_ns; /* medians over the visits */
    int64_t steal_ticks, irq_ticks;          /* of all processors, over the pass */
    int64_t pressure_us;                     /* stalled for lack of a CPU, over the pass */
    int64_t runnable;                        /* tasks, at its end */
    int64_t temperature_mc, frequency_khz;   /* at its end */
    const mop_sample_record *samples;
    size_t n_samples;
    const mop_visit_record *visits;
    size_t n_visits;
} mop_pass_record;

/* One profiled run. */
typedef struct mop_layer_times {
    const int64_t *layer_ns; /* [n], sum to total_ns */
    size_t n;
    int64_t total_ns;
    int64_t plain_ns; /* the plain run just before it */
} mop_layer_times;

/* A control of a sweep: what came out, and within what it had to be. */
typedef struct mop_control_record {
    char name[64]; /* "aa:cpu/1:mobileone-s0", "fma x1.02", "linearity" */
    double value, low, high;
    bool passed;
} mop_control_record;

/* A worker process of a sweep and how it ended. */
typedef struct mop_worker_record {
    int32_t worker;
    int64_t first_pass, last_pass; /* MOP_ABSENT if it finished none */
    char outcome[160];             /* "done", "killed by signal 11 while it ran ..." */
} mop_worker_record;

/* A number measured about a device. */
typedef struct mop_calibration_record {
    char name[40]; /* "peak_flops", "read_bandwidth_dram" */
    double value;  /* SI units: FLOP/s, B/s, s */
} mop_calibration_record;

#endif
