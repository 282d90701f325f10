/* A supervised sweep in a box: the bench of bench.h, workers that are forked without exec, a clock
 * that all of them share, and one accident that happens where it is told to. */
#ifndef TESTS_SUPPORT_CREW_H
#define TESTS_SUPPORT_CREW_H

#include <stdatomic.h>
#include <sys/types.h>

#include "profiler/measure/supervisor.h"
#include "tests/support/bench.h"

typedef enum crew_accident {
    CREW_NONE,
    CREW_CRASH,     /* SIGSEGV */
    CREW_EXIT,      /* exit code 3 */
    CREW_HANG,      /* sleeps for ever */
    CREW_HALT,      /* stops itself by SIGSTOP; somebody else wakes it */
    CREW_GARBAGE,   /* sends a kilobyte of noise to the supervisor */
    CREW_DAMAGE,    /* sends a frame whose payload does not match its hash */
    CREW_SHORT,     /* sends half a frame and exits */
    CREW_LOSE,      /* the device is lost */
    CREW_OTHER_BITS /* the output is another one from here on, in this process */
} crew_accident;

/* Lies in memory that all processes share. */
typedef struct crew_shared {
    _Atomic uint64_t now_ns;
    _Atomic uint32_t happened, workers; /* accidents; processes started */
    _Atomic int32_t pid;                /* of the worker to which it happened */
} crew_shared;

typedef struct crew {
    bench *b;
    crew_shared *shared;
    mop_supervisor how;
    crew_accident accident;
    bool in_plan;       /* it happens when a plan is made, else in run number `at_run` of a plan */
    uint32_t at_run;    /* of a plan that is timed, in one process, 1 the first */
    int32_t height;     /* of networks of this input height only; 0: all */
    uint32_t in_worker; /* in this process, 1 the first; 0: in any */
    uint32_t times;     /* at most so often */
    void (*woken)(const struct crew *c, pid_t pid); /* runs in the supervisor after each fork */
} crew;

crew *crew_new(void);
void crew_free(crew *c);

/* The supervised sweep of c->b->options, its outcome and error in c->b. */
mop_status crew_run(crew *c);

#endif
