/* Order: the machine's totals, a second in which the canaries run and the rest is waited for, the
 * totals again, then one check after the other. */
#include "profiler/measure/doctor.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "db/record.h"
#include "profiler/base/alloc.h"
#include "profiler/base/denormals.h"
#include "profiler/base/stats.h"
#include "profiler/engine/cpu_info.h"
#include "profiler/measure/doctor_internal.h"

static const struct {
    const char *id, *why, *remedy;
    void (*check)(const mop_patient *p, mop_finding *f);
} checks[] = {
#define MOP_DISTURBANCE_ROW(id, why, remedy) {#id, why, remedy, mop_doctor_##id},
#include "profiler/measure/doctor.def"
#undef MOP_DISTURBANCE_ROW
};

enum { N_CHECKS = sizeof checks / sizeof checks[0], LINE_BYTES = 4096 };

const char *mop_severity_name(mop_severity severity)
{
    static const char *const names[] = {"ok", "note", "warning", "problem"};
    return names[severity];
}

/* --- reading ------------------------------------------------------------------------------- */

void mop_doctor_say(mop_finding *f, mop_severity severity, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(f->found, sizeof f->found, fmt, ap); /* a cut sentence still tells */
    va_end(ap);
    f->severity = severity;
}

static FILE *open_file(const mop_patient *p, const char *path)
{
    char full[LINE_BYTES];
    int n = snprintf(full, sizeof full, "%s%s", p->world->root, path);
    return n > 0 && (size_t)n < sizeof full ? fopen(full, "r") : NULL;
}

bool mop_doctor_line(const mop_patient *p, const char *path, char *line, size_t size)
{
    FILE *f = open_file(p, path);
    bool ok = f != NULL && fgets(line, (int)size, f) != NULL;
    if (f != NULL)
        (void)fclose(f); /* was only read */
    if (!ok)
        line[0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    return ok;
}

int64_t mop_doctor_number(const mop_patient *p, const char *path)
{
    char line[64];
    int64_t x;
    return mop_doctor_line(p, path, line, sizeof line) && sscanf(line, "%" SCNd64, &x) == 1
               ? x
               : MOP_ABSENT;
}

int64_t mop_doctor_field(const mop_patient *p, const char *path, const char *key)
{
    char line[LINE_BYTES];
    FILE *f = open_file(p, path);
    int64_t x = MOP_ABSENT;
    const size_t n = strlen(key);
    while (f != NULL && x == MOP_ABSENT && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, key, n) == 0 && sscanf(line + n, "%*[: \t]%" SCNd64, &x) != 1)
            x = MOP_ABSENT;
    if (f != NULL)
        (void)fclose(f); /* was only read */
    return x;
}

bool mop_doctor_has_flag(const mop_patient *p, const char *flag)
{
    char line[LINE_BYTES], word[64];
    FILE *f = open_file(p, "/proc/cpuinfo");
    bool has = false;
    (void)snprintf(word, sizeof word, " %s ", flag); /* flags are short */
    while (f != NULL && !has && fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = ' ';
        has = strncmp(line, "flags", 5) == 0 && strstr(line, word) != NULL;
    }
    if (f != NULL)
        (void)fclose(f); /* was only read */
    return has;
}

/* "0-3,8" -> 5; 0 if it is not such a list. */
static int count_list(const char *text)
{
    int n = 0, from, to, used;
    while (*text != '\0') {
        if (sscanf(text, "%d-%d%n", &from, &to, &used) != 2) {
            if (sscanf(text, "%d%n", &from, &used) != 1)
                return 0;
            to = from;
        }
        if (from < 0 || to < from)
            return 0;
        n += to - from + 1;
        text += used + (text[used] == ',');
    }
    return n;
}

/* --- looking ------------------------------------------------------------------------------- */

static void wait_real(void *ctx, uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    (void)ctx;
    while (nanosleep(&t, &t) != 0)
        continue; /* a signal: the rest is still to wait */
}

void mop_doctor_world_real(mop_doctor_world *world, const mop_canary *canary)
{
    struct rlimit limit;
    *world = (mop_doctor_world){.root = "",
                                .processors = mop_cpu_processors(),
                                .memlock_bytes = -1,
                                .lp_num_threads = getenv("LP_NUM_THREADS"),
                                .canary = *canary,
                                .find_backend = mop_backend_find,
                                .wait = wait_real};
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        world->memlock_bytes = (int64_t)limit.rlim_cur;
    world->flushes_denormals = mop_denormals_are_flushed();
}

/* Canaries over half of the look, so that a neighbour who works now and then is met. */
static mop_status watch_canaries(mop_patient *p, mop_err *err)
{
    const mop_doctor_world *w = p->world;
    double *ns = mop_calloc(MOP_DOCTOR_CANARIES, sizeof *ns, err);
    size_t n = 0;
    if (ns == NULL)
        return MOP_ENOMEM;
    for (int i = 0; w->canary.branches != NULL && i < MOP_DOCTOR_CANARIES; i++) {
        int64_t t = w->canary.branches(w->canary.ctx);
        if (t != MOP_ABSENT)
            ns[n++] = (double)t;
        w->wait(w->ctx, MOP_DOCTOR_LOOK_NS / 2 / MOP_DOCTOR_CANARIES);
    }
    mop_sort_f64(ns, n);
    p->canary_floor = mop_quantile(ns, n, 0.05);
    p->canary_median = mop_quantile(ns, n, 0.5);
    p->canary_slow = mop_quantile(ns, n, 0.9);
    free(ns);
    w->wait(w->ctx, MOP_DOCTOR_LOOK_NS / 2);
    return MOP_OK;
}

size_t mop_doctor_count(void)
{
    return N_CHECKS;
}

mop_status mop_doctor_examine(const mop_doctor_world *world, mop_finding *findings, mop_err *err)
{
    mop_patient p = {.world = world};
    mop_machine machine = {0};
    char line[256];
    mop_status status = mop_machine_open(world->root, &machine, err);
    if (status != MOP_OK)
        return status;
    machine.read(machine.ctx, &p.before);
    status = watch_canaries(&p, err);
    machine.read(machine.ctx, &p.after);
    mop_machine_close(&machine);
    if (status != MOP_OK)
        return status;
    if (mop_doctor_line(&p, "/sys/devices/system/cpu/online", line, sizeof line))
        p.online = count_list(line);
    for (size_t i = 0; i < N_CHECKS; i++) {
        findings[i] =
            (mop_finding){.check = checks[i].id, .why = checks[i].why, .remedy = checks[i].remedy};
        checks[i].check(&p, &findings[i]);
    }
    return MOP_OK;
}
