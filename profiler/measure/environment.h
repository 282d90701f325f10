/* What kind of machine this is, and what state it is in. */
#ifndef PROFILER_MEASURE_ENVIRONMENT_H
#define PROFILER_MEASURE_ENVIRONMENT_H

#include <stddef.h>
#include <stdint.h>

/* Writes "key=value;" for what is known: cpu, microcode, cores, caches, hypervisor, memory, kernel,
 * clock source, transparent huge pages, governor, turbo, mitigations, cgroup quota, address
 * randomisation, C library, compiler with its flags, the kernel's command line, and variables of
 * the process's environment that drivers and libraries obey (LP_, MESA_, VK_, GALLIUM_, OMP_,
 * MALLOC_, GLIBC_TUNABLES, LD_PRELOAD). A value that is too long ends in a hash of the whole. An
 * unknown key is absent. Never the host's name, and nothing that changes from run to run. `root`
 * stands before every path ("" for this machine); text is cut at a whole entry. */
void mop_environment_fingerprint(const char *root, char *text, size_t size);

/* Writes "key=value;" for what changes from hour to hour: load averages, uptime in seconds, the
 * hottest thermal zone in thousandths of a degree, available memory in MiB. As above. */
void mop_environment_state(const char *root, char *text, size_t size);

/* Bytes that may be allocated: MemAvailable of /proc/meminfo, or the cgroup's limit if that is less
 * (its use is not taken off, because it counts file pages that give way). 0 if unknown. */
uint64_t mop_environment_memory(const char *root);

#endif
