/* What the whole machine says about itself between visits: stolen time, interrupts, pressure,
 * throttling, temperature, frequency. Comes in as an argument, so a test can script it. */
#ifndef PROFILER_MEASURE_MACHINE_H
#define PROFILER_MEASURE_MACHINE_H

#include <stdint.h>

#include "profiler/base/status.h"

/* A tick of the accounting in /proc/stat: USER_HZ is 100. */
#define MOP_TICK_NS INT64_C(10000000)

/* Running totals and momentary values; MOP_ABSENT (db/record.h) where this machine has none. */
typedef struct mop_machine_state {
    int64_t steal_ticks, irq_ticks; /* totals over all processors */
    int64_t pressure_us;            /* total time that some task waited for a CPU */
    int64_t throttled;              /* total throttling events: cgroup quota and thermal */
    int64_t runnable;               /* tasks that want a CPU now */
    int64_t temperature_mc;         /* hottest zone, thousandths of a degree Celsius */
    int64_t frequency_khz;          /* of the first processor */
} mop_machine_state;

/* Both never fail and never allocate. NULL read: says nothing. */
typedef struct mop_machine {
    void (*read)(void *ctx, mop_machine_state *out);
    /* Only the counts that flag samples, steal, irq and throttled, the rest absent: some thermal
     * zones and frequencies take milliseconds to read. NULL: as read. */
    void (*glance)(void *ctx, mop_machine_state *out);
    void *ctx;
} mop_machine;

/* Reads /proc/stat, /proc/loadavg, /proc/pressure/cpu, cgroup cpu.stat, and of the first processor
 * thermal_throttle and cpufreq, and thermal zones 0 to 15, through files opened once. `root` stands
 * before every path ("" for this machine). A glance took 10 us on a 2-CPU virtual
 * machine; tests/measure/test_machine prints it.
 * MOP_ENOMEM. */
mop_status mop_machine_open(const char *root, mop_machine *out, mop_err *err);
void mop_machine_close(mop_machine *machine); /* a zeroed one is fine */

#endif
