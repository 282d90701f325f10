/* State of the whole machine through files held open. A file that is not there leaves its value
 * absent; a machine without any of them says nothing, which is no failure. */
#include "profiler/measure/machine.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/record.h"
#include "profiler/base/alloc.h"

enum { TEXT_BYTES = 512, PATH_BYTES = 512, MAX_ZONES = 16, N_THROTTLES = 3 };

typedef struct files {
    int stat, load, pressure, frequency;
    int throttle[N_THROTTLES]; /* the cgroup's, the core's, the package's */
    int zone[MAX_ZONES];
    int n_zones;
} files;

static int open_at(const char *root, const char *path)
{
    char full[PATH_BYTES];
    int n = snprintf(full, sizeof full, "%s%s", root, path);
    return n > 0 && (size_t)n < sizeof full ? open(full, O_RDONLY | O_CLOEXEC) : -1;
}

/* The start of the file, or false. A file that cannot be read any more is the same as none. */
static bool read_text(int fd, char *text)
{
    ssize_t n = fd >= 0 ? pread(fd, text, TEXT_BYTES - 1, 0) : -1;
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* The number after `key` and blanks, or absent. An empty key is the start of the text. */
static int64_t number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    int64_t x;
    return at != NULL && sscanf(at + strlen(key), "%" SCNd64, &x) == 1 ? x : MOP_ABSENT;
}

static int64_t read_number(int fd, const char *key)
{
    char text[TEXT_BYTES];
    return read_text(fd, text) ? number_after(text, key) : MOP_ABSENT;
}

/* "cpu  user nice system idle iowait irq softirq steal ...". Kernels before 2.6.11 have no steal.
 */
static void read_ticks(const files *f, mop_machine_state *out)
{
    char text[TEXT_BYTES];
    int64_t irq, softirq, steal;
    if (!read_text(f->stat, text))
        return;
    int n = sscanf(text, "cpu %*d %*d %*d %*d %*d %" SCNd64 " %" SCNd64 " %" SCNd64, &irq, &softirq,
                   &steal);
    if (n >= 2)
        out->irq_ticks = irq + softirq;
    if (n >= 3)
        out->steal_ticks = steal;
}

static void read_throttled(const files *f, mop_machine_state *out)
{
    for (int i = 0; i < N_THROTTLES; i++) {
        int64_t x = read_number(f->throttle[i], i == 0 ? "nr_throttled " : "");
        if (x != MOP_ABSENT)
            out->throttled = (out->throttled != MOP_ABSENT ? out->throttled : 0) + x;
    }
}

static void glance(void *ctx, mop_machine_state *out)
{
    const files *f = ctx;
    *out = (mop_machine_state){MOP_ABSENT, MOP_ABSENT, MOP_ABSENT, MOP_ABSENT,
                               MOP_ABSENT, MOP_ABSENT, MOP_ABSENT};
    read_ticks(f, out);
    read_throttled(f, out);
}

static void read_all(void *ctx, mop_machine_state *out)
{
    const files *f = ctx;
    char text[TEXT_BYTES];
    glance(ctx, out);
    out->pressure_us = read_number(f->pressure, "total=");
    /* "0.20 0.18 0.12 2/345 678": runnable of all tasks; this one is among them */
    if (read_text(f->load, text) && sscanf(text, "%*f %*f %*f %" SCNd64 "/", &out->runnable) != 1)
        out->runnable = MOP_ABSENT;
    for (int i = 0; i < f->n_zones; i++) {
        int64_t x = read_number(f->zone[i], "");
        if (x > out->temperature_mc) /* absent is the most negative value */
            out->temperature_mc = x;
    }
    out->frequency_khz = read_number(f->frequency, "");
}

/* cpu.stat of this process's group: version 2 ("0::/group"), or the version 1 controller "cpu".
 * Where neither path exists, as in a container that sees its group as the root, the root's. */
static int open_cgroup(const char *root)
{
    char line[PATH_BYTES], path[PATH_BYTES + 64];
    char full[PATH_BYTES];
    int n = snprintf(full, sizeof full, "%s/proc/self/cgroup", root);
    FILE *list = n > 0 && (size_t)n < sizeof full ? fopen(full, "r") : NULL;
    int fd = -1;
    while (list != NULL && fd < 0 && fgets(line, sizeof line, list) != NULL) {
        char *controllers = strchr(line, ':');
        char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (group == NULL)
            continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        controllers++;
        if (controllers[0] == '\0')
            (void)snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.stat", group);
        else if (strcmp(controllers, "cpu") == 0 || strcmp(controllers, "cpu,cpuacct") == 0)
            (void)snprintf(path, sizeof path, "/sys/fs/cgroup/%s%s/cpu.stat", controllers, group);
        else
            continue;
        fd = open_at(root, path);
    }
    if (list != NULL)
        (void)fclose(list); /* was only read */
    return fd >= 0 ? fd : open_at(root, "/sys/fs/cgroup/cpu.stat");
}

static void open_zones(const char *root, files *f)
{
    for (int i = 0; i < MAX_ZONES; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/temp", i);
        int fd = open_at(root, path);
        if (fd >= 0)
            f->zone[f->n_zones++] = fd;
    }
}

mop_status mop_machine_open(const char *root, mop_machine *out, mop_err *err)
{
    static const char cpu[] = "/sys/devices/system/cpu/cpu0";
    char path[PATH_BYTES];
    files *f = mop_calloc(1, sizeof *f, err);
    if (f == NULL)
        return MOP_ENOMEM;
    f->stat = open_at(root, "/proc/stat");
    f->load = open_at(root, "/proc/loadavg");
    f->pressure = open_at(root, "/proc/pressure/cpu");
    (void)snprintf(path, sizeof path, "%s/cpufreq/scaling_cur_freq", cpu);
    f->frequency = open_at(root, path);
    f->throttle[0] = open_cgroup(root);
    (void)snprintf(path, sizeof path, "%s/thermal_throttle/core_throttle_count", cpu);
    f->throttle[1] = open_at(root, path);
    (void)snprintf(path, sizeof path, "%s/thermal_throttle/package_throttle_count", cpu);
    f->throttle[2] = open_at(root, path);
    open_zones(root, f);
    *out = (mop_machine){.read = read_all, .glance = glance, .ctx = f};
    return MOP_OK;
}

static void close_one(int fd)
{
    if (fd >= 0)
        (void)close(fd); /* was only read */
}

void mop_machine_close(mop_machine *machine)
{
    files *f = machine->ctx;
    if (f == NULL)
        return;
    close_one(f->stat);
    close_one(f->load);
    close_one(f->pressure);
    close_one(f->frequency);
    for (int i = 0; i < N_THROTTLES; i++)
        close_one(f->throttle[i]);
    for (int i = 0; i < f->n_zones; i++)
        close_one(f->zone[i]);
    free(f);
    *machine = (mop_machine){0};
}
