/* The world that a sweep stands on when nobody replaced it. */
#include "profiler/engine/peak.h"
#include "profiler/measure/environment.h"
#include "profiler/measure/sweep.h"

/* Bursts of about 10 ms: enough that one of them had the core to itself. */
enum { PEAK_BURSTS = 50 };

void mop_sweep_world_real(mop_sweep_world *world)
{
    *world = (mop_sweep_world){.clock = mop_clock_real(),
                               .counters = mop_counters_real(),
                               .find_backend = mop_backend_find,
                               .memory_bytes = mop_environment_memory("")};
    mop_environment_fingerprint("", world->fingerprint, sizeof world->fingerprint);
    world->peak_flops = mop_peak_flops(&world->clock, mop_isa_best(mop_isa_detect()), PEAK_BURSTS);
}
