/* Checks of what else runs: on the host, in this system, on this core, in this control group. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "db/record.h"
#include "profiler/engine/cpu_info.h"
#include "profiler/measure/doctor_internal.h"

static int64_t grew(int64_t before, int64_t after)
{
    return before == MOP_ABSENT || after == MOP_ABSENT ? MOP_ABSENT : after - before;
}

void mop_doctor_steal(const mop_patient *p, mop_finding *f)
{
    const double ticks_a_second = 100; /* of the kernel's accounting, whatever its own rate */
    const int64_t ticks = grew(p->before.steal_ticks, p->after.steal_ticks);
    const int processors = p->online > 0 ? p->online : p->world->processors;
    const double share = 100 * (double)ticks / (ticks_a_second * processors);
    if (ticks == MOP_ABSENT)
        mop_doctor_say(f, MOP_SEVERITY_OK, "this machine does not count stolen time");
    else if (ticks <= 0)
        mop_doctor_say(f, MOP_SEVERITY_OK, "no time was stolen in a second");
    else
        mop_doctor_say(f, share >= 1 ? MOP_SEVERITY_PROBLEM : MOP_SEVERITY_WARNING,
                       "%" PRId64 " ticks, %.1f %% of %d processors, were stolen in a second",
                       ticks, share, processors);
}

void mop_doctor_load(const mop_patient *p, mop_finding *f)
{
    char line[128];
    double average = 0;
    const int64_t others = p->after.runnable == MOP_ABSENT ? 0 : p->after.runnable - 1;
    const bool is_told = mop_doctor_line(p, "/proc/loadavg", line, sizeof line) &&
                         sscanf(line, "%lf", &average) == 1;
    const int processors = p->world->processors;
    mop_severity severity = MOP_SEVERITY_OK;
    if (!is_told) {
        mop_doctor_say(f, MOP_SEVERITY_OK, "this machine does not tell its load");
        return;
    }
    if (others > 0 || average > 0.25 * processors)
        severity = MOP_SEVERITY_WARNING;
    if (others >= processors || average >= processors)
        severity = MOP_SEVERITY_PROBLEM;
    mop_doctor_say(f, severity,
                   "%" PRId64 " other tasks want a processor now, %.2f over the last minute; "
                   "%d processors",
                   others > 0 ? others : 0, average, processors);
}

void mop_doctor_sibling(const mop_patient *p, mop_finding *f)
{
    const double typical = p->canary_median / p->canary_floor;
    const double slow = p->canary_slow / p->canary_floor;
    mop_severity severity = MOP_SEVERITY_OK;
    if (isnan(slow)) {
        mop_doctor_say(f, MOP_SEVERITY_OK, "no canary was run");
        return;
    }
    if (slow > 1.15)
        severity = MOP_SEVERITY_WARNING;
    if (typical > 1.15)
        severity = MOP_SEVERITY_PROBLEM;
    mop_doctor_say(f, severity,
                   "of %d canaries over half a second the median took %.2f of the fast ones' time, "
                   "one in ten over %.2f%s",
                   MOP_DOCTOR_CANARIES, typical, slow,
                   severity != MOP_SEVERITY_OK ? ": something else uses the core" : "");
}

void mop_doctor_smt(const mop_patient *p, mop_finding *f)
{
    const int64_t active = mop_doctor_number(p, "/sys/devices/system/cpu/smt/active");
    if (active == MOP_ABSENT)
        mop_doctor_say(f, MOP_SEVERITY_OK, "this machine does not tell whether cores are shared");
    else if (active == 0)
        mop_doctor_say(f, MOP_SEVERITY_OK, "one hyperthread a core, as far as this system sees");
    else
        mop_doctor_say(f, MOP_SEVERITY_NOTE, "hyperthreads share cores");
}

void mop_doctor_throttle(const mop_patient *p, mop_finding *f)
{
    const int64_t events = grew(p->before.throttled, p->after.throttled);
    if (events == MOP_ABSENT)
        mop_doctor_say(f, MOP_SEVERITY_OK, "this machine does not count throttling");
    else if (events > 0)
        mop_doctor_say(f, MOP_SEVERITY_PROBLEM, "throttled %" PRId64 " times in a second", events);
    else if (p->after.throttled > 0)
        mop_doctor_say(f, MOP_SEVERITY_NOTE, "throttled %" PRId64 " times, but not just now",
                       p->after.throttled);
    else
        mop_doctor_say(f, MOP_SEVERITY_OK, "never throttled");
}

void mop_doctor_temperature(const mop_patient *p, mop_finding *f)
{
    const double degrees = (double)p->after.temperature_mc / 1000;
    if (p->after.temperature_mc == MOP_ABSENT)
        mop_doctor_say(f, MOP_SEVERITY_OK, "this machine does not tell its temperature");
    else
        mop_doctor_say(f,
                       degrees >= 95   ? MOP_SEVERITY_PROBLEM
                       : degrees >= 85 ? MOP_SEVERITY_WARNING
                                       : MOP_SEVERITY_OK,
                       "%.0f degrees Celsius in the hottest zone", degrees);
}

void mop_doctor_affinity(const mop_patient *p, mop_finding *f)
{
    const int mine = p->world->processors;
    if (p->online == 0)
        mop_doctor_say(f, MOP_SEVERITY_OK, "%d processors, and the machine does not tell of others",
                       mine);
    else
        mop_doctor_say(f,
                       mine >= p->online ? MOP_SEVERITY_OK
                       : mine == 1       ? MOP_SEVERITY_WARNING
                                         : MOP_SEVERITY_NOTE,
                       "%d of %d processors may be used", mine, p->online);
}

void mop_doctor_quota(const mop_patient *p, mop_finding *f)
{
    const double quota = mop_cpu_quota(p->world->root);
    if (quota <= 0)
        mop_doctor_say(f, MOP_SEVERITY_OK, "no quota");
    else
        mop_doctor_say(f,
                       quota < 1                      ? MOP_SEVERITY_PROBLEM
                       : quota < p->world->processors ? MOP_SEVERITY_WARNING
                                                      : MOP_SEVERITY_OK,
                       "the control group allows %.2f processors' time of %d", quota,
                       p->world->processors);
}
