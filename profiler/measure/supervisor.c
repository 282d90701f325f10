/* The supervisor (see the header).
 *
 * Order: for each block of networks and each share of its passes, start a worker, send its job,
 * serve its calls until it says that it is done. Between frames it sleeps in poll; a round of poll
 * without a frame and without a heartbeat counts towards the patience, unless the worker is stopped
 * by a signal: rounds and not a clock, so that a supervisor that was stopped itself does not take
 * its own pause for the worker's. */
#include "profiler/measure/supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "profiler/base/alloc.h"
#include "profiler/measure/remote.h"
#include "profiler/measure/worker.h"

#define ROUND_NS UINT64_C(1000000000)
enum { CHUNK = 1 << 16 };

typedef struct supervision {
    const mop_supervisor *how;
    mop_ledger ledger;
    mop_job job; /* of the next worker; options borrowed */
    uint32_t workers;
    uint64_t patience_ns, round_ns;
    int page_fd;
    mop_work_page *page;
    mop_dead_row *dead; /* rows that died before the plan was stored */
    size_t n_dead;
    uint32_t rowless;         /* deaths in a row that no row accounts for */
    uint32_t deaths;          /* that a row accounts for */
    mop_worker_record *ended; /* [n_ended], those before n_stored are in the store */
    size_t n_ended, n_stored;
    mop_sweep_outcome last; /* of the latest part that was done */
    uint32_t n_unsatisfied;
} supervision;

/* The worker under way. */
typedef struct child {
    pid_t pid;
    int socket;
    mop_bytes stream, payload, reply;
    bool is_done;
    mop_part_end end;
    char fate[160]; /* how it ended, as a clause about "the worker"; "" if it was done */
} child;

static mop_status make_page(supervision *v, mop_err *err)
{
    v->page_fd = memfd_create("moprof-worker", MFD_CLOEXEC);
    if (v->page_fd < 0 || ftruncate(v->page_fd, (off_t)sizeof *v->page) != 0)
        return mop_fail(err, MOP_EIO, "cannot make a page to share with workers: %s",
                        strerror(errno));
    void *p = mmap(NULL, sizeof *v->page, PROT_READ | PROT_WRITE, MAP_SHARED, v->page_fd, 0);
    if (p == MAP_FAILED)
        return mop_fail(err, MOP_EIO, "cannot map a page to share with workers: %s",
                        strerror(errno));
    v->page = p;
    return MOP_OK;
}

static bool is_interrupted(supervision *v)
{
    const mop_sweep_events *e = v->ledger.events;
    if (e->interrupted != NULL && e->interrupted(e->ctx))
        atomic_store_explicit(&v->page->is_stopped, 1, memory_order_relaxed);
    return atomic_load_explicit(&v->page->is_stopped, memory_order_relaxed) != 0;
}

static void child_release(child *c)
{
    if (c->socket >= 0)
        (void)close(c->socket); /* nothing to flush */
    mop_bytes_release(&c->stream);
    mop_bytes_release(&c->payload);
    mop_bytes_release(&c->reply);
}

