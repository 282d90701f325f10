#include "profiler/engine/peak.h"

#include "kernels/cpu/peak.h"

double mop_peak_flops(const mop_clock *clock, mop_isa isa, int bursts)
{
    const uint64_t burst_ns = 2 * 1000 * 1000;
    const mop_peak_kernel *loop = mop_cpu_peak(isa);
    int64_t rounds = 1000;
    double best = 0;
    volatile float sink; /* the sums are used */
    for (int64_t i = 0; i < (int64_t)bursts * 5; i++) {
        uint64_t ns = 0;
        do { /* grows until one burst is long enough; afterwards it runs once */
            const uint64_t start = mop_now_ns(clock);
            sink = loop->run(rounds);
            ns = mop_now_ns(clock) - start;
            rounds *= ns < burst_ns / 2 ? 2 : 1;
        } while (ns < burst_ns / 2);
        const double flops = (double)loop->flops_per_round * (double)rounds * 1e9 / (double)ns;
        best = flops > best ? flops : best;
    }
    (void)sink;
    return best;
}

float mop_peak_loop(mop_isa isa, int64_t rounds)
{
    return mop_cpu_peak(isa)->run(rounds);
}

int mop_peak_round_flops(mop_isa isa)
{
    return mop_cpu_peak(isa)->flops_per_round;
}
