#include "profiler/measure/resident.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

/* The line "name:  123 kB" of this process's status, in bytes. */
static bool read_status(const char *name, uint64_t *bytes)
{
    char line[256];
    const size_t n = strlen(name);
    FILE *f = fopen("/proc/self/status", "r");
    bool found = false;
    while (f != NULL && !found && fgets(line, sizeof line, f) != NULL) {
        found = strncmp(line, name, n) == 0 && line[n] == ':';
        if (found)
            *bytes = strtoull(line + n + 1, NULL, 10) * 1024;
    }
    if (f != NULL)
        (void)fclose(f); /* was only read */
    return found;
}

static bool reset_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    bool is_written = f != NULL && fputs("5", f) >= 0;
    if (f != NULL && fclose(f) != 0)
        is_written = false;
    return is_written;
}

bool mop_resident_begin(uint64_t *bytes)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
    return reset_peak() && read_status("VmRSS", bytes);
}

bool mop_resident_peak(uint64_t *bytes)
{
    return read_status("VmHWM", bytes);
}