/* Starts a worker and gives it its job. */
static mop_status start(supervision *v, child *c, mop_err *err)
{
    int pair[2];
    const struct timeval limit = {.tv_sec = (time_t)(v->patience_ns / 1000000000) + 1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return mop_fail(err, MOP_EIO, "cannot make a socket for a worker: %s", strerror(errno));
    const mop_worker_ends ends = {
        .socket = pair[1], .page_fd = v->page_fd, .supervisor_socket = pair[0], .page = v->page};
    c->socket = pair[0];
    atomic_store(&v->page->where, 0);
    atomic_store(&v->page->block, 0);
    mop_status st = v->how->spawn(v->how->ctx, &ends, &c->pid, err);
    (void)close(pair[1]); /* the worker has its own */
    if (st != MOP_OK)
        return st;
    /* a worker that does not read cannot hold the supervisor for ever */
    (void)setsockopt(c->socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    mop_bytes job = {0};
    mop_err gone = {0};
    v->job.supervisor = getpid();
    v->job.part.dead = v->dead;
    v->job.part.n_dead = v->n_dead;
    mop_job_put(&v->job, &job);
    st = mop_wire_send(c->socket, MOP_FRAME_JOB, &job, &gone);
    mop_bytes_release(&job);
    return st == MOP_ENOMEM ? mop_fail(err, st, "%s", gone.msg)
                            : MOP_OK; /* a death is seen later */
}

/* Whether the worker is stopped by a signal, as /proc tells: "pid (name) T ...". */
static bool is_halted(pid_t pid)
{
    char path[64], text[512] = "";
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid); /* fits */
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f); /* was only read */
    text[n] = '\0';
    const char *state = strrchr(text, ')');
    return state != NULL && (strncmp(state, ") T", 3) == 0 || strncmp(state, ") t", 3) == 0);
}

