/* The world that a sweep stands on when nobody replaced it. */
#include "profiler/engine/peak.h"
#include "profiler/measure/environment.h"
#include "profiler/measure/sweep.h"

/* Bursts of about 10 ms: enough that one of them had the core to itself. */
enum { PEAK_BURSTS = 50 };

static float run_loop(void *ctx, int64_t rounds)
{
    (void)ctx;
    return mop_peak_loop(mop_isa_best(mop_isa_detect()), rounds);
}

mop_status mop_sweep_world_real(mop_sweep_world *world, mop_err *err)
{
    *world = (mop_sweep_world){.clock = mop_clock_real(),
                               .loop = {.run = run_loop},
                               .find_backend = mop_backend_find,
                               .memory_bytes = mop_environment_memory("")};
    mop_status st = mop_counters_open(&world->counters, err);
    if (st == MOP_OK)
        st = mop_canary_open(mop_clock_real(), &world->canary, err);
    if (st == MOP_OK)
        st = mop_machine_open("", &world->machine, err);
    if (st != MOP_OK) {
        mop_sweep_world_release(world);
        return st;
    }
    world->loop.flops_per_round = mop_peak_round_flops(mop_isa_best(mop_isa_detect()));
    mop_environment_state("", world->environment, sizeof world->environment);
    mop_environment_fingerprint("", world->fingerprint, sizeof world->fingerprint);
    world->peak_flops = mop_peak_flops(&world->clock, mop_isa_best(mop_isa_detect()), PEAK_BURSTS);
    return MOP_OK;
}

void mop_sweep_world_release(mop_sweep_world *world)
{
    mop_counters_close(&world->counters);
    mop_canary_close(&world->canary);
    mop_machine_close(&world->machine);
}
