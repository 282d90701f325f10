/* A scripted world for the measuring protocol: a clock that only work moves, counters that only
 * scripted events move, and a log of everything that ran. */
#ifndef TESTS_SUPPORT_LAB_H
#define TESTS_SUPPORT_LAB_H

#include "profiler/measure/protocol.h"

enum {
    LAB_SUBJECTS = 8,
    LAB_EVENTS = 64,
    LAB_LOG = 1 << 16,
    LAB_SAMPLES = 1 << 13,
    LAB_PASSES = 128,
    LAB_EVICTED = 100,
    LAB_RESTED = 200,
    LAB_CHAIN_NS = 50000,
    LAB_STREAM_NS = 100000,
    LAB_EVICT_NS = 7000000
};

typedef enum lab_kind {
    LAB_SLOW,     /* the run takes `amount` ns longer, on the CPU */
    LAB_OFF_CPU,  /* likewise, but off the CPU */
    LAB_PREEMPT,  /* `amount` involuntary switches */
    LAB_DELAY,    /* the run takes `amount` ns longer, waiting for a CPU */
    LAB_FAULT,    /* `amount` minor faults */
    LAB_MIGRATE,  /* it ends on CPU `amount` */
    LAB_STEAL,    /* the hypervisor takes `amount` ticks */
    LAB_THROTTLE, /* `amount` throttling events */
    LAB_CLOCK,    /* the clock alone jumps by `amount` ns; a negative one may stop it or go back */
    LAB_CANARY_CPU,    /* of a mark, not a run: the chain takes `amount` ns longer */
    LAB_CANARY_MEMORY, /* likewise the stream */
    LAB_CHAIN,         /* the chain right after the run takes `amount` ns longer */
    LAB_FAIL,          /* the run fails with status `amount` */
    LAB_STOP           /* the user asks to stop */
} lab_kind;

/* Happens in run number `run` of a visit (0: the warm one; in pass 0: 1 is the sizing run). A
 * canary event happens at mark `run` of the pass: 0 is before its first visit, the last one closes
 * it. */
typedef struct lab_event {
    uint32_t subject, pass, run;
    lab_kind kind;
    int64_t amount;
} lab_event;

typedef struct lab lab;

typedef struct lab_body {
    lab *world;
    uint32_t index;
} lab_body;

struct lab {
    uint64_t now_ns;
    uint64_t tick_ns; /* each reading of the clock moves it by this */
    mop_counts counts;
    mop_machine_state state;
    bool has_counters; /* false: every counter is absent */
    bool has_canary, has_machine;
    bool has_chain; /* a chain beside each sample, too */
    mop_canary canary;
    mop_machine machine;
    mop_clock clock;
    mop_counters counters;
    mop_protocol protocol;
    mop_protocol_sink sink;

    uint32_t n_subjects;
    mop_subject subjects[LAB_SUBJECTS];
    lab_body bodies[LAB_SUBJECTS];
    uint64_t base_ns[LAB_SUBJECTS]; /* a run takes base + drift * pass + a jitter below jitter */
    uint64_t drift_ns[LAB_SUBJECTS];
    uint32_t common_drift; /* every run takes this many thousandths longer in each pass */
    int64_t device_ns[LAB_SUBJECTS];
    uint64_t jitter_ns[LAB_SUBJECTS]; /* a fixed function of subject, pass and run */
    lab_event events[LAB_EVENTS];
    size_t n_events;
    uint32_t pass; /* under way */
    uint32_t run[LAB_SUBJECTS];
    bool is_stopped;
    uint32_t mark; /* canary pairs in this pass */
    uint32_t share, shares;
    uint32_t n_first;     /* canary pairs before the first pass */
    uint32_t n_glances;   /* readings of the machine's counts */
    uint32_t n_refreshed; /* thread lists read */
    uint32_t n_thread_readings, n_process_readings;
    uint32_t visiting[LAB_SUBJECTS]; /* announced visits */
    uint32_t stop_after_passes;      /* 0: never */
    uint32_t fail_sink_at;           /* pass number; UINT32_MAX: never */

    uint8_t log[LAB_LOG]; /* subject of each run, in order; LAB_EVICTED + subject of an eviction,
                           LAB_RESTED + subject of a rest */
    size_t n_log;
    mop_sample_record samples[LAB_SAMPLES];
    size_t n_samples;
    mop_visit_record visits[LAB_SAMPLES];
    size_t n_visits;
    mop_pass_record passes[LAB_PASSES]; /* samples point into `samples`, visits into `visits` */
    size_t n_passes;
    uint64_t eta_ns;
    uint32_t satisfied;
    mop_subject_result results[LAB_SUBJECTS];
};

/* n subjects of base_ns each, default protocol, seed 1. */
void lab_init(lab *w, uint32_t n, uint64_t base_ns);
void lab_script(lab *w, lab_event event);

/* Takes LAB_EVICT_NS and shows in the log; for mop_subject.evict. */
void lab_evict(void *body);
void lab_rest(void *body);         /* shows in the log; for mop_subject.rest */
int64_t lab_device_ns(void *body); /* device_ns of the subject, for mop_subject.device_ns */

/* Runs the protocol from first_pass with `history`. */
mop_status lab_run(lab *w, uint32_t first_pass, const mop_sample_record *history, size_t n_history,
                   mop_err *err);

#endif
