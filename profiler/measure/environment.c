#include "profiler/measure/environment.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include "profiler/base/build.h"
#include "profiler/base/hash.h"

enum { LINE_MAX_BYTES = 4096, VALUE_BYTES = 96 };

/* The fingerprint under construction. */
typedef struct writer {
    const char *root;
    char *text;
    size_t size, len;
} writer;

/* Appends a whole entry or nothing; an empty value is an absent one. */
static void put(writer *w, const char *key, const char *value)
{
    char entry[VALUE_BYTES + 32];
    char clean[VALUE_BYTES];
    size_t n = 0;
    for (const char *p = value; *p != '\0' && n + 1 < sizeof clean; p++) {
        bool is_plain = isprint((unsigned char)*p) && *p != ';' && *p != '=';
        clean[n++] = is_plain ? *p : ' ';
    }
    while (n > 0 && clean[n - 1] == ' ')
        n--;
    clean[n] = '\0';
    if (n == 0)
        return;
    int len = snprintf(entry, sizeof entry, "%s=%s;", key, clean);
    if (len < 0 || (size_t)len >= sizeof entry || w->len + (size_t)len >= w->size)
        return;
    memcpy(w->text + w->len, entry, (size_t)len + 1);
    w->len += (size_t)len;
}

static FILE *open_file(const char *root, const char *path)
{
    char full[LINE_MAX_BYTES];
    int n = snprintf(full, sizeof full, "%s%s", root, path);
    return n > 0 && (size_t)n < sizeof full ? fopen(full, "r") : NULL;
}

/* First line without its end; false (line empty) if there is none. */
static bool read_line(const char *root, const char *path, char *line, size_t size)
{
    FILE *f = open_file(root, path);
    bool ok = f != NULL && fgets(line, (int)size, f) != NULL;
    if (f != NULL)
        (void)fclose(f); /* was only read */
    if (!ok)
        line[0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    return ok;
}

static void put_file(writer *w, const char *key, const char *path)
{
    char line[LINE_MAX_BYTES];
    if (read_line(w->root, path, line, sizeof line))
        put(w, key, line);
}

/* The word in brackets: "always [madvise] never". */
static void put_chosen(writer *w, const char *key, const char *path)
{
    char line[LINE_MAX_BYTES];
    char *open, *close;
    if (!read_line(w->root, path, line, sizeof line))
        return;
    open = strchr(line, '[');
    close = open != NULL ? strchr(open, ']') : NULL;
    if (close == NULL)
        return;
    *close = '\0';
    put(w, key, open + 1);
}

/* Text after "name : " of the first such line of a file of such lines, or false. */
static bool find_field(const char *root, const char *path, const char *name, char *value,
                       size_t size)
{
    char line[LINE_MAX_BYTES];
    FILE *f = open_file(root, path);
    bool found = false;
    size_t n = strlen(name);
    while (f != NULL && !found && fgets(line, sizeof line, f) != NULL) {
        const char *p = line + n;
        if (strncmp(line, name, n) != 0)
            continue;
        p += strspn(p, " \t");
        if (*p != ':')
            continue;
        p += 1 + strspn(p + 1, " \t");
        (void)snprintf(value, size, "%.*s", (int)strcspn(p, "\n"), p); /* may be cut */
        found = true;
    }
    if (f != NULL)
        (void)fclose(f); /* was only read */
    return found;
}

static void put_cpuinfo(writer *w)
{
    char value[LINE_MAX_BYTES];
    if (find_field(w->root, "/proc/cpuinfo", "model name", value, sizeof value))
        put(w, "cpu", value);
    if (find_field(w->root, "/proc/cpuinfo", "microcode", value, sizeof value))
        put(w, "microcode", value);
    if (find_field(w->root, "/proc/cpuinfo", "cpu cores", value, sizeof value))
        put(w, "cores", value);
    put_file(w, "online", "/sys/devices/system/cpu/online");
    if (find_field(w->root, "/proc/cpuinfo", "flags", value, sizeof value))
        put(w, "hypervisor", strstr(value, " hypervisor") != NULL ? "yes" : "no");
}

static void put_caches(writer *w)
{
    for (int i = 0; i < 5; i++) {
        char path[96], level[16], type[32], size[32], key[24];
        const char *base = "/sys/devices/system/cpu/cpu0/cache/index";
        (void)snprintf(path, sizeof path, "%s%d/level", base, i); /* all three fit */
        if (!read_line(w->root, path, level, sizeof level))
            continue;
        (void)snprintf(path, sizeof path, "%s%d/type", base, i);
        (void)read_line(w->root, path, type, sizeof type); /* empty is handled */
        (void)snprintf(path, sizeof path, "%s%d/size", base, i);
        if (strcmp(type, "Instruction") == 0 || !read_line(w->root, path, size, sizeof size))
            continue;
        (void)snprintf(key, sizeof key, "l%.8s", level);
        put(w, key, size);
    }
}

/* How many of the known weaknesses are mitigated by software, and how many are left open. */
static void put_mitigations(writer *w)
{
    static const char *const names[] = {"gather_data_sampling",
                                        "itlb_multihit",
                                        "l1tf",
                                        "mds",
                                        "meltdown",
                                        "mmio_stale_data",
                                        "retbleed",
                                        "reg_file_data_sampling",
                                        "spec_rstack_overflow",
                                        "spec_store_bypass",
                                        "spectre_v1",
                                        "spectre_v2",
                                        "srbds",
                                        "tsx_async_abort"};
    int mitigated = 0, vulnerable = 0, known = 0;
    char text[64];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128], line[LINE_MAX_BYTES];
        (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/vulnerabilities/%s",
                       names[i]); /* fits */
        known += read_line(w->root, path, line, sizeof line);
        mitigated += strncmp(line, "Mitigation", 10) == 0;
        vulnerable += strncmp(line, "Vulnerable", 10) == 0;
    }
    if (known == 0)
        return;
    (void)snprintf(text, sizeof text, "%d on %d open", mitigated, vulnerable); /* fits */
    put(w, "mitigations", text);
}

