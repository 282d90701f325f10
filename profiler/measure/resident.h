/* Resident memory of this process: what a plan takes beside what was there before it. */
#ifndef PROFILER_MEASURE_RESIDENT_H
#define PROFILER_MEASURE_RESIDENT_H

#include <stdbool.h>
#include <stdint.h>

/* Gives the heap's unused pages back, whose reuse would not show, and lets the peak begin anew.
 * *bytes receives what is resident now (VmRSS). False where the kernel does not tell or does not
 * reset it (/proc/self/clear_refs: CONFIG_PROC_PAGE_MONITOR). */
bool mop_resident_begin(uint64_t *bytes);

/* The most that was resident since then (VmHWM). */
bool mop_resident_peak(uint64_t *bytes);

#endif
