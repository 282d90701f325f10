#include "profiler/engine/cpu_info.h"

#include <cpuinfo.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/cpu/isa.h"
#include "profiler/base/hash.h"

int mop_cpu_processors(void)
{
    cpu_set_t set;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    return online > 0 ? (int)online : 1;
}

/* First line of root/path; false if there is none. */
static bool read_line(const char *root, const char *path, char *line, size_t size)
{
    char full[512];
    FILE *f = NULL;
    bool ok;
    if ((size_t)snprintf(full, sizeof full, "%s%s", root, path) < sizeof full)
        f = fopen(full, "r");
    ok = f != NULL && fgets(line, (int)size, f) != NULL;
    if (f != NULL)
        (void)fclose(f); /* it was only read */
    return ok;
}

/* How many processors of `allowed` with a smaller number share the core of `cpu`; a machine that
 * does not say has one of each core. */
static int position_in_core(const char *root, const cpu_set_t *allowed, int cpu)
{
    char path[96], line[256];
    int before = 0;
    (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
                   cpu); /* fits */
    if (!read_line(root, path, line, sizeof line))
        return 0;
    for (char *at = line; *at >= '0' && *at <= '9';) { /* "0,4" or "0-1" */
        long first = strtol(at, &at, 10), last = first;
        if (*at == '-')
            last = strtol(at + 1, &at, 10);
        for (long id = first; id <= last && id < cpu; id++)
            before += CPU_ISSET((size_t)id, allowed) != 0;
        at += *at == ',';
    }
    return before;
}

int mop_cpu_order(const char *root, const cpu_set_t *allowed, int *cpu, int n)
{
    const int most_threads = 8; /* of one core, on any machine known */
    int found = 0;
    for (int turn = 0; turn < most_threads; turn++)
        for (int id = 0; id < CPU_SETSIZE && found < n; id++)
            if (CPU_ISSET((size_t)id, allowed) && position_in_core(root, allowed, id) == turn)
                cpu[found++] = id;
    return found;
}

int mop_cpu_pick(int *cpu, int n)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? mop_cpu_order("", &set, cpu, n) : 0;
}

int mop_cpu_cores(const char *root, const cpu_set_t *allowed)
{
    int cores = 0;
    for (int id = 0; id < CPU_SETSIZE; id++)
        cores += CPU_ISSET((size_t)id, allowed) && position_in_core(root, allowed, id) == 0;
    return cores;
}

/* "quota period" of one control group, as processors; 0 for "max" and what cannot be read. */
static double group_quota(const char *root, const char *path)
{
    char line[64], *end;
    double quota, period;
    if (!read_line(root, path, line, sizeof line))
        return 0;
    quota = strtod(line, &end);
    period = strtod(end, NULL);
    return quota > 0 && period > 0 ? quota / period : 0;
}

