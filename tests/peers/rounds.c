#include "tests/peers/rounds.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* An inference over this is timed once a visit, without one before it to warm up. */
#define LONG_NS 1e8

enum { RUNS = 3, FLOOR_CHAINS = 256 };

/* ONNX Runtime's threads spin for 40 to 45 ms after a run, pthreadpool's for 20, OpenMP's for 12.
 */
static void let_threads_end(int threads)
{
    const struct timespec pause = {.tv_nsec = 60000000};
    if (threads > 1)
        (void)nanosleep(&pause, NULL);
}

/* Time that the threads of a process spent runnable without a processor, ns; 0 where it is not
 * told. */
static double run_delay(pid_t process)
{
    char path[64];
    double sum = 0;
    DIR *tasks;
    (void)snprintf(path, sizeof path, "/proc/%ld/task", (long)process); /* fits */
    tasks = opendir(path);
    if (tasks == NULL)
        return 0;
    for (struct dirent *e = readdir(tasks); e != NULL; e = readdir(tasks)) {
        char file[340];
        unsigned long long used, waited;
        FILE *f;
        (void)snprintf(file, sizeof file, "%s/%s/schedstat", path, e->d_name); /* fits */
        f = e->d_name[0] != '.' ? fopen(file, "r") : NULL;
        if (f == NULL)
            continue;
        if (fscanf(f, "%llu %llu", &used, &waited) == 2)
            sum += (double)waited;
        (void)fclose(f);
    }
    (void)closedir(tasks);
    return sum;
}

static double chain(const mop_rounds *how)
{
    return (double)how->canary->chain(how->canary->ctx);
}

/* What disturbs an inference only makes it longer. */
static double smallest(const uint64_t *ns, int n)
{
    uint64_t least = ns[0];
    for (int i = 1; i < n; i++)
        least = ns[i] < least ? ns[i] : least;
    return (double)least;
}

static mop_status visit(const mop_rounds *how, mop_contestant *c, double floor, int round,
                        mop_err *err)
{
    const pid_t process = c->peer->process != NULL ? c->peer->process(c->net) : getpid();
    const double limit = floor * (1 + MOP_CANARY_CPU_TOLERANCE);
    const int warm = c->once_ns > LONG_NS ? 0 : 1, times = warm != 0 ? RUNS : 1;
    uint64_t ns[1 + RUNS], began;
    double waited, spent;
    mop_status status;
    const bool is_calm = chain(how) <= limit;
    waited = run_delay(process);
    began = mop_now_ns(how->clock);
    status = c->peer->run(c->net, warm + times, ns, err);
    spent = (double)(mop_now_ns(how->clock) - began);
    if (status != MOP_OK)
        return status;
    waited = run_delay(process) - waited;
    c->ns[round] = smallest(ns + warm, times);
    c->clean[round] = is_calm && chain(how) <= limit && waited <= fmax(20000, 0.005 * spent);
    let_threads_end(how->threads);
    return MOP_OK;
}

mop_status mop_rounds_run(const mop_rounds *how, mop_contestant *c, size_t n_contestants, int *n,
                          mop_err *err)
{
    const uint64_t began = mop_now_ns(how->clock);
    mop_status status = MOP_OK;
    double floor = INFINITY;
    uint32_t order[MOP_PEERS_MOST];
    for (int i = 0; i < FLOOR_CHAINS; i++)
        floor = fmin(floor, chain(how));
    for (uint32_t i = 0; i < n_contestants; i++)
        order[i] = i;
    for (*n = 0; *n < how->rounds && status == MOP_OK; (*n)++) {
        if (*n >= MOP_ROUNDS_LEAST && mop_now_ns(how->clock) - began > how->budget_ns)
            break;
        mop_rng_shuffle(how->rng, order, n_contestants);
        for (size_t i = 0; i < n_contestants && status == MOP_OK; i++) {
            mop_contestant *who = &c[order[i]];
            who->ns[*n] = (double)NAN;
            if (who->net != NULL && (*n == 0 || !who->peer->is_slow))
                status = visit(how, who, floor, *n, err);
        }
    }
    return status;
}

int mop_contestant_clean(const mop_contestant *c, int n)
{
    int clean = 0;
    for (int i = 0; i < n; i++)
        clean += c->clean[i];
    return clean;
}

double mop_contestant_median(const mop_contestant *c, int n)
{
    const bool all = mop_contestant_clean(c, n) < MOP_ROUNDS_LEAST;
    double x[MOP_ROUNDS_MOST];
    size_t used = 0;
    for (int i = 0; i < n; i++)
        if (!isnan(c->ns[i]) && (all || c->clean[i]))
            x[used++] = c->ns[i];
    mop_sort_f64(x, used);
    return mop_quantile(x, used, 0.5);
}

double mop_contestant_best(const mop_contestant *c, int n)
{
    double best = INFINITY;
    for (int i = 0; i < n; i++)
        best = fmin(best, c->ns[i]); /* which passes over a NAN */
    return best;
}

mop_interval mop_contestant_ratio(const mop_contestant *a, const mop_contestant *b, int n)
{
    double x[MOP_ROUNDS_MOST], y[MOP_ROUNDS_MOST], work[MOP_ROUNDS_MOST];
    size_t used = 0;
    int both = 0;
    for (int i = 0; i < n; i++)
        both += a->clean[i] && b->clean[i];
    for (int i = 0; i < n; i++) {
        if (isnan(a->ns[i]) || isnan(b->ns[i]) ||
            (both >= MOP_ROUNDS_LEAST && !(a->clean[i] && b->clean[i])))
            continue;
        x[used] = a->ns[i];
        y[used++] = b->ns[i];
    }
    return mop_ratio_interval(x, y, used, 0.95, work);
}
