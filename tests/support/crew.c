#include "tests/support/crew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "profiler/measure/worker.h"

enum { PLANS = 64 };

/* What the back ends of one process know; test programs are single-threaded. */
static struct {
    crew *c;
    uint32_t number; /* of this worker process, 1 the first */
    int socket;
    struct {
        const mop_plan *plan;
        int32_t height;
        uint32_t runs;
        bool is_timed;
    } plans[PLANS];
    bool has_other_bits;
    mop_backend backend[2];
} at;

static uint64_t shared_now(void *ctx)
{
    return atomic_load(&((crew_shared *)ctx)->now_ns);
}

static void make_noise(size_t n)
{
    static unsigned char noise[1024];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (unsigned char)(37 * i + 11);
    (void)send(at.socket, noise, n, MSG_NOSIGNAL); /* the test sees what follows */
}

/* A good frame with one bit of its payload turned. */
static void send_damaged(size_t keep)
{
    int pair[2];
    unsigned char frame[256];
    mop_bytes payload = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    mop_bytes_put_text(&payload, "a remark that will not arrive");
    assert_int_equal(mop_wire_send(pair[0], MOP_FRAME_NOTE, &payload, NULL), MOP_OK);
    ssize_t n = recv(pair[1], frame, sizeof frame, 0);
    assert_true(n > 40);
    frame[n - 1] ^= 1;
    (void)send(at.socket, frame, keep > 0 ? keep : (size_t)n, MSG_NOSIGNAL); /* likewise */
    mop_bytes_release(&payload);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static mop_status happen(mop_err *err)
{
    atomic_fetch_add(&at.c->shared->happened, 1);
    atomic_store(&at.c->shared->pid, (int32_t)getpid());
    switch (at.c->accident) {
    case CREW_CRASH:
        (void)signal(SIGSEGV, SIG_DFL); /* a sanitizer would report it and exit */
        (void)raise(SIGSEGV);
        break;
    case CREW_EXIT:
        _exit(3);
    case CREW_HANG:
        for (;;)
            (void)pause();
    case CREW_HALT:
        (void)raise(SIGSTOP);
        break;
    case CREW_GARBAGE:
        make_noise(1024);
        for (;;) /* until the supervisor has read it */
            (void)pause();
    case CREW_DAMAGE:
        send_damaged(0);
        for (;;) /* likewise */
            (void)pause();
    case CREW_SHORT:
        send_damaged(20);
        _exit(0);
    case CREW_LOSE:
        return mop_fail(err, MOP_ELOST, "crew: the device is lost");
    case CREW_OTHER_BITS:
        at.has_other_bits = true;
        break;
    case CREW_NONE:
        break;
    }
    return MOP_OK;
}

static bool strikes(int32_t height)
{
    const crew *c = at.c;
    return c->accident != CREW_NONE && (c->height == 0 || c->height == height) &&
           (c->in_worker == 0 || c->in_worker == at.number) &&
           atomic_load(&c->shared->happened) < c->times;
}

static mop_status crew_plan(mop_device *device, const mop_model *model, const mop_plan_desc *desc,
                            mop_plan **out, mop_err *err)
{
    int32_t height = model->graph->nodes[0].inst.out.h;
    size_t i = 0;
    mop_status st = at.c->in_plan && strikes(height) ? happen(err) : MOP_OK;
    if (st == MOP_OK)
        st = fake_backend_a.plan(device, model, desc, out, err);
    while (i < PLANS && at.plans[i].plan != NULL && (st != MOP_OK || at.plans[i].plan != *out))
        i++;
    if (st == MOP_OK && i < PLANS) {
        at.plans[i].plan = *out;
        at.plans[i].height = height;
        at.plans[i].runs = 0;
        at.plans[i].is_timed = !desc->keep_all;
    }
    return st;
}

static mop_status crew_backend_run(mop_plan *plan, const float *in, float *out,
                                   mop_profile *profile, mop_err *err)
{
    uint64_t before = *fake.now_ns;
    mop_status st = MOP_OK;
    size_t i = 0;
    while (i < PLANS && at.plans[i].plan != plan)
        i++;
    if (i < PLANS && at.plans[i].is_timed && profile == NULL &&
        ++at.plans[i].runs == at.c->at_run && !at.c->in_plan && strikes(at.plans[i].height))
        st = happen(err);
    if (st == MOP_OK)
        st = fake_backend_a.run(plan, in, out, profile, err);
    if (st == MOP_OK && at.has_other_bits && profile == NULL)
        out[0] += 1;
    atomic_fetch_add(&at.c->shared->now_ns, *fake.now_ns - before);
    return st;
}

static const mop_backend *crew_find(const char *id, mop_err *err)
{
    const mop_backend *b = fake_backend_find(id, err);
    if (b == NULL)
        return NULL;
    mop_backend *mine = &at.backend[b == &fake_backend_b];
    *mine = *b;
    mine->plan = crew_plan;
    mine->run = crew_backend_run;
    return mine;
}

/* The child is a worker and nothing else. */
static mop_status crew_spawn(void *ctx, const mop_worker_ends *ends, pid_t *pid, mop_err *err)
{
    crew *c = ctx;
    uint32_t number = atomic_fetch_add(&c->shared->workers, 1) + 1;
    *pid = fork();
    if (*pid < 0)
        return mop_fail(err, MOP_EIO, "cannot fork");
    if (*pid == 0) {
        mop_err failure = {0};
        (void)close(ends->supervisor_socket);
        at.number = number;
        at.socket = ends->socket;
        mop_status st = mop_worker_run(ends->socket, ends->page, &c->b->world, &failure);
        _exit(st == MOP_OK ? 0 : 1);
    }
    if (c->woken != NULL)
        c->woken(c, *pid);
    return MOP_OK;
}

crew *crew_new(void)
{
    crew *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->b = bench_new();
    c->shared =
        mmap(NULL, sizeof *c->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(c->shared != MAP_FAILED);
    memset(&at, 0, sizeof at);
    at.c = c;
    c->times = 1;
    c->b->world.clock = (mop_clock){.now_ns = shared_now, .ctx = c->shared};
    c->b->world.find_backend = crew_find;
    c->how = (mop_supervisor){.clock = c->b->world.clock, .spawn = crew_spawn, .ctx = c};
    return c;
}

void crew_free(crew *c)
{
    (void)munmap(c->shared, sizeof *c->shared); /* cannot fail for what was mapped */
    free(c->b);
    free(c);
}

mop_status crew_run(crew *c)
{
    bench *b = c->b;
    b->err = (mop_err){0};
    b->polls = 0;
    b->n_planned = 0;
    return mop_supervisor_run(&b->options, &c->how, &b->store.sink, &b->events, &b->outcome,
                              &b->err);
}