/* The same of a machine with the older kind of control groups. */
static double old_quota(const char *root)
{
    char line[64];
    double quota = 0, period = 0;
    if (read_line(root, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", line, sizeof line))
        quota = strtod(line, NULL);
    if (read_line(root, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", line, sizeof line))
        period = strtod(line, NULL);
    return quota > 0 && period > 0 ? quota / period : 0;
}

double mop_cpu_quota(const char *root)
{
    char line[256], path[320], *group = NULL;
    double least = old_quota(root);
    if (read_line(root, "/proc/self/cgroup", line, sizeof line) && strncmp(line, "0::/", 4) == 0) {
        group = line + 3;
        group[strcspn(group, "\n")] = '\0';
    }
    for (bool is_root = false; group != NULL && !is_root;) { /* this group and all above it */
        char *up = strrchr(group, '/');
        is_root = group[0] == '\0' || group[1] == '\0';
        (void)snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", is_root ? "" : group);
        const double quota = group_quota(root, path);
        least = quota > 0 && (least <= 0 || quota < least) ? quota : least;
        if (up != NULL)
            *up = '\0';
    }
    return least;
}

size_t mop_cpu_last_cache(void)
{
    const long l3 = sysconf(_SC_LEVEL3_CACHE_SIZE), l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
    if (cpuinfo_initialize() && cpuinfo_get_l3_caches_count() > 0)
        return cpuinfo_get_l3_cache(0)->size;
    if (cpuinfo_initialize() && cpuinfo_get_l2_caches_count() > 0 && l3 <= 0)
        return cpuinfo_get_l2_cache(0)->size;
    return l3 > 0 ? (size_t)l3 : l2 > 0 ? (size_t)l2 : 0;
}

void mop_cpu_caches(uint64_t bytes[MOP_CPU_CACHES])
{
    const struct cpuinfo_cache *cache[MOP_CPU_CACHES] = {NULL};
    if (cpuinfo_initialize()) {
        cache[0] = cpuinfo_get_l1d_cache(0);
        cache[1] = cpuinfo_get_l2_cache(0);
        cache[2] = cpuinfo_get_l3_cache(0);
    }
    for (int i = 0; i < MOP_CPU_CACHES; i++)
        bytes[i] = cache[i] != NULL ? cache[i]->size : 0;
}

/* The value of a line "key   : value" of /proc/cpuinfo, its newline cut off; NULL for another key.
 */
static const char *value_of(char *line, const char *key)
{
    const size_t n = strlen(key);
    char *at = line + n;
    if (strncmp(line, key, n) != 0)
        return NULL;
    at += strspn(at, " \t");
    if (*at++ != ':')
        return NULL;
    at += strspn(at, " \t");
    at[strcspn(at, "\n")] = '\0';
    return at;
}

/* Name into info and identity into *hash, from the first processor's paragraph. */
static void read_procfs(mop_device_info *info, uint64_t *hash)
{
    static const char *const keys[] = {"vendor_id",       "cpu family", "model",      "stepping",
                                       "CPU implementer", "CPU part",   "CPU variant"};
    char line[512];
    FILE *f = fopen("/proc/cpuinfo", "r");
    if (f == NULL)
        return;
    while (fgets(line, sizeof line, f) != NULL && line[0] != '\n') {
        const char *value = value_of(line, "model name");
        if (value != NULL)
            (void)snprintf(info->name, sizeof info->name, "%s", value); /* a cut name is a name */
        for (size_t i = 0; i < sizeof keys / sizeof keys[0] && value == NULL; i++) {
            value = value_of(line, keys[i]);
            if (value != NULL)
                *hash = mop_hash(mop_hash_u64(*hash, i), value, strlen(value));
        }
    }
    (void)fclose(f); /* it was only read */
}

void mop_cpu_describe(mop_device_info *info, unsigned isa_mask, int threads)
{
    const char *isa = mop_isa_name(mop_isa_best(isa_mask));
    uint64_t hash = MOP_HASH_INIT;
    *info = (mop_device_info){.type = "cpu", .threads = threads};
    read_procfs(info, &hash);
    if (info->name[0] == '\0')
        (void)snprintf(info->name, sizeof info->name, "%s",
                       cpuinfo_initialize() ? cpuinfo_get_package(0)->name : "processor");
    hash = mop_hash(hash, info->name, strlen(info->name));
    (void)snprintf(info->driver, sizeof info->driver, "%s", isa);
    (void)snprintf(info->isa, sizeof info->isa, "%s", isa);
    (void)snprintf(info->uuid, sizeof info->uuid, "%016" PRIx64 "%016" PRIx64, hash,
                   mop_hash_u64(hash, 1));
}

mop_status mop_cpu_facts(const mop_device_choice *choice, mop_fact_fn *tell, void *ctx,
                         mop_err *err)
{
    uint64_t bytes[MOP_CPU_CACHES];
    const unsigned usable = mop_isa_detect();
    char item[32], value[64];
    cpu_set_t set;
    size_t n = 0;
    mop_status status;
    (void)choice; /* there is one */
    (void)snprintf(value, sizeof value, "%d", mop_cpu_processors());
    status = tell(ctx, "processors", value, "that this process may run on", err);
    (void)snprintf(value, sizeof value, "%d",
                   sched_getaffinity(0, sizeof set, &set) == 0 ? mop_cpu_cores("", &set) : 0);
    if (status == MOP_OK)
        status = tell(ctx, "cores", value, "physical ones among them", err);
    mop_cpu_caches(bytes);
    for (int level = 0; level < MOP_CPU_CACHES && status == MOP_OK; level++) {
        (void)snprintf(item, sizeof item, "cache of level %d", level + 1);
        (void)snprintf(value, sizeof value, "%" PRIu64, bytes[level]);
        if (bytes[level] != 0)
            status = tell(ctx, item, value, "bytes for data", err);
    }
    *value = '\0';
    for (int isa = 0; isa < MOP_ISA_COUNT; isa++)
        if ((usable >> isa & 1) != 0)
            n += (size_t)snprintf(value + n, sizeof value - n, "%s%s", n > 0 ? ", " : "",
                                  mop_isa_name((mop_isa)isa)); /* they all fit */
    return status == MOP_OK ? tell(ctx, "instruction sets", value,
                                   "that kernels are compiled for and may use", err)
                            : status;
}
