/* The arithmetic peak of one core, measured: what every fraction of peak is a fraction of. */
#ifndef PROFILER_ENGINE_PEAK_H
#define PROFILER_ENGINE_PEAK_H

#include "kernels/cpu/isa.h"
#include "profiler/base/clock.h"

/* Floating-point operations per second (a multiply-add counts two) of a loop of independent
 * multiply-adds in registers at the given instruction set level, which the machine must offer: the
 * best part of about 2 ms out of `bursts` times 10 ms. Short parts, because beside a busy neighbour
 * a long one is never undisturbed; several, because the clock starts slowly. Where the level
 * has no fused one (scalar on x86-64), a multiply-add is two instructions. 0 if bursts < 1. */
double mop_peak_flops(const mop_clock *clock, mop_isa isa, int bursts);

/* `rounds` rounds of that loop at the given level: the work, without a clock. Returns the sum of
 * its registers, the same bits for the same number of rounds. */
float mop_peak_loop(mop_isa isa, int64_t rounds);

/* Floating-point operations of one round. */
int mop_peak_round_flops(mop_isa isa);

#endif
