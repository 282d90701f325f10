#include "profiler/cli/sweep_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "profiler/cli/cli.h"
#include "profiler/cli/sweep_store.h"
#include "profiler/cli/sweep_view.h"
#include "profiler/measure/supervisor.h"
#include "profiler/measure/worker.h"
#include "reports/rho.h"

/* In the child, between fork and exec: only what a signal handler may call. */
static void become(const mop_worker_ends *ends, const char *numbers)
{
    const char *const argv[] = {"moprof", MOP_WORKER_COMMAND, numbers, NULL};
    if (fcntl(ends->socket, F_SETFD, 0) == 0 && fcntl(ends->page_fd, F_SETFD, 0) == 0)
        (void)execv("/proc/self/exe", (char *const *)(const void *)argv); /* returns on failure */
    _exit(127);
}

/* A worker is this program again, so that its addresses are random anew. */
static mop_status spawn(void *ctx, const mop_worker_ends *ends, pid_t *pid, mop_err *err)
{
    char numbers[32];
    (void)ctx;
    (void)snprintf(numbers, sizeof numbers, "%d,%d", ends->socket, ends->page_fd); /* fits */
    (void)fflush(NULL); /* what is buffered here is not to be written by two */
    *pid = fork();
    if (*pid == 0)
        become(ends, numbers);
    return *pid > 0 ? MOP_OK
                    : mop_fail(err, MOP_EIO, "cannot start a worker process: %s", strerror(errno));
}

int mop_cli_sweep_worker(int argc, const char **argv)
{
    mop_work_page *page = MAP_FAILED;
    mop_sweep_world world;
    mop_err err = {0};
    int fd, page_fd;
    if (argc == 2 && sscanf(argv[1], "%d,%d", &fd, &page_fd) == 2 && fd > 2 && page_fd > 2)
        page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
    if (page == MAP_FAILED)
        return mop_cli_usage("%s is started by `moprof sweep` itself", MOP_WORKER_COMMAND);
    (void)close(page_fd); /* mapped */
    if (mop_sweep_world_real(&world, &err) != MOP_OK)
        return mop_cli_fail(&err);
    mop_status status = mop_worker_run(fd, page, &world, &err);
    mop_sweep_world_release(&world);
    /* where it failed, the supervisor sees it or is gone */
    return status == MOP_OK ? MOP_EXIT_DONE : MOP_EXIT_FAILED;
}

/* What is asked of the database after a sweep, by its number. */
static const char failed_controls[] =
    "SELECT name, round(value, 5) AS value, round(low, 5) AS low, round(high, 5) AS high "
    "FROM control WHERE sweep_id = CAST(?1 AS INTEGER) AND passed = 0 AND value IS NOT NULL "
    "ORDER BY name";
static const char floor_of_sweep[] = "SELECT round(100 * aa_floor, 2) AS percent FROM sweep "
                                     "WHERE id = CAST(?1 AS INTEGER) AND aa_floor IS NOT NULL";
static const char below_floor[] =
    "SELECT variant, backend, threads, batch, cache, fuse, winograd, dtype, round(ratio, 4) AS "
    "ratio "
    "FROM result_all "
    "WHERE sweep = CAST(?1 AS INTEGER) AND abs(ratio - 1) < aa_floor AND variant <> baseline "
    "ORDER BY backend, threads, batch, cache, fuse, winograd, dtype, variant";
static const char stop_reasons[] = "SELECT stop AS stopped_by, count(*) AS rows FROM result_all "
                                   "WHERE sweep = CAST(?1 AS INTEGER) GROUP BY stop ORDER BY stop";

/* A table under its title; nothing of an empty one. */
static mop_status print_query(mop_db *db, const char *sql, const char *id, const char *title,
                              mop_err *err)
{
    mop_table t = {0};
    mop_status status = mop_db_query(db, sql, &id, 1, &t, err);
    if (status == MOP_OK && t.n_rows > 0) {
        fputs(title, stdout);
        status = mop_table_write(&t, MOP_FORMAT_TABLE, stdout, err);
    }
    mop_table_release(&t);
    return status;
}

static mop_status print_rho(mop_db *db, mop_err *err)
{
    mop_table rho = {0};
    mop_status status = mop_rho_table(db, &rho, err);
    if (status == MOP_OK && rho.n_rows == 0) {
        printf("\nno Spearman's rho: no row has enough clean samples\n");
    } else if (status == MOP_OK) {
        printf("\nSpearman's rho of the median latency (95 %% bootstrap interval):\n");
        status = mop_table_write(&rho, MOP_FORMAT_TABLE, stdout, err);
    }
    mop_table_release(&rho);
    return status;
}

