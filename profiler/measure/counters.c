/* Counters of the thread and of the process. The files of the run delay are held open between
 * refreshes: opening one costs as much as ten readings, and would happen inside a visit. */
#include "profiler/measure/counters.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "db/record.h"
#include "profiler/base/alloc.h"

enum {
    OFF_CPU_FLOOR_NS = 20000,
    OFF_CPU_FRACTION = 200, /* 1/200 = 0.5 % */
    MAX_THREADS = 256
};

typedef struct task_files {
    int own; /* the opening thread's schedstat; -1: none */
    int n;
    int fd[MAX_THREADS];
    int64_t last[MAX_THREADS]; /* what each said last: all that is left of one that ended */
} task_files;

/* "on-cpu-ns run-delay-ns slices". A kernel without these statistics has three zeros for a thread
 * that runs. */
static int64_t read_run_delay(int fd)
{
    char text[96];
    uint64_t on_cpu, delay, slices;
    ssize_t n = fd >= 0 ? pread(fd, text, sizeof text - 1, 0) : -1;
    if (n <= 0)
        return MOP_ABSENT;
    text[n] = '\0';
    if (sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &on_cpu, &delay, &slices) != 3 ||
        (on_cpu == 0 && delay == 0 && slices == 0))
        return MOP_ABSENT;
    return (int64_t)delay;
}

static void read_common(clockid_t clock, int who, mop_counts *out)
{
    struct timespec t;
    struct rusage u;
    *out = (mop_counts){.cpu_ns = MOP_ABSENT,
                        .vol_switches = MOP_ABSENT,
                        .invol_switches = MOP_ABSENT,
                        .minor_faults = MOP_ABSENT,
                        .major_faults = MOP_ABSENT,
                        .cpu = MOP_ABSENT,
                        .run_delay_ns = MOP_ABSENT};
    if (clock_gettime(clock, &t) == 0)
        out->cpu_ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    if (getrusage(who, &u) == 0) {
        out->vol_switches = u.ru_nvcsw;
        out->invol_switches = u.ru_nivcsw;
        out->minor_faults = u.ru_minflt;
        out->major_faults = u.ru_majflt;
    }
    int cpu = sched_getcpu();
    if (cpu >= 0)
        out->cpu = cpu;
}

static void read_thread(void *ctx, mop_counts *out)
{
    const task_files *t = ctx;
    read_common(CLOCK_THREAD_CPUTIME_ID, RUSAGE_THREAD, out);
    out->run_delay_ns = read_run_delay(t->own);
}

static void read_process(void *ctx, mop_counts *out)
{
    task_files *t = ctx;
    int64_t sum = 0;
    bool is_known = false;
    read_common(CLOCK_PROCESS_CPUTIME_ID, RUSAGE_SELF, out);
    for (int i = 0; i < t->n; i++) {
        int64_t delay = read_run_delay(t->fd[i]);
        is_known |= delay != MOP_ABSENT;
        if (delay != MOP_ABSENT)
            t->last[i] = delay;
        sum += t->last[i];
    }
    out->run_delay_ns = is_known ? sum : MOP_ABSENT;
}

static void close_tasks(task_files *t)
{
    for (int i = 0; i < t->n; i++)
        (void)close(t->fd[i]); /* was only read */
    t->n = 0;
}

static void refresh(void *ctx)
{
    task_files *t = ctx;
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *entry;
    close_tasks(t);
    if (tasks == NULL)
        return;
    while (t->n < MAX_THREADS && (entry = readdir(tasks)) != NULL) {
        char path[320];
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) /* it ended since it was listed, or there are no such statistics */
            continue;
        t->last[t->n] = 0;
        t->fd[t->n++] = fd;
    }
    (void)closedir(tasks); /* was only read */
}

mop_status mop_counters_open(mop_counters *out, mop_err *err)
{
    task_files *t = mop_calloc(1, sizeof *t, err);
    if (t == NULL)
        return MOP_ENOMEM;
    t->own = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    refresh(t);
    *out =
        (mop_counters){.read = read_thread, .read_all = read_process, .refresh = refresh, .ctx = t};
    return MOP_OK;
}

void mop_counters_close(mop_counters *counters)
{
    task_files *t = counters->ctx;
    if (t == NULL)
        return;
    close_tasks(t);
    if (t->own >= 0)
        (void)close(t->own); /* was only read */
    free(t);
    *counters = (mop_counters){0};
}

int64_t mop_count_delta(int64_t before, int64_t after)
{
    return before == MOP_ABSENT || after == MOP_ABSENT ? MOP_ABSENT : after - before;
}

uint32_t mop_counts_flags(const mop_counts *before, const mop_counts *after, int64_t wall_ns,
                          bool is_host_single)
{
    uint32_t flags = 0;
    int64_t cpu = mop_count_delta(before->cpu_ns, after->cpu_ns);
    int64_t tolerance = wall_ns / OFF_CPU_FRACTION;
    if (tolerance < OFF_CPU_FLOOR_NS)
        tolerance = OFF_CPU_FLOOR_NS;
    bool is_off = cpu != MOP_ABSENT && wall_ns - cpu > tolerance;
    /* MOP_ABSENT is the most negative value, so an absent counter never raises a flag */
    int64_t delay = mop_count_delta(before->run_delay_ns, after->run_delay_ns);
    bool was_switched = mop_count_delta(before->invol_switches, after->invol_switches) > 0 &&
                        (is_off || cpu == MOP_ABSENT);
    if (delay > tolerance || (was_switched && (is_host_single || delay == MOP_ABSENT)))
        flags |= MOP_FLAG_PREEMPTED;
    if (is_off && is_host_single)
        flags |= MOP_FLAG_OFF_CPU;
    if (mop_count_delta(before->minor_faults, after->minor_faults) > 0 ||
        mop_count_delta(before->major_faults, after->major_faults) > 0)
        flags |= MOP_FLAG_PAGE_FAULT;
    if (before->cpu != MOP_ABSENT && after->cpu != MOP_ABSENT && before->cpu != after->cpu)
        flags |= MOP_FLAG_MIGRATED;
    return flags;
}
