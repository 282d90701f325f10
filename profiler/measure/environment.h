/* What kind of machine this is: the part of the environment that stays while a sweep runs. */
#ifndef PROFILER_MEASURE_ENVIRONMENT_H
#define PROFILER_MEASURE_ENVIRONMENT_H

#include <stddef.h>
#include <stdint.h>

/* Writes "key=value;" for what is known: cpu, microcode, cores, caches, hypervisor, memory, kernel,
 * clock source, transparent huge pages, governor, turbo, mitigations, cgroup quota, address
 * randomisation, C library, compiler. An unknown key is absent. Never the host's name, and nothing
 * that changes from run to run. `root` stands before every path ("" for this machine); text is cut
 * at a whole entry. */
void mop_environment_fingerprint(const char *root, char *text, size_t size);

/* Bytes that may be allocated: MemAvailable of /proc/meminfo, or the cgroup's limit if that is less
 * (its use is not taken off, because it counts file pages that give way). 0 if unknown. */
uint64_t mop_environment_memory(const char *root);

#endif