/* Out of the database just written. Failed controls come first: they judge all that follows. */
static mop_status print_results(const char *path, int64_t sweep_id, mop_err *err)
{
    mop_db *db = NULL;
    char id[24];
    (void)snprintf(id, sizeof id, "%lld", (long long)sweep_id); /* always fits */
    mop_status status = mop_db_open(path, &db, err);
    const struct {
        const char *sql, *title;
    } tables[] = {
        {failed_controls, "FAILED CONTROLS: believe no small difference of this sweep\n"},
        {mop_named_query("sweep"), ""},
        {floor_of_sweep, "\nA/A floor, under which no difference is called one:\n"},
        {below_floor, "\nno faster and no slower than the baseline, because nearer than that:\n"},
        {stop_reasons, "\nwhy rows stopped:\n"},
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0] && status == MOP_OK; i++)
        status = print_query(db, tables[i].sql, id, tables[i].title, err);
    if (status == MOP_OK)
        status = print_rho(db, err);
    mop_db_close(db);
    return status;
}

static int interrupted(const mop_sweep_outcome *outcome, const char *path)
{
    if (outcome->sweep_id == 0 && !outcome->is_resumed)
        mop_cli_note("interrupted before the first pass; nothing was stored");
    else
        mop_cli_note("interrupted; every finished pass is in %s; `moprof sweep --resume` with the "
                     "same options goes on",
                     path);
    return MOP_EXIT_INTERRUPTED;
}

static void print_advice(const mop_sweep_view *view, const mop_sweep_outcome *outcome,
                         const char *path)
{
    printf("\n%zu of %zu rows measured in %.0f s%s; database: %s\n"
           "next: moprof report --db %s -o report.html    moprof query ablation --db %s\n",
           outcome->n_done, outcome->n_rows, (double)outcome->elapsed_ns / 1e9,
           outcome->is_resumed ? " (resumed)" : "", path, path, path);
    if (view->n_noisy > 0)
        printf("%zu rows have fewer than %d clean samples, because other work ran here meanwhile: "
               "believe no difference between them, and sweep again on a quieter machine\n",
               view->n_noisy, MOP_VIEW_ENOUGH_CLEAN);
    if (view->n_out_of_time > 0)
        printf("%zu rows have intervals wider than asked for: give them time with --budget\n",
               view->n_out_of_time);
    if (view->n_out_of_passes > 0)
        printf(
            "%zu rows have intervals wider than asked for after the most passes there are: sweep "
            "on a quieter machine, or ask for less with --precision\n",
            view->n_out_of_passes);
}

int mop_cli_sweep(const mop_sweep_options *options, const mop_sweep_manner *manner,
                  int64_t *sweep_id)
{
    const mop_supervisor how = {.workers = manner->workers,
                                .patience_ns = manner->patience_ns,
                                .clock = mop_clock_real(),
                                .spawn = spawn};
    mop_sweep_store store = {.path = manner->db};
    mop_record_sink sink = mop_sweep_store_sink(&store);
    mop_sweep_view view = {.is_quiet = manner->is_quiet};
    mop_sweep_events events = mop_sweep_view_events(&view);
    mop_sweep_outcome outcome = {0};
    mop_err err = {0}, closing = {0};
    mop_status closed, status = mop_sweep_store_open(&store, &err);
    if (status == MOP_OK)
        status = mop_supervisor_run(options, &how, &sink, &events, &outcome, &err);
    closed = mop_sweep_store_close(&store, &closing);
    mop_sweep_view_release(&view);
    if (sweep_id != NULL)
        *sweep_id = outcome.sweep_id;
    if (status == MOP_OK && closed != MOP_OK)
        return mop_cli_fail(&closing);
    if (status == MOP_EINTR)
        return interrupted(&outcome, store.path);
    if (status != MOP_OK || print_results(store.path, outcome.sweep_id, &err) != MOP_OK)
        return mop_cli_fail(&err);
    print_advice(&view, &outcome, store.path);
    if (outcome.n_failed > 0)
        return outcome.n_done > 0 ? MOP_EXIT_SOME_FAILED : MOP_EXIT_FAILED;
    return MOP_EXIT_DONE;
}