/* A value of which no more than a part may fit: two that differ anywhere give two texts. */
static void put_long(writer *w, const char *key, const char *value)
{
    enum { SHOWN = 40 };
    char text[VALUE_BYTES];
    uint64_t hash = mop_hash(MOP_HASH_INIT, value, strlen(value));
    if (strlen(value) <= SHOWN + 12)
        put(w, key, value);
    else if (snprintf(text, sizeof text, "%.*s.. %08" PRIx32, SHOWN, value,
                      (uint32_t)(hash ^ hash >> 32)) > 0)
        put(w, key, text);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In the order of their names, whatever order they were set in. */
static void put_variables(writer *w)
{
    static const char *const prefixes[] = {
        "LP_", "MESA_", "VK_", "GALLIUM_", "OMP_", "MALLOC_", "GLIBC_TUNABLES=", "LD_PRELOAD="};
    const char *found[16] = {NULL};
    size_t n = 0;
    for (char **e = environ; *e != NULL && n < sizeof found / sizeof found[0]; e++) {
        bool matters = false;
        for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
            matters = matters || strncmp(*e, prefixes[i], strlen(prefixes[i])) == 0;
        if (matters)
            found[n++] = *e;
    }
    qsort(found, n, sizeof found[0], by_text);
    for (size_t i = 0; i < n; i++) {
        char key[30];
        size_t len = strcspn(found[i], "=");
        (void)snprintf(key, sizeof key, "%.*s", (int)len, found[i]); /* a cut name is a name */
        put_long(w, key, found[i][len] == '=' ? found[i] + len + 1 : "");
    }
}

static void put_turbo(writer *w)
{
    char line[LINE_MAX_BYTES];
    if (read_line(w->root, "/sys/devices/system/cpu/intel_pstate/no_turbo", line, sizeof line))
        put(w, "turbo", line[0] == '0' ? "on" : "off");
    else if (read_line(w->root, "/sys/devices/system/cpu/cpufreq/boost", line, sizeof line))
        put(w, "turbo", line[0] == '1' ? "on" : "off");
}

void mop_environment_fingerprint(const char *root, char *text, size_t size)
{
    writer w = {.root = root, .text = text, .size = size};
    char value[LINE_MAX_BYTES];
    if (size == 0)
        return;
    text[0] = '\0';
    put_cpuinfo(&w);
    put_caches(&w);
    if (find_field(root, "/proc/meminfo", "MemTotal", value, sizeof value))
        put(&w, "memory", value);
    put_file(&w, "kernel", "/proc/sys/kernel/osrelease");
    put_file(&w, "clock", "/sys/devices/system/clocksource/clocksource0/current_clocksource");
    put_chosen(&w, "thp", "/sys/kernel/mm/transparent_hugepage/enabled");
    put_file(&w, "governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    put_turbo(&w);
    put_mitigations(&w);
    put_file(&w, "quota", "/sys/fs/cgroup/cpu.max");
    put_file(&w, "aslr", "/proc/sys/kernel/randomize_va_space");
#ifdef __GLIBC__
    (void)snprintf(value, sizeof value, "glibc %s", gnu_get_libc_version()); /* fits */
    put(&w, "libc", value);
#endif
    put(&w, "compiler", mop_build_compiler());
    put_long(&w, "flags", mop_build_flags());
    put_variables(&w);
    if (read_line(root, "/proc/cmdline", value, sizeof value))
        put_long(&w, "cmdline", value);
}

void mop_environment_state(const char *root, char *text, size_t size)
{
    writer w = {.root = root, .text = text, .size = size};
    char line[LINE_MAX_BYTES];
    long hottest = LONG_MIN;
    uint64_t memory = mop_environment_memory(root);
    if (size == 0)
        return;
    text[0] = '\0';
    if (read_line(root, "/proc/loadavg", line, sizeof line)) {
        int spaces = 0;
        for (char *p = line; *p != '\0'; p++) { /* the first three numbers */
            spaces += *p == ' ';
            if (spaces == 3)
                *p = '\0';
        }
        put(&w, "load", line);
    }
    if (read_line(root, "/proc/uptime", line, sizeof line)) {
        line[strcspn(line, ". ")] = '\0';
        put(&w, "uptime_s", line);
    }
    for (int i = 0; i < 16; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/temp", i); /* fits */
        if (read_line(root, path, line, sizeof line) && strtol(line, NULL, 10) > hottest)
            hottest = strtol(line, NULL, 10);
    }
    (void)snprintf(line, sizeof line, "%ld", hottest); /* fits */
    if (hottest != LONG_MIN)
        put(&w, "temperature_mc", line);
    (void)snprintf(line, sizeof line, "%" PRIu64, memory >> 20); /* fits */
    if (memory > 0)
        put(&w, "memory_free_mib", line);
}

/* A decimal number, or false for "max" and what is no number. */
static bool read_bytes(const char *root, const char *path, uint64_t *out)
{
    char line[64], *end;
    if (!read_line(root, path, line, sizeof line) || !isdigit((unsigned char)line[0]))
        return false;
    *out = strtoull(line, &end, 10);
    return *end == '\0';
}

uint64_t mop_environment_memory(const char *root)
{
    char value[LINE_MAX_BYTES];
    uint64_t bytes = 0, limit;
    if (find_field(root, "/proc/meminfo", "MemAvailable", value, sizeof value))
        bytes = strtoull(value, NULL, 10) * 1024;
    if (read_bytes(root, "/sys/fs/cgroup/memory.max", &limit) && (bytes == 0 || limit < bytes))
        bytes = limit;
    return bytes;
}
