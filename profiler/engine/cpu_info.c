#include "profiler/engine/cpu_info.h"

#include <cpuinfo.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
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

/* Position of processor `linux_id` among those of its core: 0 for the first. */
static uint32_t smt_position(int linux_id)
{
    const uint32_t n = cpuinfo_initialize() ? cpuinfo_get_processors_count() : 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct cpuinfo_processor *p = cpuinfo_get_processor(i);
        if (p->linux_id == linux_id)
            return p->smt_id;
    }
    return 0;
}

int mop_cpu_pick(int *cpu, int n)
{
    const uint32_t most_threads = 8; /* of one core, on any machine known */
    cpu_set_t set;
    int found = 0;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 0;
    for (uint32_t smt = 0; smt < most_threads; smt++)
        for (int id = 0; id < CPU_SETSIZE && found < n; id++)
            if (CPU_ISSET((size_t)id, &set) && smt_position(id) == smt)
                cpu[found++] = id;
    return found;
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