/* Appends what has come; false at the end of the stream. */
static bool receive(child *c)
{
    unsigned char chunk[CHUNK];
    ssize_t n = recv(c->socket, chunk, sizeof chunk, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (n <= 0)
        return false;
    mop_bytes_put(&c->stream, chunk, (size_t)n);
    return true;
}

/* Waits for more of the stream. False, with c->fate where it is known, if the worker is lost. */
static bool wait_for_more(supervision *v, child *c)
{
    uint64_t quiet = 0;
    uint64_t beat = atomic_load_explicit(&v->page->beat, memory_order_relaxed);
    while (quiet * v->round_ns < v->patience_ns) {
        struct pollfd p = {.fd = c->socket, .events = POLLIN};
        (void)is_interrupted(v);
        int n = poll(&p, 1, (int)(v->round_ns / 1000000));
        if (n > 0)
            return receive(c);
        uint64_t now = atomic_load_explicit(&v->page->beat, memory_order_relaxed);
        if (now != beat)
            quiet = 0;
        else if (n == 0 && !is_halted(c->pid))
            quiet++;
        beat = now;
    }
    (void)snprintf(c->fate, sizeof c->fate, "gave no sign of life for %.3g s",
                   (double)v->patience_ns / 1e9); /* fits */
    return false;
}

static mop_status serve(supervision *v, child *c, mop_frame type, mop_err *err)
{
    mop_err nonsense = {0}, gone = {0};
    bool has_reply;
    if (type == MOP_FRAME_DONE && c->payload.len == sizeof c->end) {
        mop_bytes_get(&c->payload, &c->end, sizeof c->end);
        c->is_done = true;
        return MOP_OK;
    }
    mop_status st =
        mop_ledger_serve(&v->ledger, type, &c->payload, &c->reply, &has_reply, &nonsense);
    if (st == MOP_EFAIL)
        (void)snprintf(c->fate, sizeof c->fate, "sent garbage: %.120s", nonsense.msg); /* fits */
    else if (st != MOP_OK)
        return mop_fail(err, st, "%s", nonsense.msg);
    else if (has_reply && mop_wire_send(c->socket, MOP_FRAME_REPLY, &c->reply, &gone) == MOP_ENOMEM)
        return mop_fail(err, MOP_ENOMEM, "%s", gone.msg); /* any other failure is a death */
    return MOP_OK;
}

/* Until the worker is done or lost. A failure is the supervisor's own. */
static mop_status attend(supervision *v, child *c, mop_err *err)
{
    while (!c->is_done && c->fate[0] == '\0') {
        mop_err garbage = {0};
        mop_frame type;
        bool is_whole;
        mop_status st = mop_wire_take(&c->stream, &type, &c->payload, &is_whole, &garbage);
        if (st == MOP_ENOMEM)
            return mop_fail(err, st, "%s", garbage.msg);
        if (st != MOP_OK)
            (void)snprintf(c->fate, sizeof c->fate, "sent garbage: %.120s", garbage.msg); /* fits */
        else if (is_whole)
            st = serve(v, c, type, err);
        else if (!wait_for_more(v, c))
            break;
        if (st != MOP_OK && c->fate[0] == '\0')
            return st;
    }
    return MOP_OK;
}

/* Waits for the end of the process, and ends it where it does not end by itself. */
static int reap(supervision *v, child *c)
{
    const struct timespec nap = {.tv_nsec = 5000000};
    uint64_t waited = 0;
    int status = 0;
    if (c->fate[0] != '\0') /* hung or insane */
        (void)kill(c->pid, SIGKILL);
    while (waitpid(c->pid, &status, WNOHANG) == 0) {
        (void)nanosleep(&nap, NULL); /* cut short is fine */
        waited += (uint64_t)nap.tv_nsec;
        if (waited >= v->patience_ns) /* it ends its side of the socket but not itself */
            (void)kill(c->pid, SIGKILL);
    }
    return status;
}

static void tell_fate(child *c, int status)
{
    if (c->is_done || c->fate[0] != '\0')
        return;
    if (WIFSIGNALED(status))
        (void)snprintf(c->fate, sizeof c->fate, "was killed by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status))); /* fits, or a strange name is cut */
    else
        (void)snprintf(c->fate, sizeof c->fate, "ended with exit code %d before it was done%s",
                       WEXITSTATUS(status),
                       c->stream.len > 0 ? ", in the middle of a message" : ""); /* fits */
}

/* The ends of workers, as soon as there is a sweep to store them with. */
static mop_status store_ends(supervision *v, mop_err *err)
{
    const mop_record_sink *sink = v->ledger.sink;
    mop_status st = MOP_OK;
    while (v->ledger.sweep_id != 0 && v->n_stored < v->n_ended && st == MOP_OK) {
        mop_worker_record *w = &v->ended[v->n_stored];
        w->worker += (int32_t)v->ledger.worker_base;
        st = sink->put_worker(sink->ctx, v->ledger.sweep_id, w, err);
        v->n_stored++;
    }
    return st;
}

static mop_status keep_end(supervision *v, const char *outcome, mop_err *err)
{
    mop_worker_record *p = mop_realloc(v->ended, v->n_ended + 1, sizeof *p, err);
    if (p == NULL)
        return MOP_ENOMEM;
    v->ended = p;
    p += v->n_ended++;
    *p = (mop_worker_record){.worker = (int32_t)v->job.part.worker,
                             .first_pass = v->ledger.first_pass,
                             .last_pass = v->ledger.last_pass};
    (void)snprintf(p->outcome, sizeof p->outcome, "%.150s", outcome); /* fits */
    return store_ends(v, err);
}

static mop_status add_dead(supervision *v, uint32_t row, const char *reason, mop_err *err)
{
    mop_dead_row *p = mop_realloc(v->dead, v->n_dead + 1, sizeof *p, err);
    if (p == NULL)
        return MOP_ENOMEM;
    v->dead = p;
    p += v->n_dead++;
    p->row = row;
    (void)snprintf(p->reason, sizeof p->reason, "%s", reason); /* cut to the record's field */
    return MOP_OK;
}

static void describe(const char *fate, uint64_t where, char *text, size_t n)
{
    static const char *const doing[] = {[MOP_WORK_OTHER] = "",
                                        [MOP_WORK_PREPARE] = " while it prepared this row",
                                        [MOP_WORK_RUN] = " while it ran this row",
                                        [MOP_WORK_PROFILE] = " while it profiled this row"};
    size_t work = (size_t)(where >> 32);
    (void)snprintf(text, n, "the worker %s%s", fate,
                   work < sizeof doing / sizeof doing[0] ? doing[work] : ""); /* cut is fine */
}

/* A worker died, was ended or lost its device: its row pays, or nobody. */
static mop_status bury(supervision *v, const char *reason, uint64_t where, mop_err *err)
{
    uint32_t row = (uint32_t)where;
    bool is_known = row < v->ledger.n_planned || row < v->ledger.n_records;
    bool has_row = where >> 32 != MOP_WORK_OTHER && is_known;
    if (v->ledger.is_planning) {
        v->ledger.sink->abort_plan(v->ledger.sink->ctx);
        v->ledger.is_planning = false;
        v->ledger.n_records = 0;
    }
    v->rowless = has_row ? 0 : v->rowless + 1;
    if (v->rowless > v->workers)
        return mop_fail(err, MOP_EFAIL,
                        "%" PRIu32 " workers in a row came to nothing; of the last one: %s",
                        v->rowless, reason);
    if (!has_row) {
        char remark[320];
        (void)snprintf(remark, sizeof remark, "%s; another one goes on", reason); /* fits */
        mop_ledger_note(&v->ledger, remark);
        return MOP_OK;
    }
    if (++v->deaths > v->ledger.n_rows + v->workers)
        return mop_fail(err, MOP_EFAIL, "%" PRIu32 " workers have died, the last one: %s",
                        v->deaths, reason);
    mop_status st = mop_ledger_fail_row(&v->ledger, row, reason, err);
    return st == MOP_OK && v->ledger.sweep_id == 0 ? add_dead(v, row, reason, err) : st;
}

/* Where the part of a worker that ended leaves off. */
static void learn_block(supervision *v)
{
    uint64_t block = atomic_load(&v->page->block);
    mop_sweep_part *p = &v->job.part;
    if (p->to == 0 && (uint32_t)block != 0) {
        p->to = (uint32_t)block;
        p->has_more = block >> 32 != 0;
    }
    p->goes_on = v->ledger.sweep_id != 0;
    p->worker++;
}

/* The next share, or the first of the next block; false at the end. */
static bool advance(supervision *v, const mop_sweep_outcome *done)
{
    mop_sweep_part *p = &v->job.part;
    v->last = *done;
    v->rowless = 0;
    if (p->setup_ns == 0)
        p->setup_ns = done->setup_ns;
    if (++p->share < p->shares)
        return true;
    v->n_unsatisfied += done->n_unsatisfied;
    p->share = 0;
    p->from = p->to;
    p->to = 0;
    p->setup_ns = 0;
    bool goes_on = p->has_more;
    p->has_more = false;
    return goes_on;
}

/* One worker from start to end. c->fate says what went wrong with it, its end what it says. */
static mop_status run_worker(supervision *v, child *c, mop_err *err)
{
    v->ledger.worker = v->job.part.worker;
    v->ledger.first_pass = v->ledger.last_pass = MOP_ABSENT;
    mop_status st = start(v, c, err);
    if (st == MOP_OK)
        st = attend(v, c, err);
    if (st != MOP_OK && c->fate[0] == '\0')
        (void)snprintf(c->fate, sizeof c->fate, "was ended"); /* fits */
    if (c->pid > 0)
        tell_fate(c, reap(v, c));
    return st;
}

/* What follows from a worker's end; *goes_on says whether there is another. */
static mop_status settle(supervision *v, const child *c, bool *goes_on, mop_err *err)
{
    char reason[256];
    uint64_t where = atomic_load(&v->page->where);
    bool is_lost = c->is_done && c->end.status == MOP_ELOST;
    describe(c->fate, where, reason, sizeof reason);
    if (is_lost)
        (void)snprintf(reason, sizeof reason, "%s", c->end.err.msg); /* same size */
    mop_status st = keep_end(v, c->is_done && !is_lost ? "done" : reason, err);
    learn_block(v);
    if (st != MOP_OK)
        return st;
    if (!c->is_done || is_lost)
        return bury(v, reason, where, err);
    if (c->end.status != MOP_OK)
        return mop_fail(err, c->end.status, "%s", c->end.err.msg);
    *goes_on = advance(v, &c->end.outcome);
    return MOP_OK;
}

/* Whether all is said about every row, so that no worker would find anything to do. */
static bool is_settled(const supervision *v)
{
    return v->ledger.sweep_id != 0 && !mop_ledger_has_pending(&v->ledger);
}

static mop_status all_workers(supervision *v, mop_err *err)
{
    bool goes_on = true;
    mop_status st = MOP_OK;
    while (st == MOP_OK && goes_on && !is_settled(v)) {
        child c = {.socket = -1};
        if (is_interrupted(v))
            return mop_fail(err, MOP_EINTR, "interrupted between two workers");
        st = run_worker(v, &c, err);
        if (st == MOP_OK)
            st = settle(v, &c, &goes_on, err);
        child_release(&c);
    }
    return st;
}

/* What no worker was left to do: mark the end of a sweep that is stored. */
static mop_status close_sweep(supervision *v, mop_err *err)
{
    mop_ledger *l = &v->ledger;
    if (l->sweep_id == 0 || l->is_finished)
        return MOP_OK;
    mop_status st = l->sink->finish_sweep(l->sink->ctx, l->sweep_id, (double)NAN, err);
    if (st == MOP_OK && l->events->finished != NULL && l->n_planned == l->n_rows)
        l->events->finished(l->events->ctx, l->rows, l->n_rows);
    return st;
}

static void sum_up(const supervision *v, uint64_t began_ns, mop_sweep_outcome *o)
{
    const mop_ledger *l = &v->ledger;
    *o = (mop_sweep_outcome){.sweep_id = l->sweep_id,
                             .n_rows = l->n_rows,
                             .n_unsatisfied = v->n_unsatisfied,
                             .elapsed_ns = mop_now_ns(&v->how->clock) - began_ns,
                             .estimate_ns = v->last.estimate_ns,
                             .is_resumed = l->is_resumed,
                             .setup_ns = v->last.setup_ns};
    for (size_t i = 0; i < l->n_records && i < l->n_rows; i++) { /* controls come after */
        o->n_done += l->records[i].state == MOP_DONE;
        o->n_failed += l->records[i].state == MOP_FAILED;
        o->n_skipped += l->records[i].state == MOP_SKIPPED;
        o->n_pending += l->records[i].state == MOP_PENDING;
    }
}

static void supervision_release(supervision *v)
{
    if (v->page != NULL)
        (void)munmap(v->page, sizeof *v->page); /* cannot fail for a mapping that exists */
    if (v->page_fd >= 0)
        (void)close(v->page_fd); /* nothing to flush */
    free(v->dead);
    free(v->ended);
    mop_ledger_release(&v->ledger);
}

mop_status mop_supervisor_run(const mop_sweep_options *options, const mop_supervisor *how,
                              const mop_record_sink *sink, const mop_sweep_events *events,
                              mop_sweep_outcome *outcome, mop_err *err)
{
    uint64_t began = mop_now_ns(&how->clock);
    supervision v = {.how = how,
                     .workers = how->workers > 0 ? how->workers : MOP_SUPERVISOR_WORKERS,
                     .patience_ns =
                         how->patience_ns > 0 ? how->patience_ns : MOP_SUPERVISOR_PATIENCE_NS,
                     .page_fd = -1};
    mop_err closing = {0};
    v.round_ns = v.patience_ns / 4 < ROUND_NS ? v.patience_ns / 4 : ROUND_NS;
    v.round_ns = v.round_ns < 1000000 ? 1000000 : v.round_ns;
    v.job.options = *options;
    v.job.part = (mop_sweep_part){.shares = v.workers, .origin_ns = began};
    mop_ledger_init(&v.ledger, sink, events);
    mop_status st = make_page(&v, err);
    if (st == MOP_OK)
        st = all_workers(&v, err);
    mop_status closed = st == MOP_OK || st == MOP_EINTR ? close_sweep(&v, &closing) : MOP_OK;
    sum_up(&v, began, outcome);
    supervision_release(&v);
    return closed == MOP_OK ? st : mop_fail(err, closed, "%s", closing.msg);
}
