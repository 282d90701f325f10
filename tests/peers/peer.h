/* An inference engine that is timed beside moprof's: the very same network, constants and input.
 * One row of peers.def and one file peer_<id>.c make a peer. */
#ifndef TESTS_PEERS_PEER_H
#define TESTS_PEERS_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "profiler/engine/job.h"

typedef struct mop_peer_net mop_peer_net; /* each peer defines its own */

/* What is to be run. Outlives the net. */
typedef struct mop_peer_task {
    const mop_subject_model
        *subject;  /* an engine takes .fused, or exports .spec and fuses itself */
    uint64_t seed; /* of its constants and input */
    int threads;
    const char *folder; /* where a peer may write files; removed afterwards */
} mop_peer_task;

typedef struct mop_peer {
    const char *name;
    bool is_slow;        /* visited in the first round only */
    const char *install; /* what to install where it is missing */

    /* Name and version of what will be measured. MOP_ENODEV where it is not installed. */
    mop_status (*version)(char *text, size_t size, mop_err *err);

    /* Sets a network up: constants packed, memory allocated. MOP_EUNSUPPORTED names an operator
     * that the engine lacks. */
    mop_status (*open)(const mop_peer_task *task, mop_peer_net **out, mop_err *err);
    void (*close)(mop_peer_net *net); /* NULL is fine */

    /* `times` inferences one after another; ns[i] is the wall time of each, from the input in
     * memory to the output in memory, each in the engine's own layout. */
    mop_status (*run)(mop_peer_net *net, int times, uint64_t *ns, mop_err *err);

    /* The output of the last run as moprof's graph has it. */
    mop_status (*output)(mop_peer_net *net, float *out, size_t n, mop_err *err);

    /* How far the output may be off, relative 2-norm, by what the kernels in use say; NULL: they
     * add up the sums as they are written. */
    double (*bound)(const mop_peer_net *net);

    /* The process that computes; NULL: this one. */
    pid_t (*process)(const mop_peer_net *net);
} mop_peer;

/* Row i of peers.def, or NULL past the end. */
const mop_peer *mop_peer_at(size_t i);

/* The version of a Debian package that is installed, "of unknown version" where dpkg does not know
 * it. */
void mop_peer_package_version(const char *package, char *text, size_t size);

#define MOP_PEER_ROW(id) extern const mop_peer mop_peer_##id;
#include "tests/peers/peers.def"
#undef MOP_PEER_ROW

#endif
